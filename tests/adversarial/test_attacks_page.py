"""docs/attacks.md has a row for every attack that tests make, and no other; the tests hold what comes of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from model_registry.errors import Reason
from tests.support.attack_page import PAGE, name_of, tables

# A table's first heading, by the module that holds its tests.
HEADINGS: Final = {
    "signatures": "who signed",
    "spellings": "spelling",
    "versions": "rollback",
    "freeze": "freeze",
    "mixing": "mixture",
    "registries": "other registry",
    "rotation": "rotation",
    "writers": "whoever writes",
    "steps": "step",
    "history": "past",
    "proposals": "proposal",
    "replays": "replay",
    "floods": "too much",
    "files": "file",
    "moments": "moment",
}


def attacks_of(module: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the description of every attack in a module, in its order."""
    tree = ast.parse(Path(__file__).with_name(f"test_attacks_{module}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield name_of(node.name), ast.get_docstring(node) or ""


@pytest.mark.parametrize("module", HEADINGS)
def test_every_attack_has_a_row_that_says_what_is_done(module: str) -> None:
    assert [row[:2] for row in tables()[HEADINGS[module]]] == list(attacks_of(module))


def test_no_module_of_attacks_is_left_out() -> None:
    modules = {path.stem.removeprefix("test_attacks_") for path in Path(__file__).parent.glob("test_attacks_*.py")}
    assert modules - {"page", "table"} == HEADINGS.keys()


def test_every_reason_for_a_refusal_is_the_end_of_some_attack() -> None:
    named = set(re.findall(r"\[([a-z-]+)\](?!\()", PAGE.read_text()))
    assert named == {str(reason) for reason in Reason}


def test_the_pages_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
