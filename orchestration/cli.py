"""``tidegate train``: the Dagster job, headless."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from model_registry.cli import registry_option
from orchestration.headless import run_training


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
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the simulated training traffic.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def train(registry: Path, keys: Path, store: Path, dagster_home: Path, seed: int, as_json: bool) -> None:
    """Train, test, sign and register the three models: the job `train` of the Dagster UI, without the UI.

    Progress goes to stderr. Exits with 4 when a gate is not passed; then nothing is published.
    """
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=True)

    outcome = run_training(registry=registry, keys=keys, store=store, home=dagster_home, seed=seed, say=say)
    if as_json:
        json.dump(outcome, sys.stdout, indent=2)
        click.echo()
    else:
        click.echo(f"Published version {outcome['manifest_version']} in {registry}. See: tidegate registry list")
