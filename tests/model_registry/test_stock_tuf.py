"""The stock TUF library reads what we write: it walks the roots, verifies the manifest as targets, and every blob."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlparse

import pytest
from tuf.api.exceptions import DownloadHTTPError, LengthOrHashMismatchError, UnsignedMetadataError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # it re-exports without saying so
    Metadata,
    Root,
    Targets,
)
from tuf.ngclient import (  # type: ignore[attr-defined]  # it re-exports without saying so
    FetcherInterface,
    Updater,
)

from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from model_registry.root import root_name
from model_registry.writing.rotation import RootChange, rotate
from model_registry.writing.signing import sign_proposal
from tests.support.registries import NOW, flip_a_bit
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, shared_registry
from tests.support.tampering import edit, sign_anew

NEXT_ROOT = Signer(bytes([9]) * 32)


def walk(registry: Registry) -> Root:
    """Follow the roots from the first to the last as TUF's specification says, with the library's own methods."""
    root: Root | None = None
    for version in range(1, 100):
        file = registry.path / root_name(version)
        if not file.exists():
            break
        metadata = Metadata[Root].from_bytes(file.read_bytes())
        assert metadata.signed.version == version
        result = metadata.signed.get_root_verification_result(root, metadata.signed_bytes, metadata.signatures)
        if not result:
            raise UnsignedMetadataError(f"{file.name}: not signed as the old and the new root ask")
        root = metadata.signed
    assert root is not None
    assert not root.is_expired(NOW)
    return root


def read_targets(registry: Registry, root: Root) -> Targets:
    """Verify the manifest as the targets metadata of a root."""
    metadata = Metadata[Targets].from_bytes((registry.path / MANIFEST).read_bytes())
    root.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
    assert not metadata.signed.is_expired(NOW)
    return metadata.signed


def verify(registry: Registry) -> Targets:
    """Verify a registry as far as TUF can; return the targets."""
    targets = read_targets(registry, walk(registry))
    for path, target in targets.targets.items():
        assert target.path == path
        target.verify_length_and_hashes((registry.path / path).read_bytes())
    return targets


def plain(folder: Path) -> Registry:
    return shared_registry(folder, ALICE)


def thresholds(folder: Path) -> Registry:
    return shared_registry(folder, ALICE, BOB, CAROL, threshold=2, roots=(ROOT, EVE), root_threshold=2)


def rotated(folder: Path) -> Registry:
    """Both roles' keys replaced, one after the other, and then the root renewed."""
    registry = plain(folder)
    for change, signers in (
        (RootChange(add=[("root", NEXT_ROOT.public, "new")], remove=[("root", ROOT.keyid)]), [ROOT, NEXT_ROOT]),
        (RootChange(add=[("targets", BOB.public, "new")], remove=[("targets", ALICE.keyid)]), [NEXT_ROOT, BOB]),
        (RootChange(), [NEXT_ROOT]),
    ):
        assert rotate(registry, change, signers, run_id="run-2", now=NOW).in_force
    return registry


def rotated_by_many(folder: Path) -> Registry:
    """A rotation that two root keys sign, one after the other, to a threshold of three."""
    registry = thresholds(folder)
    change = RootChange(add=[("root", NEXT_ROOT.public, "new")], thresholds={"root": 3})
    (proposal,) = rotate(registry, change, [ROOT, NEXT_ROOT], run_id="run-2", now=NOW).proposals
    assert sign_proposal(registry, proposal.removeprefix("proposed/")[:12], EVE, now=NOW) == ["root version 2"]
    return registry


KINDS: list[Callable[[Path], Registry]] = [plain, thresholds, rotated, rotated_by_many]


@pytest.mark.parametrize("make", KINDS)
def test_stock_tuf_verifies_roots_manifest_and_blobs(make: Callable[[Path], Registry], tmp_path: Path) -> None:
    registry = make(tmp_path / "registry")
    targets = verify(registry)
    manifest = registry.manifest(now=NOW)
    assert targets.version == manifest.version
    assert targets.targets.keys() == manifest.targets.keys()
    assert targets.unrecognized_fields["content"]["models"].keys() == manifest.content.models.keys()


@pytest.mark.parametrize("make", KINDS)
def test_stock_tuf_refuses_a_changed_manifest(make: Callable[[Path], Registry], tmp_path: Path) -> None:
    registry = make(tmp_path / "registry")
    edit(registry.path / MANIFEST, lambda document: document["signed"].update(reason="other"))
    with pytest.raises(UnsignedMetadataError, match="targets was signed by 0/"):
        verify(registry)


def test_stock_tuf_refuses_too_few_signatures(tmp_path: Path) -> None:
    registry = thresholds(tmp_path / "registry")
    edit(registry.path / MANIFEST, lambda document: document["signatures"].pop())
    with pytest.raises(UnsignedMetadataError, match="targets was signed by 1/2 keys"):
        verify(registry)


def test_stock_tuf_refuses_a_key_of_another_role_and_one_that_was_replaced(tmp_path: Path) -> None:
    registry = rotated(tmp_path / "registry")
    for signer in (NEXT_ROOT, ALICE):
        sign_anew(registry.path / MANIFEST, signer, lambda _: None)
        with pytest.raises(UnsignedMetadataError, match="targets was signed by 0/1 keys"):
            verify(registry)


def test_stock_tuf_refuses_a_root_that_the_old_keys_have_not_signed(tmp_path: Path) -> None:
    registry = rotated(tmp_path / "registry")
    sign_anew(registry.path / root_name(2), NEXT_ROOT, lambda _: None)
    with pytest.raises(UnsignedMetadataError, match=r"2\.root\.json: not signed"):
        verify(registry)


def test_stock_tuf_refuses_a_changed_blob(tmp_path: Path) -> None:
    registry = plain(tmp_path / "registry")
    for path in registry.manifest(now=NOW).targets:
        before = (registry.path / path).read_bytes()
        flip_a_bit(registry.path / path)
        with pytest.raises(LengthOrHashMismatchError):
            verify(registry)
        (registry.path / path).write_bytes(before)
    assert verify(registry).version == 1


class FromFolder(FetcherInterface):
    """Serves a registry's folder to TUF's own client, and keeps the names that it asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = urlparse(url).path.removeprefix("/")
        self.asked.append(name)
        if not (self.folder / name).exists():
            raise DownloadHTTPError("not there", 404)
        return iter([(self.folder / name).read_bytes()])


def test_tufs_own_client_walks_the_roots_and_then_asks_for_a_timestamp_that_is_not_there(tmp_path: Path) -> None:
    registry = shared_registry(tmp_path / "registry", ALICE, now=datetime.now(UTC))
    rotate(registry, RootChange(), [ROOT], run_id="run-2", now=datetime.now(UTC))
    fetcher = FromFolder(registry.path)
    bootstrap = (registry.path / root_name(1)).read_bytes()
    (tmp_path / "client").mkdir()
    client = Updater(str(tmp_path / "client"), "http://registry.test/", fetcher=fetcher, bootstrap=bootstrap)
    with pytest.raises(DownloadHTTPError):
        client.refresh()
    assert fetcher.asked == ["2.root.json", "3.root.json", "timestamp.json"]
    assert (tmp_path / "client" / "root.json").read_bytes() == (registry.path / root_name(2)).read_bytes()
