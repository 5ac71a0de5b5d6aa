"""Rows of Java's CICFlowMeter, in the layout in which CICIDS2017 was published for machine learning: 79 columns.

They tell neither addresses nor time nor protocol: a flow has the unspecified address ``::`` on both sides and no
start. Times are in microseconds. Lengths are of payload, and the padding that fills the shortest frames counts as
payload. The bytes of IP cannot be known: the header lengths, which would lead there, are 20, 32 or 40 bytes a packet
even for UDP, whose header has 8. Nor can the sizes of packets: lengths leave the headers out, and a flow's first
packet enters their statistics twice (mean = (sum + first) / (packets + 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch
from flows.formats import columns
from flows.formats.base import MAX_SECONDS, Decoded, without_faults
from flows.formats.columns import Faults
from flows.formats.delimited import Table

_PLACES: Final = {
    "Destination Port": 0, "Flow Duration": 1, "Total Fwd Packets": 2, "Total Backward Packets": 3,
    "Total Length of Fwd Packets": 4, "Total Length of Bwd Packets": 5, "Flow IAT Mean": 16, "Flow IAT Std": 17,
    "Flow IAT Max": 18,
}  # fmt: skip
LABEL: Final = "Label"
NEEDED: Final = tuple(_PLACES)
ORDER: Final = (*({place: name for name, place in _PLACES.items()}.get(place, "") for place in range(78)), LABEL)
# These name flows' ends or times, and stand in layouts of which we have seen no file.
OF_OTHER_LAYOUTS: Final = ("Flow ID", "Source IP", "Src IP", "Destination IP", "Dst IP", "Timestamp")

_PER_SECOND: Final = 1e6
_WHAT: Final = "a number of microseconds from 0 to the year 9999"


def decode_table(table: Table, lines: Sequence[bytes]) -> Decoded:
    """Decode rows of this layout; ``table.indices`` are their places in ``lines``."""
    faults: Faults = {}
    count = {name: columns.counts(table.texts(name), name, faults) for name in NEEDED[2:6]}
    src_packets, dst_packets = count["Total Fwd Packets"], count["Total Backward Packets"]
    intervals = src_packets + dst_packets - 1
    known = intervals >= 1
    nowhere = np.zeros((len(table), 2), dtype=np.uint64)
    # The deviation is that of a sample; ours is that of all there were.
    of_all = np.sqrt(np.where(known, intervals - 1, np.nan) / np.where(known, intervals, np.nan))
    batch = FlowBatch.from_columns(
        len(table),
        {
            "src_addr": nowhere,
            "dst_addr": nowhere,
            "dst_port": columns.ports(table.texts("Destination Port"), "Destination Port", faults),
            "duration": _seconds(table, "Flow Duration", faults),
            "src_packets": src_packets,
            "dst_packets": dst_packets,
            "src_payload": count["Total Length of Fwd Packets"],
            "dst_payload": count["Total Length of Bwd Packets"],
            "iat_mean": np.where(known, _seconds(table, "Flow IAT Mean", faults), np.nan),
            "iat_std": _seconds(table, "Flow IAT Std", faults) * of_all,
            "iat_max": np.where(known, _seconds(table, "Flow IAT Max", faults), np.nan),
        },
    )
    return without_faults(batch, table.indices, table.labels(LABEL), lines, faults)


def _seconds(table: Table, name: str, faults: Faults) -> npt.NDArray[np.float64]:
    return columns.amounts(table.texts(name), name, _WHAT, MAX_SECONDS * _PER_SECOND, faults) / _PER_SECOND
