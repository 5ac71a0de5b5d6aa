"""Account for every file of a registry: each is verified, or named as what does not belong there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

from flows.catalogue import catalogue_digest
from model_registry import canonical, seen
from model_registry.blobs import FOLDER, read_blob
from model_registry.content import ModelVersion
from model_registry.errors import Reason, TrustError
from model_registry.files import read_given
from model_registry.history import Kept, read_kept, read_previous
from model_registry.manifest import HISTORY, MANIFEST, PROPOSED, Manifest, history_name
from model_registry.proposals import look_through_proposals
from model_registry.registry import Current, Registry, open_artifact
from model_registry.root import root_name
from model_registry.stores.folder import LOCK
from model_registry.strangers import look_for_strangers
from model_registry.trust import TrustedMetadata


@dataclass(frozen=True, slots=True)
class Check:
    """One file, what it is or why it cannot be trusted, and in that case the reason in a word."""

    file: str
    detail: str
    reason: Reason | None = None

    @property
    def ok(self) -> bool:
        """Whether the file can be trusted."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for a whole registry; ``version`` is the manifest's, None if it cannot be trusted."""

    checks: tuple[Check, ...]
    version: int | None
    root_from_registry: bool

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)


def verify_registry(
    registry: Registry,
    *,
    root: Path | None = None,
    min_version: int = 0,
    state_dir: Path | None = None,
    now: datetime | None = None,
) -> Verification:
    """Verify roots, manifest, history, proposals and blobs, replay golden vectors, and look for other files.

    The arguments are those of :meth:`Registry.load`. Nothing is raised for what cannot be trusted: it is in the
    result, by file. ``state_dir`` is read, and not written.
    """
    with registry.store.reading():
        verifier = _Verifier(registry, now or datetime.now(UTC))
        trusted = verifier.roots(root, state_dir)
        current = trusted and verifier.manifest(trusted, min_version, state_dir)
        if trusted and current:
            older = verifier.history(trusted, current)
            proposed = verifier.proposals(trusted, current)
            verifier.blobs(current.manifest, [*older, *proposed])
        verifier.strangers(everything=bool(current))
    return Verification(tuple(verifier.checks), current.manifest.version if current else None, root is None)


class _Verifier:
    def __init__(self, registry: Registry, now: datetime) -> None:
        self.checks: list[Check] = []
        self._registry = registry
        self._now = now
        self._accounted = {LOCK, FOLDER, HISTORY, PROPOSED}

    def roots(self, given: Path | None, state_dir: Path | None) -> TrustedMetadata | None:
        """Walk the registry's own roots from the first to the last; given and seen ones must be among them."""
        pinned, pin = 0, b""
        if given is not None:
            try:
                pin = read_given(given, canonical.MAX_METADATA)
                pinned = TrustedMetadata(pin, str(given), reference_time=self._now).root.version
            except TrustError as error:
                self._failed(str(given), error)
                return None
            self._passed(str(given), f"the root to trust, version {pinned}")
        trusted: TrustedMetadata | None = None
        try:
            for version in count(1):
                name = root_name(version)
                if version > max(pinned, 1) and not self._registry.store.has(name):
                    break
                self._accounted.add(name)
                trusted = self._follow(trusted, name, pin if version == pinned else None)
                self._passed(name, f"signed, valid until {trusted.root.expires}")
            name = root_name(version - 1)
            if trusted is not None:
                trusted.check_root_expiry()
                before = None if state_dir is None else seen.recall(state_dir)
                if before is not None and state_dir is not None:
                    before.check_roots(state_dir, trusted.roots)
        except TrustError as error:
            self._failed(name, error)
            return None
        return trusted

    def _follow(self, trusted: TrustedMetadata | None, name: str, pin: bytes | None) -> TrustedMetadata:
        data = self._registry.store.read(name, canonical.MAX_METADATA).data
        if pin is not None and data != pin:
            raise TrustError(f"{name}: not the same as the root that was given", Reason.WRONG_ROOT)
        if trusted is None:
            return TrustedMetadata(data, name, reference_time=self._now, version=1)
        trusted.update_root(data, name)
        return trusted

    def manifest(self, trusted: TrustedMetadata, min_version: int, state_dir: Path | None) -> Current | None:
        """Verify the manifest under the last root."""
        self._accounted.add(MANIFEST)
        try:
            stored = self._registry.stored_manifest()
            current = self._registry.accept(trusted, stored, min_version=min_version, state_dir=state_dir)
        except TrustError as error:
            self._failed(MANIFEST, error)
            return None
        manifest = current.manifest
        detail = f"version {manifest.version}, signed, valid until {manifest.expires}"
        if not current.in_place:
            detail += "; it waits among the proposals for a rotation to be finished: run `tidegate registry sign`"
        self._passed(MANIFEST, detail)
        return current

    def history(self, trusted: TrustedMetadata, current: Current) -> list[Manifest]:
        """Verify the kept manifests, from the one in force back to the oldest; return those before it."""
        store = self._registry.store
        found = []
        name = history_name(current.manifest.version)
        if store.has(name):
            self._accounted.add(name)
            self._checked(name, "the manifest in force", lambda: self._same(name, current.data))
        try:
            kept = read_kept(current.data, MANIFEST, trusted.roots)
            while (previous := kept.manifest.previous) and store.has(name := history_name(previous.version)):
                self._accounted.add(name)
                kept = read_previous(store, previous, trusted.roots)
                found.append(kept.manifest)
                self._passed(name, f"{kept.manifest.action}, {_signers(kept)}, {kept.manifest.published}")
        except TrustError as error:
            self._failed(name, error)
        return found

    def _same(self, name: str, data: bytes) -> None:
        if self._registry.store.read(name, canonical.MAX_METADATA).data != data:
            raise TrustError(f"{name}: not the same as the manifest in force", Reason.WRONG_DIGEST)

    def proposals(self, trusted: TrustedMetadata, current: Current) -> list[Manifest]:
        """Verify the proposals, and return the manifests among them."""
        try:
            self._accounted.update(self._registry.proposed())
            proposals, refused = look_through_proposals(self._registry, trusted, current)
        except TrustError as error:
            self._failed(PROPOSED, error)
            return []
        for name, refusal in refused.items():
            self._failed(name, refusal)
        for proposal in proposals:
            lacking = ", ".join(f"{more} more of {who}" for who, more in proposal.weight.lacking.items())
            state = f"stale, {proposal.stale}" if proposal.stale else f"needs {lacking or 'to be put in force'}"
            self._passed(proposal.file, f"{proposal.title}, signed by {len(proposal.weight.keyids)}, {state}")
        return [proposal.signed for proposal in proposals if isinstance(proposal.signed, Manifest)]

    def blobs(self, manifest: Manifest, others: list[Manifest]) -> None:
        """Verify every blob, and open those that are the artifact of a model in a slot."""
        references = manifest.content.references()
        for path, what in references.items():
            models = [
                (name, model.versions[number])
                for name, model in manifest.content.models.items()
                for number in sorted(set(model.slots().values()))
                if model.versions[number].artifact == path
            ]
            detail = f"{what}, golden vectors replayed" if models else what
            self._checked(path, detail, partial(self._open, manifest, path, models))
        self._accounted.update(references)
        for other in others:
            for path, what in other.content.references().items():
                if path not in self._accounted:
                    self._accounted.add(path)
                    self._checked(
                        path,
                        f"{what}, of manifest version {other.version}",
                        partial(read_blob, self._registry.store, path, other.targets[path].length),
                    )

    def _open(self, manifest: Manifest, path: str, models: list[tuple[str, ModelVersion]]) -> None:
        data = self._registry.target(manifest, path)
        if path == manifest.content.catalogue and path != f"{FOLDER}/{catalogue_digest()}":
            raise TrustError(
                f"{path}: another feature catalogue than this Tidegate's; train and publish again",
                Reason.WRONG_CATALOGUE,
            )
        for name, version in models:
            open_artifact(name, version, data)

    def strangers(self, *, everything: bool) -> None:
        """Name every file that nothing above accounts for; without ``everything``, blobs were not looked at."""
        folders = ("", FOLDER, HISTORY, PROPOSED) if everything else ("",)
        for name, error in look_for_strangers(self._registry.store, self._accounted, folders, self._now):
            self._failed(name, error)

    def _checked(self, file: str, detail: str, check: Callable[[], object]) -> None:
        try:
            check()
        except TrustError as error:
            self._failed(file, error)
        else:
            self._passed(file, detail)

    def _passed(self, file: str, detail: str) -> None:
        self.checks.append(Check(file, detail))

    def _failed(self, file: str, error: TrustError) -> None:
        self.checks.append(Check(file, error.message.removeprefix(f"{file}: "), error.reason))


def _signers(kept: Kept) -> str:
    return "signed by " + ", ".join(f"{holder} ({keyid[:12]})" for keyid, holder in kept.signers.items())
