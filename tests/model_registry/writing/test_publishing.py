from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from flows.errors import TidegateError
from model_registry.content import Content
from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.creation import create_registry
from model_registry.writing.publishing import publish
from tests.support.registries import (
    MODELS,
    NOW,
    RULES,
    files_of,
    flip_a_bit,
    publish_models,
    same,
    with_shared_blobs,
)

DAY = timedelta(days=1)


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
    assert publish(registry, same, signer, run_id="renewal", valid_for=DAY, now=late).version == 2
    assert registry.load(now=late).expires == late + DAY


def test_a_manifest_that_would_be_expired_is_not_published(registry: Registry, signer: Signer) -> None:
    with pytest.raises(TrustError, match="expired"):
        publish(registry, same, signer, run_id="run-2", valid_for=timedelta(0), now=NOW)


def test_put_blob_writes_nothing_until_a_manifest_accounts_for_it(registry: Registry, signer: Signer) -> None:
    before = files_of(registry)
    ref = registry.put_blob(b"rules: [new]\n")
    unused = registry.put_blob(b"never referred to")
    assert (ref.path, ref.length) == (f"blobs/{ref.sha256}", 13)
    assert files_of(registry) == before
    publish(registry, lambda content: content.with_blobs(rules=ref.path), signer, run_id="run-2", now=NOW)
    assert (registry.path / ref.path).read_bytes() == b"rules: [new]\n"
    assert not (registry.path / unused.path).exists()
    assert registry.load(now=NOW).rules == b"rules: [new]\n"
    assert not verify_registry(registry, now=NOW).failures


def test_blobs_that_a_new_manifest_drops_are_kept_for_those_who_read_the_one_before(
    registry: Registry, signer: Signer
) -> None:
    old = registry.manifest(now=NOW).content.rules
    ref = registry.put_blob(b"rules: [new]\n")
    publish(registry, lambda content: content.with_blobs(rules=ref.path), signer, run_id="run-2", now=NOW)
    assert (registry.path / old).read_bytes() == RULES
    assert not verify_registry(registry, now=NOW).failures


@pytest.mark.parametrize("damage", [flip_a_bit, Path.unlink])
@pytest.mark.parametrize("part", ["artifact of ddos_lgbm version 1", "the rules"])
def test_nothing_is_signed_over_a_blob_in_use_that_is_missing_or_changed(
    registry: Registry, signer: Signer, damage: Callable[[Path], object], part: str
) -> None:
    references = registry.manifest(now=NOW).content.references()
    (path,) = (path for path, what in references.items() if part in what)
    damage(registry.path / path)
    before = files_of(registry)
    with pytest.raises(TrustError, match=f"{part}; nothing was published"):
        publish(registry, same, signer, run_id="run-2", now=NOW)
    assert files_of(registry) == before


def test_putting_a_changed_blob_again_restores_it(registry: Registry, signer: Signer) -> None:
    path = registry.manifest(now=NOW).content.rules
    flip_a_bit(registry.path / path)
    registry.put_blob(RULES)
    publish(registry, same, signer, run_id="run-2", now=NOW)
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
    before = files_of(registry)
    with pytest.raises(TrustError, match=reason):
        publish(registry, edit, signer, run_id="run-2", now=NOW)
    assert files_of(registry) == before


def test_the_first_publication_must_set_every_shared_blob(tmp_path: Path) -> None:
    keys = create_registry(tmp_path / "registry", tmp_path / "keys", now=NOW)
    registry = Registry(tmp_path / "registry")
    with pytest.raises(TrustError, match="the content to publish"):
        publish(registry, same, keys["targets"], run_id="run-1", now=NOW)
    published = publish(
        registry, lambda content: with_shared_blobs(registry, content), keys["targets"], run_id="1", now=NOW
    )
    assert (published.version, published.in_force) == (1, True)
    assert registry.load(now=NOW).models == {}


@pytest.mark.parametrize("role", ["root", None])
def test_only_the_targets_key_publishes(registry: Registry, role: str | None) -> None:
    signer = load_signer(registry.path.parent / "keys", "root") if role else Signer.generate()
    before = files_of(registry)
    with pytest.raises(TrustError, match="not one of the targets keys"):
        publish(registry, same, signer, run_id="run-2", now=NOW)
    assert files_of(registry) == before


def test_nothing_is_built_upon_a_manifest_that_cannot_be_verified(registry: Registry, signer: Signer) -> None:
    flip_a_bit(registry.path / MANIFEST)
    with pytest.raises(TrustError, match=r"^model_registry.json: "):
        publish(registry, same, signer, run_id="run-2", now=NOW)


def test_publishing_where_there_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="keys init"):
        publish(Registry(tmp_path / "nowhere"), same, Signer.generate(), run_id="run-1")
    assert list(tmp_path.iterdir()) == []


def test_a_blob_that_is_too_long_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_registry.blobs.MAX_BLOB", 10)
    with pytest.raises(TidegateError, match="too many for a blob"):
        registry.put_blob(b"x" * 11)
