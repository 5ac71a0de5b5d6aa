"""``tidegate keys`` and ``tidegate registry``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from flows.errors import UsageError
from model_registry.errors import TrustError
from model_registry.keys import ROLES, key_file, load_signer
from model_registry.registry import ROOT_VALIDITY, Registry, create_registry
from model_registry.verify import verify_registry

if TYPE_CHECKING:
    from rich.table import Table

    from model_registry.manifest import Manifest, Model, ModelVersion

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


def registry_option(command: Command) -> Command:
    """Give a command ``--registry DIR`` as the argument ``registry``, a Path; it has the same default everywhere."""
    return click.option(
        "--registry",
        type=_FOLDER,
        envvar="TIDEGATE_REGISTRY",
        default="var/registry",
        show_default=True,
        show_envvar=True,
        help="Folder of the model registry.",
    )(command)


def _keys_option(command: Command) -> Command:
    return click.option(
        "--keys",
        "keys_dir",
        type=_FOLDER,
        envvar="TIDEGATE_KEYS",
        default="var/keys",
        show_default=True,
        show_envvar=True,
        help="Folder of the private keys.",
    )(command)


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@click.group()
def keys() -> None:
    """Make and show signing keys."""


@keys.command("init")
@_keys_option
@registry_option
@click.option(
    "--days", type=click.IntRange(1, 36500), default=ROOT_VALIDITY.days, show_default=True, help="Validity of the root."
)
@_json_option
def keys_init(keys_dir: Path, registry: Path, days: int, as_json: bool) -> None:
    """Make a root key and a targets key, and a registry that trusts them.

    The root key says which keys count, the targets key signs manifests. The private halves are stored unencrypted,
    readable by you alone. Nothing that is there already is overwritten.
    """
    signers = create_registry(registry, keys_dir, valid_for=timedelta(days=days))
    if as_json:
        made = [{"role": role, "keyid": signer.keyid} for role, signer in signers.items()]
        _print_json({"registry": str(registry), "root": str(registry / "1.root.json"), "keys": made})
        return
    for role, signer in signers.items():
        click.echo(f"{role:7} {signer.keyid}  private key in {key_file(keys_dir, role)}")
    click.echo(f"root    {registry / '1.root.json'}, valid for {days} days; give it to serving with --root")
    click.echo("The private keys are stored unencrypted: keep that folder to yourself, and the root key offline.")


@keys.command("show")
@_keys_option
@_json_option
def keys_show(keys_dir: Path, as_json: bool) -> None:
    """Show the key ids and public keys; never a private one."""
    found = [(role, load_signer(keys_dir, role)) for role in ROLES if key_file(keys_dir, role).exists()]
    if not found:
        raise UsageError(f"{keys_dir}: no keys there; name their folder by --keys, or run `tidegate keys init`")
    rows = [{"role": role, "keyid": key.keyid, "public": key.public.keyval.public} for role, key in found]
    if as_json:
        _print_json({"keys": rows})
        return
    table = _table("role", "key id", "public key (Ed25519)")
    for row in rows:
        table.add_row(*row.values())
    _print_table(table)


@click.group()
def registry() -> None:
    """List, show and verify registered models."""


@registry.command("list")
@registry_option
@_json_option
def registry_list(registry: Path, as_json: bool) -> None:
    """List the models: one row each, of the version that decides."""
    manifest = Registry(registry).manifest()
    models = [_summary(manifest, name, model) for name, model in sorted(manifest.content.models.items())]
    if as_json:
        _print_json(
            {
                "registry": str(registry),
                "version": manifest.version,
                "expires": manifest.expires,
                "count": len(models),
                "models": models,
            }
        )
        return
    table = _table("model", "versions", "champion", "threshold", "metrics", "fingerprint", "trained")
    for row in models:
        metrics = ", ".join(f"{name} {_short(value)}" for name, value in row["metrics"].items())
        table.add_row(
            row["name"],
            str(row["versions"]),
            str(row["champion"] or "-"),
            _short(row["threshold"]) if row["threshold"] else "-",
            metrics or "-",
            (row["fingerprint"] or "-")[:12],
            row["trained"] or "-",
        )
    _print_table(table)
    noun = "model" if len(models) == 1 else "models"
    click.echo(f"{len(models)} {noun}; manifest version {manifest.version}, valid until {manifest.expires}")


@registry.command("show")
@click.argument("model")
@click.option("--version", type=click.IntRange(1), help="Version number; the champion if left out.")
@registry_option
@_json_option
def registry_show(model: str, version: int | None, registry: Path, as_json: bool) -> None:
    """Show one version of MODEL: data, metrics, gates and model card."""
    source = Registry(registry)
    manifest = source.manifest()
    found, number = _find(manifest, model, version)
    chosen = found.versions[number]
    card = source.target(manifest, chosen.card).decode(errors="replace")
    slots = [slot for slot, held in found.slots().items() if held == number]
    if as_json:
        _print_json(_version_document(chosen) | {"name": model, "version": number, "slots": slots, "card": card})
        return
    click.echo(f"{model} version {number}" + (f" ({', '.join(slots)})" if slots else ""))
    table = _table("", "")
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
    _print_table(table)
    click.echo("\n" + "".join(char for char in card if char.isprintable() or char in "\n\t"))


@registry.command("verify")
@registry_option
@click.option(
    "--root", type=_FILE, envvar="TIDEGATE_ROOT", show_envvar=True, help="The first root to trust, kept elsewhere."
)
@click.option(
    "--min-version",
    type=click.IntRange(0),
    default=0,
    envvar="TIDEGATE_MIN_VERSION",
    show_envvar=True,
    help="Oldest manifest version to accept.",
)
@click.option(
    "--state", type=_FOLDER, envvar="TIDEGATE_STATE", show_envvar=True, help="Folder with the highest version seen."
)
@_json_option
def registry_verify(registry: Path, root: Path | None, min_version: int, state: Path | None, as_json: bool) -> None:
    """Verify every file: roots, manifest, blobs, golden vectors, and that there is nothing else.

    Exit code 3 if anything cannot be trusted.
    """
    result = verify_registry(Registry(registry), root=root, min_version=min_version, state_dir=state)
    if as_json:
        _print_json(
            {
                "registry": str(registry),
                "ok": not result.failures,
                "version": result.version,
                "root_from_registry": result.root_from_registry,
                "checks": [{"file": check.file, "ok": check.ok, "detail": check.detail} for check in result.checks],
            }
        )
    else:
        for check in result.checks:
            mark = click.style("ok    ", fg="green") if check.ok else click.style("FAILED", fg="red", bold=True)
            click.echo(f"{mark} {check.file}  {check.detail}")
        if result.root_from_registry:
            click.echo(
                "The root was taken from the registry itself, so this shows that the files agree with each other, not "
                "who signed them; keep 1.root.json elsewhere and give it by --root."
            )
    if result.failures:
        files = ", ".join(sorted({check.file for check in result.failures}))
        raise TrustError(f"{registry}: not to be trusted because of {files}; restore what was signed, or publish again")


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
    model = manifest.content.models.get(name)
    if model is None:
        names = ", ".join(sorted(manifest.content.models)) or "none"
        raise UsageError(f"there is no model {name!r} in the registry; there are: {names}")
    number = model.champion if version is None else version
    if number is None:
        raise UsageError(f"{name} has no champion; choose by --version among {_numbers(model)}")
    if number not in model.versions:
        raise UsageError(f"{name} has no version {number}; there are: {_numbers(model)}")
    return model, number


def _numbers(model: Model) -> str:
    return ", ".join(str(number) for number in sorted(model.versions))


def _version_document(version: ModelVersion) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(version)
    return document | {"fingerprint": version.fingerprint}


def _word(passed: bool) -> str:
    return "passed" if passed else "NOT PASSED"


def _short(decimal: str) -> str:
    return f"{float(decimal):.4g}"


def _table(*headers: str) -> Table:
    from rich import box  # here, so that JSON does not wait for it
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=any(headers), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _print_table(table: Table) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200  # nothing to fit into, so do not break lines
    console.print(table)


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
