"""A made-up batch through all stages, before the first real one comes."""

from __future__ import annotations

import numpy as np

from flows.batch import FlowBatch
from flows.formats import encode_canonical
from serving.pipeline import Pipeline


def warm_up(pipeline: Pipeline, flows: int) -> None:
    """Take a batch of ``flows`` made-up flows through all stages, so that no real one waits for a compiler.

    The stream it goes through is thrown away.
    """
    pipeline.detector.warm_up()
    places = np.arange(flows, dtype=np.uint64)
    addresses = np.stack([np.zeros(flows, dtype=np.uint64), np.uint64(0xFFFF_0A00_0000) + places % 251], axis=1)
    batch = FlowBatch.from_columns(
        flows,
        {
            "start": 1e9 + places / 100,
            "duration": np.full(flows, 0.5),
            "src_addr": addresses,
            "dst_addr": addresses[::-1],
            "src_port": 1024 + places % 60_000,
            "dst_port": np.full(flows, 443),
            "protocol": np.full(flows, 6),
            "src_packets": np.full(flows, 3.0),
            "src_bytes": np.full(flows, 180.0),
        },
    )
    values = encode_canonical(batch)
    formats: list[bytes | None] = [b"canonical"] * flows
    stream = pipeline.open_stream()
    for size in (1, flows):
        pipeline.run(stream, values[:size], formats[:size], str)
