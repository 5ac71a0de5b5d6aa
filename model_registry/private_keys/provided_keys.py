"""Private keys that are not in a file: from an environment variable, or from a command that asks a vault.

Neither what a variable holds nor what a command prints is ever shown: it may be the key, or most of it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from typing import IO, Final, cast

from flows.errors import TidegateError, UsageError
from model_registry.keys import Role, Signer
from model_registry.private_keys.environment import take_secret, without_secrets

PATIENCE_S: float = 60.0  # a vault may want a finger on a hardware key

_MAX_OUTPUT: Final = 1024  # bytes; a seed has 64 digits
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")


def variables(role: Role) -> tuple[str, str]:
    """Return the names of the variables that hold the private key of a role, and the command that prints it."""
    variable = f"TIDEGATE_{role.upper()}_KEY"
    return variable, f"{variable}_COMMAND"


def provided_signer(role: Role) -> tuple[str, Signer] | None:
    """Return the private key of a role and the variable that it comes from; None if neither is set.

    Raises UsageError if what should be a key is none, and TidegateError if the command fails.
    """
    variable, command = variables(role)
    if text := take_secret(variable):
        return variable, _signer(text, f"{variable}: does not hold")
    if line := os.environ.get(command, "").strip():
        return command, _signer(_output(line, command), f"{command}: the command did not print")
    return None


def _signer(text: str, what: str) -> Signer:
    seed = text.strip()
    if not _SEED.fullmatch(seed):
        raise UsageError(f"{what} 64 hexadecimal digits and nothing else, the seed of an Ed25519 private key")
    return Signer(bytes.fromhex(seed))


def _output(line: str, variable: str) -> str:
    """Run a command and return what it printed.

    It prints into a pipe that nobody reads meanwhile: one that prints without end is stopped by the full pipe, and
    then by the clock.
    """
    try:
        arguments = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{variable}: not a command line: {error}") from None
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=without_secrets(),
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"{variable}: the command cannot be run: {error.strerror}") from None
    with process:
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise TidegateError(
                f"{variable}: no end of the command within {PATIENCE_S:.0f} s; run it by hand"
            ) from None
        finally:
            if process.returncode is None:  # too slow, or Ctrl-C; with all that it started
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        pipe = cast(IO[bytes], process.stdout)
        os.set_blocking(pipe.fileno(), False)  # what the command left running may hold the other end
        output = pipe.read(_MAX_OUTPUT) or b""
    if code:
        raise TidegateError(f"{variable}: the command ended with exit code {code}; try it by hand")
    return output.decode("ascii", errors="replace")
