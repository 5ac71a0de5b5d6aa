from __future__ import annotations

import json

import msgspec
import pytest

from flows.catalogue import catalogue_json
from model_registry.content import Content, Gate, ModelVersion
from model_registry.diffing import Difference, diff_contents, diff_versions
from model_registry.keys import Signer
from model_registry.registry import Registry
from tests.support.registries import NOW, publish_models


@pytest.fixture
def content(registry: Registry) -> Content:
    return registry.manifest(now=NOW).content


def no_blob(path: str) -> bytes:
    raise AssertionError(f"nobody should read {path}")


def test_nothing_differs_from_itself(content: Content) -> None:
    assert diff_contents(content, content, no_blob) == []


def test_a_new_champion_is_compared_with_the_old_one(registry: Registry, signer: Signer, content: Content) -> None:
    publish_models(registry, signer, ("ddos_lgbm",))
    after = registry.manifest(now=NOW).content
    after = after.with_models(
        {
            "ddos_lgbm": after.models["ddos_lgbm"].with_version(
                2, msgspec.structs.replace(after.models["ddos_lgbm"].versions[2], threshold="0.8", run_id="run-9")
            )
        }
    )
    artifacts = [after.models["ddos_lgbm"].versions[number].fingerprint[:12] for number in (1, 2)]
    assert diff_contents(content, after, no_blob) == [
        Difference("ddos_lgbm", "champion", "version 1", "version 2"),
        Difference("ddos_lgbm", "versions new", None, "2"),
        Difference("ddos_lgbm", "threshold", "0.75", "0.8"),
        Difference("ddos_lgbm", "artifact", *artifacts),
        Difference("ddos_lgbm", "trained", "2030-01-01T00:00:00Z by run run-1", "2030-01-01T00:00:00Z by run run-9"),
    ]


def test_models_that_come_and_go(content: Content) -> None:
    fewer = msgspec.structs.replace(content, models={})
    differences = diff_contents(content, fewer, no_blob)
    assert Difference("ddos_lgbm", "champion", "version 1", None) in differences
    assert Difference("ddos_lgbm", "versions gone", "1", None) in differences
    assert Difference("ddos_lgbm", "versions new", None, "1") in diff_contents(fewer, content, no_blob)


def test_rules_and_features(content: Content) -> None:
    document = json.loads(catalogue_json())
    first = document["features"].pop(0)
    document["features"][0]["unit"] = "another"
    document["state"]["beats"] += 1
    blobs = {content.catalogue: catalogue_json(), f"blobs/{'e' * 64}": json.dumps(document).encode()}
    after = content.with_blobs(rules=f"blobs/{'f' * 64}", catalogue=f"blobs/{'e' * 64}")
    differences = {one.what: one for one in diff_contents(content, after, blobs.__getitem__)}
    assert set(differences) == {
        "catalogue",
        "rules",
        f"feature {first['name']}",
        f"feature {document['features'][0]['name']}",
        "state beats",
    }
    assert differences[f"feature {first['name']}"].after is None
    assert "unit another" in (differences[f"feature {document['features'][0]['name']}"].after or "")


@pytest.mark.parametrize("blob", [b"", b"junk", b"[]", b"{}", b'{"features": [1], "state": 2}', b"[" * 100_000])
def test_a_catalogue_that_is_none_is_compared_by_its_digest_alone(content: Content, blob: bytes) -> None:
    after = content.with_blobs(catalogue=f"blobs/{'e' * 64}")
    assert [one.what for one in diff_contents(content, after, lambda _: blob)] == ["catalogue"]


def version(content: Content) -> ModelVersion:
    return content.models["ddos_lgbm"].versions[1]


def test_figures_data_and_gates_of_two_versions(content: Content) -> None:
    before = version(content)
    after = msgspec.structs.replace(
        before,
        metrics={"recall": "0.95", "pr_auc": "0.9"},
        gates={"recall": Gate(passed=False, detail="0.95 < 0.97")},
        data=msgspec.structs.replace(before.data, rows=1),
    )
    found = {one.what: (one.before, one.after) for one in diff_versions("ddos_lgbm", before, after)}
    assert found == {
        "metric recall": ("0.991", "0.95"),
        "metric fpr": ("0.0008", None),
        "metric pr_auc": (None, "0.9"),
        "gate recall": ("passed: 0.991 >= 0.95", "NOT PASSED: 0.95 < 0.97"),
        "data": ("12345 rows, abababababab", "1 rows, abababababab"),
    }
