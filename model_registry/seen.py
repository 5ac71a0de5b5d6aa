"""The newest registry this machine has seen, so that nobody can put an older or another one in its place.

Kept in ``TIDEGATE_STATE``, a folder that outlives the process: the last root, and the newest manifest. A manifest is
newer if it was made under a later root, and among those of one root if it bears a higher version. So what was signed
before a rotation never comes back after it, however high its version: whoever stole a key may have signed any number.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from flows.errors import TidegateError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.files import read_given, write_atomically
from model_registry.manifest import MANIFEST, Manifest, RootRef
from model_registry.root import Root, root_name
from model_registry.shapes import Hex32, Positive
from model_registry.signatures import signed_digest

STATE_FILE: Final = "registry-seen.json"
LOCK_FILE: Final = "registry-seen.lock"
_MAX_STATE: Final = 64 * 1024


class SeenManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest manifest: the version of the root that it was made under, its own, and the SHA-256 of its content."""

    root_version: Positive
    version: Positive
    sha256: Hex32

    @property
    def age(self) -> tuple[int, int]:
        """What manifests are compared by."""
        return self.root_version, self.version


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was seen: the last root, and the newest manifest."""

    root: RootRef
    manifest: SeenManifest

    def check_roots(self, state: Path, roots: Sequence[Root]) -> None:
        """Raise TrustError if these roots do not reach the one that was seen, or go by another of its number."""
        last = roots[-1]
        if last.version < self.root.version:
            raise TrustError(
                f"{root_name(last.version)}: the newest root there is, but {state / STATE_FILE} says that "
                f"{root_name(self.root.version)} was seen before; restore the missing roots",
                Reason.OLDER_VERSION,
            )
        for root in roots:
            if root.version == self.root.version and signed_digest(root) != self.root.sha256:
                raise TrustError(
                    f"{root_name(root.version)}: another registry's than was seen before; if it was replaced on "
                    f"purpose, delete {state / STATE_FILE}",
                    Reason.WRONG_ROOT,
                )

    def check_manifest(self, manifest: Manifest) -> None:
        """Raise TrustError if a manifest is older than the one that was seen, or another of its version."""
        found, seen = _seen_manifest(manifest), self.manifest
        if found.age < seen.age:
            roots = "" if found.root_version == seen.root_version else f", made under {root_name(found.root_version)},"
            after = "" if not roots else f", made under {root_name(seen.root_version)}"
            raise TrustError(
                f"{MANIFEST}: version {found.version}{roots} is older than {seen.version}{after}, which was seen "
                f"before; somebody may have put back an old manifest",
                Reason.OLDER_VERSION,
            )
        if found.age == seen.age and found.sha256 != seen.sha256:
            raise TrustError(
                f"{MANIFEST}: another version {found.version} than was seen before; whoever published it was shown "
                f"an old registry",
                Reason.OLDER_VERSION,
            )


def recall(state: Path) -> Seen | None:
    """Return what was seen before, None if nothing was. Raises TrustError if the file is malformed."""
    file = state / STATE_FILE
    try:
        data = read_given(file, _MAX_STATE)
    except TrustError as error:
        if error.reason is Reason.MISSING:
            return None
        raise TrustError(f"{error.message}; set TIDEGATE_STATE to a volume", error.reason) from None
    try:
        return canonical.convert(canonical.parse_file(data, str(file)), Seen, str(file))
    except TrustError as error:
        raise TrustError(
            f"{error.message}; restore it, or if another version of Tidegate wrote it, delete it", error.reason
        ) from None


def remember(state: Path, root: Root, manifest: Manifest) -> None:
    """Keep what was seen, once it is verified; never less than what others kept meanwhile.

    Raises TidegateError if it cannot be written, and TrustError if what is there is malformed.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        with _locked(state):
            before = recall(state)
            seen = Seen(RootRef.of(root), _seen_manifest(manifest))
            if before is not None:
                newer_root = max(before.root, seen.root, key=lambda ref: ref.version)
                newer_manifest = max(before.manifest, seen.manifest, key=lambda found: found.age)
                seen = Seen(newer_root, newer_manifest)
            if seen != before:
                write_atomically(state / STATE_FILE, canonical.file_bytes(msgspec.to_builtins(seen)))
    except OSError as error:
        raise TidegateError(f"{state}: cannot be written: {error.strerror}; set TIDEGATE_STATE to a volume") from None


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    handle = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _seen_manifest(manifest: Manifest) -> SeenManifest:
    return SeenManifest(manifest.root.version, manifest.version, signed_digest(manifest))
