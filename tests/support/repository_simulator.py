"""A registry in memory, those who write to it, a reader who knows it, and a thief with a store and some keys.

The reader was given the first root, and keeps a state. :meth:`RepositorySimulator.refused` holds that an attack is
refused, and why, and that the reader lost nothing by it: when the files are back, it reads on. What became of attacks
is kept in ``said``, as docs/attacks.md has it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from model_registry.content import Content
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, Hashes, Manifest, Previous, Target
from model_registry.registry import Loaded, Registry
from model_registry.root import Root, root_name
from model_registry.signatures import sign
from model_registry.verify import verify_registry
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import Restore, RootChange, Rotated, find_kept, rotate
from model_registry.writing.signing import sign_proposal
from tests.support.forging import manifest_of, registry_in
from tests.support.registries import MODELS, NOW, put_model, tiny_artifact, with_shared_blobs
from tests.support.signers import ALICE, CAROL, ROOT, shared_root
from tests.support.simulated_store import Held, SimulatedStore

POISON: Final = b"rules: []  # whatever the thief likes\n"
LAST: Final = 2**53  # the highest version there can be
BEFORE_LAST: Final = Previous(LAST - 1, "0" * 64)  # what a thief says that it followed: no reader can tell
NEXT_ROOT: Final = Signer(bytes([99]) * 32)
REPLACE_ALICE: Final = RootChange(add=[("targets", CAROL.public, "Carol")], remove=[("targets", ALICE.keyid)])

# Digests and key ids, whole and shortened, numbers that depend on how long an artifact happens to be, and bad paths.
_VARYING: Final = re.compile(
    r"\b(?:[0-9a-f]{64}|[0-9a-f]{12}|(?<=from byte )\d+|\d{4,5}(?= bytes| were))\b|(?<=the target ')[^']+"
)


class RepositorySimulator:
    """See the module's description. ``registry`` is in ``store``, at first with version 1, signed by Alice."""

    def __init__(self, folder: Path) -> None:
        self.pin, self.state = folder / "pinned.json", folder / "state"
        self.now = NOW
        self.said: list[str] = []
        self.folder = folder
        self.begin(ALICE)

    def begin(
        self, *targets: Signer, threshold: int = 1, roots: tuple[Signer, ...] = (ROOT,), root_threshold: int = 1
    ) -> None:
        """Begin anew with these keys: version 1 is in force, and the reader knows it."""
        root = shared_root(*targets, threshold=threshold, roots=roots, root_threshold=root_threshold)
        self.pin.write_bytes(sign(root, *roots[:root_threshold]))
        self.store = SimulatedStore({root_name(1): self.pin.read_bytes()})
        self.registry = registry_in(self.store)
        self.publish(*targets[:threshold])
        for file in self.state.glob("*"):
            file.unlink()
        self.read()

    # --- what honest people do

    def publish(self, *signers: Signer, names: tuple[str, ...] = MODELS, state: Path | None = None) -> int:
        """Publish one more version of these models, and rules of its own, signed by all of ``signers``.

        With ``state`` the publisher keeps in it what was seen.
        """

        def edit(content: Content) -> Content:
            content = with_shared_blobs(self.registry, content)
            for position, name in enumerate(names):
                before = content.models[name].champion if name in content.models else 0
                artifact = tiny_artifact(name, feature=10 * position + (before or 0))
                content = content.with_model(name, put_model(self.registry, artifact))
            champions = " ".join(str(model.champion) for model in content.models.values())
            return content.with_blobs(rules=self.registry.put_blob(f"rules: []  # {champions}\n".encode()).path)

        published = publish(self.registry, edit, signers[0], run_id="nightly", state_dir=state, now=self.now)
        for signer in signers[1:]:
            sign_proposal(self.registry, published.proposal, signer, now=self.now)
        return published.version

    def rotate(self, change: RootChange, *signers: Signer, restore: int | Restore | None = None) -> Rotated:
        """Rotate with the keys of ``signers`` at hand; a version to be restored is taken for the right one."""
        if isinstance(restore, int):
            restore = Restore(restore, find_kept(self.registry, restore, now=self.now).sha256)
        return rotate(self.registry, change, signers, run_id="by-hand", restore=restore, now=self.now)

    @property
    def root(self) -> Root:
        """The last root."""
        return self.registry.trusted_roots(now=self.now).root

    def read(self, *, state: bool = True, min_version: int = 0) -> Loaded:
        """Load as the reader does."""
        state_dir = self.state if state else None
        loaded = self.registry.load(root=self.pin, state_dir=state_dir, now=self.now, min_version=min_version)
        self._good = dict(self.store.files)
        return loaded

    def move_to(self, folder: Path) -> None:
        """Go on in a folder on disk."""
        for name, held in self.store.files.items():
            assert isinstance(held, bytes)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(held)
        self.registry = Registry(folder)

    # --- what a thief does

    def file(self, name: str = MANIFEST) -> bytes:
        """Return what lies in the store."""
        held = self.store.files[name]
        assert isinstance(held, bytes)
        return held

    def put(self, name: str, held: Held) -> None:
        """Put whatever you like into the store."""
        self.store.files[name] = held

    def poisoned(self) -> Manifest:
        """Return the manifest with the thief's rules, whose blob is put into the store."""
        manifest = manifest_of(self.file())
        ref = registry_in(self.store).put_blob(POISON)
        self.put(ref.path, POISON)
        targets = {path: target for path, target in manifest.targets.items() if path != manifest.content.rules}
        return msgspec.structs.replace(
            manifest,
            version=manifest.version + 1,
            previous=Previous(manifest.version, hashlib.sha256(self.file()).hexdigest()),
            content=manifest.content.with_blobs(rules=ref.path),
            targets=targets | {ref.path: Target(ref.length, Hashes(ref.sha256))},
        )

    # --- what became of it

    def refused(self, reason: Reason, attempt: Callable[[], object] | None = None) -> None:
        """Hold that the reader, or another attempt, is refused for this reason, and that the reader lost nothing."""
        before = self._remembered()
        with pytest.raises(TrustError) as caught:
            (attempt or self.read)()
        assert caught.value.reason is reason, caught.value
        self.note(str(caught.value))
        assert self._remembered() == before
        reread = registry_in(SimulatedStore(self._good))
        assert reread.load(root=self.pin, state_dir=self.state, now=self.now).rules != POISON
        assert self._remembered() == before

    def refused_model(self, name: str, reason: Reason) -> None:
        """Hold that the reader goes on without this model, for this reason."""
        refused = self.read().refused
        assert list(refused) == [name]
        assert refused[name].endswith(f" [{reason}]"), refused
        self.note(refused[name])

    def named(self, file: str, reason: Reason) -> None:
        """Hold that verification names this file, with this reason."""
        result = verify_registry(self.registry, root=self.pin, state_dir=self.state, now=self.now)
        check = next(failure for failure in result.failures if failure.file == file)
        assert check.reason is reason, check
        self.note(f"{check.file}: {check.detail} [{check.reason}]")

    def came_to(self, outcome: str) -> None:
        """Note what became of an attack that is not refused, in the page's words."""
        self.said.append(outcome)

    def note(self, message: str) -> None:
        """Keep a message for the page, once, and without what differs from run to run."""
        tidy = _VARYING.sub("…", message.replace(f"{self.folder}/", ""))
        if tidy not in self.said:
            self.said.append(tidy)

    def _remembered(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.state.glob("*")}
