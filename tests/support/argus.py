"""Argus's records in tests: one usual flow, with whatever should be different."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flows.addresses import address_texts
from flows.batch import FlowBatch
from flows.formats import Decoded, make_decoder
from tests.support.contract import check_decoded

ROW = {
    "StartTime": "2018/05/10 10:52:49.500000", "Dur": "1.500000", "Proto": "tcp", "SrcAddr": "10.0.2.15",
    "Sport": "49157", "Dir": "   ->", "DstAddr": "198.51.100.7", "Dport": "80", "State": "FSPA_FSA", "sTos": "0",
    "dTos": "0", "TotPkts": "10", "TotBytes": "2000", "SrcBytes": "700", "SrcPkts": "6", "Label": "",
}  # fmt: skip
FIELDS = list(ROW)
CTU_13 = [name for name in FIELDS if name not in {"SrcPkts", "Label"}]
START = datetime(2018, 5, 10, 10, 52, 49, 500_000, UTC).timestamp()
LEFT, RIGHT = "10.0.2.15", "198.51.100.7"


def header(fields: Sequence[str] = FIELDS, separator: str = ",") -> bytes:
    return separator.join(fields).encode()


def row(fields: Sequence[str] = FIELDS, separator: str = ",", **changes: str) -> bytes:
    texts = {**ROW, **changes}
    return separator.join(texts[name] for name in fields).encode()


def decode(*lines: bytes) -> Decoded:
    decoded = make_decoder("argus").decode(lines)
    check_decoded(lines, decoded)
    return decoded


def one(fields: Sequence[str] = FIELDS, **changes: str) -> FlowBatch:
    decoded = decode(header(fields), row(fields, **changes))
    assert decoded.dead == []
    assert len(decoded) == 1
    return decoded.batch


def reason(*lines: bytes) -> str:
    decoded = decode(*lines)
    assert len(decoded) == 0
    (letter,) = decoded.dead
    return letter.error


def told(batch: FlowBatch, *names: str) -> list[Any]:
    """The first flow's values, None for those that are NaN."""
    found = [getattr(batch, name).tolist()[0] for name in names]
    return [None if value != value else value for value in found]


def sizes(batch: FlowBatch) -> list[Any]:
    return told(batch, "src_packets", "src_bytes", "dst_packets", "dst_bytes")


def ends(batch: FlowBatch) -> list[str]:
    return [*address_texts(batch.src_addr), *address_texts(batch.dst_addr)]
