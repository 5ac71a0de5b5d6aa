"""Canonical flows: newline-delimited JSON whose keys are the columns of the schema, the form between our own parts.

Addresses are text, ``state`` and ``service`` the enumerations' names in lower case; what is absent is left out or
null. ``label``, if there is one, is the original label. Keys we do not know are refused: a misspelt column must not
silently become an absent one. Encoding is exact: decoding what :func:`encode_canonical` wrote gives the same batch,
bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from flows.addresses import address_texts
from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.formats.base import (
    Amount,
    Decoded,
    Port,
    Seconds,
    merge,
    nothing,
    text_column,
    without_faults,
)
from flows.formats.columns import Faults, addresses
from flows.formats.json_lines import read_records

_Protocol = Annotated[int, Meta(ge=0, le=255)]
_Flags = Annotated[int, Meta(ge=0, le=0xFFF)]  # the header has twelve bits from offset to window
_State = Literal["attempt", "rejected", "established", "closed", "reset", "other"]
_Service = Literal[
    "unrecognised", "dns", "http", "tls", "ssh", "smtp", "dhcp", "ntp", "ftp", "irc", "rdp", "smb", "snmp", "other"
]


class CanonicalFlow(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False, kw_only=True):
    """One line: the columns of :data:`flows.batch.SCHEMA` in their order, then the label."""

    start: Seconds | None = None
    duration: Seconds | None = None
    src_addr: str
    dst_addr: str
    src_port: Port | None = None
    dst_port: Port | None = None
    protocol: _Protocol | None = None
    src_packets: Amount | None = None
    dst_packets: Amount | None = None
    src_bytes: Amount | None = None
    dst_bytes: Amount | None = None
    src_payload: Amount | None = None
    dst_payload: Amount | None = None
    src_flags: _Flags | None = None
    dst_flags: _Flags | None = None
    state: _State | None = None
    service: _Service | None = None
    packet_size_min: Amount | None = None
    packet_size_max: Amount | None = None
    packet_size_std: Amount | None = None
    iat_mean: Seconds | None = None
    iat_std: Seconds | None = None
    iat_max: Seconds | None = None
    sensor_id: str | None = None
    flow_id: str | None = None
    label: str | None = None


_DECODER: Final = msgspec.json.Decoder(CanonicalFlow)
_ENCODER: Final = msgspec.json.Encoder()
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "state": tuple(state.name.lower() for state in State),
    "service": tuple(service.name.lower() for service in Service),
}


class CanonicalDecoder:
    """Decodes canonical flows; every line stands for itself."""

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be a canonical flow."""
        return line.startswith(b"{") and b'"src_addr"' in line

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines of JSON, as :class:`flows.formats.base.Decoder` says."""
        flows, indices, dead = read_records(lines, _DECODER.decode)
        if not flows:
            return nothing(dead)
        return merge([_assemble(flows, indices, lines), nothing(dead)])


def encode_canonical(batch: FlowBatch, labels: npt.NDArray[Any] | None = None) -> list[bytes]:
    """Write each flow as one line of JSON, without a line end; ``labels`` is object[n] of str, "" for none.

    Raises:
        ValueError: a value is infinite, or a state or service is not of its enumeration.
    """
    columns: list[Sequence[Any]] = []
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        if spec.width == 2:
            columns.append(address_texts(column))
        elif spec.dtype == "object":
            columns.append([text or None for text in column])
        elif spec.dtype == "float64":
            if np.isinf(column).any():
                raise ValueError(f"column {spec.name}: an infinite value has no canonical form")
            columns.append([None if value != value else value for value in column.tolist()])  # NaN differs from itself
        else:
            columns.append(_integers_out(spec.name, column))
    columns.append([None] * len(batch) if labels is None else [label or None for label in labels])
    names = CanonicalFlow.__struct_fields__
    encode = _ENCODER.encode
    return [encode(CanonicalFlow(**dict(zip(names, row, strict=True)))) for row in zip(*columns, strict=True)]


def _integers_out(name: str, column: npt.NDArray[Any]) -> list[Any]:
    names = _NAMES.get(name)
    if names is None:
        return [None if value == ABSENT else value for value in column.tolist()]
    if not ((column >= ABSENT) & (column < len(names))).all():
        raise ValueError(f"column {name}: a value is not one of {', '.join(names)}")
    texts = (*names, None)  # ABSENT is -1, the last
    return [texts[value] for value in column.tolist()]


def _assemble(flows: Sequence[CanonicalFlow], indices: Sequence[int], lines: Sequence[bytes]) -> Decoded:
    faults: Faults = {}
    *values, label = zip(*map(msgspec.structs.astuple, flows), strict=True)
    columns: dict[str, npt.NDArray[Any]] = {}
    for spec, column in zip(SCHEMA, values, strict=True):
        if spec.width == 2:
            columns[spec.name] = addresses(column, spec.name, faults)
        elif spec.dtype == "object":
            columns[spec.name] = text_column([text or "" for text in column])
        elif spec.dtype == "float64":
            columns[spec.name] = np.array(column, dtype=np.float64)  # None becomes NaN
        else:
            columns[spec.name] = np.array(_integers_in(spec.name, column), dtype=spec.dtype)
    labels = None if not any(label) else text_column([text or "" for text in label])
    return without_faults(FlowBatch.from_columns(len(flows), columns), indices, labels, lines, faults)


def _integers_in(name: str, column: Sequence[Any]) -> list[int]:
    names = _NAMES.get(name)
    if names is None:
        return [ABSENT if value is None else value for value in column]
    numbers: dict[str | None, int] = {text: number for number, text in enumerate(names)}
    numbers[None] = ABSENT
    return [numbers[value] for value in column]
