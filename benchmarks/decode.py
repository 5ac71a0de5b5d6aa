"""How fast lines become flows: each format beside the plainest loop over the same lines, in the same run.

The plain loop (``line.split`` for text, ``json.loads`` for JSON) checks nothing and builds no columns; the ratio of
the two tells more than the seconds, which depend on the machine and on what else it does. Times are processor time of
this process, the best of several runs.

    python benchmarks/decode.py [--datasets DIR] [--json]
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from flows.formats import encode_canonical, make_decoder

TEXT = "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz"
JSON = "ctu-zeek/stratosphere_nmap-port-scans_2022-09-29.conn.json.log.gz"
BATCH = 8192
RUNS = 7


def best_microseconds(work: Callable[[], object], lines: int) -> float:
    """Processor time of the fastest of some runs, in microseconds per line."""
    seconds = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds) / lines * 1e6


def measure(name: str, lines: list[bytes], format_name: str, plain: Callable[[bytes], object]) -> dict[str, object]:
    """Time a decoder and the plain loop over the same lines."""

    def decode() -> None:
        decoder = make_decoder(format_name)
        for start in range(0, len(lines), BATCH):
            decoder.decode(lines[start : start + BATCH])

    rows = [line for line in lines if not line.startswith(b"#")]
    ours = best_microseconds(decode, len(rows))
    theirs = best_microseconds(lambda: [plain(row) for row in rows], len(rows))
    return {
        "what": name,
        "flows": len(rows),
        "us_per_flow": round(ours, 2),
        "flows_per_s": round(1e6 / ours),
        "plain_us_per_line": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
    }


@click.command()
@click.option("--datasets", type=click.Path(path_type=Path, exists=True), help="Folder of the captures.")
@click.option("--json", "as_json", is_flag=True)
def main(datasets: Path | None, as_json: bool) -> None:
    """Print microseconds per flow, and the ratio to the plain loop."""
    folder = datasets or Path(os.environ.get("TIDEGATE_DATASETS", Path(__file__).parents[2] / "shared" / "datasets"))
    text = gzip.decompress((folder / TEXT).read_bytes()).splitlines()
    objects = gzip.decompress((folder / JSON).read_bytes()).splitlines()
    decoded = make_decoder("zeek").decode(text)
    canonical = encode_canonical(decoded.batch, decoded.labels)
    writing = best_microseconds(lambda: encode_canonical(decoded.batch, decoded.labels), len(canonical))
    dumping = [json.loads(line) for line in canonical]
    results = [
        measure("zeek, text", text, "zeek", lambda line: line.split(b"\t")),
        measure("zeek, JSON", objects, "zeek", json.loads),
        measure("canonical", canonical, "canonical", json.loads),
        {
            "what": "canonical, writing",
            "flows": len(canonical),
            "us_per_flow": round(writing, 2),
            "flows_per_s": round(1e6 / writing),
            "plain_us_per_line": round(dump := best_microseconds(lambda: [*map(json.dumps, dumping)], len(dumping)), 2),
            "ratio": round(writing / dump, 2),
        },
    ]
    if as_json:
        click.echo(json.dumps(results, indent=2))
        return
    click.echo(f"{'':20}{'flows':>8}{'us/flow':>9}{'flows/s':>9}{'plain us':>10}{'ratio':>7}")
    for row in results:
        click.echo(
            f"{row['what']:20}{row['flows']:>8}{row['us_per_flow']:>9}{row['flows_per_s']:>9}"
            f"{row['plain_us_per_line']:>10}{row['ratio']:>7}"
        )


if __name__ == "__main__":
    main()
