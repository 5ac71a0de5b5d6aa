"""The same traffic, answered otherwise: victims that refuse, accept, say that nobody listens there, or keep silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from flows.batch import ABSENT, FlowBatch, Service, State
from flows.errors import UsageError
from flows.formats.protocols import UDP
from flows.formats.tcp import tcp_state
from flows.formats.zeek_terms import ACK, ICMP, ICMP6, RST, SYN
from training.views.common import INTERVALS, Column, Mask, Rows, drawn, every_row, is_ipv6, is_tcp

ANSWERS: Final = ("reset", "syn-ack", "unreachable", "silent")

_IP6_MORE: Final = 20.0  # bytes that the header of an IPv6 packet has more
_RESET: Final = 40.0  # bytes: headers of IPv4 and TCP
# Bytes of a SYN+ACK over IPv4: with the largest segment only, as SYN cookies have it without time stamps (RFC 4987,
# 3.6), then with what Windows, BSD and Linux add.
_SYN_ACKS: Final = (44.0, 48.0, 52.0, 60.0)
# An ICMP error: headers of IP and ICMP, then of the packet as much as RFC 1812, 4.3.2.3 and RFC 4443, 2.4 allow.
_ERROR_HEADERS, _ERROR_MOST = 28.0, 576.0
_ERROR6_HEADERS, _ERROR6_MOST = 48.0, 1280.0
# From a packet to its refusal, s: 54 to 67 us half of the time as the refusing host of RITA's capture sees it, to 1 ms
# across the local network of the Nmap capture.
_SOONEST, _LATEST = 2e-5, 1e-3


def answered_by(batch: FlowBatch, how: str, rng: np.random.Generator, share: float = 1.0) -> tuple[FlowBatch, Rows]:
    """Answer a share of the flows of which it is known that nobody did, or take the answers of a share away.

    * "reset": TCP, but for what holds a RST itself. Each packet gets a RST of 40 bytes (60 over IPv6), with ACK where
      it had none (RFC 9293, 3.5.2). An attempt is then rejected; what was seen from the middle stays so.
    * "syn-ack": TCP's attempts. Each packet gets a SYN+ACK of 44 to 60 bytes, of one size for the whole batch, and the
      connection is half open, which Zeek (S1), Argus and flags call established.
    * "unreachable": UDP. A flow of ICMP from the destination to the source follows at once, with an error for each
      packet: port unreachable, with what RFC 1812, 4.3.2.3, and RFC 4443, 2.4, let it hold of the packet.
    * "silent": TCP and UDP that were answered. The way back is gone, and the way there is as it was, as where packets
      back take another route.

    An answered flow of one packet lasts until its answer, which comes 20 us to 1 ms later. How sizes of packets spread
    and their intervals become unknown; the smallest and largest packet take the answer in, and are unknown in silence.
    Flags and payload of an answer are told where those of the source are, as they were on the wire:
    :func:`~training.views.exporters.as_exporter` makes of them what an exporter tells.

    Args:
        batch: ``n`` flows in arrival order.
        how: one of :data:`ANSWERS`.
        rng: draws flows, sizes and delays.
        share: of the flows that can be answered so, from 0 to 1.

    Returns:
        The flows, and the rows that they come from, int64[m]: all of them, in order, but for "unreachable".

    Raises:
        UsageError: nobody answers so.
        ValueError: ``share`` is not between 0 and 1.
    """
    if how not in ANSWERS:
        raise UsageError(f"nobody answers with {how!r}; the answers are {', '.join(ANSWERS)}")
    unanswered = (batch.dst_packets == 0) & ~(batch.src_packets == 0)
    if how == "silent":
        return _silent(batch, drawn(_answered(batch), share, rng)), every_row(batch)
    if how == "unreachable":
        return _unreachable(batch, drawn(unanswered & (batch.protocol == UDP), share, rng))
    tcp = unanswered & is_tcp(batch)
    if how == "reset":
        had_reset = (batch.src_flags != ABSENT) & (batch.src_flags & RST != 0)
        rows = drawn(tcp & ~had_reset, share, rng)
        flags = np.where(batch.src_flags & ACK != 0, RST, RST | ACK)
        return _answered_with(batch, rows, _RESET, flags, State.REJECTED, rng), every_row(batch)
    rows = drawn(tcp & (batch.state == State.ATTEMPT) & _opened_only(batch), share, rng)
    size = float(rng.choice(_SYN_ACKS))
    flags = np.full(len(batch), SYN | ACK)
    return _answered_with(batch, rows, size, flags, State.ESTABLISHED, rng), every_row(batch)


def _answered(batch: FlowBatch) -> Mask:
    return np.asarray((batch.dst_packets > 0) & (is_tcp(batch) | (batch.protocol == UDP)))


def _opened_only(batch: FlowBatch) -> Mask:
    """TCP whose source sent nothing but SYNs, as far as flags tell."""
    return np.asarray((batch.src_flags == ABSENT) | (batch.src_flags & 0x1F == SYN))


def _answered_with(
    batch: FlowBatch, rows: Mask, size: float, flags: Column, state: State, rng: np.random.Generator
) -> FlowBatch:
    """Answer every packet of the flows at ``rows`` with one of ``size`` bytes over IPv4, which has no payload."""
    size_of = np.where(is_ipv6(batch), size + _IP6_MORE, size)
    packets = np.fmax(batch.src_packets, 1.0)  # of unknown ones there was one at least
    delay = np.exp(rng.uniform(np.log(_SOONEST), np.log(_LATEST), len(batch)))
    one_packet = np.isnan(batch.duration) | (batch.src_packets == 1)
    changes = {
        "duration": np.where(one_packet, delay, batch.duration),
        "dst_packets": packets,
        "dst_bytes": packets * size_of,
        "dst_payload": np.where(np.isnan(batch.src_payload), np.nan, 0.0),
        "dst_flags": np.where(batch.src_flags == ABSENT, ABSENT, flags),
        "state": np.where(batch.state == State.ATTEMPT, state, batch.state),
        "packet_size_min": np.minimum(batch.packet_size_min, size_of),
        "packet_size_max": np.maximum(batch.packet_size_max, size_of),
    }
    return _changed(batch, rows, changes)


def _silent(batch: FlowBatch, rows: Mask) -> FlowBatch:
    tcp = is_tcp(batch)
    opened = np.isin(batch.state, (State.REJECTED, State.ESTABLISHED, State.CLOSED, State.RESET))
    flags_told = tcp & (batch.src_flags != ABSENT) & (batch.state != ABSENT)
    nothing = np.zeros(len(batch))
    state = np.where(opened, State.ATTEMPT, batch.state)
    state = np.where(flags_told, tcp_state(batch.src_flags, np.zeros_like(batch.src_flags)), state)
    changes = {
        "dst_packets": nothing,
        "dst_bytes": nothing,
        "dst_payload": np.where(np.isnan(batch.dst_payload), np.nan, 0.0),
        "dst_flags": np.where(batch.dst_flags == ABSENT, ABSENT, 0),
        "state": state,
        "packet_size_min": np.full(len(batch), np.nan),
        "packet_size_max": np.full(len(batch), np.nan),
    }
    return _changed(batch, rows, changes)


def _changed(batch: FlowBatch, rows: Mask, changes: dict[str, Column]) -> FlowBatch:
    """Change columns of the flows at ``rows``; what else packets of both sides made up is no longer known there."""
    untold = {name: np.full(len(batch), np.nan) for name in ("packet_size_std", *INTERVALS)}
    columns = {}
    for name, new in {**untold, **changes}.items():
        old = getattr(batch, name)
        columns[name] = np.where(rows, new, old).astype(old.dtype)
    return replace(batch, **columns)


def _unreachable(batch: FlowBatch, rows: Mask) -> tuple[FlowBatch, Rows]:
    """Let an ICMP error for each packet follow behind the flows at ``rows``."""
    asked = batch.take(rows)
    n = len(asked)
    ipv6 = is_ipv6(asked)
    packets = np.fmax(asked.src_packets, 1.0)
    packet = asked.src_bytes / packets
    headers = np.where(ipv6, _ERROR6_HEADERS, _ERROR_HEADERS)
    size = np.minimum(headers + packet, np.where(ipv6, _ERROR6_MOST, _ERROR_MOST))
    errors = FlowBatch.from_columns(
        n,
        {
            "start": asked.start,
            "duration": asked.duration,
            "src_addr": asked.dst_addr,
            "dst_addr": asked.src_addr,
            "protocol": np.where(ipv6, ICMP6, ICMP),
            "src_packets": packets,
            "dst_packets": np.zeros(n),
            "src_bytes": np.floor(size) * packets,
            "dst_bytes": np.zeros(n),
            "src_payload": np.where(np.isnan(asked.src_payload), np.nan, (np.floor(size) - headers) * packets),
            "dst_payload": np.where(np.isnan(asked.dst_payload), np.nan, 0.0),
            "state": np.where(asked.state == ABSENT, ABSENT, State.OTHER),
            "service": np.where(asked.service == ABSENT, ABSENT, Service.UNRECOGNISED),
            "sensor_id": asked.sensor_id,
        },
    )
    sources = np.concatenate([every_row(batch), np.flatnonzero(rows)])
    order = np.argsort(sources, kind="stable")
    return FlowBatch.concatenate([batch, errors]).take(order), sources[order]
