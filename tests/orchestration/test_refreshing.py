"""The manifest is signed again before it expires: the same content, from the registry alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from model_registry.content import Content
from model_registry.errors import TrustError
from model_registry.private_keys.key_files import load_signer
from model_registry.shapes import parse_time
from model_registry.writing.publishing import publish
from orchestration.defs.release.refreshing import Refreshing, refreshed_manifest
from orchestration.resources import ModelRegistry, SigningKey
from tests.support.pipeline import Workshop
from tests.support.registries import files_of


def refresh(workshop: Workshop, days_left: int = 30) -> dict[str, Any]:
    """Materialize the asset alone; no asset store is there to be read."""
    done = dg.materialize(
        [refreshed_manifest],
        resources={
            "registry": ModelRegistry(location=str(workshop.registry.path), keys_folder=str(workshop.keys)),
            "signing": SigningKey(folder=str(workshop.keys)),
        },
        run_config=dg.RunConfig({"refreshed_manifest": Refreshing(days_left=days_left)}),
    )
    (made,) = done.asset_materializations_for_node("refreshed_manifest")
    return {name: entry.value for name, entry in made.metadata.items()}


def nearly_expired(workshop: Workshop, left: timedelta) -> None:
    def same(content: Content) -> Content:
        return content

    root = workshop.registry.trusted_roots().root
    signer = load_signer(workshop.keys, "targets", root.role("targets").keyids)
    publish(workshop.registry, same, signer, run_id="test", valid_for=left)


def test_while_there_is_time_nothing_is_done(workshop: Workshop) -> None:
    before = files_of(workshop.registry)

    told = refresh(workshop)

    assert (told["refreshed"], told["manifest_version"], told["days_left"]) == (False, 1, 89)
    assert files_of(workshop.registry) == before


def test_when_time_runs_out_the_same_content_is_signed_again(workshop: Workshop) -> None:
    nearly_expired(workshop, timedelta(days=29))
    shutil.rmtree(workshop.store)
    before = workshop.registry.manifest()

    told = refresh(workshop)

    after = workshop.registry.manifest()
    assert (told["refreshed"], told["manifest_version"], told["in_force"]) == (True, 3, True)
    assert after.version == 3
    assert after.content == before.content
    assert (after.action, after.reason) == ("refresh", "28 days were left")
    assert parse_time(after.expires, "") > datetime.now(UTC) + timedelta(days=89)
    workshop.registry.load()


def test_a_manifest_that_has_expired_is_signed_again(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now(UTC) + timedelta(days=100)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # the test's clock is a plain datetime
            return later.astimezone(tz)

    monkeypatch.setattr("orchestration.defs.release.refreshing.datetime", Clock)

    assert refresh(workshop)["refreshed"]


def test_what_cannot_be_trusted_is_not_signed_again(workshop: Workshop) -> None:
    manifest = workshop.registry.path / "model_registry.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"version": 1', b'"version": 8'))
    before = files_of(workshop.registry)

    with pytest.raises(TrustError, match="bad-signature"):
        refresh(workshop, days_left=90)

    assert files_of(workshop.registry) == before
