"""The front door: one command line, composed from the rooms' own sub-commands.

A sub-command's module is imported only when the sub-command runs, so that ``tidegate serve`` never loads what
``tidegate train`` needs, and works where only the serving extra is installed.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from flows.errors import TidegateError

# Sub-command -> (module, attribute, one line of help). The help stands here so that listing imports nothing.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": ("demo.cli", "demo", "Train, serve and attack on simulated traffic, from end to end."),
    "keys": ("model_registry.commands.keys", "keys", "Make, show and rotate signing keys."),
    "registry": ("model_registry.commands.registry", "registry", "List, show and verify registered models."),
    "features": ("flows.cli", "features", "Print the catalogue of the 120 features."),
    "train": ("orchestration.cli", "train", "Run the Dagster training job without its web interface."),
    "gates": ("orchestration.gates_cli", "gates", "Show what every gate said last; override one that failed."),
    "evaluate": ("training.cli", "evaluate", "Compare verdicts on labelled flow files with their truth."),
    "serve": ("serving.cli", "serve", "Consume flows from Kafka, publish verdicts and alerts."),
    "broker": ("serving.broker", "broker", "Run the embedded Kafka broker (development only)."),
    "rekey": ("serving.cli", "rekey", "Turn exporters' raw messages into canonical flows, keyed by key host."),
    "replay": ("serving.replay", "replay", "Send flow files to a Kafka topic, keyed by key host."),
    "score": ("serving.score", "score", "Turn flow files into verdicts, without Kafka."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, attribute, _ = COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise TidegateError(
                f"`tidegate {cmd_name}` needs the package {error.name!r}, which is not installed here; "
                f"install Tidegate with the extra that has it: pip install 'tidegate[serving,orchestration]'"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tidegate")
def cli() -> None:
    """Tidegate: from raw network flows to verdicts by signed, proven models."""


def main() -> None:
    """Run the command line; the process's exit code tells how it ended."""
    try:
        cli(prog_name="tidegate")
    except TidegateError as error:
        click.echo(f"tidegate: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
