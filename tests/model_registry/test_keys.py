from __future__ import annotations

import copy
import hashlib
import pickle
import traceback

import pytest
from securesystemslib.signer import (  # type: ignore[attr-defined]  # it re-exports without saying so
    Key,
    Signature,
)

from model_registry.keys import Signer

SEED = bytes(range(32))


def test_the_key_id_is_the_digest_of_the_canonical_key() -> None:
    public = Signer(SEED).public
    hexadecimal = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"  # of this seed, by RFC 8032
    assert public.keyval.public == hexadecimal
    canonical = f'{{"keytype":"ed25519","keyval":{{"public":"{hexadecimal}"}},"scheme":"ed25519"}}'
    assert public.keyid == hashlib.sha256(canonical.encode()).hexdigest()


def test_signatures_verify_over_their_data_only() -> None:
    signer = Signer(SEED)
    signature = signer.sign(b"data")
    assert signer.public.verifies(signature, b"data")
    assert not signer.public.verifies(signature, b"date")
    assert not Signer.generate().public.verifies(signature, b"data")
    assert not signer.public.verifies("00" * 64, b"data")


def test_securesystemslib_verifies_our_signatures() -> None:
    signer = Signer.generate()
    key = Key.from_dict(
        signer.keyid,
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": signer.public.keyval.public}},
    )
    key.verify_signature(Signature(signer.keyid, signer.sign(b"data")), b"data")


def test_generated_keys_differ_and_come_back_from_their_seeds() -> None:
    first, second = Signer.generate(), Signer.generate()
    assert first.keyid != second.keyid
    assert Signer(first.seed()).keyid == first.keyid


def test_a_signer_shows_nothing_of_its_private_half() -> None:
    signer = Signer(SEED)
    try:
        raise ValueError(signer)
    except ValueError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for shown in (repr(signer), str(signer), f"{signer}", f"{[signer]}", str(vars(signer)), trace):
        assert SEED.hex() not in shown
        assert repr(SEED)[2:-1] not in shown
    assert signer.keyid[:12] in repr(signer)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_signer_is_never_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.dumps(Signer(SEED), protocol)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_signer_is_never_copied(how: object) -> None:
    assert callable(how)
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        how(Signer(SEED))
