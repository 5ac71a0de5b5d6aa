"""The command says what it lacks, and what to do."""

from __future__ import annotations

import os
import shutil

import pytest
from click.testing import CliRunner

import benchmarks.lab.__main__ as lab
from benchmarks.lab.scenarios import SCENARIOS


def test_help_names_every_scenario() -> None:
    result = CliRunner().invoke(lab.main, ["--help"])
    assert result.exit_code == 0
    assert all(f"{name}: " in result.stdout for name in SCENARIOS)


def test_a_scenario_that_is_none_is_wrong_usage() -> None:
    result = CliRunner().invoke(lab.main, ["flood-of-tears"])
    assert result.exit_code == 2
    assert "'flood-of-tears' is not one of 'benign'" in result.stderr


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(lab.main, ["benign"])
    assert (result.exit_code, result.stderr) == (1, "lab: network namespaces need root; run it as root\n")


def test_without_iproute2_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    result = CliRunner().invoke(lab.main, ["benign"])
    assert (result.exit_code, result.stderr) == (1, "lab: there is no program `ip`; install iproute2\n")


def test_without_exporters_it_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "what_is_missing", lambda: None)
    monkeypatch.setattr(lab, "missing_programs", lambda: ["argus", "ra"])
    result = CliRunner().invoke(lab.main, ["benign"])
    assert (result.exit_code, result.stderr) == (1, "lab: there is no argus, ra; run `make real-parts`\n")
