"""From messages to what is published about them: decode, measure, decide, fold, write.

``tidegate serve`` and ``tidegate score`` both decide through :meth:`Pipeline.decide`, so they cannot decide
differently. Nothing here talks to Kafka, a file or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from detection.alerts import AlertEvent
from detection.detector import Detector
from detection.document import alert_document, verdict_documents
from detection.stream import Stream
from detection.verdict import Decisions, Kind, Reason
from flows.formats import Decoded
from flows.keying import HomeNetworks
from flows.messages import Rejected, decode_messages
from serving.metrics import Stage

Timed = Callable[[Stage], AbstractContextManager[None]]

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Published:
    """A document as JSON, with the key host it is about."""

    key: bytes
    document: bytes


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was decided about the flows of one batch, and what of it is to be published."""

    decisions: Decisions
    events: list[AlertEvent]
    verdicts: list[Published]
    alerts: list[Published]
    detections: dict[str, int]  # model -> flows at or above its threshold

    @property
    def by_kind(self) -> dict[str, int]:
        """Flows by verdict, those without any left out."""
        counts = np.bincount(self.decisions.kind, minlength=len(Kind)).tolist()
        return {kind.label: counts[kind] for kind in Kind if counts[kind]}

    @property
    def abstentions(self) -> dict[str, int]:
        """Abstentions by reason."""
        reasons = self.decisions.reason[self.decisions.kind == Kind.ABSTAIN]
        counts = np.bincount(reasons, minlength=len(Reason)).tolist()
        return {reason.label: counts[reason] for reason in Reason if counts[reason]}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages of one batch: each is a flow, rejected or skipped (blank, comment, header)."""

    verdicts: Verdicts
    rejected: list[Rejected]
    skipped: int


class Pipeline:
    """Decides batches of flows. One for all streams: it remembers nothing itself."""

    def __init__(
        self,
        detector: Detector,
        *,
        home: HomeNetworks,
        default_format: str = "canonical",
        publish_all: bool = False,
        timed: Timed | None = None,
    ) -> None:
        """Set up.

        Args:
            detector: what decides.
            home: the home networks, for key hosts.
            default_format: of messages that do not name theirs.
            publish_all: write verdicts for all flows, not only for those that are not plainly benign.
            timed: is given the name of each stage, and is the context the stage runs in.
        """
        self.detector = detector
        self._home = home
        self._default_format = default_format
        self._publish_all = publish_all
        self._timed = timed or (lambda _: nullcontext())
        self._suffix = f"/{detector.manifest_version}"
        self._thresholds = {name: artifact.threshold for name, artifact in detector.models.items()}

    def open_stream(self) -> Stream:
        """A new stream, with no past."""
        return Stream(self.detector, self._home)

    def run(
        self,
        stream: Stream,
        values: Sequence[bytes | None],
        formats: Sequence[bytes | None],
        origin: Callable[[int], str],
    ) -> Outcome:
        """Take messages of one stream, in arrival order, through all stages. Raises on no input.

        Args:
            stream: moved on.
            values: the messages.
            formats: the name of each one's format, or None for the default.
            origin: says where the message at an index came from; ids of verdicts begin so.
        """
        with self._timed("decode"):
            decoded, rejected = decode_messages(values, formats, self._default_format)
        verdicts = self.decide(stream, decoded, origin)
        return Outcome(verdicts, rejected, len(values) - len(decoded) - len(rejected))

    def decide(self, stream: Stream, decoded: Decoded, origin: Callable[[int], str]) -> Verdicts:
        """Decide decoded flows of one stream, in arrival order, and write what is to be published about them."""
        batch = decoded.batch
        with self._timed("features"):
            features = stream.measure(batch)
        with self._timed("decide"):
            decided = stream.decide(batch, features)
            decisions, fold = decided.decisions, decided.fold
        with self._timed("documents"):
            rows = np.arange(len(batch)) if self._publish_all else np.flatnonzero(decisions.kind != Kind.BENIGN)
            places = decoded.index[rows].tolist()
            written = verdict_documents(
                self.detector,
                decisions,
                batch,
                rows,
                ids=[origin(place) + self._suffix for place in places],
                key_is_dst=decided.key_is_dst,
                alert_ids=fold.alert_id,
            )
            changes = [
                alert_document(
                    self.detector, event, decisions, features, origin(int(decoded.index[event.row])) + self._suffix
                )
                for event in fold.events
            ]
            return Verdicts(
                decisions,
                fold.events,
                [_published(document) for document in written],
                [_published(document) for document in changes],
                self._detections(decisions),
            )

    def _detections(self, decisions: Decisions) -> dict[str, int]:
        return {
            name: int(np.count_nonzero(decisions.probabilities[name] >= threshold))
            for name, threshold in self._thresholds.items()
        }


def _published(document: Mapping[str, Any]) -> Published:
    return Published(document["key_host"].encode(), _encode(document))
