"""What tests of simulated traffic share."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch

Rows = npt.NDArray[Any]

LABELS: Final = {
    "": "benign",
    "syn_flood": "ddos",
    "udp_amplification": "ddos",
    "http_flood": "ddos",
    "beacon": "malware",
    "port_scan": "anomaly",
    "strange": "anomaly",
    "flash_crowd": "benign",
}
UNTRAINED: Final = {"strange"}


def ends(batch: FlowBatch) -> Rows:
    return np.asarray(batch.start + np.nan_to_num(batch.duration))


def hosts(addresses: Rows) -> set[tuple[int, int]]:
    return {(high, low) for high, low in np.unique(addresses, axis=0).tolist()}
