"""The shipped rules on flows, not on made-up features: each has traffic that fires it, and its like that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from detection.engines.rules import Rule, RuleSet, default_rules, parse_rules
from flows.batch import FlowBatch, State
from flows.features import FeatureExtractor
from tests.support.feature_traffic import flows_of, inside, outside

SHIPPED: Final = parse_rules(default_rules())
HOST: Final = inside([5])
START: Final = 1.7e9


@dataclass(frozen=True)
class Pair:
    """Traffic that fires a rule, and like traffic that does not."""

    fires: FlowBatch
    does_not: FlowBatch


def to_host(n: int, seconds: float, peers: int = 1, **columns: Any) -> FlowBatch:
    """So many flows into a host, evenly in so many seconds, from so many others in turn."""
    return flows_of(START + np.arange(n) * seconds / n, outside(np.arange(n) % peers), HOST, **columns)


def from_host(n: int, seconds: float, peers: int = 1, **columns: Any) -> FlowBatch:
    """The same out of it."""
    return flows_of(START + np.arange(n) * seconds / n, HOST, outside(np.arange(n) % peers), **columns)


def calls(gaps: npt.NDArray[np.float64], **columns: Any) -> FlowBatch:
    """Flows of a host to one other, so many seconds apart."""
    return flows_of(START + np.cumsum(gaps), HOST, outside([1]), **columns)


def even(n: int, gap: float) -> npt.NDArray[np.float64]:
    return np.full(n, gap)


def uneven(n: int, gap: float) -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).exponential(gap, n)


UNANSWERED: Final[dict[str, Any]] = {
    "src_packets": 1,
    "src_bytes": 44,
    "src_flags": 2,
    "dst_packets": 0,
    "dst_bytes": 0,
    "dst_flags": 0,
    "state": State.ATTEMPT,
}
REFUSED: Final = UNANSWERED | {"dst_packets": 1, "dst_bytes": 40, "dst_flags": 0x14, "state": State.REJECTED}
NO_FLAGS: Final[dict[str, Any]] = {"src_flags": -1, "dst_flags": -1}
UDP: Final = NO_FLAGS | {"protocol": 17}
PING: Final = NO_FLAGS | {"protocol": 1, "src_port": -1, "dst_port": -1}
AMPLIFIED: Final = UNANSWERED | UDP | {"src_port": 161, "dst_port": 40_000}
PORTS: Final = np.arange(150) + 1
SSH: Final[dict[str, Any]] = {"dst_port": 22, "src_bytes": 1500, "dst_bytes": 2500}
CHAT: Final[dict[str, Any]] = {"dst_port": 6667, "src_bytes": 300, "dst_bytes": 300}
QUESTION: Final = UDP | {"dst_port": 53, "src_packets": 1, "dst_packets": 1, "dst_bytes": 200}

PAIRS: Final[dict[str, Pair]] = {
    "syn_flood": Pair(to_host(400, 8, 400, **UNANSWERED), to_host(400, 8, 400)),
    "udp_amplification": Pair(
        to_host(200, 8, 50, **AMPLIFIED | {"src_bytes": 1400}), to_host(200, 8, 50, **AMPLIFIED | {"src_bytes": 90})
    ),
    "icmp_flood": Pair(to_host(400, 8, 20, **PING), to_host(400, 80, 20, **PING)),
    "http_flood": Pair(to_host(600, 8, 10), to_host(600, 8, 300)),
    "flow_flood": Pair(to_host(1500, 8, 300, **UNANSWERED | UDP), to_host(1500, 8, 300, **UDP)),
    "port_scan_out": Pair(from_host(150, 30, **REFUSED | {"dst_port": PORTS}), from_host(150, 30, dst_port=PORTS)),
    "port_scan_in": Pair(to_host(150, 30, **REFUSED | {"dst_port": PORTS}), to_host(150, 30, dst_port=PORTS)),
    "horizontal_scan_out": Pair(from_host(150, 30, 150, **UNANSWERED), from_host(150, 30, 150)),
    "distributed_scan_in": Pair(to_host(90, 40, 90, **REFUSED), to_host(90, 40, 90)),
    "brute_force_in": Pair(to_host(60, 40, **SSH), to_host(60, 40, **SSH | {"dst_bytes": 90_000})),
    "brute_force_out": Pair(from_host(60, 40, **SSH), from_host(60, 400, **SSH)),
    "irc_command_channel": Pair(calls(even(12, 30.0), **CHAT), calls(uneven(12, 30.0), **CHAT)),
    "regular_beacon": Pair(calls(even(20, 30.0)), calls(uneven(20, 30.0))),
    "dns_tunnel": Pair(
        from_host(200, 50, **QUESTION | {"src_bytes": 220}), from_host(200, 50, **QUESTION | {"src_bytes": 60})
    ),
}


def test_every_shipped_rule_has_traffic_that_fires_it_and_its_like_that_does_not() -> None:
    assert set(PAIRS) == {rule.id for rule in SHIPPED.rules}, "give a new rule a pair of streams here"


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.id)
def test_a_rule_fires_on_such_traffic_and_not_on_its_like(rule: Rule) -> None:
    pair = PAIRS[rule.id]
    alone = RuleSet((rule,))

    _, fired = alone.votes(FeatureExtractor().extract(pair.fires))
    _, quiet = alone.votes(FeatureExtractor().extract(pair.does_not))

    assert fired[-1], "it fires once enough has come"
    assert not fired[0], "it does not accuse the first flow"
    assert not quiet.any()
