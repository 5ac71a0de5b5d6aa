"""Days of sources: production itself, and each folder of captures that are dropped."""

import warnings

import dagster as dg

from orchestration.defs.recorded.partitions import DAYS, SOURCES_NAME
from orchestration.recording.labelling import SOURCE as PRODUCTION

__all__ = ["AND_THE_DAY_BEFORE", "DAYS", "DAY_AND_SOURCE", "PRODUCTION", "SOURCES"]

SOURCES = dg.DynamicPartitionsDefinition(name=SOURCES_NAME)
DAY_AND_SOURCE = dg.MultiPartitionsDefinition({"day": DAYS, "source": SOURCES})

with warnings.catch_warnings():
    # Mappings of two dimensions are "in beta": the version is pinned, and tests hold what they do.
    warnings.simplefilter("ignore", dg.BetaWarning)
    # A backfill reads the flows of both days before it measures the second.
    AND_THE_DAY_BEFORE = dg.MultiPartitionMapping(
        {
            "day": dg.DimensionPartitionMapping(
                "day",
                dg.TimeWindowPartitionMapping(
                    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
                ),
            ),
            "source": dg.DimensionPartitionMapping("source", dg.IdentityPartitionMapping()),
        }
    )
