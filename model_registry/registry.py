"""A registry on disk: verified loading, and publishing one version after the other.

Reading takes no lock: the manifest is replaced in one step, and blobs never change. What is read is verified first,
parsed second, and replayed against its golden vectors third; only then is it used.

Publishing holds the folder's lock: verify the present manifest, let the caller edit its content, make sure of every
blob, sign, verify the result as a reader would, write new blobs, and last replace the manifest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from flows.catalogue import catalogue_digest
from flows.errors import TidegateError, UsageError
from model_registry import canonical, seen, trust
from model_registry.artifact import Artifact, artifact_from_bytes, check_golden
from model_registry.blobs import BlobRef, BlobStore
from model_registry.errors import ArtifactError, TrustError
from model_registry.files import LOCK, Folder, read_given
from model_registry.keys import Role, Signer, create_keys
from model_registry.manifest import (
    EMPTY,
    MANIFEST,
    SPEC_VERSION,
    Content,
    Hashes,
    Manifest,
    ModelVersion,
    Target,
    format_time,
    parse_time,
)
from model_registry.trust import TrustedMetadata, root_name

MANIFEST_VALIDITY: Final = timedelta(days=90)
ROOT_VALIDITY: Final = timedelta(days=365)


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


class Registry:
    """The registry in one folder."""

    def __init__(self, location: str | Path) -> None:
        """Name the folder; it is read when something is asked of it. Raises UsageError for a URL."""
        if "://" in str(location):
            raise UsageError(f"{location}: a registry is a folder; copy it to this machine and name that folder")
        self.path = Path(location)
        self.folder = Folder(self.path, follow=True)
        self.blobs = BlobStore(self.path)
        self._pending: dict[str, bytes] = {}

    def put_blob(self, data: bytes) -> BlobRef:
        """Take in a blob for this object's next publication.

        It is written when a manifest that refers to it is published, so that no blob ever lies in the folder that no
        manifest accounts for. Raises TidegateError if it is longer than a blob may be.
        """
        ref = BlobRef.of(data)
        self._pending[ref.path] = data
        return ref

    def publish(
        self,
        edit: Callable[[Content], Content],
        signer: Signer,
        *,
        run_id: str,
        valid_for: timedelta = MANIFEST_VALIDITY,
        root: Path | None = None,
        now: datetime | None = None,
    ) -> int:
        """Publish ``edit(present content)`` as the next version, and return its number; the first is 1.

        The first publication's edit starts from :data:`model_registry.manifest.EMPTY`. A present manifest that has
        expired is renewed so; one that cannot be verified is not built upon. Raises TrustError for that, for a
        signer that the root does not know, and for content that a reader would refuse (a blob missing or changed,
        a slot without its version); then nothing has changed.
        """
        now = now or datetime.now(UTC)
        self._require()
        with self.folder.locked():
            trusted = self.trusted_roots(root, now)
            present = self.accept(trusted, allow_expired=True) if self.folder.has(MANIFEST) else None
            content = edit(EMPTY if present is None else present.content)
            canonical.convert(msgspec.to_builtins(content, str_keys=True), Content, "the content to publish")
            manifest = Manifest(
                type="targets",
                spec_version=SPEC_VERSION,
                version=1 if present is None else present.version + 1,
                expires=format_time(now + valid_for),
                targets=self._look_up(content),
                published=format_time(now),
                run_id=run_id,
                content=content,
            )
            data = trust.sign(manifest, signer)
            trusted.update_manifest(data)
            for path in manifest.targets.keys() & self._pending.keys():
                self.blobs.write(self._pending[path])
            self.folder.write(MANIFEST, data)
            self.folder.remove_leftovers()
            self.blobs.sweep(manifest.targets)
            self._pending.clear()
        return manifest.version

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
        trusted = self.trusted_roots(root, now)
        manifest = self.accept(trusted, min_version=min_version, state_dir=state_dir)
        if state_dir is not None:
            seen.remember(state_dir, trusted.root, manifest.version)
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
        return Loaded(
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

    def manifest(self, *, root: Path | None = None, now: datetime | None = None) -> Manifest:
        """Return the manifest, its signatures verified, even if it has expired. Raises TrustError."""
        return self.accept(self.trusted_roots(root, now), allow_expired=True)

    def trusted_roots(self, root: Path | None, now: datetime | None) -> TrustedMetadata:
        """Walk the roots, from ``root`` or the registry's first to the last there is. Raises TrustError."""
        now = now or datetime.now(UTC)
        if root is None:
            self._require()
            name = root_name(1)
            data = self.folder.read(name, canonical.MAX_METADATA)
            trusted = TrustedMetadata(data, name, reference_time=now, version=1)
        else:
            trusted = TrustedMetadata(read_given(root, canonical.MAX_METADATA), str(root), reference_time=now)
        while self.folder.has(name := root_name(trusted.root.version + 1)):
            trusted.update_root(self.folder.read(name, canonical.MAX_METADATA), name)
        return trusted

    def accept(
        self,
        trusted: TrustedMetadata,
        *,
        min_version: int = 0,
        state_dir: Path | None = None,
        allow_expired: bool = False,
    ) -> Manifest:
        """Read the manifest under the roots already trusted; the arguments are :meth:`load`'s. Raises TrustError."""
        if state_dir is not None:
            min_version = max(min_version, seen.oldest_accepted(state_dir, trusted.root))
        data = self.folder.read(MANIFEST, canonical.MAX_METADATA)
        return trusted.update_manifest(data, min_version=min_version, allow_expired=allow_expired)

    def target(self, manifest: Manifest, path: str) -> bytes:
        """Return a blob of the manifest, verified. Raises TrustError."""
        return self.blobs.read(path, manifest.targets[path].length)

    def _require(self) -> None:
        if not self.folder.has(root_name(1)):
            raise TrustError(
                f"{root_name(1)}: missing in {self.path}; is there a registry? `tidegate keys init` makes one"
            )

    def _look_up(self, content: Content) -> dict[str, Target]:
        """Look up every blob referred to, among the pending ones or on disk, verified."""
        targets = {}
        for path, what in content.references().items():
            try:
                data = self._pending[path] if path in self._pending else self.blobs.read(path)
            except TrustError as error:
                raise TrustError(f"{error} (it is {what}; nothing was published)") from None
            targets[path] = Target(len(data), Hashes(path.removeprefix("blobs/")))
        return targets


def open_artifact(name: str, version: ModelVersion, data: bytes) -> Artifact:
    """Parse a verified artifact, hold it against the manifest, and replay its golden vectors. Raises ArtifactError."""
    if version.catalogue != catalogue_digest():
        raise ArtifactError(
            f"{version.artifact}: {name} reads the feature catalogue {version.catalogue[:12]}, and this Tidegate "
            f"computes {catalogue_digest()[:12]}; train it again"
        )
    try:
        artifact = artifact_from_bytes(data)
        check_golden(artifact)
    except ArtifactError as error:
        raise ArtifactError(f"{version.artifact}: {error}") from error
    for what, own, signed in (
        ("name", artifact.name, name),
        ("catalogue", artifact.catalogue, version.catalogue),
        ("threshold", artifact.threshold, float(version.threshold)),
    ):
        if own != signed:
            raise ArtifactError(f"{version.artifact}: its {what} is {own}, but the manifest says {signed} for {name}")
    return artifact


def create_registry(
    location: Path, keys: Path, *, valid_for: timedelta = ROOT_VALIDITY, now: datetime | None = None
) -> dict[Role, Signer]:
    """Make new keys in the folder ``keys``, and a registry with their root and nothing else; return the signers.

    Raises UsageError if the keys would lie in the registry, and TidegateError, having written nothing, if there
    are keys or a registry already.
    """
    registry = Registry(location)
    if keys.resolve().is_relative_to(location.resolve()):
        raise UsageError(f"{keys}: private keys do not belong into the registry {location}; name another folder")
    if location.exists() and any(entry.name != LOCK for entry in registry.folder.entries()):
        raise TidegateError(f"{location}: there is a registry already, or something else; name an empty folder")
    signers = create_keys(keys)
    root = trust.make_root(
        signers["root"].public,
        signers["targets"].public,
        version=1,
        expires=(now or datetime.now(UTC)) + valid_for,
    )
    try:
        location.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TidegateError(f"{location}: cannot be made: {error.strerror}") from None
    registry.folder.write(root_name(1), trust.sign(root, signers["root"]))
    return signers
