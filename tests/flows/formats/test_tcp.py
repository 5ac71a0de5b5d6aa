"""What the flags of both sides tell of a connection."""

from __future__ import annotations

import numpy as np
import pytest

from flows.batch import ABSENT, State
from flows.formats.tcp import tcp_state
from flows.formats.zeek_terms import ACK, FIN, RST, SYN

FLAGS: list[tuple[int, int, State]] = [
    (SYN, 0, State.ATTEMPT), (SYN | RST, 0, State.ATTEMPT), (SYN | ACK, ACK, State.ATTEMPT),
    (SYN, RST | ACK, State.REJECTED), (SYN | RST, RST, State.REJECTED), (0xC2, RST | ACK, State.REJECTED),
    (SYN, SYN | ACK, State.ESTABLISHED), (SYN | ACK | FIN, SYN | ACK, State.ESTABLISHED),
    (SYN | ACK, ACK | FIN, State.ESTABLISHED),
    (SYN | ACK | FIN, SYN | ACK | FIN, State.CLOSED), (SYN | FIN, SYN | FIN | RST, State.CLOSED),
    (SYN | RST, SYN | ACK, State.RESET), (SYN | ACK, SYN | ACK | RST, State.RESET),
    (ACK, ACK, State.OTHER), (SYN | ACK, SYN, State.ESTABLISHED), (0, SYN | ACK, State.OTHER), (RST, 0, State.OTHER),
    (ABSENT, SYN | ACK, State.OTHER), (SYN, ABSENT, State.OTHER), (ABSENT, ABSENT, State.OTHER),
]  # fmt: skip


@pytest.mark.parametrize(("src_flags", "dst_flags", "state"), FLAGS)
def test_the_state_is_told_by_the_flags(src_flags: int, dst_flags: int, state: State) -> None:
    assert tcp_state(np.array([src_flags], dtype=np.int16), np.array([dst_flags], dtype=np.int16)).tolist() == [state]


def test_a_column_is_read_flow_by_flow() -> None:
    src_flags, dst_flags, states = (np.array(column, dtype=np.int16) for column in zip(*FLAGS, strict=True))
    found = tcp_state(src_flags, dst_flags)
    assert found.dtype == np.int8
    assert found.tolist() == states.tolist()
    assert tcp_state(src_flags[:0], dst_flags[:0]).shape == (0,)
