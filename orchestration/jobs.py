"""The jobs, by what people call them."""

import dagster as dg

REPORT = dg.AssetSelection.assets("evaluation_report")

train = dg.define_asset_job(
    name="train",
    selection=dg.AssetSelection.all() - REPORT,
    description="Draw traffic, measure it, train and test the three models, sign and register them.",
    # One process: a fresh one per step would spend more time importing than training.
    executor_def=dg.in_process_executor,
)

# By itself: nothing that is signed waits for plots, or fails with them.
report = dg.define_asset_job(
    name="report",
    selection=REPORT,
    description="Write the page about the models that were trained last, with baseline models fitted beside them.",
    executor_def=dg.in_process_executor,
)
