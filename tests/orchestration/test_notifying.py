"""Who is told when a run fails: the log always, a webhook where there is one, and nobody learns its address."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import dagster as dg
import pytest

from flows.errors import UsageError
from orchestration.defs.operations.sensors import tell_of_failures
from orchestration.notifying import Notifier


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of a webhook, and what it was told."""
    told: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret", told
        server.shutdown()
        thread.join()


@dg.op
def falls() -> None:
    raise ValueError("the disk is full")


@dg.job
def falling() -> None:
    falls()


def test_a_run_that_fails_is_told_with_its_step_and_its_reason(hook: tuple[str, list[dict[str, str]]]) -> None:
    address, told = hook
    with dg.DagsterInstance.ephemeral() as instance:
        result = falling.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="tell_of_failures",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=next(one for one in result.all_events if one.event_type is dg.DagsterEventType.RUN_FAILURE),
            resources={"notifier": Notifier(webhook=address)},
        ).for_run_failure()
        tell_of_failures(context)

    (one,) = told
    assert one["text"].startswith(f"Tidegate: the run {result.run_id[:8]} of falling failed: falls: ")
    assert one["text"].endswith("the disk is full")


def test_without_a_webhook_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        Notifier().say("something broke")

    assert [record.message for record in caplog.records] == ["something broke"]


def test_a_webhook_that_is_away_keeps_nothing_up_and_its_address_stays_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        Notifier(webhook="http://127.0.0.1:1/secret").say("something broke")

    assert caplog.records[0].message == "something broke"
    assert "the webhook could not be told" in caplog.records[1].message
    assert "secret" not in caplog.text


def test_a_webhook_that_is_no_address_is_refused_without_being_shown() -> None:
    with pytest.raises(UsageError, match="TIDEGATE_WEBHOOK is not an http or https address") as refusal:
        Notifier(webhook="file:///etc/passwd").say("something broke")

    assert "passwd" not in str(refusal.value)
