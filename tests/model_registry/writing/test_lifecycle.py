from __future__ import annotations

import msgspec
import pytest

from flows.errors import UsageError
from model_registry.content import KEPT_VERSIONS, Content, Gate
from model_registry.errors import GateError
from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.lifecycle import champion_before, go_back, promote, roll_back
from model_registry.writing.publishing import publish
from tests.support.registries import NOW, publish_models, put_model, same, tiny_artifact


@pytest.fixture
def content(registry: Registry, signer: Signer) -> Content:
    """Three versions of each model: 3 is champion, and of ddos_lgbm 1 is challenger."""
    publish_models(registry, signer)
    publish_models(registry, signer)
    return promote(registry.manifest(now=NOW).content, "ddos_lgbm", 1, "challenger")


def slots(content: Content) -> dict[str, int]:
    return {str(slot): number for slot, number in content.models["ddos_lgbm"].slots().items()}


def test_the_challenger_becomes_champion_and_leaves_its_slot(content: Content) -> None:
    assert slots(promote(content, "ddos_lgbm", None, "champion")) == {"champion": 1}


def test_any_version_can_be_put_into_any_slot(content: Content) -> None:
    assert slots(promote(content, "ddos_lgbm", 2, "shadow")) == {"champion": 3, "challenger": 1, "shadow": 2}
    assert slots(promote(content, "ddos_lgbm", 1, "shadow")) == {"champion": 3, "shadow": 1}
    assert slots(promote(content, "ddos_lgbm", 3, "shadow")) == {"challenger": 1, "shadow": 3}


def test_other_models_and_all_versions_stay(content: Content) -> None:
    promoted = promote(content, "ddos_lgbm", None, "champion")
    assert promoted.models["malware_lgbm"] == content.models["malware_lgbm"]
    assert promoted.models["ddos_lgbm"].versions == content.models["ddos_lgbm"].versions


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("nothing", None, "there is no model 'nothing' in the registry; there are: anomaly_iforest, ddos_lgbm"),
        ("malware_lgbm", None, "has no challenger; choose by --version among 1, 2, 3"),
        ("ddos_lgbm", 9, "has no version 9; there are: 1, 2, 3"),
        ("ddos_lgbm", 3, "version 3 of ddos_lgbm is its champion already"),
    ],
)
def test_what_cannot_be_promoted(content: Content, name: str, number: int | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        promote(content, name, number, "champion")


def test_a_version_that_failed_a_gate_does_not_become_champion(content: Content) -> None:
    model = content.models["ddos_lgbm"]
    failed = msgspec.structs.replace(model.versions[2], gates={"recall": Gate(passed=False, detail="0.2 < 0.9")})
    content = content.with_models({"ddos_lgbm": model.with_version(2, failed)})
    with pytest.raises(GateError, match="did not pass recall"):
        promote(content, "ddos_lgbm", 2, "champion")
    with pytest.raises(GateError, match="did not pass recall"):
        roll_back(content, "ddos_lgbm", 2)
    assert slots(promote(content, "ddos_lgbm", 2, "shadow"))["shadow"] == 2


def test_rolling_back_points_at_an_old_version(content: Content) -> None:
    assert slots(roll_back(content, "ddos_lgbm", 2)) == {"champion": 2, "challenger": 1}


def test_the_champion_before(registry: Registry, content: Content) -> None:
    contents = [roll_back(content, "ddos_lgbm", 2), content, registry.manifest(now=NOW).content]
    assert champion_before(contents, "ddos_lgbm") == 3
    with pytest.raises(UsageError, match="has had no other champion"):
        champion_before(contents, "malware_lgbm")
    with pytest.raises(UsageError, match="has had no other champion"):
        champion_before(contents, "nothing")


def test_going_back_to_a_manifest_restores_all_that_decided_then(registry: Registry, signer: Signer) -> None:
    old = registry.manifest(now=NOW).content
    rules = registry.put_blob(b"rules: [other]\n").path
    publish(
        registry,
        lambda content: content.with_blobs(rules=rules).with_model(
            "new_model", put_model(registry, tiny_artifact("new_model"))
        ),
        signer,
        run_id="run-2",
        now=NOW,
    )
    publish_models(registry, signer, ("ddos_lgbm",))
    back = go_back(registry.manifest(now=NOW).content, old)
    assert {name: model.slots() for name, model in back.models.items()} == {
        "anomaly_iforest": {"champion": 1},
        "ddos_lgbm": {"champion": 1},
        "malware_lgbm": {"champion": 1},
        "new_model": {},
    }
    assert sorted(back.models["ddos_lgbm"].versions) == [1, 2]  # what came later stays on record
    assert (back.rules, back.math) == (old.rules, old.math)
    assert publish(registry, lambda _: back, signer, run_id="run-3", action="rollback", now=NOW).version == 4
    assert set(registry.load(now=NOW).models) == set(old.models)
    assert not verify_registry(registry, now=NOW).failures


def test_going_back_to_a_version_that_is_no_longer_listed(registry: Registry, signer: Signer) -> None:
    old = registry.manifest(now=NOW).content
    for _ in range(KEPT_VERSIONS):
        publish_models(registry, signer, ("ddos_lgbm",))
    content = registry.manifest(now=NOW).content
    assert sorted(content.models["ddos_lgbm"].versions) == list(range(2, KEPT_VERSIONS + 2))
    publish(registry, lambda content: go_back(content, old), signer, run_id="run-3", now=NOW)
    content = registry.manifest(now=NOW).content
    assert content.models["ddos_lgbm"].champion == 1
    assert max(content.models["ddos_lgbm"].versions) == KEPT_VERSIONS + 1
    assert not verify_registry(registry, now=NOW).failures
    publish(registry, same, signer, run_id="run-4", now=NOW)


def test_versions_in_slots_are_never_dropped(registry: Registry, signer: Signer) -> None:
    publish(registry, lambda content: promote(content, "ddos_lgbm", 1, "shadow"), signer, run_id="run-2", now=NOW)
    for _ in range(KEPT_VERSIONS + 2):
        publish_models(registry, signer, ("ddos_lgbm",))
    model = registry.manifest(now=NOW).content.models["ddos_lgbm"]
    assert model.shadow == 1
    assert len(model.versions) == KEPT_VERSIONS + 1
