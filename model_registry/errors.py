"""What can be wrong with a registry: one branch of the error tree, exit code 3."""

from __future__ import annotations

from flows.errors import TidegateError


class TrustError(TidegateError):
    """A file of the registry cannot be trusted: it is unsigned, changed, expired, out of date or malformed."""

    exit_code = 3


class ArtifactError(TrustError):
    """A model's artifact is malformed, of another catalogue, or does not give the scores it promises."""
