"""Trying again what may pass, and never what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from flows.errors import TidegateError, UsageError
from model_registry.errors import GateError, TrustError

RETRIES: Final = 3
FIRST_WAIT_S: Final = 2.0  # doubled with each try
REFUSALS: Final = (GateError, TrustError, UsageError)


@contextmanager
def trying_again(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Iterator[None]:
    """Ask Dagster to run the step again, later each time, if what is inside fails for a reason that can pass.

    A disk or a broker may come back. A refusal (a gate, a signature, a wrong setting) would be the same again, so it
    ends the step at once, and the last try fails as itself.
    """
    try:
        yield
    except REFUSALS:
        raise
    except (TidegateError, OSError) as error:
        tries = context.retry_number
        if tries >= RETRIES:
            raise
        wait = FIRST_WAIT_S * 2**tries
        context.log.warning(f"{error}; try {tries + 1} of {RETRIES}, again in {wait:g} s")
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error
