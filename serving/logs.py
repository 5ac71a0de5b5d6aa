"""Logging: the standard library's, as text for people or one JSON object per line for machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from serving.config import Settings


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (RFC 3339, UTC), level, logger, message, and the stack trace if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line end."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document)


def set_up_logging(settings: Settings) -> None:
    """Log to stderr as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_json:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    # numba logs each compiled function at its debug level, in thousands of lines
    logging.getLogger("numba").setLevel(logging.WARNING)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
