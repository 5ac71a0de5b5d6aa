"""Attacks by a second spelling: of a signature, of a key, or of a file, that says what another one says.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from model_registry import canonical
from model_registry.errors import Reason
from model_registry.keys import KeyValue, PublicKey
from model_registry.manifest import MANIFEST
from model_registry.signatures import sign
from model_registry.writing.rotation import RootChange, next_root
from tests.support.attack_page import hold_row
from tests.support.forging import changed, root_of, with_signatures
from tests.support.registries import DAY, NOW
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT

ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # of Ed25519's group
PRIME: Final = 2**255 - 19
IDENTITY: Final = bytes([1]) + bytes(31)
IDENTITY_SPELT_LARGE: Final = (PRIME + 1).to_bytes(32, "little")
# Points of order 1, 2, 4 and 4, and of order 1 and 4 in a second spelling. For the first of them a careless verifier
# takes the identity and a scalar of zero as a signature over anything, for the others over every second or fourth text.
WEAK_KEYS: Final = [
    IDENTITY,
    (PRIME - 1).to_bytes(32, "little"),
    bytes(32),
    bytes(31) + bytes([128]),
    IDENTITY_SPELT_LARGE,
    PRIME.to_bytes(32, "little"),
]


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def signature(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["signatures"][0]
    return found


def test_key_that_anybody_could_sign_for(repository: RepositorySimulator) -> None:
    """Root holders were talked into a weak public key: under a careless verifier a signature of zeros fits it."""
    for key in WEAK_KEYS:
        repository.begin(ALICE)
        public = PublicKey("ed25519", "ed25519", KeyValue(key.hex()))
        change = RootChange(add=[("targets", public, "Eve")], remove=[("targets", ALICE.keyid)])
        repository.put(
            "2.root.json", sign(next_root(root_of(repository.pin.read_bytes()), change, expires=NOW + DAY), ROOT)
        )
        forged = {"keyid": public.keyid, "sig": (IDENTITY + bytes(32)).hex()}
        repository.put(MANIFEST, with_signatures(sign(repository.poisoned()), forged))
        repository.refused(Reason.BAD_SIGNATURE)


def test_signature_with_a_larger_scalar(repository: RepositorySimulator) -> None:
    """Malleability: the order of the group is added to our signature's scalar, which a careless verifier takes too."""

    def add(document: dict[str, Any]) -> None:
        raw = bytes.fromhex(signature(document)["sig"])
        scalar = int.from_bytes(raw[32:], "little") + ORDER
        signature(document)["sig"] = (raw[:32] + scalar.to_bytes(32, "little")).hex()

    repository.put(MANIFEST, changed(repository.file(), add))
    repository.refused(Reason.BAD_SIGNATURE)


def test_signature_with_a_point_of_small_order(repository: RepositorySimulator) -> None:
    """Malleability: the key's holder makes further signatures over the same content, with a point that is no secret."""
    payload = canonical.signed_bytes(json.loads(repository.file())["signed"])
    secret = bytearray(hashlib.sha512(ALICE.seed()).digest()[:32])
    secret[0] &= 248
    secret[31] = secret[31] & 63 | 64
    public = bytes.fromhex(ALICE.public.keyval.public)
    for point in (IDENTITY, IDENTITY_SPELT_LARGE):
        challenge = int.from_bytes(hashlib.sha512(point + public + payload).digest(), "little")
        scalar = challenge * int.from_bytes(secret, "little") % ORDER
        sig = (point + scalar.to_bytes(32, "little")).hex()
        repository.put(MANIFEST, with_signatures(repository.file(), {"keyid": ALICE.keyid, "sig": sig}))
        repository.refused(Reason.BAD_SIGNATURE)


def test_signatures_in_another_order(repository: RepositorySimulator) -> None:
    """The same signatures, the other way round: a file with another digest that says the same."""
    repository.begin(ALICE, BOB, CAROL, threshold=3)
    repository.put(MANIFEST, changed(repository.file(), lambda document: document["signatures"].reverse()))
    repository.refused(Reason.LAYOUT)


def test_another_spelling_of_the_file(repository: RepositorySimulator) -> None:
    """White space or an escape is changed, which no signature covers."""
    good = repository.file()
    for other in (json.dumps(json.loads(good)).encode(), good.replace(b'"targets"', b'"t\\u0061rgets"', 1)):
        repository.put(MANIFEST, other)
        repository.refused(Reason.LAYOUT)


def test_number_with_a_fraction(repository: RepositorySimulator) -> None:
    """The version is written as 1.0, which some parsers take for 1."""
    repository.put(MANIFEST, repository.file().replace(b'"version": 1\n', b'"version": 1.0\n'))
    repository.refused(Reason.NOT_AN_INTEGER)


def test_a_key_twice_in_one_object(repository: RepositorySimulator) -> None:
    """The signed version, and behind it another one, of which some parsers take the last."""
    repository.put(MANIFEST, repository.file().replace(b'"version": 1\n', b'"version": 1,\n  "version": 9\n'))
    repository.refused(Reason.LAYOUT)
