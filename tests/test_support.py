"""A missing real part skips its test and says why, or fails it where nothing may be skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import real


def test_a_missing_part_skips_with_its_reason_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEGATE_REQUIRE_REAL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no tide table; run `make real-parts`"):
        real.missing("no tide table")


def test_a_missing_part_fails_where_real_parts_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_REQUIRE_REAL", "1")
    with pytest.raises(pytest.fail.Exception, match="no tide table"):
        real.missing("no tide table")


def test_the_captures_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TIDEGATE_REQUIRE_REAL", raising=False)
    monkeypatch.setenv("TIDEGATE_DATASETS", str(tmp_path))
    assert real.datasets_path() == tmp_path
    monkeypatch.setenv("TIDEGATE_DATASETS", str(tmp_path / "gone"))
    with pytest.raises(pytest.skip.Exception, match="TIDEGATE_DATASETS"):
        real.datasets_path()
