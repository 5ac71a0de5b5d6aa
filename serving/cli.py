"""``tidegate serve``: the serving process, its options made from the settings themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from serving.config import Settings, load_settings, settings_fields

Command = TypeVar("Command", bound=Callable[..., Any])


def setting_options(*names: str) -> Callable[[Command], Command]:
    """A decorator that adds an option for each named setting (all but secrets, when none is named) to a command.

    The command receives them as keyword arguments of the settings' names: text, or None when not given.
    """
    # A secret on the command line would stand in the list of processes.
    chosen = names or tuple(name for name, spec in settings_fields().items() if not spec.metadata["secret"])

    def decorate(command: Command) -> Command:
        for name in reversed(chosen):
            spec = settings_fields()[name]
            default = Settings().shown()[name]
            about = spec.metadata["about"] + ("" if default is None else f"  [default: {default}]")
            option = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", default=None, help=about)
            command = option(command)
        return command

    return decorate


def given_settings(config: Path | None, options: dict[str, str | None]) -> Settings:
    """Settings from options that were given, the environment and the file. Raises UsageError as load_settings."""
    return load_settings(os.environ, config, {name: value for name, value in options.items() if value is not None})


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="TIDEGATE_CONFIG",
    help="Settings from this TOML file; TIDEGATE_* variables win over it, and options over both.",
)


@click.command()
@config_option
@click.option("--check", is_flag=True, help="Print the settings in force, secrets masked, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print one JSON object.")
@setting_options()
def serve(config: Path | None, check: bool, as_json: bool, **options: str | None) -> None:
    """Consume flows from Kafka, publish verdicts and alerts, until SIGTERM or SIGINT.

    Every option can also be given as TIDEGATE_<NAME> in the environment, or as <name> in the --config file.
    """
    settings = given_settings(config, options)
    if check:
        _show(settings, as_json=as_json)
        return
    from serving.app import run
    from serving.logs import set_up_logging

    set_up_logging(settings)
    run(settings)


def _show(settings: Settings, *, as_json: bool) -> None:
    shown = settings.shown()
    if as_json:
        click.echo(json.dumps(shown))
        return
    table = Table("setting", "in force", "meaning")
    for name, spec in settings_fields().items():
        value = shown[name]
        table.add_row(name, "(not set)" if value is None else str(value), spec.metadata["about"])
    Console().print(table)
