"""``tidegate keys rotate``: replace, add, revoke and renew."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from flows.errors import UsageError
from model_registry.commands.options import Writer, json_option, writer_options
from model_registry.commands.printing import print_json
from model_registry.keys import ROLES, PublicKey, Role, Signer
from model_registry.manifest import history_name
from model_registry.private_keys.key_files import load_signer, stored_keys, write_key
from model_registry.private_keys.passphrases import new_passphrase
from model_registry.private_keys.private_files import write_new
from model_registry.private_keys.public_files import public_file_bytes, read_public
from model_registry.registry import Registry
from model_registry.root import Root
from model_registry.writing.creation import ROOT_VALIDITY
from model_registry.writing.rotation import Restore, RootChange, Rotated, find_kept, known, rotate

RUN_ID = "by-hand"


@click.command("rotate")
@click.argument("roles", nargs=-1, type=click.Choice(ROLES), metavar="[root] [targets]")
@click.option("--add", multiple=True, metavar="ROLE=FILE", help="A public key to add: its file, or its 64 hex digits.")
@click.option("--remove", multiple=True, metavar="ROLE=KEYID", help="A key to revoke, by the beginning of its key id.")
@click.option("--threshold", multiple=True, metavar="ROLE=N", help="How many keys of a role must sign.")
@click.option("--renew", is_flag=True, help="Change nothing but the expiry of the root.")
@click.option(
    "--days", type=click.IntRange(1, 36500), default=ROOT_VALIDITY.days, show_default=True, help="Validity of the root."
)
@click.option("--restore", type=click.IntRange(1), metavar="VERSION", help="Go back to this manifest of the history.")
@click.option("--sha256", metavar="DIGEST", help="That manifest's SHA-256, noted before the theft.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in a manifest that is signed anew.")
@click.option("--unencrypted", is_flag=True, help="Store new private keys without a passphrase.")
@writer_options
@json_option
def keys_rotate(
    roles: tuple[Role, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    threshold: tuple[str, ...],
    renew: bool,
    days: int,
    restore: int | None,
    sha256: str | None,
    reason: str,
    unencrypted: bool,
    writer: Writer,
    as_json: bool,
) -> None:
    """Sign the next root: with a new key of your own for each role named, or with keys added and removed.

    Old and new root keys must sign it; where yours are too few it is proposed, and others sign by `tidegate registry
    sign`. The old keys count for nothing once it is in force. After a theft of a targets key, --restore goes back to a
    manifest from before, since the present one may be the thief's. So may be the kept ones: know it by its SHA-256.
    """
    if not (roles or add or remove or threshold or renew):
        raise UsageError("say what to rotate: root, targets, --add, --remove, --threshold or --renew")
    target, keys_dir = Registry(writer.registry), writer.keys
    last = target.trusted_roots(writer.root).root
    back = None if restore is None else _chosen(target, restore, sha256, writer.root)
    own = {role: load_signer(keys_dir, role, last.role(role).keyids) for role in roles}
    signers = [own.get("root") or load_signer(keys_dir, "root", last.roles.root.keyids)]
    holders = {role: last.holders[signer.keyid] for role, signer in own.items()}
    new = _make_keys(keys_dir, holders, unencrypted)
    change = RootChange(
        add=[
            *((role, signer.public, holders[role]) for role, signer in new.items()),
            *(_added(text) for text in add),
        ],
        remove=[
            *((role, signer.keyid) for role, signer in own.items()),
            *(_removed(text, last) for text in remove),
        ],
        thresholds=dict(_threshold(text) for text in threshold),
    )
    signers += [*new.values(), *_other_targets(keys_dir, last, new, change)]
    rotated = rotate(
        target,
        change,
        signers,
        run_id=RUN_ID,
        reason=reason,
        restore=back,
        valid_for=timedelta(days=days),
        root=writer.root,
        state_dir=writer.state,
    )
    _tell(rotated, [_path(keys_dir, role, signer) for role, signer in new.items()], as_json)


def _chosen(target: Registry, version: int, sha256: str | None, root: Path | None) -> Restore:
    """Return what to go back to, by the digest given, or else by asking whether what lies there is meant."""
    kept = find_kept(target, version, root=root)
    if sha256 is not None:
        return known(kept, Restore(version, sha256))
    signers = ", ".join(kept.signers.values())
    click.echo(
        f"{history_name(version)}, published {kept.manifest.published} by {signers}, run {kept.manifest.run_id}\n"
        f"SHA-256 {kept.sha256}",
        err=True,
    )
    for name in sorted(kept.manifest.content.models):
        champion = kept.manifest.content.champion(name)
        click.echo(f"  {name}: {champion.fingerprint if champion else 'no champion'}", err=True)
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody is there to say whether this is the right one; if it is, give its digest by --sha256")
    if not click.confirm("Is this the one? A thief may have rewritten it; compare its SHA-256 with a copy", err=True):
        raise UsageError("nothing was changed")
    return Restore(version, kept.sha256)


def _make_keys(keys_dir: Path, holders: dict[Role, str], unencrypted: bool) -> dict[Role, Signer]:
    """Make a new key for each of these roles, beside the old one, which still has to sign."""
    if not holders:
        return {}
    passphrase = None if unencrypted else new_passphrase()
    signers = {role: Signer.generate() for role in holders}
    for role, signer in signers.items():
        path = _path(keys_dir, role, signer)
        write_key(path, signer, passphrase)
        write_new(path.with_suffix(".pub"), public_file_bytes(signer.public, holders[role]), mode=0o644)
    return signers


def _path(keys_dir: Path, role: Role, signer: Signer) -> Path:
    return keys_dir / f"{role}-{signer.keyid[:8]}.key"


def _other_targets(keys_dir: Path, root: Root, new: dict[Role, Signer], change: RootChange) -> list[Signer]:
    """Return the targets key at hand that stays, if there is one: the manifest may have to be signed anew."""
    removed = {keyid for role, keyid in change.remove if role == "targets"}
    staying = {*root.roles.targets.keyids} - removed
    if "targets" in new or not any(key.public.keyid in staying for key in stored_keys(keys_dir)):
        return []
    return [load_signer(keys_dir, "targets", staying)]


def _split(text: str, what: str) -> tuple[Role, str]:
    role, equals, value = text.partition("=")
    if role not in ROLES or not equals or not value:
        raise UsageError(f"{text!r}: give it as ROLE={what}, where ROLE is one of: {', '.join(ROLES)}")
    return role, value


def _added(text: str) -> tuple[Role, PublicKey, str]:
    role, value = _split(text, "FILE")
    return (role, *read_public(value))


def _removed(text: str, root: Root) -> tuple[Role, str]:
    role, value = _split(text, "KEYID")
    keyids = [keyid for keyid in root.role(role).keyids if keyid.startswith(value)]
    if len(keyids) != 1:
        raise UsageError(f"{text!r}: {len(keyids)} of the {role} keys begin so: {', '.join(root.role(role).keyids)}")
    return role, keyids[0]


def _threshold(text: str) -> tuple[Role, int]:
    role, value = _split(text, "N")
    if not value.isascii() or not value.isdecimal() or len(value) > 4:
        raise UsageError(f"{text!r}: a threshold is a whole number")
    return role, int(value)


def _tell(rotated: Rotated, files: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "root_version": rotated.root.version,
                "in_force": rotated.in_force,
                "proposals": rotated.proposals,
                "new_keys": [str(file) for file in files],
            }
        )
        return
    for file in files:
        click.echo(f"new private key in {file}")
    if rotated.in_force:
        click.echo(f"In force now: {', '.join(rotated.in_force)}; the root is valid until {rotated.root.expires}.")
    else:
        click.echo("Proposed; others must sign: " + ", ".join(rotated.proposals))
        click.echo("They do so by: tidegate registry sign PROPOSAL")
