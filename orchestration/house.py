"""What all assets have in common for who looks at the graph."""

from __future__ import annotations

from typing import Final

OWNERS: Final = ["team:detection"]
