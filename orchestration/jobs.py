"""The jobs, by what people call them."""

import dagster as dg

train = dg.define_asset_job(
    name="train",
    selection=dg.AssetSelection.all(),
    description="Draw traffic, measure it, train and test the three models, sign and register them.",
    # One process: a fresh one per step would spend more time importing than training.
    executor_def=dg.in_process_executor,
)
