"""``tidegate registry``: the commands that write. Each publishes a new version, or proposes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import click

from flows.errors import UsageError
from model_registry.commands.options import Writer, json_option, writer_options
from model_registry.commands.printing import print_json
from model_registry.content import EMPTY, SLOTS, Content, Slot
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
@writer_options
@json_option
def registry_publish(days: int, reason: str, writer: Writer, as_json: bool) -> None:
    """Publish the present content again.

    As the next version, to renew its expiry. Where the root asks for more than one signature, the new version is
    only proposed; others sign it by `sign`.
    """
    published = _publish(writer, lambda content: content, "refresh", reason, valid_for=timedelta(days=days))
    _tell(published, "the same content", as_json)


@click.command("promote")
@click.argument("model")
@click.option("--version", type=click.IntRange(1), help="Version number; the challenger if left out.")
@click.option("--to", "slot", type=click.Choice(SLOTS), default="champion", show_default=True, help="The slot to fill.")
@_reason_option
@writer_options
@json_option
def registry_promote(model: str, version: int | None, slot: Slot, reason: str, writer: Writer, as_json: bool) -> None:
    """Put a version of MODEL into a slot.

    Unless told otherwise the challenger becomes champion. Exit code 4 for a champion that did not pass all its gates.
    """
    published = _publish(writer, lambda content: promote(content, model, version, slot), "promote", reason)
    _tell(published, f"{model}: {slot} is " + (f"version {version}" if version else "the challenger"), as_json)


@click.command("rollback")
@click.argument("model", required=False)
@click.option("--version", type=click.IntRange(1), help="Version of MODEL; the champion before if left out.")
@click.option("--manifest", type=click.IntRange(1), help="Without MODEL: go back to all that this manifest said.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the manifest for good.")
@writer_options
@json_option
def registry_rollback(
    model: str | None, version: int | None, manifest: int | None, reason: str, writer: Writer, as_json: bool
) -> None:
    """Go back to an older model or manifest.

    An old version of MODEL becomes champion again, or an old manifest comes back as a whole. Either is a new,
    higher version that points back, so it leaves a trace and readers accept it.
    """
    if (model is None) == (manifest is None) or (manifest and version):
        raise UsageError("give MODEL, if you like with --version, or else --manifest")
    source = Registry(writer.registry)
    if model is None:
        old = _kept(source, writer.root, manifest or 0)
        published = _publish(writer, lambda content: go_back(content, old), "rollback", reason)
        _tell(published, f"all as in manifest version {manifest}", as_json)
        return
    number = version or champion_before(_contents(source, writer.root), model)
    published = _publish(writer, lambda content: roll_back(content, model, number), "rollback", reason)
    _tell(published, f"{model}: champion is version {number}", as_json)


def _publish(
    writer: Writer,
    edit: Callable[[Content], Content],
    action: str,
    reason: str,
    *,
    valid_for: timedelta = MANIFEST_VALIDITY,
) -> Published:
    registry = Registry(writer.registry)

    def begun(content: Content) -> Content:
        if content is EMPTY:
            raise UsageError(f"{registry.location}: nothing is published there yet; `tidegate train` does that first")
        return edit(content)

    keyids = registry.trusted_roots(writer.root).root.roles.targets.keyids
    return publish(
        registry,
        begun,
        load_signer(writer.keys, "targets", keyids),
        run_id=RUN_ID,
        action=action,
        reason=reason,
        valid_for=valid_for,
        root=writer.root,
        state_dir=writer.state,
    )


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
