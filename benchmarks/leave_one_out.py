"""How the models do on captures they have never seen: each left out in turn, the rest to learn from.

Every capture is a stream; floods are laid over benign captures (``training.datasets.captures``), and then both are left
out together, so that neither the attack nor the network it hits is known. Models, thresholds, baselines and confidence
come from the other streams alone, as ``tidegate train --data`` makes them; the stream that was left out is decided as
``tidegate evaluate`` decides it, from its first flow to its last. Captures of which only an infected host is known
teach no model: they are judged by host, by what all other captures teach.

    python -m benchmarks.leave_one_out [--json] [--report PAGE.html] [--ablation FILE] PATH…

On the page baseline models stand beside the models: fitted on the same rows, judged on the same capture.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import numpy as np

from detection.detector import Detector
from detection.verdict import Kind
from flows.errors import TidegateError
from flows.files import FileSpec
from flows.keying import HomeNetworks
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.baselines import fit_baselines
from training.datasets import Dataset, LabelledFlows, load_captures, measured
from training.datasets.augmented import augmented
from training.datasets.captures import Capture, infected_captures, load_capture
from training.judging import field_test
from training.recipes import models_of
from training.report import document, page_writer
from training.report.contents import Ablation
from training.report.gathering import Gathering
from training.report.watch import FeatureWatch
from training.splits import split, without_sources
from training.streams import INFECTED, LabelledChunk

CHUNK: Final = 8192
NOTES: Final = (
    "Each capture is left out in turn: models, thresholds and baselines come from the other captures alone, and the "
    "one that was left out is decided from its first flow to its last. Floods were captured alone, so they are laid "
    "over benign captures, and both are left out together.",
    "Over all captures, each flow was flagged by the thresholds of its own capture's turn: there is no one threshold, "
    "and scores of several models rank in one curve.",
    "Captures of which only an infected host is known teach nothing; they are judged by host, by what all the others "
    "teach, and only their false alerts, hosts and drift are told.",
)


def detector_of(data: Dataset, more: Dataset) -> Detector:
    """Make models, baselines and ensemble as the training job makes them. Raises TrainingError as they do."""
    parts = split(data)
    models = models_of(parts, more)
    baselines = baselines_of(parts.train)
    return assemble(
        models, baselines, calibrated_ensemble(models, baselines, parts.validation, data.take(np.arange(0)))
    )


def chunks_of(flows: LabelledFlows, capture: int) -> Iterator[LabelledChunk]:
    """One capture of a data set as a stream to be judged."""
    rows = np.flatnonzero(flows.capture == capture)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        name = flows.origin.names[capture]
        label = flows.attack[part].astype(object)
        yield LabelledChunk(start == 0, flows.batch.take(part), flows.truth[part], label, name)


def infected(capture: Capture) -> Iterator[LabelledChunk]:
    """A capture of an infected host as a stream to be judged by host."""
    n = len(capture.batch)
    truth = np.full(n, INFECTED, dtype=np.int8)
    yield LabelledChunk(True, capture.batch, truth, np.full(n, "", dtype=object), capture.name)


def folds(names: list[str], gathering: Gathering | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each stream's name and what became of it, as ``tidegate evaluate --json`` says it.

    With ``gathering`` baseline models are fitted, too, and it takes in what a page needs.
    """
    flows = load_captures(names)
    data, more = measured(flows), augmented(flows)
    detectors: dict[frozenset[str], Detector] = {}
    for number, name in enumerate(flows.origin.names):
        kin = frozenset[str]().union(*(data.origin.sources(other) for other in data.origin.relatives(number)))
        rest = without_sources(data, kin)
        try:
            if kin not in detectors:
                detectors[kin] = detector_of(rest, without_sources(more, kin))
            detector = detectors[kin]
            baselines = fit_baselines(split(rest)) if gathering else ()
        except TidegateError as error:
            if gathering:
                gathering.fail(name, str(error))
            yield name, {"error": str(error)}
            continue
        watch = FeatureWatch(detector.models) if gathering else None
        test = field_test(detector, chunks_of(flows, number), flows.origin.home(number), watch)
        if gathering and watch:
            judged = data.features[(data.capture == number) & (data.truth >= Kind.BENIGN)]
            gathering.add(detector, test, watch, baselines, judged)
        yield name, document(test)
    everything = detector_of(data, more)
    for spec in infected_captures(names):
        capture = load_capture(FileSpec(spec.path, spec.format))
        watch = FeatureWatch(everything.models) if gathering else None
        test = field_test(everything, infected(capture), HomeNetworks(capture.home), watch)
        if gathering and watch:
            gathering.add(everything, test, watch)
        yield capture.name, document(test)


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
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="PAGE.html", help="Write a page, too."
)
@click.option(
    "--ablation",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What `python -m benchmarks.ablation --json FILE` wrote, for the page.",
)
def main(names: tuple[str, ...], as_json: bool, report: Path | None, ablation: Path | None) -> None:
    """Leave each capture out in turn. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    write = page_writer(report) if report else None
    gathering = Gathering() if write else None
    began = time.monotonic()
    results = {}
    for name, found in folds(list(names), gathering):
        results[name] = found
        if not as_json:
            click.echo("\n".join(line(name, found)))
    if as_json:
        json.dump(results, sys.stdout, indent=2)
    if write and gathering:
        facts = (("captures", ", ".join(names)), ("judged", f"{len(results)} streams"))
        table = msgspec.json.decode(ablation.read_bytes(), type=Ablation) if ablation else None
        write(gathering.contents("Leave one capture out", NOTES, facts, table))
    click.echo(f"{len(results)} captures in {time.monotonic() - began:.0f} s", err=True)


if __name__ == "__main__":
    main()
