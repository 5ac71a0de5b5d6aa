"""Figures for Dagster's pages: tables, and plots as pictures inside the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import lightgbm
import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import NAMES
from training.fitted import Model
from training.report.canvas import Picture

MOST_FEATURES = 15  # of a model, by gain


def label_mix(truth: npt.NDArray[np.int8]) -> dict[str, int]:
    """Count flows by what they are, int8[n]."""
    return {kind.label: int((truth == kind).sum()) for kind in Kind if kind is not Kind.ABSTAIN}


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A table, a row each of ``rows``."""
    lines = [header, ["---"] * len(header), *rows]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines))


def inline(pictures: Iterable[Picture]) -> dict[str, dg.MarkdownMetadataValue]:
    """Pictures by title, each inside the page, so that it needs no file beside Dagster's records."""
    return {
        picture.title: dg.MetadataValue.md(
            f"![{picture.title}](data:image/png;base64,{base64.b64encode(picture.png).decode()})"
        )
        for picture in pictures
    }


def gain_table(model: Model) -> Mapping[str, Any]:
    """The features by which a boosted forest tells most, by their share of its gain; nothing of other models."""
    if not isinstance(model, lightgbm.Booster):
        return {}
    gain = np.asarray(model.feature_importance("gain"), dtype=np.float64)
    order = [at for at in np.argsort(-gain, kind="stable")[:MOST_FEATURES] if gain[at] > 0]
    rows = [(NAMES[at], f"{100 * gain[at] / gain.sum():.1f} %") for at in order]
    return {"feature_gain": table(("feature", "share of gain"), rows)}
