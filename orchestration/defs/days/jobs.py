"""A day of a source, from files to features."""

import dagster as dg

read_day = dg.define_asset_job(
    name="read_day",
    selection=dg.AssetSelection.groups("days"),
    description="Read a day's flows of one source and measure them.",
)
