"""Who may say what: from the first trusted root, over its successors, to the manifest.

:class:`TrustedMetadata` holds what has been verified so far. It is pure logic: its caller reads the files, in this
order, and hands over their bytes.

* The first root (``1.root.json``, or one that the operator gave) is trusted because somebody says so. It still must
  be signed by its own root keys.
* Each successor (``2.root.json``, …) must bear the next version number, and be signed by the root keys of its
  predecessor *and* by its own, each at their threshold. An expired root may introduce its successor, but an expired
  last root introduces nothing more.
* The manifest must be signed by the targets keys of the last root, at their threshold; then it is read; then its
  version and expiry are looked at, and that it names one of these roots as the one that it was made under. Once it is
  accepted, no root can follow.

(One exception to :mod:`model_registry.signatures`: a first root later than version 1 bears signatures of
predecessors that this verifier never sees.)

All expiries are compared with one ``reference_time``, fixed when the first root is loaded. Whatever is wrong is a
TrustError whose message begins with the file's name and ends with its reason.
"""

from __future__ import annotations

from datetime import datetime

from model_registry.errors import Reason, TrustError
from model_registry.manifest import MANIFEST, Manifest, parse_manifest
from model_registry.root import Root, parse_root, root_name
from model_registry.shapes import format_time, parse_time
from model_registry.signatures import Envelope, Weight, read_envelope, require_quorums, signed_digest, weigh


class TrustedMetadata:
    """What has been verified so far; see the module's description for the order and the rules."""

    def __init__(self, first_root: bytes, name: str, *, reference_time: datetime, version: int | None = None) -> None:
        """Trust the file ``name`` with these bytes as the first root, of this version if one is given.

        Raises TrustError.
        """
        self.reference_time = reference_time
        self.manifest: Manifest | None = None
        envelope = read_envelope(first_root, name)
        root = parse_root(envelope.signed, name)
        if version is not None and root.version != version:
            raise TrustError(f"{name}: holds version {root.version} where {version} must be", Reason.WRONG_ROOT)
        ignored = frozenset(signature.keyid for signature in envelope.signatures if root.version > 1)
        quorums = [root.quorum("root")]
        require_quorums(weigh(envelope, name, quorums, ignored=ignored), name, quorums)
        self.roots = [root]

    @property
    def root(self) -> Root:
        """The last root."""
        return self.roots[-1]

    def update_root(self, data: bytes, name: str) -> None:
        """Accept the next root. Raises TrustError, and RuntimeError after the manifest was accepted."""
        if self.manifest is not None:
            raise RuntimeError("a root cannot follow the manifest")
        root, weight = weigh_root(read_envelope(data, name), name, self.root)
        require_quorums(weight, name, [self.root.quorum("root"), root.quorum("root")])
        self.roots.append(root)

    def update_manifest(self, data: bytes, *, min_version: int = 0, allow_expired: bool = False) -> Manifest:
        """Accept the manifest. Raises TrustError.

        With ``allow_expired`` the root and the manifest may have expired: to be looked at, or to be renewed.
        """
        if not allow_expired:
            self.check_root_expiry()
        manifest = read_manifest(data, MANIFEST, self.root)
        self._check_root_of(manifest)
        if manifest.version < min_version:
            raise TrustError(
                f"{MANIFEST}: version {manifest.version} is older than {min_version}, the oldest that is accepted; "
                f"somebody may have put back an old manifest",
                Reason.OLDER_VERSION,
            )
        if self.manifest is not None and manifest.version <= self.manifest.version:
            raise TrustError(
                f"{MANIFEST}: version {manifest.version} does not follow {self.manifest.version}", Reason.OLDER_VERSION
            )
        if not allow_expired:
            check_expiry(manifest.expires, self.reference_time, MANIFEST, "publish a new version")
        self.manifest = manifest
        return manifest

    def _check_root_of(self, manifest: Manifest) -> None:
        """Raise TrustError if a manifest was made under a root that is not there, or another of its number."""
        ref = manifest.root
        if ref.version > self.root.version:
            raise TrustError(
                f"{MANIFEST}: made under {root_name(ref.version)}, which is not there; restore it", Reason.WRONG_ROOT
            )
        if any(root.version == ref.version and signed_digest(root) != ref.sha256 for root in self.roots):
            raise TrustError(f"{MANIFEST}: made under another {root_name(ref.version)}", Reason.WRONG_ROOT)

    def check_root_expiry(self) -> None:
        """Raise TrustError if the last root has expired."""
        check_expiry(
            self.root.expires,
            self.reference_time,
            root_name(self.root.version),
            "renew it by `tidegate keys rotate --renew`",
        )


def weigh_root(envelope: Envelope, name: str, before: Root) -> tuple[Root, Weight]:
    """Read what would follow the root ``before``, and count its signatures. Raises TrustError if it never could."""
    root = parse_root(envelope.signed, name)
    if root.version != before.version + 1:
        raise TrustError(
            f"{name}: holds version {root.version} where {before.version + 1} must follow", Reason.WRONG_ROOT
        )
    return root, weigh(envelope, name, [before.quorum("root"), root.quorum("root")])


def weigh_manifest(envelope: Envelope, name: str, root: Root) -> tuple[Manifest, Weight]:
    """Read a manifest whose signatures are all by targets keys of ``root``, however many. Raises TrustError."""
    weight = weigh(envelope, name, [root.quorum("targets")])
    return parse_manifest(envelope.signed, name), weight


def read_manifest(data: bytes, name: str, root: Root) -> Manifest:
    """Read a manifest that the targets keys of ``root`` have signed, at their threshold. Raises TrustError."""
    envelope = read_envelope(data, name)
    quorums = [root.quorum("targets")]
    require_quorums(weigh(envelope, name, quorums), name, quorums)
    return parse_manifest(envelope.signed, name)


def check_expiry(expires: str, now: datetime, name: str, remedy: str) -> None:
    """Raise TrustError if this time, of the file ``name``, has come."""
    time = parse_time(expires, name)
    if now >= time:
        raise TrustError(f"{name}: expired on {format_time(time)}; {remedy}", Reason.EXPIRED)
