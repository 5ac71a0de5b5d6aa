"""Who can do what with which stolen keys, before and after all keys were replaced: the tables of docs/attacks.md.

The thief can write to the store, too, and tries whatever helps. Of two targets keys both must sign, and of two root
keys. What is possible is held as well as what is refused: who trusts the holders of keys trusts a thief of enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.root import Root, root_name
from model_registry.signatures import sign
from model_registry.writing.rotation import RootChange, next_root
from tests.support.attack_page import tables
from tests.support.forging import made_under, manifest_of, root_of
from tests.support.registries import NOW
from tests.support.repository_simulator import BEFORE_LAST, LAST, POISON, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, YEAR
from tests.support.simulated_store import Files

SECOND_ROOT, NEXT_ROOT, LAST_ROOT, DAVE = (Signer(bytes([seed]) * 32) for seed in range(90, 94))
ROOTS: Final = (ROOT, SECOND_ROOT)
REPLACE_ALL: Final = RootChange(
    add=[
        *(("targets", signer.public, "new") for signer in (CAROL, DAVE)),
        *(("root", signer.public, "new") for signer in (NEXT_ROOT, LAST_ROOT)),
    ],
    remove=[*(("targets", signer.keyid) for signer in (ALICE, BOB)), *(("root", signer.keyid) for signer in ROOTS)],
)
STOLEN: Final[dict[str, tuple[Signer, ...]]] = {
    "no key": (),
    "one of the targets keys": (ALICE,),
    "both targets keys": (ALICE, BOB),
    "one of the root keys": (ROOT,),
    "both root keys": ROOTS,
}
TRIES: Final = ("publish a manifest", "publish a root", "roll back", "fast-forward")
READERS: Final = {"stolen, from a reader with a state": True, "stolen, from a reader without a state": False}


@pytest.fixture
def repository(tmp_path: Path) -> RepositorySimulator:
    """Two versions, the second of which the reader knows."""
    simulator = RepositorySimulator(tmp_path)
    simulator.begin(ALICE, BOB, threshold=2, roots=ROOTS, root_threshold=2)
    simulator.publish(ALICE, BOB)
    simulator.read()
    return simulator


@pytest.mark.parametrize("replaced", [False, True], ids=["keys count", "keys replaced"])
@pytest.mark.parametrize("attempt", TRIES)
@pytest.mark.parametrize("stolen", STOLEN)
@pytest.mark.parametrize("reader", READERS)
def test_what_stolen_keys_can_do(
    repository: RepositorySimulator, reader: str, stolen: str, attempt: str, replaced: bool
) -> None:
    old = repository.file("history/1.json")
    if replaced:
        repository.rotate(REPLACE_ALL, *ROOTS, NEXT_ROOT, LAST_ROOT, CAROL, DAVE)
    known = repository.read()
    became = []
    for files in ways(repository, attempt, STOLEN[stolen], old):
        repository.store.files = files
        try:
            loaded = repository.read(state=READERS[reader])
        except TrustError as error:
            became.append(str(error.reason))
        else:
            back = attempt == "roll back"
            assert (loaded.version < known.version) if back else (loaded.rules == POISON)
            became.insert(0, "possible")
            break
    (row,) = (row for row in tables()[reader] if row[0] == stolen)
    cell = row[1 + TRIES.index(attempt)]
    assert cell.split(" / ")[replaced] == became[0]


def ways(repository: RepositorySimulator, attempt: str, keys: tuple[Signer, ...], old: bytes) -> Iterator[Files]:
    """Yield the store as the thief leaves it, in every way that may help.

    First under the roots as they are, then with the newest root hidden, then under roots of his own: after the first
    root, and after the newest.
    """
    now = dict(repository.store.files)
    first, newest = root_of(repository.pin.read_bytes()), repository.root
    hidden = {name: held for name, held in now.items() if name != "2.root.json"}
    poison = repository.poisoned()
    now |= {poison.content.rules: POISON}
    hidden |= {poison.content.rules: POISON}
    chosen = {
        "roll back": msgspec.structs.replace(manifest_of(old), previous=None),
        "fast-forward": msgspec.structs.replace(poison, version=LAST, previous=BEFORE_LAST),
    }.get(attempt, poison)
    if attempt == "roll back":
        yield now | {MANIFEST: old}
        yield hidden | {MANIFEST: old}
    if attempt != "publish a root":
        signers = keys or (EVE,)
        yield now | {MANIFEST: sign(made_under(newest, chosen), *signers)}
        yield now | {MANIFEST: sign(made_under(first, chosen), *signers)}
        yield hidden | {MANIFEST: sign(made_under(first, chosen), *signers)}
    if attempt != "publish a manifest":
        for before in (first, newest):
            roots, last = lead_on(before, [key for key in keys if key in ROOTS])
            yield now | roots | {MANIFEST: sign(made_under(last, chosen), EVE)}


def lead_on(before: Root, signers: list[Signer]) -> tuple[Files, Root]:
    """Return two more roots after this one, with the thief's own key, which alone is enough under them."""
    eve = RootChange(
        add=[("root", EVE.public, "Eve"), ("targets", EVE.public, "Eve")], thresholds={"root": 1, "targets": 1}
    )
    following = next_root(before, eve, expires=NOW + YEAR)
    last = next_root(following, RootChange(), expires=NOW + YEAR)
    files: Files = {
        root_name(following.version): sign(following, *signers, EVE),
        root_name(last.version): sign(last, EVE),
    }
    return files, last
