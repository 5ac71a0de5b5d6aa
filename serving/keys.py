"""The keys of messages that hold flows: a host's flows go to one partition, in order."""

from __future__ import annotations

from flows.addresses import address_texts
from flows.batch import FlowBatch
from flows.keying import HomeNetworks, key_hosts


def message_keys(batch: FlowBatch, home: HomeNetworks) -> list[bytes | None]:
    """Return the text of each flow's key host.

    A flow without addresses has None: it has no past that a partition could keep, and may go to any.
    """
    addressed = (batch.src_addr != 0).any(axis=1) | (batch.dst_addr != 0).any(axis=1)
    hosts = address_texts(key_hosts(batch, home.key_is_dst(batch)))
    return [host.encode() if known else None for host, known in zip(hosts, addressed.tolist(), strict=True)]
