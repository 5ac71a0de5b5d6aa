"""How well a site's own unlabelled past tells what is strange there later: ways to fit an anomaly model, compared.

Each site is a benign or an infected capture, cut in the middle: a model is fitted on the first 80 % of its past,
whatever that is, and gets its threshold from the rest of the past, unlabelled, too. Later flows are ranked: one class
of attacks against benign flows. An attack is the site's own, or a capture of nothing else laid over its life. *Unseen*:
the class is taken out of the past. *Seen*: it stays, or is laid over the middle of the whole, half before the cut.

    python -m benchmarks.anomaly [--seeds 5] [--way TEXT]… [--curve] DATA
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import click
import numpy as np
import numpy.typing as npt
from scipy.stats import skew
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.catalogue import CATALOGUE, INDEX, NAMES
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from model_registry.scoring import raw_scores
from training import anomaly
from training.datasets.captures import Capture, find_captures, load_capture
from training.datasets.mixing import lay_over
from training.fitting import WATCHED, without
from training.forests import forest_of
from training.histograms import INITIATED, Rows, Scores, fit_histograms
from training.thresholds import calibrated_tail

Scorer = Callable[[Rows], Scores]
Way = Callable[[Rows, int], Scorer]
LATER: Final = 1500  # attack flows ranked, at most, drawn at random: the areas do not change with more
FEWEST: Final = 10  # attack flows that make a class
CURVE: Final = (200, 500, 1000, 2000, 3000)
_GROUP: Final = {feature.name: feature.group for feature in CATALOGUE}
_NO_PAIRS: Final = anomaly.CAME
_ALL: Final = tuple(name for name in NAMES if name not in WATCHED)
_HOST: Final = tuple(name for name in _NO_PAIRS if _GROUP[name] == "host")
_FLOW: Final = tuple(name for name in _NO_PAIRS if _GROUP[name] != "host")
# The columns of the isolation forest before: what a host does, not what is done to it.
_DOES: Final = anomaly.BEGAN


@dataclass(frozen=True, slots=True)
class Task:
    """A site's past, and later flows: ``truth`` is 1 for the attack, 0 for benign, -1 for a row of nothing."""

    site: str
    attack: str
    seen: bool
    past: Rows
    later: Rows
    truth: npt.NDArray[np.int64]
    contamination: float  # share of labelled attacks of any kind in the past


def tasks_of(folder: str) -> Iterator[Task]:
    """Every site with every attack."""
    captures = [load_capture(spec) for spec in find_captures([folder])]
    timed = [capture for capture in captures if np.isfinite(capture.batch.start).any()]
    sites = [capture for capture in timed if not capture.attack_only and len(capture.batch) > 5000]
    for site in sites:
        for attack in np.unique(site.attack[site.truth > Kind.BENIGN]):
            for seen in (False, True):
                yield from _own(site, str(attack), seen=seen)
    for site in sites:
        if (site.truth == Kind.BENIGN).any() and not np.isin(site.truth, [Kind.DDOS, Kind.MALWARE]).any():
            for capture in timed:
                if capture.attack_only:
                    yield _laid_over(site, capture, seen=False)
                    yield _laid_over(site, capture, seen=True)


def _task(
    site: Capture, attack: str, batch: FlowBatch, truth: npt.NDArray[np.int64], hostile: float, cut: int, seen: bool
) -> Task:
    rows = FeatureExtractor(HomeNetworks(site.home)).extract(batch)
    return Task(site.name, attack, seen, rows[:cut], rows[cut:], truth[cut:], hostile)


def _own(site: Capture, attack: str, *, seen: bool) -> Iterator[Task]:
    hostile = site.attack == attack
    places = np.arange(len(hostile))
    cut = len(hostile) // 2 if seen else int(np.flatnonzero(~hostile)[(~hostile).sum() // 2])
    rows = places[seen | ~hostile | (places >= cut)]
    benign = site.truth == Kind.BENIGN
    if not benign.any():
        benign = site.truth < 0  # an Internet-facing server of which only the attack is known: ranked against the rest
    truth = np.where(hostile, 1, np.where(benign, 0, -1))[rows]
    past = rows < cut
    if (truth[~past] == 1).sum() >= FEWEST:
        share = float((site.truth[rows][past] > Kind.BENIGN).mean())
        yield _task(site, attack, site.batch.take(rows), truth, share, int(past.sum()), seen)


def _laid_over(site: Capture, attack: Capture, *, seen: bool) -> Task:
    half = len(site.batch) // 2
    before = 0 if seen else half
    home = HomeNetworks(site.home)
    later, order = lay_over(site.batch.take(slice(before, None)), attack.batch, home)
    kinds = np.concatenate([site.truth[before:], attack.truth])[order]
    hostile = order >= len(site.batch) - before
    truth = np.where(hostile, 1, np.where(kinds == Kind.BENIGN, 0, -1))
    batch = FlowBatch.concatenate([site.batch.take(slice(0, before)), later])
    kinds, truth = np.concatenate([site.truth[:before], kinds]), np.concatenate([np.zeros(before, np.int64), truth])
    cut = len(batch) // 2 if seen else half
    share = float((kinds[:cut] > Kind.BENIGN).mean())
    return _task(site, attack.name, batch, truth, share, cut, seen)


def forest(names: tuple[str, ...], transform: str = "") -> Way:
    """An isolation forest of 200 trees of 512 rows, on rows, their signed logarithms or their ranks in the past."""

    def fit(past: Rows, seed: int) -> Scorer:
        unused = tuple(name for name in NAMES if name not in names)
        ordered = [np.sort(column[~np.isnan(column)]) for column in past.T]

        def changed(rows: Rows) -> Rows:
            if transform == "log":
                rows = np.copysign(np.log1p(np.abs(rows)), rows)
            elif transform == "rank":
                ranks = [np.searchsorted(o, c) / max(len(o), 1) for o, c in zip(ordered, rows.T, strict=True)]
                rows = np.where(np.isnan(rows), np.nan, np.stack(ranks, axis=1)).astype(np.float32)
            return without(rows, unused)

        fitted = IsolationForest(n_estimators=200, max_samples=min(512, len(past)), random_state=seed).fit(
            changed(past)
        )
        plain = forest_of(fitted)
        return lambda rows: raw_scores(plain, changed(rows))

    return fit


def histograms(came: tuple[str, ...], began: tuple[str, ...], power: float = 0.5, bins: int = 20) -> Way:
    """HBOS by direction; each seed but the first draws the past anew, with replacement."""
    columns = [INDEX[name] for name in came], [INDEX[name] for name in began]

    def fit(past: Rows, seed: int) -> Scorer:
        drawn = past if seed == 0 else past[np.random.default_rng(seed).integers(0, len(past), len(past))]
        return fit_histograms(drawn, *columns, bins, power).scores

    return fit


def one_for_all(names: tuple[str, ...], power: float = 0.5) -> Way:
    """HBOS without directions."""
    columns = [INDEX[name] for name in names]

    def fit(past: Rows, seed: int) -> Scorer:
        drawn = past if seed == 0 else past[np.random.default_rng(seed).integers(0, len(past), len(past))]
        undirected = drawn.copy()
        undirected[:, INITIATED] = np.nan
        return fit_histograms(undirected, columns, columns[:1], power=power).came.scores

    return fit


def ecod(names: tuple[str, ...]) -> Way:
    """Empirical cumulative distributions (Li et al., "ECOD", TKDE 2022): the sums of -ln of tail probabilities."""
    columns = [INDEX[name] for name in names]

    def fit(past: Rows, seed: int) -> Scorer:  # noqa: ARG001  (ways share one form; nothing is drawn)
        ordered = [np.sort(past[~np.isnan(past[:, column]), column]) for column in columns]
        skews = [float(np.nan_to_num(skew(column))) if len(column) else 0.0 for column in ordered]

        def score(rows: Rows) -> Scores:
            sums = np.zeros((3, len(rows)))
            for values, skewed, column in zip(ordered, skews, columns, strict=True):
                known = ~np.isnan(rows[:, column]) & (len(values) > 0)
                n, x = len(values), rows[known, column]
                low = -np.log(np.maximum(np.searchsorted(values, x, "right"), 0.5) / max(n, 1))
                high = -np.log(np.maximum(n - np.searchsorted(values, x, "left"), 0.5) / max(n, 1))
                sums[:, known] += np.stack([low, high, low if skewed < 0 else high])
            return np.asarray(sums.max(axis=0))

        return score

    return fit


def robust_z(names: tuple[str, ...]) -> Way:
    """The largest distance of any feature's signed logarithm from its median, in median absolute deviations."""
    columns = [INDEX[name] for name in names]

    def fit(past: Rows, seed: int) -> Scorer:  # noqa: ARG001  (as above)
        def changed(rows: Rows) -> Rows:
            return np.nan_to_num(np.copysign(np.log1p(np.abs(rows[:, columns])), rows[:, columns]))

        middle = np.median(changed(past), axis=0)
        spread = 1.4826 * np.median(np.abs(changed(past) - middle), axis=0) + 0.1
        return lambda rows: np.asarray((np.abs(changed(rows) - middle) / spread).max(axis=1), np.float64)

    return fit


WAYS: Final[dict[str, Way]] = {
    "isolation forest, what a host does (before)": forest(_DOES),
    "isolation forest, all": forest(_ALL),
    "isolation forest, no pairs": forest(_NO_PAIRS),
    "isolation forest, host windows": forest(_HOST),
    "isolation forest, flow and ports": forest(_FLOW),
    "isolation forest, no pairs, log": forest(_NO_PAIRS, "log"),
    "isolation forest, no pairs, rank": forest(_NO_PAIRS, "rank"),
    "ECOD, no pairs": ecod(_NO_PAIRS),
    "robust z of host windows": robust_z(_HOST),
    "HBOS, one for all, every flow the same": one_for_all(_NO_PAIRS, 0.0),
    "HBOS, one for all": one_for_all(_NO_PAIRS),
    "HBOS, one for all, what a host does": one_for_all(_DOES),
    "HBOS by direction, every flow the same": histograms(_NO_PAIRS, _DOES, 0.0),
    "HBOS by direction, full weight": histograms(_NO_PAIRS, _DOES, 1.0),
    "HBOS by direction, both all": histograms(_NO_PAIRS, _NO_PAIRS),
    "HBOS by direction (chosen)": histograms(_NO_PAIRS, _DOES),
}
CHOSEN: Final = "HBOS by direction (chosen)"


def figures(task: Task, way: Way, seed: int, past: Rows) -> list[float]:
    """ROC area; recall and false positives at thresholds for 0.1 % and 0.05 % of the past's own flows."""
    dice = np.random.default_rng(0)
    hostile = np.flatnonzero(task.truth == 1)
    drawn = dice.choice(hostile, min(LATER, len(hostile)), replace=False)
    rows = np.concatenate([drawn, np.flatnonzero(task.truth == 0)])
    positive = np.arange(len(rows)) < len(drawn)
    cut = round(0.8 * len(past))
    score = way(past[:cut], seed)
    later, validation = score(task.later[rows]), score(past[cut:])
    found = [float(roc_auc_score(positive, later))]
    for rate in (0.001, 0.0005):
        flagged = calibrated_tail(validation, rate).probability(later) >= 0.5
        found += [float(flagged[positive].mean()), float(flagged[~positive].mean())]
    return found


@click.command()
@click.argument("folder", metavar="DATA")
@click.option("--seeds", default=5, show_default=True)
@click.option("--way", "wanted", multiple=True, help="Only ways with this in their name. May be repeated.")
@click.option("--curve", is_flag=True, help="How the chosen way does with so many flows of the past, instead.")
def main(folder: str, seeds: int, wanted: tuple[str, ...], curve: bool) -> None:
    """Compare the ways on the captures below DATA."""
    tasks = list(tasks_of(folder))
    if curve:
        _curve([task for task in tasks if not task.seen])
        return
    per_task: dict[str, npt.NDArray[np.float64]] = {}
    for name, way in WAYS.items():
        if wanted and not any(text in name for text in wanted):
            continue
        # tasks x seeds x figures
        found = np.array([[figures(task, way, seed, task.past) for seed in range(seeds)] for task in tasks])
        per_task[name] = found.mean(axis=1)
        for seen in (False, True):
            here = found[[task.seen is seen for task in tasks]]
            areas = here[:, :, 0]
            mean = here.mean(axis=(0, 1))
            click.echo(
                f"{name:45} {'seen' if seen else 'unseen':6} area {mean[0]:.3f} (median {np.median(areas):.3f}, lowest "
                f"{areas.mean(axis=1).min():.3f}, seeds {areas.mean(axis=0).min():.3f}-{areas.mean(axis=0).max():.3f})"
                f"  >= 0.95: {(areas.mean(axis=1) >= 0.95).sum()} of {len(here)}  recall, false positives: "
                f"{mean[1]:.3f} {mean[2]:.4f} at 0.1 %, {mean[3]:.3f} {mean[4]:.4f} at 0.05 %"
            )
    for task, found in zip(tasks, per_task.get(CHOSEN, ()), strict=CHOSEN in per_task):
        told = " ".join(f"{value:.4f}" for value in found)
        click.echo(
            f"{task.site:17} {task.attack:28} {'seen' if task.seen else 'unseen':6} {len(task.past):6} flows, "
            f"{task.contamination:.0%} attacks: {told}"
        )


def _curve(tasks: list[Task]) -> None:
    """The latest ``n`` flows of the past alone, for the tasks whose past is long enough for all."""
    long = [task for task in tasks if len(task.past) >= CURVE[-1]]
    for n in CURVE:
        found = np.array([figures(task, WAYS[CHOSEN], 0, task.past[-n:]) for task in long])
        click.echo(
            f"{n:6} flows: area {found[:, 0].mean():.3f} (median {np.median(found[:, 0]):.3f}, lowest "
            f"{found[:, 0].min():.3f}), false positives {found[:, 4].mean():.4f} (median {np.median(found[:, 4]):.4f})"
        )


if __name__ == "__main__":
    main()
