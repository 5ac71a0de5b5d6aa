"""Model cards: what a reader must know before trusting a model, after Mitchell et al. (2019).

A card is Markdown, and the same for the same model, data and trial. Names of captures and of attacks come from files,
so they stand as code or are escaped, and cannot pass for a part of the card.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.verdict import THREATS, Kind
from flows.catalogue import NAMES
from model_registry.artifact import Artifact
from training.card_figures import attacks, calibration, operating_point, rarer
from training.card_texts import INTENDED_USE, PURPOSE, limits
from training.datasets import NO_TRUTH, Dataset, Part
from training.evaluation import Evaluation
from training.gates import GateResult
from training.markdown import bullets, code, paragraph, prose, steps, table
from training.recipes import AnyRecipe


def model_card(
    recipe: AnyRecipe,
    artifact: Artifact,
    evaluation: Evaluation,
    gates: dict[str, GateResult],
    *,
    data: Dataset,
    data_sha256: str,
    site_flows: int = 0,
) -> str:
    """Write the card of one model as Markdown.

    Args:
        recipe, artifact: how the model was made, and what came out.
        evaluation: the trial of the whole detector on the test part.
        gates: the gates' results, by ``asset/check``.
        data: the measured flows that it was made and tried on.
        data_sha256: the digest of ``data`` as it is stored.
        site_flows: how many flows of the site's own past the model was fitted on; 0: on ``data``.
    """
    measures = evaluation.models[recipe.name]
    sections = {
        "Intended use": bullets(INTENDED_USE),
        "Data": _data(data, data_sha256),
        "Protocol": _protocol(recipe, artifact, data, site_flows),
        "At the operating point": operating_point(recipe.threat.label, measures),
        "Where attacks are rarer": rarer(measures),
        "Attack by attack": attacks(evaluation.alone.get(recipe.name, {}), evaluation.labels),
        "Calibration": calibration(artifact, measures),
        "Gates": bullets(
            f"`{name}`: {'passed' if gate.passed else '**FAILED**'}: {prose(gate.detail)}"
            for name, gate in gates.items()
        ),
        "Limits": bullets(limits(recipe.name, data.origin)),
    }
    lines = [f"# {recipe.name}", "", *_summary(artifact)]
    for title, section in sections.items():
        lines += ["", f"## {title}", "", *section]
    return "\n".join(lines) + "\n"


_KINDS: Final = {
    "histograms": "Histograms (HBOS) as a forest",
    "isolation_forest": "An isolation forest",
    "lightgbm": "A boosted forest (LightGBM)",
}


def _summary(artifact: Artifact) -> list[str]:
    forest = artifact.forest
    used = len(np.unique(forest.feature[forest.left != -1]))
    kind = _KINDS[artifact.algorithm]
    return paragraph(
        f"{PURPOSE[artifact.name]} {kind} of {len(forest.roots)} trees, which look at {used} of the {len(NAMES)} "
        "features of one flow at a time. Addresses, absolute times and labels are not among the features."
    )


def _data(data: Dataset, digest: str) -> list[str]:
    kinds = {Kind.BENIGN.label: int(Kind.BENIGN), **{kind.label: int(kind) for kind in THREATS}, "no truth": NO_TRUTH}
    rows = []
    for part in Part:
        here = data.part == part
        counts = [f"{int((data.truth[here] == code).sum()):,}" for code in kinds.values()]
        rows.append([part.name.lower(), str(len(np.unique(data.capture[here]))), *counts])
    return [
        *paragraph(f"Measured flows with their truth, and what part of the work each is for. SHA-256: `{digest}`"),
        "",
        *table(["part", "captures", *kinds], rows),
        "",
        "Captures, with their flows:",
        "",
        *(f"* {code(name)}: {int((data.capture == place).sum()):,}" for place, name in enumerate(data.origin.names)),
        "",
        *paragraph(prose(data.origin.about)),
    ]


def _protocol(recipe: AnyRecipe, artifact: Artifact, data: Dataset, site_flows: int) -> list[str]:
    label = recipe.threat.label
    if site_flows:
        return steps(_of_site(recipe, site_flows))
    whole = all(len(np.unique(data.part[data.capture == capture])) == 1 for capture in np.unique(data.capture))
    fitted = (
        "Fitted on the benign flows of the training part alone."
        if artifact.algorithm != "lightgbm"
        else f"Fitted on the benign and {label} flows of the training part; validation said when to stop adding trees."
    )
    return steps(
        [
            "Parts are whole captures, the latest for the test."
            if whole
            else "Each capture is cut forward in time: its first flows to train on, its last for the test.",
            fitted,
            f"Raw scores became probabilities by the benign and {label} flows of the validation part (Platt 1999).",
            f"The threshold was set on the validation part: at most {100 * recipe.fpr:g} % of its benign flows are at "
            f"or above it. Where nearly all {label} flows found there lie well above, it is the middle of the gap.",
            f"Judged on the benign and {label} flows of the test part, by the code that decides in serving. Flows of "
            "other attacks are no rows of this model.",
        ]
    )


def _of_site(recipe: AnyRecipe, site_flows: int) -> list[str]:
    return [
        f"Fitted on {site_flows:,} flows of the site's own past, whatever they are: no label was looked at.",
        "The threshold was set on the 20 % of that past's flows that came next, unlabelled, too: a share of "
        f"{100 * recipe.fpr:g} % of such flows would reach it, if the 5 % highest scores fall off exponentially.",
        "The probability is 1/2 there, and its log-odds rise by one where flows are e times as rare: it tells how rare "
        "a flow is in the site's past, not how likely an attack.",
        "Judged on the site's latest 20 % of flows, taken for benign, and on the labelled strange flows of the data's "
        "test part, which are other networks' and so easier to tell apart.",
    ]
