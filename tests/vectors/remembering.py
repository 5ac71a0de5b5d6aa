"""Vectors in which the reader remembers what it has seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.root import root_name
from tests.vectors.building import ROOT_FILE, built, digest_of, fresh
from tests.vectors.registries import root_rotated, targets_rotated
from tests.vectors.vector import Files, Vector

OTHER: Final = "0" * 64


def remembering() -> Iterator[Vector]:
    """Yield them."""
    yield from _accepted()
    yield from _refused()


def _accepted() -> Iterator[Vector]:
    files, rotated = fresh(), built(targets_rotated)
    same = _seen(files, 1, (1, 1), digest_of(files))
    yield Vector(name="seen-the-same", shows="this manifest was seen", files=files, version=1, seen=same)
    yield Vector(
        name="seen-before-rotation",
        shows="a high version was seen that was made under the first root; this one was made under the second",
        files=rotated,
        version=2,
        seen=_seen(rotated, 1, (1, 99)),
    )


def _refused() -> Iterator[Vector]:
    files, rotated, renewed = fresh(), built(targets_rotated), built(root_rotated)
    newer_root = {**_seen(files, 1, (1, 1)), "root": {"version": 2, "sha256": OTHER}}
    other_root = {**_seen(files, 1, (1, 1)), "root": {"version": 1, "sha256": OTHER}}
    for name, shows, changed, seen, file, reason in (
        ("newer-version", "a newer manifest was seen", files, _seen(files, 1, (1, 2)), MANIFEST, Reason.OLDER_VERSION),
        (
            "other-of-the-version",
            "another manifest of the same version, made under the same root, was seen",
            files,
            _seen(files, 1, (1, 1)),
            MANIFEST,
            Reason.OLDER_VERSION,
        ),
        (
            "newer-after-rotation",
            "a newer manifest was seen that was made under the second root, as this one was",
            rotated,
            _seen(rotated, 2, (2, 3)),
            MANIFEST,
            Reason.OLDER_VERSION,
        ),
        (
            "made-under-a-newer-root",
            "a manifest was seen that was made under the second root; this one was made under the first",
            renewed,
            _seen(renewed, 2, (2, 1)),
            MANIFEST,
            Reason.OLDER_VERSION,
        ),
        ("newer-root", "a newer root was seen", files, newer_root, ROOT_FILE, Reason.OLDER_VERSION),
        ("other-root", "another first root was seen", files, other_root, ROOT_FILE, Reason.WRONG_ROOT),
    ):
        yield Vector(name=f"seen-{name}", shows=shows, files=changed, refused=(file, reason), seen=seen)


def _seen(files: Files, root_version: int, manifest: tuple[int, int], sha256: str = OTHER) -> dict[str, Any]:
    """Return what a reader remembers: a root of these files, and a manifest by its root's version and its own."""
    root = {"version": root_version, "sha256": digest_of(files, root_name(root_version))}
    return {"root": root, "manifest": {"root_version": manifest[0], "version": manifest[1], "sha256": sha256}}
