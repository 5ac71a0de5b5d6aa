"""Attacks by what lies in the place of a file: links, pipes, devices, strangers, and names that mislead.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from flows.errors import TidegateError
from model_registry import canonical
from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of, signed_by
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE
from tests.support.tampering import verify


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    simulator.publish(ALICE)
    simulator.read()
    simulator.move_to(tmp_path / "registry")
    yield simulator
    hold_row(request.node.name, simulator.said)


def in_place(repository: RepositorySimulator, name: str) -> Path:
    """Clear the place of a file or folder, whose content goes elsewhere, and return the place."""
    (repository.registry.path / name).rename(repository.folder / "elsewhere")
    return repository.registry.path / name


def rules_of(repository: RepositorySimulator) -> str:
    return manifest_of(repository.file()).content.rules


# --- no plain file


def test_link_in_place_of_the_manifest(repository: RepositorySimulator) -> None:
    """The manifest is a symbolic link, even to the same content."""
    in_place(repository, MANIFEST).symlink_to(repository.folder / "elsewhere")
    repository.refused(Reason.NOT_A_FILE)


def test_link_in_place_of_the_next_root(repository: RepositorySimulator) -> None:
    """A next root is a symbolic link to nothing."""
    (repository.registry.path / "2.root.json").symlink_to("nowhere")
    repository.refused(Reason.NOT_A_FILE)


def test_link_in_place_of_a_blob(repository: RepositorySimulator) -> None:
    """A blob is a symbolic link to a secret, which a reader would open with its own rights."""
    in_place(repository, rules_of(repository)).symlink_to("/etc/shadow")
    repository.refused(Reason.NOT_A_FILE)


def test_link_in_place_of_the_blobs(repository: RepositorySimulator) -> None:
    """The folder of the blobs is a symbolic link."""
    in_place(repository, "blobs").symlink_to(repository.folder / "elsewhere")
    repository.refused(Reason.NOT_A_FILE)


def test_link_in_place_of_the_history(repository: RepositorySimulator) -> None:
    """The folder of kept manifests is a symbolic link."""
    in_place(repository, "history").symlink_to(repository.folder / "elsewhere")
    repository.named("history/2.json", Reason.NOT_A_FILE)


def test_link_in_place_of_the_proposals(repository: RepositorySimulator) -> None:
    """The folder of proposals is a symbolic link."""
    shutil.rmtree(repository.registry.path / "proposed", ignore_errors=True)
    (repository.registry.path / "proposed").symlink_to("/etc")
    repository.named("proposed", Reason.NOT_A_FILE)


def test_pipe_in_place_of_the_manifest(repository: RepositorySimulator) -> None:
    """The manifest is a named pipe into which nobody ever writes."""
    os.mkfifo(in_place(repository, MANIFEST))
    repository.refused(Reason.NOT_A_FILE)


def test_pipe_in_place_of_a_blob(repository: RepositorySimulator) -> None:
    """A blob is a named pipe into which nobody ever writes."""
    os.mkfifo(in_place(repository, rules_of(repository)))
    repository.refused(Reason.NOT_A_FILE)


def test_socket_in_place_of_the_manifest(repository: RepositorySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest is a socket."""
    in_place(repository, MANIFEST)
    monkeypatch.chdir(repository.registry.path)  # a socket's address must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(MANIFEST)
        repository.refused(Reason.NOT_A_FILE)


def test_device_in_place_of_the_given_root(repository: RepositorySimulator) -> None:
    """The root that the reader was told to trust is a device without an end."""
    repository.pin = Path("/dev/zero")
    with pytest.raises(Exception, match="not a plain file"):
        repository.read()
    repository.came_to("/dev/zero: not a plain file [not-a-file]")


# --- paths and names


def test_path_out_of_the_blobs(repository: RepositorySimulator) -> None:
    """A manifest that a stolen key signed has a target outside the registry, as its rules or as nothing at all."""
    for path in ("blobs/../../keys/targets.key", "/etc/shadow", "blobs/..", "blobs/" + "0" * 63 + "/"):
        rules = rules_of(repository)
        escaping = repository.file().replace(rules.encode(), path.encode())
        (repository.registry.path / MANIFEST).write_bytes(signed_by(escaping, ALICE))
        repository.refused(Reason.BLOB_PATH)
        only_named = msgspec.json.decode(repository.file())
        only_named["signed"]["content"]["rules"] = path
        (repository.registry.path / MANIFEST).write_bytes(signed_by(canonical.file_bytes(only_named), ALICE))
        repository.refused(Reason.MALFORMED)


def test_stranger_among_the_files(repository: RepositorySimulator) -> None:
    """A file that nobody signed lies among the others."""
    (repository.registry.path / "install.sh").write_text("rm -rf /\n")
    assert repository.read().version == 2
    repository.named("install.sh", Reason.UNACCOUNTED)


def test_private_key_among_the_files(repository: RepositorySimulator) -> None:
    """A private key lies in the registry, where everybody reads."""
    (repository.registry.path / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    repository.named("id_ed25519", Reason.PRIVATE_KEY)


def test_name_that_forges_a_report(repository: RepositorySimulator) -> None:
    """A file's name holds line breaks and colours, so that the report of `verify` seems to say that all is well."""
    forged = "x\r\x1b[2Kok     model_registry.json  version 9, signed\n"
    (repository.registry.path / forged).touch()
    outcome = verify(repository.registry.path, "--root", repository.pin)
    assert outcome.code == 3
    lines = [line for line in (outcome.out + outcome.err).splitlines() if "version 9, signed" in line]
    assert lines
    assert all(line.startswith(("FAILED ", "tidegate: ")) and line.isprintable() for line in lines), lines
    repository.came_to("`verify` writes the name in a form that forges nothing")


def test_file_that_vanishes_from_a_listing(repository: RepositorySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """While `verify` lists the folder, one file comes and goes, so that the others might be overlooked."""
    (repository.registry.path / "install.sh").touch()
    scandir = os.scandir

    @contextmanager
    def meddle(handle: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        gone = os.open("gone", os.O_CREAT | os.O_WRONLY, dir_fd=handle)
        os.close(gone)
        with scandir(handle) as found:
            entries = list(found)
        os.unlink("gone", dir_fd=handle)
        yield iter(entries)

    monkeypatch.setattr(os, "scandir", meddle)
    repository.named("install.sh", Reason.UNACCOUNTED)


# --- where writers write


def test_folder_among_the_proposals(repository: RepositorySimulator) -> None:
    """A folder lies among the proposals, which a publication clears away: it must not seem to have failed."""
    (repository.registry.path / "proposed" / "x").mkdir(parents=True)
    assert repository.publish(ALICE) == 3
    assert repository.read().version == 3
    repository.came_to("the publication takes effect, and says so")


def test_history_that_cannot_be_written(repository: RepositorySimulator) -> None:
    """A folder lies where the next manifest would be kept: a publisher must not be told that nothing was changed."""
    (repository.registry.path / "history" / "3.json").mkdir()
    try:
        repository.publish(ALICE)
    except TidegateError as error:
        assert ("nothing was changed" in str(error)) == (repository.read().version == 2)  # noqa: PT017
    repository.came_to("the publication takes effect, or an error says truly that it did not")
