"""The newest registry this machine has seen, so that nobody can put an older one in its place.

Kept in ``TIDEGATE_STATE``, a folder that outlives the process: the version of the last root, the keys that it lets
sign manifests, and the highest version of a manifest. When a newer root has replaced those keys, the count of
manifest versions starts afresh: whoever stole the old key may have published any number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from flows.errors import TidegateError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.files import read_given, write_atomically
from model_registry.root import Root
from model_registry.shapes import Hex32, Positive

STATE_FILE: Final = "registry-seen.json"
_MAX_STATE: Final = 64 * 1024


class _Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    root_version: Positive
    targets_keyids: list[Hex32]
    manifest_version: Positive


def oldest_accepted(state: Path, root: Root) -> int:
    """Return the oldest manifest version to accept under the last ``root``; 0 if nothing was seen before.

    Raises TrustError if the root is older than one seen before, or is another registry's, or the file is malformed.
    """
    seen = _read(state)
    if seen is None:
        return 0
    file = state / STATE_FILE
    if root.version < seen.root_version:
        raise TrustError(
            f"{root.version}.root.json: the newest root there is, but {file} says that {seen.root_version}.root.json "
            f"was seen before; restore the missing roots",
            Reason.OLDER_VERSION,
        )
    if sorted(root.roles.targets.keyids) == seen.targets_keyids:
        return seen.manifest_version
    if root.version == seen.root_version:
        raise TrustError(
            f"{root.version}.root.json: another registry's than was seen before; if it was replaced on purpose, "
            f"delete {file}",
            Reason.WRONG_ROOT,
        )
    return 0


def remember(state: Path, root: Root, manifest_version: int) -> None:
    """Keep what was seen, once it is verified. Raises TidegateError if it cannot be written."""
    seen = _Seen(root.version, sorted(root.roles.targets.keyids), manifest_version)
    if seen == _read(state):
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TidegateError(f"{state}: cannot be made: {error.strerror}; set TIDEGATE_STATE to a volume") from None
    write_atomically(state / STATE_FILE, canonical.file_bytes(msgspec.to_builtins(seen)))


def _read(state: Path) -> _Seen | None:
    file = state / STATE_FILE
    if not file.exists():
        return None
    name = str(file)
    return canonical.convert(canonical.parse_file(read_given(file, _MAX_STATE), name), _Seen, name)
