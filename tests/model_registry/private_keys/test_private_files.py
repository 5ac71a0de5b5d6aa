from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from flows.errors import TidegateError
from model_registry.errors import TrustError
from model_registry.private_keys.private_files import read_private, write_new


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_new(tmp_path / "file", b"secret")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert read_private(tmp_path / "file") == b"secret"
    assert read_private(tmp_path / "nowhere") is None


def test_a_generous_umask_opens_nothing(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_new(tmp_path / "private", b"secret")
        write_new(tmp_path / "public", b"open", mode=0o644)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("private", "public")]
    assert modes == [0o600, 0o644]


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("target")
    for name in ("file", "link"):
        with pytest.raises(TidegateError, match=f"{name}: there is a file already"):
            write_new(tmp_path / name, b"secret")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert not (tmp_path / "target").exists()


def test_half_a_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TidegateError, match="file: cannot be written: No space left"):
        write_new(tmp_path / "file", b"secret")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_folder_that_is_none_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TidegateError, match=f"{folder}: cannot be opened"):
        write_new(tmp_path / folder / "key", b"secret")


@pytest.mark.parametrize("what", ["folder", "pipe", "long"])
def test_what_is_no_short_plain_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir(0o700)
    elif what == "pipe":
        os.mkfifo(path, 0o600)
    else:
        write_new(path, b"x" * 4097)
    with pytest.raises(TrustError, match=f"{what}: "):
        read_private(path)
