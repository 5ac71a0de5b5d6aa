"""The tables of docs/attacks.md, which say what tests do and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from tests.support.real import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "attacks.md"
Row = tuple[str, ...]


@cache
def tables() -> dict[str, list[Row]]:
    """Return the rows of every table, without its head, by the first cell of that."""
    found = {}
    for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        head, _, *rows = [tuple(cell.strip() for cell in line.strip("|\n").split(" | ")) for line in block.splitlines()]
        found[head[0]] = rows
    return found


def name_of(test: str) -> str:
    """Return the name of an attack: that of its test, in words."""
    return test.removeprefix("test_").replace("_", " ")


def hold_row(test: str, said: Sequence[str]) -> None:
    """Hold that the page says of this test's attack what became of it."""
    rows = [row for table in tables().values() for row in table if row[0] == name_of(test)]
    assert rows, f"{PAGE.name} has no row for {name_of(test)}; its last cell would be: {'<br>'.join(said)}"
    assert rows[0][-1].split("<br>") == list(said), f"{PAGE.name}, {name_of(test)}: {'<br>'.join(said)}"
