from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from flows.errors import TidegateError, UsageError
from model_registry.keys import Signer
from model_registry.private_keys import provided_keys
from model_registry.private_keys.provided_keys import provided_signer

SEED: Final = bytes(range(32)).hex()
KEYID: Final = Signer(bytes(range(32))).keyid
COMMAND: Final = "TIDEGATE_TARGETS_KEY_COMMAND"


def set_command(monkeypatch: pytest.MonkeyPatch, code: str, *arguments: object) -> None:
    """Let a small Python program be the command."""
    monkeypatch.setenv(COMMAND, shlex.join([sys.executable, "-c", code, *map(str, arguments)]))


def load() -> str:
    provided = provided_signer("targets")
    assert provided is not None
    return provided[1].keyid


def test_nothing_is_provided_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert provided_signer("targets") is None
    monkeypatch.setenv("TIDEGATE_TARGETS_KEY", "")
    monkeypatch.setenv(COMMAND, " ")
    assert provided_signer("targets") is None


# --- a variable


@pytest.mark.parametrize("text", [SEED, SEED.upper(), f" {SEED}\n"])
def test_a_variable_gives_the_key_and_is_taken_out_of_the_environment(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_TARGETS_KEY", text)
    assert load() == KEYID
    inherited = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert "TIDEGATE_TARGETS_KEY" not in inherited
    assert load() == KEYID
    assert provided_signer("root") is None


@pytest.mark.parametrize("text", [SEED[:-1], SEED + "0", SEED[:-1] + "g", "\u0661" * 64, f"0x{SEED[2:]}"])
def test_what_is_no_key_is_refused_without_being_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_TARGETS_KEY", text)
    with pytest.raises(UsageError, match=r"^TIDEGATE_TARGETS_KEY: .*64 hexadecimal digits") as caught:
        load()
    assert text[:8] not in str(caught.value)


# --- a command


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_command_prints_the_key(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_command(monkeypatch, "import sys; print(sys.argv[1], end=sys.argv[2])", SEED, ending)
    assert load() == KEYID
    assert load() == KEYID


def test_the_variable_goes_before_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_TARGETS_KEY", SEED)
    set_command(monkeypatch, "raise SystemExit(1)")
    assert load() == KEYID


def test_no_shell_reads_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, f"echo {SEED} > {tmp_path / 'file'}; touch {tmp_path / 'touched'} $(touch b)")
    with pytest.raises(UsageError):
        load()
    assert list(tmp_path.iterdir()) == []


def test_a_command_reads_nothing_and_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_ROOT_KEY", SEED)
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "correct horse")
    monkeypatch.setenv("VAULT_TOKEN", "its own")
    code = """
import os, sys
assert sys.stdin.read() == ""
assert not {"TIDEGATE_ROOT_KEY", "TIDEGATE_TARGETS_KEY", "TIDEGATE_PASSPHRASE"} & os.environ.keys()
assert os.environ["VAULT_TOKEN"] == "its own"
print(sys.argv[1])
"""
    set_command(monkeypatch, code, SEED)
    assert load() == KEYID


@pytest.mark.parametrize("code", [1, 3, -signal.SIGTERM])
def test_a_command_that_fails_is_told_by_its_exit_code_and_not_by_what_it_printed(
    code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = "import os, sys; print(sys.argv[1], flush=True); print(sys.argv[1], file=sys.stderr, flush=True); "
    program += f"os.kill(os.getpid(), {-code})" if code < 0 else f"sys.exit({code})"
    set_command(monkeypatch, program, SEED)
    with pytest.raises(TidegateError, match=f"^{COMMAND}: .*exit code {code}") as caught:
        load()
    assert SEED not in str(caught.value)
    assert SEED not in "".join(capfd.readouterr())


@pytest.mark.parametrize("printed", ["", SEED[:-1], f"{SEED} {SEED}", f"key: {SEED}", "\x00" * 64, "é" * 64, SEED * 20])
def test_a_command_that_prints_no_key_is_told_without_what_it_printed(
    printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_command(monkeypatch, f"import sys; sys.stdout.buffer.write({printed.encode()!r})")
    with pytest.raises(UsageError, match=f"^{COMMAND}: the command did not print 64") as caught:
        load()
    assert not printed or printed[:8] not in str(caught.value)


@pytest.mark.parametrize("line", ["/nowhere/vault get", "'unclosed", SEED, "/tmp", "''"])  # noqa: S108  (a folder)
def test_a_command_that_cannot_be_run_is_wrong_usage_and_not_shown(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, line)
    with pytest.raises(UsageError, match=f"^{COMMAND}: ") as caught:
        load()
    assert SEED not in str(caught.value)


def test_a_command_without_end_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provided_keys, "PATIENCE_S", 1.0)
    code = """
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""
    set_command(monkeypatch, code, tmp_path / "pid")
    began = time.monotonic()
    with pytest.raises(TidegateError, match=f"^{COMMAND}: .*within 1 s"):
        load()
    assert time.monotonic() - began < 10
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or b"Z" in Path(f"/proc/{child}/stat").read_bytes().split()[2]:
            return
        time.sleep(0.05)
    pytest.fail("the command's child is still running")


def test_a_command_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provided_keys, "PATIENCE_S", 1.0)
    monkeypatch.setenv(COMMAND, "yes")
    with pytest.raises(TidegateError, match="within 1 s"):
        load()


def test_something_that_the_command_leaves_running_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"import subprocess; subprocess.Popen(['sleep', '5']); print({SEED!r})"
    set_command(monkeypatch, code)
    began = time.monotonic()
    assert load() == KEYID
    assert time.monotonic() - began < 4
    assert os.environ[COMMAND]
