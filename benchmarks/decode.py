"""How fast records become flows: each format on real files, beside the plainest loop over the same lines.

The plain loop (``line.split`` or ``csv.reader`` for text, ``json.loads`` for JSON) checks nothing and builds no
columns; the ratio of the two, taken in the same run, tells more than the microseconds, which depend on the machine and
on what else it does. Times are processor time of this process, the best of several runs, per flow that came out.
Files of a few lines are read several times over, which favours both. Last comes writing, beside ``json.dumps``.

    python benchmarks/decode.py [--datasets DIR] [--json]
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from flows.files import FileSpec, read_flows
from flows.formats import encode_canonical, make_decoder

BATCH = 8192
FEWEST = 4096  # lines of one run
RUNS = 9

Lines = list[bytes]


def split(lines: Lines) -> object:
    """Split at tabs."""
    return [line.split(b"\t") for line in lines]


def read_csv(lines: Lines) -> object:
    """Split at commas as CSV wants it."""
    return [*csv.reader(line.decode() for line in lines)]


def load(lines: Lines) -> object:
    """Parse objects."""
    return [*map(json.loads, lines)]


FILES: dict[str, tuple[str, str, Callable[[Lines], object]]] = {
    "zeek, text": ("zeek", "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz", split),
    "zeek, JSON": ("zeek", "ctu-zeek/stratosphere_nmap-port-scans_2022-09-29.conn.json.log.gz", load),
    "suricata": ("suricata", "producers/suricata-eve/slips_test6-malicious.eve.json.gz", load),
    "argus, dates": ("argus", "ctu-argus/ctu-normal-7_2013-12-17_p2p.binetflow.gz", read_csv),
    "argus, seconds": ("argus", "ddos-captures/pkt.TCP.synflood.spoofed.argus.binetflow.gz", read_csv),
    "argus, tabs": ("argus", "ctu-argus/slips_test5_2018-05-10.labeled.tsv.binetflow.gz", split),
    "netflow, pmacct": ("netflow", "producers/pmacct/nfacctd-1.7.7_ssh-bruteforce.json", load),
    "cicflowmeter, Java": ("cicflowmeter", "producers/cicflowmeter/CICIDS2017_Friday-WorkingHours-Afternoon-DDos"
                                           "_first-9998-rows_all-BENIGN.csv.gz", read_csv),
    "cicflowmeter, Python": ("cicflowmeter", "producers/cicflowmeter/py-cicflowmeter-0.5.0_ssh-bruteforce.csv",
                             read_csv),
}  # fmt: skip
ARRAY = "producers/nfdump/slips_test1-malicious_2018-01-12.nfdump-1.7.1.json.gz"


def best(work: Callable[[], object]) -> float:
    """Processor time of the fastest of some runs, in microseconds."""
    seconds = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds) * 1e6


def row(what: str, ours: Callable[[], int], plain: Callable[[], object]) -> dict[str, object]:
    """Time our way, which returns how many flows it made, and the plain one."""
    flows = ours()
    mine, theirs = best(ours) / flows, best(plain) / flows
    return {
        "what": what,
        "flows": flows,
        "us_per_flow": round(mine, 2),
        "flows_per_s": round(1e6 / mine),
        "plain_us_per_flow": round(theirs, 2),
        "ratio": round(mine / theirs, 2),
    }


def decode(name: str, lines: Lines) -> int:
    """Decode lines in batches, as serving does; return how many flows they were."""
    decoder = make_decoder(name)
    return sum(len(decoder.decode(lines[start : start + BATCH])) for start in range(0, len(lines), BATCH))


def read_array(path: Path) -> int:
    """Find the objects of an array and decode them; return how many flows they were."""
    return sum(len(chunk.decoded) for chunk in read_flows([FileSpec(path, "netflow")]))


def lines_of(path: Path) -> Lines:
    """The lines of a file, several times over if it has few."""
    raw = path.read_bytes()
    lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()
    return lines * -(-FEWEST // len(lines))


@click.command()
@click.option("--datasets", type=click.Path(path_type=Path, exists=True), help="Folder of the captures.")
@click.option("--json", "as_json", is_flag=True)
def main(datasets: Path | None, as_json: bool) -> None:
    """Print microseconds per flow, and the ratio to the plain loop."""
    folder = datasets or Path(os.environ.get("TIDEGATE_DATASETS", Path(__file__).parents[2] / "shared" / "datasets"))
    results = []
    for what, (name, path, plain) in FILES.items():
        lines = lines_of(folder / path)
        results.append(row(what, partial(decode, name, lines), partial(plain, lines)))
    array = folder / ARRAY
    whole = partial(read_array, array)
    results.append(row("netflow, nfdump's array", whole, lambda: json.loads(gzip.decompress(array.read_bytes()))))
    decoded = make_decoder("zeek").decode(lines_of(folder / FILES["zeek, text"][1]))
    canonical = encode_canonical(decoded.batch, decoded.labels)
    results.append(row("canonical", partial(decode, "canonical", canonical), partial(load, canonical)))
    objects = [*map(json.loads, canonical)]
    results.append(
        row(
            "canonical, writing",
            lambda: len(encode_canonical(decoded.batch, decoded.labels)),
            lambda: [*map(json.dumps, objects)],
        )
    )
    if as_json:
        click.echo(json.dumps(results, indent=2))
        return
    click.echo(f"{'':24}{'flows':>7}{'us/flow':>9}{'flows/s':>9}{'plain us':>10}{'ratio':>7}")
    for one in results:
        click.echo(
            f"{one['what']:24}{one['flows']:>7}{one['us_per_flow']:>9}{one['flows_per_s']:>9}"
            f"{one['plain_us_per_flow']:>10}{one['ratio']:>7}"
        )


if __name__ == "__main__":
    main()
