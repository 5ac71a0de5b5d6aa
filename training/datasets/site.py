"""A site's own past: its flows as they came, of which nobody says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from flows.catalogue import NAMES
from flows.errors import UsageError
from flows.features import FeatureExtractor
from flows.files import FileSpec, parse_spec, read_flows
from flows.keying import DEFAULT_HOME, HomeNetworks
from training.datasets.base import NO_TRUTH, Dataset, Origin
from training.datasets.known import known
from training.datasets.parts import parts_in_time

ABOUT: Final = "A site's own past, unlabelled."


def site_specs(names: Sequence[str]) -> list[FileSpec]:
    """Read ``[FORMAT:]PATH`` for each file. Raises UsageError for a file that is not there, or for a truth."""
    specs = [parse_spec(name) for name in names]
    for name, spec in zip(names, specs, strict=True):
        if spec.truth is not None:
            raise UsageError(f"{name}: a site's past has no truth, all of it is learned from; give [FORMAT:]PATH")
        if not spec.path.is_file():
            raise UsageError(f"there is no file {spec.path} to learn a site from; check the path")
    return specs


def load_site(names: Sequence[str], home: Sequence[str] = DEFAULT_HOME, *, judged: float = 0.2) -> Dataset:
    """Measure a site's files, one after the other, as one stream; no label is looked at.

    The last share ``judged`` of its flows is for the test; the 20 % before it are to set the threshold by. Home
    networks of known captures come on top of ``home``. No names give no flows.

    Raises:
        UsageError: as :func:`site_specs`, or as :func:`flows.files.read_flows`.
    """
    specs = site_specs(names)
    networks = [*home, *(network for spec in specs if (about := known(spec.path.name)) for network in about.home)]
    extractor = FeatureExtractor(HomeNetworks(networks))
    measured = [extractor.extract(chunk.decoded.batch) for chunk in read_flows(specs)] if specs else []
    features = np.concatenate([np.empty((0, len(NAMES)), dtype=np.float32), *measured])
    n = len(features)
    return Dataset(
        features=features,
        truth=np.full(n, NO_TRUTH, dtype=np.int8),
        attack=np.full(n, "", dtype=np.str_),
        capture=np.zeros(n, dtype=np.int16),
        part=parts_in_time(n, validation=0.2, test=judged),
        weight=np.ones(n, dtype=np.float32),
        origin=Origin(("site",), ABOUT),
    )
