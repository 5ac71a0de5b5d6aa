"""One stream of flows: what it remembers does not depend on how it is cut into batches."""

from __future__ import annotations

import numpy as np
import pytest

from detection.detector import Detector
from detection.stream import Stream
from flows.formats import make_decoder
from flows.keying import HomeNetworks
from tests.support.serving import flow, serving_registry


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return Detector.from_registry(serving_registry(tmp_path_factory.mktemp("stream")).load())


@pytest.mark.parametrize("size", [1, 7, 40])
def test_cutting_a_stream_changes_nothing(detector: Detector, size: int) -> None:
    lines = [flow(at, "malware" if at % 3 else "benign", f"10.0.0.{at % 2}") for at in range(40)]
    batch = make_decoder("canonical").decode(lines).batch
    whole = Stream(detector, HomeNetworks())
    expected = whole.decide(batch, whole.measure(batch))

    cut = Stream(detector, HomeNetworks())
    kinds, alerts = [], []
    for first in range(0, len(batch), size):
        part = batch.take(slice(first, first + size))
        decided = cut.decide(part, cut.measure(part))
        kinds.append(decided.decisions.kind)
        alerts += decided.fold.alert_id.tolist()

    assert np.concatenate(kinds).tolist() == expected.decisions.kind.tolist()
    assert alerts == expected.fold.alert_id.tolist()
    assert len(set(alerts) - {""}) == 2
