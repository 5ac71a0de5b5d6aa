"""The leak test: features must not tell what hosts are called, nor what time it was.

A feature that did would let a model learn this network and this day instead of an attack. So flows are measured again
under other addresses, and again at another time, and every byte must come out the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch
from flows.catalogue import NAMES
from flows.errors import UsageError
from flows.features import LATEST_S, FeatureExtractor
from flows.keying import Addresses, HomeNetworks
from training.errors import TrainingError

Features = npt.NDArray[np.float32]
Extract = Callable[[FlowBatch], Features]

SHIFT_S: Final = 86_400.0 * 3 + 1234.567
_MICROSECONDS: Final = 1e6
_MAPPED: Final = np.uint64(0xFFFF << 32)  # the low half of an IPv4 address begins so, its high half is zero
_IPV4: Final = np.uint64(0xFFFF_FFFF)
_LOW: Final = (1 << 64) - 1
_DRAWS: Final = 64


@dataclass(frozen=True, slots=True)
class Leaks:
    """The features that changed, by name in the catalogue's order: with the addresses, and with the time."""

    of_addresses: tuple[str, ...]
    of_time: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.of_addresses or self.of_time)


def find_leaks(
    batch: FlowBatch,
    home: HomeNetworks,
    extract: Extract | None = None,
    *,
    features: Features | None = None,
    seed: int = 0,
) -> Leaks:
    """Measure a stream under other addresses and at another time, and say which features tell the difference.

    Args:
        batch: ``n`` flows in arrival order, from the beginning of a stream.
        home: the home networks.
        extract: measures a stream from its beginning; a fresh FeatureExtractor if left out.
        features: float32[n, 120], if the batch has been measured already.
        seed: of the new addresses.

    Raises:
        TidegateError: as :func:`renamed` and :func:`shifted`.
    """
    measure = extract or (lambda flows: FeatureExtractor(home).extract(flows))
    known = measure(batch) if features is None else features
    return Leaks(_changed(known, measure(renamed(batch, home, seed))), _changed(known, measure(shifted(batch))))


def renamed(batch: FlowBatch, home: HomeNetworks, seed: int = 0) -> FlowBatch:
    """The same flows between hosts of other names: hosts at home stay at home, and different ones stay different.

    A host at home gets another address of its network; if that network is a single address, it keeps it. Others get
    any address outside, of the same IP version.

    Raises:
        UsageError: the home networks leave next to nothing outside.
    """
    rng = np.random.default_rng(seed)
    both = np.concatenate([batch.src_addr, batch.dst_addr])
    distinct, which = np.unique(both, axis=0, return_inverse=True)
    inside = home.contain(distinct)
    names = distinct.copy()
    names[inside] = _within_networks(distinct[inside], home, rng)
    names[~inside] = _outside(distinct[~inside], home, rng)
    ends = names[which.reshape(-1)]
    return replace(batch, src_addr=ends[: len(batch)].copy(), dst_addr=ends[len(batch) :].copy())


def shifted(batch: FlowBatch, seconds: float = SHIFT_S) -> FlowBatch:
    """The same flows ``seconds`` later, or earlier where that would lead past 2100; what is no time stays as it is.

    Raises:
        TrainingError: the flows are too far apart for either.
    """
    start = batch.start
    known = np.isfinite(start) & (start >= 0.0) & (start < LATEST_S)
    if (start[known] + seconds >= LATEST_S).any():
        seconds = -seconds
    # Features are made of whole microseconds, and so is the shift, lest it rounds one flow up and another down.
    moved = (np.rint(start[known] * _MICROSECONDS) + np.rint(seconds * _MICROSECONDS)) / _MICROSECONDS
    if (moved < 0.0).any():
        raise TrainingError("flows of 1970 and of 2099 in one stream leave no room to shift them; leave one kind out")
    later = start.copy()
    later[known] = moved
    return replace(batch, start=later)


def _changed(one: Features, other: Features) -> tuple[str, ...]:
    differs = (one.view(np.uint32) != other.view(np.uint32)).any(axis=0)
    return tuple(np.array(NAMES)[differs].tolist())


def _within_networks(addresses: Addresses, home: HomeNetworks, rng: np.random.Generator) -> Addresses:
    """Flip bits of each address below its network's prefix, the same for all of a network: so none meets another."""
    names = addresses.copy()
    left = np.ones(len(addresses), dtype=np.bool_)
    # The widest first: of networks within each other only the outermost counts.
    for text in sorted(home.networks, key=_host_bits, reverse=True):
        mine = left & HomeNetworks([text]).contain(addresses)
        mask = (1 << _host_bits(text)) - 1
        flips = int.from_bytes(rng.bytes(16), "big") & mask or min(mask, 1)
        names[mine] ^= np.array([flips >> 64, flips & _LOW], dtype=np.uint64)
        left &= ~mine
    return names


def _host_bits(network: str) -> int:
    parsed = ipaddress.ip_network(network.strip())
    return parsed.max_prefixlen - parsed.prefixlen


def _outside(addresses: Addresses, home: HomeNetworks, rng: np.random.Generator) -> Addresses:
    """Draw as many different addresses outside the home networks, each of the IP version of the one it stands for."""
    names = addresses.copy()
    four = (addresses[:, 0] == 0) & (addresses[:, 1] & ~_IPV4 == _MAPPED)
    wanting = np.ones(len(addresses), dtype=np.bool_)
    for _ in range(_DRAWS):
        names[wanting] = rng.integers(0, _LOW, (int(wanting.sum()), 2), dtype=np.uint64, endpoint=True)
        names[four, 0] = 0
        names[four, 1] = _MAPPED | (names[four, 1] & _IPV4)
        _, first = np.unique(names, axis=0, return_index=True)
        wanting[:] = True
        wanting[first] = False  # of equal ones, all but the first
        wanting |= home.contain(names)
        if not wanting.any():
            return names
    raise UsageError("the home networks leave hardly an address outside to rename hosts to; name narrower ones")
