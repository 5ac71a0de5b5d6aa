"""What may pass is tried again, later each time; what was refused is not."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from flows.errors import TidegateError, UsageError
from model_registry.errors import GateError, Reason, TrustError
from model_registry.writing.publishing import publish
from orchestration import retrying
from orchestration.defs.release import assets as release
from orchestration.retrying import RETRIES, trying_again
from tests.support.pipeline import Workshop


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 0.0)


def run(errors: list[Exception]) -> tuple[int, dg.ExecuteInProcessResult]:
    """Run an asset that raises these, one each try, and then succeeds; return how often it was tried."""
    tried = []

    @dg.asset
    def fragile(context: dg.AssetExecutionContext) -> None:
        tried.append(context.retry_number)
        with trying_again(context):
            if len(tried) <= len(errors):
                raise errors[len(tried) - 1]

    result = dg.materialize([fragile], raise_on_error=False)
    return len(tried), result


def test_a_release_whose_registry_does_not_answer_at_first_is_published_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.compare()
    before = workshop.registry.load().version
    tries: list[int] = []

    def publish_at_last(*given: Any, **named: Any) -> Any:
        tries.append(len(tries))
        if len(tries) < 3:
            raise OSError("the registry does not answer")
        return publish(*given, **named)

    monkeypatch.setattr(release, "publish", publish_at_last)

    workshop.sign()

    assert len(tries) == 3
    assert workshop.registry.load().version == before + 1


@pytest.mark.parametrize("error", [OSError("no space left"), TidegateError("the store does not answer")])
def test_what_can_pass_is_tried_again_until_it_has(error: Exception) -> None:
    tried, result = run([error, error])

    assert tried == 3
    assert result.success


def test_what_does_not_pass_fails_as_itself_after_the_last_try() -> None:
    tried, result = run([OSError("no space left")] * 9)

    assert tried == RETRIES + 1
    (event,) = result.get_step_failure_events()
    assert event.step_failure_data.error is not None
    cause = event.step_failure_data.error.cause
    assert "no space left" in str(cause or event.step_failure_data.error)


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: GateError("recall 0.1"),
        lambda: TrustError("signed by nobody", Reason.UNDER_SIGNED),
        lambda: UsageError("no such folder"),
    ],
)
def test_a_refusal_is_not_tried_again(refusal: Callable[[], Exception]) -> None:
    tried, result = run([refusal()])

    assert tried == 1
    assert not result.success


def test_a_fault_of_our_own_is_not_tried_again() -> None:
    assert run([ZeroDivisionError()])[0] == 1


def test_waits_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_WAIT_S", 2.0)
    waits = []
    for number in range(RETRIES):
        context = dg.build_op_context()
        monkeypatch.setattr(type(context), "retry_number", number)
        with pytest.raises(dg.RetryRequested) as request, trying_again(context):
            raise OSError("no space left")
        waits.append(request.value.seconds_to_wait)

    assert waits == [2.0, 4.0, 8.0]
