"""How the models do on captures they have never seen: each left out in turn, the rest to learn from.

Every capture is a stream; floods are laid over benign captures (``training.datasets.captures``), and then both are left
out together, so that neither the attack nor the network it hits is known. Models, thresholds, baselines and confidence
come from the other streams alone, as ``tidegate train --data`` makes them; the stream that was left out is decided as
``tidegate evaluate`` decides it, from its first flow to its last. Captures of which only an infected host is known
teach no model: they are judged by host, by what all other captures teach.

    python -m benchmarks.leave_one_out [--json] PATH…
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import click
import numpy as np

from detection.detector import Detector
from flows.errors import TidegateError
from flows.files import FileSpec
from flows.keying import HomeNetworks
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.datasets import Dataset, LabelledFlows, load_captures, measured
from training.datasets.captures import Capture, infected_captures, load_capture
from training.fitting import make
from training.judging import field_test
from training.recipes import RECIPES
from training.report import document
from training.splits import split
from training.streams import INFECTED, LabelledChunk

CHUNK: Final = 8192
# The same hosts and the same beacon, two days running: who has learned from one has seen the other.
TOGETHER: Final = frozenset({"rita-day-1", "rita-day-2"})
_SHOWN: Final = ("recall", "fpr", "fpr_upper95", "roc_auc")


def detector_of(data: Dataset) -> Detector:
    """Make models, baselines and ensemble as the training job makes them. Raises TrainingError as they do."""
    parts = split(data)
    models = {recipe.name: make(recipe, parts) for recipe in RECIPES}
    baselines = baselines_of(parts.train)
    return assemble(
        models, baselines, calibrated_ensemble(models, baselines, parts.validation, data.take(np.arange(0)))
    )


def chunks_of(flows: LabelledFlows, capture: int) -> Iterator[LabelledChunk]:
    """One capture of a data set as a stream to be judged."""
    rows = np.flatnonzero(flows.capture == capture)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        yield LabelledChunk(start == 0, flows.batch.take(part), flows.truth[part], flows.attack[part].astype(object))


def infected(capture: Capture) -> Iterator[LabelledChunk]:
    """A capture of an infected host as a stream to be judged by host."""
    n = len(capture.batch)
    yield LabelledChunk(True, capture.batch, np.full(n, INFECTED, dtype=np.int8), np.full(n, "", dtype=object))


def folds(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each stream's name and what became of it, as ``tidegate evaluate --json`` says it."""
    flows = load_captures(names)
    data = measured(flows)
    for number, name in enumerate(flows.origin.names):
        out = (
            [number] if name not in TOGETHER else [i for i, other in enumerate(flows.origin.names) if other in TOGETHER]
        )
        try:
            detector = detector_of(data.take(~np.isin(data.capture, out)))
        except TidegateError as error:
            yield name, {"error": str(error)}
            continue
        yield name, document(field_test(detector, chunks_of(flows, number), flows.origin.home(number)))
    everything = detector_of(data)
    for spec in infected_captures(names):
        capture = load_capture(FileSpec(spec.path, spec.format))
        yield capture.name, document(field_test(everything, infected(capture), HomeNetworks(capture.home)))


def line(name: str, found: dict[str, Any]) -> list[str]:
    """One stream as a few lines of text."""
    if "error" in found:
        return [f"{name}: {found['error']}"]
    lines = [name]
    for what, measures in [*found["models"].items(), ("final verdict", found["final"])]:
        if measures["rows"]:
            share = " ".join(
                f"{key} {_share(measures[key]):>14}" for key in ("recall", "fpr", "fpr_upper95", "roc_auc")
            )
            lines.append(f"    {what:16} {measures['rows']:>6} rows {measures['positives']:>6} attacks  {share}")
    lines += [f"    {label}: {one['rows']} rows, {_share(one['recall'])}" for label, one in found["labels"].items()]
    flagged = [host for host in found["hosts"].values() if host["flagged"]]
    first = [host["first_alert_flows"] for host in flagged]
    lines.append(
        f"    hosts with attacks: {len(found['hosts'])}, flagged {len(flagged)}"
        + (f", the first alert at attack flow {min(first)} to {max(first)}" if first else "")
        + f"; false alerts per host and day: {_share(found['alerts_per_host_day'])}"
    )
    return lines


def _share(value: float | str | None) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "-")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
@click.option("--json", "as_json", is_flag=True)
def main(names: tuple[str, ...], as_json: bool) -> None:
    """Leave each capture out in turn. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    began = time.monotonic()
    results = {}
    for name, found in folds(list(names)):
        results[name] = found
        if not as_json:
            click.echo("\n".join(line(name, found)))
    if as_json:
        json.dump(results, sys.stdout, indent=2)
    click.echo(f"{len(results)} captures in {time.monotonic() - began:.0f} s", err=True)


if __name__ == "__main__":
    main()
