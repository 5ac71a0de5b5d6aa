"""A registry as its readers see it: verified loading.

Reading takes no lock: the manifest is replaced in one step, and blobs never change. What is read is verified first,
parsed second, and replayed against its golden vectors third; only then is it used. Each file is read once, so that
what was verified is what is used.

Writing is in :mod:`model_registry.writing.publishing`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flows.catalogue import catalogue_digest
from flows.errors import UsageError
from model_registry import canonical, seen
from model_registry.artifact import Artifact, artifact_from_bytes, check_golden
from model_registry.blobs import BlobRef, read_blob
from model_registry.content import Content, ModelVersion
from model_registry.errors import ArtifactError, Reason, TrustError
from model_registry.files import read_given
from model_registry.manifest import HISTORY, MANIFEST, PROPOSED, Manifest, Previous, RootRef
from model_registry.root import Root, root_name
from model_registry.shapes import parse_time
from model_registry.signatures import read_envelope
from model_registry.stores.base import Store, Stored
from model_registry.stores.folder import FolderStore
from model_registry.stores.objects import ObjectStore
from model_registry.trust import TrustedMetadata, weigh_manifest

MAX_PROPOSALS: Final = 16  # that are looked at; one at the limit of its length takes a second
# Bytes of proposals that a reader looks through who found no good manifest: a few seconds of junk.
_MOST_PROPOSED: Final = 4 << 20
_TRIES: Final = 8  # to read while others write
_PROPOSAL: Final = re.compile(r"[0-9a-f]{64}\.json")


@dataclass(frozen=True)
class Loaded:
    """A verified registry: ``models`` are the champions fit for use, ``refused`` says why the others are not."""

    version: int
    expires: datetime
    content: Content
    models: dict[str, Artifact]
    refused: dict[str, str]
    rules: bytes
    math: bytes
    ensemble: bytes
    root_from_registry: bool


@dataclass(frozen=True)
class Current:
    """The manifest in force, the bytes of its file, and the tag of what lies in its place (None: nothing does).

    ``in_place`` is false where a rotation of keys was interrupted after the new root and before the new manifest,
    which then still waits among the proposals.
    """

    manifest: Manifest
    data: bytes
    tag: str | None
    in_place: bool

    @property
    def previous(self) -> Previous:
        """What the next manifest says of this one."""
        return Previous(self.manifest.version, hashlib.sha256(self.data).hexdigest())


class Registry:
    """The registry in one place: a folder, or an ``s3://bucket/prefix``."""

    def __init__(self, location: str | Path | Store) -> None:
        """Name the place; it is read when something is asked of it. Raises UsageError for a URL of another kind."""
        self.store = open_store(location) if isinstance(location, str | Path) else location
        self.location = str(self.store)
        self.pending: dict[str, bytes] = {}

    @property
    def path(self) -> Path:
        """The folder. Raises UsageError if the registry is not in one."""
        if isinstance(self.store, FolderStore):
            return self.store.path
        raise UsageError(f"{self.location}: not a folder; name a registry on this machine")

    def put_blob(self, data: bytes) -> BlobRef:
        """Take in a blob for this object's next publication.

        It is written when a manifest that refers to it is published, so that no blob ever lies in the registry that
        no manifest accounts for. Raises TidegateError if it is longer than a blob may be.
        """
        ref = BlobRef.of(data)
        self.pending[ref.path] = data
        return ref

    def load(
        self,
        *,
        root: Path | None = None,
        min_version: int = 0,
        now: datetime | None = None,
        state_dir: Path | None = None,
    ) -> Loaded:
        """Verify everything that serving needs, and return it.

        ``root`` is the first root to trust; without it the registry's own 1.root.json is. A manifest older than
        ``min_version``, or than the newest that ``state_dir`` remembers, is refused.

        Raises TrustError when a root, the manifest, a signature, the rules, the math baselines or the ensemble
        cannot be trusted. What is wrong with one model alone refuses that model.
        """
        trusted, current = self.current(root=root, min_version=min_version, now=now, state_dir=state_dir)
        manifest = current.manifest
        content = manifest.content
        models, refused = {}, {}
        for name in content.models:
            version = content.champion(name)
            if version is None:
                continue
            try:
                models[name] = open_artifact(name, version, self.target(manifest, version.artifact))
            except TrustError as error:
                refused[name] = str(error)
        loaded = Loaded(
            version=manifest.version,
            expires=parse_time(manifest.expires, MANIFEST),
            content=content,
            models=models,
            refused=refused,
            rules=self.target(manifest, content.rules),
            math=self.target(manifest, content.math),
            ensemble=self.target(manifest, content.ensemble),
            root_from_registry=root is None,
        )
        if state_dir is not None:
            seen.remember(state_dir, trusted.root, manifest)
        return loaded

    def manifest(self, *, root: Path | None = None, now: datetime | None = None) -> Manifest:
        """Return the manifest, its signatures verified, even if it or the root has expired. Raises TrustError."""
        return self.current(root=root, now=now, allow_expired=True)[1].manifest

    def current(
        self,
        *,
        root: Path | None = None,
        min_version: int = 0,
        now: datetime | None = None,
        state_dir: Path | None = None,
        allow_expired: bool = False,
    ) -> tuple[TrustedMetadata, Current]:
        """Walk the roots and verify the manifest; if somebody writes meanwhile, begin again. Raises TrustError."""
        for _ in range(_TRIES):
            trusted = self.trusted_roots(root, now)
            stored = self.stored_manifest()
            try:
                return trusted, self.accept(
                    trusted, stored, min_version=min_version, state_dir=state_dir, allow_expired=allow_expired
                )
            except TrustError:
                if not self._moved_on(trusted.root, stored):
                    raise
        raise TrustError(f"{MANIFEST}: changed {_TRIES} times while it was being read; try again", Reason.MALFORMED)

    def trusted_roots(self, root: Path | None = None, now: datetime | None = None) -> TrustedMetadata:
        """Walk the roots, from ``root`` or the registry's first to the last there is. Raises TrustError."""
        now = now or datetime.now(UTC)
        self.require()
        if root is None:
            name = root_name(1)
            data = self.store.read(name, canonical.MAX_METADATA).data
            trusted = TrustedMetadata(data, name, reference_time=now, version=1)
        else:
            trusted = TrustedMetadata(read_given(root, canonical.MAX_METADATA), str(root), reference_time=now)
        while self.store.has(name := root_name(trusted.root.version + 1)):
            trusted.update_root(self.store.read(name, canonical.MAX_METADATA).data, name)
        return trusted

    def stored_manifest(self) -> Stored | None:
        """Return what lies in the manifest's place, not verified; None if nothing. Raises TrustError for a link."""
        try:
            return self.store.read(MANIFEST, canonical.MAX_METADATA)
        except TrustError as error:
            if error.reason is not Reason.MISSING:
                raise
            return None

    def accept(
        self,
        trusted: TrustedMetadata,
        stored: Stored | None,
        *,
        min_version: int = 0,
        state_dir: Path | None = None,
        allow_expired: bool = False,
    ) -> Current:
        """Verify the manifest under the roots already trusted; the arguments are :meth:`load`'s. Raises TrustError."""
        before = None if state_dir is None else seen.recall(state_dir)
        if before is not None and state_dir is not None:
            before.check_roots(state_dir, trusted.roots)
        data = None if stored is None else stored.data
        try:
            if data is None:
                raise TrustError(
                    f"{MANIFEST}: missing in {self.location}; publish one, or if there was one restore it from "
                    f"{HISTORY}/",
                    Reason.MISSING,
                )
            manifest = trusted.update_manifest(data, min_version=min_version, allow_expired=allow_expired)
        except TrustError as error:
            good = error.reason in {Reason.OLDER_VERSION, Reason.EXPIRED}
            waiting = None if good or trusted.root.version == 1 else self.interrupted(trusted.root)
            if waiting is None:
                raise
            data = waiting[1]
            manifest = trusted.update_manifest(data, min_version=min_version, allow_expired=allow_expired)
        if before is not None:
            before.check_manifest(manifest)
        in_place = stored is not None and data is stored.data
        return Current(manifest, data, None if stored is None else stored.tag, in_place)

    def target(self, manifest: Manifest, path: str) -> bytes:
        """Return a blob of the manifest, verified. Raises TrustError."""
        return read_blob(self.store, path, manifest.targets[path].length)

    def require(self) -> None:
        """Raise TrustError where there is no registry."""
        if not self.store.has(root_name(1)):
            raise TrustError(
                f"{root_name(1)}: missing in {self.location}; is there a registry? `tidegate keys init` makes one",
                Reason.MISSING,
            )

    def proposed(self) -> list[str]:
        """List the files that bear the name of a proposal. Whatever else lies beside them is none."""
        entries = self.store.entries(PROPOSED)
        return [f"{PROPOSED}/{entry.name}" for entry in entries if _PROPOSAL.fullmatch(entry.name)]

    def _moved_on(self, root: Root, stored: Stored | None) -> bool:
        if self.store.has(root_name(root.version + 1)):
            return True
        again = self.stored_manifest()
        return (again and again.tag) != (stored and stored.tag)

    def interrupted(self, root: Root) -> tuple[Manifest, bytes] | None:
        """Return the manifest that a rotation to this root had ready, if it came no further than the root."""
        found: dict[int, tuple[Manifest, bytes]] = {}
        left = _MOST_PROPOSED
        for name in self.proposed()[:MAX_PROPOSALS]:
            try:
                data = self.store.read(name, min(left, canonical.MAX_METADATA)).data
                left -= len(data)
                manifest, weight = weigh_manifest(read_envelope(data, name), name, root)
            except TrustError:  # a proposal for another root, or junk: `tidegate registry verify` names it
                continue
            if weight.complete and manifest.root == RootRef.of(root):
                found[manifest.version] = manifest, data
        return found[max(found)] if found else None


def open_store(location: str | Path) -> Store:
    """Return the store at a folder's path or an ``s3://`` URL. Raises UsageError for a URL of another kind."""
    if "://" not in str(location):
        return FolderStore(Path(location))
    return ObjectStore(str(location))


def open_artifact(name: str, version: ModelVersion, data: bytes) -> Artifact:
    """Parse a verified artifact, hold it against the manifest, and replay its golden vectors. Raises ArtifactError."""
    if version.catalogue != catalogue_digest():
        raise ArtifactError(
            f"{version.artifact}: {name} reads the feature catalogue {version.catalogue[:12]}, and this Tidegate "
            f"computes {catalogue_digest()[:12]}; train it again",
            Reason.WRONG_CATALOGUE,
        )
    try:
        artifact = artifact_from_bytes(data)
        check_golden(artifact)
    except ArtifactError as error:
        raise ArtifactError(f"{version.artifact}: {error.message}", error.reason) from error
    for what, own, signed in (
        ("name", artifact.name, name),
        ("catalogue", artifact.catalogue, version.catalogue),
        ("threshold", artifact.threshold, float(version.threshold)),
    ):
        if own != signed:
            raise ArtifactError(f"{version.artifact}: its {what} is {own}, but the manifest says {signed} for {name}")
    return artifact
