"""The vectors are what their generator makes, and our own reader says of each what they say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from model_registry.errors import Reason, TrustError
from model_registry.registry import Registry
from model_registry.seen import STATE_FILE
from model_registry.verify import verify_registry
from tests.support.vectors import VECTORS, Document, given_root, lay_out, put_seen, read_index
from tests.vectors.all import all_vectors
from tests.vectors.bad_files import RULES_BLOB
from tests.vectors.vector import written

INDEX: Final = read_index()
EACH: Final = pytest.mark.parametrize("vector", INDEX["vectors"], ids=lambda vector: vector["name"])
LARGEST: Final = 1 << 20  # bytes of all of them


def circumstances(vector: Document, tmp_path: Path) -> Document:
    """Return what our reader is to be told beside the registry."""
    remembers = put_seen(vector, tmp_path / STATE_FILE) is not None
    return {
        "root": given_root(vector),
        "min_version": vector["min_version"],
        "now": datetime.fromisoformat(vector["now"]),
        "state_dir": tmp_path if remembers else None,
    }


@EACH
def test_our_verifier_says_of_each_vector_what_it_says(vector: Document, tmp_path: Path) -> None:
    registry = Registry(lay_out(vector, tmp_path / "registry"))
    result = verify_registry(registry, **circumstances(vector, tmp_path))
    expect = vector["expect"]
    if "accepted" in expect:
        assert result.failures == ()
        assert result.version == expect["accepted"]
    else:
        first, *others = result.failures
        assert {"file": first.file, "reason": first.reason} == expect["refused"]
        assert {other.reason for other in others} <= {Reason.UNACCOUNTED}  # what the refused file would have led to


@EACH
def test_our_reader_loads_what_it_may_and_refuses_the_rest(vector: Document, tmp_path: Path) -> None:
    registry = Registry(lay_out(vector, tmp_path / "registry"))
    reason = load(registry, circumstances(vector, tmp_path))
    refused = vector["expect"].get("refused")
    if refused is None or not is_loaded(refused):
        assert reason == ""
    elif vector["root"] is None:
        assert reason == refused["reason"]
    else:  # it begins with the root that it was given, and never looks at another first one
        assert reason == "under-signed"


def load(registry: Registry, given: Document) -> str:
    """Load a registry; return why it, or its one model, is refused, else nothing."""
    try:
        loaded = registry.load(**given)
    except TrustError as error:
        return error.reason
    assert loaded.models.keys() | loaded.refused.keys() == loaded.content.models.keys()
    return "".join(message.rpartition("[")[2].rstrip("]") for message in loaded.refused.values())


def is_loaded(refused: Document) -> bool:
    """Tell whether loading looks at what is refused; some only verification of every file does."""
    if refused["reason"] in {"unaccounted", "private-key"} or refused["file"].startswith(("history/", "proposed")):
        return False
    return not (refused["reason"] == "wrong-catalogue" and refused["file"] == RULES_BLOB)  # as the registry's catalogue


def test_the_committed_vectors_are_those_the_generator_makes() -> None:
    made = written(all_vectors())
    committed = {str(path.relative_to(VECTORS)): path for path in VECTORS.rglob("*") if path.is_file()}
    remedy = "run `python -m tests.vectors`, and commit what it makes"
    assert committed.keys() == made.keys(), remedy
    assert [name for name, path in committed.items() if path.read_bytes() != made[name]] == [], remedy


def test_there_is_a_vector_for_every_reason() -> None:
    shown = {vector["expect"]["refused"]["reason"] for vector in INDEX["vectors"] if "refused" in vector["expect"]}
    assert shown == {str(reason) for reason in Reason}


def test_the_vectors_are_small_and_hold_no_private_key() -> None:
    files = [path.read_bytes() for path in VECTORS.rglob("*") if path.is_file()]
    assert sum(map(len, files)) < LARGEST
    assert not any(b"PRIVATE KEY" in data for data in files)
    assert not list(VECTORS.rglob("*.key"))
