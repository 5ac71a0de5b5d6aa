"""The commands of docs/registry-format.md, run as they are written: they print what the page says, or refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from model_registry.blobs import FOLDER
from model_registry.manifest import MANIFEST
from tests.support.format_page import blocks
from tests.support.real import missing
from tests.support.tampering import edit
from tests.support.vectors import lay_out, read_index

SECTION: Final = "By hand"


def by_hand(registry: Path) -> subprocess.CompletedProcess[str]:
    """Run the commands in a registry's folder, until the first that fails."""
    for program in ("openssl", "basenc", "sha256sum", "python3"):
        if shutil.which(program) is None:
            missing(f"no {program}", "run `apt-get install openssl coreutils python3`")
    return subprocess.run(
        ["bash", "-euo", "pipefail"],
        input="".join(blocks("sh", SECTION)),
        cwd=registry,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},  # our python3 starts faster
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def laid_out(name: str, folder: Path) -> Path:
    (vector,) = (vector for vector in read_index()["vectors"] if vector["name"] == name)
    return lay_out(vector, folder / "registry")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return laid_out("fresh", tmp_path)


def test_the_commands_print_what_the_page_says(fresh: Path) -> None:
    said = by_hand(fresh)
    assert said.stderr == ""
    assert said.stdout == "".join(blocks("text", SECTION))
    assert said.returncode == 0


@pytest.mark.parametrize(("name", "signatures"), [("threshold", 4), ("text", 2), ("history", 2)])
def test_the_commands_accept_other_registries(name: str, signatures: int, tmp_path: Path) -> None:
    said = by_hand(laid_out(name, tmp_path))
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.count(": Signature Verified Successfully\n") == signatures


@pytest.mark.parametrize("file", ["1.root.json", MANIFEST])
def test_the_commands_refuse_changed_metadata(fresh: Path, file: str) -> None:
    edit(fresh / file, lambda document: document["signed"].update(expires="2999-01-01T00:00:00Z"))
    said = by_hand(fresh)
    assert said.returncode != 0
    assert "Signature Verification Failure" in said.stdout + said.stderr


def test_the_commands_refuse_another_layout(fresh: Path) -> None:
    spelt = (fresh / MANIFEST).read_bytes().replace(b'"version": 1', b'"version":  1')
    (fresh / MANIFEST).write_bytes(spelt)
    said = by_hand(fresh)
    assert said.returncode != 0
    assert f"- {MANIFEST} differ" in said.stdout


def test_the_commands_name_a_stranger(fresh: Path) -> None:
    stranger = {"keyid": "0" * 64, "sig": "0" * 128}
    edit(fresh / MANIFEST, lambda document: document["signatures"].insert(0, stranger))
    assert "\n000000000000: unknown\n" in by_hand(fresh).stdout


@pytest.mark.parametrize("end", [b"\n", b"\0"])
def test_the_commands_refuse_a_changed_blob(fresh: Path, end: bytes) -> None:
    (path, *_) = (path for path in sorted((fresh / FOLDER).iterdir()) if path.read_bytes().endswith(end))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = by_hand(fresh)
    assert said.returncode != 0
    assert f"{FOLDER}/{path.name}: FAILED" in said.stdout
