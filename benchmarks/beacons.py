"""Where a known beacon ranks among the established pairs of its capture, by the regularity of its calls.

A pair is established when both sides sent data and it has at least 20 flows. It is ranked by ``pair_regularity`` as its
last flow finds it, and by that times the share of half a day that the pair lasted, as a program that guesses passwords
every four seconds is as regular as a beacon, but is done sooner (RITA's score counts duration, too). Nothing is
learned. Beacons are the pairs whose flows are labelled malware.

    python -m benchmarks.beacons PATH…
"""

from __future__ import annotations

from typing import Final

import click
import numpy as np

from detection.verdict import Kind
from flows.addresses import format_address
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from training.datasets.captures import Capture, find_captures, load_capture

FEWEST_FLOWS: Final = 20
HALF_A_DAY_S: Final = 43_200.0


def ranks(capture: Capture) -> tuple[int, list[tuple[str, int, int]]]:
    """Return how many pairs are established, and of each labelled malware its hosts and both ranks, from 1."""
    batch, home = capture.batch, HomeNetworks(capture.home)
    features = FeatureExtractor(home).extract(batch)
    ends = np.sort(np.concatenate([batch.src_addr[:, None], batch.dst_addr[:, None]], axis=1).view("u8,u8"), axis=1)
    _, pair = np.unique(ends.reshape(len(batch), 2), axis=0, return_inverse=True)
    pair = pair.reshape(-1)
    last = np.zeros(pair.max() + 1, dtype=np.int64)
    last[pair] = np.arange(len(batch))
    talked = (batch.src_bytes > 0) & (batch.dst_bytes > 0)
    established = (np.bincount(pair) >= FEWEST_FLOWS) & (np.bincount(pair, weights=talked) > 0)
    regularity = np.nan_to_num(features[last, INDEX["pair_regularity"]])
    lasting = regularity * np.minimum(1.0, np.nan_to_num(features[last, INDEX["pair_age"]]) / HALF_A_DAY_S)
    malware = np.bincount(pair, weights=capture.truth == Kind.MALWARE) > 0
    found = []
    for one in np.flatnonzero(established & malware):
        hosts = " - ".join(format_address(*side[last[one]].tolist()) for side in (batch.src_addr, batch.dst_addr))
        by_regularity, by_both = (1 + int((s[established] > s[one]).sum()) for s in (regularity, lasting))
        found.append((hosts, by_regularity, by_both))
    return int(established.sum()), sorted(found, key=lambda each: each[2])


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
def main(names: tuple[str, ...]) -> None:
    """Rank the beacons of labelled captures. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    for spec in find_captures(names):
        capture = load_capture(spec)
        if (capture.truth == Kind.MALWARE).any():
            count, found = ranks(capture)
            click.echo(f"{capture.name}: {count} established pairs")
            for hosts, alone, both in found:
                click.echo(
                    f"    {hosts}: by regularity {alone} (first {100 * alone / count:.1f} %), "
                    f"by regularity and duration {both} (first {100 * both / count:.1f} %)"
                )


if __name__ == "__main__":
    main()
