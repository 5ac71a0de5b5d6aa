"""The page on the registry's format, taken apart: its blocks of code, its tables."""

from __future__ import annotations

import re
from typing import Final

from tests.support.real import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "registry-format.md"
TEXT: Final = PAGE.read_text()


def blocks(language: str, section: str = "") -> list[str]:
    """Return the blocks of code in a language, of one section or of all."""
    part = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0] if section else TEXT
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def table(head: str, after: str = "") -> list[list[str]]:
    """Return the rows of the first table, behind a text, whose head begins so; without the head."""
    part = TEXT.partition(f"\n{after}")[2] if after else TEXT
    lines = part.partition(f"\n{head}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def words(text: str) -> list[str]:
    """Return what stands in back quotes."""
    return re.findall(r"`([^`]+)`", text)
