"""A card is drawn on a terminal, goes through a pipe as it is, and commands neither."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.commands.rendering import LONGEST, print_card
from tests.support.terminal import python_on_terminal

CARD = f"""# ddos_lgbm

Finds **floods** by `rates`.

## Data

| measure | value |
| --- | ---: |
| recall | 0.99900 |

* one limit
* another, `{"f" * 64}`

```
plain code
```
"""
PRINT = (
    "import sys; from model_registry.commands.rendering import print_card; "
    "print_card(open(sys.argv[1], newline='').read())"
)
STYLES = re.compile(r"\x1b\[[0-9;]*m")
COLOURS = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m")


class Terminal(io.StringIO):
    """A terminal in this process."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "card.md"


def on_terminal(file: Path, card: str, width: int = 80, **environment: str) -> str:
    """What a real terminal gets, with its styles."""
    file.write_text(card, newline="")
    colours = {"TERM": "xterm-256color", "NO_COLOR": "", "COLUMNS": str(width), **environment}
    code, shown, _ = python_on_terminal(["-c", PRINT, str(file)], [], environment=colours)
    assert code == 0, shown
    return shown.replace("\r\n", "\n")


def drawn(card: str) -> str:
    """What a terminal in this process gets, without styles, lines joined; styles are the only commands in it."""
    terminal = Terminal()
    with redirect_stdout(terminal), redirect_stderr(io.StringIO()):
        print_card(card)
    shown = STYLES.sub("", terminal.getvalue())
    assert all(char.isprintable() or char == "\n" for char in shown)
    return " ".join(shown.split())


def piped(file: Path, card: str, **environment: str) -> bytes:
    file.write_text(card, newline="")
    command = [sys.executable, "-c", PRINT, str(file)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=True, timeout=60
    ).stdout


def test_a_pipe_gets_the_exact_markdown(file: Path) -> None:
    assert piped(file, CARD).decode() == CARD
    assert piped(file, CARD, FORCE_COLOR="1", TERM="xterm-256color").decode() == CARD


def test_a_terminal_gets_headings_tables_lists_and_code(file: Path) -> None:
    shown = on_terminal(file, CARD)
    text = STYLES.sub("", shown)

    assert not re.search(r"^#|\*\*|`|\| ---", text, re.MULTILINE)
    assert re.search(r"^ +ddos_lgbm +$", text, re.MULTILINE)  # in the middle
    assert re.search(r"^ *measure +value *\n *─+", text, re.MULTILINE)
    assert re.search(r"^ *recall +0\.99900 *$", text, re.MULTILINE)
    assert " • one limit" in text
    assert "  plain code" in text
    assert COLOURS.search(shown)


def test_there_are_no_colours_where_they_are_not_wanted(file: Path) -> None:
    shown = on_terminal(file, CARD, NO_COLOR="1")

    assert " • " in STYLES.sub("", shown)
    assert not COLOURS.search(shown)
    assert "\x1b" not in on_terminal(file, CARD, TERM="dumb")


@pytest.mark.parametrize("width", [1, 20, 40])
def test_what_is_too_long_for_a_line_is_folded_and_not_cut(file: Path, width: int) -> None:
    long = f"{'x' * 200}\n\n| a | b |\n|---|---|\n| {'y' * 200} | z |\n\n* {'v' * 200}\n\n```\n{'w' * 200}\n```\n"
    text = STYLES.sub("", on_terminal(file, long, width))

    assert [text.count(letter) for letter in "xyvw"] == [200] * 4
    assert max(len(line) for line in text.splitlines()) <= max(width, 20)


def test_a_terminal_without_unicode_gets_what_it_can_show(file: Path) -> None:
    shown = on_terminal(file, "# ü → x\n\n* one\n", PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert shown == "# ? ? x\n\n* one\n"


@pytest.mark.parametrize(
    "command", ["\x1b[2J", "\x1b]8;;http://x\x07", "\x9b2J", "\r", "\x08", "\x0c", "\u202e", "\x00"]
)
def test_neither_a_terminal_nor_a_pipe_is_commanded(file: Path, command: str) -> None:
    card = f"# one{command}two\n\n`{command}`\n\n```{command}\n{command}\n```\n"

    assert piped(file, card).decode() == "".join(char for char in card if char.isprintable() or char == "\n")
    assert drawn(card).startswith("one")


@pytest.mark.parametrize(
    "text",
    [
        "[bold red]not rich[/]",
        ":smile:",
        "[here](http://elsewhere.example)",
        "<http://elsewhere.example>",
        "![image](http://elsewhere.example)",
        "<b onclick=x>HTML</b>",
        "</kbd></kbd>",
        "<!-- hidden -->",
        "&#x202e;&#27;&lt;",
        "[x]: http://elsewhere.example",
    ],
)
def test_what_is_no_plain_markdown_stands_as_it_was_written(text: str) -> None:
    assert drawn(f"before\n\n{text}\n\nafter") == f"before {text} after"


@pytest.mark.parametrize("card", [f"{'|a' * 500}|\n{'|-' * 500}|\n", "a|b\n-|-\n" * 600])
def test_a_table_that_nobody_could_read_is_not_drawn(card: str) -> None:
    assert drawn(card) == " ".join(card.split())


def test_of_an_endless_card_the_beginning_is_printed_and_that_is_said() -> None:
    out, err = io.StringIO(), io.StringIO()
    card = "endless " * (8 << 20)
    began = time.monotonic()
    with redirect_stdout(out), redirect_stderr(err):
        print_card(card)

    assert out.getvalue() == f"{card[:LONGEST]}\n"
    assert err.getvalue() == (f"the first {LONGEST} of the card's {len(card)} characters; --json has all of them\n")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "[",
            "*",
            "*a ",
            "**a_b*c",
            "`",
            "> ",
            "* ",
            "1. ",
            "\\*",
            "|a",
            "a|b",
            "漢",
            "a\u0301",
            "<a ",
            "&#27;",
            "![[](",
            "\t",
        ),
        *("a\n", "* a\n", "  * a\n\n", "#\n", "a\n=\n", "---\n", "~~~ py\n(", "a|b\n-|-\n", "</kbd>\n", "[a]: b\n"),
    ],
)
@pytest.mark.parametrize("before", ["", "x|" * 12 + "\n" + "-|" * 12 + "\n"])
def test_a_card_that_was_made_to_be_slow_is_drawn_all_the_same(pattern: str, before: str) -> None:
    began = time.monotonic()
    lines = (pattern * LONGEST)[:LONGEST].splitlines(keepends=True)
    drawn(before + "".join(lines[:990]))

    assert time.monotonic() - began < 20  # under 1 s on an idle machine


@settings(max_examples=300, deadline=None)
@given(st.text("`*_~#-+=>|[](){}<>!&:;.\\/'\" \n\n\t\x1b\x9b\u202e\ud800019abé漢", max_size=200))
def test_whatever_a_card_says_it_is_drawn(card: str) -> None:
    drawn(card)


def test_an_empty_card_is_no_error() -> None:
    assert drawn("") == ""
