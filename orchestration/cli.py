"""``tidegate train``: the Dagster job, headless."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from flows.errors import UsageError
from flows.keying import HomeNetworks
from model_registry.commands.options import registry_option
from model_registry.content import SLOTS, Slot
from orchestration.headless import run_training
from training.datasets.captures import find_captures
from training.datasets.site import site_specs


@click.command()
@registry_option
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    default=Path("var/keys"),
    envvar="TIDEGATE_KEYS",
    show_default=True,
    help="Folder of the key that signs.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("var/store"),
    envvar="TIDEGATE_STORE",
    show_default=True,
    help="Folder for flows, features and models on their way.",
)
@click.option(
    "--dagster-home",
    type=click.Path(path_type=Path),
    default=Path("var/dagster"),
    envvar="DAGSTER_HOME",
    show_default=True,
    help="Folder of Dagster's own records, shared with its web interface.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="PATH",
    help="Learn from real captures: a folder of known ones, or a file as [FORMAT:][TRUTH:]PATH. May be repeated.",
)
@click.option(
    "--leave-out",
    multiple=True,
    metavar="NAME",
    help="A capture of --data not to learn from. May be repeated.",
)
@click.option(
    "--home",
    metavar="NETWORKS",
    help="Home networks of --data and --site, comma-separated.  [default: RFC 1918 and ULA]",
)
@click.option(
    "--site",
    multiple=True,
    metavar="FILE",
    help="Flows of the site's own past, [FORMAT:]PATH, in their order, for the anomaly model; no label is looked at. "
    "May be repeated.",
)
@click.option("--seed", type=int, help="Seed of the simulated training traffic, without --data.  [default: 1]")
@click.option(
    "--slot", type=click.Choice(SLOTS), default="champion", show_default=True, help="Where the new models go."
)
@click.option(
    "--benign-share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    help="Share of ordinary flows to learn from, where there are more than memory holds.  "
    "[default: TIDEGATE_BENIGN_SHARE, else 1]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def train(
    registry: str,
    keys: Path,
    store: Path,
    dagster_home: Path,
    data: tuple[str, ...],
    leave_out: tuple[str, ...],
    home: str | None,
    site: tuple[str, ...],
    seed: int | None,
    slot: Slot,
    benign_share: float | None,
    as_json: bool,
) -> None:
    """Train, test, sign and register the three models: the job `train` of the Dagster UI, without the UI.

    Learns from simulated traffic unless --data names captures. Without --site the anomaly model knows other networks
    only, and has no say in verdicts. Progress goes to stderr. Exits with 4 when a gate is not
    passed; then nothing is published.
    """
    if data and seed is not None:
        raise UsageError("--seed is of simulated traffic and --data of captures; give one of them")
    if leave_out and not data:
        raise UsageError("--leave-out is about the captures of --data; give --data, too")
    if home and not (data or site):
        raise UsageError("--home is about the captures of --data and --site; give one of them, too")
    if data:
        find_captures(data, leave_out)  # asked before Dagster is, so that a slip of the finger is told as one
    site_specs(site)
    past: dict[str, Any] = {"site": list(site)}
    flows: dict[str, Any] = {"data": list(data), "leave_out": list(leave_out)}
    if home is not None:
        flows["home"] = past["home"] = [network.strip() for network in home.split(",")]
        HomeNetworks(past["home"])  # asked before Dagster is, too
    if seed is not None:
        flows["seed"] = seed
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=True)

    outcome = run_training(
        registry=registry,
        keys=keys,
        store=store,
        home=dagster_home,
        flows=flows,
        site=past,
        say=say,
        slot=slot,
        benign_share=benign_share,
    )
    if as_json:
        json.dump(outcome, sys.stdout, indent=2)
        click.echo()
    elif not outcome["in_force"]:
        click.echo(
            f"Proposed version {outcome['manifest_version']} in {registry}; it needs {outcome['signatures_lacking']} "
            f"more: tidegate registry sign {outcome['proposal'][:12]}"
        )
    else:
        click.echo(f"Published version {outcome['manifest_version']} in {registry}. See: tidegate registry list")
