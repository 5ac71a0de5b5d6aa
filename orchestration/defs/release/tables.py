"""What Dagster shows of a release: each version beside the champion before it, and who holds which slot."""

from __future__ import annotations

from typing import Any

import dagster as dg

from model_registry.content import SLOTS, Content, ModelVersion
from model_registry.writing.publishing import Published
from orchestration.figures import table


def version_metadata(
    model: ModelVersion, card: str, before: ModelVersion | None, published: Published, slot: str
) -> dict[str, Any]:
    """A signed version: what it is, how it compares with the champion before it, and its gates."""
    names = {**model.metrics, **({} if before is None else before.metrics)}
    figures = [
        (name, _short(model.metrics.get(name)), _short(None if before is None else before.metrics.get(name)))
        for name in names
        if not name.endswith(("_low95", "_high95"))
    ]
    gates = [(name, "passed" if gate.passed else "**FAILED**", gate.detail) for name, gate in model.gates.items()]
    return {
        "fingerprint": model.fingerprint,
        "slot": slot,
        "manifest_version": published.version,
        "in_force": published.in_force,
        "threshold": float(model.threshold),
        "rows": model.data.rows,
        "figures": table(("figure", "this version", "champion before"), figures),
        "champion_before": "none" if before is None else before.fingerprint,
        "gates": table(("gate", "result", "measured"), gates),
        "card": dg.MetadataValue.md(card),
    }


def _short(decimal: str | None) -> str:
    return "" if decimal is None else f"{float(decimal):.5f}"


def slots_table(before: Content, after: Content) -> dg.MarkdownMetadataValue:
    """Which version of each model holds which slot, and which one held it before."""
    rows = []
    for name, model in after.models.items():
        was = before.models[name].slots() if name in before.models else {}
        now = model.slots()
        cells = [
            f"{now.get(slot, 'none')}" + ("" if was.get(slot) == now.get(slot) else f" (was {was.get(slot, 'none')})")
            for slot in SLOTS
        ]
        rows.append((name, *cells))
    return table(("model", *SLOTS), rows)
