from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from flows.errors import TidegateError, UsageError
from model_registry.errors import Reason, TrustError
from model_registry.private_keys.key_files import create_keys
from model_registry.private_keys.passphrases import SHORTEST, known_passphrase, new_passphrase
from tests.support.terminal import python_on_terminal

KEY: Final = Path("var/keys/root.key")

# Loads the key twice, as training does, and names it.
LOAD: Final = """
import sys
from pathlib import Path
from flows.errors import TidegateError
from model_registry.private_keys.key_files import load_signer
try:
    for _ in range(2):
        print("loaded", load_signer(Path(sys.argv[1]), "root").keyid)
except TidegateError as error:
    sys.exit(f"{error.exit_code}: {error}")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the passphrase, of mode 0600, still empty."""
    path = tmp_path / "passphrase"
    path.touch(0o600)
    monkeypatch.setenv("TIDEGATE_PASSPHRASE_FILE", str(path))
    return path


# --- given


@pytest.mark.parametrize(
    ("data", "passphrase"),
    [
        (b"correct horse", "correct horse"),
        (b"correct horse\n", "correct horse"),
        (b"correct horse\r\n", "correct horse"),
        (b"  correct horse \n\n", "  correct horse \n"),
        ("pässword".encode(), "pässword"),
        (b"no text \xff\n", "no text \udcff"),
    ],
)
def test_a_file_gives_the_passphrase_without_its_last_line_end(file: Path, data: bytes, passphrase: str) -> None:
    file.write_bytes(data)
    assert known_passphrase(KEY) == passphrase
    assert new_passphrase() == passphrase


def test_the_file_goes_before_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"of the file")
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "of the variable")
    assert known_passphrase(KEY) == "of the file"


def test_the_file_may_be_a_link_as_mounted_secrets_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"correct horse")
    (file.parent / "link").symlink_to(file)
    monkeypatch.setenv("TIDEGATE_PASSPHRASE_FILE", str(file.parent / "link"))
    assert known_passphrase(KEY) == "correct horse"


def test_a_file_that_others_may_read_is_refused(file: Path) -> None:
    file.write_bytes(b"correct horse")
    file.chmod(0o640)
    with pytest.raises(TrustError, match="chmod 600") as caught:
        known_passphrase(KEY)
    assert caught.value.reason is Reason.PRIVATE_KEY
    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize("what", ["missing", "empty", "folder", "long"])
def test_a_file_that_holds_no_passphrase_is_told(file: Path, what: str) -> None:
    if what == "long":
        file.write_bytes(b"x" * 5000)
    elif what != "empty":
        file.unlink()
    if what == "folder":
        file.mkdir(0o700)
    with pytest.raises(TidegateError, match=f"^{file}: "):
        known_passphrase(KEY)


def test_the_variable_is_read_once_and_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "correct horse")
    assert known_passphrase(KEY) == "correct horse"
    assert "TIDEGATE_PASSPHRASE" not in os.environ
    assert known_passphrase(KEY) == new_passphrase() == "correct horse"


def test_a_new_passphrase_must_not_be_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "x" * (SHORTEST - 1))
    with pytest.raises(UsageError, match="too short") as caught:
        new_passphrase()
    assert "xxx" not in str(caught.value)
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "x" * SHORTEST)
    assert new_passphrase() == "x" * SHORTEST


@pytest.mark.parametrize("empty", [True, False])
def test_without_any_it_says_how_to_give_one(empty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if empty:
        monkeypatch.setenv("TIDEGATE_PASSPHRASE", "")
        monkeypatch.setenv("TIDEGATE_PASSPHRASE_FILE", "")
    for ask in (new_passphrase, lambda: known_passphrase(KEY)):
        with pytest.raises(UsageError) as caught:
            ask()
        for way in ("TIDEGATE_PASSPHRASE_FILE", "TIDEGATE_PASSPHRASE,", "--unencrypted"):
            assert way in str(caught.value)


# --- asked, on a terminal


def test_a_passphrase_is_asked_once_for_a_process(tmp_path: Path) -> None:
    signer = create_keys(tmp_path, passphrase="correct horse")["root"]
    question = f"Passphrase of {tmp_path / 'root.key'}"
    run = python_on_terminal(["-c", LOAD, str(tmp_path)], [(question, "correct horse")])
    assert run.code == 0, run.shown
    assert run.shown.count(f"loaded {signer.keyid}") == 2
    assert "correct horse" not in run.shown
    assert b"correct horse" not in run.command_lines


def test_after_a_wrong_passphrase_it_is_asked_again(tmp_path: Path) -> None:
    create_keys(tmp_path, passphrase="correct horse")
    question = f"Passphrase of {tmp_path / 'root.key'}"
    answers = [(question, "wrong horse"), (question, "other horse"), (question, "correct horse")]
    run = python_on_terminal(["-c", LOAD, str(tmp_path)], answers)
    assert run.code == 0, run.shown
    assert run.shown.count("loaded") == 2


def test_the_third_wrong_passphrase_is_the_last(tmp_path: Path) -> None:
    create_keys(tmp_path, passphrase="correct horse")
    question = f"Passphrase of {tmp_path / 'root.key'}"
    run = python_on_terminal(["-c", LOAD, str(tmp_path)], [(question, "wrong horse")] * 3)
    assert run.code == 1
    assert "3: " in run.shown
    assert "root.key: wrong passphrase" in run.shown.replace("\r\n", "")
    assert "wrong horse" not in run.shown


def test_ctrl_c_at_the_question_ends_it(tmp_path: Path) -> None:
    create_keys(tmp_path, passphrase="correct horse")
    question = f"Passphrase of {tmp_path / 'root.key'}"
    run = python_on_terminal(["-c", LOAD, str(tmp_path)], [(question, "\x03")])
    assert run.code != 0
    assert "loaded" not in run.shown


def test_what_is_no_text_is_told_and_not_shown(tmp_path: Path) -> None:
    create_keys(tmp_path, passphrase="correct horse")
    question = f"Passphrase of {tmp_path / 'root.key'}"
    typed = b"wrong \xff horse".decode(errors="surrogateescape")
    run = python_on_terminal(["-c", LOAD, str(tmp_path)], [(question, typed)], environment={"PYTHONUTF8": "1"})
    assert "2: what was typed is not text" in run.shown.replace("\r\n", "")
    assert "horse" not in run.shown
