"""``tidegate serve`` and ``tidegate rekey``, whose options are made from the settings themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from serving.config import OF_REKEY, Settings, load_settings, settings_fields

# Settings that `tidegate rekey` calls by a shorter name, as there is nothing to mistake them for.
_SHORT: Final = {"group_raw": "--group", "format_raw": "--format"}

Command = TypeVar("Command", bound=Callable[..., Any])


def setting_options(*names: str) -> Callable[[Command], Command]:
    """A decorator that adds an option for each named setting to a command.

    The command receives them as keyword arguments of the settings' names: text, or None when not given.
    """

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            spec = settings_fields()[name]
            default = Settings().shown()[name]
            about = spec.metadata["about"] + ("" if default is None else f"  [default: {default}]")
            options = (*([_SHORT[name]] if name in _SHORT else []), f"--{name.replace('_', '-')}")
            option = click.option(*options, name, metavar="VALUE", default=None, help=about)
            command = option(command)
        return command

    return decorate


def given_settings(config: Path | None, options: dict[str, str | None]) -> Settings:
    """Settings from options that were given, the environment and the file. Raises UsageError as load_settings."""
    return load_settings(os.environ, config, {name: value for name, value in options.items() if value is not None})


# A secret on the command line would stand in the list of processes.
_OPEN: Final = tuple(name for name, spec in settings_fields().items() if not spec.metadata["secret"])
_OF_SERVE: Final = tuple(name for name in _OPEN if name not in OF_REKEY)
_OF_KAFKA: Final = tuple(name for name in _OPEN if name.startswith("kafka_"))

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
@setting_options(*_OF_SERVE)
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


@click.command()
@config_option
@setting_options(
    *("bootstrap", *OF_REKEY, "topic_flows", "topic_dead_letters", "home", "batch_size", "linger_ms", "listen"),
    *(*_OF_KAFKA, "log_level", "log_json"),
)
def rekey(config: Path | None, **options: str | None) -> None:
    """Turn what exporters write to the raw topic into canonical flows, keyed by key host, until SIGTERM or SIGINT.

    A message holds one record, or several, one per line. Its format is what its header `format` says, else --format,
    else it is recognised, record by record. What cannot be decoded goes to the topic of dead letters.

    Offsets are committed once everything that was made of a message is delivered: at least once. Several processes
    of one group share the partitions. The endpoints are /health, /ready and /metrics; beside `tidegate serve` on one
    machine, give another --listen.
    """
    settings = given_settings(config, options)
    from serving.logs import set_up_logging
    from serving.rekey import run

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
