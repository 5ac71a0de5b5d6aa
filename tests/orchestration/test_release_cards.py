"""What a release says of its models: in the manifest, in the card's blob, and in Dagster's pages the same."""

from __future__ import annotations

from decimal import Decimal

import dagster as dg
import pytest

from model_registry.content import ModelVersion
from orchestration.headless import RELEASE
from orchestration.trial import trial_from_json
from tests.support.dagster_server import ask, webserver
from tests.support.pipeline import Workshop

MODELS = ("ddos_lgbm", "malware_lgbm", "anomaly_iforest")


def published(workshop: Workshop, name: str) -> tuple[ModelVersion, str]:
    """A model's version in the manifest, and its card."""
    manifest = workshop.registry.manifest()
    version = manifest.content.champion(name)
    assert version is not None
    return version, workshop.registry.target(manifest, version.card).decode()


@pytest.mark.parametrize("name", MODELS)
def test_figures_and_their_intervals_are_those_of_the_trial(trained: Workshop, name: str) -> None:
    version, card = published(trained, name)
    measures = trial_from_json((trained.store / "trial.json").read_bytes()).evaluation.models[name]

    assert measures.intervals is not None
    assert {figure: float(text) for figure, text in version.metrics.items()} == measures.figures()
    for figure in ("recall", "fpr", "precision", "roc_auc", "pr_auc"):
        low, high = (version.metrics[f"{figure}_{end}95"] for end in ("low", "high"))
        assert Decimal(low) <= Decimal(version.metrics[figure]) <= Decimal(high)
        assert f"| {float(version.metrics[figure]):.5f} | {float(low):.5f} to {float(high):.5f} |" in card


@pytest.mark.parametrize("name", MODELS)
def test_a_card_is_of_the_data_and_the_gates_of_its_release(trained: Workshop, name: str) -> None:
    version, card = published(trained, name)

    assert card.startswith(f"# {name}\n")
    assert f"`{version.data.sha256}`" in card
    assert "| train | 1 |" in card
    words = " ".join(card.split())
    assert version.gates
    for gate, result in version.gates.items():
        assert f"`{gate}`: passed: {result.detail[:30]}" in words


def test_dagster_has_the_cards_beside_the_release(trained: Workshop) -> None:
    with trained.instance() as instance:
        event = instance.get_latest_materialization_event(RELEASE)
    assert event is not None
    assert event.asset_materialization is not None
    for name in MODELS:
        entry = event.asset_materialization.metadata[f"{name}_card"]
        assert isinstance(entry, dg.MarkdownMetadataValue)
        assert entry.value == published(trained, name)[1]


@pytest.mark.real
@pytest.mark.long
def test_the_web_server_shows_the_cards_as_markdown(workshop: Workshop) -> None:
    with webserver(workshop.home) as url:
        data = ask(
            url,
            '{ assetOrError(assetKey: {path: ["signed_manifest"]}) { ... on Asset { assetMaterializations(limit: 1) '
            "{ metadataEntries { label ... on MarkdownMetadataEntry { mdStr } } } } } }",
        )
    (release,) = data["assetOrError"]["assetMaterializations"]
    shown = {entry["label"]: entry["mdStr"] for entry in release["metadataEntries"] if "mdStr" in entry}
    assert shown == {f"{name}_card": published(workshop, name)[1] for name in MODELS}
