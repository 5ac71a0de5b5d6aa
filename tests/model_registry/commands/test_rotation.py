from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from model_registry.keys import Signer
from model_registry.private_keys.key_files import create_keys
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from tests.support.command import Outcome, tidegate_command
from tests.support.registries import files_of

Command = Callable[..., Outcome]


@pytest.fixture
def rotate(registry: Registry, tmp_path: Path) -> Command:
    def command(*arguments: object, keys: str = "keys") -> Outcome:
        return tidegate_command("keys", "rotate", *arguments, "--registry", registry.path, "--keys", tmp_path / keys)

    return command


def publish(registry: Registry, keys: Path) -> Outcome:
    return tidegate_command("registry", "publish", "--registry", registry.path, "--keys", keys)


@pytest.mark.parametrize("roles", [["targets"], ["root"], ["root", "targets"]])
def test_new_keys_of_ones_own(rotate: Command, registry: Registry, tmp_path: Path, roles: list[str]) -> None:
    code, out, _ = rotate(*roles, "--unencrypted")
    assert (code, "In force now: root version 2" in out) == (0, True)
    new = sorted(path for path in (tmp_path / "keys").glob("*-*.key"))
    assert [path.name.split("-")[0] for path in new] == sorted(roles)
    assert {stat.S_IMODE(path.stat().st_mode) for path in new} == {0o600}
    assert all(path.with_suffix(".pub").exists() for path in new)
    assert publish(registry, tmp_path / "keys").code == 0
    assert rotate(*roles, "--unencrypted").code == 0
    assert not verify_registry(registry).failures


def test_new_keys_are_encrypted_unless_told_otherwise(
    rotate: Command, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = rotate("targets")
    assert (code, "TIDEGATE_PASSPHRASE" in err) == (2, True)
    monkeypatch.setenv("TIDEGATE_PASSPHRASE", "correct horse battery")
    assert rotate("targets").code == 0
    (file,) = (tmp_path / "keys").glob("targets-*.key")
    assert json.loads(file.read_bytes())["encryption"]["kdf"] == "argon2id"
    assert publish(registry, tmp_path / "keys").code == 0


def test_somebody_joins_and_two_must_sign(rotate: Command, registry: Registry, tmp_path: Path) -> None:
    bob = create_keys(tmp_path / "bob", roles=["targets"], holder="Bob")["targets"]
    code, out, _ = rotate("--add", f"targets={tmp_path / 'bob' / 'targets.pub'}")
    assert (code, "In force now: root version 2" in out) == (0, True)
    assert registry.trusted_roots().root.holders[bob.keyid] == "Bob"
    assert rotate("--threshold", "targets=2").code == 0  # the manifest waits for Bob, and the root for the manifest
    assert registry.trusted_roots().root.version == 2
    listed = json.loads(tidegate_command("registry", "list", "--registry", registry.path, "--json").out)
    assert {proposal["what"] for proposal in listed["proposals"]} == {"root version 3", "manifest version 2"}
    # The root has all its signatures, so there is one proposal to sign.
    signed = tidegate_command("registry", "sign", "--yes", "--registry", registry.path, "--keys", tmp_path / "bob")
    assert (signed.code, "In force now: root version 3, manifest version 2" in signed.out) == (0, True)
    assert not verify_registry(registry).failures
    assert "Version 3 is proposed" in publish(registry, tmp_path / "keys").out


def test_somebody_leaves(rotate: Command, registry: Registry, tmp_path: Path) -> None:
    bob = create_keys(tmp_path / "bob", roles=["targets"])["targets"]
    rotate("--add", f"targets={bob.public.keyval.public}")
    code, _, _ = rotate("--remove", f"targets={bob.keyid[:8]}", "--reason", "has left")
    assert code == 0
    assert registry.trusted_roots().root.roles.targets.keyids.count(bob.keyid) == 0
    assert publish(registry, tmp_path / "bob").code == 3


def test_the_root_is_renewed(rotate: Command, registry: Registry) -> None:
    before = registry.trusted_roots().root
    document = json.loads(rotate("--renew", "--days", 500, "--json").out)
    assert document == {"root_version": 2, "in_force": ["root version 2"], "proposals": [], "new_keys": []}
    after = registry.trusted_roots().root
    assert after.expires > before.expires
    assert (after.keys, after.roles) == (before.keys, before.roles)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "say what to rotate"),
        (("--add", "targets"), "give it as ROLE=FILE"),
        (("--add", "snapshot=abc"), "ROLE is one of: root, targets"),
        (("--remove", "targets=zz"), "0 of the targets keys begin so"),
        (("--threshold", "targets=x"), "a threshold is a whole number"),
        (("--threshold", "targets=2"), "would ask for 2 of 1 keys"),
        (("targets", "--restore", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage_changes_nothing(
    rotate: Command, registry: Registry, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    before, keys = files_of(registry), sorted((tmp_path / "keys").iterdir())
    code, _, err = rotate(*arguments, "--unencrypted")
    assert (code, reason in err) == (2, True), err
    assert {name: data for name, data in files_of(registry).items() if name != ".lock"} == {
        name: data for name, data in before.items() if name != ".lock"
    }
    assert sorted((tmp_path / "keys").iterdir()) == keys


def test_without_the_root_key_nothing_is_rotated(rotate: Command, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "keys" / "root.key").unlink()
    code, _, err = rotate("targets", "--unencrypted")
    assert (code, "root" in err) == (3, True)
    assert registry.trusted_roots().root.version == 1


def test_after_a_theft_the_history_comes_back(rotate: Command, registry: Registry, signer: Signer) -> None:
    history = tidegate_command("registry", "history", "--json", "--registry", registry.path)
    digest = json.loads(history.out)["versions"][0]["sha256"]
    (registry.path / "model_registry.json").write_bytes(b"the thief was here")
    code, _, err = rotate("targets", "--restore", 1, "--unencrypted")
    assert (code, f"SHA-256 {digest}" in err, "give its digest by --sha256" in err) == (2, True, True)
    code, _, err = rotate("targets", "--restore", 1, "--sha256", "0" * 64, "--unencrypted")
    assert (code, "not that of the one to go back to" in err) == (3, True)
    options = ("--restore", 1, "--sha256", digest, "--unencrypted", "--reason", "stolen laptop")
    code, out, _ = rotate("targets", *options)
    assert (code, "In force now: root version 2, manifest version 2" in out) == (0, True)
    manifest = registry.manifest()
    assert (manifest.action, manifest.reason) == ("restore", "stolen laptop")
    assert signer.keyid not in registry.trusted_roots().root.keys
    assert not verify_registry(registry).failures
