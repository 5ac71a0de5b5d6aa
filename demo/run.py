"""The demo from end to end: make traffic, train, serve, replay, read along, judge."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from demo.collector import Collector, percentiles
from demo.judge import Outcome, Seen, judge
from demo.stage import Stage, ask, free_port, serving
from flows.errors import TidegateError
from flows.formats import encode_canonical
from flows.simulator import SimulatedTraffic, live_scenario, past_scenario, simulate
from serving.broker import EmbeddedBroker
from serving.config import Settings
from serving.replay import Replayer

SPEED: Final = 50.0  # traffic seconds per second
SLICE: Final = 4096  # flows handed to the replayer at a time
PATIENCE_S: Final = 60.0  # for the last verdicts after the last flow

Say = Callable[[str], None]
Train = Callable[[Stage, Say], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What the demo measured, and what of its promises did not hold."""

    outcome: Outcome
    flows: int
    flows_per_s: float
    latency_ms: dict[str, float | None]
    manifest_version: int

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "attacks": self.outcome.attacks,
            "models": self.outcome.models,
            "benign_alerts": self.outcome.benign_alerts,
            "benign_flagged": self.outcome.benign_flagged,
            "flows": self.flows,
            "flows_per_s": round(self.flows_per_s, 1),
            "latency_ms": self.latency_ms,
            "manifest_version": self.manifest_version,
            "held": not self.outcome.broken,
            "broken": self.outcome.broken,
        }


def train_with_dagster(stage: Stage, say: Say) -> None:
    """Fill the registry with models trained by the Dagster job, the anomaly model on the live network's day before."""
    from orchestration.headless import run_training  # the training stack takes seconds to import: not for --help

    past = stage.var / "demo" / "past.ndjson"
    past.write_bytes(b"".join(line + b"\n" for line in encode_canonical(simulate(past_scenario()).batch)))
    run_training(
        registry=stage.registry,
        keys=stage.keys,
        store=stage.var / "demo" / "store",
        home=stage.var / "dagster",
        flows={},
        site={"site": [f"canonical:{past}"]},
        say=say,
    )


def run_demo(
    registry: Path, var: Path, say: Say, *, train: Train = train_with_dagster, keep: Callable[[str], None] | None = None
) -> Result:
    """Run it.

    Args:
        registry, var: where the registry is made, and everything else.
        say: is told what happens, a line at a time.
        train: fills the registry; the Dagster job unless told otherwise.
        keep: is called with the addresses to open once all is judged, while everything still runs.

    Raises TidegateError when a part fails; a promise that does not hold is in the result instead.
    """
    stage = Stage(registry, var)
    stage.prepare()
    say(f"registry {registry}, with throw-away keys in {stage.keys} (unencrypted: for this demo only)")
    say("training by the Dagster job `train`")
    train(stage, say)
    traffic = simulate(live_scenario())
    say(f"live traffic: {len(traffic.batch)} flows of a network that training never saw")
    port = free_port()
    with EmbeddedBroker() as broker, serving(stage, broker.bootstrap, port):
        models = ask(port, "/models")
        say(f"embedded broker {broker.bootstrap}; serving on http://127.0.0.1:{port}, ready")
        result = _replay(traffic, Settings(bootstrap=broker.bootstrap), int(models["manifest_version"]), say)
        if keep is not None:
            keep(
                f"http://127.0.0.1:{port}/  status page; /ready /models /detections/stats /metrics beside it\n"
                f"{broker.bootstrap}  Kafka bootstrap address"
            )
    return result


def _replay(traffic: SimulatedTraffic, settings: Settings, manifest_version: int, say: Say) -> Result:
    seen = Seen.nothing(len(traffic.batch))
    row_of = {flow_id: row for row, flow_id in enumerate(traffic.batch.flow_id.tolist())}
    zero = float(traffic.batch.start.min())
    alerts: list[dict[str, Any]] = []

    def told(alert: dict[str, Any]) -> None:
        alerts.append(alert)
        if alert["change"] == "opened":
            say(
                f"  {alert['first'] - zero:7.1f} s  {alert['verdict']:8} {alert['key_host']:15} "
                f"{alert['technique'] or '':10} confidence {alert['confidence']:.2f}"
            )

    say(f"replaying {SPEED:.0f} times as fast as it happened; alerts as they come (seconds are of traffic):")
    began = time.time()
    with Collector(settings, seen, row_of, told) as collector:
        with Replayer(settings, speed=SPEED) as replayer:
            for first in range(0, len(traffic.batch), SLICE):
                replayer.send_batch(traffic.batch.take(slice(first, first + SLICE)))
                collector.check()
        deadline = time.monotonic() + PATIENCE_S
        while collector.accounted < len(traffic.batch) and time.monotonic() < deadline:
            time.sleep(0.05)
        if collector.dead_letters:
            raise TidegateError(f"{collector.dead_letters} simulated flows became dead letters; see tidegate.flows.dlq")
        time.sleep(0.3)  # alerts come in messages of their own
    seen.opened = collector.opened(alerts)
    return Result(
        outcome=judge(traffic, seen),
        flows=int(np.count_nonzero(seen.verdict >= 0)),
        flows_per_s=len(traffic.batch) / max(collector.last_verdict_s - began, 1e-3),
        latency_ms=percentiles(collector.latencies()),
        manifest_version=manifest_version,
    )
