"""What tests of simulated traffic share."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch

Rows = npt.NDArray[Any]

LABELS: Final = {
    "": "benign",
    "ack_flood": "ddos",
    "authorised_scan": "benign",
    "beacon": "malware",
    "chat_command": "malware",
    "dead_command": "malware",
    "flash_crowd": "benign",
    "http_flood": "ddos",
    "icmp_flood": "ddos",
    "lazy_beacon": "malware",
    "made_up_names": "malware",
    "outbound_flood": "ddos",
    "peer_bot": "malware",
    "port_scan": "anomaly",
    "slow_syn_flood": "ddos",
    "slowloris": "ddos",
    "strange": "anomaly",
    "syn_flood": "ddos",
    "udp_amplification": "ddos",
    "udp_flood": "ddos",
}
# What each ready scenario holds; "" is ordinary life.
HIDDEN: Final = {"authorised_scan", "lazy_beacon", "peer_bot", "slow_syn_flood"}
KINDS: Final = {
    "training": set(LABELS) - HIDDEN - {"strange"},
    "live": {
        *("", "beacon", "flash_crowd", "http_flood", "port_scan"),
        *("strange", "syn_flood", "udp_amplification"),
    },
    "hard": {"", "made_up_names", "outbound_flood", "slowloris", *HIDDEN},
}


def ends(batch: FlowBatch) -> Rows:
    return np.asarray(batch.start + np.nan_to_num(batch.duration))


def hosts(addresses: Rows) -> set[tuple[int, int]]:
    return {(high, low) for high, low in np.unique(addresses, axis=0).tolist()}
