"""Vectors that a verifier must accept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from model_registry.manifest import MANIFEST
from model_registry.signatures import add_signature, read_envelope
from tests.support.registries import NOW
from tests.support.signers import CAROL
from tests.vectors.building import LONG, built, fresh
from tests.vectors.registries import no_models, three_versions, two_of_three, with_text
from tests.vectors.vector import FRESH, Vector


def valid() -> Iterator[Vector]:
    """Yield them; the first is the one that all others are laid over."""
    yield Vector(name=FRESH, shows="version 1, one key for each role", files=fresh(), version=1)
    yield from _thresholds()
    yield from _histories()
    yield from _circumstances()


def _thresholds() -> Iterator[Vector]:
    files = built(two_of_three)
    yield Vector(name="threshold", shows="two of three targets keys and two of two root keys", files=files, version=1)
    all_three = add_signature(read_envelope(files[MANIFEST], MANIFEST), CAROL)
    yield Vector(
        name="more-than-the-threshold",
        shows="three good signatures where two are needed",
        files={**files, MANIFEST: all_three, "history/1.json": all_three},
        version=1,
    )


def _histories() -> Iterator[Vector]:
    files = built(three_versions)
    yield Vector(name="history", shows="three manifests, the last a promotion", files=files, version=3)
    collected = {path: data for path, data in files.items() if path != "history/1.json"}
    yield Vector(name="history-collected", shows="the oldest manifest is not kept any more", files=collected, version=3)
    yield Vector(name="min-version", shows="the oldest version that is accepted", files=files, version=3, min_version=3)
    yield Vector(name="text", shows="text beyond ASCII, and characters with escapes", files=built(with_text), version=1)
    yield Vector(name="no-models", shows="a manifest without models", files=built(no_models), version=1)


def _circumstances() -> Iterator[Vector]:
    yield Vector(
        name="lock-file",
        shows="the lock of writers, an empty file",
        files=fresh(),
        version=1,
        make=({"file": ".lock", "text": ""},),
    )
    yield Vector(
        name="last-second",
        shows="the last second before the manifest expires",
        files=fresh(),
        version=1,
        now=NOW + LONG - timedelta(seconds=1),
    )
