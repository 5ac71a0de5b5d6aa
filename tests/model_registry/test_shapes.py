"""What text metadata may hold, and how a stranger's text stands in a message."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.shapes import Text, readable

# A new line, a command to the terminal, right-to-left marks, and signs that take no room.
UNSEEN = (
    "\0\n\r\t\x1b\x7f\x85\x9b\xad\u061c\u180e\u200b\u200d\u200e\u200f\u2028\u2029"
    "\u202a\u202e\u2060\u2066\u2069\ufeff\ufffb\U000e0041"
)


@pytest.mark.parametrize("character", UNSEEN, ids=ascii)
def test_text_holds_nothing_that_misleads_who_reads_it(character: str) -> None:
    for text in (character, f"a{character}", f"{character}b", f"a{character}b"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, Text)


@pytest.mark.parametrize(
    "text", ["", "0.991 >= 0.95", "Müller, 統計, Ελλάδα, кто", "e\u0301", "\U0001f980", "x" * 1000]
)
def test_text_may_be_in_any_language(text: str) -> None:
    assert msgspec.convert(text, Text) == text


@given(st.text(max_size=400))
def test_a_strangers_text_is_quoted_in_one_short_line_that_shows_all_of_it(text: str) -> None:
    shown = readable(text)
    assert shown.isprintable()
    assert len(shown) <= 301
    if len(shown) <= 300 and "\\" not in text:
        assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == text
    assert readable(text + UNSEEN).isprintable()


def test_only_what_cannot_be_seen_is_written_otherwise() -> None:
    assert readable("the field `é統`") == "the field `é統`"
    assert readable("a\x1b[2J\n\ud800\u202e") == "a\\x1b[2J\\n\\ud800\\u202e"
    assert readable("x" * 400) == "x" * 300 + "…"
    assert readable("\0" * 10**7) == "\\x00" * 75 + "…"
