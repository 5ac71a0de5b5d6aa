"""The front door where only one half is installed: one line that says what to install, no traceback."""

import importlib
from typing import Any

import click
import pytest

from flows.errors import TidegateError
from tidegate import cli


@pytest.mark.parametrize("missing", ["orchestration", "dagster"])
def test_a_command_of_the_other_half_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    def absent(_: str) -> Any:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(TidegateError, match=rf"`tidegate train` needs the package '{missing}'.*pip install"):
        cli.get_command(click.Context(cli), "train")
