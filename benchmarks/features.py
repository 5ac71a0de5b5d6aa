"""What measuring a flow costs: the kernel beside two plain things done to the same flows, in the same run.

The first is ``json.loads`` of each flow's canonical line, which measures nothing; the second is pandas' way to four of
the hundred and twenty features, the sums of flows and bytes per key host over 10 and 60 seconds. The ratios tell more
than the seconds, which depend on the machine and on what else it does. Times are processor time of this process, the
best of several runs, each with a state that starts from nothing.

    python benchmarks/features.py [--json]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial

import click
import numpy as np
import pandas as pd

from flows.batch import FlowBatch
from flows.features import FeatureExtractor
from flows.formats import encode_canonical
from flows.keying import HomeNetworks, key_hosts
from flows.simulator import live_scenario, simulate

BATCHES = (64, 512, 8192)  # flows
RUNS = 5


def best_microseconds(work: Callable[[], object], flows: int) -> float:
    """Processor time of the fastest of some runs, in microseconds per flow."""
    seconds = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds) / flows * 1e6


def measure_all(parts: list[FlowBatch]) -> None:
    """Measure every flow, batch by batch."""
    extractor = FeatureExtractor()
    for part in parts:
        extractor.extract(part)


def pandas_windows(batch: FlowBatch) -> pd.DataFrame:
    """Flows and bytes of each key host in the last 10 and 60 seconds before the end of each flow."""
    home = HomeNetworks()
    hosts = key_hosts(batch, home.key_is_dst(batch))
    frame = pd.DataFrame(
        {
            "host": hosts[:, 0] ^ hosts[:, 1],
            "end": pd.to_datetime(batch.start + np.nan_to_num(batch.duration), unit="s"),
            "bytes": batch.src_bytes + batch.dst_bytes,
        }
    ).sort_values("end")
    windows = [frame.groupby("host").rolling(f"{length}s", on="end")["bytes"] for length in (10, 60)]
    return pd.concat([part for window in windows for part in (window.count(), window.sum())], axis=1)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Print microseconds per flow: 120 features in batches of several sizes, and the plain things."""
    batch = simulate(live_scenario()).batch
    lines = encode_canonical(batch, None)
    FeatureExtractor().extract(batch.take(slice(0, 1)))  # compile, or load what was compiled
    results = {}
    for size in BATCHES:
        parts = [batch.take(slice(first, first + size)) for first in range(0, len(batch), size)]
        results[f"120 features, batches of {size}"] = best_microseconds(partial(measure_all, parts), len(batch))
    results["json.loads of the same flows"] = best_microseconds(
        lambda: [json.loads(line) for line in lines], len(batch)
    )
    results["4 window sums with pandas"] = best_microseconds(lambda: pandas_windows(batch), len(batch))
    ours = results[f"120 features, batches of {BATCHES[-1]}"]
    rows = [
        {"what": what, "flows": len(batch), "us_per_flow": round(cost, 2), "ratio": round(cost / ours, 2)}
        for what, cost in results.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'':34}{'flows':>8}{'us/flow':>9}{'ratio':>7}")
    for row in rows:
        click.echo(f"{row['what']:34}{row['flows']:>8}{row['us_per_flow']:>9}{row['ratio']:>7}")


if __name__ == "__main__":
    main()
