"""How a site's anomaly model does by itself: on the site's own latest flows, and on strange flows known elsewhere.

Of the site's flows nobody knows what they are. They are taken for ordinary, so what the model finds among them counts
as false alarms, be it right or not. The strange flows are of other networks, which makes them easier to tell apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detection.verdict import Kind
from model_registry.artifact import Artifact
from model_registry.scoring import probabilities
from training.datasets import Dataset, Part
from training.evaluation import Evaluation, measure


def with_site(evaluation: Evaluation, artifact: Artifact, site: Dataset, test: Dataset) -> Evaluation:
    """Put the model's figures on the site in the place of those on other networks' captures.

    Args:
        evaluation: of all models on ``test``.
        artifact: the site's anomaly model.
        site: the site's past; its test part is judged.
        test: the labelled test part, of which the strange flows are taken.
    """
    ordinary = site.features[site.part == Part.TEST]
    strange = test.of(Kind.ANOMALY).features
    score = probabilities(artifact, np.concatenate([ordinary, strange]))
    positive = np.arange(len(score)) >= len(ordinary)
    measures = measure(score, score >= artifact.threshold, positive, artifact.threshold)
    alone = {name: label for name, label in evaluation.alone[artifact.name].items() if label.kind is Kind.ANOMALY}
    return replace(
        evaluation,
        models={**evaluation.models, artifact.name: measures},
        alone={**evaluation.alone, artifact.name: alone},
    )
