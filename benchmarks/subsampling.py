"""What learning from a share of ordinary life costs in quality, and saves in time.

The captures are loaded, measured and augmented once. Then, for each share, both boosted models are fitted, calibrated
and given their thresholds as training does, on one core, and judged on the whole test part. Times are told as shares of
the first line's, which is of the same run; they are of the core, so that other work beside does not count.

    python -m benchmarks.subsampling PATH… [--share 1 --share 0.1 …] [--seeds 1]
"""

from __future__ import annotations

import resource
import sys
import time

import click

from detection.verdict import Kind
from model_registry.scoring import probabilities
from training.boosting import make_boosted
from training.datasets import Dataset, Part, load_captures, measured, thinned
from training.datasets.augmented import augmented
from training.evaluation import measure
from training.recipes import SUPERVISED
from training.splits import split

SHARES = (1.0, 0.5, 0.25, 0.1, 0.03)


def _line(data: Dataset, more: Dataset, share: float, seed: int, first: float | None) -> float:
    """Fit both models, print a row of the table, and return the seconds that it took."""
    rows = thinned(data, share, seed)
    parts = split(rows)
    ordinary = int(((rows.truth == Kind.BENIGN) & (rows.part == Part.TRAIN)).sum())
    began = time.process_time()
    models = [(recipe, make_boosted(recipe, parts, more)) for recipe in SUPERVISED]
    took = time.process_time() - began
    cells = []
    for recipe, artifact in models:
        test = parts.test.of(Kind.BENIGN, recipe.threat)
        score = probabilities(artifact, test.features)
        found = measure(score, score >= artifact.threshold, test.truth == recipe.threat, artifact.threshold)
        cells += [f"{100 * (found.recall or 0.0):.2f} %", f"{100 * (found.fpr or 0.0):.3f} %", f"{found.pr_auc:.4f}"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    relative = 1.0 if first is None else took / first
    costs = [f"{share:g}", str(seed), f"{ordinary:,}", f"{len(parts.train):,}", "1"]
    costs += [f"{took / 60:.1f}", f"{relative:.2f}", f"{peak:.1f}"]
    click.echo(f"| {' | '.join(costs + cells)} |")
    return took


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--share", "shares", type=float, multiple=True, default=SHARES, show_default=True, help="Shares to try.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Samples of each share under 1.")
def main(paths: tuple[str, ...], shares: tuple[float, ...], seeds: int) -> None:
    """Print a table, a line for each share and sample."""
    flows = load_captures(paths)
    data, more = measured(flows), augmented(flows)
    click.echo(f"{len(data):,} flows of captures, {len(more):,} augmented", err=True)
    names = [f"{recipe.name} {figure}" for recipe in SUPERVISED for figure in ("recall", "fpr", "PR area")]
    header = [
        "share",
        "sample",
        "benign rows",
        "rows",
        "cores",
        "minutes of a core",
        "of the first",
        "peak GiB",
        *names,
    ]
    click.echo(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    first = None
    for share in shares:
        for seed in range(seeds if share < 1.0 else 1):
            took = _line(data, more, share, seed, first)
            first = took if first is None else first
            sys.stdout.flush()


if __name__ == "__main__":
    main()
