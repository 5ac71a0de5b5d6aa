"""Metadata spoilt in every place: what is put in place of its values, and beside its keys."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, Final

Document = dict[str, Any]
Place = tuple[str | int, ...]

HEX: Final = "ab" * 32
# Other kinds, the ends of ranges, and texts at and over their limits.
OTHERS: Final[tuple[Any, ...]] = (
    *(None, True, False, -1, 0, 1, 2**26, 2**26 + 1, 2**53, 2**53 + 1, [], {}, [{}], {"": 1}, [HEX, HEX]),
    *("", "x", "-", "1", "-0.0", "01", "1.", "a b", "a\n", "\u200e", "\u00ad", "\U000e0041", "\U0001f6a6", "x" * 1000),
    *("x" * 1001, "x" * 128, "x" * 129, "9" * 400, "9" * 401, HEX, HEX.upper(), HEX + "\n", HEX * 2, f"blobs/{HEX}"),
    *(f"blobs/{HEX}\n", "blobs/../x", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00z", "1.0.31", "1.0.31.2", "holder x"),
    *("~" * 64, "~" * 65, " x", "root", "targets", "ed25519"),
)
KEYS: Final = (
    *("", "x", "X", "0", "01", "2", "9007199254740992", "x" * 64, "x" * 65, "x" * 128, "x" * 129, "a b", "a\n"),
    *(HEX, HEX.upper(), f"blobs/{HEX}", f"blobs/{HEX}\n", "blobs/x"),
)


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Yield where each value in a document is, by the keys that lead there; the document itself first."""
    yield place
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*place, key))


def at(value: Any, place: Place) -> Any:
    """Return the value in a place."""
    for key in place:
        value = value[key]
    return value


def _unlike(found: list[Place]) -> list[Place]:
    """Return the places, of those that differ only in a digest the first."""
    return list(
        {tuple(re.sub("[0-9a-f]{64}", "", str(key)) for key in place): place for place in reversed(found)}.values()
    )


def spoilt(document: Document) -> Iterator[tuple[str, Document]]:
    """Yield the document with each of its values replaced or left out, and with keys added to each object."""
    for *parents, key in _unlike(list(places(document))[1:]):
        for other in OTHERS:
            changed = copy.deepcopy(document)
            at(changed, tuple(parents))[key] = other
            yield f"{parents} {key} is {other!r:.40}", changed
        changed = copy.deepcopy(document)
        old = at(changed, tuple(parents)).pop(key)
        yield f"no {parents} {key}", changed
        for new in KEYS if isinstance(old, dict) else ():
            changed = copy.deepcopy(document)
            # A copy of what is there already, so that only the key can be wrong.
            at(changed, tuple(parents))[key][new] = copy.deepcopy(next(iter(old.values()), {}))
            yield f"{parents} {key} has {new!r:.40}", changed
