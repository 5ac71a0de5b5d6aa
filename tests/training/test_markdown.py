"""Markdown that is written is read as meant, whatever names stand in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from training.markdown import WIDTH, bullets, code, paragraph, prose, steps, table

# What formats, in the company of words, blanks and what no terminal should see.
AWKWARD = st.text("`*_~#-+=>|[](){}<>!&:;.\\/'\"\n\t\x1b\x9b\u202e 019abZéﬀ漢", max_size=60)


def read(lines: list[str]) -> list[Token]:
    """As the strictest of readers, and the most generous: with tables, links, HTML and what else there is."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse("\n".join(lines))


def inside(token: Token) -> str:
    """What a reader sees of a line of text."""
    return "".join(" " if child.type == "softbreak" else child.content for child in token.children or ())


@given(AWKWARD)
def test_prose_is_nothing_but_text(text: str) -> None:
    tokens = read(paragraph(f"Said: {prose(text)}"))

    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or ()} <= {"text", "softbreak"}
    shown = "".join(char if char.isprintable() else " " if char == "\n" else "?" for char in text)
    assert inside(tokens[1]).split() == f"Said: {shown}".split()


@given(st.lists(AWKWARD.map(prose), min_size=40, max_size=60))
def test_prose_is_nothing_but_text_wherever_it_is_wrapped(texts: list[str]) -> None:
    tokens = read(paragraph(" ".join(["Said:", *texts])))

    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


@given(AWKWARD)
def test_a_name_is_one_code_span_in_a_list_and_in_a_table(name: str) -> None:
    listed = read([f"* {code(name)}: 7"])
    tabled = read(table(["label", "flows"], [[code(name), "7"]]))

    (item,) = [token for token in listed if token.type == "inline"]
    assert [child.type for child in item.children or ()] == ["code_inline", "text"]
    cells = [token for token in tabled if token.type == "inline"]
    assert [inside(cell) for cell in cells[:2] + cells[3:]] == ["label", "flows", "7"]
    assert [child.type for child in cells[2].children or ()] == ["code_inline"]
    assert inside(cells[2]).isprintable()


def test_a_long_name_is_cut() -> None:
    assert code("a" * 61) == f"`{'a' * 60}`"
    assert code("") == "`?`"


def test_lists_are_wrapped_under_their_first_word() -> None:
    words = " ".join(["word"] * 60)

    assert all(len(line) <= WIDTH for line in [*bullets([words]), *steps([words])])
    assert [token.type for token in read(bullets([words, "two"]))].count("list_item_open") == 2
    assert bullets(["one", "two"]) == ["* one", "* two"]
    assert steps(["one", "two"]) == ["1. one", "2. two"]
    assert [line[:3] for line in steps([words])] == ["1. ", "   ", "   ", "   "]


def test_figures_of_a_table_stand_to_the_right() -> None:
    lines = table(["measure", "value"], [["recall", "0.9"]])

    assert lines == ["| measure | value |", "| --- | ---: |", "| recall | 0.9 |"]
