"""What decides now, as the registry has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from model_registry.content import Content
from model_registry.registry import Loaded
from model_registry.shapes import parse_time
from orchestration.resources import ModelRegistry

SHARED: Final = ("rules", "math", "ensemble")  # what decides beside the champions


def champions_of(content: Content) -> dict[str, str]:
    """The fingerprint of each model's champion, and the SHA-256 of what decides beside them; empty without any."""
    found = {name: content.champion(name) for name in content.models}
    champions = {name: version.fingerprint for name, version in found.items() if version is not None}
    beside = {name: str(getattr(content, name)).removeprefix("blobs/") for name in SHARED} if champions else {}
    return champions | beside


def in_force(registry: ModelRegistry) -> Loaded | None:
    """Load what decides now, even if its manifest has expired; None before the first. Raises TrustError."""
    source = registry.open()
    if source.stored_manifest() is None:
        return None
    manifest = source.manifest(root=registry.root())
    valid = parse_time(manifest.expires, "the manifest") - timedelta(seconds=1)
    return source.load(root=registry.root(), now=min(datetime.now(UTC), valid), state_dir=registry.state())
