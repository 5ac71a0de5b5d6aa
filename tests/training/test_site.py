"""A site's own past: read without its labels, and the anomaly model that is fitted on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detection.verdict import Kind
from flows.errors import UsageError
from flows.formats import encode_canonical
from flows.simulator import past_scenario, simulate
from model_registry.artifact import check_golden
from model_registry.scoring import probabilities
from training import anomaly
from training.datasets import NO_TRUTH, Dataset, Part, load_site
from training.errors import TrainingError


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 6,000 flows of the demo's day before, labelled as floods, which they are not."""
    batch = simulate(past_scenario()).batch.take(slice(0, 6000))
    path = tmp_path_factory.mktemp("site") / "past.ndjson"
    path.write_bytes(b"\n".join(encode_canonical(batch, np.full(len(batch), "DDoS", dtype=object))))
    return path


@pytest.fixture(scope="module")
def site(file: Path) -> Dataset:
    return load_site([str(file)])


def test_no_label_is_looked_at(site: Dataset) -> None:
    assert (site.truth == NO_TRUTH).all()
    assert set(site.attack.tolist()) == {""}


def test_the_past_is_cut_forward_in_time(site: Dataset) -> None:
    assert np.bincount(site.part).tolist() == [3600, 1200, 1200]
    assert (np.diff(site.part) >= 0).all()


def test_without_a_judged_part_all_is_learned_from(file: Path) -> None:
    assert np.bincount(load_site([str(file)], judged=0.0).part).tolist() == [4800, 1200]


def test_two_files_are_one_stream(file: Path, tmp_path: Path, site: Dataset) -> None:
    lines = file.read_bytes().split(b"\n")
    halves = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for half, part in zip(halves, (lines[:2500], lines[2500:]), strict=True):
        half.write_bytes(b"\n".join(part))

    again = load_site([str(half) for half in halves])

    assert again.features.tobytes() == site.features.tobytes()


def test_no_files_are_no_flows() -> None:
    assert len(load_site([])) == 0


def test_a_truth_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="has no truth"):
        load_site([f"benign:{file}"])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_site([str(tmp_path / "nothing.log")])


def test_the_sites_model_finds_later_flows_ordinary_and_wild_ones_strange(site: Dataset) -> None:
    artifact = anomaly.of_site(site)
    check_golden(artifact)
    later = site.features[site.part == Part.TEST]
    wild = later * np.float32(1000.0)

    assert artifact.name == anomaly.NAME
    assert (probabilities(artifact, later) >= artifact.threshold).mean() < 0.02
    assert (probabilities(artifact, wild) >= artifact.threshold).mean() > 0.98


def test_too_short_a_past_is_refused(site: Dataset) -> None:
    with pytest.raises(TrainingError, match="at least 200"):
        anomaly.of_site(site.take(np.arange(100)))
    few = np.concatenate([np.arange(3600), np.arange(3600, 3620)])
    with pytest.raises(TrainingError, match="too few to set a threshold"):
        anomaly.of_site(site.take(few))


def test_without_a_site_only_benign_flows_are_learned(site: Dataset) -> None:
    with pytest.raises(TrainingError, match="0 flows"):
        anomaly.fit(site)
    assert anomaly.RECIPE.threat is Kind.ANOMALY
