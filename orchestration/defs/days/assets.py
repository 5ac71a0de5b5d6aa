"""Flows by day and source, and their features: what is learned from beside published captures."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from flows.catalogue import catalogue_digest
from flows.keying import HomeNetworks
from orchestration.checking import judged
from orchestration.daily import dropped_day, measured_after, production_day, stored_day
from orchestration.defs.days.partitions import AND_THE_DAY_BEFORE, DAY_AND_SOURCE, PRODUCTION
from orchestration.defs.recorded.assets import RECORDED
from orchestration.figures import label_mix
from orchestration.house import OWNERS
from orchestration.kafka import KafkaTopics
from orchestration.resources import AssetStore
from orchestration.retrying import trying_again
from training.data_gates import schema
from training.datasets import Dataset, LabelledFlows

CHECKED = dg.AutomationCondition.all_deps_blocking_checks_passed()
# As soon as what it is made of is there.
WHEN_RECORDED = dg.AutomationCondition.eager() & CHECKED
# As soon as its flows, or those of the day before, are read and have passed their gates. There may be no day before.
WHEN_READ = (
    dg.AutomationCondition.in_latest_time_window()
    & dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
    & CHECKED
)


def _day_and_source(context: dg.AssetExecutionContext) -> tuple[date, str]:
    keys = context.partition_key.keys_by_dimension
    return date.fromisoformat(keys["day"]), keys["source"]


@dg.asset(
    partitions_def=DAY_AND_SOURCE,
    deps=["recorded_flows", "recorded_verdicts", "recorded_feedback"],  # of the same day
    check_specs=[
        dg.AssetCheckSpec(
            "in_schema",
            asset="daily_flows",
            blocking=True,
            description="Every column of the day's flows holds what it may hold, in its unit.",
        )
    ],
    group_name="days",
    kinds={"python", "parquet"},
    owners=OWNERS,
    tags={"part": "flows"},
    code_version="1",
    automation_condition=WHEN_RECORDED,
    description="A day's flows of one source: of production with what analysts said of it, or of dropped captures.",
)
def daily_flows(
    context: dg.AssetExecutionContext, kafka: KafkaTopics, store: AssetStore
) -> Iterator[dg.Output[LabelledFlows] | dg.AssetCheckResult]:
    """Read a day of a source, and look whether it is whole."""
    day, source = _day_and_source(context)
    home = HomeNetworks(kafka.home)
    with trying_again(context):
        if source == PRODUCTION:
            folder = store.path / RECORDED
            labelled = production_day(
                folder, day, flows=kafka.flows, verdicts=kafka.verdicts, feedback=kafka.feedback, home=home
            )
        else:
            labelled = dropped_day(store.drop_path, source, day, home)
    flows = labelled.flows
    yield dg.Output(
        flows,
        metadata={
            "dagster/row_count": len(flows),
            "label_mix": label_mix(flows.truth),
            "told": dict(labelled.told),
        },
    )
    yield judged(flows, schema(flows))


@dg.asset(
    partitions_def=DAY_AND_SOURCE,
    deps=[dg.AssetDep(daily_flows, partition_mapping=AND_THE_DAY_BEFORE)],
    group_name="days",
    kinds={"numba", "parquet"},
    owners=OWNERS,
    tags={"part": "features"},
    code_version=catalogue_digest()[:12],
    automation_condition=WHEN_READ,
)
def daily_features(context: dg.AssetExecutionContext, store: AssetStore) -> Dataset:
    """The 120 features of a day's flows of one source, with the memory that the day before has left."""
    day, source = _day_and_source(context)
    flows, before = stored_day(store, day, source)
    data = measured_after(flows, before)
    context.add_output_metadata(
        {
            "dagster/row_count": len(data),
            "label_mix": label_mix(data.truth),
            "remembers": "nothing" if before is None else f"{len(before)} flows of the day before",
            "catalogue": catalogue_digest(),
        }
    )
    return data
