"""No file of a registry, whatever is in it, takes a reader more memory or time than its length allows.

Metadata is at most 1 MiB long and takes 48 times its length, a model's artifact is at most 64 MiB long and takes 6
times its length, and each some MiB beside and a few seconds of the processor. The limits are the kernel's
(:mod:`tests.support.confined`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from model_registry import seen
from model_registry.canonical import MAX_METADATA
from model_registry.errors import TrustError
from model_registry.private_keys.key_files import stored_keys
from model_registry.private_keys.public_files import read_public
from tests.support.confined import Confined, Outcome
from tests.support.documents import Document, manifest_document, manifest_file, root_document, signed_file
from tests.support.nastiest import NASTIEST
from tests.support.nastiest_artifacts import ARTIFACTS
from tests.support.signers import ALICE, ROOT

METADATA_TIMES: Final = 48
ARTIFACT_TIMES: Final = 6
BESIDE: Final = 16 << 20  # bytes, for what does not grow with the file
SECONDS: Final = 10  # of the processor, on the slowest machine
LONGEST_MESSAGE: Final = 500


@pytest.fixture(scope="module")
def confined() -> Iterator[Confined]:
    with Confined() as process:
        yield process


def read(confined: Confined, reader: str, data: bytes) -> Outcome:
    times = ARTIFACT_TIMES if reader == "artifact" else METADATA_TIMES
    outcome = confined.read(reader, data, memory=times * len(data) + BESIDE, seconds=SECONDS)
    assert outcome.became != "crashed", outcome.said
    assert len(outcome.said) < LONGEST_MESSAGE
    assert outcome.said.isprintable()
    return outcome


def test_with_less_memory_than_a_reader_takes_it_would_be_noticed(confined: Confined) -> None:
    data = NASTIEST["keys in the layout"](MAX_METADATA)
    outcome = confined.read("manifest", data, memory=4 * len(data), seconds=SECONDS)
    assert outcome.became == "crashed"
    assert "MemoryError" in outcome.said
    assert confined.read("manifest", data, memory=METADATA_TIMES * len(data), seconds=SECONDS).became == "under-signed"


# --- Metadata


@pytest.mark.parametrize("name", NASTIEST)
def test_the_nastiest_metadata_is_refused_within_its_limits(confined: Confined, name: str) -> None:
    data = NASTIEST[name](MAX_METADATA)
    assert MAX_METADATA - 5000 < len(data) <= MAX_METADATA
    assert read(confined, "manifest", data).became in {"layout", "not-an-integer", "malformed", "under-signed"}


def fill(document: Document, place: Document, key: str, value: object) -> None:
    """Put as many entries into a place of a document as its file has room for; the key is a format of a number."""
    size = len(signed_file(document, ALICE))
    place |= {key.format(number): value for number in range(100)}
    per_entry = (len(signed_file(document, ALICE)) - size) / 100
    place |= {key.format(number): value for number in range(int((MAX_METADATA - size) / per_entry))}


def version_one(document: Document) -> Document:
    version: Document = document["content"]["models"]["ddos_lgbm"]["versions"]["1"]
    return version


def metrics(document: Document) -> None:
    fill(document, version_one(document)["metrics"], "m{:05}", "1")


def gates(document: Document) -> None:
    fill(document, version_one(document)["gates"], "g{:05}", {"passed": True, "detail": "é" * 1000})


def targets(document: Document) -> None:
    fill(document, document["targets"], "blobs/{:064x}", {"length": 1, "hashes": {"sha256": "ab" * 32}})


def models(document: Document) -> None:
    nothing: Document = {"versions": {}, "champion": None, "challenger": None, "shadow": None}
    fill(document, document["content"]["models"], "m{:05}", nothing)


def keys(document: Document) -> None:
    fill(document, document["keys"], "{:064x}", next(iter(document["keys"].values())))


def key_ids(document: Document) -> None:
    document["roles"]["root"]["keyids"] += [f"{number:064x}" for number in range(MAX_METADATA // 75)]


def unknown(document: Document) -> None:
    fill(document, document, "x{:05}", [])


@pytest.mark.parametrize(
    ("document", "change", "became"),
    [
        (manifest_document(), metrics, "accepted"),
        (manifest_document(), gates, "accepted"),
        (manifest_document(), models, "accepted"),
        (manifest_document(), targets, "malformed"),
        (manifest_document(), unknown, "malformed"),
        (root_document(), keys, "malformed"),
        (root_document(), key_ids, "malformed"),
        (root_document(), unknown, "malformed"),
    ],
)
def test_what_was_signed_well_stays_within_its_limits_as_well(
    confined: Confined, document: Document, change: Callable[[Document], None], became: str
) -> None:
    change(document)
    root = document["_type"] == "root"
    data = signed_file(document, ROOT if root else ALICE)
    assert MAX_METADATA * 0.95 < len(data) <= MAX_METADATA
    assert read(confined, "root" if root else "manifest", data).became == became


def test_a_manifest_may_have_as_many_versions_as_there_is_room_for(confined: Confined) -> None:
    assert read(confined, "manifest", manifest_file(versions=290)).became == "accepted"
    assert read(confined, "manifest", manifest_file(versions=310)).became == "oversized"


def test_a_hundred_thousand_targets_or_signatures_are_too_many(confined: Confined) -> None:
    for name in ("signatures", "keys in the layout"):
        data = NASTIEST[name](24 << 20)
        assert read(confined, "manifest", data).became == "oversized"
        assert read(confined, "root", data).became == "oversized"


# --- Artifacts


@pytest.mark.parametrize("name", ARTIFACTS)
def test_the_nastiest_artifacts_stay_within_their_limits(confined: Confined, name: str) -> None:
    make, wrong = ARTIFACTS[name]
    outcome = read(confined, "artifact", make())
    assert outcome.became == ("artifact" if wrong else "accepted")
    assert wrong in outcome.said


# --- The small files


@pytest.mark.parametrize("name", NASTIEST)
def test_the_nastiest_files_of_keys_and_of_what_was_seen_are_refused(tmp_path: Path, name: str) -> None:
    for limit in (4096, 4097, 64 << 10, 65 << 10):
        data = NASTIEST[name](limit)
        private = tmp_path / "root.key"
        private.write_bytes(data)
        private.chmod(0o600)
        for what in (seen.STATE_FILE, "root.pub"):
            (tmp_path / what).write_bytes(data)
        with pytest.raises(TrustError) as of_key:
            stored_keys(tmp_path)
        with pytest.raises(TrustError) as of_public:
            read_public(str(tmp_path / "root.pub"))
        with pytest.raises(TrustError) as of_state:
            seen.recall(tmp_path)
        for caught in (of_key, of_public, of_state):
            assert len(str(caught.value)) < LONGEST_MESSAGE + len(str(tmp_path))
            assert str(caught.value).isprintable()
