"""The whole life of a registry in an object store: made, filled, listed, changed, collected and served from."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from tests.support.command import Outcome, tidegate_command
from tests.support.registries import files_of, publish_models
from tests.support.serving import Served, Topics, serving_registry


@pytest.fixture
def run(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Outcome]:
    """Point the commands to the registry and the keys."""
    monkeypatch.setenv("TIDEGATE_REGISTRY", s3)
    monkeypatch.setenv("TIDEGATE_KEYS", str(tmp_path / "keys"))
    return Outcome


@pytest.mark.usefixtures("run")
def test_every_command_takes_its_url(s3: str, tmp_path: Path) -> None:
    made = tidegate_command("keys", "init", "--unencrypted")
    assert (made.code, f"{s3}/1.root.json" in made.out) == (0, True)
    assert tidegate_command("keys", "init", "--unencrypted", "--keys", tmp_path / "others").code == 1
    registry = Registry(s3)
    for _ in range(2):
        publish_models(registry, load_signer(tmp_path / "keys", "targets"), now=datetime.now(UTC))
    assert "3 models; manifest version 2" in tidegate_command("registry", "list").out
    assert "A model for tests." in tidegate_command("registry", "show", "ddos_lgbm").out
    assert tidegate_command("registry", "rollback", "ddos_lgbm", "--reason", "test").code == 0
    assert tidegate_command("keys", "rotate", "targets", "--unencrypted").code == 0
    assert tidegate_command("registry", "publish").code == 0
    versions = json.loads(tidegate_command("registry", "history", "--json").out)["versions"]
    assert [row["action"] for row in versions] == ["refresh", "rotate", "rollback", "publish", "publish"]
    assert "ddos_lgbm" in tidegate_command("registry", "diff", 2, 3).out
    gone = json.loads(tidegate_command("registry", "gc", "--keep", 2, "--json").out)
    assert [file["file"] for file in gone["files"]] == [f"history/{version}.json" for version in (1, 2, 3)]
    verified = tidegate_command("registry", "verify")
    assert (verified.code, "history/4.json" in verified.out) == (0, True), verified.out


def test_a_blob_that_is_not_yet_referred_to_is_left_alone(s3: str, tmp_path: Path) -> None:
    source = serving_registry(tmp_path)
    registry = Registry(s3)
    for name, data in files_of(source).items():
        registry.store.put(name, data)
    young = registry.put_blob(b"part of a publication that is under way")
    registry.store.put(young.path, registry.pending[young.path])
    assert not verify_registry(registry).failures
    assert json.loads(tidegate_command("registry", "gc", "--json", "--registry", s3).out)["files"] == []
    assert registry.store.has(young.path)


def test_serving_loads_from_it(s3: str, tmp_path: Path, kafka_bootstrap: str) -> None:
    source = serving_registry(tmp_path)
    registry = Registry(s3)
    for name, data in files_of(source).items():
        registry.store.put(name, data)
    topics = Topics(kafka_bootstrap, create=True)
    with Served(topics.settings(registry, state=tmp_path / "state"), tmp_path / "log") as served:
        served.wait_ready()
        _, models = served.get("/models")
    assert (models["manifest_version"], models["refused"]) == (1, {})
    assert len(models["models"]) == 3
    assert (tmp_path / "state" / "registry-seen.json").exists()


def test_a_server_that_is_gone_is_told_and_waited_for(
    s3: str, tmp_path: Path, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens to what is discarded
    topics = Topics(kafka_bootstrap, create=True)
    with Served(topics.settings(Registry(s3)), tmp_path / "log") as served:
        deadline = time.monotonic() + 60
        reasons = ""
        while s3 not in reasons and time.monotonic() < deadline:
            reasons = str(served.get("/ready")[1]["reasons"])
            time.sleep(0.2)
        assert served.get("/health")[0] == 200
    assert s3 in reasons
    assert "throw-away-secret" not in reasons + (tmp_path / "log").read_text()
