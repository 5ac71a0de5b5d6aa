"""Zeek connection logs (conn.log), as tab-separated text or as JSON lines, labelled or not.

A line that starts with ``{`` is JSON, one that starts with ``#`` a header; any other is a row in the order that the
last ``#fields`` header gave, or, before any header, in conn.log's own order. Headers may come again at any time, with
other columns. Columns we do not know are skipped; what Zeek left unset is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flows.formats import columns
from flows.formats.base import MAX_COLUMNS, MAX_LINE, DeadLetter, Decoded, dead_letter, merge, nothing, oversized
from flows.formats.columns import Faults
from flows.formats.zeek_flows import COUNTS, NEEDED, Columns, assemble
from flows.formats.zeek_json import decode_objects

# fmt: off
_ORDER: Final = (
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes",
    "resp_pkts", "resp_ip_bytes", "tunnel_parents",
)
# fmt: on
# IoT-23 separates its last three columns so, in the header and in the rows.
_SPACES: Final = "   "


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """The columns of a row, or why rows of this layout cannot be read."""

    names: tuple[str, ...]
    fault: str = ""


_BARE: Final = {
    len(_ORDER): _Layout(_ORDER),
    len(_ORDER) + 2: _Layout((*_ORDER, "label", "detailedlabel")),
}
_Tables = dict[_Layout, tuple[list[int], list[list[str]]]]


class ZeekDecoder:
    """Decodes a stream of conn.log lines; remembers the stream's last header."""

    def __init__(self) -> None:
        self._layout: _Layout | None = None
        self._path = ""

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be Zeek's."""
        if line.startswith(b"{"):
            return b'"id.orig_h"' in line
        if line.startswith((b"#separator", b"#fields\t")):
            return True
        row = line.split(b"\t")
        return len(row) in {len(_ORDER), len(_ORDER) + 2} and row[6] in {b"tcp", b"udp", b"icmp"}

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines of text, of JSON or of both, as :class:`flows.formats.base.Decoder` says."""
        tables: _Tables = {}
        objects: list[int] = []
        dead: list[DeadLetter] = []
        for index, raw in enumerate(lines):
            if len(raw) > MAX_LINE:
                dead.append(oversized(index, raw))
            elif raw.startswith(b"{"):
                objects.append(index)
            elif raw.startswith(b"#"):
                self._header(raw)
            elif raw and not raw.isspace():
                try:
                    layout, row = self._row(raw)
                except ValueError as error:
                    dead.append(dead_letter(index, raw, str(error)))
                    continue
                if layout not in tables:
                    tables[layout] = ([], [])
                indices, rows = tables[layout]
                indices.append(index)
                rows.append(row)
        parts = [_decode_table(layout, indices, rows, lines) for layout, (indices, rows) in tables.items()]
        if objects:
            parts.append(decode_objects(objects, lines))
        return merge([*parts, nothing(dead)])

    def _header(self, raw: bytes) -> None:
        name, *values = raw.decode(errors="replace").rstrip("\r\n").replace(_SPACES, "\t").split("\t")
        if name.startswith("#separator"):  # the first line of a header
            self._path = ""
        elif name == "#path" and values:
            self._path = values[0]
        elif name.startswith("#fields"):
            names, fault = tuple(values), _layout_fault(self._path, values)
            if self._layout is None or (names, fault) != (self._layout.names, self._layout.fault):
                self._layout = _Layout(names, fault)

    def _row(self, raw: bytes) -> tuple[_Layout, list[str]]:
        """Split a row and find its layout. Raises ValueError with the reason why the row cannot be read."""
        row = raw.decode().rstrip("\r\n").split("\t")
        layout = self._layout
        if layout is None or len(row) != len(layout.names):
            row[-1:] = row[-1].split(_SPACES)
        if layout is None:
            layout = _BARE.get(len(row))
            if layout is None:
                widths = " or ".join(str(width) for width in _BARE)
                raise ValueError(f"{len(row)} columns, and no #fields header; without one conn.log has {widths}")
        if layout.fault:
            raise ValueError(layout.fault)
        if len(row) != len(layout.names):
            raise ValueError(f"{len(row)} columns where the #fields header names {len(layout.names)}")
        return layout, row


def _layout_fault(path: str, names: Sequence[str]) -> str:
    if path and not path.startswith("conn"):
        return f"the #path header says {path[:40]!r}, which is not a connection log"
    if len(names) > MAX_COLUMNS:
        return f"the #fields header names more than {MAX_COLUMNS} columns"
    missing = [name for name in NEEDED if name not in names]
    if missing:
        return f"the #fields header lacks {', '.join(missing)} (columns are separated by tabs)"
    if len(set(names)) != len(names):
        return "the #fields header names a column twice"
    return ""


def _decode_table(layout: _Layout, indices: list[int], rows: list[list[str]], lines: Sequence[bytes]) -> Decoded:
    texts: dict[str, Sequence[str]] = dict(zip(layout.names, zip(*rows, strict=True), strict=True))
    unset = ("-",) * len(rows)
    faults: Faults = {}

    def column(name: str) -> Sequence[str]:
        return texts.get(name, unset)

    detailed = "detailedlabel" if "detailedlabel" in texts else "detailed-label"
    table = Columns(
        start=columns.seconds(column("ts"), "ts", faults),
        duration=columns.seconds(column("duration"), "duration", faults),
        src_port=columns.ports(column("id.orig_p"), "id.orig_p", faults),
        dst_port=columns.ports(column("id.resp_p"), "id.resp_p", faults),
        counts={name: columns.counts(column(name), name, faults) for name in COUNTS},
        src_addr=column("id.orig_h"),
        dst_addr=column("id.resp_h"),
        proto=column("proto"),
        conn_state=column("conn_state"),
        service=texts.get("service"),
        history=column("history"),
        uid=column("uid"),
        node=column("_node_name"),
        labels=list(zip(column("label"), column(detailed), strict=True)) if "label" in texts else None,
    )
    return assemble(table, indices, lines, faults)
