"""Root metadata ``N.root.json``: whose keys count for what, and how many of them must sign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.keys import PublicKey
from model_registry.keys import Role as RoleName
from model_registry.shapes import SPEC_VERSION, Hex32, Positive, SpecVersion, UtcTime, format_time, parse_time
from model_registry.signatures import Quorum

Holder = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]([ -~]{0,62}[!-~])?\Z")]

MAX_KEYS: Final = 64


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that may sign for a role, and how many of them must."""

    keyids: list[Hex32]
    threshold: Positive


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TUF's four top-level roles. Tidegate signs with the first two; a TUF root must define the others too."""

    root: Role
    targets: Role
    snapshot: Role
    timestamp: Role


class Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"type": "_type"}):
    """The signed part of ``N.root.json``. ``holders`` says for people who holds each key.

    ``consistent_snapshot`` is false: a blob's name is its digest already, so TUF need not put the digest before it.
    """

    type: Literal["root"]
    spec_version: SpecVersion
    version: Positive
    expires: UtcTime
    consistent_snapshot: Literal[False]
    keys: dict[Hex32, PublicKey]
    roles: Roles
    holders: dict[Hex32, Holder]

    def role(self, name: RoleName) -> Role:
        """Return a role by its name."""
        role: Role = getattr(self.roles, name)
        return role

    def quorum(self, name: RoleName) -> Quorum:
        """Return who has to sign for a role."""
        role = self.role(name)
        keys = {keyid: self.keys[keyid] for keyid in role.keyids}
        return Quorum(keys, role.threshold, f"the {name} keys of {root_name(self.version)}")


def root_name(version: int) -> str:
    """Return the file name of a root by its version."""
    return f"{version}.root.json"


def compose_root(
    roles: Mapping[RoleName, Role],
    keys: Mapping[str, PublicKey],
    holders: Mapping[str, str],
    *,
    version: int,
    expires: datetime,
) -> Root:
    """Return a root with these roles and the keys that they name; snapshot and timestamp go to the targets keys."""
    named = {keyid for role in roles.values() for keyid in role.keyids}
    targets = roles["targets"]
    return Root(
        type="root",
        spec_version=SPEC_VERSION,
        version=version,
        expires=format_time(expires),
        consistent_snapshot=False,
        keys={keyid: keys[keyid] for keyid in sorted(named)},
        roles=Roles(root=roles["root"], targets=targets, snapshot=targets, timestamp=targets),
        holders={keyid: holders[keyid] for keyid in sorted(named)},
    )


def make_root(root: PublicKey, targets: PublicKey, *, version: int, expires: datetime, holder: str = "") -> Root:
    """Return a root with one key for each role, held by ``holder``, or called by the role if that is empty."""
    return compose_root(
        {"root": Role([root.keyid], 1), "targets": Role([targets.keyid], 1)},
        {root.keyid: root, targets.keyid: targets},
        {targets.keyid: holder or "targets", root.keyid: holder or "root"},
        version=version,
        expires=expires,
    )


def parse_root(signed: Mapping[str, Any], name: str) -> Root:
    """Read the signed part of a root in the file ``name``.

    Raises TrustError for anything the schema does not have, and for parts that contradict each other. Its signatures
    are verified afterwards: they are by the keys that it names.
    """
    root = canonical.convert(signed, Root, name)
    parse_time(root.expires, name)
    if len(root.keys) > MAX_KEYS:
        raise TrustError(f"{name}: more than {MAX_KEYS} keys", Reason.MALFORMED)
    for keyid, key in root.keys.items():
        if keyid != key.keyid:
            raise TrustError(f"{name}: the key id {keyid[:12]} does not belong to its key", Reason.MALFORMED)
    if root.holders.keys() != root.keys.keys():
        raise TrustError(f"{name}: its holders are not those of its keys", Reason.MALFORMED)
    for role_name in Roles.__struct_fields__:
        role: Role = getattr(root.roles, role_name)
        if len(set(role.keyids)) != len(role.keyids):
            raise TrustError(f"{name}: the role {role_name} names a key twice", Reason.MALFORMED)
        if not set(role.keyids) <= root.keys.keys():
            raise TrustError(f"{name}: the role {role_name} names a key that is not there", Reason.MALFORMED)
        if role.threshold > len(role.keyids):
            raise TrustError(
                f"{name}: the role {role_name} asks for {role.threshold} of {len(role.keyids)} keys", Reason.MALFORMED
            )
    return root
