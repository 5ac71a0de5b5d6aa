"""How new models did beside the champions, as an asset: of exactly which models, on exactly which flows."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from training.champion import Difference
from training.gates import GateResult


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and what came out.

    Attributes:
        judged: the digests of the candidate's parts and of the flows, by asset.
        champions: what decides now, compared with or not: fingerprints of the champions in the registry by model, and
            of the rules, baselines and ensemble beside them.
        version: of the manifest that has them; 0 before the first.
        found: by scorer and figure; empty where nothing can be compared.
        why: what kept it from being compared; "" if nothing did.
        drift: how far ordinary life has moved since the champion learned from it.
    """

    judged: dict[str, str]
    champions: dict[str, str]
    version: int
    found: dict[str, dict[str, Difference]]
    why: str
    drift: GateResult


def comparison_to_json(comparison: Comparison) -> bytes:
    """Write a comparison as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=2)


def comparison_from_json(data: bytes) -> Comparison:
    """Read what :func:`comparison_to_json` wrote."""
    return msgspec.json.decode(data, type=Comparison)
