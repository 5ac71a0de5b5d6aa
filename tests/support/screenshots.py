"""``python -m tests.support.screenshots FOLDER``: the pictures of the documentation, taken anew."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import journeys, small_definitions
from tests.support.browser import browser_page
from tests.support.dagster_server import dagster_dev


def main(folder: Path) -> None:
    """Train once on small traffic, and take a picture of the graph and of a trial's plot."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as home,
        dagster_dev(Path(home), small_definitions.__name__) as url,
        browser_page() as page,
    ):
        journeys.make_a_registry(page, url)
        journeys.materialize_all(page, url)
        journeys.expect_end(page, "Success")
        journeys.open_lineage(page, url, "ddos_lgbm")
        page.wait_for_timeout(3000)  # for the graph to come to rest
        page.screenshot(path=folder / "dagster-graph.png")
        journeys.open_plot(page, url, "trial", "ddos: ROC, precision and recall")
        page.wait_for_timeout(1000)
        page.screenshot(path=folder / "dagster-trial.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
