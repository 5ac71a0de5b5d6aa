"""What each family of features, and what is learned from beside the captures, is worth to the supervised models.

Each capture is left out in turn, as in training, with one family of features kept from the forest (or nothing but the
captures to learn from), and the scores of what was left out are compared at the stated false-positive rate: recall as a
mean over the attacks of each capture. Trees are as many as training at most tries. Figures are of one seed.

    python -m benchmarks.ablation PATH…
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import click
import numpy as np

from flows.catalogue import CATALOGUE
from training.boosting import BoostedRecipe, mean_recall, score_left_out
from training.datasets import Dataset, load_captures, measured
from training.datasets.augmented import augmented
from training.recipes import SUPERVISED
from training.splits import leave_captures_out

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


def left_out_recall(recipe: BoostedRecipe, data: Dataset, more: Dataset) -> float:
    """The mean recall on captures left out. Raises TrainingError as :func:`score_left_out`."""
    scored = score_left_out(recipe, list(leave_captures_out(data, more)))
    return mean_recall(recipe, scored.rows, scored.raw)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
def main(names: tuple[str, ...]) -> None:
    """Take one family of features away at a time. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    flows = load_captures(list(names))
    data, more = measured(flows), augmented(flows)
    nothing = more.take(np.arange(0))
    for recipe in SUPERVISED:
        click.echo(f"{recipe.name}: {left_out_recall(recipe, data, more):.3f} with all")
        click.echo(f"    {left_out_recall(recipe, data, nothing):.3f} with the captures alone to learn from")
        for family, belongs in FAMILIES.items():
            kept = tuple(name for name in recipe.features if not belongs(name))
            if len(kept) < len(recipe.features):
                without = replace(
                    recipe, features=kept, monotone={k: v for k, v in recipe.monotone.items() if k in kept}
                )
                click.echo(f"    {left_out_recall(without, data, more):.3f} without {family}")


if __name__ == "__main__":
    main()
