"""The serving process: alive first, ready when everything is verified, warm and connected, and gone when asked.

The endpoints answer from the first moment. Then models are loaded, verified and warmed up; then Kafka is joined. What
stands in the way of readiness is named in ``/ready`` and tried again; only what no waiting can mend ends the process.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from confluent_kafka import KafkaException

from detection.detector import Detector
from flows.errors import TidegateError, UsageError
from flows.keying import HomeNetworks
from model_registry.registry import Loaded
from serving.config import Settings
from serving.health import HealthServer
from serving.loop import Loop
from serving.metrics import Metrics
from serving.models import load_detector, missing_models
from serving.pipeline import Pipeline
from serving.sink import Sink
from serving.status import Status
from serving.stopping import Stop
from serving.warmup import warm_up

log = logging.getLogger(__name__)

_LOAD_AGAIN_S: Final = 5.0
_CONNECT_AGAIN_S: Final = 1.0
_LEAVE_AT_START_S: Final = 3.0  # before anything is consumed nothing is at stake
# How long a thread may hold the interpreter before another gets its turn: an endpoint needs several turns to answer.
_SWITCH_S: Final = 0.001


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the batch at hand and return; call from the main thread.

    Raises:
        TidegateError: the endpoints cannot listen, or Kafka refuses in a way that waiting does not mend.
    """
    stop = Stop()

    def request_stop(number: int, _: Any) -> None:
        log.info("%s: finishing the batch at hand", signal.Signals(number).name)
        stop.request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    sys.setswitchinterval(_SWITCH_S)
    if not serve(settings, stop):
        # A compilation or a call into Kafka is still under way in the other thread and cannot be interrupted. No
        # offset was committed for it, so nothing is lost by leaving without it.
        log.warning("leaving without waiting any longer; what was not committed is read again")
        logging.shutdown()
        os._exit(0)


def serve(settings: Settings, stop: Stop) -> bool:
    """Serve until ``stop`` is requested.

    Returns:
        True when all work has ended; False when work was still under way after the time for leaving.

    Raises:
        TidegateError: as :func:`run`.
    """
    metrics = Metrics()
    status = Status(metrics)
    status.block("models", f"loading and verifying the models of {settings.registry}")
    with HealthServer(settings.listen, status, metrics) as http:
        log.info("endpoints on http://%s:%d", settings.listen[0], http.port)
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")
        consuming = threading.Event()
        work = worker.submit(_work, settings, status, metrics, stop, consuming)
        work.add_done_callback(lambda _: stop.request())
        stop.wait()
        status.block("stop", "leaving")
        return _ended(work, stop.remaining() if consuming.is_set() else _LEAVE_AT_START_S)


def _ended(work: Future[None], within_s: float) -> bool:
    wait([work], timeout=within_s)
    if not work.done():
        return False
    work.result()  # raises what the work raised
    return True


def _work(settings: Settings, status: Status, metrics: Metrics, stop: Stop, consuming: threading.Event) -> None:
    found = _load(settings, status, stop)
    if found is None:
        return
    detector, loaded = found
    pipeline = Pipeline(
        detector,
        home=HomeNetworks(settings.home),
        default_format=settings.format,
        publish_all=settings.verdicts == "all",
        timed=metrics.timed,
    )
    status.block("models", "warming up")
    warm_up(pipeline, settings.batch_size)
    gc.collect()
    gc.freeze()  # what is loaded now stays; looking through it for garbage would stop all threads for 0.1 s at a time
    _announce(detector, loaded, status, metrics)
    status.block("kafka", f"connecting to Kafka at {settings.bootstrap}")
    status.clear("models")
    sink = Sink(settings)
    if not _connect(settings, sink, status, stop):
        return
    status.block("kafka", f"joining consumer group {settings.group}")
    consuming.set()
    Loop(settings, pipeline, sink, status, metrics, stop).run()


def _load(settings: Settings, status: Status, stop: Stop) -> tuple[Detector, Loaded] | None:
    """Load until it works; None when it was time to leave before that."""
    while not stop.requested:
        try:
            return load_detector(settings)
        except UsageError:
            raise
        except TidegateError as error:
            if status.block("models", str(error)):
                log.error("not ready: %s", error)
        stop.wait(_LOAD_AGAIN_S)
    return None


def _announce(detector: Detector, loaded: Loaded, status: Status, metrics: Metrics) -> None:
    missing = missing_models(detector, loaded)
    document = {
        "manifest_version": loaded.version,
        "expires": loaded.expires.isoformat(),
        "root_from_registry": loaded.root_from_registry,
        "models": {
            name: {
                "sha256": detector.fingerprints[name],
                "algorithm": artifact.algorithm,
                "threshold": artifact.threshold,
                "catalogue": artifact.catalogue,
            }
            for name, artifact in detector.models.items()
        },
        "refused": missing,
    }
    status.serve_models(document, missing)
    metrics.manifest_version.set(loaded.version)
    for name, fingerprint in detector.fingerprints.items():
        metrics.model_loaded.labels(name).set(1)
        metrics.model_info.labels(name, fingerprint).set(1)
    for name, reason in missing.items():
        metrics.model_loaded.labels(name).set(0)
        log.error("serving without %s: %s", name, reason)
    log.info("serving manifest version %d with %d models", loaded.version, len(detector.models))
    if loaded.root_from_registry:
        log.warning("the root of trust was taken from the registry itself; name one with TIDEGATE_ROOT")


def _connect(settings: Settings, sink: Sink, status: Status, stop: Stop) -> bool:
    """Wait until Kafka answers and has the topics; False when it was time to leave before that."""
    topics = [settings.topic_flows, settings.topic_verdicts, settings.topic_alerts, settings.topic_dead_letters]
    while not stop.requested:
        try:
            missing = sink.missing_topics(topics)
        except KafkaException as error:
            reason = f"Kafka at {settings.bootstrap} does not answer: {sink.trouble or error.args[0].str()}"
        else:
            if not missing:
                return True
            reason = f"Kafka at {settings.bootstrap} has no topic {', '.join(missing)}; create it"
        if status.block("kafka", reason):
            log.error("not ready: %s; trying again", reason)
        stop.wait(_CONNECT_AGAIN_S)
    return False
