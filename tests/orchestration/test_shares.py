"""A share of ordinary life, as a person, a schedule or a variable asks for it: learned from, gated and registered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detection.verdict import Kind
from orchestration.headless import run_training
from tests.support.pipeline import MODELS, Workshop
from training.datasets import Dataset, Part

SHARE = 0.5


def test_models_of_a_share_pass_their_gates_and_are_registered(trained: Workshop, tmp_path: Path) -> None:
    workshop = Workshop.make(tmp_path)

    outcome = run_training(
        registry=workshop.registry.path,
        keys=workshop.keys,
        store=workshop.store,
        home=workshop.home,
        flows={"seed": 1},
        say=lambda _: None,
        benign_share=SHARE,
    )

    whole, few = (Dataset.read(one.store / "training_features.parquet") for one in (trained, workshop))
    ordinary = [int(((data.truth == Kind.BENIGN) & (data.part == Part.TRAIN)).sum()) for data in (whole, few)]
    assert ordinary[1] == round(SHARE * ordinary[0])
    assert few.weight.sum() == pytest.approx(len(whole))
    assert outcome["manifest_version"] == 1
    for name in MODELS:
        first, second = (one.registry.load().content.champion(name) for one in (trained, workshop))
        assert first is not None
        assert second is not None
        assert second.fingerprint != first.fingerprint
        assert second.data.rows == first.data.rows - (ordinary[0] - ordinary[1])
        assert all(gate.passed for gate in second.gates.values())


def test_what_schedules_learn_from_is_told_by_variables() -> None:
    code = (
        "from orchestration.defs.data.assets import LearnedFrom\n"
        "print(LearnedFrom().recorded_days, LearnedFrom().benign_share)"
    )
    given = {"TIDEGATE_RECORDED_DAYS": "7", "TIDEGATE_BENIGN_SHARE": "0.25"}
    for more, said in (({}, "0 1.0"), (given, "7 0.25")):
        environment = {name: value for name, value in os.environ.items() if name not in given} | more
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == said
