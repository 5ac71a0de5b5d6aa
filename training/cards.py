"""Model cards: what a reader must know before trusting a model, after Mitchell et al. (2019)."""

from __future__ import annotations

from training.datasets import Origin
from training.evaluation import Measures
from training.fitting import Recipe
from training.gates import GateResult


def model_card(
    recipe: Recipe, measures: Measures, gates: dict[str, GateResult], *, data_sha256: str, rows: int, origin: Origin
) -> str:
    """Write the card of one model as Markdown."""

    def share(value: float | None) -> str:
        return "cannot be told" if value is None else f"{value:.4f}"

    lines = [
        f"# {recipe.name}",
        "",
        f"Tells {recipe.threat.label} flows from benign ones, one flow at a time, from 120 measured features.",
        "",
        "## Data",
        "",
        f"{rows} flows to train, SHA-256 of all `{data_sha256}`. Captures: {', '.join(origin.names)}.",
        "",
        "## At the operating point",
        "",
        f"The threshold was fixed on validation flows at a false-positive rate of {recipe.fpr:.3%}.",
        "",
        "| measure | test part |",
        "|---|---|",
        f"| flows, of them attacks | {measures.rows}, {measures.positives} |",
        f"| recall | {share(measures.recall)} |",
        f"| false-positive rate (95 % upper bound) | {share(measures.fpr)} ({share(measures.fpr_upper95)}) |",
        f"| precision at the test part's share of attacks | {share(measures.precision)} |",
        f"| area under ROC, under precision and recall | {share(measures.roc_auc)}, {share(measures.pr_auc)} |",
        f"| expected calibration error | {share(measures.calibration_error)} |",
        "",
        "## Gates",
        "",
        *(f"* {name}: {'passed' if gate.passed else 'FAILED'}: {gate.detail}" for name, gate in gates.items()),
        "",
        "## Limits",
        "",
        origin.about,
        "",
    ]
    return "\n".join(lines)
