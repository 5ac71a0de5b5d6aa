"""The outcome of an evaluation, as an asset: what was measured, and of exactly which parts."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from training.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Trial:
    """An evaluation with the digests of what it judged: each model and the data, all SHA-256 in hex.

    ``of_site``: the anomaly model's own figures are of the site's latest flows, which nobody has labelled.
    ``hidden``: the attacks of which no flow shows what the model of their kind learns from.
    """

    evaluation: Evaluation
    judged: dict[str, str]
    of_site: bool
    hidden: tuple[str, ...]


def trial_to_json(trial: Trial) -> bytes:
    """Write a trial as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(trial), indent=2)


def trial_from_json(data: bytes) -> Trial:
    """Read what :func:`trial_to_json` wrote."""
    return msgspec.json.decode(data, type=Trial)
