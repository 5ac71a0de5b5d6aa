"""How tools write flows: one file per wire format, each to a FlowBatch.

A new format is one module with a :class:`Decoder` and one line in the table below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from flows.errors import UsageError
from flows.formats.argus import ArgusDecoder
from flows.formats.base import MAX_LINE, DeadLetter, Decoded, Decoder
from flows.formats.canonical import CanonicalDecoder, encode_canonical
from flows.formats.cicflowmeter import CicFlowMeterDecoder
from flows.formats.netflow import NetflowDecoder
from flows.formats.suricata import SuricataDecoder
from flows.formats.zeek import ZeekDecoder

__all__ = [
    "FORMATS",
    "MAX_LINE",
    "DeadLetter",
    "Decoded",
    "Decoder",
    "encode_canonical",
    "make_decoder",
    "sniff",
]

_DECODERS: Final[dict[str, type[Decoder]]] = {
    "zeek": ZeekDecoder,
    "suricata": SuricataDecoder,
    "argus": ArgusDecoder,
    "netflow": NetflowDecoder,
    "cicflowmeter": CicFlowMeterDecoder,
    "canonical": CanonicalDecoder,
}
FORMATS: Final[tuple[str, ...]] = tuple(_DECODERS)


def make_decoder(name: str) -> Decoder:
    """Return a fresh decoder for one stream of a format. Raises UsageError for a name not in FORMATS."""
    if name not in _DECODERS:
        raise UsageError(f"no format is called {name!r}; the formats are {', '.join(FORMATS)}")
    return _DECODERS[name]()


def sniff(lines: Sequence[bytes]) -> str:
    """Return the format that recognises most of some lines, best the first of a stream.

    Raises:
        UsageError: no format recognises any of them.
    """
    found = Counter(name for line in lines for name, decoder in _DECODERS.items() if decoder.recognises(line))
    if not found:
        raise UsageError(f"no line of any known format; the formats are {', '.join(FORMATS)}")
    return found.most_common(1)[0][0]
