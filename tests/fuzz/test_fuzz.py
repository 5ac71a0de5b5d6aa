"""The fuzz targets hold on what they begin with, and do find a bug that is there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from flows.formats import FORMATS
from model_registry.errors import Reason
from tests.fuzz import fuzz_registry, seeds
from tests.fuzz.__main__ import TARGETS, arguments
from tests.support.real import REPOSITORY
from tests.support.samples import SAMPLES

needs_atheris: Final = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has wheels for CPython on 64-bit Linux only"
)

# A decoder that fails where a line begins with five certain bytes: dice alone would throw them once in 2^40.
PLANTED: Final = """
from flows.formats.base import merge
from flows.formats.zeek import ZeekDecoder


class Broken(ZeekDecoder):
    def decode(self, lines):
        decoded = super().decode(lines)
        for line in lines:
            if line[:5] == b"CRASH":
                FAIL
        return decoded
"""
RUN: Final = """
import sys
import atheris

with atheris.instrument_imports(include=["flows", "planted"]):
    import flows.formats
    import planted

flows.formats._DECODERS["zeek"] = planted.Broken

from tests.fuzz.engine import fuzz

fuzz(sys.argv[1], sys.argv[2:])
"""


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_its_seeds_and_on_next_to_nothing(name: str) -> None:
    target = importlib.import_module(f"tests.fuzz.{name}")
    given = list(target.seeds())
    assert len(given) >= len(FORMATS)
    for data in [*given, b"", b"\x00", b"\n", b"\xff" * 9]:
        target.one_input(data)


def test_the_registrys_target_reaches_what_lies_behind_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Counter[Reason]()
    monkeypatch.setattr(fuzz_registry, "_check", lambda error, *_: refused.update([error.reason]))
    accepted = Counter[str]()
    monkeypatch.setattr(fuzz_registry, "_check_spelling", lambda _, signed: accepted.update([signed.type]))
    for data in fuzz_registry.seeds():
        fuzz_registry.one_input(data)
    late = {Reason.MALFORMED, Reason.OLDER_VERSION, Reason.EXPIRED, Reason.WRONG_ROOT, Reason.UNKNOWN_KEY}
    assert late | {Reason.LAYOUT, Reason.BAD_SIGNATURE, Reason.UNDER_SIGNED, Reason.SIGNED_TWICE} <= refused.keys()
    assert accepted.keys() == {"targets", "root"}


def test_the_dictionary_is_in_libfuzzer_s_form() -> None:
    lines = seeds.dictionary(seeds.words() | fuzz_registry.words()).splitlines()
    assert all(re.fullmatch(r'"([ !#-\[\]-~]|\\x[0-9A-F]{2})+"', line) for line in lines)
    assert {f'"{name}"' for sample in SAMPLES for name in sample.roles.values() if "/" not in name} <= set(lines)


# The most memory that a process took counts on in the program it becomes, so libFuzzer would blame itself for what the
# tests took; hence a shell in between, which starts a child.
AFRESH = ("sh", "-c", '"$@"; exit $?', "sh")


@needs_atheris
@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("raise KeyError(line)", "KeyError: b'CRASH"),
        ("return merge([decoded, decoded])", "a line is accounted for twice"),
        ("while True: pass", "timeout"),
    ],
    ids=["exception", "promise", "hang"],
)
def test_a_bug_that_only_coverage_leads_to_is_found_kept_and_shown_again(tmp_path: Path, fails: str, said: str) -> None:
    (tmp_path / "planted.py").write_text(PLANTED.replace("FAIL", fails))
    (tmp_path / "run.py").write_text(RUN)
    environment = {"PYTHONPATH": f"{REPOSITORY}:{tmp_path}"}

    def engine(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AFRESH, sys.executable, tmp_path / "run.py", *given],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=120,
        )

    found = engine("fuzz_decoders", f"-artifact_prefix={tmp_path}/", "-max_total_time=60", "-timeout=1", "-seed=1")
    assert found.returncode != 0
    assert said in found.stdout
    (kept,) = [path for path in tmp_path.iterdir() if path.name.startswith(("crash-", "timeout-"))]
    assert b"CRASH" in kept.read_bytes()
    again = engine("fuzz_decoders", "-timeout=1", str(kept))
    assert again.returncode != 0
    assert said in again.stdout


@needs_atheris
@pytest.mark.parametrize(
    ("target", "instrumented"),
    [
        ("fuzz_decoders", ["flows.formats.zeek", "flows.formats.canonical", "flows.formats.columns"]),
        ("fuzz_registry", ["model_registry.canonical", "model_registry.manifest", "model_registry.forest"]),
    ],
)
def test_make_fuzz_tells_what_it_tried_and_instruments_what_it_tries(
    tmp_path: Path, target: str, instrumented: list[str]
) -> None:
    given = arguments(target, tmp_path)
    result = subprocess.run(
        [*AFRESH, sys.executable, "-m", "tests.fuzz.engine", *given, "-runs=1000"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
        timeout=120,
    )
    for name in instrumented:
        assert f"Instrumenting {name}\n" in result.stderr
    assert re.search(r"#\d+\s+DONE\s+cov: \d{3,} ", result.stderr)
    assert any((tmp_path / "corpus").iterdir())
