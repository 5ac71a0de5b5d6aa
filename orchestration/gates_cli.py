"""``tidegate gates``: what every gate said last, and a person's word against one that failed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import dagster as dg

from flows.errors import UsageError
from model_registry.commands.options import Writer, json_option, writer_options
from model_registry.commands.printing import new_table, print_json, print_table
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from orchestration.checking import DETAIL
from orchestration.definitions import defs
from orchestration.evidence import latest_result, text
from orchestration.overrides import write_override
from orchestration.storage import DIGEST

PASSED, FAILED, NEVER = "passed", "FAILED", "no result"

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Standing:
    """What a gate said last: ``sha256`` is of the value that it judged, ``run_id`` of the run in which."""

    gate: str
    result: str
    measured: str
    sha256: str
    run_id: str


@click.group()
def gates() -> None:
    """Show what every gate said last, or put a signed word against one that failed."""


def _home_option(command: Command) -> Command:
    return click.option(
        "--dagster-home",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("var/dagster"),
        envvar="DAGSTER_HOME",
        show_default=True,
        help="Folder of Dagster's own records.",
    )(command)


@gates.command("list")
@_home_option
@json_option
def gates_list(dagster_home: Path, as_json: bool) -> None:
    """List every gate with its latest result, and what it is about."""
    with _instance(dagster_home) as instance:
        standings = [_standing(instance, key) for key in _keys().values()]
    if as_json:
        print_json({"gates": [asdict(standing) for standing in standings]})
        return
    table = new_table("gate", "result", "measured", "sha256")
    for one in standings:
        table.add_row(one.gate, one.result, one.measured, one.sha256[:12])
    print_table(table)


@gates.command("override")
@click.argument("gate", metavar="ASSET/CHECK")
@click.option("--by", required=True, metavar="NAME", help="Who says so; published with the models.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; published with the models.")
@click.option("--days", type=click.IntRange(1, 30), default=2, show_default=True, help="How long it may be acted upon.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/store"),
    envvar="TIDEGATE_STORE",
    show_default=True,
    help="Folder of the assets' data.",
)
@_home_option
@writer_options
@json_option
def gates_override(
    gate: str,
    by: str,
    reason: str,
    days: int,
    yes: bool,
    store: Path,
    dagster_home: Path,
    writer: Writer,
    as_json: bool,
) -> None:
    """Let what failed ASSET/CHECK be signed nevertheless.

    Only a result that failed can be overridden, and only for the very bytes that it is about. Your word is signed with
    the key that signs manifests, and the gate is published as failed, with your name and reason. Materialize the group
    `release` afterwards.
    """
    keys = _keys()
    if gate not in keys:
        raise UsageError(f"there is no gate {gate!r}; `tidegate gates list` lists them")
    with _instance(dagster_home) as instance:
        standing = _standing(instance, keys[gate])
    if standing.result != FAILED:
        raise UsageError(f"{gate}: {standing.result}; only a gate that failed can be overridden")
    if not as_json:
        click.echo(f"{gate} failed on {standing.sha256[:12]}: {standing.measured}", err=True)
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError("not overridden: nobody is there to be asked; once you have looked at it, give --yes")
    if not yes and not click.confirm("Override it?", err=True):
        raise UsageError("not overridden")
    root = Registry(writer.registry).trusted_roots(writer.root).root
    until = datetime.now(UTC) + timedelta(days=days)
    signer = load_signer(writer.keys, "targets", root.role("targets").keyids)
    path = write_override(store, keys[gate], standing.sha256, by=by, reason=reason, signer=signer, until=until)
    if as_json:
        print_json({**asdict(standing), "by": by, "reason": reason, "until": until.isoformat(), "file": str(path)})
        return
    click.echo(f"Overridden until {until:%Y-%m-%d %H:%M} UTC, in {path}. Now materialize the group `release`.")


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    if not (home / "dagster.yaml").exists():
        raise UsageError(f"{home}: Dagster has no records there; name its folder by --dagster-home, or train first")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _keys() -> dict[str, dg.AssetCheckKey]:
    keys = defs.resolve_asset_graph().asset_check_keys
    return dict(sorted((f"{key.asset_key.to_user_string()}/{key.name}", key) for key in keys))


def _standing(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Standing:
    gate = f"{key.asset_key.to_user_string()}/{key.name}"
    latest = latest_result(instance, key)
    if latest is None or latest.evaluation is None:
        return Standing(gate, NEVER, "", "", "" if latest is None else latest.run_id)
    metadata = latest.evaluation.metadata
    result = PASSED if latest.evaluation.passed else FAILED
    return Standing(gate, result, text(metadata, DETAIL), text(metadata, DIGEST), latest.run_id)
