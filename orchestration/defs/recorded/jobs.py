"""A day of production's topics."""

import dagster as dg

record_day = dg.define_asset_job(
    name="record_day",
    selection=dg.AssetSelection.groups("recorded"),
    description="Read a day of flows, verdicts, alerts and feedback from Kafka, each record once.",
)
