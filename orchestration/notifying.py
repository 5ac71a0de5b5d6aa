"""Telling people: in the log, and to a webhook where there is one."""

from __future__ import annotations

import json
import logging
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import dagster as dg

from flows.errors import UsageError

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0


class Notifier(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """Says a line to everybody who ought to know. The webhook's address is a secret: who has it can write there.

    A webhook gets ``{"text": …}`` by POST, which is what chat services take. One that does not answer is told of in the
    log and keeps nothing up.
    """

    webhook: str | None = None

    def say(self, text: str) -> None:
        """Tell everybody. Raises UsageError for a webhook that is no http or https address."""
        log.error("%s", text)
        if not self.webhook:
            return
        if urlsplit(self.webhook).scheme not in ("http", "https"):
            raise UsageError("TIDEGATE_WEBHOOK is not an http or https address")  # which stays secret
        request = Request(  # noqa: S310  (its scheme was looked at)
            self.webhook, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        try:
            urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310  (the same)
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            log.error("the webhook could not be told: %s", reason)
