"""The manifest, trust, artifacts and how they score."""
