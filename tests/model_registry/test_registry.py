from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flows.errors import TidegateError, UsageError
from model_registry.artifact import artifact_to_bytes
from model_registry.errors import TrustError
from model_registry.files import Folder
from model_registry.keys import Signer, create_keys, load_signer
from model_registry.manifest import MANIFEST, Content
from model_registry.registry import Registry, create_registry
from model_registry.trust import make_root, sign
from model_registry.verify import verify_registry
from tests.support.registries import (
    ENSEMBLE,
    MATH,
    MODELS,
    NOW,
    RULES,
    make_registry,
    publish_models,
    put_model,
    tiny_artifact,
    with_shared_blobs,
)

DAY = timedelta(days=1)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return make_registry(tmp_path)


@pytest.fixture
def signer(registry: Registry) -> Signer:
    return load_signer(registry.path.parent / "keys", "targets")


def files(registry: Registry) -> dict[str, bytes]:
    return {
        str(path.relative_to(registry.path)): path.read_bytes() for path in registry.path.rglob("*") if path.is_file()
    }


def same(content: Content) -> Content:
    return content


# --- loading


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


def test_a_url_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="a registry is a folder"):
        Registry("s3://bucket/registry")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


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
    (_flip, "another SHA-256"),
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


def _published(registry: Registry, signer: Signer, edit: Callable[[Content], Content]) -> Registry:
    registry.publish(edit, signer, run_id="run-2", now=NOW)
    return registry


def test_a_model_of_another_catalogue_is_refused(registry: Registry, signer: Signer) -> None:
    other = put_model(registry, tiny_artifact("ddos_lgbm", catalogue="0" * 64))
    _published(registry, signer, lambda content: content.with_model("ddos_lgbm", other))
    refused = registry.load(now=NOW).refused
    assert "ddos_lgbm reads the feature catalogue 000000000000" in refused["ddos_lgbm"]


def test_a_model_that_scores_differently_is_refused(registry: Registry, signer: Signer) -> None:
    artifact = tiny_artifact("ddos_lgbm")
    scores = artifact.golden_scores.copy()
    scores[0] = np.nextafter(scores[0], 2.0)
    object.__setattr__(artifact, "golden_scores", scores)
    version = put_model(registry, artifact)
    _published(registry, signer, lambda content: content.with_model("ddos_lgbm", version))
    loaded = registry.load(now=NOW)
    assert set(loaded.refused) == {"ddos_lgbm"}
    assert "golden vectors" in loaded.refused["ddos_lgbm"]
    assert loaded.refused["ddos_lgbm"].startswith(version.artifact)


def test_what_is_no_artifact_is_refused(registry: Registry, signer: Signer) -> None:
    version = msgspec.structs.replace(
        put_model(registry, tiny_artifact("ddos_lgbm")), artifact=registry.put_blob(b"not a model").path
    )
    _published(registry, signer, lambda content: content.with_model("ddos_lgbm", version))
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
    _published(registry, signer, lambda content: content.with_model(name, version))
    assert reason in registry.load(now=NOW).refused[name]


def test_expiry(registry: Registry) -> None:
    assert registry.load(now=NOW + 90 * DAY - timedelta(seconds=1)).version == 1
    with pytest.raises(TrustError, match=r"^model_registry.json: expired"):
        registry.load(now=NOW + 90 * DAY)
    with pytest.raises(TrustError, match=r"^1.root.json: expired"):
        registry.load(now=NOW + 365 * DAY)
    assert registry.manifest(now=NOW + 90 * DAY).version == 1  # listing still works, and serving does not


# --- versions seen


def test_an_older_manifest_than_seen_is_refused(registry: Registry, signer: Signer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    old = files(registry)[MANIFEST]
    publish_models(registry, signer)
    assert registry.load(now=NOW, state_dir=state).version == 2
    assert registry.load(now=NOW, state_dir=state).version == 2
    (registry.path / MANIFEST).write_bytes(old)
    with pytest.raises(TrustError, match=r"^model_registry.json: version 1 is older than 2"):
        registry.load(now=NOW, state_dir=state)
    assert registry.load(now=NOW).version == 1  # nothing remembers without a state
    with pytest.raises(TrustError, match="is older than 2"):
        registry.load(now=NOW, min_version=2)


def _rotate(registry: Registry) -> Signer:
    """Put 2.root.json, which gives the targets role to a new key."""
    old_root = load_signer(registry.path.parent / "keys", "root")
    targets = Signer.generate()
    new = make_root(old_root.public, targets.public, version=2, expires=NOW + 365 * DAY)
    (registry.path / "2.root.json").write_bytes(sign(new, old_root))
    return targets


def test_a_rotation_of_the_targets_key_resets_the_versions_seen(registry: Registry, tmp_path: Path) -> None:
    state = tmp_path / "state"
    old_signer = load_signer(tmp_path / "keys", "targets")
    for _ in range(2):
        publish_models(registry, old_signer)
    assert registry.load(now=NOW, state_dir=state).version == 3
    targets = _rotate(registry)
    with pytest.raises(TrustError, match=r"not one of the targets keys of 2\.root\.json"):
        registry.load(now=NOW, state_dir=state)
    (registry.path / MANIFEST).unlink()
    publish_models(registry, targets)
    assert registry.load(now=NOW, state_dir=state).version == 1
    assert not verify_registry(registry, now=NOW, state_dir=state).failures

    # Whoever holds the stolen old key may hide the new root; that is noticed too.
    (registry.path / "2.root.json").unlink()
    publish_after = Registry(registry.path)
    (registry.path / MANIFEST).unlink()
    publish_models(publish_after, old_signer)
    with pytest.raises(TrustError, match=r"2\.root\.json was seen before"):
        registry.load(now=NOW, state_dir=state)


def test_another_registry_than_seen_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.load(now=NOW, state_dir=tmp_path / "state")
    other = make_registry(tmp_path / "other")
    with pytest.raises(TrustError, match=r"another registry's than was seen before.*delete .*registry-seen.json"):
        other.load(now=NOW, state_dir=tmp_path / "state")


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"manifest_version": 1}', b"\xff"])
def test_a_damaged_state_is_not_taken_for_none(registry: Registry, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry-seen.json").write_bytes(content)
    with pytest.raises(TrustError, match=r"registry-seen\.json"):
        registry.load(now=NOW, state_dir=tmp_path)


def test_a_state_that_cannot_be_written_is_an_error(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TidegateError, match="TIDEGATE_STATE"):
        registry.load(now=NOW, state_dir=tmp_path / "file" / "state")


# --- publishing


def test_versions_only_grow(registry: Registry, signer: Signer) -> None:
    assert [publish_models(registry, signer) for _ in range(3)] == [2, 3, 4]
    content = registry.load(now=NOW).content
    assert {name: model.champion for name, model in content.models.items()} == dict.fromkeys(MODELS, 4)
    assert not verify_registry(registry, now=NOW).failures


def test_publishing_at_the_same_time_loses_nothing(registry: Registry, signer: Signer) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda _: publish_models(Registry(registry.path), signer), range(8)))
    assert sorted(versions) == list(range(2, 10))
    assert len(registry.load(now=NOW).content.models["ddos_lgbm"].versions) == 9


def test_an_expired_manifest_can_be_renewed(registry: Registry, signer: Signer) -> None:
    late = NOW + 100 * DAY
    assert registry.publish(same, signer, run_id="renewal", valid_for=DAY, now=late) == 2
    assert registry.load(now=late).expires == late + DAY


def test_a_manifest_that_would_be_expired_is_not_published(registry: Registry, signer: Signer) -> None:
    with pytest.raises(TrustError, match="expired"):
        registry.publish(same, signer, run_id="run-2", valid_for=timedelta(0), now=NOW)


def test_put_blob_writes_nothing_until_a_manifest_accounts_for_it(registry: Registry, signer: Signer) -> None:
    before = files(registry)
    ref = registry.put_blob(b"rules: [new]\n")
    unused = registry.put_blob(b"never referred to")
    assert (ref.path, ref.length) == (f"blobs/{ref.sha256}", 13)
    assert files(registry) == before
    _published(registry, signer, lambda content: content.with_blobs(rules=ref.path))
    assert (registry.path / ref.path).read_bytes() == b"rules: [new]\n"
    assert not (registry.path / unused.path).exists()
    assert registry.load(now=NOW).rules == b"rules: [new]\n"
    assert not verify_registry(registry, now=NOW).failures


def test_blobs_that_a_new_manifest_drops_are_deleted(registry: Registry, signer: Signer) -> None:
    old = registry.manifest(now=NOW).content.rules
    ref = registry.put_blob(b"rules: [new]\n")
    _published(registry, signer, lambda content: content.with_blobs(rules=ref.path))
    assert not (registry.path / old).exists()


@pytest.mark.parametrize("damage", [_flip, Path.unlink])
def test_nothing_is_signed_over_a_blob_that_is_missing_or_changed(
    registry: Registry, signer: Signer, damage: Callable[[Path], object]
) -> None:
    path = registry.manifest(now=NOW).content.models["ddos_lgbm"].versions[1].card
    damage(registry.path / path)
    before = files(registry)
    with pytest.raises(TrustError, match="the model card of ddos_lgbm version 1; nothing was published"):
        registry.publish(same, signer, run_id="run-2", now=NOW)
    assert files(registry) == before


def test_putting_a_changed_blob_again_restores_it(registry: Registry, signer: Signer) -> None:
    path = registry.manifest(now=NOW).content.rules
    _flip(registry.path / path)
    registry.put_blob(RULES)
    _published(registry, signer, same)
    assert registry.load(now=NOW).rules == RULES


def _without_champion_version(content: Content) -> Content:
    model = msgspec.structs.replace(content.models["ddos_lgbm"], champion=7)
    return msgspec.structs.replace(content, models={**content.models, "ddos_lgbm": model})


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda content: content.with_blobs(rules=f"blobs/{'0' * 64}"), "the rules; nothing was published"),
        (lambda content: content.with_blobs(rules="../keys/root.key"), "the content to publish"),
        (
            lambda content: msgspec.structs.replace(content, models={"Bad Name": content.models["ddos_lgbm"]}),
            "to publish",
        ),
        (_without_champion_version, "version 7, which is not there"),
    ],
)
def test_content_that_a_reader_would_refuse_is_not_published(
    registry: Registry, signer: Signer, edit: Callable[[Content], Content], reason: str
) -> None:
    before = files(registry)
    with pytest.raises(TrustError, match=reason):
        registry.publish(edit, signer, run_id="run-2", now=NOW)
    assert files(registry) == before


def test_the_first_publication_must_set_every_shared_blob(tmp_path: Path) -> None:
    keys = create_registry(tmp_path / "registry", tmp_path / "keys", now=NOW)
    registry = Registry(tmp_path / "registry")
    with pytest.raises(TrustError, match="the content to publish"):
        registry.publish(same, keys["targets"], run_id="run-1", now=NOW)
    assert (
        registry.publish(lambda content: with_shared_blobs(registry, content), keys["targets"], run_id="1", now=NOW)
        == 1
    )
    assert registry.load(now=NOW).models == {}


@pytest.mark.parametrize("role", ["root", None])
def test_only_the_targets_key_publishes(registry: Registry, role: str | None) -> None:
    signer = load_signer(registry.path.parent / "keys", "root") if role else Signer.generate()
    before = files(registry)
    with pytest.raises(TrustError, match="not one of the targets keys"):
        registry.publish(same, signer, run_id="run-2", now=NOW)
    assert files(registry) == before


def test_nothing_is_built_upon_a_manifest_that_cannot_be_verified(registry: Registry, signer: Signer) -> None:
    _flip(registry.path / MANIFEST)
    with pytest.raises(TrustError, match=r"^model_registry.json: "):
        registry.publish(same, signer, run_id="run-2", now=NOW)


def test_publishing_where_there_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="keys init"):
        Registry(tmp_path / "nowhere").publish(same, Signer.generate(), run_id="run-1")
    assert list(tmp_path.iterdir()) == []


def test_a_crash_before_the_manifest_leaves_the_old_version_and_is_cleaned_up(
    registry: Registry, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Folder.write

    def crash(folder: Folder, name: str, data: bytes) -> None:
        if name == MANIFEST:
            (folder.path / f".{MANIFEST}.1.tmp").write_bytes(data[:100])
            raise KeyboardInterrupt
        write(folder, name, data)

    monkeypatch.setattr(Folder, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        publish_models(registry, signer, ("new_model",))
    monkeypatch.undo()

    assert registry.load(now=NOW).version == 1
    leftovers = {check.file for check in verify_registry(registry, now=NOW).failures}
    assert f".{MANIFEST}.1.tmp" in leftovers
    assert any(file.startswith("blobs/") for file in leftovers)
    assert publish_models(Registry(registry.path), signer) == 2
    assert not verify_registry(registry, now=NOW).failures


def test_a_blob_that_is_too_long_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_registry.blobs.MAX_BLOB", 10)
    with pytest.raises(TidegateError, match="too many for a blob"):
        registry.put_blob(b"x" * 11)


# --- making a registry


def test_a_new_registry_holds_its_root_and_nothing_else(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    assert [path.name for path in (tmp_path / "registry").iterdir()] == ["1.root.json"]


def test_a_registry_is_not_made_over_another(registry: Registry, tmp_path: Path) -> None:
    before = files(registry)
    with pytest.raises(TidegateError, match="there is a registry already"):
        create_registry(registry.path, tmp_path / "other-keys")
    assert files(registry) == before
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
    code = "import sys, model_registry.registry, model_registry.verify, model_registry.cli; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded.isdisjoint({"rich", "sklearn", "lightgbm", "pandas", "securesystemslib.signer"})
