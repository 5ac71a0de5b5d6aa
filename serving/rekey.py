"""The rekeying process: exporters' raw topic in, canonical flows keyed by key host out."""

from __future__ import annotations

import logging

from serving.config import Settings
from serving.health import process_endpoints
from serving.loop import Loop
from serving.process import Process, run_until_signalled
from serving.rekeying import Rekeying, raw_reading
from serving.sink import Sink
from serving.stopping import Stop

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Rekey until SIGTERM or SIGINT, then finish the batch at hand and return; call from the main thread.

    Raises:
        TidegateError: the endpoints cannot listen, or Kafka refuses in a way that waiting does not mend.
    """
    run_until_signalled(lambda stop: rekey(settings, stop))


def rekey(settings: Settings, stop: Stop) -> bool:
    """Rekey until ``stop`` is requested; returns and raises as :func:`serving.app.serve`."""
    process = Process(settings, stop)
    process.status.block("kafka", f"connecting to Kafka at {settings.bootstrap}")
    return process.keep(process_endpoints(process.status, process.metrics), lambda: _work(process))


def _work(process: Process) -> None:
    settings, status, metrics = process.settings, process.status, process.metrics
    sink = Sink(settings)
    if not process.connect(sink, [settings.topic_raw, settings.topic_flows, settings.topic_dead_letters]):
        return
    status.block("kafka", f"joining consumer group {settings.group_raw}")
    process.consuming.set()
    rekeying = Rekeying(settings, status, metrics)
    Loop(settings, raw_reading(settings), rekeying, sink, status, metrics, process.stop).run()
    log.info("in all %s", rekeying.account())
