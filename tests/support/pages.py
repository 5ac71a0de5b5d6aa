"""Reading a page of HTML strictly: what is in it, and that every element is closed by its own end."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"img", "meta", "br", "link", "input", "hr"}


@dataclass
class Page:
    """What a page holds.

    Attributes:
        tags: how often each element is there.
        links: every address that an attribute names.
        handlers: every attribute that would run something.
        text: all of its text, outside styles.
        values: the figures (``data`` elements) of each table by its caption, then by its row's name, in order; None
            stands for a cell that is text.
        headers: the columns' names of each table, by its caption.
    """

    tags: dict[str, int] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    text: str = ""
    values: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    headers: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []
        self.caption = ""
        self.row: str | None = None
        self.cells: list[float | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags[tag] = self.page.tags.get(tag, 0) + 1
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        self.page.links += [value or "" for name, value in attrs if name in {"src", "href", "action", "data", "srcset"}]
        self.page.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.row, self.cells = None, []
        elif tag == "th":
            self.row = ""
        elif tag == "td":
            self.cells.append(None)
        elif tag == "data":
            self.cells[-1] = float(given["value"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        if tag == "caption":
            self.page.values[self.caption], self.page.headers[self.caption] = {}, []
        elif tag == "th" and "thead" in self.open:
            self.page.headers[self.caption].append(self.row or "")
        elif tag == "tr" and "tbody" in self.open:
            assert self.row is not None
            self.page.values[self.caption][self.row] = self.cells

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.page.text += data
        if self.open and self.open[-1] == "caption":
            self.caption += data
        elif self.open and self.open[-1] == "th":
            self.row = (self.row or "") + data


def read_page(text: str) -> Page:
    """Read a page. Raises AssertionError if it is not well-formed."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, f"{reader.open} are never closed"
    return reader.page
