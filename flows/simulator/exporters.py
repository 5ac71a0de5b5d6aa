"""What is left of traffic once an exporter has told of it: which columns, how many packets, one record or two.

Flows are drawn as Zeek tells of them. The others tell less, and of the same connection something else.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from flows.batch import ABSENT
from flows.simulator.columns import Array, Columns, merge, reverse

Exporter = Literal["zeek", "zeek-mirrored", "argus", "netflow"]

_UNTOLD_BY_ARGUS: Final = ("src_payload", "dst_payload", "service")
_UNTOLD_BY_NETFLOW: Final = (*_UNTOLD_BY_ARGUS, "dst_packets", "dst_bytes", "dst_flags", "state")


def told(columns: Columns, exporter: Exporter) -> Columns:
    """Return the flows as the exporter would write them.

    * ``zeek``: as they are.
    * ``zeek-mirrored``: Zeek on a port that mirrors both ways of a link, which sees most packets twice: packets and
      bytes double, payload does not, and what was a single packet has a duration.
    * ``argus``: neither payload nor service; the duration of a single packet is 0.
    * ``netflow``: each way is a record of its own, of the sender only, without the connection's state. Thus there are
      more rows than flows.
    """
    if exporter == "zeek-mirrored":
        return _mirrored(columns)
    if exporter == "argus":
        return _blank(_measured(columns), _UNTOLD_BY_ARGUS)
    if exporter == "netflow":
        return _one_way(_measured(columns))
    return columns


def _mirrored(columns: Columns) -> Columns:
    single = columns["src_packets"] + columns["dst_packets"] == 1
    doubled = {name: 2 * columns[name] for name in ("src_packets", "dst_packets", "src_bytes", "dst_bytes")}
    known = {name: np.where(single, 0.0, columns[name]) for name in ("src_payload", "dst_payload")}
    return {**columns, **doubled, **known, "duration": np.where(single, 1e-6, columns["duration"])}


def _measured(columns: Columns) -> Columns:
    return {**columns, "duration": np.nan_to_num(columns["duration"])}


def _one_way(columns: Columns) -> Columns:
    back = reverse(columns, np.ones(len(columns["start"]), dtype=np.bool_))
    both = [_blank(_sent(way), _UNTOLD_BY_NETFLOW) for way in (columns, back)]
    return merge(both)


def _sent(columns: Columns) -> Columns:
    rows: Array = columns["src_packets"] > 0
    return {name: column[rows] for name, column in columns.items()}


def _blank(columns: Columns, names: tuple[str, ...]) -> Columns:
    blank = {name: np.full(len(columns[name]), np.nan if columns[name].dtype.kind == "f" else ABSENT) for name in names}
    return {**columns, **blank}
