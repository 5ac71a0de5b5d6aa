"""``tidegate replay --follow``: logs sent as they grow, each line once, with the place remembered.

Lines are sent, then it is noted how far that is. Whoever dies in between finds at the next start, in the topic itself,
which lines had been sent. So a line is sent twice only if Kafka lost or dropped it, or had not stored yet what was on
its way when the next start looked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from flows.errors import UsageError
from flows.files import FileChunk, FileSpec
from flows.formats import Decoder, make_decoder, sniff
from flows.formats.base import nothing
from serving.config import Settings
from serving.delivered import delivered_since, trace_header
from serving.positions import Entry, Positions
from serving.sink import Headers
from serving.stopping import Stop
from serving.tailing import Piece, Tail, Trace

log = logging.getLogger(__name__)

Send = Callable[[FileChunk, Sequence[Headers]], bool]

_POLL_S: Final = 0.25
_SNIFFED_LINES: Final = 20


def follow_logs(
    settings: Settings, cluster: str, specs: Sequence[FileSpec], position_file: Path, send: Send, stop: Stop
) -> bool:
    """Send the lines of logs as they are written, until a stop is requested.

    Args:
        settings: where Kafka is.
        cluster: its name for itself; a position holds for one cluster and topic.
        specs: the logs.
        position_file: remembers how far each log was sent.
        send: sends lines with their headers; whether all is confirmed.
        stop: ends it.

    Returns:
        Whether all that was begun is confirmed.

    Raises:
        UsageError: a log is given twice, is no file of lines, or its format is not recognised.
        TidegateError: a log cannot be read, or the position file cannot be used.
    """
    paths = [spec.path.absolute() for spec in specs]
    if len(set(paths)) < len(paths):
        raise UsageError("a log is named twice; name each once")
    with Positions(position_file) as positions:
        topic = settings.topic_flows
        logs = [_Log(settings, spec, positions.entry(cluster, topic, spec.path), paths) for spec in specs]
        whole = True
        try:
            while whole and not stop.requested:
                outcomes = {one.send_next(positions, send) for one in logs}
                whole = "unconfirmed" not in outcomes
                if "sent" not in outcomes:
                    stop.wait(_POLL_S)
        finally:
            for one in logs:
                one.close()
        positions.save()
    return whole


class _Log:
    """A log: its tail, its entry in the position file, and what decodes the file at hand."""

    def __init__(self, settings: Settings, spec: FileSpec, entry: Entry, paths: Collection[Path]) -> None:
        self._spec = spec
        self._entry = entry
        self._decoder: Decoder | None = None
        self._recognised = False  # rather than given: then the next file may be of another format
        self._saved = (entry.position, entry.sending_since_ms)
        given: set[Trace] = set()
        if entry.sending_since_ms is not None:
            given = delivered_since(settings, entry.cluster, entry.id, entry.sending_since_ms)
        self._tail = Tail(spec.path, entry.position, given, paths)
        start = "its start" if entry.position is None else f"byte {entry.position.offset}"
        log.info("following %s from %s", spec.path, start)

    def send_next(self, positions: Positions, send: Send) -> Literal["sent", "nothing", "unconfirmed"]:
        """Send the lines that are next, and take note of it; saved at the latest when there is nothing to send."""
        entry, tail = self._entry, self._tail
        if entry.position is None:
            entry.position = tail.begin()
        piece = tail.read()
        if piece is None:
            self._note()
            if self._saved != (entry.position, entry.sending_since_ms):
                self._save(positions)
            return "nothing"
        chunk = self._decoded(piece)
        if len(chunk.decoded) or chunk.decoded.dead:
            if entry.sending_since_ms is None:
                entry.sending_since_ms = time.time_ns() // 1_000_000
            self._save(positions)
            headers = [(trace_header(entry.id, trace),) for trace in piece.traces()]
            if not send(chunk, headers):
                return "unconfirmed"
        self._note()
        return "sent"

    def close(self) -> None:
        """Let go of the file."""
        self._tail.close()

    def _save(self, positions: Positions) -> None:
        positions.save()
        self._saved = (self._entry.position, self._entry.sending_since_ms)

    def _note(self) -> None:
        self._entry.position = self._tail.position
        if not self._tail.in_doubt:
            self._entry.sending_since_ms = None

    def _decoded(self, piece: Piece) -> FileChunk:
        if piece.before is not None or self._decoder is None:
            before = piece.before or []
            self._recognise([*before, *piece.lines][:_SNIFFED_LINES])
            if self._decoder is not None:
                self._decoder.decode(before)  # for the sake of column headers
        decoded = nothing() if self._decoder is None else self._decoder.decode(piece.lines)
        return FileChunk(self._spec, decoded, 1, piece.lines)

    def _recognise(self, lines: Sequence[bytes]) -> None:
        if self._spec.format is None or self._recognised:
            if not any(line.strip() for line in lines):
                return  # the next lines will tell
            try:
                self._spec = replace(self._spec, format=sniff(lines))
                self._recognised = True
            except UsageError as error:
                if self._spec.format is None:
                    raise UsageError(
                        f"the format of {self._spec.path} is not recognised: {error}; if it is one of them, and has "
                        f"one record per line, name it: FORMAT:{self._spec.path}"
                    ) from None
        if self._spec.format is not None:
            self._decoder = make_decoder(self._spec.format)
