"""``tidegate registry sign``: look at what others propose, and sign it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flows.errors import UsageError
from model_registry.blobs import read_blob
from model_registry.commands.options import Writer, json_option, writer_options
from model_registry.commands.printing import print_differences, print_json
from model_registry.diffing import diff_contents
from model_registry.errors import TrustError
from model_registry.private_keys.key_files import load_signer
from model_registry.proposals import Proposal, find_proposal, look_through_proposals
from model_registry.registry import Current, Registry
from model_registry.root import Root
from model_registry.trust import TrustedMetadata
from model_registry.writing.signing import finish, sign_proposal


@click.command("sign")
@click.argument("proposal", default="")
@click.option("--yes", is_flag=True, help="Sign without asking.")
@writer_options
@json_option
def registry_sign(proposal: str, yes: bool, writer: Writer, as_json: bool) -> None:
    """Add your signature to PROPOSAL.

    It is named by the beginning of its digest, and may be left out where it is the only one. Its files are verified
    first, its differences from what is in force are shown, and you are asked. With the last
    signature that the root asks for it takes effect.
    """
    source = Registry(writer.registry)
    trusted, current = _look(source, writer.root)
    found, refused = look_through_proposals(source, trusted, current)
    proposals = [p for p in found if not p.stale]
    waiting = [p for p in proposals if not p.weight.complete]
    if not waiting and (proposals or (current is not None and not current.in_place)):
        effects = finish(source, root=writer.root, state_dir=writer.state)
        _tell_signed(None, effects, as_json)
        return
    chosen = find_proposal(waiting, refused, proposal)
    if not as_json:
        _describe(source, chosen, trusted.root, current)
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError("not signed: nobody is there to be asked; once you have looked at it, give --yes")
    if not yes and not click.confirm("Sign this?", err=True):
        raise UsageError("not signed")
    keyids = {*chosen.under.role(chosen.role).keyids}
    if chosen.role == "root":
        keyids |= {*trusted.root.roles.root.keyids}
    signer = load_signer(writer.keys, chosen.role, keyids)
    effects = sign_proposal(source, chosen.digest, signer, root=writer.root, state_dir=writer.state)
    _tell_signed(chosen, effects, as_json)


def _look(source: Registry, root: Path | None) -> tuple[TrustedMetadata, Current | None]:
    try:
        return source.current(root=root, allow_expired=True)
    except TrustError as error:  # what is proposed may be meant to replace it
        click.echo(f"The manifest in force cannot be trusted: {error}", err=True)
        return source.trusted_roots(root), None


def _describe(source: Registry, proposal: Proposal, root: Root, current: Current | None) -> None:
    signed = proposal.signed
    click.echo(f"{proposal.title}, proposal {proposal.digest}")
    if isinstance(signed, Root):
        for role in ("root", "targets"):
            before, after = getattr(root.roles, role), getattr(signed.roles, role)
            click.echo(f"  {role}: {before.threshold} of {len(before.keyids)} keys -> {after.threshold} of these:")
            for keyid in after.keyids:
                new = "" if keyid in before.keyids else "  (new)"
                click.echo(f"    {keyid}  {signed.holders[keyid]}{new}")
        click.echo(f"  valid until {signed.expires}")
        return
    click.echo(f"  {signed.action} by run {signed.run_id}, {signed.published}; reason: {signed.reason or 'none given'}")
    click.echo(f"  valid until {signed.expires}")
    if current is None:
        for name in sorted(signed.content.models):
            champion = signed.content.champion(name)
            click.echo(f"  {name}: {champion.fingerprint if champion else 'no champion'}")
        for what in ("rules", "math", "ensemble"):
            click.echo(f"  {what}: {getattr(signed.content, what)}")
    else:
        before = current.manifest.content
        print_differences(diff_contents(before, signed.content, lambda path: read_blob(source.store, path)))


def _tell_signed(proposal: Proposal | None, effects: list[str], as_json: bool) -> None:
    if as_json:
        digest, what = (None, None) if proposal is None else (proposal.digest, proposal.title)
        print_json({"proposal": digest, "what": what, "in_force": effects})
        return
    signed = "Nothing more had to be signed." if proposal is None else f"Signed {proposal.title}."
    click.echo(f"{signed} " + (f"In force now: {', '.join(effects)}." if effects else "It still waits."))
