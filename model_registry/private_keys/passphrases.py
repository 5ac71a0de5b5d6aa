"""The passphrase of the private keys: from a file, from a variable, or asked on the terminal.

A passphrase that was asked is remembered for this process: training asks before it begins, and signs minutes later.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from flows.errors import UsageError
from model_registry.private_keys.environment import PASSPHRASE, take_secret
from model_registry.private_keys.private_files import read_private

SHORTEST: Final = 8  # characters of a new one
_FILE: Final = "TIDEGATE_PASSPHRASE_FILE"

_asked: list[str] = []  # the last one, if any


def new_passphrase() -> str:
    """Return the passphrase for new keys. Raises UsageError if there is none, or it is too short."""
    given = _given()
    if given is None:
        _require_terminal("the passphrase of the new keys")
        given = _ask("Passphrase for the new private keys", new=True)
        while len(given) < SHORTEST:
            click.echo(f"Too short: it needs at least {SHORTEST} characters.", err=True)
            given = _ask("Passphrase for the new private keys", new=True)
    if len(given) < SHORTEST:
        raise UsageError(f"the passphrase is too short: it needs at least {SHORTEST} characters")
    return given


def known_passphrase(file: Path) -> str:
    """Return the passphrase that opens the private key in ``file``. Raises UsageError if there is none."""
    given = _given()
    if given is not None:
        return given
    if not _asked:
        _require_terminal(f"the passphrase of {file}")
        _asked.append(_ask(f"Passphrase of {file}"))
    return _asked[0]


def forget_passphrase() -> bool:
    """Forget what was asked, as it was wrong; tell whether asking again makes sense."""
    can_ask = bool(_asked)
    _asked.clear()
    return can_ask


def _given() -> str | None:
    """Return what a file or a variable gives, in this order."""
    name = os.environ.get(_FILE)
    if not name:
        return take_secret(PASSPHRASE)
    data = read_private(Path(name))
    if data is None:
        raise UsageError(f"{name}: there is no such file, but {_FILE} names it as the file with the passphrase")
    text = data.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(f"{name}: empty, but {_FILE} names it as the file with the passphrase")
    return text


def _require_terminal(what: str) -> None:
    # A terminal to read from is not enough: a question that goes into a log is waited for in vain.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"there is no terminal to ask for {what}: name a file that holds it in {_FILE}, put it into {PASSPHRASE}, "
            "or use keys that need none, made with --unencrypted"
        )


def _ask(question: str, *, new: bool = False) -> str:
    try:
        answer: str = click.prompt(question, hide_input=True, confirmation_prompt=new, err=True)
    except UnicodeDecodeError:
        raise UsageError("what was typed is not text in the terminal's encoding; type the passphrase again") from None
    return answer
