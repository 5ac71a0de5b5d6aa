"""Making the registries of the vectors: by our own writers where those can, and by hand where they refuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from model_registry import canonical
from model_registry.blobs import BlobRef
from model_registry.content import Content
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, history_name
from model_registry.registry import Registry
from model_registry.root import Root
from model_registry.signatures import sign
from model_registry.stores.folder import LOCK
from model_registry.writing.publishing import publish
from model_registry.writing.signing import sign_proposal
from tests.support.registries import DAY, NOW, files_of, put_model, with_shared_blobs
from tests.support.signers import ALICE, ROOT, shared_root
from tests.vectors.model import demanding_model
from tests.vectors.vector import Files

ROOT_FILE: Final = "1.root.json"
LONG: Final = 30 * DAY  # how long manifests are valid

Document = dict[str, Any]


@cache
def built(work: Callable[[Path], object]) -> Files:
    """Let ``work`` make a registry in a folder, and return its files, which nobody changes; it does so once."""
    with TemporaryDirectory() as folder:
        work(Path(folder))
        files = files_of(Registry(folder))
    files.pop(LOCK, None)
    return dict(sorted(files.items()))


def start(folder: Path, root: Root, signers: Sequence[Signer] = (ROOT,)) -> Registry:
    """Make a registry with a root and nothing else."""
    (folder / ROOT_FILE).write_bytes(sign(root, *signers))
    return Registry(folder)


def first_edit(registry: Registry) -> Callable[[Content], Content]:
    """Return the edit that fills an empty registry with one model."""
    return lambda content: with_shared_blobs(registry, content).with_model(
        "ddos_lgbm", put_model(registry, demanding_model())
    )


def put_in_force(
    registry: Registry, edit: Callable[[Content], Content], *signers: Signer, action: str = "publish", reason: str = ""
) -> None:
    """Publish by the first of the signers, and let the others sign."""
    published = publish(
        registry, edit, signers[0], run_id="run-1", action=action, reason=reason, valid_for=LONG, now=NOW
    )
    for signer in signers[1:]:
        sign_proposal(registry, published.proposal, signer, now=NOW)


def started(folder: Path) -> Registry:
    """Make a registry of one model, with one key for each role."""
    registry = start(folder, shared_root(ALICE, threshold=1))
    put_in_force(registry, first_edit(registry), ALICE)
    return registry


def fresh() -> Files:
    """Return the files of a registry of one model, with one key for each role."""
    return built(started)


def digest_of(files: Files, name: str = MANIFEST) -> str:
    """Return the SHA-256 of what is signed of a metadata file."""
    return hashlib.sha256(canonical.signed_bytes(document_of(files, name)["signed"])).hexdigest()


def proposal_file(data: bytes) -> str:
    """Return where a metadata file would wait for signatures."""
    return f"proposed/{digest_of({MANIFEST: data})}.json"


def document_of(files: Files, name: str = MANIFEST) -> Document:
    """Return a metadata file as JSON, to be changed."""
    document: Document = json.loads(files[name])
    return document


def with_document(files: Files, name: str, document: Document) -> Files:
    """Return the files with this one instead, in the layout."""
    return {**files, name: canonical.file_bytes(document)}


def with_signed(files: Files, name: str, change: Callable[[Document], object], *signers: Signer) -> Files:
    """Change what is signed, and sign it well: what only the holders of the keys could do."""
    signed = document_of(files, name)["signed"]
    change(signed)
    return {**files, name: signed_file(signed, *signers)}


def signed_file(signed: Document, *signers: Signer) -> bytes:
    """Return a metadata file, whatever is in it."""
    payload = canonical.signed_bytes(signed)
    signatures = [{"keyid": signer.keyid, "sig": signer.sign(payload)} for signer in signers]
    signatures.sort(key=lambda signature: signature["keyid"])
    return canonical.file_bytes({"signed": signed, "signatures": signatures})


def with_manifest(files: Files, change: Callable[[Document], object], signer: Signer = ALICE) -> Files:
    """Put another manifest in force: change what is signed, sign it well, and keep it in the history, too."""
    changed = with_signed(files, MANIFEST, change, signer)
    version = document_of(changed)["signed"]["version"]
    return {**changed, history_name(version): changed[MANIFEST]}


def with_artifact(files: Files, artifact: bytes, change: Callable[[Document], object] = lambda _: None) -> Files:
    """Put another artifact in place of the model's, and ``change`` the model's version in the manifest."""
    ref = BlobRef.of(artifact)

    def replace(signed: Document) -> None:
        version = signed["content"]["models"]["ddos_lgbm"]["versions"]["1"]
        del signed["targets"][version["artifact"]]
        signed["targets"][ref.path] = {"length": ref.length, "hashes": {"sha256": ref.sha256}}
        version["artifact"] = ref.path
        change(version)

    changed = with_manifest(files, replace)
    old = artifact_path(files)
    return {path: data for path, data in changed.items() if path != old} | {ref.path: artifact}


def artifact_path(files: Files) -> str:
    """Return where the model's artifact is."""
    path: str = document_of(files)["signed"]["content"]["models"]["ddos_lgbm"]["versions"]["1"]["artifact"]
    return path
