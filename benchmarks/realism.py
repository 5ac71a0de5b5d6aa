"""Simulated traffic beside real captures: how far apart they lie, and what that does to models.

Three things are printed. First, for each real capture with benign flows, the fields of its flows beside those of the
benign flows of ``flows.simulator.training_scenario`` that go in the same direction (:mod:`benchmarks.marginals`), and
how well a classifier tells the two apart, by what a flow says by itself and by all features. What the capture's
exporter does not tell is blanked in the simulated flows. The yardstick is how far real captures lie from one another.
An Internet-facing server's unlabelled flows stand for what comes in from outside.

Second, what becomes of every labelled capture when models, thresholds, baselines and confidence come from simulated
traffic alone; third, what becomes of ``flows.simulator.hard_scenario``.

    python -m benchmarks.realism [--before FILE] [--json] [--no-training] PATH…
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import numpy.typing as npt

from benchmarks.leave_one_out import chunks_of, detector_of, line
from benchmarks.marginals import ALL, FLOW, Floats, directions, distances, fields, quantiles, told_apart, told_as
from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.features import FeatureExtractor
from flows.files import FileSpec
from flows.keying import HomeNetworks
from flows.simulator import SimulatedTraffic, hard_scenario, simulate, training_scenario
from training.datasets import NO_TRUTH, load_captures, measured, simulated
from training.datasets.augmented import augmented
from training.datasets.captures import Capture, find_captures, load_capture
from training.judging import field_test
from training.report import document

FEWEST: Final = 500  # flows of a capture that can be compared


@dataclass(frozen=True, slots=True)
class Real:
    """A real capture's flows that are compared: those of ``rows``, begun at home or (``outward`` is False) outside."""

    name: str
    batch: FlowBatch
    home: HomeNetworks
    rows: npt.NDArray[np.bool_]
    outward: bool | None  # None: where the addresses are not told

    @property
    def fields(self) -> dict[str, Floats]:
        """The values of its fields."""
        flows = self.batch.take(self.rows)
        return fields(flows, self.home, np.zeros(len(flows), dtype=np.int64))

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """The features of its rows, measured with all flows of the capture around them."""
        return FeatureExtractor(self.home).extract(self.batch)[self.rows]


def real_captures(names: list[str]) -> list[Real]:
    """The captures with enough flows that are benign, or, of those without labels, begun outside."""
    found = []
    for spec in find_captures(names):
        capture = load_capture(FileSpec(spec.path, spec.format))
        real = _real(capture)
        if real.rows.sum() >= FEWEST:
            found.append(real)
    return found


def _real(capture: Capture) -> Real:
    home = HomeNetworks(capture.home)
    outward = directions(capture.batch, home)
    benign = capture.truth == Kind.BENIGN
    if not np.isfinite(capture.batch.start).any():
        return Real(capture.name, capture.batch, home, benign, None)
    if benign.sum() >= FEWEST:
        return Real(capture.name, capture.batch, home, benign & outward, True)
    return Real(capture.name, capture.batch, home, (capture.truth == NO_TRUTH) & ~outward, False)


def beside(traffic: SimulatedTraffic, real: Real) -> tuple[dict[str, Floats], npt.NDArray[np.float32]]:
    """The fields and features of the simulated benign flows that go in the real capture's direction."""
    home = HomeNetworks()
    batch = told_as(traffic.batch, real.batch)
    rows = np.asarray(traffic.labels == "benign")
    if real.outward is not None:
        rows &= directions(batch, home) == real.outward
    features = np.concatenate(
        [
            FeatureExtractor(home).extract(batch.take(of_capture))[rows[of_capture]]
            for of_capture in (traffic.capture == number for number in np.unique(traffic.capture))
        ]
    )
    return fields(batch.take(rows), home, traffic.capture[rows]), features


def compared(traffic: SimulatedTraffic, captures: list[Real]) -> dict[str, dict[str, Any]]:
    """For each real capture its fields beside the simulated ones, and how far apart the two lie."""
    found = {}
    values, features = [real.fields for real in captures], [real.features for real in captures]
    for place, real in enumerate(captures):
        ours, ours_measured = beside(traffic, real)
        apart = distances(ours, values[place])
        likes = [other for other, one in enumerate(captures) if other != place and one.outward == real.outward]
        among = [distances(values[other], values[place]) for other in likes]
        found[real.name] = {
            "rows": int(real.rows.sum()),
            "fields": {
                name: {
                    "simulated": quantiles(ours[name]),
                    "real": quantiles(values[place][name]),
                    "simulated_mean": float(ours[name].mean()),
                    "real_mean": float(values[place][name].mean()),
                    "distance": distance,
                    "among_real": _median([one[name] for one in among if name in one]),
                }
                for name, distance in apart.items()
            },
            "distance": _median(list(apart.values())),
            "among_real": _median([value for one in among for value in one.values()]),
        }
        if real.outward is not None:
            found[real.name] |= {
                "auc_flow": told_apart(ours_measured, features[place], FLOW),
                "auc_all": told_apart(ours_measured, features[place], ALL),
                "auc_flow_among_real": _median([told_apart(features[other], features[place], FLOW) for other in likes]),
            }
    return found


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def transferred(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What becomes of each labelled capture and of the hard scenario when all was learned from simulated traffic."""
    flows = simulated(training_scenario())
    detector = detector_of(measured(flows), augmented(flows))
    for judged in (load_captures(names), simulated(hard_scenario())):
        for number, name in enumerate(judged.origin.names):
            yield name, document(field_test(detector, chunks_of(judged, number), judged.origin.home(number)))


def table(name: str, found: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """One capture's comparison as text; ``before``: the same of an earlier run, or nothing."""
    lines = [
        f"{name}: {found['rows']} flows",
        f"    {'field':26} {'simulated 10 / 50 / 90 %':>32} {'real 10 / 50 / 90 %':>32}   before distance  among real",
    ]
    for field, one in found["fields"].items():
        if field.startswith("share "):
            ours, theirs = f"{one['simulated_mean']:.3f}", f"{one['real_mean']:.3f}"
        else:
            ours, theirs = (" ".join(f"{value:10.4g}" for value in one[who]) for who in ("simulated", "real"))
        earlier = before.get("fields", {}).get(field, {}).get("distance")
        lines.append(
            f"    {field:26} {ours:>32} {theirs:>32}   {_text(earlier):>6} {_text(one['distance']):>8} "
            f"{_text(one['among_real']):>11}"
        )
    for key, among, about in (
        ("distance", "among_real", "median of the distances"),
        ("auc_flow", "auc_flow_among_real", "told apart by the flow, ROC area"),
        ("auc_all", "", "told apart by all features, ROC area"),
    ):
        if key in found:
            lines.append(
                f"    {about:93}   {_text(before.get(key)):>6} {_text(found[key]):>8} {_text(found.get(among)):>11}"
            )
    return lines


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
@click.option("--before", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An earlier --json.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--no-training", is_flag=True, help="Only compare traffic; train nothing.")
def main(names: tuple[str, ...], before: Path | None, as_json: bool, no_training: bool) -> None:
    """Compare simulated with real traffic. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    earlier = json.loads(before.read_text()) if before else {"compared": {}}
    traffic = simulate(training_scenario())
    results: dict[str, Any] = {"flows": len(traffic.batch), "compared": compared(traffic, real_captures(list(names)))}
    if not no_training:
        results["trained_on_simulated"] = dict(transferred(list(names)))
    if as_json:
        json.dump(results, sys.stdout, indent=2)
        return
    for name, found in results["compared"].items():
        click.echo("\n".join(table(name, found, earlier["compared"].get(name, {}))))
    for name, found in results.get("trained_on_simulated", {}).items():
        click.echo("\n".join(line(name, found)))


if __name__ == "__main__":
    main()
