"""Model cards for people: rendered on a terminal, their own Markdown everywhere else.

A card's digest is signed, and still it is only data: it holds words from captures' labels and files' names. It may not
command the terminal, hide where a link leads, or keep anybody waiting. So control characters are dropped; only a small
dialect is read (headings, lists, tables, code, emphasis; HTML, links, images and entities stand as they were written);
and of what is over-long only the beginning is printed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.markdown import Markdown

LONGEST: Final = 1 << 15  # characters that are printed; a card has some 8,000
MOST_LINES: Final = 1000  # that are drawn, and of bars in a line: to fit a table without end takes long
MOST_BARS: Final = 12
NARROWEST: Final = 20  # characters of a terminal: with less there is no room beside a list's bullets
_DIALECT: Final = ("heading", "list", "table", "fence", "hr", "emphasis", "backticks", "escape", "newline")


def print_card(markdown: str) -> None:
    """Print a card on standard output: rendered if that is a terminal, as it is (but for control characters) if not.

    Of a card of over :data:`LONGEST` characters the beginning is printed, and standard error says so.
    """
    text = _harmless(markdown[:LONGEST])
    if sys.stdout.isatty() and _can_be_rendered(text):
        _print_rendered(text)
    else:
        click.echo(text, nl=not text.endswith("\n"))
    if len(markdown) > LONGEST:
        click.echo(f"the first {LONGEST} of the card's {len(markdown)} characters; --json has all of them", err=True)


def _harmless(text: str) -> str:
    """Text without what drives a terminal, in characters that standard output can write."""
    printable = "".join(char for char in text if char.isprintable() or char in "\n\t")
    encoding = _encoding()
    return printable.encode(encoding, errors="replace").decode(encoding)


def _can_be_rendered(text: str) -> bool:
    """Whether the terminal has the characters that rich draws with, and nobody has to wait for the text."""
    lines = text.split("\n")
    return (
        _encoding().lower().startswith("utf")
        and len(lines) <= MOST_LINES
        and all(line.count("|") <= MOST_BARS for line in lines)
    )


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"  # a StringIO in its place has none


def _print_rendered(text: str) -> None:
    from rich.console import Console  # here, so that pipes do not wait for it

    console = Console(markup=False, highlight=False, emoji=False)
    console.width = max(console.width, NARROWEST)
    console.print(_rendered(text))


def _rendered(text: str) -> Markdown:
    from markdown_it import MarkdownIt
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import CodeBlock, Markdown, TableElement
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    class FoldedTable(TableElement):
        """Cells that are too narrow fold; rich cuts them."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for part in super().__rich_console__(console, options):
                if isinstance(part, Table):
                    for column in part.columns:
                        column.overflow = "fold"
                yield part

    class PlainCode(CodeBlock):
        """No syntax is highlighted: that is a parser for each language, and nobody trusts the text."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            yield Padding(Text(str(self.text).rstrip(), overflow="fold"), (0, 2))

    class Card(Markdown):
        elements = Markdown.elements | {"table_open": FoldedTable, "fence": PlainCode}

    card = Card("", hyperlinks=False)
    card.parsed = MarkdownIt("zero").enable([*_DIALECT]).parse(text)
    return card
