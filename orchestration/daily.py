"""Days of a source: what is in them, and their features as if the day before had just gone by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from flows.batch import FlowBatch
from flows.errors import TidegateError
from flows.features import FeatureExtractor
from flows.files import parse_spec
from flows.keying import HomeNetworks
from orchestration.recording.days import day_path, records_of
from orchestration.recording.feedback import Words, words_of
from orchestration.recording.labelling import Labelled, labelled_day
from orchestration.recording.verdicts import Verdict, days_in, verdicts_of
from orchestration.resources import AssetStore
from training.datasets import Dataset, LabelledFlows, Origin, as_measured, read_thinned
from training.datasets.captures import load_capture
from training.datasets.parts import parts_in_time

ABOUT = "Captures that were dropped here, with the truth of their label columns."


def recorded_words(folder: Path, topic: str) -> Words:
    """The last word about each verdict and alert, of all recorded days."""
    return words_of(record for path in days_in(folder / topic) for record in records_of(path))


def recorded_verdicts(folder: Path, topic: str, days: Iterable[date]) -> list[Verdict]:
    """The verdicts of those days that are recorded."""
    paths = [path for day in days if (path := day_path(folder, topic, day)).exists()]
    return [verdict for path in paths for verdict in verdicts_of(records_of(path))]


def production_day(
    folder: Path, day: date, *, flows: str, verdicts: str, feedback: str, home: HomeNetworks
) -> Labelled:
    """Read a recorded day of production, with all that was said of it up to now.

    Args:
        folder: where topics are recorded by day.
        flows, verdicts, feedback: the topics.

    Raises TidegateError if the flows of that day are not recorded.
    """
    # A flow that came just before midnight was decided just after it.
    decided = recorded_verdicts(folder, verdicts, (day, day + timedelta(days=1)))
    words = recorded_words(folder, feedback)
    labelled = labelled_day(day, flows, records_of(day_path(folder, flows, day)), decided, words.by_id, home)
    labelled.told["words that are none"] = words.refused.total()
    return labelled


def dropped_files(drop: Path, source: str, day: date) -> list[Path]:
    """The captures of a day that lie in the source's folder: their names begin with the day."""
    return sorted(path for path in (drop / source).glob(f"{day}*") if path.is_file())


def dropped_day(drop: Path, source: str, day: date, home: HomeNetworks) -> Labelled:
    """Read the captures of a day, in the order of their names, as one stream.

    Raises TidegateError if there are none, or as :func:`flows.files.read_flows`.
    """
    paths = dropped_files(drop, source, day)
    if not paths:
        raise TidegateError(f"{drop / source}: no file there begins with {day}; drop a capture, or choose another day")
    captures = [load_capture(parse_spec(str(path)), home.networks) for path in paths]
    n = sum(len(capture.truth) for capture in captures)
    networks = dict.fromkeys(network for capture in captures for network in capture.home)
    flows = LabelledFlows(
        batch=FlowBatch.concatenate([capture.batch for capture in captures]),
        truth=np.concatenate([capture.truth for capture in captures]),
        attack=np.concatenate([capture.attack for capture in captures]),
        capture=np.zeros(n, dtype=np.int16),
        part=parts_in_time(n),
        origin=Origin((name_of(day, source),), ABOUT, (",".join(networks),), (source,)),
    )
    return Labelled(flows, Counter({"flows": n, "no flow": sum(capture.dead for capture in captures)}))


def measured_after(flows: LabelledFlows, before: LabelledFlows | None) -> Dataset:
    """Measure a day of a source, float32[n, 120], with the memory that the day before has left.

    Serving does not forget at midnight, so neither does learning: what is measured of a day that has one before it is
    what is measured of both as one stream.
    """
    extractor = FeatureExtractor(flows.origin.home(0))
    if before is not None:
        extractor.extract(before.batch)
    return as_measured(flows, extractor.extract(flows.batch))


def stored_day(store: AssetStore, day: date, source: str) -> tuple[LabelledFlows, LabelledFlows | None]:
    """A stored day's flows, and those of the day before if they are stored.

    Raises FileNotFoundError where the day is not stored.
    """
    earlier = store.day_of("daily_flows", day - timedelta(days=1), source)
    before = LabelledFlows.read(earlier) if earlier.exists() else None
    return LabelledFlows.read(store.day_of("daily_flows", day, source)), before


def name_of(day: date, source: str) -> str:
    """What the capture of a day of a source is called."""
    return f"{source} {day}"


def day_and_source_of(name: str) -> tuple[date, str]:
    """What :func:`name_of` was given."""
    source, _, day = name.rpartition(" ")
    return date.fromisoformat(day), source


def latest_days(store: AssetStore, count: int, benign_share: float = 1.0) -> list[Dataset]:
    """The measured days, of all sources, of the latest ``count`` days of which anything is labelled, oldest first.

    Of each, the flows that have a truth, and of the benign ones to learn from that share: the others are not held.
    """
    if not count:
        return []
    found: list[Dataset] = []
    named: set[str] = set()
    for path in sorted((store.path / "daily_features").glob("*/*.parquet"), reverse=True):
        if len(named) == count and path.parent.name not in named:
            break  # what is older is not even read: there may be years of it
        data = read_thinned(path, benign_share)
        if len(data):
            found.append(data)
            named.add(path.parent.name)
    return found[::-1]
