"""``ddos_lgbm``: floods, by what arrives at a host, or leaves it for one other, and how fast.

Whether the victim answers, which way the exporter says a flow went, and how long packets are tells laboratories apart,
not floods; so what is used are counts that only grow in a flood, and shares of them.
"""

from __future__ import annotations

from typing import Final

from detection.verdict import Kind
from training.boosting import Bools, BoostedRecipe
from training.datasets import Dataset

NAME: Final = "ddos_lgbm"
_MORE: Final = (
    *("in_flows_10s", "in_peers_10s", "in_flows_60s", "arrival_cusum"),
    "out_flows_10s",
)
_LESS: Final = ("in_flow_packets_10s", "out_flow_packets_10s")
FEATURES: Final = (
    *_MORE,
    *_LESS,
    *("in_flow_bytes_10s", "out_flow_bytes_10s", "in_size_entropy_10s", "out_size_entropy_10s"),
    *("in_port_entropy_10s", "out_port_entropy_10s", "in_peers_60s", "out_peers_10s", "in_ports_10s"),
    *("peer_entropy", "peer_share", "port_share", "recent_new_peer_share", "recent_failed_share", "pair_failed_share"),
    *("in_failed_share_10s", "in_one_way_share_10s", "out_failed_share_10s", "out_one_way_share_10s"),
    *("pair_flows_1m", "pair_flows_1h", "pair_answered_share", "answered"),
    *("initiated", "packets", "is_udp", "is_icmp", "port_amplifier", "port_dns", "out_dns_flows_60s"),
    *("byte_ratio_60s", "in_bytes_10s", "in_packets_10s", "pair_byte_ratio"),
)


def apparent(data: Dataset) -> Bools:
    """Which flows come while much arrives at their host, or leaves it, bool[n]."""
    return (data.column("in_flows_10s") >= 20.0) | (data.column("out_flows_10s") >= 60.0)


RECIPE: Final = BoostedRecipe(
    NAME,
    Kind.DDOS,
    fpr=0.001,
    features=FEATURES,
    monotone=dict.fromkeys(_MORE, 1) | dict.fromkeys(_LESS, -1),
    while_under={"in_flows_60s": 60.0},
    apparent=apparent,
)
