"""The job that people start, by what they call it."""

import dagster as dg

train = dg.define_asset_job(
    name="train",
    selection=dg.AssetSelection.assets("signed_manifest").upstream(),
    description="Gather flows, measure them, train and test the three models, sign and register them.",
)
