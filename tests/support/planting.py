"""Proposals in a simulated registry: made, planted and signed."""

from __future__ import annotations

import msgspec

from model_registry.keys import Signer
from model_registry.manifest import Manifest
from model_registry.proposals import proposal_name
from model_registry.root import Root
from model_registry.signatures import sign
from model_registry.writing.publishing import publish
from model_registry.writing.signing import sign_proposal
from tests.support.registries import same
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE


def propose(repository: RepositorySimulator) -> str:
    """Let Alice propose a version, and return the proposal's file."""
    published = publish(repository.registry, same, ALICE, run_id="nightly", now=repository.now)
    return f"proposed/{published.proposal}.json"


def plant(repository: RepositorySimulator, signed: Manifest | Root, *signers: Signer) -> str:
    """Put a proposal into the store, and return its file."""
    name = proposal_name(signed)
    repository.put(name, sign(signed, *signers))
    return name


def join(repository: RepositorySimulator, file: str, signer: Signer) -> list[str]:
    digest = file.removeprefix("proposed/").removesuffix(".json")
    return sign_proposal(repository.registry, digest, signer, now=repository.now)


def next_manifest(repository: RepositorySimulator) -> Manifest:
    """Return a manifest that would follow the present one, with the thief's rules."""
    current = repository.registry.current(now=repository.now)[1]
    return msgspec.structs.replace(repository.poisoned(), previous=current.previous)
