"""What differs between two manifests, or between two versions of a model: figures, data, features and what decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model_registry.content import SLOTS, Content, Model, ModelVersion

_SHARED = ("catalogue", "rules", "math", "ensemble")


@dataclass(frozen=True)
class Difference:
    """One thing that differs: where, what, and its value before and after (None: there was none)."""

    where: str
    what: str
    before: str | None
    after: str | None


def diff_contents(before: Content, after: Content, read: Callable[[str], bytes]) -> list[Difference]:
    """Compare what two manifests say; ``read`` returns a blob of either."""
    found: list[Difference] = []
    for name in sorted(before.models.keys() | after.models.keys()):
        found += _diff_models(name, before.models.get(name), after.models.get(name))
    for what in _SHARED:
        old, new = getattr(before, what), getattr(after, what)
        found += _compared("registry", {what: _digest(old)}, {what: _digest(new)})
    if before.catalogue != after.catalogue:
        found += _diff_features("registry", read(before.catalogue), read(after.catalogue))
    return found


def diff_versions(
    name: str, before: ModelVersion, after: ModelVersion, catalogues: tuple[bytes, bytes] | None = None
) -> list[Difference]:
    """Compare two versions of a model; ``catalogues`` are theirs, if they differ and both are at hand."""
    found = list(_compared(name, _facts(before), _facts(after)))
    if catalogues is not None:
        found += _diff_features(name, *catalogues)
    return found


def _diff_models(name: str, before: Model | None, after: Model | None) -> Iterator[Difference]:
    old, new = _slots(before), _slots(after)
    yield from _compared(name, old, new)
    older = set() if before is None else set(before.versions)
    newer = set() if after is None else set(after.versions)
    if gone := sorted(older - newer):
        yield Difference(name, "versions gone", ", ".join(map(str, gone)), None)
    if come := sorted(newer - older):
        yield Difference(name, "versions new", None, ", ".join(map(str, come)))
    if before is not None and after is not None:
        champions = before.champion, after.champion
        if champions[0] is not None and champions[1] is not None and champions[0] != champions[1]:
            yield from diff_versions(name, before.versions[champions[0]], after.versions[champions[1]])


def _slots(model: Model | None) -> dict[str, str]:
    held = {} if model is None else model.slots()
    return {slot: f"version {held[slot]}" for slot in SLOTS if slot in held}


def _facts(version: ModelVersion) -> dict[str, str]:
    return {
        "threshold": version.threshold,
        **{f"metric {name}": value for name, value in version.metrics.items()},
        **{f"gate {name}": _gate(gate.passed, gate.detail) for name, gate in version.gates.items()},
        "data": f"{version.data.rows} rows, {version.data.sha256[:12]}",
        "catalogue": version.catalogue[:12],
        "artifact": _digest(version.artifact),
        "trained": f"{version.created} by run {version.run_id}",
        "code": version.code_version,
    }


def _gate(passed: bool, detail: str) -> str:
    return f"{'passed' if passed else 'NOT PASSED'}: {detail}"


def _diff_features(where: str, before: bytes, after: bytes) -> Iterator[Difference]:
    """Compare two feature catalogues, feature by feature and limit by limit."""
    yield from _compared(where, _catalogued(before), _catalogued(after))


def _catalogued(catalogue: bytes) -> dict[str, str]:
    """Return what a catalogue says, as text by name; nothing of what is no catalogue."""
    try:
        document = json.loads(catalogue)
        features = {f"feature {entry['name']}": _text(entry) for entry in document["features"]}
        return features | {f"state {name}": str(value) for name, value in document["state"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _text(entry: dict[str, Any]) -> str:
    return "; ".join(f"{key} {value}" for key, value in sorted(entry.items()) if key != "name")


def _compared(where: str, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Iterator[Difference]:
    for what in [*before, *(what for what in after if what not in before)]:
        old, new = before.get(what), after.get(what)
        if old != new:
            yield Difference(where, what, old, new)


def _digest(path: str) -> str:
    return path.removeprefix("blobs/")[:12]
