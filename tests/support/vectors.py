"""The committed vectors of the registry's format, laid out as a reader in any language would lay them out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from model_registry import canonical
from tests.support.real import REPOSITORY

FORMAT: Final = REPOSITORY / "docs" / "registry-format"
VECTORS: Final = FORMAT / "vectors"

Document = dict[str, Any]


def read_index() -> Document:
    """Return the index: the catalogue that all vectors are for, and the vectors."""
    index: Document = json.loads((VECTORS / "vectors.json").read_text())
    return index


def lay_out(vector: Document, registry: Path) -> Path:
    """Make a vector's registry in a folder that is not there yet, as docs/registry-format.md says."""
    shutil.copytree(VECTORS / "fresh", registry)
    if (VECTORS / vector["name"]).is_dir():
        shutil.copytree(VECTORS / vector["name"], registry, dirs_exist_ok=True)
    for name in vector["remove"]:
        (registry / name).unlink()
    for made in vector["make"]:
        file = registry / made["file"]
        file.parent.mkdir(exist_ok=True)
        if "link" in made:
            file.symlink_to(made["link"])
        elif "text" in made:
            file.write_text(made["text"])
        else:
            with file.open("a") as end:
                end.write(made["append"] * made["times"])
    return registry


def given_root(vector: Document) -> Path | None:
    """Return the root that a vector's verifier is given."""
    return None if vector["root"] is None else VECTORS / vector["root"]


def put_seen(vector: Document, file: Path) -> Path | None:
    """Write what a vector's reader remembers; None if it remembers nothing."""
    if vector["seen"] is None:
        return None
    file.write_bytes(canonical.file_bytes(vector["seen"]))
    return file
