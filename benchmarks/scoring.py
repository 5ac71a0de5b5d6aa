"""Our kernel against LightGBM's and scikit-learn's own predict, measured in turns within the same minute.

Run it as ``python benchmarks/scoring.py``. Absolute times depend on the machine and its other work; the ratios say
more, because every round measures both sides on the same rows, ours on one thread.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightgbm
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import IsolationForest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from model_registry.artifact import (  # noqa: E402  (the repository's root has to be on the path first)
    Calibration,
    artifact_from_bytes,
    artifact_to_bytes,
)
from model_registry.scoring import contributions, raw_scores  # noqa: E402
from training.export import Rows, export  # noqa: E402

BATCHES = (1, 64, 512, 4096)
ROUNDS = 7
FIRST_SCORE = """
import sys, time
from pathlib import Path
began = time.perf_counter()
from model_registry.artifact import artifact_from_bytes, check_golden
imported = time.perf_counter()
artifact = artifact_from_bytes(Path(sys.argv[1]).read_bytes())
read = time.perf_counter()
check_golden(artifact)
print(imported - began, read - imported, time.perf_counter() - read)
"""


def made_up_rows(count: int = 20_000) -> Rows:
    """Normal values, a tenth of them missing; float32[count, 120]."""
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(count, 120)).astype(np.float32)
    rows[dice.random(rows.shape) < 0.1] = np.nan
    return rows


def fitted(rows: Rows) -> dict[str, lightgbm.Booster | IsolationForest]:
    """Models of the sizes that training makes."""
    dice = np.random.default_rng(1)
    labels = (np.nansum(rows[:, :20] ** 2, axis=1) + dice.normal(size=len(rows)) * 3 > 18).astype(int)
    data = lightgbm.Dataset(rows, labels, free_raw_data=False)
    settings = {"objective": "binary", "verbose": -1}
    return {
        "booster 100x31": lightgbm.train(settings | {"num_leaves": 31}, data, 100),
        "booster 300x63": lightgbm.train(settings | {"num_leaves": 63}, data, 300),
        "isolation 100x256": IsolationForest(n_estimators=100, random_state=0).fit(rows),
        "isolation 200x256": IsolationForest(n_estimators=200, random_state=0).fit(rows),
    }


def theirs(model: lightgbm.Booster | IsolationForest) -> Callable[[Rows], object]:
    """The library's own way to the raw score, on one thread."""
    if isinstance(model, IsolationForest):
        return partial(IsolationForest.score_samples, model)
    return partial(lightgbm.Booster.predict, model, raw_score=True, num_threads=1)


def seconds(score: Callable[[Rows], object], batches: list[Rows]) -> float:
    """Median time of one call over the batches."""
    times = []
    for batch in batches:
        began = time.perf_counter()
        score(batch)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def first_scores(file: Path) -> list[tuple[str, list[float]]]:
    """Cold and cached start in fresh processes: seconds to import, to read and to replay."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
        runs = []
        for state in ("compiled", "from the cache"):
            command = [sys.executable, "-c", FIRST_SCORE, str(file)]
            printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            runs.append((state, [float(number) for number in printed.split()]))
    return runs


def main() -> None:
    """Measure and print three small tables."""
    rows = made_up_rows()
    speed = Table("model", "rows", "ours, µs/row", "theirs, µs/row", "theirs/ours", title="Raw scores")
    size = Table("model", "nodes", "file, kB", "read, ms", "explain, µs/row", title="Artifacts")
    start = Table("kernels", "imports, s", "read, ms", "golden, s", title="A fresh process")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        for name, model in fitted(rows).items():
            artifact = export(model, name="model", calibration=Calibration(1.0, 0.0), threshold=0.5, rows=rows)
            data = artifact_to_bytes(artifact)
            file.write_bytes(data)
            ours, library = partial(raw_scores, artifact.forest), theirs(model)
            for count in BATCHES:
                batches = [rows[at : at + count] for at in range(0, min(len(rows) - count, 40 * count), count)]
                pairs = [(seconds(ours, batches), seconds(library, batches[:8])) for _ in range(ROUNDS)]
                # The quickest round of each side: other work on the machine can only add.
                mine, other = (min(side) / count * 1e6 for side in zip(*pairs, strict=True))
                speed.add_row(name, str(count), f"{mine:.1f}", f"{other:.1f}", f"{other / mine:.1f}")
            explain = partial(contributions, artifact.forest)
            explain(rows[0])
            explained = seconds(explain, list(rows[:100]))
            read = min(seconds(partial(_read, data), [rows]) for _ in range(ROUNDS))
            nodes = str(len(artifact.forest.feature))
            size.add_row(name, nodes, f"{len(data) / 1e3:.0f}", f"{read * 1e3:.1f}", f"{explained * 1e6:.0f}")
        for state, (imported, loaded, replayed) in first_scores(file):
            start.add_row(state, f"{imported:.2f}", f"{loaded * 1e3:.1f}", f"{replayed:.2f}")
    Console().print(speed, size, start)


def _read(data: bytes, _: Rows) -> None:
    artifact_from_bytes(data)


if __name__ == "__main__":
    main()
