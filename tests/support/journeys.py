"""What a person does in Dagster's pages, by what stands on them."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, expect

LOCATION: Final = "tests.support.small_definitions"
RUN_MS: Final = 600_000  # a training takes 90 s on an idle machine


def make_a_registry(page: Page, url: str) -> None:
    """Launch the job that makes a registry and keys, and wait for its end."""
    page.goto(f"{url}/locations/{LOCATION}/jobs/new_registry/playground")
    page.get_by_role("button", name="Launch run").first.click()
    page.wait_for_url("**/runs/*")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)


def materialize_all(page: Page, url: str) -> None:
    """Open the graph of the job `train`, have all of it made, and open the page of the run."""
    page.goto(f"{url}/locations/{LOCATION}/jobs/train")
    _launch(page, url, "Materialize all")


def materialize(page: Page, url: str, asset: str) -> None:
    """Open an asset's page, have it made with what is made in the same step, and open the page of the run."""
    page.goto(f"{url}/assets/{asset}")
    _launch(page, url, "Materialize")


def _launch(page: Page, url: str, button: str) -> None:
    page.get_by_role("button", name=button).first.click()
    # It asks first, where what is above was not made yet (days of the site's own), or more is made than was asked for.
    confirm, launched = page.get_by_role("button", name="Confirm"), page.get_by_text("Launched run")
    confirm.or_(launched).first.wait_for()
    if confirm.is_visible():
        confirm.click()
    launched.first.wait_for()
    page.goto(f"{url}/runs")
    page.locator("a[href*='/runs/']").first.click()
    page.wait_for_url("**/runs/*-*")


def expect_end(page: Page, word: str) -> None:
    """Wait on a run's page until it says how it ended."""
    expect(page.get_by_text(word, exact=True).first).to_be_visible(timeout=RUN_MS)


def open_checks(page: Page, url: str, asset: str, check: str) -> None:
    """Open what a check said last."""
    page.goto(f"{url}/assets/{asset}?view=checks")
    page.get_by_text(check, exact=True).first.click()


def open_plot(page: Page, url: str, asset: str, title: str) -> None:
    """Open an asset's page, and the picture of this title in its metadata."""
    page.goto(f"{url}/assets/{asset}")
    row = page.get_by_role("row").filter(has_text=title)
    row.or_(page.locator("tr").filter(has_text=title)).first.get_by_text("[Show Markdown]").click()
    page.locator(f'img[alt="{title}"]').wait_for()


def open_lineage(page: Page, url: str, asset: str) -> None:
    """Open the graph of all that an asset is made of."""
    page.goto(f"{url}/assets/{asset}?view=lineage&lineageScope=upstream&lineageDepth=4")
    page.locator("svg foreignObject").first.wait_for()
