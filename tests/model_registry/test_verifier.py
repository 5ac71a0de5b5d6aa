"""A verifier in another language, made from the page alone, says of every vector what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.vectors import Document, given_root, lay_out, put_seen, read_index
from tests.support.verifier import run_verifier


@pytest.mark.parametrize("vector", read_index()["vectors"], ids=lambda vector: vector["name"])
def test_the_verifier_in_perl_says_the_same(vector: Document, tmp_path: Path) -> None:
    options = ["--now", vector["now"], "--min-version", str(vector["min_version"])]
    if (root := given_root(vector)) is not None:
        options += ["--root", str(root)]
    if (seen := put_seen(vector, tmp_path / "seen.json")) is not None:
        options += ["--seen", str(seen)]
    said = run_verifier(lay_out(vector, tmp_path / "registry"), *options)
    assert said.stderr == ""
    if (refused := vector["expect"].get("refused")) is None:
        assert (said.stdout, said.returncode) == (f"accepted {vector['expect']['accepted']}\n", 0)
    else:
        assert said.stdout.startswith(f"refused {refused['file']} {refused['reason']}: ")
        assert said.returncode == 3


def test_the_verifier_tells_how_it_is_used(tmp_path: Path) -> None:
    said = run_verifier(tmp_path, "--unknown")
    assert said.returncode not in {0, 3}
    assert "usage: verify.pl" in said.stderr
