"""What learning from a share of ordinary life costs in quality, and saves in time.

The captures are loaded, measured and augmented once. Then, for each share, a process of its own fits, calibrates and
puts together all that decides, as training does, on one core, and judges it on the whole test part. Minutes are of the
core, so that other work beside does not count, and of fitting the three models; memory is that of reading, too.

    python -m benchmarks.subsampling PATH… [--share 1 --share 0.1 …] [--samples 1]

A line is printed for each share, model and sample. Recall and false-positive rate are at the model's operating point;
those of `verdicts` are of the final verdict, on benign flows and what is learned. The last column tells whether the
gate of quality passes such figures and, for verdicts, whether each attack is found often enough.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from detection.verdict import Kind
from training import anomaly
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.boosting import make_boosted
from training.datasets import Dataset, load_captures, measured, read_thinned
from training.datasets.augmented import augmented
from training.evaluation import Evaluation, evaluate
from training.fitting import make
from training.gates import FINAL, LIMITS, every_attack, quality
from training.recipes import SUPERVISED, hidden_attacks
from training.splits import split

SHARES: Final = (1.0, 0.5, 0.25, 0.1, 0.03)
COLUMNS: Final = (
    *("share", "sample", "benign rows", "rows", "cores", "minutes", "of the first", "peak GiB"),
    *("of", "recall", "false-positive rate", "PR area", "gates"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """One sample of a share: rows learned from, seconds of a core, bytes at most, and what was found.

    ``hidden`` are the attacks of the test part of which no flow shows what models learn from.
    """

    benign: int
    rows: int
    seconds: float
    peak: int
    found: Evaluation
    hidden: tuple[str, ...]


def peak_memory() -> int:
    """The most memory, in bytes, that this program has held; getrusage would tell that of what started it, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def cost(data: Path, more: Path, share: float, sample: int) -> Cost:
    """Learn from a share of stored features, and judge on all of their test part. Raises TrainingError as training."""
    learned, drawn = read_thinned(data, share, sample), Dataset.read(more)
    parts = split(learned)
    began = time.process_time()
    models = {recipe.name: make_boosted(recipe, parts, drawn) for recipe in SUPERVISED}
    models[anomaly.NAME] = make(anomaly.RECIPE, parts)
    seconds = time.process_time() - began
    peak = peak_memory()
    baselines = baselines_of(parts.train)
    no_site = learned.take(np.arange(0))
    detector = assemble(models, baselines, calibrated_ensemble(models, baselines, parts.validation, no_site))
    threats = {recipe.name: recipe.threat for recipe in SUPERVISED}
    found = evaluate(detector, threats, {name: models[name].threshold for name in threats}, parts.test)
    benign = int((parts.train.truth == Kind.BENIGN).sum())
    return Cost(benign, len(parts.train), seconds, peak, found, hidden_attacks(parts.test))


def lines(share: float, sample: int, told: Cost, first: float) -> list[str]:
    """The lines of a table that tell of one sample; ``first`` is the first one's seconds."""
    costs = [f"{share:g}", str(sample), f"{told.benign:,}", f"{told.rows:,}", "1"]
    costs += [f"{told.seconds / 60:.1f}", f"{told.seconds / first:.2f}", f"{told.peak / 2**30:.1f}"]
    every = every_attack(told.found, told.hidden)
    table = []
    for name, measures in {**told.found.models, "verdicts": told.found.learned}.items():
        passed = quality(measures, LIMITS.get(name, FINAL)).passed
        words = ["passed" if passed else "quality: NOT passed"]
        if name == "verdicts" and not every.passed:
            words.append(f"every attack: NOT passed, {every.detail}")
        figures = [f"{100 * (measures.recall or 0.0):.2f} %", f"{100 * (measures.fpr or 0.0):.3f} %"]
        table.append(" | ".join([*costs, name, *figures, f"{measures.pr_auc or 0.0:.4f}", "; ".join(words)]))
        costs = [""] * len(costs)
    return [f"| {line} |" for line in table]


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--share", "shares", type=float, multiple=True, default=SHARES, show_default=True, help="Shares to try.")
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, help="Of each share under 1.")
def main(paths: tuple[str, ...], shares: tuple[float, ...], samples: int) -> None:
    """Print a table, a line for each share, sample and model."""
    # A process each, so that none remembers what another needed; threads of numerical libraries would hide minutes.
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1)
    with tempfile.TemporaryDirectory() as scratch, pool:
        data, more = Path(scratch, "data.parquet"), Path(scratch, "more.parquet")
        flows = load_captures(paths)
        whole, drawn = measured(flows), augmented(flows)
        whole.write(data)
        drawn.write(more)
        click.echo(f"{len(whole):,} flows of captures, {len(drawn):,} augmented", err=True)
        click.echo(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        first = 0.0
        for share in shares:
            for sample in range(samples if share < 1.0 else 1):
                told = pool.submit(cost, data, more, share, sample).result()
                first = first or told.seconds
                click.echo("\n".join(lines(share, sample, told, first)))


if __name__ == "__main__":
    main()
