"""What can be wrong with a registry: one branch of the error tree, exit code 3 (4 for a gate)."""

from __future__ import annotations

from enum import StrEnum

from flows.errors import TidegateError


class Reason(StrEnum):
    """Why something of a registry is refused, in a word that programs may rely on; messages end with it."""

    MISSING = "missing"
    NOT_A_FILE = "not-a-file"  # a link, a device, a folder, or unreadable
    OVERSIZED = "oversized"
    LAYOUT = "layout"  # not JSON in the one layout that a metadata file may have
    NOT_AN_INTEGER = "not-an-integer"  # fractions, NaN and infinities have no place in metadata
    MALFORMED = "malformed"  # another shape than the schema, or parts that contradict each other
    UNDER_SIGNED = "under-signed"
    UNKNOWN_KEY = "unknown-key"  # no key of the role: a stranger's, or one of another role
    SIGNED_TWICE = "signed-twice"
    BAD_SIGNATURE = "bad-signature"
    WRONG_ROOT = "wrong-root"  # not the given root, or not the next in the row
    OLDER_VERSION = "older-version"
    EXPIRED = "expired"
    BLOB_PATH = "blob-path"  # a path that is not blobs/<SHA-256>
    WRONG_LENGTH = "wrong-length"
    WRONG_DIGEST = "wrong-digest"
    WRONG_CATALOGUE = "wrong-catalogue"
    ARTIFACT = "artifact"  # a model's file is no artifact, or not the one that the manifest describes
    GOLDEN_VECTORS = "golden-vectors"
    UNACCOUNTED = "unaccounted"  # nothing that is verified refers to it
    PRIVATE_KEY = "private-key"  # in the registry, or open to others


class TrustError(TidegateError):
    """A file of the registry cannot be trusted. The message says which and why, and ends with the reason's word."""

    exit_code = 3

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(f"{message} [{reason}]")
        self.message = message
        self.reason = reason


class ArtifactError(TrustError):
    """A model's artifact is malformed, of another catalogue, or does not give the scores it promises."""

    def __init__(self, message: str, reason: Reason = Reason.ARTIFACT) -> None:
        super().__init__(message, reason)


class GateError(TidegateError):
    """A model did not pass its gates, or nothing shows that it did."""

    exit_code = 4


class ChangedError(TidegateError):
    """Somebody else has written a file since it was read; read again and try again."""
