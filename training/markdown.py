"""Writing Markdown: paragraphs, lists and tables, in which words from outside cannot pass for formatting."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Final

WIDTH: Final = 100  # of lines, for those who read it as it is
_LONGEST_NAME: Final = 60


def paragraph(text: str, first: str = "", rest: str = "") -> list[str]:
    """A paragraph as lines, the first of them and the rest indented by these."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def bullets(texts: Iterable[str]) -> list[str]:
    """A list without numbers."""
    return [line for text in texts for line in paragraph(text, "* ", "  ")]


def steps(texts: Iterable[str]) -> list[str]:
    """A list with numbers from 1."""
    return [line for number, text in enumerate(texts, 1) for line in paragraph(text, f"{number}. ", "   ")]


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table whose first column is text, and the others numbers."""
    dashes = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, dashes, *rows)]


def code(name: str) -> str:
    """A name from outside as a code span, which nothing in it can end."""
    plain = "".join(char if char.isprintable() and char not in "`|" else "?" for char in name[:_LONGEST_NAME])
    return f"`{plain or '?'}`"


def prose(text: str) -> str:
    """A text in which names from outside may be, on one line and with nothing that formats, even if it is wrapped."""
    plain = "".join(char if char.isprintable() else " " if char == "\n" else "?" for char in text)
    escaped = re.sub(r"([\\`*<&~\[\]|]|(?<![^\W_])_|_(?![^\W_])|(?<!\S)[#+=>:-])", r"\\\1", plain)
    return re.sub(r"(?<!\S)(\d+)(?=[.)](?!\S))", r"\1\\", escaped)  # "1." begins a list
