"""A person's word against a gate: which gate, about which bytes, who says so and why, signed, and not for long.

An override is a small file in the asset store. It counts only with a signature by a key that the registry's root names
for manifests, only for the check and the bytes it names, and until it expires. It never makes a gate passed: the gate
is published as failed, with the person's reason behind it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import dagster as dg
import msgspec

from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.files import read_given
from model_registry.keys import Signer
from model_registry.root import Root
from model_registry.shapes import Hex32, Name, Text, UtcTime, format_time, parse_time
from model_registry.signatures import Quorum, read_envelope, require_quorums, sign, weigh

FOLDER: Final = "overrides"

Words = Annotated[Text, msgspec.Meta(min_length=3)]
LONGEST: Final = 800  # characters: what is published of a gate has room for what the gate found, too


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is signed. ``sha256`` is the digest of the value that the check judged, ``by`` a person's name."""

    type: Literal["tidegate-override"] = msgspec.field(name="_type", default="tidegate-override")
    asset: Name
    check: Name
    sha256: Hex32
    by: Words
    reason: Words
    made: UtcTime
    expires: UtcTime

    @property
    def words(self) -> str:
        """What is published of it, beside what the gate found."""
        return f"OVERRIDDEN by {self.by} on {self.made[:10]}: {self.reason}"


def override_path(store: Path, asset: str, check: str, digest: str) -> Path:
    """Where an override of a check of these bytes lies."""
    name = hashlib.sha256(f"{asset}/{check}/{digest}".encode()).hexdigest()[:32]
    return store / FOLDER / f"{name}.json"


def write_override(
    store: Path, check: dg.AssetCheckKey, digest: str, *, by: str, reason: str, signer: Signer, until: datetime
) -> Path:
    """Sign an override of a check of these bytes. Raises TrustError for a name or a reason that cannot stand there."""
    asset = check.asset_key.to_user_string()
    override = Override(
        asset=asset,
        check=check.name,
        sha256=digest,
        by=by,
        reason=reason,
        made=format_time(datetime.now(UTC)),
        expires=format_time(until),
    )
    canonical.convert(msgspec.to_builtins(override), Override, "the override")
    _require_room(override, "the override")
    path = override_path(store, asset, check.name, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sign(override, signer))
    return path


def find_override(store: Path, root: Root, asset: str, check: str, digest: str, now: datetime) -> Override | None:
    """Return the override of a check of these bytes, verified; None where there is none.

    Raises TrustError for one that is there and does not count: malformed, not signed by a key of the root's for
    manifests, expired, or about something else.
    """
    path = override_path(store, asset, check, digest)
    if not path.exists():
        return None
    name = f"{FOLDER}/{path.name}"
    envelope = read_envelope(read_given(path, canonical.MAX_METADATA), name)
    keys = root.quorum("targets")
    one = [Quorum(keys.keys, 1, keys.name)]
    require_quorums(weigh(envelope, name, one), name, one)
    override = canonical.convert(envelope.signed, Override, name)
    _require_room(override, name)
    if (override.asset, override.check, override.sha256) != (asset, check, digest):
        raise TrustError(f"{name}: it is about another check or other bytes", Reason.MALFORMED)
    if parse_time(override.expires, name) <= now:
        raise TrustError(f"{name}: expired on {override.expires}; decide again", Reason.EXPIRED)
    return override


def _require_room(override: Override, name: str) -> None:
    excess = len(override.words) - LONGEST
    if excess > 0:
        raise TrustError(f"{name}: name and reason are {excess} characters too long to be published", Reason.MALFORMED)
