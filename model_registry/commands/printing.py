"""How the registry's commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from model_registry.diffing import Difference

if TYPE_CHECKING:
    from rich.table import Table


def new_table(*headers: str) -> Table:
    """Return an empty table; with empty headers it has none."""
    from rich import box  # here, so that JSON does not wait for it
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=any(headers), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table; what is in it is text, never markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 1000  # nothing to fit into, so do not break lines
    console.print(table)


def print_differences(differences: Sequence[Difference]) -> None:
    """Print what differs, a row each."""
    if not differences:
        click.echo("no difference")
        return
    table = new_table("where", "what", "before", "after")
    for one in differences:
        table.add_row(one.where, one.what, one.before or "-", one.after or "-")
    print_table(table)


def shown(text: str) -> str:
    """Return a file's name, or a message with one in it, fit for a terminal: anybody can have made the file."""
    return text if text.isprintable() else ascii(text)


def print_json(document: dict[str, Any]) -> None:
    """Print a JSON document."""
    click.echo(json.dumps(document, indent=2))
