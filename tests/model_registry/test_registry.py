from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flows.errors import TidegateError, UsageError
from model_registry.artifact import artifact_to_bytes
from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.private_keys.key_files import create_keys
from model_registry.registry import Registry
from model_registry.root import make_root
from model_registry.signatures import sign
from model_registry.verify import verify_registry
from model_registry.writing.creation import create_registry
from model_registry.writing.publishing import publish
from tests.support.registries import (
    ENSEMBLE,
    MATH,
    MODELS,
    NOW,
    RULES,
    files_of,
    flip_a_bit,
    put_model,
    tiny_artifact,
)

DAY = timedelta(days=1)


def test_load_returns_verified_champions_and_what_the_engines_need(registry: Registry) -> None:
    loaded = registry.load(now=NOW)
    assert set(loaded.models) == set(MODELS)
    assert loaded.refused == {}
    assert (loaded.rules, loaded.math, loaded.ensemble) == (RULES, MATH, ENSEMBLE)
    assert loaded.version == 1
    assert loaded.expires == NOW + 90 * DAY
    assert loaded.root_from_registry
    assert {name: artifact.name for name, artifact in loaded.models.items()} == {name: name for name in MODELS}


def test_load_with_a_root_of_ones_own(registry: Registry, tmp_path: Path) -> None:
    pinned = tmp_path / "trusted.json"
    pinned.write_bytes((registry.path / "1.root.json").read_bytes())
    assert not registry.load(root=pinned, now=NOW).root_from_registry
    stranger, _ = Signer.generate(), Signer.generate()
    pinned.write_bytes(
        sign(make_root(stranger.public, stranger.public, version=1, expires=NOW + DAY), stranger),
    )
    with pytest.raises(TrustError, match="not one of the targets keys"):
        registry.load(root=pinned, now=NOW)
    with pytest.raises(TrustError, match=r"nowhere\.json: cannot be read"):
        registry.load(root=tmp_path / "nowhere.json", now=NOW)


def test_a_root_that_is_given_may_be_a_link_as_mounted_files_are(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(registry.path / "1.root.json")
    assert registry.load(root=tmp_path / "link", now=NOW).version == 1


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"1.root.json: missing in .*`tidegate keys init` makes one"):
        Registry(tmp_path / "nowhere").load()


def test_before_the_first_publication(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    with pytest.raises(TrustError, match=r"^model_registry.json: missing"):
        Registry(tmp_path / "registry").load()


def test_a_url_of_another_kind_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="s3://"):
        Registry("ftp://somewhere/registry")


def _replace_by_link(path: Path) -> None:
    target = path.parent.parent.parent / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (flip_a_bit, "another SHA-256"),
    (Path.unlink, "missing"),
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, and"),
    (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "longer than"),
    (lambda path: path.write_bytes(b""), "has 0 bytes"),
    (_replace_by_link, "symbolic link"),
    (_replace_by_folder, "plain file"),
    (_replace_by_pipe, "not a plain file"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGE)
def test_a_damaged_artifact_refuses_that_model_alone(
    registry: Registry, damage: Callable[[Path], object], reason: str
) -> None:
    champion = registry.manifest(now=NOW).content.champion("ddos_lgbm")
    assert champion is not None
    damage(registry.path / champion.artifact)
    loaded = registry.load(now=NOW)
    assert set(loaded.models) == {"anomaly_iforest", "malware_lgbm"}
    assert set(loaded.refused) == {"ddos_lgbm"}
    assert loaded.refused["ddos_lgbm"].startswith(f"{champion.artifact}: ")
    assert reason in loaded.refused["ddos_lgbm"]


@pytest.mark.parametrize("blob", ["rules", "math", "ensemble"])
@pytest.mark.parametrize(("damage", "reason"), DAMAGE)
def test_damaged_rules_math_or_ensemble_stop_everything(
    registry: Registry, blob: str, damage: Callable[[Path], object], reason: str
) -> None:
    path = getattr(registry.manifest(now=NOW).content, blob)
    damage(registry.path / path)
    with pytest.raises(TrustError, match=reason) as caught:
        registry.load(now=NOW)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_linked_blobs_folder_is_not_followed(registry: Registry, tmp_path: Path) -> None:
    (registry.path / "blobs").rename(tmp_path / "elsewhere")
    (registry.path / "blobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError, match="cannot be read as a plain file"):
        registry.load(now=NOW)


def test_the_registry_folder_itself_may_be_a_link(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(registry.path)
    assert Registry(tmp_path / "link").load(now=NOW).version == 1
    assert not verify_registry(Registry(tmp_path / "link"), now=NOW).failures


def test_a_model_of_another_catalogue_is_refused(registry: Registry, signer: Signer) -> None:
    other = put_model(registry, tiny_artifact("ddos_lgbm", catalogue="0" * 64))
    publish(registry, lambda content: content.with_model("ddos_lgbm", other), signer, run_id="run-2", now=NOW)
    refused = registry.load(now=NOW).refused
    assert "ddos_lgbm reads the feature catalogue 000000000000" in refused["ddos_lgbm"]


def test_a_model_that_scores_differently_is_refused(registry: Registry, signer: Signer) -> None:
    artifact = tiny_artifact("ddos_lgbm")
    scores = artifact.golden_scores.copy()
    scores[0] = np.nextafter(scores[0], 2.0)
    object.__setattr__(artifact, "golden_scores", scores)
    version = put_model(registry, artifact)
    publish(registry, lambda content: content.with_model("ddos_lgbm", version), signer, run_id="run-2", now=NOW)
    loaded = registry.load(now=NOW)
    assert set(loaded.refused) == {"ddos_lgbm"}
    assert "golden vectors" in loaded.refused["ddos_lgbm"]
    assert loaded.refused["ddos_lgbm"].startswith(version.artifact)


def test_what_is_no_artifact_is_refused(registry: Registry, signer: Signer) -> None:
    version = msgspec.structs.replace(
        put_model(registry, tiny_artifact("ddos_lgbm")), artifact=registry.put_blob(b"not a model").path
    )
    publish(registry, lambda content: content.with_model("ddos_lgbm", version), signer, run_id="run-2", now=NOW)
    assert set(registry.load(now=NOW).refused) == {"ddos_lgbm"}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("ddos_lgbm", {"threshold": "0.76"}, "its threshold is 0.75, but the manifest says 0.76 for ddos_lgbm"),
        ("another", {}, "its name is ddos_lgbm, but the manifest says another"),
    ],
)
def test_an_artifact_that_contradicts_the_manifest_is_refused(
    registry: Registry, signer: Signer, name: str, change: dict[str, str], reason: str
) -> None:
    version = msgspec.structs.replace(put_model(registry, tiny_artifact("ddos_lgbm")), **change)
    publish(registry, lambda content: content.with_model(name, version), signer, run_id="run-2", now=NOW)
    assert reason in registry.load(now=NOW).refused[name]


def test_expiry(registry: Registry) -> None:
    assert registry.load(now=NOW + 90 * DAY - timedelta(seconds=1)).version == 1
    with pytest.raises(TrustError, match=r"^model_registry.json: expired"):
        registry.load(now=NOW + 90 * DAY)
    with pytest.raises(TrustError, match=r"^1.root.json: expired"):
        registry.load(now=NOW + 365 * DAY)
    assert registry.manifest(now=NOW + 90 * DAY).version == 1  # listing still works, and serving does not


# --- making a registry


def test_a_new_registry_holds_its_root_and_nothing_else(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    assert [path.name for path in (tmp_path / "registry").iterdir()] == ["1.root.json"]


def test_a_registry_is_not_made_over_another(registry: Registry, tmp_path: Path) -> None:
    before = files_of(registry)
    with pytest.raises(TidegateError, match="there is a registry already"):
        create_registry(registry.path, tmp_path / "other-keys")
    assert files_of(registry) == before
    assert not (tmp_path / "other-keys").exists()


def test_a_registry_is_not_made_with_keys_that_are_there(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    with pytest.raises(TidegateError, match="not overwritten"):
        create_registry(tmp_path / "registry", tmp_path / "keys")
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize("inside", ["registry", "registry/keys", "registry/../registry/keys"])
def test_keys_do_not_belong_into_the_registry(tmp_path: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="private keys do not belong into the registry"):
        create_registry(tmp_path / "registry", tmp_path / inside)
    assert list(tmp_path.iterdir()) == []


def test_artifacts_of_the_same_model_are_the_same_blob(registry: Registry) -> None:
    data = artifact_to_bytes(tiny_artifact("ddos_lgbm"))
    assert registry.put_blob(data) == registry.put_blob(bytes(data))


def test_importing_the_registry_stays_light() -> None:
    code = "import sys, model_registry.verify, model_registry.commands.registry; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded.isdisjoint({"rich", "sklearn", "lightgbm", "pandas", "securesystemslib.signer"})
