"""``tidegate keys``: make private keys, and show their public halves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from flows.errors import UsageError
from model_registry.commands.options import json_option, keys_option, registry_option
from model_registry.commands.printing import new_table, print_json, print_table
from model_registry.commands.rotation import keys_rotate
from model_registry.keys import ROLES, Role
from model_registry.private_keys.key_files import (
    create_keys,
    keep_apart,
    key_file,
    pinned_root,
    public_file,
    stored_keys,
)
from model_registry.private_keys.passphrases import new_passphrase
from model_registry.registry import Registry
from model_registry.root import root_name
from model_registry.writing.creation import ROOT_VALIDITY, create_registry


@click.group()
def keys() -> None:
    """Make, rotate and show signing keys."""


keys.add_command(keys_rotate)


@keys.command("init")
@keys_option
@registry_option
@click.option("--days", type=click.IntRange(1, 36500), help=f"Validity of the root.  [default: {ROOT_VALIDITY.days}]")
@click.option("--holder", metavar="NAME", help="Who holds the keys, for people who read the root.  [default: the role]")
@click.option("--unencrypted", is_flag=True, help="Store the private keys without a passphrase.")
@click.option("--only", type=click.Choice(ROLES), help="Make this key alone, for a registry that there is already.")
@json_option
def keys_init(
    keys_dir: Path,
    registry: str,
    days: int | None,
    holder: str | None,
    unencrypted: bool,
    only: Role | None,
    as_json: bool,
) -> None:
    """Make a root key and a targets key, and a registry that trusts them.

    The root key says which keys count, the targets key signs manifests. The private halves are readable by you alone,
    and encrypted by a passphrase: from the file named in TIDEGATE_PASSPHRASE_FILE, else TIDEGATE_PASSPHRASE, else you
    are asked. Nothing that is there already is overwritten.
    """
    if only and days:
        raise UsageError("--days is of the root, and --only makes none; leave one of them out")
    keep_apart(keys_dir, registry)
    passphrase = None if unencrypted else new_passphrase()
    valid_for = timedelta(days=days) if days else ROOT_VALIDITY
    document: dict[str, Any] = {"encrypted": not unencrypted}
    if only:
        signers = create_keys(keys_dir, roles=[only], passphrase=passphrase, holder=holder)
    else:
        signers = create_registry(registry, keys_dir, valid_for=valid_for, passphrase=passphrase, holder=holder)
        document |= {"registry": registry, "root": f"{registry.rstrip('/')}/{root_name(1)}"}
    document["keys"] = [
        {
            "role": role,
            "keyid": signer.keyid,
            "file": str(key_file(keys_dir, role)),
            "public_file": str(public_file(keys_dir, role)),
        }
        for role, signer in signers.items()
    ]
    if as_json:
        print_json(document)
    else:
        _tell(document, valid_for)


def _tell(made: dict[str, Any], valid_for: timedelta) -> None:
    for key in made["keys"]:
        click.echo(f"{key['role']:7} {key['keyid']}  private key in {key['file']}, public half in {key['public_file']}")
    if "root" in made:
        click.echo(f"root    {made['root']}, valid for {valid_for.days} days; give it to serving with --root")
    else:
        (key,) = made["keys"]
        click.echo(
            f"Hand {key['public_file']} to whoever keeps the root, to add it by: "
            f"tidegate keys rotate --add {key['role']}=FILE"
        )
    if made["encrypted"]:
        click.echo("The private keys are encrypted. The passphrase is kept nowhere: without it they are lost.")
    else:
        click.echo("The private keys are stored unencrypted: keep that folder to yourself.")
    if "root" in made:
        click.echo("Keep the root key offline.")


@keys.command("show")
@keys_option
@click.option("--registry", metavar="DIR|URL", help="Say also what each key may sign in this registry.")
@json_option
def keys_show(keys_dir: Path, registry: str | None, as_json: bool) -> None:
    """Show key ids, public keys, and what is encrypted.

    Never a private half, and no passphrase is needed.
    """
    stored = stored_keys(keys_dir)
    if not stored:
        raise UsageError(f"{keys_dir}: no keys there; name their folder by --keys, or run `tidegate keys init`")
    rows: list[dict[str, Any]] = [
        {
            "file": key.path.name,
            "keyid": key.public.keyid,
            "public": key.public.keyval.public,
            "encrypted": key.encrypted,
        }
        for key in stored
    ]
    if registry is not None:
        root = Registry(registry).trusted_roots(pinned_root(keys_dir)).root
        for row in rows:
            row["signs"] = [role for role in ROLES if row["keyid"] in root.role(role).keyids]
    if as_json:
        print_json({"keys": rows})
        return
    table = new_table("file", "key id", "public key (Ed25519)", "encrypted", *(["signs"] if registry else []))
    for row in rows:
        signs = [", ".join(row["signs"]) or "nothing"] if registry else []
        table.add_row(row["file"], row["keyid"], row["public"], "yes" if row["encrypted"] else "NO", *signs)
    print_table(table)
