from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from model_registry.keys import ROLES, Signer
from model_registry.private_keys.key_files import create_keys, key_file, load_signer
from model_registry.private_keys.public_files import read_public
from model_registry.registry import Registry
from model_registry.shapes import parse_time
from model_registry.writing.creation import create_registry
from tests.support.command import tidegate_command
from tests.support.terminal import OnTerminal, tidegate_on_terminal

PASSPHRASE: Final = "correct horse battery"
NEW: Final = "Passphrase for the new private keys"
AGAIN: Final = "Repeat for confirmation"


def private_halves(keys: Path) -> list[str]:
    return [load_signer(keys, role).seed().hex() for role in ROLES if key_file(keys, role).exists()]


# --- init


def test_init_makes_encrypted_keys_and_a_registry_that_trusts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", PASSPHRASE)
    code, out, err = tidegate_command("keys", "init", "--keys", tmp_path / "k", "--registry", tmp_path / "r")
    assert (code, err) == (0, "")
    root = Registry(tmp_path / "r").trusted_roots().root
    for role in ROLES:
        assert json.loads(key_file(tmp_path / "k", role).read_bytes())["encryption"]["kdf"] == "argon2id"
        assert root.role(role).keyids == [load_signer(tmp_path / "k", role).keyid]
        assert root.role(role).keyids[0] in out
    assert f"{tmp_path / 'r' / '1.root.json'}, valid for 365 days" in out
    assert "The private keys are encrypted" in out


def test_init_says_that_keys_are_unencrypted(tmp_path: Path) -> None:
    code, out, _ = tidegate_command(
        "keys", "init", "--unencrypted", "--keys", tmp_path / "k", "--registry", tmp_path / "r"
    )
    assert (code, "stored unencrypted" in out) == (0, True)
    for private in private_halves(tmp_path / "k"):
        assert private not in out


def test_init_names_the_holder_in_the_root_and_in_the_public_half(tmp_path: Path) -> None:
    tidegate_command(
        *("keys", "init", "--unencrypted", "--keys", tmp_path / "k", "--registry", tmp_path / "r", "--holder", "Ada")
    )
    assert set(Registry(tmp_path / "r").trusted_roots().root.holders.values()) == {"Ada"}
    assert read_public(str(tmp_path / "k" / "targets.pub"))[1] == "Ada"


def test_init_in_json(tmp_path: Path) -> None:
    code, out, _ = tidegate_command(
        *("keys", "init", "--unencrypted", "--keys", tmp_path / "k", "--registry", tmp_path / "r", "--json")
    )
    document = json.loads(out)
    assert (code, document["encrypted"]) == (0, False)
    assert [key["role"] for key in document["keys"]] == ["root", "targets"]
    assert Path(document["root"]) == tmp_path / "r" / "1.root.json"
    for key in document["keys"]:
        assert Path(key["file"]).exists()
        assert read_public(key["public_file"])[0].keyid == key["keyid"]


@pytest.mark.parametrize("days", [1, 3650])
def test_the_root_is_valid_for_the_days_that_are_asked_for(tmp_path: Path, days: int) -> None:
    _, out, _ = tidegate_command(
        *("keys", "init", "--unencrypted", "--keys", tmp_path / "k", "--registry", tmp_path / "r", "--days", days)
    )
    assert f"valid for {days} days" in out
    root = Registry(tmp_path / "r").trusted_roots().root
    left = parse_time(root.expires, "1.root.json") - datetime.now(UTC)
    assert timedelta(days=days, minutes=-5) < left <= timedelta(days=days)


def test_init_overwrites_neither_keys_nor_a_registry(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, _, err = tidegate_command(
        *("keys", "init", "--unencrypted", "--keys", tmp_path / "new", "--registry", tmp_path / "registry")
    )
    assert (code, "there is a registry already" in err) == (1, True)
    code, _, err = tidegate_command(
        *("keys", "init", "--unencrypted", "--keys", tmp_path / "keys", "--registry", tmp_path / "new")
    )
    assert (code, "not overwritten" in err) == (1, True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("only", [(), ("--only", "targets")])
def test_init_refuses_keys_inside_the_registry(tmp_path: Path, only: tuple[str, ...]) -> None:
    code, _, err = tidegate_command(
        *("keys", "init", "--unencrypted", *only, "--keys", tmp_path / "r" / "k", "--registry", tmp_path / "r")
    )
    assert (code, "do not belong into the registry" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_init_says_how_to_give_a_passphrase(tmp_path: Path) -> None:
    code, _, err = tidegate_command("keys", "init", "--keys", tmp_path / "k", "--registry", tmp_path / "r")
    assert code == 2
    for way in ("TIDEGATE_PASSPHRASE_FILE", "TIDEGATE_PASSPHRASE,", "--unencrypted"):
        assert way in err
    assert list(tmp_path.iterdir()) == []


def test_one_key_alone_is_made_with_what_to_do_with_its_public_half(tmp_path: Path) -> None:
    code, out, _ = tidegate_command(
        *("keys", "init", "--unencrypted", "--only", "targets", "--holder", "Ada"),
        *("--keys", tmp_path / "k", "--registry", tmp_path / "r"),
    )
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "k").iterdir()) == ["targets.key", "targets.pub"]
    assert not (tmp_path / "r").exists()
    assert f"Hand {tmp_path / 'k' / 'targets.pub'}" in out
    assert "tidegate keys rotate --add targets=FILE" in out
    assert read_public(str(tmp_path / "k" / "targets.pub"))[1] == "Ada"


def test_the_validity_of_a_root_is_not_asked_for_where_none_is_made(tmp_path: Path) -> None:
    code, _, err = tidegate_command("keys", "init", "--only", "root", "--days", 9, "--keys", tmp_path / "k")
    assert (code, "--days is of the root" in err) == (2, True)


# --- show


def test_show_prints_ids_and_public_keys_without_a_passphrase(tmp_path: Path) -> None:
    signer = create_keys(tmp_path / "keys", roles=["targets"], passphrase=PASSPHRASE)["targets"]
    root = create_keys(tmp_path / "keys", roles=["root"])["root"]
    plain = tidegate_command("keys", "show", "--keys", tmp_path / "keys")
    as_json = tidegate_command("keys", "show", "--keys", tmp_path / "keys", "--json")
    assert (plain.code, as_json.code) == (0, 0)
    for out in (plain.out, as_json.out):
        for key in (signer, root):
            assert key.keyid in out
            assert key.public.keyval.public in out
            assert key.seed().hex() not in out
    assert [(key["file"], key["encrypted"]) for key in json.loads(as_json.out)["keys"]] == [
        ("root.key", False),
        ("targets.key", True),
    ]


def test_show_says_what_each_key_may_sign_in_a_registry(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    create_keys(tmp_path / "other", roles=["targets"])
    (tmp_path / "other" / "targets.key").rename(tmp_path / "keys" / "z.key")
    command = ("keys", "show", "--keys", tmp_path / "keys", "--registry", tmp_path / "registry")
    rows = json.loads(tidegate_command(*command, "--json").out)["keys"]
    assert {row["file"]: row["signs"] for row in rows} == {
        "root.key": ["root"],
        "targets.key": ["targets"],
        "z.key": [],
    }
    assert "nothing" in tidegate_command(*command).out


def test_the_keys_are_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = create_keys(tmp_path / "keys")["root"]
    monkeypatch.setenv("TIDEGATE_KEYS", str(tmp_path / "keys"))
    assert signer.keyid in tidegate_command("keys", "show").out


def test_show_without_keys(tmp_path: Path) -> None:
    code, _, err = tidegate_command("keys", "show", "--keys", tmp_path)
    assert (code, "keys init" in err) == (2, True)


def test_show_refuses_a_file_that_others_may_read(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "root.key").chmod(0o644)
    code, _, err = tidegate_command("keys", "show", "--keys", tmp_path / "keys")
    assert (code, "chmod 600" in err) == (3, True)


# --- as processes on a terminal


def no_secret(secrets: list[str], *runs: OnTerminal) -> None:
    """Hold every run's terminal and all command lines free of secrets."""
    for run in runs:
        for secret in secrets:
            assert secret not in run.shown
            assert secret.encode() not in run.command_lines


def test_on_a_terminal_the_passphrase_is_asked_twice_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, registry = tmp_path / "keys", tmp_path / "registry"
    init = tidegate_on_terminal(
        ["keys", "init", "--keys", keys, "--registry", registry], [(NEW, PASSPHRASE), (AGAIN, PASSPHRASE)]
    )
    assert init.code == 0, init.shown
    show = tidegate_on_terminal(["keys", "show", "--keys", keys, "--registry", registry], [])
    assert show.code == 0, show.shown
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", PASSPHRASE)
    secrets = [PASSPHRASE, *private_halves(keys)]
    no_secret(secrets, init, show)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert stat.S_IMODE(file.stat().st_mode) == (0o600 if file.suffix == ".key" else 0o644)
        for secret in secrets:
            assert secret.encode() not in file.read_bytes()


def test_on_a_terminal_a_short_or_mistyped_passphrase_is_asked_again(tmp_path: Path) -> None:
    run = tidegate_on_terminal(
        ["keys", "init", "--only", "root", "--keys", tmp_path / "keys", "--registry", tmp_path / "registry"],
        [
            (NEW, "short"),
            (AGAIN, "short"),
            (NEW, PASSPHRASE),
            (AGAIN, PASSPHRASE + "!"),
            (NEW, ""),
            (NEW, PASSPHRASE),
            (AGAIN, PASSPHRASE),
        ],
    )
    assert run.code == 0, run.shown
    assert "at least 8 characters" in run.shown
    no_secret([PASSPHRASE], run)


def test_secrets_in_the_environment_are_shown_nowhere(tmp_path: Path) -> None:
    signer = Signer.generate()
    secrets = [PASSPHRASE, signer.seed().hex()]
    environment = {"TIDEGATE_PASSPHRASE": PASSPHRASE, "TIDEGATE_TARGETS_KEY": signer.seed().hex()}
    runs = [
        tidegate_on_terminal(["keys", *command, "--keys", tmp_path / "keys"], [], environment=environment)
        for command in (
            ["init", "--only", "root", "--registry", tmp_path / "r"],
            ["show"],
            ["init"],
            ["show", "--help"],
        )
    ]
    assert [run.code for run in runs] == [0, 0, 1, 0]
    no_secret(secrets, *runs)
    assert PASSPHRASE not in os.environ.values()
