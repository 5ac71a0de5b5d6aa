"""Flows by day and source: a week is backfilled, and its features are those of one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from detection.verdict import Kind
from flows.features import FeatureExtractor
from orchestration.daily import dropped_day, latest_days
from orchestration.definitions import definitions
from orchestration.defs.data.checks import days_are_recent, days_as_recorded
from orchestration.defs.days import assets
from orchestration.defs.recorded.assets import RECORDED, host_is_kept
from orchestration.resources import AssetStore
from tests.support.pipeline import QUIET
from tests.support.recorded import FEEDBACK, FLOWS, VERDICTS, days_of, flow, numbered, verdict, word, write_day
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, measured

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
WEEK = days_of(YESTERDAY - timedelta(days=6), 7)


def start_of(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        one.add_dynamic_partitions("source", ["lab", "production"])
        yield one


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AssetStore:
    monkeypatch.setenv("TIDEGATE_DROP", str(tmp_path / "drop"))
    return AssetStore(folder=str(tmp_path / "store"), drop=str(tmp_path / "drop"))


def drop(store: AssetStore, day: date, flows: int = 60, label: str = "Benign") -> None:
    """A capture of the last minutes of a day and the first of it, so that midnight is no pause."""
    lines = []
    for number in range(flows):
        start = start_of(day) + (number if number < flows // 2 else 86_400 - flows + number)
        document = json.loads(flow(number, start=start, destination=f"192.0.2.{number % 5}").value or b"")
        lines.append(json.dumps({**document, "label": label}))
    path = store.drop_path / "lab" / f"{day}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def read(store: AssetStore, instance: dg.DagsterInstance, day: date, source: str = "lab", **more: Any) -> Any:
    """Run the job `read_day` for one partition, as the UI, a sensor or a backfill does."""
    definition = definitions("registry", "keys", store.folder)
    job = definition.resolve_job_def("read_day")
    if more:
        job = job.get_subset(asset_selection={dg.AssetKey(name) for name in more.pop("assets")})
    partition = dg.MultiPartitionKey({"day": str(day), "source": source})
    return job.execute_in_process(
        instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=more.get("raises", True)
    )


def flows_of(store: AssetStore, day: date, source: str = "lab") -> LabelledFlows:
    return LabelledFlows.read(store.day_of("daily_flows", day, source))


def features_of(store: AssetStore, day: date, source: str = "lab") -> Dataset:
    return Dataset.read(store.day_of("daily_features", day, source))


def test_a_week_is_backfilled_and_midnight_shows_in_no_feature(store: AssetStore, instance: dg.DagsterInstance) -> None:
    for day in WEEK:
        drop(store, day)
    for day in WEEK:
        read(store, instance, day, assets=["daily_flows"])
    for day in reversed(WEEK):  # whatever the order, flows are there first
        read(store, instance, day, assets=["daily_features"])

    for before, day in pairwise(WEEK):
        both = FeatureExtractor()
        both.extract(flows_of(store, before).batch)
        assert features_of(store, day).features.tobytes() == both.extract(flows_of(store, day).batch).tobytes()
    alone = FeatureExtractor().extract(flows_of(store, WEEK[1]).batch)
    assert features_of(store, WEEK[1]).features.tobytes() != alone.tobytes()


def test_a_backfill_waits_for_the_flows_of_both_days(instance: dg.DagsterInstance) -> None:
    graph = definitions("registry", "keys", "store").resolve_asset_graph()
    node = graph.get(dg.AssetKey("daily_features"))
    mapping = node.partition_mappings[dg.AssetKey("daily_flows")]
    flows = graph.get(dg.AssetKey("daily_flows")).partitions_def
    assert flows is not None
    assert node.partitions_def is not None
    partition = dg.MultiPartitionKey({"day": str(WEEK[3]), "source": "lab"})
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        subset = node.partitions_def.subset_with_partition_keys([partition])
        above = mapping.get_upstream_mapped_partitions_result_for_partitions(
            subset, node.partitions_def, flows, current_time=datetime.now(UTC), dynamic_partitions_store=instance
        )

    assert sorted(above.partitions_subset.get_partition_keys()) == [f"{WEEK[2]}|lab", f"{WEEK[3]}|lab"]


def test_a_day_of_production_has_the_truth_that_analysts_told(store: AssetStore, instance: dg.DagsterInstance) -> None:
    folder = store.path / RECORDED
    write_day(folder, FLOWS, YESTERDAY, [flow(number, start=start_of(YESTERDAY) + number) for number in range(9)])
    write_day(folder, VERDICTS, YESTERDAY, numbered([verdict(3, alert="A"), verdict(4, alert="A")]))
    write_day(folder, FEEDBACK, YESTERDAY, numbered([word("A", "malware"), word(f"{FLOWS}/0/1/7", "benign")]))

    result = read(store, instance, YESTERDAY, "production")

    truth = [NO_TRUTH, Kind.BENIGN, NO_TRUTH, Kind.MALWARE, Kind.MALWARE, *[NO_TRUTH] * 4]
    assert features_of(store, YESTERDAY, "production").truth.tolist() == truth
    (made,) = result.asset_materializations_for_node("daily_flows")
    assert made.metadata["told"].value == {
        "flows": 9,
        "no flow": 0,
        "malware": 2,
        "benign": 1,
        "words that are none": 0,
    }


@pytest.mark.parametrize(("source", "said"), [("lab", "no file there begins with"), ("production", "is not there")])
def test_a_day_that_nobody_has_says_where_it_was_looked_for(
    store: AssetStore, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.setattr("orchestration.retrying.FIRST_WAIT_S", 0.0)
    result = read(store, instance, YESTERDAY, source, assets=["daily_flows"], raises=False)

    assert not result.success
    told = [str(event.step_failure_data.error) for event in result.get_step_failure_events()]
    assert said in told[-1]


def test_flows_out_of_their_units_stop_the_day(
    store: AssetStore, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(store, YESTERDAY)

    real = dropped_day

    def broken(*arguments: Any) -> Any:
        labelled = real(*arguments)
        labelled.flows.batch.src_bytes[0] = -5.0
        return labelled

    monkeypatch.setattr(assets, "dropped_day", broken)
    result = read(store, instance, YESTERDAY, assets=["daily_flows", "daily_features"], raises=False)

    assert not result.success
    assert not store.day_of("daily_features", YESTERDAY, "lab").exists()


def test_the_latest_days_with_a_label_are_learned_from(store: AssetStore, instance: dg.DagsterInstance) -> None:
    for day in WEEK[:4]:
        drop(store, day, label="" if day == WEEK[2] else "Benign")
        read(store, instance, day)

    names = [data.origin.names for data in latest_days(store, 2)]

    assert names == [(f"lab {WEEK[1]}",), (f"lab {WEEK[3]}",)]
    assert latest_days(store, 0) == []


def learned(store: AssetStore, days: int, share: float = 1.0) -> tuple[LabelledFlows, Dataset]:
    """A base capture, and the days as training puts them behind it."""
    base = flows_of(store, WEEK[0])
    return base, Dataset.concatenate([measured(base), *latest_days(store, days, share)])


def outcome(check: Any, *values: Any) -> tuple[bool, str]:
    result = check(*values)
    return result.passed, str(result.description)


def test_days_that_are_as_they_were_recorded_pass(store: AssetStore, instance: dg.DagsterInstance) -> None:
    for day in WEEK[:2]:
        drop(store, day)
        read(store, instance, day)
    base, data = learned(store, 2)

    assert outcome(days_as_recorded, store, base, data) == (True, "2 days measured again equal")


def test_a_day_that_has_changed_since_does_not_pass(store: AssetStore, instance: dg.DagsterInstance) -> None:
    for day in WEEK[:2]:
        drop(store, day)
        read(store, instance, day)
    base, data = learned(store, 2)
    drop(store, WEEK[1], label="Benign", flows=50)
    read(store, instance, WEEK[1], assets=["daily_flows"])

    passed, detail = outcome(days_as_recorded, store, base, data)

    assert not passed
    assert f"lab {WEEK[1]}: measured again DIFFERENT" in detail
    store.day_of("daily_flows", WEEK[1], "lab").unlink()
    assert "its flows are not stored any more" in outcome(days_as_recorded, store, base, data)[1]


def test_labels_that_changed_since_do_not_pass(store: AssetStore, instance: dg.DagsterInstance) -> None:
    drop(store, WEEK[0])
    read(store, instance, WEEK[0])
    base, data = learned(store, 1)
    data.truth[-3:] = Kind.DDOS

    passed, detail = outcome(days_as_recorded, store, base, data)

    assert not passed
    assert "its labels have changed since" in detail


def test_of_a_day_a_share_is_held_and_the_gate_knows_which(store: AssetStore, instance: dg.DagsterInstance) -> None:
    for day in WEEK[:2]:
        drop(store, day)
        read(store, instance, day)
    base, whole = learned(store, 2)
    _, few = learned(store, 2, 0.25)

    assert [int((whole.capture == place).sum()) for place in (1, 2)] == [60, 60]
    assert [int((few.capture == place).sum()) for place in (1, 2)] == [33, 33]  # 9 of 36 to learn from
    assert few.weight.sum() == whole.weight.sum()
    assert outcome(days_as_recorded, store, base, few) == (True, "2 days measured again equal")
    others = np.where(few.capture == 2, np.nan, few.features[:, 0])
    few.features[:, 0] = others
    assert f"lab {WEEK[1]}: measured again DIFFERENT" in outcome(days_as_recorded, store, base, few)[1]


def test_flows_of_production_of_which_nobody_said_anything_are_not_held(
    store: AssetStore, instance: dg.DagsterInstance
) -> None:
    folder = store.path / RECORDED
    write_day(folder, FLOWS, YESTERDAY, [flow(number, start=start_of(YESTERDAY) + number) for number in range(9)])
    write_day(folder, VERDICTS, YESTERDAY, [])
    write_day(folder, FEEDBACK, YESTERDAY, numbered([word(f"{FLOWS}/0/1/7", "benign")]))
    read(store, instance, YESTERDAY, "production")
    drop(store, WEEK[0])
    read(store, instance, WEEK[0])

    base, data = learned(store, 2)

    assert data.origin.names[2:] == (f"production {YESTERDAY}",)
    assert (data.capture == 2).sum() == 1
    assert outcome(days_as_recorded, store, base, data) == (True, "2 days measured again equal")


def test_old_days_are_stale_and_what_has_no_day_has_no_age(store: AssetStore, instance: dg.DagsterInstance) -> None:
    drop(store, WEEK[0])
    read(store, instance, WEEK[0])
    base, data = learned(store, 1)
    _, nothing = learned(store, 0)

    passed, detail = outcome(days_are_recent, base, data)
    assert passed
    assert detail == "the newest of 1 days is 7 days old (at most 14)"
    assert outcome(days_are_recent, base, nothing)[0]
    names = (*data.origin.names[:1], "lab 2026-01-01")
    assert not outcome(days_are_recent, base, replace(data, origin=replace(data.origin, names=names)))[0]


def test_flows_are_kept_by_whole_hosts_and_those_of_accused_hosts_always() -> None:
    hosts = [f"10.0.{number // 250}.{number % 250}".encode() for number in range(2000)]
    kept = np.array([host_is_kept(host, 0.25, {hosts[0], hosts[1]}) for host in hosts])

    assert 0.2 < kept.mean() < 0.3
    assert kept[:2].all()
    assert [host_is_kept(host, 0.25, set()) for host in hosts] == [host_is_kept(host, 0.25, set()) for host in hosts]
    assert all(host_is_kept(host, 1.0, set()) for host in (*hosts, None))


def asked(defs: dg.Definitions, instance: dg.DagsterInstance, cursor: Any) -> tuple[list[str], Any]:
    """What the conditions ask for at a tick, and the cursor after it."""
    selection = dg.AssetSelection.groups("days")
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=cursor)
    found = [
        f"{name} {partition}"
        for name in ("daily_flows", "daily_features")
        for partition in result.get_requested_partitions(dg.AssetKey(name)) or ()
    ]
    return found, result.cursor


def happens(instance: dg.DagsterInstance, asset: str, partition: str, *, passed: bool | None = None) -> None:
    """Have it on record that an asset's partition was made, and what its gate said."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))
    if passed is not None:
        evaluation = dg.AssetCheckEvaluation(dg.AssetKey(asset), "in_schema", passed, {}, blocking=True)
        instance.report_runless_asset_event(evaluation)


@pytest.mark.parametrize("passed", [True, False])
def test_what_was_recorded_is_read_and_measured_by_itself_if_it_passes_its_gate(
    instance: dg.DagsterInstance, passed: bool
) -> None:
    defs = definitions("registry", "keys", "store")
    partition = dg.MultiPartitionKey({"day": str(YESTERDAY), "source": "production"})
    nothing, cursor = asked(defs, instance, None)
    assert nothing == []

    for what in ("verdicts", "flows", "feedback"):
        happens(instance, f"recorded_{what}", str(YESTERDAY))
    flows, cursor = asked(defs, instance, cursor)
    assert f"daily_flows {partition}" in flows
    assert not any(one.startswith("daily_features") for one in flows)
    assert asked(defs, instance, cursor)[0] == []

    happens(instance, "daily_flows", partition, passed=passed)
    features, _ = asked(defs, instance, cursor)
    assert features == ([f"daily_features {partition}"] if passed else [])
