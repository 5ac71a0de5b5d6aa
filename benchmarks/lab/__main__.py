"""Record what the public captures lack: visited servers, and attacks on them, through real flow exporters.

python -m benchmarks.lab [--out DIR] [--seed N] [SCENARIO…]
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.lab.metering import METERS, meter, missing_programs, packets
from benchmarks.lab.network import what_is_missing
from benchmarks.lab.plan import Scenario
from benchmarks.lab.recording import Played, record
from benchmarks.lab.scenarios import SCENARIOS
from flows.errors import TidegateError
from flows.files import parse_spec, read_flows
from flows.labels import truth_of

_ABOUT = "\n".join(f"{name}: {scenario.about} ({scenario.seconds:.0f} s)" for name, scenario in SCENARIOS.items())


@click.command(epilog="\b\nScenarios:\n" + _ABOUT)
@click.argument("names", nargs=-1, type=click.Choice(list(SCENARIOS)), metavar="[SCENARIO…]")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("var/lab"), show_default=True,
    help="Folder for the recordings.",
)  # fmt: skip
@click.option(
    "--seed", type=int, default=1, show_default=True, help="What the dice begin with; times stay the machine's."
)
def main(names: tuple[str, ...], out: Path, seed: int) -> None:
    """Play scenarios in network namespaces of this machine, and write what real exporters say of them.

    All scenarios if none is named. Needs root, and the programs of `make real-parts`. Each scenario leaves a capture
    and labelled flow files: OUT/argus, OUT/nfdump and OUT/pmacct. Nothing leaves this machine.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # namespaces are to be removed then, too
    try:
        _check()
        for name in names or SCENARIOS:
            _one(SCENARIOS[name], out, seed)
    except TidegateError as error:
        _fail(error)


def _check() -> None:
    if (lack := what_is_missing()) is not None:
        raise TidegateError(lack)
    if programs := missing_programs():
        raise TidegateError(f"there is no {', '.join(programs)}; run `make real-parts`")


def _one(scenario: Scenario, out: Path, seed: int) -> None:
    capture = out / "captures" / f"lab-{scenario.name}.pcap"
    capture.parent.mkdir(parents=True, exist_ok=True)
    click.echo(f"{scenario.name}: {scenario.about}", err=True)

    def tick(over: float) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{over:.0f} of {scenario.seconds:.0f} s", nl=False, err=True)

    partial = capture.with_suffix(".partial")
    try:
        played = record(scenario, partial, seed, tick)
        partial.replace(capture)
    finally:
        partial.unlink(missing_ok=True)
    tick(scenario.seconds)
    click.echo("\n" * sys.stderr.isatty() + f"{packets(capture)} packets, for the exporters to read", err=True)
    with ThreadPoolExecutor() as pool:  # pmacct mostly waits
        files = list(pool.map(lambda exporter: meter(exporter, capture, scenario, out), METERS))
    _show(scenario, played, files)


def _show(scenario: Scenario, played: Played, files: list[Path]) -> None:
    console = Console()
    table = Table("begun", "failed", *(file.parent.name for file in files), "label", title=f"{scenario.name}: flows")
    flows = [count(file) for file in files]
    for label in sorted(set().union(*flows) | set(played.begun)):
        acts = (str(played.begun.get(label, 0)), str(played.failed.get(label, 0)))
        table.add_row(*acts, *(str(one[label]) for one in flows), label)
    console.print(table)
    for file, of in zip(files, flows, strict=True):
        truths: Counter[str] = Counter()
        for label, number in of.items():
            truths[truth_of(label) or "nobody says"] += number
        told = ", ".join(f"{truth} {number}" for truth, number in sorted(truths.items()))
        console.print(f"{file}: {of.total()} flows: {told}", soft_wrap=True, highlight=False)


def count(file: Path) -> Counter[str]:
    """Count a file's flows by their label. Raises TidegateError if a line of it is no flow."""
    found: Counter[str] = Counter()
    for chunk in read_flows([parse_spec(str(file))]):
        if chunk.decoded.dead:
            letter = chunk.decoded.dead[0]
            line = chunk.first_line + letter.index
            raise TidegateError(
                f"{file}, line {line}: {letter.error}; run `make real-parts` for exporters that are known"
            )
        if chunk.decoded.labels is not None:
            labels, numbers = np.unique(chunk.decoded.labels.astype(str), return_counts=True)
            found.update(dict(zip(labels.tolist(), numbers.tolist(), strict=True)))
    return found


def _fail(error: TidegateError) -> NoReturn:
    click.echo(f"lab: {error}", err=True)
    raise SystemExit(error.exit_code)


if __name__ == "__main__":
    main()
