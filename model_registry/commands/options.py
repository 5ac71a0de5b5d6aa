"""Options that several commands share: one name, one default and one help text everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from model_registry.private_keys.key_files import pinned_root

Command = TypeVar("Command", bound=Callable[..., Any])


def registry_option(command: Command) -> Command:
    """Give a command ``--registry`` as the argument ``registry``: the text of a folder's path or an s3:// URL."""
    return click.option(
        "--registry",
        metavar="DIR|URL",
        envvar="TIDEGATE_REGISTRY",
        default="var/registry",
        show_default=True,
        show_envvar=True,
        help="Folder or s3:// URL of the model registry.",
    )(command)


def keys_option(command: Command) -> Command:
    """Give a command ``--keys DIR`` as the argument ``keys_dir``."""
    return click.option(
        "--keys",
        "keys_dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="TIDEGATE_KEYS",
        default="var/keys",
        show_default=True,
        show_envvar=True,
        help="Folder of the private keys.",
    )(command)


def root_option(command: Command) -> Command:
    """Give a command ``--root FILE`` as the argument ``root``."""
    return click.option(
        "--root",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="TIDEGATE_ROOT",
        show_envvar=True,
        help="The first root to trust, kept elsewhere.",
    )(command)


def min_version_option(command: Command) -> Command:
    """Give a command ``--min-version N`` as the argument ``min_version``."""
    return click.option(
        "--min-version",
        type=click.IntRange(0),
        default=0,
        envvar="TIDEGATE_MIN_VERSION",
        show_envvar=True,
        help="Oldest manifest version to accept.",
    )(command)


def state_option(command: Command) -> Command:
    """Give a command ``--state DIR`` as the argument ``state``."""
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="TIDEGATE_STATE",
        show_envvar=True,
        help="Folder with the newest registry seen, so that no older one is taken.",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command ``--json`` as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who changes which registry: its location, the folder of keys, the first root to trust, what was seen before."""

    registry: str
    keys: Path
    root: Path | None
    state: Path | None


def writer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what writers need as the argument ``writer``; the root beside the keys is the one to trust."""

    @registry_option
    @keys_option
    @root_option
    @state_option
    @wraps(command)
    def collected(
        *args: Any, registry: str, keys_dir: Path, root: Path | None, state: Path | None, **kwargs: Any
    ) -> Any:
        return command(*args, writer=Writer(registry, keys_dir, root or pinned_root(keys_dir), state), **kwargs)

    return collected
