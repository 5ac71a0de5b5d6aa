"""Account for every file of a registry: each is verified, or named as what does not belong there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from flows.catalogue import catalogue_digest
from model_registry import canonical
from model_registry.blobs import FOLDER
from model_registry.errors import TrustError
from model_registry.files import LOCK, Entry, Folder, read_given
from model_registry.manifest import MANIFEST, Manifest
from model_registry.registry import Registry, open_artifact
from model_registry.trust import TrustedMetadata, root_name

_MAX_KEY: Final = 64 * 1024  # bytes; a longer file is not looked into for a private key
_ROOT: Final = re.compile(r"[1-9][0-9]*\.root\.json")
_MARKS: Final = (b"PRIVATE KEY", b'"private"')  # PEM and OpenSSH files, and Tidegate's own


@dataclass(frozen=True, slots=True)
class Check:
    """One file, whether it can be trusted, and why it cannot or what it is."""

    file: str
    ok: bool
    detail: str


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
    """Verify roots, manifest and blobs, replay the golden vectors of every model in a slot, and look for other files.

    The arguments are those of :meth:`Registry.load`. Nothing is raised for what cannot be trusted: it is in the
    result, by file. ``state_dir`` is read, and not written.
    """
    verifier = _Verifier(registry, now or datetime.now(UTC))
    trusted = verifier.roots(root)
    manifest = trusted and verifier.manifest(trusted, min_version, state_dir)
    if manifest:
        verifier.blobs(manifest)
    verifier.strangers(blobs=manifest is not None)
    return Verification(tuple(verifier.checks), manifest.version if manifest else None, root is None)


class _Verifier:
    def __init__(self, registry: Registry, now: datetime) -> None:
        self.checks: list[Check] = []
        self._registry = registry
        self._now = now
        self._accounted = {LOCK, FOLDER}

    def roots(self, given: Path | None) -> TrustedMetadata | None:
        """Walk the registry's own roots from the first to the last; the one that was given must be among them."""
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
                if version > max(pinned, 1) and not self._registry.folder.has(name):
                    break
                self._accounted.add(name)
                trusted = self._follow(trusted, name, pin if version == pinned else None)
                self._passed(name, f"signed, valid until {trusted.root.expires}")
            name = root_name(version - 1)
            if trusted is not None:
                trusted.check_root_expiry()
        except TrustError as error:
            self._failed(name, error)
            return None
        return trusted

    def _follow(self, trusted: TrustedMetadata | None, name: str, pin: bytes | None) -> TrustedMetadata:
        data = self._registry.folder.read(name, canonical.MAX_METADATA)
        if pin is not None and data != pin:
            raise TrustError(f"{name}: not the same as the root that was given")
        if trusted is None:
            return TrustedMetadata(data, name, reference_time=self._now, version=1)
        trusted.update_root(data, name)
        return trusted

    def manifest(self, trusted: TrustedMetadata, min_version: int, state_dir: Path | None) -> Manifest | None:
        """Verify the manifest under the last root."""
        self._accounted.add(MANIFEST)
        try:
            manifest = self._registry.accept(trusted, min_version=min_version, state_dir=state_dir)
        except TrustError as error:
            self._failed(MANIFEST, error)
            return None
        self._passed(MANIFEST, f"version {manifest.version}, signed, valid until {manifest.expires}")
        return manifest

    def blobs(self, manifest: Manifest) -> None:
        """Verify every blob, and open those that are the artifact of a model in a slot."""
        models = [
            (name, model.versions[number])
            for name, model in manifest.content.models.items()
            for number in sorted(set(model.slots().values()))
        ]
        for path, what in manifest.content.references().items():
            self._accounted.add(path)
            detail = what
            try:
                data = self._registry.target(manifest, path)
                if path == manifest.content.catalogue and path != f"{FOLDER}/{catalogue_digest()}":
                    raise TrustError(f"{path}: another feature catalogue than this Tidegate's; train and publish again")
                for name, version in models:
                    if version.artifact == path:
                        open_artifact(name, version, data)
                        detail = f"{what}, golden vectors replayed"
            except TrustError as error:
                self._failed(path, error)
            else:
                self._passed(path, detail)

    def strangers(self, *, blobs: bool) -> None:
        """Name every file that nothing above accounts for; without ``blobs``, the blobs were not looked at."""
        self._look_into(self._registry.folder, "")
        if blobs:
            self._look_into(self._registry.blobs.folder, f"{FOLDER}/")

    def _look_into(self, folder: Folder, prefix: str) -> None:
        try:
            entries = folder.entries()
        except TrustError as error:
            self._failed(prefix.rstrip("/") or str(folder.path), error)
            return
        for entry in entries:
            name = prefix + entry.name
            if name not in self._accounted:
                self._failed(name, TrustError(_describe(folder, entry, name)))
            elif name == FOLDER and entry.kind != "folder":
                self._failed(name, TrustError("not a folder"))
            elif name == LOCK and (entry.kind != "file" or (folder.path / LOCK).lstat().st_size):
                self._failed(name, TrustError("a lock file must be a plain and empty file; delete it"))

    def _passed(self, file: str, detail: str) -> None:
        self.checks.append(Check(file, True, detail))

    def _failed(self, file: str, error: TrustError) -> None:
        self.checks.append(Check(file, False, str(error).removeprefix(f"{file}: ")))


def _describe(folder: Folder, entry: Entry, name: str) -> str:
    if name == MANIFEST or _ROOT.fullmatch(name):
        return "not verified, because no trusted root leads to it; restore the roots before it"
    if entry.kind == "link":
        return "a symbolic link, which does not belong here; delete it"
    if entry.kind == "file":
        try:
            data = folder.read(entry.name, _MAX_KEY)
        except TrustError:
            data = b""
        if any(mark in data for mark in _MARKS):
            return "a private key in the registry: move it away, and replace the key, for others may have read it"
    return "nothing in the manifest accounts for it; delete it"
