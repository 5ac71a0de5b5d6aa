"""The serving half stays small: it never imports the training stack."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.real import REPOSITORY

_NEVER = ("lightgbm", "sklearn", "pandas", "dagster", "training", "orchestration")
_MODULES = ("serving.app", "serving.rekey", "serving.cli", "serving.score", "serving.replay", "serving.broker")


def _run(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60).stdout


def test_serving_never_imports_the_training_stack() -> None:
    imports = "; ".join(f"import {module}" for module in _MODULES)
    loaded = _run(f"{imports}; import sys; print(*(name.partition('.')[0] for name in sys.modules))")
    assert not set(_NEVER) & set(loaded.split())


@pytest.mark.parametrize("module", _MODULES)
def test_serving_is_whole_where_the_training_stack_is_not_installed(module: str) -> None:
    # scipy, too: numba takes a look at it where it is there, so that its absence from the modules cannot be tested.
    hide = f"import sys; sys.modules.update(dict.fromkeys({(*_NEVER, 'scipy')!r}))"
    assert _run(f"{hide}; import {module}; print('whole')") == "whole\n"


def test_a_check_of_settings_starts_neither_kafka_nor_the_compiler() -> None:
    program = "import serving.cli, sys; print('confluent_kafka' in sys.modules, 'numba' in sys.modules)"
    assert _run(program) == "False False\n"
