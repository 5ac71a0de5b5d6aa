"""``tidegate registry gc``: delete what nobody needs any more."""

from __future__ import annotations

import click

from model_registry.commands.options import json_option, registry_option
from model_registry.commands.printing import print_json
from model_registry.registry import Registry
from model_registry.writing.collection import KEPT_MANIFESTS, collect


@click.command("gc")
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=KEPT_MANIFESTS,
    show_default=True,
    help="How many manifests to keep, the one in force included.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be deleted, and delete nothing.")
@registry_option
@json_option
def registry_gc(keep: int, dry_run: bool, registry: str, as_json: bool) -> None:
    """Delete what nobody needs any more.

    Old manifests, stale proposals, what crashes left, and blobs that no manifest that is kept refers to.
    """
    gone = collect(Registry(registry), keep=keep, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "files": [{"file": one.file, "why": one.why} for one in gone]})
        return
    for one in gone:
        click.echo(f"{one.file}  {one.why}")
    click.echo(f"{len(gone)} file{'' if len(gone) == 1 else 's'} {'would be ' if dry_run else ''}deleted")
