"""Plots of names and figures: recall by attack, what features add, and how far they moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.catalogue import NAMES
from training.drift import LARGE, MODERATE
from training.report.canvas import BLUE, COLOURS, SHADES, Picture, finished, legend, named_ticks, panels, plain, style
from training.report.contents import Contents
from training.report.scored import Family, Scored
from training.report.tables import LabelRecall

MOST_ATTACKS: Final = 16
TOP_DRIFT: Final = 12
TOP_GAIN: Final = 12


def recall_bars(found: Scored, recalls: Sequence[LabelRecall]) -> Picture | None:
    """Recall of each attack by verdict, models and baselines, with intervals over stretches."""
    attacks = [one for one in recalls if one.kind is not Kind.BENIGN][:MOST_ATTACKS]
    shown = [one.name for one in found.scorers if one.family is not Family.ENGINE]
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(shown)}
    if not attacks:
        return None
    most = max(sum(name in one.shares for name in shown) for one in attacks)
    figure, (axes,) = panels(1, 1.4 + 0.1 * (most + 1.5) * len(attacks))
    thick = 1.0 / (most + 1.2)
    named = set()
    for place, one in enumerate(attacks):
        bars = [name for name in shown if name in one.shares]
        for nth, name in enumerate(bars):
            value, (low, high) = one.shares[name]
            at = place + (nth - (len(bars) - 1) / 2) * thick
            baseline = next(s for s in found.scorers if s.name == name).family is Family.BASELINE
            axes.barh(
                at,
                value,
                height=thick * 0.9,
                color=colours[name],
                alpha=0.55 if baseline else 1.0,
                hatch="///" if baseline else None,
                edgecolor="white",
                xerr=[[max(value - low, 0.0)], [max(high - value, 0.0)]],
                error_kw={"linewidth": 0.9, "ecolor": "#333333", "capsize": 2},
                label=None if name in named else plain(name),
            )
            named.add(name)
    style(axes, "Recall by attack", "share of the attack's flows that is flagged", "")
    named_ticks(axes, [f"{one.label} ({one.rows:,})" for one in attacks])
    axes.set_xlim(0.0, 1.02)
    legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    about = (
        "Bars of recall by attack, with the number of its flows; the whiskers are 95 % intervals over stretches of the "
        "same captures. Hatched bars are baselines."
    )
    return finished(figure, "Recall by attack", about)


def gain_bars(contents: Contents) -> Picture | None:
    """The features that add most to each model's raw scores."""
    told = {name: one for name, one in contents.attributions.items() if one.flows}
    if not told:
        return None
    figure, axes = panels(len(told), 3.8)
    for panel, (name, attribution) in zip(axes, told.items(), strict=True):
        mean = attribution.mean
        order = [at for at in np.argsort(-mean, kind="stable")[:TOP_GAIN] if mean[at] > 0]
        panel.barh(range(len(order)), mean[order], color=BLUE)
        style(panel, f"{name} ({attribution.flows:,} flows)", "mean |contribution| (raw score)", "")
        named_ticks(panel, [NAMES[at] for at in order])
    about = (
        "Bars of the mean size of each feature's contribution to the raw score, by path attribution (Saabas 2014), "
        "over a sample of the flows that were evaluated. It is defined alike for boosted and for isolation forests; "
        "units are log-odds for the one, and doublings of the isolation score for the other."
    )
    return finished(figure, "The features that count", about)


def drift_maps(contents: Contents) -> list[Picture]:
    """Per model a map of how far features moved, stream by stream."""
    return [_drift_map(name, np.array(indices), contents) for name, indices in contents.drift.items() if len(indices)]


def _drift_map(name: str, index: np.ndarray[tuple[int, ...], np.dtype[np.float64]], contents: Contents) -> Picture:
    used = np.flatnonzero(~np.isnan(index).all(axis=0))
    top = used[np.argsort(-np.median(index[:, used], axis=0), kind="stable")[:TOP_DRIFT]]
    figure, (axes,) = panels(1, 1.9 + 0.26 * len(contents.drift_of))
    shown = index[:, top]
    largest = max(float(shown.max(initial=0.0)), LARGE)
    image = axes.imshow(shown, cmap=SHADES, vmin=0.0, vmax=largest, aspect="auto")
    for row, column in np.ndindex(*shown.shape):
        value = shown[row, column]
        colour = "white" if value < largest / 2 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7.5, color=colour)
    style(axes, f"{name}: drift of its features", "", "")
    axes.grid(visible=False)
    axes.set_xticks(range(len(top)), [NAMES[at] for at in top], rotation=35, ha="right", fontsize=8)
    named_ticks(axes, contents.drift_of)
    axes.set_ylim(len(contents.drift_of) - 0.5, -0.5)
    figure.colorbar(image, ax=axes, label="stability index", pad=0.01)
    about = (
        f"Population stability index of the features that {name} looks at, between the rows that it was trained on and "
        f"each stream: those of the largest median. Under {MODERATE:g} nothing has moved, above {LARGE:g} much has."
    )
    return finished(figure, f"Drift of the features of {name}", about)
