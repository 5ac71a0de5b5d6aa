from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import UsageError
from model_registry.content import EMPTY, Content, Gate, ModelVersion, TrainingData
from model_registry.errors import TrustError
from model_registry.manifest import Hashes, Manifest, RootRef, Target, parse_manifest
from model_registry.shapes import decimal_text

SHARED = {
    name: f"blobs/{digit * 64}" for name, digit in zip(("catalogue", "rules", "math", "ensemble"), "0123", strict=True)
}
Document = dict[str, Any]


def version(artifact: str, run_id: str = "run-1") -> ModelVersion:
    return ModelVersion(
        artifact=f"blobs/{artifact * 64}",
        card=f"blobs/{'f' * 64}",
        catalogue="0" * 64,
        threshold="0.75",
        metrics={"recall": "0.99"},
        gates={"recall": Gate(passed=True, detail="0.99 >= 0.95")},
        data=TrainingData(sha256="9" * 64, rows=1000),
        created="2030-01-01T00:00:00Z",
        run_id=run_id,
        code_version="0.1.0",
    )


def content() -> Content:
    return EMPTY.with_blobs(**SHARED).with_model("ddos_lgbm", version("a"))


def document() -> Document:
    shape = content()
    manifest = Manifest(
        type="targets",
        spec_version="1.0.31",
        version=1,
        expires="2030-02-01T00:00:00Z",
        targets={path: Target(1, Hashes(path.removeprefix("blobs/"))) for path in shape.references()},
        published="2030-01-01T00:00:00Z",
        run_id="run-1",
        action="train",
        reason="",
        previous=None,
        root=RootRef(1, "7" * 64),
        content=shape,
    )
    converted: Document = msgspec.to_builtins(manifest, str_keys=True)
    return converted


def test_a_manifest_is_read_back_as_it_was() -> None:
    manifest = parse_manifest(document())
    assert manifest.content == content()
    assert msgspec.to_builtins(manifest, str_keys=True) == document()


def test_with_model_numbers_on_and_makes_the_new_one_champion() -> None:
    first = content()
    second = first.with_model("ddos_lgbm", version("b", "run-2")).with_model("malware_lgbm", version("c"))
    assert list(second.models["ddos_lgbm"].versions) == [1, 2]
    assert second.models["ddos_lgbm"].champion == 2
    assert second.models["malware_lgbm"].champion == 1
    champion = second.champion("ddos_lgbm")
    assert champion is not None
    assert champion.run_id == "run-2"
    assert champion.fingerprint == "b" * 64
    assert list(first.models["ddos_lgbm"].versions) == [1]  # what it was made from is untouched


def test_with_model_leaves_the_other_slots_alone() -> None:
    held = content()
    model = msgspec.structs.replace(held.models["ddos_lgbm"], shadow=1)
    held = msgspec.structs.replace(held, models={"ddos_lgbm": model}).with_model("ddos_lgbm", version("b"))
    assert held.models["ddos_lgbm"].slots() == {"champion": 2, "shadow": 1}


def test_champion_of_what_has_none() -> None:
    assert content().champion("unknown") is None


def test_with_blobs_keeps_what_is_not_given() -> None:
    changed = content().with_blobs(rules=f"blobs/{'e' * 64}")
    assert changed.rules == f"blobs/{'e' * 64}"
    assert changed.math == SHARED["math"]


def test_references_name_every_blob() -> None:
    assert set(content().references()) == {*SHARED.values(), f"blobs/{'a' * 64}", f"blobs/{'f' * 64}"}


def _model(signed: Document) -> Document:
    found: Document = signed["content"]["models"]["ddos_lgbm"]
    return found


def _version(signed: Document) -> Document:
    found: Document = _model(signed)["versions"]["1"]
    return found


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda s: s.update(_type="root"), "_type"),
        (lambda s: s.update(version=0), "version"),
        (lambda s: s.update(version=2**60), "version"),
        (lambda s: s.update(version="1"), "version"),
        (lambda s: s.update(version=None), "version"),
        (lambda s: s.update(extra=1), "unknown field `extra`"),
        (lambda s: s.update(delegations={}), "unknown field `delegations`"),
        (lambda s: s.pop("content"), "missing required field `content`"),
        (lambda s: s.pop("run_id"), "missing required field `run_id`"),
        (lambda s: s.update(expires="2030-02-30T00:00:00Z"), "not a time"),
        (lambda s: s.update(expires="2030-02-01T00:00:00+00:00"), "expires"),
        (lambda s: s.update(expires="\u0662\u0660\u0663\u0660-02-01T00:00:00Z"), "expires"),
        (lambda s: s["content"].update(extra=1), "unknown field `extra`"),
        (lambda s: s["content"].pop("rules"), "missing required field `rules`"),
        (lambda s: s["content"].update(rules=""), "rules"),
        (lambda s: s["content"].update(rules="blobs/../1.root.json"), "rules"),
        (lambda s: s["content"].update(rules="blobs/" + "A" * 64), "rules"),
        (lambda s: s["content"].update(rules="blobs/" + "1" * 64 + "\n"), "rules"),
        (lambda s: s["content"].update(rules="/blobs/" + "1" * 64), "rules"),
        (lambda s: s["content"]["models"].update({"../x": _model(s)}), "models"),
        (lambda s: _model(s).update(champion=2), "the champion of ddos_lgbm is version 2"),
        (lambda s: _model(s).update(challenger=3), "the challenger of ddos_lgbm is version 3"),
        (lambda s: _model(s).update(champion=True), "champion"),
        (lambda s: _model(s).pop("shadow"), "spelt in another way"),
        (lambda s: _model(s).update(extra=1), "unknown field `extra`"),
        (lambda s: _model(s)["versions"].update({"01": _version(s)}), "key"),
        (lambda s: _model(s)["versions"].update({"0": _version(s)}), "key"),
        (lambda s: _model(s)["versions"].update({"x": _version(s)}), "key"),
        (lambda s: _version(s).pop("gates"), "missing required field `gates`"),
        (lambda s: _version(s).update(extra=1), "unknown field `extra`"),
        (lambda s: _version(s).update(threshold=1), "threshold"),
        (lambda s: _version(s).update(threshold="1e-3"), "threshold"),
        (lambda s: _version(s).update(threshold="NaN"), "threshold"),
        (lambda s: _version(s).update(threshold=".5"), "threshold"),
        (lambda s: _version(s).update(threshold="\u0660.5"), "threshold"),
        (lambda s: _version(s)["metrics"].update(fpr="low"), "metrics"),
        (lambda s: _version(s)["data"].update(rows=-1), "rows"),
        (lambda s: _version(s)["data"].update(sha256="AB" * 32), "sha256"),
        (lambda s: _version(s)["gates"]["recall"].update(passed="yes"), "passed"),
        (lambda s: _version(s)["gates"]["recall"].update(detail="\x1b[2J"), "detail"),
        (lambda s: _version(s).update(run_id="run 1\n"), "run_id"),
        (lambda s: s["targets"].pop(SHARED["rules"]), "the rules, is not among its targets"),
        (lambda s: s["targets"].pop(f"blobs/{'a' * 64}"), "the artifact of ddos_lgbm version 1, is not among"),
        (
            lambda s: s["targets"].update({f"blobs/{'d' * 64}": {"length": 1, "hashes": {"sha256": "d" * 64}}}),
            "nothing refers to the target",
        ),
        (lambda s: s["targets"][SHARED["rules"]]["hashes"].update(sha256="d" * 64), "does not bear the name"),
        (lambda s: s["targets"][SHARED["rules"]]["hashes"].update(md5="d" * 32), "unknown field `md5`"),
        (lambda s: s["targets"][SHARED["rules"]].update(length=-1), "length"),
        (lambda s: s["targets"][SHARED["rules"]].update(length=2**40), "length"),
        (lambda s: s["targets"].update({"../x": s["targets"][SHARED["rules"]]}), "not the path of a blob [blob-path]"),
        (lambda s: s.update(targets=[]), "targets"),
        (lambda s: s.update(previous={"version": 1, "sha256": "0" * 64}), "version 1 says that it followed 1"),
        (lambda s: s.update(version=2), "version 2 says that it followed none"),
        (
            lambda s: s.update(version=2**21, action="restore", previous={"version": 1, "sha256": "0" * 64}),
            "followed 1",
        ),
        (lambda s: s.update(version=3, previous={"version": 1, "sha256": "0" * 64}), "version 3 says"),
        (lambda s: s["root"].update(version=0), "version"),
        (lambda s: s["root"].pop("sha256"), "sha256"),
    ],
)
def test_what_the_schema_does_not_have_is_refused(edit: Callable[[Document], object], reason: str) -> None:
    changed = copy.deepcopy(document())
    edit(changed)
    with pytest.raises(TrustError, match=r"^model_registry.json: ") as caught:
        parse_manifest(changed)
    assert reason in str(caught.value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimal_text_reads_back_as_the_same_float(value: float) -> None:
    text = decimal_text(value)
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert float(text) == value
    changed = document()
    _version(changed)["metrics"]["value"] = text
    assert parse_manifest(changed).content.models["ddos_lgbm"].versions[1].metrics["value"] == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_has_no_decimal_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="cannot stand in a manifest"):
        decimal_text(value)
