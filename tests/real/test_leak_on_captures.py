"""The leak test on real captures, with their disorder, gaps and one-way flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.batch import FlowBatch
from flows.files import parse_spec, read_flows
from flows.keying import DEFAULT_HOME, HomeNetworks
from training.leak import find_leaks, renamed

CAPTURES = (
    ("iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz", DEFAULT_HOME),
    ("ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz", ("147.32.0.0/16",)),
    ("ctu-zeek/ctu-botnet-230-1_njrat_first1000.conn.log.labeled.gz", DEFAULT_HOME),
    ("ctu-argus/slips_test2-malicious_2019-04-04.binetflow.gz", DEFAULT_HOME),
    ("ddos-captures/amp.TCP.reflection.SYNACK.argus.binetflow.gz", DEFAULT_HOME),
)


@pytest.mark.parametrize(("name", "networks"), CAPTURES)
def test_no_feature_tells_what_hosts_are_called_or_what_time_it_was(
    datasets: Path, name: str, networks: tuple[str, ...]
) -> None:
    chunks = read_flows([parse_spec(str(datasets / name))])
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    home = HomeNetworks(networks)

    assert (renamed(batch, home).src_addr != batch.src_addr).any(axis=1).all()
    assert not find_leaks(batch, home)
