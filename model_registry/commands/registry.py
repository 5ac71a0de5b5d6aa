"""``tidegate registry``: the commands that look. Those that write are in :mod:`model_registry.commands.lifecycle`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from flows.errors import UsageError
from model_registry.commands.collection import registry_gc
from model_registry.commands.history import registry_diff, registry_history
from model_registry.commands.lifecycle import registry_promote, registry_publish, registry_rollback
from model_registry.commands.options import (
    json_option,
    min_version_option,
    registry_option,
    root_option,
    state_option,
)
from model_registry.commands.printing import new_table, print_json, print_table, shown
from model_registry.commands.rendering import print_card
from model_registry.commands.signing import registry_sign
from model_registry.content import Model, ModelVersion
from model_registry.errors import Reason, TrustError
from model_registry.manifest import Manifest
from model_registry.proposals import list_proposals
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.lifecycle import model_of, numbers

HEADLINES = ("recall", "fpr", "precision", "roc_auc")  # of a list; `show` has all figures


@click.group()
def registry() -> None:
    """List, verify, promote and roll back registered models."""


for command in (
    registry_diff,
    registry_gc,
    registry_history,
    registry_promote,
    registry_publish,
    registry_rollback,
    registry_sign,
):
    registry.add_command(command)


@registry.command("list")
@registry_option
@root_option
@json_option
def registry_list(registry: str, root: Path | None, as_json: bool) -> None:
    """List the models: one row each, of the version that decides."""
    source = Registry(registry)
    trusted, current = source.current(root=root, allow_expired=True)
    manifest = current.manifest
    models = [_summary(manifest, name, model) for name, model in sorted(manifest.content.models.items())]
    proposals = [proposal for proposal in list_proposals(source, trusted, current) if not proposal.stale]
    if as_json:
        print_json(
            {
                "registry": registry,
                "version": manifest.version,
                "expires": manifest.expires,
                "count": len(models),
                "models": models,
                "proposals": [
                    {"proposal": proposal.digest, "what": proposal.title, "lacking": dict(proposal.weight.lacking)}
                    for proposal in proposals
                ],
            }
        )
        return
    table = new_table("model", "versions", "champion", "other slots", "threshold", "metrics", "fingerprint", "trained")
    for row in models:
        figures = row["metrics"]
        metrics = ", ".join(f"{name} {_short(figures[name])}" for name in HEADLINES if name in figures)
        others = ", ".join(f"{slot} {row[slot]}" for slot in ("challenger", "shadow") if row[slot])
        table.add_row(
            row["name"],
            str(row["versions"]),
            str(row["champion"] or "-"),
            others or "-",
            _short(row["threshold"]) if row["threshold"] else "-",
            metrics or "-",
            (row["fingerprint"] or "-")[:12],
            row["trained"] or "-",
        )
    print_table(table)
    noun = "model" if len(models) == 1 else "models"
    click.echo(f"{len(models)} {noun}; manifest version {manifest.version}, valid until {manifest.expires}")
    for proposal in proposals:
        click.echo(f"proposed: {proposal.title}, to be signed by `tidegate registry sign {proposal.digest[:12]}`")


@registry.command("show")
@click.argument("model")
@click.option("--version", type=click.IntRange(1), help="Version number; the champion if left out.")
@registry_option
@root_option
@json_option
def registry_show(model: str, version: int | None, registry: str, root: Path | None, as_json: bool) -> None:
    """Show one version of MODEL: data, metrics, gates and model card."""
    source = Registry(registry)
    manifest = source.manifest(root=root)
    found, number = _find(manifest, model, version)
    chosen = found.versions[number]
    card = source.target(manifest, chosen.card).decode(errors="replace")
    slots = [slot for slot, held in found.slots().items() if held == number]
    if as_json:
        print_json(_version_document(chosen) | {"name": model, "version": number, "slots": slots, "card": card})
        return
    click.echo(f"{model} version {number}" + (f" ({', '.join(slots)})" if slots else ""))
    table = new_table("", "")
    for label, text in (
        ("trained", f"{chosen.created} by run {chosen.run_id}, code {chosen.code_version}"),
        ("data", f"{chosen.data.rows} rows, SHA-256 {chosen.data.sha256}"),
        ("catalogue", chosen.catalogue),
        ("artifact", f"{chosen.artifact}, {manifest.targets[chosen.artifact].length} bytes"),
        ("threshold", chosen.threshold),
        *((f"metric {name}", value) for name, value in chosen.metrics.items()),
        *((f"gate {name}", f"{_word(gate.passed)}: {gate.detail}") for name, gate in chosen.gates.items()),
    ):
        table.add_row(label, text)
    print_table(table)
    click.echo()
    print_card(card)


@registry.command("verify")
@registry_option
@root_option
@min_version_option
@state_option
@json_option
def registry_verify(registry: str, root: Path | None, min_version: int, state: Path | None, as_json: bool) -> None:
    """Verify every file, a line each.

    Roots, manifest, history, proposals, blobs and golden vectors, and that there is nothing else. Exit code 3 if
    anything cannot be trusted.
    """
    result = verify_registry(Registry(registry), root=root, min_version=min_version, state_dir=state)
    if as_json:
        print_json(
            {
                "registry": registry,
                "ok": not result.failures,
                "version": result.version,
                "root_from_registry": result.root_from_registry,
                "checks": [
                    {"file": check.file, "ok": check.ok, "detail": check.detail, "reason": check.reason}
                    for check in result.checks
                ],
            }
        )
    else:
        for check in result.checks:
            mark = click.style("ok    ", fg="green") if check.ok else click.style("FAILED", fg="red", bold=True)
            click.echo(
                f"{mark} {shown(check.file)}  {shown(check.detail)}" + ("" if check.ok else f" [{check.reason}]")
            )
        if result.root_from_registry:
            click.echo(
                "The root was taken from the registry itself, so this shows that the files agree with each other, not "
                "who signed them; keep 1.root.json elsewhere and give it by --root."
            )
    if result.failures:
        files = ", ".join(sorted({shown(check.file) for check in result.failures}))
        raise TrustError(
            f"{registry}: not to be trusted because of {files}; restore what was signed, or publish again",
            result.failures[0].reason or Reason.UNACCOUNTED,
        )


def _summary(manifest: Manifest, name: str, model: Model) -> dict[str, Any]:
    version = manifest.content.champion(name)
    return {
        "name": name,
        "versions": len(model.versions),
        "champion": model.champion,
        "challenger": model.challenger,
        "shadow": model.shadow,
        "threshold": version and version.threshold,
        "metrics": version.metrics if version else {},
        "fingerprint": version and version.fingerprint,
        "trained": version and version.created,
    }


def _find(manifest: Manifest, name: str, version: int | None) -> tuple[Model, int]:
    model = model_of(manifest.content, name)
    number = model.champion if version is None else version
    if number is None:
        raise UsageError(f"{name} has no champion; choose by --version among {numbers(model)}")
    if number not in model.versions:
        raise UsageError(f"{name} has no version {number}; there are: {numbers(model)}")
    return model, number


def _version_document(version: ModelVersion) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(version)
    return document | {"fingerprint": version.fingerprint}


def _word(passed: bool) -> str:
    return "passed" if passed else "NOT PASSED"


def _short(decimal: str) -> str:
    return f"{float(decimal):.4g}"
