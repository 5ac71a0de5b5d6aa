"""docs/formats.md says what the code makes of the real files: its tables are measured anew and compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.ensemble import default_ensemble
from flows.batch import FlowBatch
from flows.catalogue import CATALOGUE
from flows.errors import UsageError
from flows.features import FeatureExtractor
from flows.files import parse_spec, read_flows
from tests.support.real import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "formats.md"
FOLDERS: Final = ("producers/*", "ctu-argus", "ddos-captures", "iot23", "ctu-zeek", "rita-beacon")
GROUPS: Final = ("flow", "ports", "host", "pair")
TCP: Final = 6
# What the first table asks of each exporter: columns of the schema, the initiator's or sender's first.
TOLD: Final = {
    "addresses": ("src_addr", "dst_addr"),
    "start": ("start",),
    "duration": ("duration",),
    "the way back, and who began": ("dst_bytes",),  # who sees one way does not know
    "packets each way": ("src_packets", "dst_packets"),
    "bytes of IP each way": ("src_bytes", "dst_bytes"),
    "bytes of payload each way": ("src_payload", "dst_payload"),
    "TCP flags each way": ("src_flags", "dst_flags"),
    "state of the connection": ("state",),
    "service": ("service",),
    "sizes of packets": ("packet_size_min", "packet_size_max", "packet_size_std"),
    "intervals between packets": ("iat_mean", "iat_std", "iat_max"),
    "sensor id": ("sensor_id",),
    "flow id": ("flow_id",),
}
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Measured:
    """What became of a file; ``unknown`` is bool[n, 120]."""

    format: str
    records: int
    batch: FlowBatch
    dead: Counter[str]
    passed_over: Counter[str]
    unknown: Truths


@cache
def measure(path: Path) -> Measured:
    chunks = list(read_flows([parse_spec(str(path))]))
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    name = str(chunks[0].spec.format)
    passed_over = Counter[str]()
    for chunk in chunks:
        read = {*chunk.decoded.index.tolist(), *(letter.index for letter in chunk.decoded.dead)}
        passed_over.update(kind(name, raw) for index, raw in enumerate(chunk.raw) if index not in read)
    return Measured(
        name,
        sum(len(chunk.raw) for chunk in chunks),
        batch,
        Counter(letter.error for chunk in chunks for letter in chunk.decoded.dead),
        passed_over,
        np.isnan(FeatureExtractor().extract(batch)),
    )


def kind(name: str, raw: bytes) -> str:
    """What a record is that became neither flow nor dead letter."""
    if name == "zeek":
        assert raw.startswith(b"#")
        return "comments"
    if name == "suricata":
        assert b'"event_type"' in raw
        return "other events"
    return "Argus's own" if b"\tman\t" in raw else "header"


def tables() -> Iterator[list[list[str]]]:
    """The rows of the page's tables, the heads first."""
    for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def table(head: str) -> list[list[str]]:
    """The rows, without the head, of the table whose first column is called so."""
    (found,) = (rows[1:] for rows in tables() if rows[0][0] == head)
    return found


# What exporters tell


def answer(batch: FlowBatch, names: tuple[str, ...]) -> str:
    """yes, some, no, or one way: whether columns are known, of TCP's flows where they are flags."""
    if names[0].endswith("flags"):
        batch = batch.take(batch.protocol == TCP)
    known = [share_known(batch, name) for name in names]
    if known == [1.0, 0.0]:
        return "one way"
    return "yes" if min(known) == 1.0 else "some" if max(known, default=0.0) else "no"


def share_known(batch: FlowBatch, name: str) -> float:
    column = getattr(batch, name)
    if name.endswith("addr"):
        return float(batch.src_addr.any() or batch.dst_addr.any())  # :: is an address, too, but not of all
    known = ~np.isnan(column) if column.dtype.kind == "f" else column != "" if column.dtype.kind == "O" else column >= 0
    return float(known.mean()) if len(known) else 0.0


def measured_on(datasets: Path) -> list[Path]:
    """The files of the first table's columns."""
    (paragraph,) = re.findall(r"^Measured on.*?\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [datasets / name for name in re.findall(r"`(.*?)`", paragraph)]


def test_what_each_exporter_tells(datasets: Path) -> None:
    files = [measure(path) for path in measured_on(datasets)]
    expected = [[what, *(answer(one.batch, names) for one in files)] for what, names in TOLD.items()]
    unknown = [f"{one.unknown.sum(axis=1).mean():.0f}" for one in files]
    assert table("told") == [*expected, ["**features unknown, of 120**", *unknown]]


# What becomes of real files


def counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())) or "0"


def row(datasets: Path, path: Path) -> list[str]:
    name = f"`{path.relative_to(datasets)}`"
    try:
        one = measure(path)
    except UsageError as error:
        return [name, "not recognised" if "is not recognised" in str(error) else str(error), "", "", "", "", ""]
    dead = Counter({reason.removeprefix("not an IP flow: "): number for reason, number in one.dead.items()})
    unknown = [one.unknown[:, [feature.group == group for feature in CATALOGUE]] for group in GROUPS]
    shares = " / ".join(f"{group.mean():.0%}".rstrip("%") for group in unknown) if len(one.batch) else ""
    numbers = [f"{one.records:,}", f"{len(one.batch):,}", counted(dead), counted(one.passed_over)]
    return [name, one.format, *numbers, shares]


def test_what_becomes_of_every_real_file(datasets: Path) -> None:
    folders = [folder for pattern in FOLDERS for folder in sorted(datasets.glob(pattern))]
    files = [path for folder in folders for path in sorted(folder.iterdir()) if ".pcap" not in path.name]
    assert table("file") == [row(datasets, path) for path in files]


def test_of_which_flows_too_little_is_told_for_any_verdict(datasets: Path) -> None:
    limit = default_ensemble().limits.max_missing_share
    too_little = {}
    for path in measured_on(datasets):
        one = measure(path)
        if number := int((one.unknown.mean(axis=1) > limit).sum()):
            too_little[path.parent.name] = f"{number:,} of {len(one.batch):,}"
    assert too_little == {"cicflowmeter": "9,998 of 9,998"}
    text = " ".join(PAGE.read_text().split())
    for claim in (
        f"more than {limit:.0%}".replace("%", " % of the 120 features"),
        "101 of the 120 features are unknown",
    ):
        assert claim in text


def test_the_page_s_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
