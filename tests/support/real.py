"""Real outside parts: where they are, and what happens to a test when one is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def missing(part: str, remedy: str = "run `make real-parts`") -> NoReturn:
    """Skip the test for want of ``part``, or fail it where TIDEGATE_REQUIRE_REAL=1 says that nothing may be skipped."""
    reason = f"{part}; {remedy}"
    if os.environ.get("TIDEGATE_REQUIRE_REAL") == "1":
        pytest.fail(f"{reason} (TIDEGATE_REQUIRE_REAL=1 forbids skipping)", pytrace=False)
    pytest.skip(reason)


def datasets_path() -> Path:
    """Where the captures are: TIDEGATE_DATASETS, or ``shared/datasets`` beside the repository."""
    path = Path(os.environ.get("TIDEGATE_DATASETS") or REPOSITORY.parent / "shared" / "datasets")
    if not path.is_dir():
        missing(f"no captures at {path}", "name their folder in TIDEGATE_DATASETS")
    return path


def promtool_path() -> Path:
    """The promtool that ``make real-parts`` unpacked."""
    path = REPOSITORY / "var" / "promtool" / "promtool"
    if not path.is_file():
        missing(f"no promtool at {path}")
    return path
