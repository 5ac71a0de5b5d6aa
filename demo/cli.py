"""``tidegate demo``."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from demo.run import SPEED, Result, run_demo
from flows.errors import UsageError
from model_registry.commands.options import registry_option


@click.command()
@registry_option
@click.option("--keep", is_flag=True, help="Leave broker and serving running at the end; Ctrl-C ends them.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON; progress stays on stderr.")
def demo(registry: str, keep: bool, as_json: bool) -> None:
    """Train, sign, serve and attack: the main job from end to end, on simulated traffic.

    Ends with 0 only if everything held: every attack and the strangeness found, nothing raised by the benign flash
    crowd, each model good by itself, every flow accounted for.
    """
    if "://" in registry:
        raise UsageError(f"{registry}: the demo makes its registry in a folder; name one with --registry")
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=True)

    def wait(addresses: str) -> None:
        click.echo(f"\nstill running; open:\n{addresses}\nCtrl-C ends it.", err=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("ending", err=True)

    result = run_demo(Path(registry), Path("var"), say, keep=wait if keep else None)
    if as_json:
        click.echo(json.dumps(result.document(), indent=2))
    else:
        show(result)
    if result.outcome.broken:
        raise SystemExit(1)


def show(result: Result) -> None:
    """Print the tables for people."""
    console = Console()
    attacks = Table("attack", "verdict", "found", "first alert after", "recall", title="Attacks")
    for name, attack in result.outcome.attacks.items():
        first = attack["first_alert_s"]
        attacks.add_row(
            name,
            attack["verdict"],
            "yes" if attack["found"] else "NO",
            "" if first is None else f"{first:.1f} s of traffic",
            f"{attack['recall']:.3f}",
        )
    models = Table("model", "flows", "attacks", "recall", "false-positive rate", title="Models, each by itself")
    for name, model in result.outcome.models.items():
        figures = (str(model["rows"]), str(model["positives"]), f"{model['recall']:.3f}", f"{model['fpr']:.5f}")
        models.add_row(name, *figures)
    console.print(attacks)
    console.print(models)
    latency = result.latency_ms
    console.print(
        f"{result.flows} flows, every one with a verdict; {result.flows_per_s:.0f} flows/s as offered at "
        f"{SPEED:.0f} times real time; flow to verdict {latency['p50']} ms (median), {latency['p99']} ms (p99); "
        f"{result.outcome.benign_flagged} benign flows flagged, in {result.outcome.benign_alerts} alerts"
    )
    for line in result.outcome.broken:
        console.print(f"DID NOT HOLD: {line}", style="bold red")
    if not result.outcome.broken:
        console.print("Everything held.", style="bold green")
