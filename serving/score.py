"""``tidegate score``: flow files to verdicts, without Kafka, decided as the serving process decides."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.table import Table

from flows.files import FileChunk, parse_spec, read_flows
from flows.formats import FORMATS
from flows.keying import HomeNetworks
from serving.cli import config_option, given_settings, setting_options
from serving.models import load_detector, missing_models
from serving.pipeline import Pipeline, Verdicts

_CHUNK_LINES: Final = 4096
_TABLE_ROWS: Final = 200


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES…")
@config_option
@setting_options("registry", "root", "state", "min_version", "home", "verdicts")
@click.option("--format", "default_format", type=click.Choice(FORMATS), help="Format of all files.")
@click.option("--json", "as_json", is_flag=True, help="Print NDJSON on a terminal, too.")
def score(
    files: tuple[str, ...],
    config: Path | None,
    default_format: str | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Turn flow files into verdicts: NDJSON on stdout, a table on a terminal.

    FILES are [FORMAT:][TRUTH:]PATH, plain or gzipped, each a stream of its own: what one file's hosts did is not
    remembered in the next. Lines that cannot be decoded are reported on stderr, and stop nothing.
    """
    settings = given_settings(config, options)
    specs = [parse_spec(text, default_format) for text in files]
    detector, loaded = load_detector(settings)
    for name, reason in missing_models(detector, loaded).items():
        click.echo(f"tidegate: scoring without {name}: {reason}", err=True)
    pipeline = Pipeline(detector, home=HomeNetworks(settings.home), publish_all=settings.verdicts == "all")
    for_people = _for_people() and not as_json
    kinds: Counter[str] = Counter()
    undecodable = 0
    rows: list[dict[str, Any]] = []
    for chunk, verdicts in _decided(pipeline, read_flows(specs, _CHUNK_LINES)):
        for letter in chunk.decoded.dead:
            click.echo(f"{chunk.spec.path}:{chunk.first_line + letter.index}: {letter.error}", err=True)
        undecodable += len(chunk.decoded.dead)
        kinds.update(verdicts.by_kind)
        if for_people:
            shown = verdicts.verdicts[: _TABLE_ROWS - len(rows)]
            rows.extend(msgspec.json.decode(published.document) for published in shown)
        elif verdicts.verdicts:
            click.echo(b"\n".join(published.document for published in verdicts.verdicts).decode())
    if for_people:
        _print_table(rows, kinds.total() if settings.verdicts == "all" else kinds.total() - kinds["benign"])
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no flows"
    click.echo(f"{kinds.total()} flows: {counts}; {undecodable} undecodable lines", err=True)


def _for_people() -> bool:
    return sys.stdout.isatty()


def _decided(pipeline: Pipeline, chunks: Iterable[FileChunk]) -> Iterator[tuple[FileChunk, Verdicts]]:
    stream = pipeline.open_stream()
    for chunk in chunks:
        if chunk.first_line == 1:  # another file begins
            stream = pipeline.open_stream()
        yield chunk, pipeline.decide(stream, chunk.decoded, partial(_origin, chunk))


def _origin(chunk: FileChunk, index: int) -> str:
    return f"{chunk.spec.path}:{chunk.first_line + index}"


def _print_table(rows: list[dict[str, Any]], published: int) -> None:
    table = Table("verdict", "confidence", "key host", "from", "to", "reason or technique", "where")
    for row in rows:
        source, destination = row["flow"]["source"], row["flow"]["destination"]
        table.add_row(
            row["verdict"],
            f"{row['confidence']:.3f}",
            row["key_host"],
            source["address"],
            f"{destination['address']} port {destination['port']}" if destination["port"] else destination["address"],
            row["reason"] or row["technique"] or "",
            Path(row["id"]).parent.name,  # FILE:LINE, of [FOLDER/]FILE:LINE/VERSION
        )
    Console(markup=False).print(table)
    if published > len(rows):
        click.echo(
            f"the first {len(rows)} of {published} verdicts; redirect to a file, or give --json, for all of them"
        )
