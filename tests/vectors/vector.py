"""What a vector is, and how many of them become files and an index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from flows.catalogue import catalogue_digest
from model_registry.errors import Reason
from model_registry.shapes import format_time
from tests.support.registries import NOW

FRESH: Final = "fresh"  # the vector whose files the others are laid over
INDEX: Final = "vectors.json"

Files = dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Vector:
    """A registry, the circumstances in which it is verified, and what must come of it: a version or a refusal."""

    name: str
    shows: str
    files: Files
    version: int | None = None
    refused: tuple[str, Reason] | None = None  # the file that is at fault, and the reason
    now: datetime = NOW
    root: str | None = None  # the root that is given, as a file of the vectors' folder
    min_version: int = 0
    seen: Mapping[str, Any] | None = None  # what the reader remembers
    make: tuple[Mapping[str, Any], ...] = field(default=())  # files that had better not lie in a repository

    def entry(self, fresh: Files) -> dict[str, Any]:
        """Return the vector as the index has it."""
        expect: dict[str, Any] = {"accepted": self.version}
        if self.refused is not None:
            expect = {"refused": {"file": self.refused[0], "reason": self.refused[1]}}
        return {
            "name": self.name,
            "shows": self.shows,
            "now": format_time(self.now),
            "root": self.root,
            "min_version": self.min_version,
            "seen": self.seen,
            "remove": sorted(fresh.keys() - self.files.keys()),
            "make": list(self.make),
            "expect": expect,
        }


def written(vectors: Iterable[Vector]) -> Files:
    """Return the files of the vectors' folder: the index, and of each vector what differs from the first."""
    vectors = list(vectors)
    fresh = vectors[0].files
    index = {"catalogue": catalogue_digest(), "vectors": [vector.entry(fresh) for vector in vectors]}
    files = {INDEX: (json.dumps(index, indent=1) + "\n").encode()}
    for vector in vectors:
        for path, data in vector.files.items():
            if vector.name == FRESH or fresh.get(path) != data:
                files[f"{vector.name}/{path}"] = data
    return files
