"""Three registered models by clicks alone, seen in a browser; then broken data, and a gate that stops them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from model_registry.registry import Registry
from tests.support import journeys, small_definitions
from tests.support.browser import browser_page
from tests.support.dagster_server import dagster_dev
from tests.support.pipeline import MODELS
from tests.support.registries import files_of

pytestmark = [pytest.mark.real, pytest.mark.long]

PLOT = "ddos: ROC, precision and recall"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dagster")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with dagster_dev(home, small_definitions.__name__) as address:
        yield address


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:  # noqa: ARG001  (nothing is looked at before the server is there)
    with browser_page() as one:
        yield one


def test_from_nothing_to_three_registered_models_by_clicks_and_then_a_gate(page: Page, url: str, home: Path) -> None:
    # A registry and keys, by a click: there is nothing before.
    assert not (home / "registry").exists()
    journeys.make_a_registry(page, url)

    # The graph, and all of it made.
    journeys.materialize_all(page, url)
    journeys.expect_end(page, "Success")
    loaded = Registry(home / "registry").load()
    assert (loaded.version, sorted(loaded.models)) == (1, sorted(MODELS))

    # Green checks.
    for check in ("quality_of_ddos_lgbm", "finds_every_attack"):
        journeys.open_checks(page, url, "trial", check)
        expect(page.get_by_text("Passed", exact=True).first).to_be_visible()

    # A model's metadata: its fingerprint is the registry's, and the trial has its plot.
    page.goto(f"{url}/assets/ddos_lgbm_version")
    champion = loaded.content.champion("ddos_lgbm")
    assert champion is not None
    expect(page.get_by_text(champion.fingerprint).first).to_be_visible()
    journeys.open_plot(page, url, "trial", PLOT)
    picture = page.locator(f'img[alt="{PLOT}"]')
    assert picture.evaluate("image => image.complete && image.naturalWidth > 900")

    # The data break; the gate stops what is below it, and says why.
    before = files_of(Registry(home / "registry"))
    (home / "without-malware").touch()
    journeys.materialize_all(page, url)
    journeys.expect_end(page, "Failure")
    journeys.open_checks(page, url, "training_features", "every_kind_in_every_part")
    expect(page.get_by_text("fewest: 0 malware in training (at least 100)").first).to_be_visible()
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    assert files_of(Registry(home / "registry")) == before

    # Signing alone, by a click, does not get around it.
    journeys.materialize(page, url, "signed_manifest")
    journeys.expect_end(page, "Failure")
    expect(page.get_by_text("nothing is published").first).to_be_visible()
    assert files_of(Registry(home / "registry")) == before
