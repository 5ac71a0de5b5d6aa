"""From what production says in Kafka to a gated, registered challenger: schedules, conditions and sensors alone.

Flows of another day go through serving's own pipeline and into Kafka, with what it decided and what an analyst says of
it. Then only ticks happen, and the runs that they ask for.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pytest
from confluent_kafka import Producer

from detection.detector import Detector
from flows.formats.canonical import encode_canonical
from flows.keying import HomeNetworks
from flows.simulator import simulate
from orchestration.definitions import definitions
from serving.pipeline import Pipeline
from tests.support.kafka import create_topic
from tests.support.pipeline import MODELS, QUIET, Workshop, small_scenario

pytestmark = [pytest.mark.real, pytest.mark.long]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=20, second=0, microsecond=0)
FLOWS = 6_000


def produce(bootstrap: str, topics: dict[str, str], workshop: Workshop) -> int:
    """Yesterday in Kafka: flows, the verdicts of the registered champions, and a word about each from who knows."""
    traffic = simulate(small_scenario(seed=5))
    batch = traffic.batch.take(slice(0, FLOWS))
    start = datetime(YESTERDAY.year, YESTERDAY.month, YESTERDAY.day, tzinfo=UTC).timestamp()
    batch = batch.take(np.arange(len(batch)))
    moved = batch.start - batch.start.min() + start
    lines = encode_canonical(type(batch)(**{**_columns(batch), "start": moved}))
    home = HomeNetworks()
    pipeline = Pipeline(Detector.from_registry(workshop.registry.load()), home=home)
    outcome = pipeline.run(
        pipeline.open_stream(), lines, [None] * len(lines), lambda place: f"{topics['flows']}/0/{place}"
    )
    producer = Producer({"bootstrap.servers": bootstrap})
    for place, line in enumerate(lines):
        producer.produce(topics["flows"], line, key=b"10.0.0.1", timestamp=int(moved[place] * 1000))
        if place % 500 == 0:
            producer.poll(0)
    noon = int((start + 43_200) * 1000)
    for published in outcome.verdicts.verdicts:
        producer.produce(topics["verdicts"], published.document, timestamp=noon)
        identity = json.loads(published.document)["id"]
        place = int(identity.split("/")[2])
        label = str(traffic.labels[place])
        word = {"id": identity, "label": label, "by": "ann", "at": start}
        producer.produce(topics["feedback"], json.dumps(word).encode(), timestamp=noon)
    producer.produce(topics["alerts"], b"{}", timestamp=noon)
    assert producer.flush(60) == 0
    return len(outcome.verdicts.verdicts)


def _columns(batch: Any) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in type(batch).__dataclass_fields__}


def test_nobody_touches_anything_between_kafka_and_a_registered_challenger(
    workshop: Workshop, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = {what: create_topic(kafka_bootstrap, stem=what) for what in ("flows", "verdicts", "alerts", "feedback")}
    labelled = produce(kafka_bootstrap, topics, workshop)
    assert labelled > 200
    monkeypatch.setenv("TIDEGATE_BOOTSTRAP", kafka_bootstrap)
    for what, topic in topics.items():
        monkeypatch.setenv(f"TIDEGATE_TOPIC_{what.upper()}", topic)
    defs = definitions(str(workshop.registry.path), str(workshop.keys), str(workshop.store))

    with workshop.instance() as instance:
        nothing, cursor = _automated(defs, instance, None)
        assert nothing == []

        # The day has ended.
        (request,) = _tick(defs, instance, "daily_recording")
        _run(defs, instance, "record_day", request)

        # What was recorded is read, and what was read is measured, because it is there.
        made, _ = _automated(defs, instance, cursor)
        assert made == [f"daily_flows {YESTERDAY}|production", f"daily_features {YESTERDAY}|production"]

        # Analysts have said enough.
        (request,) = _tick(defs, instance, "enough_labels")
        assert request.run_config["ops"]["release"]["config"]["slot"] == "CHALLENGER"
        _run(defs, instance, "train", request)

    content = workshop.registry.load().content
    for name in MODELS:
        model = content.models[name]
        assert (model.champion, model.challenger) == (1, 2)
        challenger = model.versions[2]
        assert all(gate.passed for gate in challenger.gates.values())
        assert challenger.gates["training_features/days_as_recorded"].detail == "1 days measured again equal"
        assert challenger.data.sha256 != model.versions[1].data.sha256 or name == "anomaly_iforest"
    manifest = workshop.registry.manifest()
    assert (manifest.version, manifest.reason) == (2, f"{labelled} new labels")


def _tick(defs: dg.Definitions, instance: dg.DagsterInstance, name: str) -> list[dg.RunRequest]:
    """One tick of a schedule or sensor, as the daemon makes it."""
    repository = defs.get_repository_def()
    if repository.has_schedule_def(name):
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=MIDNIGHT, repository_def=repository
        ) as context:
            return list(repository.get_schedule_def(name).evaluate_tick(context).run_requests or [])
    sensor = repository.get_sensor_def(name)
    resources = {name: (defs.resources or {})[name] for name in ("store", "kafka", "thresholds")}
    with dg.build_sensor_context(instance=instance, resources=resources, repository_def=repository) as context:
        return list(sensor.evaluate_tick(context).run_requests or [])


def _run(defs: dg.Definitions, instance: dg.DagsterInstance, job: str, request: dg.RunRequest) -> None:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=request.partition_key, run_config={**request.run_config, **QUIET}
    )
    assert result.success


def _automated(defs: dg.Definitions, instance: dg.DagsterInstance, cursor: Any) -> tuple[list[str], Any]:
    """Run what the conditions ask for, tick by tick, until they ask for nothing; in which order, and the cursor."""
    made: list[str] = []
    job = defs.resolve_job_def("read_day")
    while True:
        result = dg.evaluate_automation_conditions(
            defs, instance, asset_selection=dg.AssetSelection.groups("days"), cursor=cursor
        )
        cursor = result.cursor
        if not result.total_requested:
            return made, cursor
        for asset in ("daily_flows", "daily_features"):
            for partition in sorted(map(str, result.get_requested_partitions(dg.AssetKey(asset)) or ())):
                made.append(f"{asset} {partition}")
                job.get_subset(asset_selection={dg.AssetKey(asset)}).execute_in_process(
                    instance=instance, partition_key=partition, run_config=QUIET
                )
