"""``tidegate registry``: the commands that write. Each publishes a new version, or proposes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from flows.errors import UsageError
from model_registry.commands.options import json_option, keys_option, registry_option, root_option
from model_registry.commands.printing import print_json
from model_registry.content import SLOTS, Content, Slot
from model_registry.history import walk_history
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.writing.lifecycle import champion_before, go_back, promote, roll_back
from model_registry.writing.publishing import MANIFEST_VALIDITY, Published, publish

RUN_ID = "by-hand"  # of what people publish

_reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the manifest for good.")


@click.command("publish")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=MANIFEST_VALIDITY.days,
    show_default=True,
    help="Validity of the manifest.",
)
@_reason_option
@root_option
@keys_option
@registry_option
@json_option
def registry_publish(days: int, reason: str, root: Path | None, keys_dir: Path, registry: str, as_json: bool) -> None:
    """Publish the present content again.

    As the next version, to renew its expiry. Where the root asks for more than one signature, the new version is
    only proposed; others sign it by `sign`.
    """
    published = _publish(
        registry, lambda content: content, keys_dir, "refresh", reason, root, valid_for=timedelta(days=days)
    )
    _tell(published, "the same content", as_json)


@click.command("promote")
@click.argument("model")
@click.option("--version", type=click.IntRange(1), help="Version number; the challenger if left out.")
@click.option("--to", "slot", type=click.Choice(SLOTS), default="champion", show_default=True, help="The slot to fill.")
@_reason_option
@root_option
@keys_option
@registry_option
@json_option
def registry_promote(
    model: str,
    version: int | None,
    slot: Slot,
    reason: str,
    root: Path | None,
    keys_dir: Path,
    registry: str,
    as_json: bool,
) -> None:
    """Put a version of MODEL into a slot.

    Unless told otherwise the challenger becomes champion. Exit code 4 for a champion that did not pass all its gates.
    """
    published = _publish(
        registry, lambda content: promote(content, model, version, slot), keys_dir, "promote", reason, root
    )
    _tell(published, f"{model}: {slot} is " + (f"version {version}" if version else "the challenger"), as_json)


@click.command("rollback")
@click.argument("model", required=False)
@click.option("--version", type=click.IntRange(1), help="Version of MODEL; the champion before if left out.")
@click.option("--manifest", type=click.IntRange(1), help="Without MODEL: go back to all that this manifest said.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the manifest for good.")
@root_option
@keys_option
@registry_option
@json_option
def registry_rollback(
    model: str | None,
    version: int | None,
    manifest: int | None,
    reason: str,
    root: Path | None,
    keys_dir: Path,
    registry: str,
    as_json: bool,
) -> None:
    """Go back to an older model or manifest.

    An old version of MODEL becomes champion again, or an old manifest comes back as a whole. Either is a new,
    higher version that points back, so it leaves a trace and readers accept it.
    """
    if (model is None) == (manifest is None) or (manifest and version):
        raise UsageError("give MODEL, if you like with --version, or else --manifest")
    source = Registry(registry)
    if model is None:
        old = _kept(source, root, manifest or 0)
        published = _publish(registry, lambda content: go_back(content, old), keys_dir, "rollback", reason, root)
        _tell(published, f"all as in manifest version {manifest}", as_json)
        return
    number = version or champion_before(_contents(source, root), model)
    published = _publish(
        registry, lambda content: roll_back(content, model, number), keys_dir, "rollback", reason, root
    )
    _tell(published, f"{model}: champion is version {number}", as_json)


def _publish(
    registry: str,
    edit: Callable[[Content], Content],
    keys_dir: Path,
    action: str,
    reason: str,
    root: Path | None,
    *,
    valid_for: timedelta = MANIFEST_VALIDITY,
) -> Published:
    target = Registry(registry)
    keyids = target.trusted_roots(root).root.roles.targets.keyids
    signer = load_signer(keys_dir, "targets", keyids)
    return publish(target, edit, signer, run_id=RUN_ID, action=action, reason=reason, valid_for=valid_for, root=root)


def _contents(source: Registry, root: Path | None) -> list[Content]:
    trusted, current = source.current(root=root, allow_expired=True)
    kept = walk_history(source.store, trusted.roots, current.manifest, current.data)
    return [one.manifest.content for one in kept]


def _kept(source: Registry, root: Path | None, version: int) -> Content:
    trusted, current = source.current(root=root, allow_expired=True)
    for kept in walk_history(source.store, trusted.roots, current.manifest, current.data):
        if kept.manifest.version == version:
            return kept.manifest.content
    raise UsageError(f"manifest version {version} is not kept; `tidegate registry history` lists those that are")


def _tell(published: Published, what: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "version": published.version,
                "in_force": published.in_force,
                "proposal": None if published.in_force else published.proposal,
                "lacking": published.lacking,
            }
        )
    elif published.in_force:
        click.echo(f"Version {published.version} is in force; {what}.")
    else:
        click.echo(
            f"Version {published.version} is proposed; {what}. It needs {published.lacking} more: "
            f"tidegate registry sign {published.proposal[:12]}"
        )
