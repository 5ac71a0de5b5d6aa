"""How gates are told to Dagster: every result names the bytes that it is about."""

from __future__ import annotations

from typing import Any

import dagster as dg

from orchestration.storage import DIGEST, digest_of
from training.gates import GateResult

DETAIL = "detail"


def judged(value: Any, result: GateResult) -> dg.AssetCheckResult:
    """Report a gate's result on a stored value, with the value's digest: it counts for these bytes and no others."""
    return dg.AssetCheckResult(
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=result.detail,
        metadata={DIGEST: digest_of(value), DETAIL: result.detail},
    )
