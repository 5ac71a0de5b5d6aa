"""What is asked for beside training."""

import dagster as dg

# By itself: nothing that is signed waits for this page, or fails with it.
report = dg.define_asset_job(
    name="report",
    selection=dg.AssetSelection.assets("evaluation_report"),
    description="Write the page about the models that were trained last, with baseline models fitted beside them.",
)
