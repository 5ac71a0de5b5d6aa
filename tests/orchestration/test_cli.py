"""``tidegate train``: what it refuses before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import tidegate_command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "{here}", "--seed", "1"), "give one of them"),
        (("--benign-share", "0"), "0 is not in the range"),
        (("--benign-share", "1.5"), "1.5 is not in the range"),
        (("--leave-out", "x"), "give --data, too"),
        (("--home", "10.0.0.0/8"), "give one of them, too"),
        (("--site", "{here}/nothing.log"), "there is no file"),
        (("--site", "benign:{here}/own.log"), "has no truth"),
        (("--site", "{here}/own.log", "--home", "bogus"), "'bogus' is not a network"),
        (("--data", "{here}/nothing.log"), "there is no file or folder"),
        (("--data", "{here}"), "no known capture below"),
        (("--data", "malware:{here}/own.log"), "only the host is known"),
        (("--data", "{here}/own.log", "--home", "bogus"), "'bogus' is not a network"),
        (("--data", "{here}/own.log", "--leave-out", "other"), "cannot leave out other; the captures are own"),
    ],
)
def test_what_cannot_be_meant_is_refused_as_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "own.log").write_text("")
    outcome = tidegate_command("train", *(argument.format(here=tmp_path) for argument in arguments))
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
