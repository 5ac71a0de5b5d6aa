"""Addresses between text and the two 64-bit halves of a :class:`~flows.batch.FlowBatch`."""

from __future__ import annotations

import socket
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_MAPPED_PREFIX = b"\x00" * 10 + b"\xff\xff"
_MAX_TEXT = (
    80  # characters; 45 of address and a zone. Longer text must not be remembered: callers read what strangers wrote
)


@lru_cache(maxsize=65536)
def parse_address(text: str) -> tuple[int, int]:
    """Return the (high, low) halves of an IPv4 or IPv6 address; an IPv6 zone (``%eth0``) is dropped.

    Raises:
        ValueError: the text is not an address.
    """
    try:
        if len(text) > _MAX_TEXT:
            raise ValueError
        if ":" in text:
            packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
        else:
            packed = _MAPPED_PREFIX + socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: too long, embedded null character, or not encodable
        raise ValueError(f"not an IP address: {text[:64]!r}") from None
    return int.from_bytes(packed[:8], "big"), int.from_bytes(packed[8:], "big")


@lru_cache(maxsize=65536)
def format_address(high: int, low: int) -> str:
    """Return the usual text of an address: dotted quad for IPv4-mapped ones, RFC 5952 otherwise."""
    packed = high.to_bytes(8, "big") + low.to_bytes(8, "big")
    if packed.startswith(_MAPPED_PREFIX):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def address_array(texts: list[str]) -> npt.NDArray[np.uint64]:
    """Return ``uint64[n, 2]`` for ``n`` address texts; raises ValueError as :func:`parse_address` does."""
    return np.array([parse_address(text) for text in texts], dtype=np.uint64).reshape(-1, 2)


def address_texts(addresses: npt.NDArray[np.uint64]) -> list[str]:
    """Return the text of each row of a ``uint64[n, 2]`` array."""
    return [format_address(high, low) for high, low in addresses.tolist()]
