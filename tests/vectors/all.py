"""All vectors."""

from __future__ import annotations

from tests.vectors.bad_files import bad_files
from tests.vectors.bad_layouts import bad_layouts
from tests.vectors.bad_manifests import bad_manifests
from tests.vectors.bad_roots import bad_roots
from tests.vectors.proposals import proposals
from tests.vectors.remembering import remembering
from tests.vectors.rotations import rotations
from tests.vectors.valid import valid
from tests.vectors.vector import Vector


def all_vectors() -> list[Vector]:
    """Return them; the first is the one that all others are laid over."""
    return [
        *valid(),
        *rotations(),
        *remembering(),
        *proposals(),
        *bad_roots(),
        *bad_layouts(),
        *bad_manifests(),
        *bad_files(),
    ]
