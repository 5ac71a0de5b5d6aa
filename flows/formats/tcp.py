"""How TCP connections went, for exporters that tell each side's flags."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flows.batch import State
from flows.formats.zeek_terms import FIN, RST, SYN


def tcp_state(src_flags: npt.NDArray[np.int16], dst_flags: npt.NDArray[np.int16]) -> npt.NDArray[np.int8]:
    """Tell how connections went from all the flags of either side: int8[n] of State, OTHER where flags are absent.

    It means what Zeek's ``conn_state`` means: both FINs close, whatever RST follows; a refusal is a RST in place of
    the SYN+ACK; without the initiator's SYN it was seen from the middle.
    """
    told = (src_flags >= 0) & (dst_flags >= 0)
    opened = src_flags & SYN != 0
    accepted = dst_flags & (SYN | FIN) != 0
    return np.select(
        [
            ~told,
            (src_flags & dst_flags & FIN) != 0,
            ~opened,
            ~accepted & (dst_flags & RST != 0),
            ~accepted,
            (src_flags | dst_flags) & RST != 0,
        ],
        [State.OTHER, State.CLOSED, State.OTHER, State.REJECTED, State.ATTEMPT, State.RESET],
        State.ESTABLISHED,
    ).astype(np.int8)
