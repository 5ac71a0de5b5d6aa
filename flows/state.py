"""The memory behind the features: a table of hosts and one of pairs, their rows, and the limits of both.

Everything about a host lies together, and so does everything about a pair, as measuring a flow touches most of it.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

HOSTS: Final = 8192
PAIRS: Final = 131072
PAIRS_PER_HOST: Final = 8192
STEPS_10: Final = 10  # of one second
STEPS_60: Final = 12  # of five seconds
SECONDS_PER_STEP_60: Final = 5
RECENT: Final = 64  # flows behind peer_entropy and the other features of a host's last flows
BEATS: Final = 16
HALF_LIVES_S: Final = (30.0, 1800.0)  # of the recency-weighted counts of a pair's flows
PORT_CELLS: Final = 256
CLASSES: Final = 16  # of the histograms behind the entropies
MICROSECONDS: Final = 1_000_000
BEAT_GAP: Final = 1 * MICROSECONDS
LEAP: Final = 600 * MICROSECONDS
MAX_LEAPS: Final = 16
# Arrivals: the mean forgets over a minute, learns for ten seconds before it judges, and lets no single second pull
# it up by more than three standard deviations, so that a flood does not become the new normal at once.
MEMORY_S: Final = 60
LEARNING_S: Final = 10
SLACK: Final = 0.5
STRETCH: Final = 3.0
QUIET_S: Final = 600
LARGEST: Final = 2.0**53  # above it floats no longer count by ones, and no exporter means it
MOST_BYTES: Final = 2.0**40  # a flow counts for at most so many bytes (or packets) each way: no sum overflows

# Everything here changes what a feature means, so it is part of the catalogue's digest.
LIMITS: Final[dict[str, float | str]] = {
    "hosts": HOSTS,
    "pairs": PAIRS,
    "pairs_per_host": PAIRS_PER_HOST,
    "recent_flows": RECENT,
    "beats": BEATS,
    "half_lives_s": " ".join(f"{seconds:g}" for seconds in HALF_LIVES_S),
    "beat_gap_us": BEAT_GAP,
    "port_cells": PORT_CELLS,
    "classes": CLASSES,
    "clock": "largest flow start of the key host; a flow moves it by at most leap_us, doubled for each flow in a row "
    "that is further ahead than that, at most max_leaps times; a second flow that starts over leap_us before the first "
    "starts it anew",
    "leap_us": LEAP,
    "max_leaps": MAX_LEAPS,
    "arrivals_memory_s": MEMORY_S,
    "arrivals_learning_s": LEARNING_S,
    "arrivals_slack": SLACK,
    "arrivals_stretch": STRETCH,
    "arrivals_quiet_s": QUIET_S,
    "largest": LARGEST,
    "most_bytes": MOST_BYTES,
    "eviction": "least recently seen host with its pairs; within a host at its quota, its least recently seen pair",
}

# Counters of one window step, per direction (0 in, 1 out).
FLOWS: Final = 0
PACKETS: Final = 1
PACKETS_KNOWN: Final = 2
SENT: Final = 3  # bytes, of the sides that are told
RECEIVED: Final = 4
BYTES_KNOWN: Final = 5
FLAGS_KNOWN: Final = 6
SYN_ONLY: Final = 7
STATE_KNOWN: Final = 8
FAILED: Final = 9
ANSWER_KNOWN: Final = 10
ONE_WAY: Final = 11
PEERS: Final = 12
PORTS: Final = 13
NEW_PEERS: Final = 14
PORTS_KNOWN: Final = 15
DNS_FLOWS: Final = 16
COUNTERS: Final = 17
PORT_CLASSES: Final = 0
SIZE_CLASSES: Final = 1

NONE: Final = -1
Array = npt.NDArray[Any]
Record = Any  # one row of a structured array, as numba sees it

HOST: Final = np.dtype(
    [
        ("address", "u8", 2),
        ("origin", "i8"),  # microseconds
        ("clock", "i8"),  # microseconds
        ("step", "i8"),  # current second of the host's life, from 1
        ("flows", "i8"),
        ("cusum", "f8"),  # of arrivals per second
        ("mean", "f8"),
        ("leaps", "i4"),  # in a row
        ("chain", "i4"),  # next slot of the hash chain, plus one
        ("earlier", "i4"),  # slot of the host seen before this one, and after
        ("later", "i4"),
        ("pairs", "i4"),
        ("latest", "i4"),  # pair slot
        ("oldest", "i4"),
        ("recent", "i4", RECENT),  # pair slots of the last flows
        ("recent_weight", "i8"),
        ("recent_port", "i4", RECENT),  # responder's, -1 if absent
        ("recent_failed", "i1", RECENT),  # 0 or 1, -1 if unknown
        ("recent_new", "i1", RECENT),  # 1 for the first flow of its pair
        ("failed_total", "i4"),  # of these
        ("state_known_total", "i4"),
        ("new_total", "i4"),
        # Per step, then the total of the window.
        ("sums_10", "i8", (STEPS_10 + 1, 2, COUNTERS)),
        ("sums_60", "i8", (STEPS_60 + 1, 2, COUNTERS)),
        ("classes_10", "i4", (STEPS_10 + 1, 2, 2, CLASSES)),
        ("classes_60", "i4", (STEPS_60 + 1, 2, 2, CLASSES)),
        ("weights_10", "i8", (2, 2)),  # of the totals of the classes, see flows.entropy
        ("weights_60", "i8", (2, 2)),
        ("port_seen", "u4", (2, PORT_CELLS)),  # second of the last flow to a port of the cell
    ],
    align=True,
)

PAIR: Final = np.dtype(
    [
        ("address", "u8", 2),
        ("host", "i4"),
        ("chain", "i4"),
        ("earlier", "i4"),
        ("later", "i4"),
        ("seen", "u4", 2),  # second of the last flow in, out
        ("recent", "i4"),  # how often the pair stands in its host's recent flows
        ("beats", "i4"),
        ("flows", "i8"),
        ("first", "i8"),  # earliest start, microseconds
        ("answered", "i8"),
        ("answer_known", "i8"),
        ("sent", "i8"),  # bytes, of the sides that are told
        ("received", "i8"),
        ("bytes_known", "i8"),
        ("failed", "i8"),
        ("state_known", "i8"),
        ("weighted", "f8", 2),  # flows, weighted by recency, per half-life
        ("weighted_at", "i8"),  # the host's clock at the last flow, microseconds
        ("rhythm", "f8", 6),  # what the beats say, see flows.pairs
        ("starts", "i8", BEATS),  # of the last beats, ascending
        ("sizes", "f8", BEATS),  # bytes sent in the flow that opened the beat
    ],
    align=True,
)


class Tables(NamedTuple):
    """All state of one partition."""

    seed: Array  # uint64[1]
    cursor: Array  # int64[4]: free hosts, free pairs, latest host, oldest host
    hosts: Array  # HOST[hosts]
    host_heads: Array  # int32[2 * hosts]: first slot of each hash chain, plus one; 0 is an empty chain
    host_free: Array  # int32[hosts]: stack of free slots
    pairs: Array  # PAIR[pairs]
    pair_heads: Array  # int32[2 * pairs]
    pair_free: Array  # int32[pairs]


def allocate(hosts: int = HOSTS, pairs: int = PAIRS) -> Tables:
    """Make empty tables. Memory is claimed by the system only as slots are first used.

    Raises:
        ValueError: a host's quota, half the pairs at most, could not hold the peers of its last RECENT flows.
    """
    if hosts < 1 or pairs // 2 <= RECENT:
        raise ValueError(f"{hosts} hosts and {pairs} pairs: at least 1 and {2 * RECENT + 2} are needed")
    return Tables(
        seed=np.array([secrets.randbits(64)], dtype=np.uint64),
        cursor=np.array([hosts, pairs, NONE, NONE], dtype=np.int64),
        hosts=np.zeros(hosts, dtype=HOST),
        host_heads=np.zeros(2 * hosts, dtype=np.int32),
        host_free=np.arange(hosts - 1, -1, -1, dtype=np.int32),
        pairs=np.zeros(pairs, dtype=PAIR),
        pair_heads=np.zeros(2 * pairs, dtype=np.int32),
        pair_free=np.arange(pairs - 1, -1, -1, dtype=np.int32),
    )
