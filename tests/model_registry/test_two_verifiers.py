"""Two verifiers that share no code say the same of registries that are spoilt by chance: ours, and the one in Perl."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import pytest

from model_registry import canonical
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from tests.support.registries import NOW
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT
from tests.support.spoiling import OTHERS, at, places
from tests.support.verifier import run_verifier
from tests.vectors.building import artifact_path, built, document_of, proposal_file, signed_file, started, with_artifact
from tests.vectors.registries import (
    LAST_ROOT,
    NEXT_ROOT,
    proposed,
    root_rotated,
    rotation_proposed,
    targets_rotated,
    two_of_three,
)
from tests.vectors.vector import Files

SIGNERS: Final = {signer.keyid: signer for signer in (ROOT, ALICE, BOB, CAROL, EVE, NEXT_ROOT, LAST_ROOT)}
MAKERS: Final = (started, two_of_three, proposed, targets_rotated, root_rotated, rotation_proposed)
THROWS: Final = 40


@pytest.mark.parametrize("throw", range(THROWS))
def test_both_verifiers_say_the_same(throw: int, tmp_path: Path) -> None:
    dice = random.Random(throw)
    spoil = dice.choice(WAYS)
    for name, data in spoil(built(dice.choice(MAKERS)), dice).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    result = verify_registry(Registry(tmp_path), now=NOW)
    ours = f"accepted {result.version}"
    if result.failures:
        ours = f"refused {result.failures[0].file} {result.failures[0].reason}"
    theirs = run_verifier(tmp_path, "--now", "2030-01-01T00:00:00Z")
    assert (theirs.stdout.partition(":")[0].strip(), theirs.stderr) == (ours, "")


def with_spoilt_artifact(files: Files, dice: random.Random) -> Files:
    """Change some bytes of the model, more of them in its header, or cut it short; Alice signs that."""
    data = bytearray(files[artifact_path(files)])
    for _ in range(dice.randint(1, 3)):
        data[dice.randrange(dice.choice([1300, len(data)]))] = dice.choice([0, 1, 34, 48, 57, 128, 255])
    length = dice.choice([len(data), len(data), dice.randrange(len(data))])
    return with_artifact(files, bytes(data[:length]))


def with_spoilt_value(files: Files, dice: random.Random) -> Files:
    """Change one value of what is signed, and let the same people sign it again."""
    name = metadata_file(files, dice)
    document = document_of(files, name)
    *parents, key = dice.choice(list(places(document["signed"]))[1:])
    at(document["signed"], tuple(parents))[key] = dice.choice(OTHERS)
    signers = [SIGNERS[signature["keyid"]] for signature in document["signatures"]]
    return {**files, name: signed_file(document["signed"], *signers)}


def with_spoilt_signatures(files: Files, dice: random.Random) -> Files:
    """Take a signature away, repeat them, change one, turn their order round, or add somebody's."""
    name = metadata_file(files, dice)
    document = document_of(files, name)
    first, *others = signatures = document["signatures"]
    payload = canonical.signed_bytes(document["signed"])
    somebody = dice.choice(list(SIGNERS.values()))
    document["signatures"] = dice.choice(
        [
            others,
            signatures * 2,
            [{**first, "sig": f"0{first['sig'][1:]}"}, *others],
            signatures[::-1],
            [*signatures, {"keyid": somebody.keyid, "sig": somebody.sign(payload)}],
        ]
    )
    return {**files, name: canonical.file_bytes(document)}


def with_a_byte_changed(files: Files, dice: random.Random) -> Files:
    """Change a byte of a metadata file."""
    name = metadata_file(files, dice)
    data = bytearray(files[name])
    data[dice.randrange(len(data))] = dice.choice(b'0123456789abcdefABCDEF"{}[],: \\\n-.\0\xff')
    return {**files, name: bytes(data)}


def with_files_mixed(files: Files, dice: random.Random) -> Files:
    """Take a metadata file away, put it among the proposals, or put one of another registry in its place."""
    name = metadata_file(files, dice)
    others = built(dice.choice(MAKERS))
    mixed = {path: data for path, data in files.items() if path != name or dice.random() < 0.3}
    if dice.random() < 0.5:
        mixed[proposal_file(files[name])] = files[name]
    if dice.random() < 0.5:
        mixed[name] = others[metadata_file(others, dice)]
    return mixed


def metadata_file(files: Files, dice: random.Random) -> str:
    """Choose a file to spoil; one of the history would only have another digest."""
    return dice.choice(sorted(name for name in files if name.endswith(".json") and not name.startswith("history/")))


WAYS: Final = (
    with_spoilt_artifact,
    with_spoilt_value,
    with_spoilt_signatures,
    with_a_byte_changed,
    with_files_mixed,
)
