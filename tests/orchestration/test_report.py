"""The page that Dagster writes about what was trained last."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.definitions import definitions
from tests.support.pages import read_page
from tests.support.pipeline import Workshop


@pytest.mark.long
def test_the_job_stores_a_page_with_baselines_beside_the_models_and_shows_its_curves(workshop: Workshop) -> None:
    definition = definitions(str(workshop.registry.path), str(workshop.keys), str(workshop.store))
    with workshop.instance() as instance:
        done = definition.resolve_job_def("report").execute_in_process(
            instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        )
        (event,) = done.asset_materializations_for_node("evaluation_report")

    page = read_page((workshop.store / "evaluation_report.html").read_text(encoding="utf-8"))
    assert {"ddos_lgbm", "rate of flows in", "random forest, ddos"} <= set(
        page.values["Models of ddos beside baselines"]
    )
    assert set(page.values["Models of malware beside baselines"]) == {"malware_lgbm", "random forest, malware"}
    assert set(page.values["Models of anomaly beside baselines"]) == {"anomaly_iforest", "isolation forest"}
    shown = event.metadata["ddos: ROC, precision and recall"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert shown.md_str is not None
    assert shown.md_str.startswith("![ddos: ROC, precision and recall](data:image/png;base64,")
