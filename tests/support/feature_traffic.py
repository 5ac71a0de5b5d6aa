"""Random flows for the tests of the features: ordinary traffic, and traffic with everything that can be wrong in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import INDEX, NAMES
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks, key_hosts

MAPPED = 0xFFFF << 32
PORTS = (22, 53, 80, 123, 443, 1024, 5353, 6667, 8080, 49151, 49152, 60000, 65535, 0)
NEVER_ABSENT = {"start", "src_addr", "dst_addr", "sensor_id", "flow_id"}


def inside(number: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Addresses of a home network, ``uint64[n, 2]``: 10.0.0.0/8, every fourth in fc00::/7."""
    low = np.asarray(number, dtype=np.uint64)
    six = low % 4 == 3
    return np.stack([np.where(six, 0xFD00 << 48, 0), np.where(six, low, MAPPED | 10 << 24 | low)], 1).astype(np.uint64)


def outside(number: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Addresses of nobody's home, ``uint64[n, 2]``: IPv4, every fourth in 2001:db8::/32."""
    low = np.asarray(number, dtype=np.uint64)
    six = low % 4 == 3
    return np.stack([np.where(six, 0x20010DB8 << 32, 0), np.where(six, low, MAPPED | 11 << 24 | low)], 1).astype(
        np.uint64
    )


def flow_columns(rng: np.random.Generator, n: int) -> dict[str, npt.NDArray[Any]]:
    """Everything about ``n`` flows but their times and addresses; all of it known."""
    columns: dict[str, npt.NDArray[Any]] = {
        "src_port": rng.choice(PORTS, n),
        "dst_port": np.where(rng.random(n) < 0.7, rng.choice(PORTS, n), rng.integers(0, 65536, n)),
        "protocol": rng.choice([6, 6, 17, 1, 58, 47], n),
        "state": rng.integers(0, 6, n),
        "service": rng.integers(0, 5, n),
        "src_flags": rng.choice([0, 2, 18, 27, 31], n),
        "dst_flags": rng.choice([0, 4, 18, 27], n),
        "packet_size_min": rng.integers(40, 100, n),
        "packet_size_max": rng.integers(100, 1500, n),
        "packet_size_std": rng.exponential(100, n),
        "iat_mean": rng.exponential(1, n),
        "iat_std": rng.exponential(1, n),
        "iat_max": rng.exponential(5, n),
    }
    for side in ("src", "dst"):
        columns[f"{side}_packets"] = rng.integers(0 if side == "dst" else 1, 30, n)
        columns[f"{side}_bytes"] = columns[f"{side}_packets"] * rng.choice([40, 52, 1500], n)
        columns[f"{side}_payload"] = columns[f"{side}_bytes"] // 2
    return columns


def random_flows(seed: int, n: int, hosts: int = 4, peers: int = 8, rate: float = 20.0) -> FlowBatch:
    """Ordinary traffic in order of its ends, but for some late flows; a few peers are called often."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.exponential(1 / rate, n)) + np.where(rng.random(n) < 0.05, -rng.exponential(30, n), 0.0)
    duration = np.where(rng.random(n) < 0.2, 0.0, rng.exponential(2.0, n))
    home = inside(rng.integers(0, hosts, n))
    away = outside(np.minimum(rng.zipf(1.4, n), peers))
    is_in = (rng.random(n) < 0.4)[:, None]
    columns = flow_columns(rng, n) | {
        "start": np.round(1.7e9 + 1000.0 + ends - duration, 6),
        "duration": np.round(duration, 6),
        "src_addr": np.where(is_in, away, home),
        "dst_addr": np.where(is_in, home, away),
    }
    return FlowBatch.from_columns(n, columns)


def wild_flows(seed: int, n: int, hosts: int = 3, peers: int = 5) -> FlowBatch:
    """Traffic with everything in it: gaps, leaps and bad dates, absent values, numbers nobody means, self flows."""
    rng = np.random.default_rng(seed)
    ordinary = random_flows(seed + 1, n, hosts, peers)
    columns = {spec.name: getattr(ordinary, spec.name).copy() for spec in SCHEMA}
    pauses = rng.choice(
        [0.0, 0.2, 1.0, 5.0, 30.0, 600.0, 4000.0, 259200.0], n, p=[0.3, 0.3, 0.2, 0.1, 0.06, 0.02, 0.01, 0.01]
    )
    columns["start"] = np.round(columns["start"] + np.cumsum(pauses), int(rng.integers(0, 7)))
    addresses = np.concatenate([inside(np.arange(hosts)), outside(np.arange(peers))])
    anyone = rng.random(n) < 0.1  # both inside, neither inside, or a host and itself
    for name in ("src_addr", "dst_addr"):
        columns[name][anyone] = addresses[rng.integers(0, len(addresses), anyone.sum())]
    bad_dates = rng.random(n) < 0.02
    columns["start"][bad_dates] = rng.choice(
        [np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 3.8e9, 4102444799.0, 4.2e9, 1e300], bad_dates.sum()
    )
    for spec in SCHEMA:
        if spec.name not in NEVER_ABSENT:
            columns[spec.name][rng.random(n) < rng.choice([0.0, 0.0, 0.1, 1.0])] = spec.absent
            if spec.dtype == "float64":
                odd = rng.random(n) < 0.01
                columns[spec.name][odd] = rng.choice(
                    [np.inf, -np.inf, -1.0, -0.0, 0.5, 2.0**40, 2.0**53, 2.0**53 + 2, 1e300, 5e-324], odd.sum()
                )
    return FlowBatch.from_columns(n, columns)


def flows_of(starts: npt.ArrayLike, src: npt.ArrayLike, dst: npt.ArrayLike, **columns: Any) -> FlowBatch:
    """Answered web requests that take no time, but for the columns given; one value stands for all flows."""
    start = np.atleast_1d(np.asarray(starts, dtype=np.float64))
    n = len(start)
    values: dict[str, Any] = {
        "start": start,
        "duration": 0.0,
        "src_port": 40000,
        "dst_port": 443,
        "protocol": 6,
        "src_packets": 4,
        "dst_packets": 4,
        "src_bytes": 400,
        "dst_bytes": 4000,
        "src_flags": 27,
        "dst_flags": 27,
        "state": 3,
        **columns,
    }
    filled = {name: np.broadcast_to(value, n) for name, value in values.items()}
    return FlowBatch.from_columns(
        n, filled | {"src_addr": np.broadcast_to(src, (n, 2)), "dst_addr": np.broadcast_to(dst, (n, 2))}
    )


def one_column(rows: npt.NDArray[np.float32], name: str) -> list[float]:
    """A feature of every row, by name."""
    values: list[float] = rows[:, INDEX[name]].tolist()
    return values


def in_batches(extractor: FeatureExtractor, batch: FlowBatch, cuts: list[int]) -> npt.NDArray[np.float32]:
    """The rows of a batch that comes in pieces, cut at ``cuts``."""
    edges = [0, *sorted(cuts), len(batch)]
    return np.concatenate([extractor.extract(batch.take(slice(a, b))) for a, b in pairwise(edges)])


def in_partitions(batch: FlowBatch, partitions: int) -> npt.NDArray[np.float32]:
    """The rows of a batch whose key hosts are spread over partitions, each with an extractor of its own."""
    home = HomeNetworks()
    hosts = key_hosts(batch, home.key_is_dst(batch))
    number = (hosts[:, 0] * np.uint64(31) + hosts[:, 1] * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(7)) % np.uint64(
        partitions
    )
    rows = np.empty((len(batch), len(NAMES)), dtype=np.float32)
    for partition in range(partitions):
        mine = number == partition
        rows[mine] = FeatureExtractor(home).extract(batch.take(mine))
    return rows


def renamed(batch: FlowBatch, seed: int) -> FlowBatch:
    """The same flows between other hosts: every address replaced, the key host kept."""
    home = HomeNetworks()
    rng = np.random.default_rng(seed)
    both = np.concatenate([batch.src_addr, batch.dst_addr])
    names, which = np.unique(both, axis=0, return_inverse=True)
    others = rng.choice(1 << 24, len(names), replace=False)
    fresh = np.where(home.contain(names)[:, None], inside(others), outside(others))[which.reshape(-1)]
    return replace(batch, src_addr=fresh[: len(batch)].copy(), dst_addr=fresh[len(batch) :].copy())


def shifted(batch: FlowBatch, microseconds: int) -> FlowBatch:
    """The same flows at another time; for starts in whole microseconds."""
    return replace(batch, start=(np.rint(batch.start * 1e6) + microseconds) / 1e6)
