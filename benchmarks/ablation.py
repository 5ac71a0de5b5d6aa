"""What each family of features, and what is learned from beside the captures, is worth to the supervised models.

Each capture is left out in turn, as in training, with one family of features kept from the forest (or nothing but the
captures to learn from), and the scores of what was left out are compared at the stated false-positive rate: recall as a
mean over the attacks of each capture. Trees are as many as training at most tries. Figures are of one seed.

    python -m benchmarks.ablation [--json FILE] PATH…

The file is what ``python -m benchmarks.leave_one_out --ablation FILE --report PAGE.html`` shows as a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np

from flows.catalogue import CATALOGUE
from training.boosting import (
    BoostedRecipe,
    LeftOut,
    calibrated,
    mean_recall,
    score_left_out,
    threshold_of,
    under_attack,
)
from training.datasets import Dataset, load_captures, measured
from training.datasets.augmented import augmented
from training.recipes import SUPERVISED
from training.report.contents import Ablation
from training.splits import leave_captures_out

ABOUT: Final = "Recall at the stated false-positive rate, as a mean over the attacks of captures left out."
_GROUP: Final = {feature.name: feature.group for feature in CATALOGUE}
FAMILIES: Final[dict[str, Callable[[str], bool]]] = {
    "the flow itself": lambda name: _GROUP[name] == "flow",
    "ports": lambda name: _GROUP[name] == "ports",
    "what came to the host": lambda name: name.startswith("in_") or name == "arrival_cusum",
    "what left the host": lambda name: name.startswith("out_"),
    "the host's last 64 flows": lambda name: (
        name in ("peer_entropy", "peer_share", "port_share", "recent_failed_share", "recent_new_peer_share")
    ),
    "recency-weighted counts of the pair": lambda name: name in ("pair_flows_1m", "pair_flows_1h"),
    "failures and answers": lambda name: "failed" in name or "answered" in name or "one_way" in name,
    "the pair's rhythm": lambda name: name in ("pair_beats", "pair_regularity"),
}


def left_out(recipe: BoostedRecipe, data: Dataset, more: Dataset) -> LeftOut:
    """Score every capture by a forest of the others. Raises TrainingError as :func:`score_left_out`."""
    return score_left_out(recipe, list(leave_captures_out(data, more)))


def by_attack(recipe: BoostedRecipe, scored: LeftOut) -> list[str]:
    """The recall of each attack of each capture, and the false positives, at the threshold that training would set."""
    rows, raw = scored.rows, scored.raw
    positive = rows.truth == recipe.threat
    probability = calibrated(recipe, scored).probability(raw)
    flagged = probability >= threshold_of(recipe, rows, probability)
    peace = ~positive & ~under_attack(recipe, rows)
    lines = [
        f"    false positives: {flagged[peace].mean():.5f} of {peace.sum()} in peace, "
        f"{flagged[~positive].mean():.5f} of all {(~positive).sum()}"
    ]
    for capture in np.unique(rows.capture[positive]):
        here = positive & (rows.capture == capture)
        for attack in np.unique(rows.attack[here]):
            its = here & (rows.attack == attack)
            name = rows.origin.names[capture]
            lines.append(f"    {name}, {attack}: {flagged[its].mean():.4f} of {its.sum()}")
    return lines


def ways(recipe: BoostedRecipe) -> Iterator[tuple[str, BoostedRecipe]]:
    """The recipe without one family of features at a time, where it has any of it."""
    for family, belongs in FAMILIES.items():
        kept = tuple(name for name in recipe.features if not belongs(name))
        if len(kept) < len(recipe.features):
            monotone = {name: sign for name, sign in recipe.monotone.items() if name in kept}
            yield f"without {family}", replace(recipe, features=kept, monotone=monotone)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the table to a file, too.")
def main(names: tuple[str, ...], file: Path | None) -> None:
    """Take one family of features away at a time. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    flows = load_captures(list(names))
    data, more = measured(flows), augmented(flows)
    nothing = more.take(np.arange(0))
    table: dict[str, dict[str, float]] = {}

    def tell(recipe: BoostedRecipe, streams: Dataset, what: str) -> LeftOut:
        scored = left_out(recipe, data, streams)
        recall = mean_recall(recipe, scored.rows, scored.raw)
        table.setdefault(what, {})[recipe.name] = recall
        click.echo(f"    {recall:.3f} {what}")
        return scored

    for recipe in SUPERVISED:
        click.echo(f"{recipe.name}, mean recall at {recipe.fpr:g} on captures left out:")
        click.echo("\n".join(by_attack(recipe, tell(recipe, more, "with all"))))
        tell(recipe, nothing, "with the captures alone to learn from")
        for what, lacking in ways(recipe):
            tell(lacking, more, what)
    if file:
        models = tuple(recipe.name for recipe in SUPERVISED)
        rows = tuple((what, tuple(found.get(name) for name in models)) for what, found in table.items())
        file.write_bytes(msgspec.json.encode(Ablation(ABOUT, models, rows)))


if __name__ == "__main__":
    main()
