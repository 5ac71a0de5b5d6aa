"""A long-running process: alive first, ready when all its parts are in order, and gone when asked.

The endpoints answer from the first moment, whatever the work is doing. What stands in the way of readiness is named in
``/ready`` and tried again; only what no waiting can mend ends the process.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from confluent_kafka import KafkaException

from serving.config import Settings
from serving.health import Endpoints, HealthServer
from serving.metrics import Metrics
from serving.sink import Sink
from serving.status import Status
from serving.stopping import Stop

log = logging.getLogger(__name__)

_CONNECT_AGAIN_S: Final = 1.0
_LEAVE_AT_START_S: Final = 3.0  # before anything is consumed nothing is at stake
# How long a thread may hold the interpreter before another gets its turn: an endpoint needs several turns to answer.
_SWITCH_S: Final = 0.001


class Process:
    """What the parts of a long-running process share: settings, status, metrics, and the request to leave."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.metrics = Metrics()
        self.status = Status(self.metrics)
        self.consuming = threading.Event()  # from when on leaving waits for the batch at hand

    def keep(self, endpoints: Endpoints, work: Callable[[], None]) -> bool:
        """Answer at the endpoints, and work in a thread of its own until ``stop`` is requested.

        Returns:
            True when all work has ended; False when work was still under way after the time for leaving.

        Raises:
            TidegateError: the endpoints cannot listen, or what the work raised.
        """
        with HealthServer(self.settings.listen, endpoints) as http:
            log.info("endpoints on http://%s:%d", self.settings.listen[0], http.port)
            worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pipeline")
            working = worker.submit(work)
            working.add_done_callback(lambda _: self.stop.request())
            self.stop.wait()
            self.status.block("stop", "leaving")
            return _ended(working, self.stop.remaining() if self.consuming.is_set() else _LEAVE_AT_START_S)

    def connect(self, sink: Sink, topics: Sequence[str]) -> bool:
        """Wait until Kafka answers and has the topics; False when it was time to leave before that."""
        bootstrap = self.settings.bootstrap
        while not self.stop.requested:
            try:
                missing = sink.missing_topics(topics)
            except KafkaException as error:
                reason = f"Kafka at {bootstrap} does not answer: {sink.trouble or error.args[0].str()}"
            else:
                if not missing:
                    return True
                reason = f"Kafka at {bootstrap} has no topic {', '.join(missing)}; create it"
            if self.status.block("kafka", reason):
                log.error("not ready: %s; trying again", reason)
            self.stop.wait(_CONNECT_AGAIN_S)
        return False


def run_until_signalled(serve: Callable[[Stop], bool]) -> None:
    """Call ``serve`` with a stop that SIGTERM and SIGINT request; call from the main thread.

    ``serve`` returns False when work is still under way though the time for leaving is over.
    """
    stop = Stop()

    def request_stop(number: int, _: Any) -> None:
        log.info("%s: finishing the batch at hand", signal.Signals(number).name)
        stop.request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    sys.setswitchinterval(_SWITCH_S)
    if not serve(stop):
        # A compilation or a call into Kafka is still under way in the other thread and cannot be interrupted. No
        # offset was committed for it, so nothing is lost by leaving without it.
        log.warning("leaving without waiting any longer; what was not committed is read again")
        logging.shutdown()
        os._exit(0)


def _ended(work: Future[None], within_s: float) -> bool:
    wait([work], timeout=within_s)
    if not work.done():
        return False
    work.result()  # raises what the work raised
    return True
