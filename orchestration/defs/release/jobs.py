"""The jobs that people and schedules start, by what they call them."""

import dagster as dg

train = dg.define_asset_job(
    name="train",
    selection=dg.AssetSelection.groups("release").upstream() - dg.AssetSelection.groups("days", "recorded"),
    description="Gather flows, measure them, train and test the three models, sign and register them.",
)

refresh_manifest = dg.define_asset_job(
    name="refresh_manifest",
    selection=dg.AssetSelection.assets("refreshed_manifest"),
    description="Sign the manifest in force again if it is about to expire.",
)
