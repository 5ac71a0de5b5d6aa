"""New models beside the champions: compared on the same flows, and signed only beside those they were compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from detection.ensemble import ensemble_from_json, ensemble_to_json
from model_registry.artifact import artifact_from_bytes, artifact_to_bytes
from model_registry.content import Content
from model_registry.errors import GateError, TrustError
from model_registry.private_keys.key_files import load_signer
from model_registry.writing.publishing import publish
from orchestration.comparison import Comparison, comparison_from_json
from orchestration.defs.models.checks import not_worse_than_champion
from tests.support.pipeline import MODELS, Workshop, checks_of
from tests.support.registries import files_of
from training.champion import Difference


def stored(workshop: Workshop) -> Comparison:
    return comparison_from_json((workshop.store / "champion_comparison.json").read_bytes())


def publish_again(workshop: Workshop, **champions: float) -> None:
    """Publish champions that differ from the present ones by their thresholds."""
    registry = workshop.registry
    loaded = registry.load()

    def edit(content: Content) -> Content:
        for name, threshold in champions.items():
            version = content.champion(name)
            assert version is not None
            artifact = replace(loaded.models[name], threshold=threshold)
            path = registry.put_blob(artifact_to_bytes(artifact)).path
            changed = msgspec.structs.replace(version, artifact=path, threshold=f"{threshold}")
            content = content.with_model(name, changed)
        return content

    root = registry.trusted_roots().root
    signer = load_signer(workshop.keys, "targets", root.role("targets").keyids)
    publish(registry, edit, signer, run_id="test")


def surer(data: bytes) -> bytes:
    """An ensemble that claims floods with another confidence."""
    ensemble = ensemble_from_json(data)
    slope = msgspec.structs.replace(ensemble.slope, ddos=ensemble.slope.ddos * 2)
    return ensemble_to_json(msgspec.structs.replace(ensemble, slope=slope))


def publish_beside(workshop: Workshop, **blobs: bytes) -> None:
    """Publish other rules, baselines or another ensemble beside the present champions, as a person may."""
    registry = workshop.registry
    root = registry.trusted_roots().root
    signer = load_signer(workshop.keys, "targets", root.role("targets").keyids)
    paths = {name: registry.put_blob(data).path for name, data in blobs.items()}
    publish(registry, lambda content: content.with_blobs(**paths), signer, run_id="test")


def check(comparison: Comparison) -> tuple[bool, str]:
    result: Any = not_worse_than_champion(comparison)
    return result.passed, str(result.description)


def test_before_the_first_champion_there_is_nothing_to_compare_with(trained: Workshop) -> None:
    comparison = stored(trained)

    assert (comparison.champions, comparison.version, comparison.found) == ({}, 0, {})
    assert check(comparison) == (True, "nothing to compare with: there is no champion yet")


def test_the_same_models_again_are_not_worse(workshop: Workshop) -> None:
    workshop.compare()
    comparison = stored(workshop)

    assert comparison.version == 1
    content = workshop.registry.load().content
    assert comparison.champions == {
        **{name: comparison.judged[name] for name in MODELS},
        "rules": content.rules.removeprefix("blobs/"),
        "math": comparison.judged["math_baselines"],
        "ensemble": comparison.judged["ensemble"],
    }
    assert comparison.found.keys() == {*MODELS, "verdict"}
    for scorer, figures in comparison.found.items():
        for figure, one in figures.items():
            assert (one.candidate - one.champion, one.low, one.high) == (0.0, 0.0, 0.0), (scorer, figure)
    assert comparison.found["anomaly_iforest"].keys() == {"false-positive rate", "ROC area"}
    assert check(comparison)[0]


def test_a_better_champion_is_not_replaced(workshop: Workshop) -> None:
    """As if what decides now found everything that the new model misses."""
    workshop.compare()
    comparison = stored(workshop)
    lost = {"recall": Difference(0.90, 0.95, -0.07, -0.03)}
    worse = replace(comparison, found={**comparison.found, "malware_lgbm": lost})

    passed, detail = check(worse)

    assert not passed
    assert detail.startswith("worse than the champion on the same flows")
    assert detail.endswith(": malware_lgbm recall 0.90000 (0.95000, -0.07000 to -0.03000)")


def test_a_candidate_that_misses_what_the_champion_finds_is_stopped_by_its_gate(workshop: Workshop) -> None:
    path = workshop.store / "ddos_lgbm.safetensors"
    publish_again(workshop, ddos_lgbm=0.02)
    before = workshop.registry.load().models["ddos_lgbm"]
    path.write_bytes(artifact_to_bytes(replace(artifact_from_bytes(path.read_bytes()), threshold=0.9999)))
    workshop.run("champion_comparison")
    comparison = stored(workshop)

    recall = comparison.found["ddos_lgbm"]["recall"]
    assert before.threshold == 0.02
    assert recall.candidate < recall.champion
    assert not check(comparison)[0]
    assert not workshop.check("champion_comparison")


def test_a_champion_that_came_since_is_asked_for_another_comparison(workshop: Workshop) -> None:
    workshop.compare()
    publish_again(workshop, malware_lgbm=0.6)
    before = files_of(workshop.registry)

    with pytest.raises(GateError, match=r"the champions have changed since .*materialize champion_comparison again"):
        workshop.sign()
    assert files_of(workshop.registry) == before

    workshop.compare()
    workshop.sign()
    assert workshop.registry.load().version == 3


@pytest.mark.parametrize("what", ["ensemble", "rules"])
def test_what_decides_beside_the_champions_is_part_of_what_was_compared_with(workshop: Workshop, what: str) -> None:
    workshop.compare()
    loaded = workshop.registry.load()
    publish_beside(workshop, **{what: surer(loaded.ensemble) if what == "ensemble" else loaded.rules + b"\n"})
    before = files_of(workshop.registry)

    with pytest.raises(GateError, match="the champions have changed since"):
        workshop.sign()
    assert files_of(workshop.registry) == before


def test_a_challenger_is_compared_with_the_champions_and_changes_nothing_that_decides(workshop: Workshop) -> None:
    path = workshop.store / "ensemble.json"
    path.write_bytes(surer(path.read_bytes()))
    workshop.run("trial", checks=checks_of("trial"))
    workshop.compare()
    before = workshop.registry.load()

    workshop.sign("challenger")

    after = workshop.registry.load()
    assert (before.version, after.version) == (1, 2)
    for name in MODELS:
        champion, waiting = after.content.champion(name), after.content.models[name]
        assert champion == before.content.champion(name)
        assert waiting.challenger is not None
        gate = waiting.versions[waiting.challenger].gates["champion_comparison/not_worse_than_champion"]
        assert gate.detail.startswith("not worse than the champion on the same flows")
    assert (after.rules, after.math, after.ensemble) == (before.rules, before.math, before.ensemble)

    # As champions they bring what they were tried with.
    workshop.compare()
    workshop.sign()
    assert workshop.registry.load().ensemble == path.read_bytes() != before.ensemble


def test_champions_that_cannot_be_loaded_are_not_taken_for_none(workshop: Workshop) -> None:
    version = workshop.registry.load().content.champion("malware_lgbm")
    assert version is not None
    (workshop.registry.path / version.artifact).write_bytes(b"damaged")

    with pytest.raises(TrustError, match=r"^the champions cannot be compared with: blobs/.*\[artifact\]$"):
        workshop.compare()


def test_a_champion_of_other_features_is_nothing_to_compare_with(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.defs.models.champion.catalogue_digest", lambda: "0" * 64)

    workshop.compare()

    passed, detail = check(stored(workshop))
    assert passed
    assert detail.startswith("nothing to compare with: the champions ")
    assert detail.endswith("read another feature catalogue")
