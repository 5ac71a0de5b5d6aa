"""Data sets: stored and read back as they were, and a digest that notices any change."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detection.verdict import Kind
from flows.features import FeatureExtractor
from tests.support.datasets import capture_of
from training.datasets import Dataset, LabelledFlows, Origin, measured
from training.errors import TrainingError
from training.fitting import without


@pytest.fixture(scope="module")
def data(flows: LabelledFlows) -> Dataset:
    return measured(flows)


def test_flows_read_back_as_they_were(flows: LabelledFlows, tmp_path: Path) -> None:
    flows.write(tmp_path / "flows.parquet")
    back = LabelledFlows.read(tmp_path / "flows.parquet")
    assert back.digest() == flows.digest()
    assert measured(back).features.tobytes() == measured(flows).features.tobytes()
    assert back.batch.flow_id.tolist() == flows.batch.flow_id.tolist()


def test_features_read_back_as_they_were(data: Dataset, tmp_path: Path) -> None:
    data.write(tmp_path / "data.parquet")
    back = Dataset.read(tmp_path / "data.parquet")
    assert back.digest() == data.digest()
    assert back.features.tobytes() == data.features.tobytes()


def test_what_is_no_data_set_is_refused_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(TrainingError, match=r"data\.parquet cannot be read as Parquet.*materialize it again"):
        Dataset.read(path)
    pq.write_table(pa.table({"truth": [1]}), path)
    with pytest.raises(TrainingError, match=r"data\.parquet was not written as a data set of ours"):
        Dataset.read(path)


def test_features_of_another_catalogue_are_refused_though_their_names_are_the_same(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    data.write(path)
    monkeypatch.setattr("training.datasets.base.catalogue_digest", lambda: "f" * 64)

    with pytest.raises(TrainingError, match=r"data\.parquet holds features of another catalogue .*it again"):
        Dataset.read(path)


def test_the_digest_is_of_values_and_not_of_how_wide_a_text_may_be(data: Dataset) -> None:
    assert replace(data, attack=data.attack.astype("<U99")).digest() == data.digest()


@pytest.mark.parametrize("name", [field.name for field in fields(Dataset) if field.name != "origin"])
def test_a_change_in_any_column_changes_the_digest(data: Dataset, name: str) -> None:
    column = getattr(data, name).tolist()
    column[0] = {"features": [0.5] * 120, "attack": "x"}.get(name, 77)
    changed = np.array(column, dtype=getattr(data, name).dtype if name != "attack" else None)
    assert replace(data, **{name: changed}).digest() != data.digest()  # type: ignore[arg-type]  # any column


@pytest.mark.parametrize("origin", [Origin(("other",), ""), Origin((), "said")])
def test_a_change_in_the_origin_changes_the_digest(data: Dataset, origin: Origin) -> None:
    assert replace(data, origin=origin).digest() != data.digest()


def test_each_capture_is_measured_as_a_stream_of_its_own(flows: LabelledFlows, data: Dataset) -> None:
    second = flows.capture == 1
    alone = FeatureExtractor().extract(flows.batch.take(second))
    assert second.any()
    assert data.features[second].tobytes() == alone.tobytes()


def test_of_selects_by_truth(data: Dataset) -> None:
    assert len(data.of(Kind.BENIGN)) == int((data.truth == Kind.BENIGN).sum()) == len(data)
    assert len(data.of(Kind.DDOS)) == 0


def test_columns_that_are_not_to_be_used_become_constant(data: Dataset) -> None:
    blank = without(data.features, ("host_flows", "duration"))
    assert (blank[:, 0] == 0).all()
    assert data.features[:, 0].any()


def test_data_sets_joined_number_their_captures_through_and_keep_what_is_known_of_them(tmp_path: Path) -> None:
    known = capture_of("known", [Kind.BENIGN, Kind.DDOS], home="192.0.2.0/24", drawn_from=("one", "two"))
    plain = capture_of("plain", [Kind.MALWARE])

    joined = Dataset.concatenate([known, plain, known])
    Dataset.concatenate([joined, plain]).write(tmp_path / "data.parquet")
    again = Dataset.read(tmp_path / "data.parquet")

    assert joined.capture.tolist() == [0, 0, 1, 2, 2]
    assert joined.capture.dtype == np.int16
    assert joined.truth.tolist() == [Kind.BENIGN, Kind.DDOS, Kind.MALWARE, Kind.BENIGN, Kind.DDOS]
    assert joined.origin.about == "known, made up"
    assert again.origin.names == ("known", "plain", "known", "plain")
    assert again.capture.tolist() == [0, 0, 1, 2, 2, 3]
    for number, name in enumerate(again.origin.names):
        alone = (known if name == "known" else plain).origin
        assert again.origin.sources(number) == alone.sources(0)
        assert again.origin.home(number).networks == alone.home(0).networks
    assert again.origin.relatives(0) == (0, 2)
    assert again.origin.relatives(1) == (1, 3)
