"""Which attacks the recipes can be asked for at all: those of which a flow shows what they learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.verdict import Kind
from tests.support.datasets import capture_of
from training.datasets import Dataset
from training.recipes import hidden_attacks


def named(data: Dataset, *attacks: str) -> Dataset:
    return replace(data, attack=np.array(attacks))


@pytest.mark.parametrize(("share", "hidden"), [(0.39, ("beacon",)), (0.4, ()), (np.nan, ("beacon",))])
def test_an_attack_without_a_flow_that_shows_is_hidden(share: float, hidden: tuple[str, ...]) -> None:
    kinds = [Kind.BENIGN, Kind.MALWARE, Kind.MALWARE, Kind.ANOMALY]
    data = capture_of("a", kinds, pair_failed_share=[0.9, 0.0, share, 0.0])
    assert hidden_attacks(named(data, "", "beacon", "beacon", "scan")) == hidden


@pytest.mark.parametrize(
    ("coming", "failed", "hidden"),
    [(5000.0, 0.0, ("beacon",)), (0.0, 1.0, ("flood",)), (0.0, 0.0, ("beacon", "flood"))],
)
def test_each_attack_is_asked_by_its_own_kind(coming: float, failed: float, hidden: tuple[str, ...]) -> None:
    data = capture_of("a", [Kind.BENIGN, Kind.MALWARE, Kind.DDOS], in_flows_10s=coming, pair_failed_share=failed)
    assert hidden_attacks(named(data, "", "beacon", "flood")) == hidden


def test_without_an_attack_none_is_hidden() -> None:
    assert hidden_attacks(capture_of("a", [Kind.BENIGN, Kind.BENIGN])) == ()
