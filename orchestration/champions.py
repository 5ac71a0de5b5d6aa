"""What decides now, as the registry has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from model_registry.content import Content
from model_registry.registry import Loaded
from model_registry.shapes import parse_time
from orchestration.resources import ModelRegistry


def champions_of(content: Content) -> dict[str, str]:
    """The fingerprint of each model's champion, by the model's name."""
    found = {name: content.champion(name) for name in content.models}
    return {name: version.fingerprint for name, version in found.items() if version is not None}


def in_force(registry: ModelRegistry) -> Loaded | None:
    """Load what decides now, even if its manifest has expired; None before the first. Raises TrustError."""
    source = registry.open()
    if source.stored_manifest() is None:
        return None
    manifest = source.manifest(root=registry.root())
    valid = parse_time(manifest.expires, "the manifest") - timedelta(seconds=1)
    return source.load(root=registry.root(), now=min(datetime.now(UTC), valid), state_dir=registry.state())
