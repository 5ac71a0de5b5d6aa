"""docs/registry-format.md: its tables and figures are the code's, and its examples are right."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from model_registry import artifact, blobs, canonical, forest, registry, root, signatures
from model_registry.artifact import Artifact, Calibration, artifact_from_bytes
from model_registry.content import SLOTS, Content, ModelVersion
from model_registry.errors import Reason
from model_registry.keys import Signer
from model_registry.manifest import Manifest
from model_registry.registry import Registry
from model_registry.root import Root
from model_registry.scoring import probabilities, raw_scores
from model_registry.seen import STATE_FILE
from tests.support.format_page import PAGE, TEXT, blocks, table, words
from tests.support.registries import NOW
from tests.support.vectors import VECTORS, read_index

LIMITS: Final = {
    "bytes of a root, a manifest or a proposal": canonical.MAX_METADATA,
    "levels of objects and lists in them": canonical.MAX_DEPTH,
    "digits of an integer": canonical.MAX_DIGITS,
    "signatures": signatures.MAX_SIGNATURES,
    "keys of a root": root.MAX_KEYS,
    "proposals": registry.MAX_PROPOSALS,
    "bytes of them in which the manifest of an interrupted rotation is looked for": registry._MOST_PROPOSED,
    "bytes of a blob": blobs.MAX_BLOB,
    "bytes of an artifact's header": artifact.MAX_HEADER,
    "bytes of its `metadata`": artifact.MAX_METADATA,
    "trees": forest.MAX_TREES,
    "nodes": forest.MAX_NODES,
    "steps from a root to a leaf": forest.MAX_DEPTH,
    "golden vectors": artifact.MAX_GOLDEN,
    "edges of a feature or of the scores": artifact.MAX_BINS,
}


def model_of_fresh() -> bytes:
    """Return the artifact of the first vector."""
    fresh = Registry(VECTORS / "fresh")
    champion = fresh.manifest(now=NOW).content.champion("ddos_lgbm")
    assert champion is not None
    return (fresh.path / champion.artifact).read_bytes()


# --- tables and figures


def test_the_reasons_are_the_codes() -> None:
    assert [row[0] for row in table("| reason |")] == [f"`{reason}`" for reason in Reason]


def test_the_limits_are_the_codes() -> None:
    assert {what: int(number.replace(",", "")) for what, number in table("| what | at most |")} == LIMITS


@pytest.mark.parametrize(
    ("after", "shape"),
    [
        ("## Roots", Root),
        ("## The manifest", Manifest),
        ("`content`:", Content),
        ("A model's `versions`", ModelVersion),
    ],
)
def test_every_field_has_its_row(after: str, shape: type[msgspec.Struct]) -> None:
    named = [name for row in table("| field |", after) for name in words(row[0])]
    assert sorted(named) == sorted(field.encode_name for field in msgspec.structs.fields(shape))


def test_the_slots_are_the_codes() -> None:
    assert f"slots {', '.join(f'`{slot}`' for slot in SLOTS[:-1])} and `{SLOTS[-1]}`" in TEXT


def test_the_arrays_are_those_of_an_artifact() -> None:
    data = model_of_fresh()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    rows = {words(row[0])[0]: row for row in table("| array |")}
    assert {name: row[1] for name, row in rows.items()} == {name: entry["dtype"] for name, entry in header.items()}
    del rows["metadata"]  # of its shape the page says how long it may be
    letters: dict[str, int] = {}
    for name, row in rows.items():
        sides = [side.partition(" + ") for side in row[2].split(", ")]
        for (side, _, more), length in zip(sides, header[name]["shape"], strict=True):
            known = int(side) if side.isdecimal() else letters.setdefault(side, length - int(more or 0))
            assert length == known + int(more or 0), name


def test_the_keys_of_the_index_are_those_of_the_vectors() -> None:
    named = [name for row in table("| key |") for name in words(row[0])]
    assert {frozenset(vector) for vector in read_index()["vectors"]} == {frozenset(named)}


def test_the_links_lead_somewhere() -> None:
    heads = re.findall(r"^#+ (.*)", TEXT, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^a-z -]", "", head.lower()).replace(" ", "-") for head in heads}
    links = re.findall(r"\]\(([^):]+)\)", TEXT)
    assert links
    assert [link for link in links if link not in anchors and not (PAGE.parent / link).exists()] == []


# --- examples


def test_the_example_of_the_two_forms() -> None:
    layout, _ = blocks("json")
    form = blocks("text")[0].removesuffix("\n").encode()
    document = json.loads(layout)
    assert canonical.file_bytes(document) == layout.encode()
    assert canonical.signed_bytes(document) == form
    assert f"whose SHA-256 is `{hashlib.sha256(form).hexdigest()}`" in TEXT


def test_the_example_of_a_key_is_of_a_seed_that_the_page_names() -> None:
    key = blocks("text")[1].removesuffix("\n")
    signer = Signer(bytes([2]) * 32)
    assert json.loads(key)["keyval"]["public"] == signer.public.keyval.public
    assert f"has the key id `{signer.keyid}`" in TEXT
    assert signer.keyid == hashlib.sha256(key.encode()).hexdigest()


def test_the_example_of_what_is_remembered_is_what_we_keep_of_the_first_vector(tmp_path: Path) -> None:
    Registry(VECTORS / "fresh").load(now=NOW, state_dir=tmp_path)
    _, remembered = blocks("json")
    assert (tmp_path / STATE_FILE).read_text() == remembered


def test_the_code_for_scoring_gives_our_scores() -> None:
    model = artifact_from_bytes(model_of_fresh())
    page = run_scoring(model)
    assert [page["raw_score"](row) for row in model.golden_rows] == raw_scores(model.forest, model.golden_rows).tolist()
    ours = probabilities(model, model.golden_rows).tolist()
    assert [page["probability"](row) for row in model.golden_rows] == pytest.approx(ours, rel=1e-12)


def run_scoring(model: Artifact) -> dict[str, Any]:
    """Return the page's functions, run with a model's arrays."""
    (code,) = blocks("python")
    arrays = ("roots", "feature", "threshold", "left", "right", "missing_left", "value")
    names: dict[str, Any] = {name: getattr(model.forest, name).tolist() for name in arrays}
    names |= {"slope": model.calibration.slope, "intercept": model.calibration.intercept}
    names |= {"isnan": math.isnan, "exp": math.exp}
    exec(code, names)  # noqa: S102  (the page's own code, which readers are to trust)
    return names


def test_the_example_of_the_calibration() -> None:
    numbers = re.search(r"slope (\S+) and intercept (\S+) the raw score (\S+) becomes the probability (\d\.\d+)", TEXT)
    assert numbers is not None
    slope, intercept, raw, probability = map(float, numbers.groups())
    assert Calibration(slope, intercept).probability(np.array([raw]))[0] == pytest.approx(probability, abs=5e-7)
