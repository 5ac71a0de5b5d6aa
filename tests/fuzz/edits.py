"""Edits of something good, read from the fuzzer's bytes, so that what comes out is whole again and can be signed.

An edit is a line: two bytes choose a place, one what becomes of it, and the rest is a value. However the bytes are
changed, they are edits again, and other places than the edited ones stay good.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Document = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]

_MOST: Final = 8  # edits of an input
_LARGEST: Final = 2000  # places of a document, and elements of an array, that may still grow
_DEEPEST: Final = 20  # brackets of a value


def edited_document(good: Document, data: bytes) -> Document:
    """A copy of a document with values replaced, removed, renamed, added, wrapped or put elsewhere."""
    document = deepcopy(good)
    for place, how, value in _edits(data):
        found = list(places(document))
        if not 0 < len(found) < _LARGEST:
            break
        holder, key = found[place % len(found)]
        _edit(holder, key, how, value, found)
    return document


def _edit(holder: Any, key: Any, how: int, value: bytes, found: list[tuple[Any, Any]]) -> None:
    match how % 6:
        case 0:
            holder[key] = _parsed(value)
        case 1:
            del holder[key]
        case 2 if isinstance(holder, dict):
            holder[value.decode(errors="surrogateescape")] = holder.pop(key)
        case 3 if isinstance(holder, dict):
            holder[value.decode(errors="surrogateescape")] = deepcopy(holder[key])
        case 2 | 3:
            holder.insert(key, deepcopy(holder[key]))
        case 4:
            holder[key] = [holder[key]] if value else {"": holder[key]}
        case _:
            other, name = found[int.from_bytes(value[:2]) % len(found)]
            holder[key] = deepcopy(other[name])


def edited_arrays(good: Arrays, data: bytes) -> Arrays:
    """A copy of arrays with elements overwritten, cut off, repeated or filled in, or in another shape, or missing."""
    arrays = {name: array.copy() for name, array in good.items()}
    for place, how, value in _edits(data):
        name = list(good)[place % len(good)]
        if name not in arrays:
            continue
        array = arrays[name]
        at = place // len(good) % max(1, array.size)
        content = np.frombuffer(value[: len(value) // array.itemsize * array.itemsize], array.dtype)
        match how % 6:
            case 0 if content.size:
                content = content[: array.size - at]
                flat = array.reshape(-1)
                flat[at : at + content.size] = content
            case 1:
                arrays[name] = array[:at]
            case 2 if array.size <= _LARGEST:
                arrays[name] = np.concatenate([array, array])
            case 3 if content.size:
                array[...] = content[0]
            case 4:
                arrays[name] = array.reshape((1, *array.shape) if value else (-1,))
            case 5 if name == "metadata":
                arrays[name] = np.frombuffer(value, np.uint8)
            case 5:
                del arrays[name]
    return arrays


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list with each of its keys, from outside in."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(inner)


def _edits(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    for line in data.split(b"\n")[:_MOST]:
        if len(line) > 2:
            yield int.from_bytes(line[:2]), line[2], line[3:]


def edit(place: int, how: int, value: bytes = b"") -> bytes:
    """One edit, as it is read again."""
    return place.to_bytes(2) + bytes([how]) + value


def _parsed(value: bytes) -> Any:
    """JSON, or else text; without floats, which no canonical form has."""
    try:
        if value.count(b"[") + value.count(b"{") <= _DEEPEST:
            return json.loads(value, parse_float=str, parse_constant=str)
    except ValueError:
        pass
    return value.decode(errors="surrogateescape")
