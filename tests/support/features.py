"""Feature rows for tests of deciding."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import INDEX, NAMES

Rows = npt.NDArray[np.float32]

# An answered web request, the thousandth flow of a quiet client.
CALM: Final[dict[str, float]] = {
    "initiated": 1,
    "answered": 1,
    "is_tcp": 1,
    "is_udp": 0,
    "is_icmp": 0,
    "syn_only": 0,
    "failed": 0,
    "port_web": 1,
    "port_dns": 0,
    "port_amplifier": 0,
    "bytes": 8000,
    "sent_packet_size": 90,
    "received_packet_size": 700,
    "in_flows_10s": 0,
    "in_flows_60s": 0,
    "out_flows_10s": 3,
    "out_flows_60s": 12,
    "out_peers_60s": 6,
    "out_ports_60s": 2,
    "out_failed_share_60s": 0.0,
    "host_flows": 1000,
    "pair_flows": 7,
    "pair_beats": 4,
    "pair_regularity": 0.3,
}


def flow_row(**features: float) -> Rows:
    """One flow of known features, float32[1, 120]; the others are zero."""
    row = np.zeros((1, len(NAMES)), dtype=np.float32)
    for name, value in features.items():
        row[0, INDEX[name]] = value
    return row


def calm_row(**features: float) -> Rows:
    """The calm flow with some features changed, float32[1, 120]."""
    return flow_row(**(CALM | features))
