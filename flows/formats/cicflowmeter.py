"""CICFlowMeter's CSV: Java's as CICIDS2017 was published (no addresses, no times), and that of Python's cicflowmeter.

Both count flags for the whole flow, not per side, and tell no states: both are absent. The two agree on little else,
and each has a module of its own here. Columns are found by the header's names; rows before any header are read by
their number. Infinity and NaN in the rates, which are not read, are no fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flows.formats import cicflowmeter_java as java
from flows.formats import cicflowmeter_python as python
from flows.formats.base import Decoded, merge, nothing
from flows.formats.delimited import Dialect, TableReader, cells, header_fault

_JAVA: Final = "Flow Duration"
_PYTHON: Final = "flow_duration"


def _fault(names: Sequence[str]) -> str:
    if _JAVA not in names:
        return header_fault(names, python.NEEDED, (python.LABEL,))
    for name in java.OF_OTHER_LAYOUTS:
        if name in names:
            return f"the header names {name}: of Java's layouts only the one without addresses and times is read"
    return header_fault(names, java.NEEDED, (java.LABEL,))


_DIALECT: Final = Dialect(
    tool="CICFlowMeter",
    marks=frozenset({_JAVA, _PYTHON}),
    layouts={len(java.ORDER): java.ORDER, len(python.ORDER): python.ORDER},
    fault=_fault,
)


class CicFlowMeterDecoder:
    """Decodes a stream of CICFlowMeter's rows, of either kind; remembers the stream's last header."""

    def __init__(self) -> None:
        self._reader = TableReader(_DIALECT)

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be CICFlowMeter's."""
        header = _DIALECT.header(line)
        if header is not None:
            return not _fault(header)
        row = cells(line)
        if len(row) == len(java.ORDER):
            return row[0].isdecimal() and row[1].lstrip("-").isdecimal() and not row[-1].isdecimal()
        return len(row) == len(python.ORDER) and row[4].isdecimal() and row[5].count(":") == 2

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines, as :class:`flows.formats.base.Decoder` says."""
        tables, dead = self._reader.read(lines)
        parts = [(java if table.has(_JAVA) else python).decode_table(table, lines) for table in tables]
        return merge([*parts, nothing(dead)])
