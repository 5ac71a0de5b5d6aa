"""Which host a flow belongs to: the key host.

The endpoint inside the home networks; both inside, the source; neither inside, the destination. Every window
belongs to the key host, so topics are keyed by it and features do not depend on the number of partitions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch
from flows.errors import UsageError

Addresses = npt.NDArray[np.uint64]

DEFAULT_HOME: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


class HomeNetworks:
    """A set of networks that are "ours"."""

    def __init__(self, networks: Sequence[str] = DEFAULT_HOME) -> None:
        """Parse networks in CIDR form. Raises UsageError for one that is not a network."""
        self.networks = tuple(networks)
        self._masked = [_mask_and_value(network) for network in networks]

    def contain(self, addresses: Addresses) -> npt.NDArray[np.bool_]:
        """Tell, for each row of ``uint64[n, 2]``, whether it is inside: ``bool[n]``."""
        inside = np.zeros(len(addresses), dtype=np.bool_)
        for mask, value in self._masked:
            inside |= ((addresses & mask) == value).all(axis=1)
        return inside

    def key_is_dst(self, batch: FlowBatch) -> npt.NDArray[np.bool_]:
        """Tell, for each flow, whether its destination (rather than its source) is the key host."""
        return ~self.contain(batch.src_addr)


def key_hosts(batch: FlowBatch, key_is_dst: npt.NDArray[np.bool_]) -> Addresses:
    """Return the key host of each flow, ``uint64[n, 2]``."""
    return np.where(key_is_dst[:, None], batch.dst_addr, batch.src_addr)


def _mask_and_value(network: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    try:
        parsed = ipaddress.ip_network(network.strip())
    except ValueError as error:
        raise UsageError(f"home network {network!r} is not a network: {error}; write it like 10.0.0.0/8") from None
    offset = 96 if parsed.version == 4 else 0
    value = int(parsed.network_address) | (0xFFFF << 32 if parsed.version == 4 else 0)
    prefix = parsed.prefixlen + offset
    mask = ((1 << prefix) - 1) << (128 - prefix)
    half = (1 << 64) - 1
    return (
        np.array([mask >> 64, mask & half], dtype=np.uint64),
        np.array([value >> 64, value & half], dtype=np.uint64),
    )
