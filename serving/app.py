"""The serving process, from the first verification of its models to leaving.

Models are loaded, verified and warmed up; then Kafka is joined. Only then is it ready.
"""

from __future__ import annotations

import gc
import logging
from typing import Final

from detection.detector import Detector
from flows.errors import TidegateError, UsageError
from flows.keying import HomeNetworks
from model_registry.registry import Loaded
from serving.config import Settings
from serving.deciding import Deciding, flows_reading
from serving.health import serving_endpoints
from serving.loop import Loop
from serving.metrics import Metrics
from serving.models import load_detector, missing_models
from serving.pipeline import Pipeline
from serving.process import Process, run_until_signalled
from serving.sink import Sink
from serving.status import Status
from serving.stopping import Stop
from serving.warmup import warm_up

log = logging.getLogger(__name__)

_LOAD_AGAIN_S: Final = 5.0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the batch at hand and return; call from the main thread.

    Raises:
        TidegateError: the endpoints cannot listen, or Kafka refuses in a way that waiting does not mend.
    """
    run_until_signalled(lambda stop: serve(settings, stop))


def serve(settings: Settings, stop: Stop) -> bool:
    """Serve until ``stop`` is requested.

    Returns:
        True when all work has ended; False when work was still under way after the time for leaving.

    Raises:
        TidegateError: as :func:`run`.
    """
    process = Process(settings, stop)
    process.status.block("models", f"loading and verifying the models of {settings.registry}")
    return process.keep(serving_endpoints(process.status, process.metrics), lambda: _work(process))


def _work(process: Process) -> None:
    settings, status, metrics, stop = process.settings, process.status, process.metrics, process.stop
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
    topics = [settings.topic_flows, settings.topic_verdicts, settings.topic_alerts, settings.topic_dead_letters]
    if not process.connect(sink, topics):
        return
    status.block("kafka", f"joining consumer group {settings.group}")
    process.consuming.set()
    deciding = Deciding(settings, pipeline, status, metrics)
    Loop(settings, flows_reading(settings), deciding, sink, status, metrics, stop).run()


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
