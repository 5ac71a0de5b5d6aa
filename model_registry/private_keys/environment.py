"""Secrets that are given in environment variables, and the environment without them.

A child process inherits the environment, and hands it on to whatever it starts. So a secret is taken out of the
environment as soon as it is read, and remembered for this process alone; who starts another process before that gives
it :func:`without_secrets`. (What a process was started with stays visible to its own user and to root, in
``/proc/PID/environ``, as long as it runs. Nothing can be done about that here; a file or a command is better.)
"""

from __future__ import annotations

import os
from typing import Final

PASSPHRASE: Final = "TIDEGATE_PASSPHRASE"  # noqa: S105  (the variable's name)
SECRETS: Final = ("TIDEGATE_ROOT_KEY", "TIDEGATE_TARGETS_KEY", PASSPHRASE)

_taken: dict[str, str] = {}


def take_secret(variable: str) -> str | None:
    """Return the value of one of :data:`SECRETS`, also the second time; None if it is not set, or empty."""
    if value := os.environ.pop(variable, ""):
        _taken[variable] = value
    return _taken.get(variable)


def without_secrets() -> dict[str, str]:
    """Return the environment for a child process."""
    return {variable: value for variable, value in os.environ.items() if variable not in SECRETS}
