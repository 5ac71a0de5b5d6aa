"""What is known about published captures that their files do not say: a table, to be read beside their sources.

A capture is known by its file's name. Its flows' truth is in its label column unless the table says otherwise.
"Malware" of a whole file says that a host in it is infected, not what each flow is: it teaches no model and is judged
by host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Known:
    """A published capture.

    Attributes:
        file: how its file's name ends, compression left out.
        name: what to call it.
        home: networks of the capture's own hosts beside the usual ones, for hosts with public addresses.
        truth: of every flow, one of :data:`flows.labels.TRUTHS`; None: its labels, or ``pairs``, tell.
        kin: what to call it together with captures that saw the same hosts or the same attack: whoever has learned from
            one has seen the others.
        pairs: what flows between two addresses are, either way; "" stands for any address. The rest is unlabelled.
    """

    file: str
    name: str
    home: tuple[str, ...] = ()
    truth: str | None = None
    pairs: tuple[tuple[str, str, str], ...] = ()
    kin: str = ""


# Recorded by benchmarks/lab, of which each exporter's file has labels: one traffic, whoever tells of it.
_LAB: Final = tuple(
    Known(f"lab-{scenario}.{suffix}", f"lab-{scenario}-{exporter}")
    for scenario in ("benign", "http-flood", "slow", "syn-flood", "udp-icmp-flood")
    for exporter, suffix in (("argus", "binetflow"), ("nfdump", "nfdump.json"), ("pmacct", "pmacct.json"))
)

_RITA_BEACON: Final = (("73.54.23.243", "64.225.56.201", "malware"),)

# IoT-23: Garcia, Parmisano, Erquiaga 2020. CTU and Stratosphere: the Malware Capture Facility Project, CTU-50,
# CTU-SME-11. StopDDoS: Haaijer 2022. RITA's own test data. CICIDS2017: Sharafaldin, Lashkari, Ghorbani 2018.
KNOWN: Final[tuple[Known, ...]] = (
    Known("CTU-IoT-Malware-Capture-34-1.conn.log.labeled", "iot23-34-1"),
    Known("ctu-normal-40-day1_2022-06-12.conn.log.labeled", "ctu-normal-40", home=("147.32.81.167/32",)),
    Known("ctu-normal-43-day1_2022-06-12.conn.log.labeled", "ctu-normal-43", home=("147.32.83.165/32",)),
    Known("ctu-sme-11_ubuntu2204-1_2023-02-20.conn.log.labeled", "ctu-sme-11"),
    Known("ctu-botnet-230-1_njrat_first1000.conn.log.labeled", "ctu-230-1-njrat"),
    Known("slips_test5_2018-05-10.labeled.tsv.binetflow", "slips-test5"),
    Known("ctu-normal-7_2013-12-17_p2p.binetflow", "ctu-normal-7-p2p", truth="benign"),
    Known("first-9998-rows_all-BENIGN.csv", "cicids2017-friday", truth="benign"),
    # The label column of this file was written by a test of a tool (a threshold on bytes) and is no truth.
    Known("ctu-botnet-4_LABELS-ARE-PLACEHOLDERS.conn.log.labeled", "ctu-botnet-4", truth="malware"),
    Known("ctu-botnet-355-1_simda_first1000.conn.log", "ctu-355-1-simda", truth="malware"),
    Known("slips_test2-malicious_2019-04-04.binetflow", "slips-test2", truth="malware"),
    Known("slips_test-sality.binetflow", "slips-sality", truth="malware"),
    Known(
        "stratosphere_nmap-port-scans_2022-09-29.conn.json.log",
        "stratosphere-nmap",
        pairs=(("172.16.1.11", "", "anomaly"),),
    ),
    Known("conn.2024-04-19.log", "rita-day-1", ("64.225.56.201/32",), pairs=_RITA_BEACON, kin="rita"),
    Known("conn.2024-04-20.log", "rita-day-2", ("64.225.56.201/32",), pairs=_RITA_BEACON, kin="rita"),
    Known("pkt.TCP.synflood.spoofed.argus.binetflow", "syn-flood", truth="ddos"),
    Known("amp.TCP.reflection.SYNACK.argus.binetflow", "syn-ack-reflection", truth="ddos"),
    Known("amp.UDP.snmp.src161.argus.binetflow", "snmp-amplification", truth="ddos"),
    Known("amp.dns.RRSIG.fragmented.argus.binetflow", "dns-amplification", truth="ddos"),
    *_LAB,
)


def known(file_name: str) -> Known | None:
    """Return what is known about a file of this name, gzipped or not; None when it is not in the table."""
    plain = file_name.removesuffix(".gz")
    return next((capture for capture in KNOWN if plain.endswith(capture.file)), None)
