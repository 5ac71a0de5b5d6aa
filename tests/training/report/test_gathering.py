"""From field tests to the contents of a page, and to its tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from detection.detector import Detector
from flows.catalogue import NAMES
from flows.files import parse_spec, read_flows
from flows.keying import HomeNetworks
from model_registry.registry import Registry
from model_registry.scoring import contributions
from tests.support.evaluating import labelled_flows, write
from tests.support.models import make_artifact, random_rows
from training.drift import binned, stability_index
from training.errors import TrainingError
from training.judging import field_test
from training.report.contents import Ablation, Contents
from training.report.gathering import Gathering
from training.report.tables import ablation_table, drift_table, host_tables, intervals_by_capture, life_table, overall
from training.report.watch import EVERY, FeatureWatch
from training.streams import LabelledChunk, labelled


@pytest.fixture(scope="module")
def gathered(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """A capture with labels, one of an infected host, and one that failed."""
    folder = tmp_path_factory.mktemp("gathering")
    write(folder / "labels", labelled_flows((30, "benign", "Benign"), (1, "ddos", "Benign"), (20, "ddos", "DDoS")))
    write(folder / "infected", labelled_flows((2, "benign", ""), (2, "malware", ""), host="10.0.0.9"))
    detector, gathering = Detector.from_registry(registry.load()), Gathering()
    for spec in (f"{folder}/labels", f"malware:{folder}/infected"):
        watch = FeatureWatch(detector.models)
        chunks: Iterator[LabelledChunk] = labelled(read_flows([parse_spec(spec)], 7))
        gathering.add(detector, field_test(detector, chunks, HomeNetworks(), watch), watch)
    gathering.fail("broken", "too few flows")
    return gathering.contents("title", (), (), Ablation("without", ("recall",), (("rules", (0.5,)), ("math", (None,)))))


def test_what_has_no_truth_adds_hosts_and_drift_and_no_flows(gathered: Contents) -> None:
    assert gathered.scored.captures == ("labels",)
    assert gathered.drift_of == ("labels", "infected")
    assert [(life.name, life.flows, life.false_alerts) for life in gathered.lives] == [
        ("labels", 51, 1),
        ("infected", 4, 0),
    ]
    assert gathered.hosts["infected"]["10.0.0.9"].flagged
    assert gathered.failures == (("broken", "too few flows"),)


def test_tables_say_what_can_be_told_and_what_cannot(gathered: Contents) -> None:
    lives = {row[0].text: [cell.value for cell in row[1:]] for row in life_table(gathered).rows}
    assert lives["infected"] == [4, None, None, None]
    assert lives["labels"][2:] == [1, pytest.approx(1 / gathered.lives[0].host_days)]
    infected = {table.title: table for table in host_tables(gathered)}["infected"]
    assert [cell.text for cell in infected.rows[0]] == ["10.0.0.9", "yes", "3", "2"]
    assert drift_table(gathered).rows[1][0].text == "infected"
    assert gathered.ablation is not None
    assert [[cell.text for cell in row] for row in ablation_table(gathered.ablation).rows] == [
        ["rules", "0.5000"],
        ["math", "-"],
    ]


def test_intervals_by_capture_cannot_be_told_of_one_capture(gathered: Contents) -> None:
    verdict = next(iter(overall(gathered.scored, intervals_by_capture(gathered.scored)))).rows[0]
    assert verdict[4].more == "cannot be told"


def test_a_page_about_nothing_says_what_failed() -> None:
    gathering = Gathering()
    gathering.fail("broken", "too few flows")
    with pytest.raises(TrainingError, match="there is none: broken: too few flows"):
        gathering.contents("title", (), ())


def test_drift_and_contributions_are_the_same_however_a_stream_is_cut() -> None:
    artifact, rows = make_artifact(), random_rows(5, 3 * EVERY + 7)
    whole, pieces = FeatureWatch({"m": artifact}), FeatureWatch({"m": artifact})
    whole.follow(True, rows)
    for start in range(0, len(rows), 13):
        pieces.follow(start == 0, rows[start : start + 13])

    used = np.isin(np.arange(len(NAMES)), artifact.forest.feature[artifact.forest.left != -1])
    expected = stability_index(artifact.profile.feature_counts, binned(artifact.profile, rows))
    (drift,) = whole.drift()["m"]
    np.testing.assert_array_equal(drift, pieces.drift()["m"][0])
    np.testing.assert_array_equal(drift[used], expected[used])
    assert np.isnan(drift[~used]).all()
    assert whole.attributions["m"].flows == pieces.attributions["m"].flows == 4
    by_hand = np.mean([np.abs(contributions(artifact.forest, row)[0]) for row in rows[::EVERY]], axis=0)
    np.testing.assert_allclose(whole.attributions["m"].mean, by_hand)
    np.testing.assert_allclose(pieces.attributions["m"].mean, by_hand)


def test_a_stream_that_begins_is_told_apart() -> None:
    watch = FeatureWatch({"m": make_artifact()})
    for begins, count in ((True, 4), (False, 3), (True, 5)):
        watch.follow(begins, random_rows(count, count))

    assert len(watch.drift()["m"]) == 2
    assert watch.attributions["m"].flows == 2
