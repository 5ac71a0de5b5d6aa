from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.errors import TidegateError
from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores.base import Store
from model_registry.stores.folder import FolderStore
from tests.support.store_contract import CONTRACT


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "registry").mkdir()
    return FolderStore(tmp_path / "registry")


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_it_is_a_store(check: Callable[[Store], None], store: FolderStore) -> None:
    check(store)


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("target").write_bytes(b"elsewhere")
    path.symlink_to(path.with_name("target"))


@pytest.mark.parametrize("make", [_folder, _link, os.mkfifo])
def test_only_plain_files_are_read(store: FolderStore, make: Callable[[Path], None]) -> None:
    make(store.path / "planted")
    with pytest.raises(TrustError, match=r"^planted: ") as caught:
        store.read("planted", 100)
    assert caught.value.reason is Reason.NOT_A_FILE


def test_a_link_in_place_of_a_folder_is_not_followed(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"x")
    (store.path / "blobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError, match="symbolic link") as caught:
        store.read("blobs/x", 100)
    assert caught.value.reason is Reason.NOT_A_FILE
    with pytest.raises(TrustError, match="symbolic link"):
        store.entries("blobs")
    with pytest.raises(TidegateError, match="symbolic link; nothing was changed"):
        store.put("blobs/y", b"y")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["x"]


def test_what_lies_there_is_told_by_kind(store: FolderStore) -> None:
    _folder(store.path / "a folder")
    _link(store.path / "a link")
    os.mkfifo(store.path / "a pipe")
    kinds = {entry.name: entry.kind for entry in store.entries()}
    assert kinds == {"a folder": "folder", "a link": "link", "a pipe": "other", "target": "file"}


def test_swapping_is_refused_over_something_else_than_was_read(store: FolderStore) -> None:
    store.put("file", b"one")
    tag = store.read("file", 100).tag
    store.put("file", b"two")
    with store.writing(), pytest.raises(ChangedError, match="changed since it was read"):
        store.swap("file", b"three", tag)
    assert store.read("file", 100).data == b"two"


def test_a_writer_that_is_killed_leaves_the_lock_free(store: FolderStore) -> None:
    code = "import os, sys; from pathlib import Path; "
    code += "from model_registry.stores.folder import FolderStore\n"
    code += "with FolderStore(Path(sys.argv[1])).writing(): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(store.path)], check=False).returncode == -9
    with store.writing():
        store.put("file", b"written")


def test_readers_wait_for_a_writer_and_not_for_each_other(store: FolderStore) -> None:
    with store.writing():
        pass
    with store.reading(), store.reading():
        assert store.entries()


def test_a_folder_that_cannot_be_written_is_an_error(store: FolderStore) -> None:
    missing = FolderStore(store.path / "nowhere")
    with pytest.raises(TidegateError, match="cannot be locked"), missing.writing():
        pass
    with pytest.raises(TidegateError, match="cannot be written"):
        missing.put("file", b"")
    assert missing.entries() == []


def test_files_are_readable_by_all_and_writable_by_their_owner(store: FolderStore) -> None:
    store.put("file", b"")
    assert stat.S_IMODE((store.path / "file").stat().st_mode) & ~0o022 == 0o644 & ~0o022
