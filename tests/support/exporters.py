"""Real flow exporters run over a capture file: Argus, nfdump, CICFlowMeter, softflowd; pmacct is in its own module.

The programs come from ``make real-parts``. Each is given seconds, and its times are in UTC.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.real import REPOSITORY, missing

RUN: Final = REPOSITORY / "deploy" / "exporters" / "run.sh"
CICFLOWMETER: Final = REPOSITORY / "var" / "cicflowmeter"
TIMEOUT_S: Final = 120  # of one run, which takes seconds; the limit is for a machine that runs other tests as well

CTU_COLUMNS: Final = "stime dur proto saddr sport dir daddr dport state stos dtos pkts bytes sbytes"  # as in CTU-13

# Its own command line fails on a file, and its reader of folders ends flows by the machine's clock once a second, in
# the midst of what it reads; so the packets are handed to it here.
_CICFLOWMETER: Final = """\
import sys
from cicflowmeter.flow_session import FlowSession
from scapy.utils import PcapReader
session = FlowSession(output_mode="csv", output=sys.argv[2])
with PcapReader(sys.argv[1]) as packets:
    for packet in packets:
        session.process(packet)
session.flush_flows()
"""


def require_exporters() -> None:
    """End the test if Debian's exporters are not unpacked."""
    if not (REPOSITORY / "var" / "exporters").is_dir():
        missing("no flow exporters in var/exporters")


def require_cicflowmeter() -> None:
    """End the test if CICFlowMeter is not installed."""
    if not (CICFLOWMETER / "locks").is_file():
        missing(f"no CICFlowMeter in {CICFLOWMETER}")


def argus(capture: Path, folder: Path, *, source_packets: bool = False) -> Path:
    """Argus's flows as ``ra`` prints them by Debian's settings, in CTU-13's columns, and SrcPkts if asked."""
    records, text = folder / "argus.records", folder / "argus.binetflow"
    records.unlink(missing_ok=True)  # Argus appends
    _run("argus", "-r", capture, "-w", records)
    settings = REPOSITORY / "var" / "exporters" / "etc" / "ra.conf"
    columns = CTU_COLUMNS.split() + (["spkts"] if source_packets else [])
    options = ["-F", settings] if settings.is_file() else []  # installed, it reads them from /etc
    printed = _run("ra", *options, "-r", records, "-n", "-u", "-L", "0", "-c", ",", "-s", *columns, "-", "not", "man")
    text.write_bytes(printed.stdout)
    return text


def nfdump(capture: Path, folder: Path) -> Path:
    """The flows that nfpcapd makes of a capture, as nfdump's array of JSON, in the order of their ends.

    Left to itself nfdump writes them in the order of its table, and a window would hold what came in any second.
    """
    records, text = folder / "nfdump.records", folder / "nfdump.json"
    records.mkdir()
    _run("nfpcapd", "-r", capture, "-l", records)
    text.write_bytes(_run("nfdump", "-R", records, "-O", "tend", "-o", "json").stdout)
    return text


def cicflowmeter(capture: Path, folder: Path) -> Path:
    """The flows of Python's CICFlowMeter, as CSV."""
    text = folder / "cicflowmeter.csv"
    command = [str(CICFLOWMETER / "bin" / "python"), "-c", _CICFLOWMETER, str(capture), str(text)]
    subprocess.run(command, env=os.environ | {"TZ": "UTC"}, capture_output=True, check=True, timeout=TIMEOUT_S)
    return text


@dataclass(frozen=True)
class Exported:
    """What softflowd says that it did."""

    packets_read: int
    flows: int
    datagrams: int


def softflowd(capture: Path, port: int) -> Exported:
    """Send the flows of a capture as NetFlow v9 to a port of this machine."""
    options = ["-n", f"127.0.0.1:{port}", "-v", "9", "-A", "milli", "-m", "65536"]
    options += ["-c", "none"]  # it would wait until its control socket is asked something
    options += ["-p", str(capture.with_suffix(".pid"))]  # it removes this in the end, whatever it is
    told = _run("softflowd", "-D", "-r", capture, *options)
    text = told.stdout + told.stderr
    read = re.search(rb"Packets processed: (\d+)", text)
    sent = re.search(rb"Flows exported: \d+ \((\d+) records\) in (\d+) packets \(0 failures\)", text)
    assert read, text[-2000:]
    assert sent, text[-2000:]
    return Exported(int(read[1]), int(sent[1]), int(sent[2]))


def _run(program: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [str(RUN), program, *map(str, arguments)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=TIMEOUT_S)
