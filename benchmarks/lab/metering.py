"""A capture through the exporters, and each flow's label beside it, where the format has one.

Argus has a column for it; nfdump and pmacct have a key.
"""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from benchmarks.lab.plan import Part, Scenario, label_of
from flows.errors import TidegateError
from tests.support import exporters
from tests.support.pcap import HEADER
from tests.support.pmacct import pmacctd

PROGRAMS: Final = ("argus", "ra", "nfpcapd", "nfdump", "pmacctd", "nginx")

_SADDR, _DADDR = "SrcAddr", "DstAddr"
_SAID_BYTES: Final = 300


def missing_programs() -> list[str]:
    """Return which of the programs that the lab runs are not on this machine."""
    check = 'for name in "$@"; do command -v "$name" >/dev/null || echo "$name"; done'
    command = [str(exporters.RUN), "sh", "-c", check, "sh", *PROGRAMS]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()


def meter(exporter: str, capture: Path, scenario: Scenario, out: Path) -> Path:
    """Write what an exporter, one of :data:`METERS`, says of a capture into a folder of its name; return the file.

    Raises:
        TidegateError: the exporter fails.
    """
    suffix, flows = METERS[exporter]
    path = out / exporter / f"lab-{scenario.name}.{suffix}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tidegate-lab-") as folder:
        try:
            lines = list(flows(capture, Path(folder), scenario.parts))
        except (subprocess.SubprocessError, AssertionError) as error:  # pmacct's support asserts what its log must say
            said = getattr(error, "stderr", None) or str(error).encode()
            why = said[-_SAID_BYTES:].decode(errors="replace").strip()
            raise TidegateError(
                f"{exporter} failed on {capture}: {why}; run `make real-parts` and try again"
            ) from error
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))
    return path


def packets(capture: Path) -> int:
    """Count the packets of a capture."""
    data = capture.read_bytes()
    at, count = HEADER, 0
    while at < len(data):
        at += 16 + int(struct.unpack_from("<I", data, at + 8)[0])
        count += 1
    return count


def _argus(capture: Path, folder: Path, parts: Sequence[Part]) -> Iterator[str]:
    header, *rows = exporters.argus(capture, folder, source_packets=True).read_text().splitlines()
    names = header.split(",")
    ends = itemgetter(names.index(_SADDR), names.index(_DADDR))
    yield f"{header},Label"
    for row in rows:
        yield f"{row},{label_of(ends(row.split(',')), parts)}"


def _nfdump(capture: Path, folder: Path, parts: Sequence[Part]) -> Iterator[str]:
    records = json.loads(exporters.nfdump(capture, folder).read_bytes())
    return _labelled(records, ("src4_addr", "dst4_addr"), parts)


def _pmacct(capture: Path, folder: Path, parts: Sequence[Part]) -> Iterator[str]:
    """pmacct's messages by their seconds: it reads a file faster than it writes, so that they come in any order."""
    lines = pmacctd(capture, folder, packets(capture)).read_bytes().splitlines()
    records = sorted(map(json.loads, lines), key=lambda record: float(record["timestamp_start"]))
    return _labelled(records, ("ip_src", "ip_dst"), parts)


def _labelled(records: Iterable[dict[str, Any]], ends: tuple[str, str], parts: Sequence[Part]) -> Iterator[str]:
    for record in records:
        record["label"] = label_of((record[ends[0]], record[ends[1]]), parts)
        yield json.dumps(record)


_Meter = Callable[[Path, Path, Sequence[Part]], Iterator[str]]
METERS: Final[dict[str, tuple[str, _Meter]]] = {
    "argus": ("binetflow", _argus),
    "nfdump": ("nfdump.json", _nfdump),
    "pmacct": ("pmacct.json", _pmacct),
}
