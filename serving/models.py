"""What is decided by: loaded from the registry, verified."""

from __future__ import annotations

from detection.detector import Detector
from model_registry.errors import Reason, TrustError
from model_registry.registry import Loaded, Registry
from serving.config import Settings


def load_detector(settings: Settings) -> tuple[Detector, Loaded]:
    """Load and verify what the settings name.

    Raises:
        TrustError: the registry cannot be trusted, or holds nothing to decide by.
        TidegateError: rules, baselines or ensemble, though signed, are not what they should be.
    """
    loaded = Registry(settings.registry).load(
        root=settings.root, min_version=settings.min_version, state_dir=settings.state
    )
    detector = Detector.from_registry(loaded)
    if not detector.can_decide:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing_models(detector, loaded).items())
        raise TrustError(
            f"{settings.registry}: nothing to decide by: no rules, no baselines, and no models ({reasons})",
            Reason.MISSING,
        )
    return detector, loaded


def missing_models(detector: Detector, loaded: Loaded) -> dict[str, str]:
    """Each model that should vote and does not, with the reason."""
    return {name: loaded.refused.get(name, "the manifest has no champion of it") for name in detector.degraded}
