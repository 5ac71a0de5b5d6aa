"""``tidegate features``: the catalogue of what we measure, for people and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from flows.catalogue import CATALOGUE, catalogue_digest, catalogue_json

Row = tuple[str, ...]

_HEADINGS = ("#", "name", "unit", "group", "formula")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the catalogue as JSON, with its digest.")
def features(as_json: bool) -> None:
    """Print the catalogue of the 120 features: name, unit, group and formula of each."""
    if as_json:
        document = {"digest": catalogue_digest(), **json.loads(catalogue_json())}
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    rows: list[Row] = [
        (str(position), feature.name, feature.unit, feature.group, feature.formula)
        for position, feature in enumerate(CATALOGUE)
    ]
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_text(rows)
    click.echo(f"{len(rows)} features; SHA-256 of the catalogue: {catalogue_digest()}")


def _print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*_HEADINGS)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)


def _print_text(rows: Sequence[Row]) -> None:
    lines = [_HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS) - 1)]
    for line in lines:
        click.echo("  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[-1]]))
