"""``tidegate registry history`` and ``diff``: what was in force, who signed it, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from flows.errors import UsageError
from model_registry.blobs import read_blob
from model_registry.commands.options import json_option, registry_option, root_option
from model_registry.commands.printing import new_table, print_differences, print_json, print_table
from model_registry.content import SLOTS, Content, ModelVersion
from model_registry.diffing import Difference, diff_contents, diff_versions
from model_registry.history import Kept, walk_history
from model_registry.registry import Registry
from model_registry.writing.lifecycle import model_of, numbers


@click.command("history")
@click.option("--limit", type=click.IntRange(1), help="How many versions to show, newest first.")
@root_option
@registry_option
@json_option
def registry_history(limit: int | None, root: Path | None, registry: str, as_json: bool) -> None:
    """List who signed what, when and why.

    One row for each version of the manifest, newest first, with what changed and what the gates said.
    """
    kept = _history(Registry(registry), root)
    before: list[Kept | None] = [*kept[1:], None]
    rows = [_row(one, older) for one, older in zip(kept, before, strict=True)][:limit]
    if as_json:
        print_json({"registry": registry, "versions": rows})
        return
    table = new_table("version", "published", "action", "signed by", "run", "changes", "gates", "reason")
    for row in rows:
        signers = ", ".join(f"{signer['holder']} ({signer['keyid'][:8]})" for signer in row["signers"])
        gates = ", ".join(f"{name} {passed} of {count} passed" for name, (passed, count) in row["gates"].items())
        table.add_row(
            str(row["version"]),
            row["published"],
            row["action"],
            signers,
            row["run_id"],
            "; ".join(row["changes"]) or "-",
            gates or "-",
            row["reason"] or "-",
        )
    print_table(table)
    if kept[-1].manifest.previous is not None:
        click.echo(f"Versions before {kept[-1].manifest.version} are no longer kept.")


@click.command("diff")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@root_option
@registry_option
@json_option
def registry_diff(before: str, after: str, root: Path | None, registry: str, as_json: bool) -> None:
    """Show what differs between A and B.

    Metrics, data, features, thresholds, gates, slots, and what decides beside models. Each of A and B is the
    version of a manifest (12) or of a model (ddos_lgbm@3).
    """
    source = Registry(registry)
    differences = _diff(source, _history(source, root), before, after)
    if as_json:
        rows = [{"where": d.where, "what": d.what, "before": d.before, "after": d.after} for d in differences]
        print_json({"a": before, "b": after, "differences": rows})
        return
    print_differences(differences)


def _history(source: Registry, root: Path | None) -> list[Kept]:
    trusted, current = source.current(root=root, allow_expired=True)
    return list(walk_history(source.store, trusted.roots, current.manifest, current.data))


def _row(kept: Kept, older: Kept | None) -> dict[str, Any]:
    manifest = kept.manifest
    before = None if older is None else older.manifest.content
    return {
        "version": manifest.version,
        "published": manifest.published,
        "expires": manifest.expires,
        "action": manifest.action,
        "reason": manifest.reason,
        "run_id": manifest.run_id,
        "sha256": kept.sha256,
        "signers": [{"keyid": keyid, "holder": holder} for keyid, holder in kept.signers.items()],
        "root_version": kept.root_version,
        "changes": _changes(before, manifest.content),
        "gates": _gates(before, manifest.content),
    }


def _changes(before: Content | None, after: Content) -> list[str]:
    changes: list[str] = []
    for name, model in sorted(after.models.items()):
        old = {} if before is None or name not in before.models else before.models[name].slots()
        new = model.slots()
        moved = [slot for slot in SLOTS if old.get(slot) != new.get(slot)]
        changes += [f"{name} {slot} {old.get(slot, '-')} -> {new.get(slot, '-')}" for slot in moved]
    if before is not None:
        shared = [what for what in ("catalogue", "rules", "math", "ensemble") if _of(before, what) != _of(after, what)]
        changes += [f"other {what}" for what in shared]
    return changes


def _gates(before: Content | None, after: Content) -> dict[str, tuple[int, int]]:
    """Return, for each model whose champion changed, how many of its gates passed, of how many."""
    found = {}
    for name in sorted(after.models):
        champion = after.champion(name)
        if champion is not None and (before is None or before.champion(name) != champion):
            results = [gate.passed for gate in champion.gates.values()]
            found[name] = (sum(results), len(results))
    return found


def _of(content: Content, what: str) -> str:
    path: str = getattr(content, what)
    return path


def _diff(source: Registry, kept: Sequence[Kept], before: str, after: str) -> list[Difference]:
    def read(path: str) -> bytes:
        return read_blob(source.store, path)

    if "@" in before and "@" in after:
        (name, old), (other, new) = (_model_version(kept, text) for text in (before, after))
        where = name if name == other else f"{name} -> {other}"
        paths = [f"blobs/{version.catalogue}" for version in (old, new)]
        at_hand = old.catalogue != new.catalogue and all(source.store.has(path) for path in paths)
        return diff_versions(where, old, new, (read(paths[0]), read(paths[1])) if at_hand else None)
    if "@" in before or "@" in after:
        raise UsageError("compare two manifests (3 5) or two versions of models (ddos_lgbm@1 ddos_lgbm@2)")
    return diff_contents(_content(kept, before), _content(kept, after), read)


def _content(kept: Sequence[Kept], text: str) -> Content:
    for one in kept:
        if str(one.manifest.version) == text:
            return one.manifest.content
    versions = ", ".join(str(one.manifest.version) for one in kept)
    raise UsageError(f"there is no manifest version {text!r}; there are: {versions}; a model's is MODEL@VERSION")


def _model_version(kept: Sequence[Kept], text: str) -> tuple[str, ModelVersion]:
    name, _, number = text.rpartition("@")
    model = model_of(kept[0].manifest.content, name)
    for one in kept:  # a version that is no longer in the manifest may be in an older one
        versions = one.manifest.content.models[name].versions if name in one.manifest.content.models else {}
        for held, version in versions.items():
            if str(held) == number:
                return name, version
    raise UsageError(f"{name} has no version {number!r}; there are: {numbers(model)}")
