"""What a flow is: the canonical schema, and a batch of flows held as columns.

What an exporter does not report is *absent*, never zero: NaN in float columns, ``ABSENT`` (-1) in integer
columns, the empty string in text columns. Addresses are 128 bits wide, held as two unsigned 64-bit halves
(high, low); IPv4 lives in the IPv4-mapped range ``::ffff:0:0/96``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

ABSENT: Final = -1


class State(IntEnum):
    """How a connection went, as far as the exporter could tell."""

    ATTEMPT = 0  # the initiator spoke, nobody answered
    REJECTED = 1  # the answer was a refusal
    ESTABLISHED = 2  # both sides spoke; not (or only half) closed
    CLOSED = 3  # established, then closed by both
    RESET = 4  # established, then torn down by a reset
    OTHER = 5  # seen from the middle, or a history that fits none of the above


class Service(IntEnum):
    """Application protocol recognised by the exporter from content (not guessed from the port)."""

    UNRECOGNISED = 0  # the exporter looked and recognised nothing
    DNS = 1
    HTTP = 2
    TLS = 3
    SSH = 4
    SMTP = 5
    DHCP = 6
    NTP = 7
    FTP = 8
    IRC = 9
    RDP = 10
    SMB = 11
    SNMP = 12
    OTHER = 13  # recognised, but none of the above


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of the canonical schema."""

    name: str
    dtype: str
    unit: str
    about: str
    width: int = 1  # values per flow

    @property
    def absent(self) -> float | int | str:
        """The value that means "the exporter did not say"."""
        if self.dtype == "object":
            return ""
        return float("nan") if self.dtype.startswith("float") else ABSENT


SCHEMA: Final[tuple[ColumnSpec, ...]] = (
    ColumnSpec("start", "float64", "s since 1970", "first packet"),
    ColumnSpec("duration", "float64", "s", "first to last packet"),
    ColumnSpec("src_addr", "uint64", "address halves", "initiator, as the exporter saw it", 2),
    ColumnSpec("dst_addr", "uint64", "address halves", "responder, as the exporter saw it", 2),
    ColumnSpec("src_port", "int32", "port", "initiator's port (absent for protocols without)"),
    ColumnSpec("dst_port", "int32", "port", "responder's port"),
    ColumnSpec("protocol", "int16", "IANA number", "6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6"),
    ColumnSpec("src_packets", "float64", "packets", "sent by the initiator"),
    ColumnSpec("dst_packets", "float64", "packets", "sent by the responder"),
    ColumnSpec("src_bytes", "float64", "bytes", "sent by the initiator, IP headers included"),
    ColumnSpec("dst_bytes", "float64", "bytes", "sent by the responder, IP headers included"),
    ColumnSpec("src_payload", "float64", "bytes", "sent by the initiator above the transport header"),
    ColumnSpec("dst_payload", "float64", "bytes", "sent by the responder above the transport header"),
    ColumnSpec("src_flags", "int16", "TCP flag bits", "all flags the initiator ever set, OR-ed"),
    ColumnSpec("dst_flags", "int16", "TCP flag bits", "all flags the responder ever set, OR-ed"),
    ColumnSpec("state", "int8", "State", "how the connection went"),
    ColumnSpec("service", "int8", "Service", "application protocol, recognised by content"),
    ColumnSpec("packet_size_min", "float64", "bytes", "smallest packet, either way"),
    ColumnSpec("packet_size_max", "float64", "bytes", "largest packet, either way"),
    ColumnSpec("packet_size_std", "float64", "bytes", "standard deviation of packet sizes"),
    ColumnSpec("iat_mean", "float64", "s", "mean time between packets, either way"),
    ColumnSpec("iat_std", "float64", "s", "standard deviation of times between packets"),
    ColumnSpec("iat_max", "float64", "s", "longest time between packets"),
    ColumnSpec("sensor_id", "object", "text", "who reported the flow"),
    ColumnSpec("flow_id", "object", "text", "the reporter's id of the flow"),
)


@dataclass(frozen=True, slots=True, eq=False)
class FlowBatch:
    """``n`` flows as columns: every array has length ``n`` (addresses have shape ``(n, 2)``).

    Columns, units and dtypes are those of :data:`SCHEMA`. Build one with :meth:`from_columns`.
    """

    start: Column
    duration: Column
    src_addr: Column
    dst_addr: Column
    src_port: Column
    dst_port: Column
    protocol: Column
    src_packets: Column
    dst_packets: Column
    src_bytes: Column
    dst_bytes: Column
    src_payload: Column
    dst_payload: Column
    src_flags: Column
    dst_flags: Column
    state: Column
    service: Column
    packet_size_min: Column
    packet_size_max: Column
    packet_size_std: Column
    iat_mean: Column
    iat_std: Column
    iat_max: Column
    sensor_id: Column
    flow_id: Column

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def from_columns(cls, n: int, columns: Mapping[str, npt.ArrayLike]) -> FlowBatch:
        """Make a batch of ``n`` flows from the given columns; every other column is absent.

        Raises:
            KeyError: a name is not in the schema, or an address column is missing.
            ValueError: a column does not hold ``n`` values.
            OverflowError: a whole number does not fit its column.
        """
        unknown = set(columns) - {spec.name for spec in SCHEMA}
        if unknown:
            raise KeyError(f"not columns of the flow schema: {', '.join(sorted(unknown))}")
        arrays: dict[str, Column] = {}
        for spec in SCHEMA:
            shape = (n,) if spec.width == 1 else (n, spec.width)
            if spec.name in columns:
                array = np.ascontiguousarray(columns[spec.name], dtype=spec.dtype)
                if array.shape != shape:
                    raise ValueError(f"column {spec.name}: shape {array.shape}, expected {shape}")
            elif spec.width > 1:
                raise KeyError(f"column {spec.name} is required")
            else:
                array = np.full(shape, spec.absent, dtype=spec.dtype)
            arrays[spec.name] = array
        return cls(**arrays)

    @classmethod
    def empty(cls) -> FlowBatch:
        """A batch of no flows."""
        none = np.empty((0, 2), dtype=np.uint64)
        return cls.from_columns(0, {"src_addr": none, "dst_addr": none})

    @classmethod
    def concatenate(cls, batches: Sequence[FlowBatch]) -> FlowBatch:
        """The flows of several batches, in their order."""
        if not batches:
            return cls.empty()
        return cls(**{f.name: np.concatenate([getattr(b, f.name) for b in batches]) for f in fields(cls)})

    def take(self, rows: npt.NDArray[Any] | slice) -> FlowBatch:
        """The flows at ``rows`` (indices, a boolean mask or a slice), in that order."""
        return FlowBatch(**{f.name: np.ascontiguousarray(getattr(self, f.name)[rows]) for f in fields(self)})
