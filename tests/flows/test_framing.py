"""The objects of a JSON array, cut out of any bytes and read from files."""

from __future__ import annotations

import gzip
import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import UsageError
from flows.files import FileChunk, FileSpec, read_flows
from flows.formats import MAX_LINE
from flows.framing import BLANKS, ArrayFramer, Stray

Cut = tuple[bytes, bool]  # bytes, and whether they are stray


def cut(*blocks: bytes, ended: bool = True) -> list[Cut]:
    framer = ArrayFramer()
    records = [*framer.records(blocks), *(framer.end() if ended else [])]
    return [(record.raw, True) if isinstance(record, Stray) else (record, False) for record in records]


def objects(*blocks: bytes) -> list[bytes]:
    return [raw for raw, stray in cut(*blocks) if not stray]


def strays(*blocks: bytes) -> list[bytes]:
    return [raw for raw, stray in cut(*blocks) if stray]


def in_blocks(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


# What is an object, and what is stray


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[]", []),
        (b" [\n] \r\n", []),
        (b'[{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}']),
        (b'[\n{\n\t"a" : 1\n},\n{\n}]\n', [b'{\n\t"a" : 1\n}', b"{\n}"]),
        (rb'[{"a":"}{","b":"\"}\\"},{"c":"\\\\"}]', [rb'{"a":"}{","b":"\"}\\"}', rb'{"c":"\\\\"}']),
        (b'[{"a":{"b":[{},{"c":"}"}]}},{"d":[1,2]}]', [b'{"a":{"b":[{},{"c":"}"}]}}', b'{"d":[1,2]}']),
        (b'[{"a":1} {"b":2},,]', [b'{"a":1}', b'{"b":2}']),
        (b'[{"a":1}]\n[{"b":2}]', [b'{"a":1}', b'{"b":2}']),
    ],
)
def test_the_objects_of_an_array(data: bytes, expected: list[bytes]) -> None:
    assert cut(data) == [(raw, False) for raw in expected]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[\nNo matching flows\n]\n", [(b"No matching flows", True)]),
        (b'[1, 2, {"a":1}, null]', [(b"1, 2", True), (b'{"a":1}', False), (b"null", True)]),
        (b'["{", {"a":1}]', [(b'"{"', True), (b'{"a":1}', False)]),
        (b'[[{"a":1}],{"b":2}]', [(b"[", True), (b'{"a":1}', False), (b'{"b":2}', False), (b"]", True)]),
        (b'[{"a":1}}]', [(b'{"a":1}', False), (b"}", True)]),
        (b'[{"a":1}] x ]] {"b":2} ]', [(b'{"a":1}', False), (b"x ]]", True), (b'{"b":2}', False), (b"]", True)]),
        (b'[{"a":1},', [(b'{"a":1}', False), (b"", True)]),
        (b'[{"a":1},{"b":', [(b'{"a":1}', False), (b'{"b":', True)]),
        (b'[{"a":1},{"b":"x\\', [(b'{"a":1}', False), (b'{"b":"x\\', True)]),
        (b"[ x", [(b"x", True), (b"", True)]),
        (b"[", [(b"", True)]),
    ],
)
def test_what_else_there_is_comes_out_once_as_stray(data: bytes, expected: list[Cut]) -> None:
    assert cut(data) == expected


def test_strays_say_why() -> None:
    framer = ArrayFramer()
    (between,) = framer.records([b"[ x ]"])
    assert isinstance(between, Stray)
    assert "between the objects" in between.reason
    for data, reason in ((b"[{", "it ends within an object"), (b"[", "its closing bracket is missing")):
        framer = ArrayFramer()
        assert list(framer.records([data])) == []
        assert [stray.reason for stray in framer.end()] == [f"the array is cut short: {reason}"]


def test_a_quotation_mark_too_many_spoils_its_own_object_only() -> None:
    # nfdump escapes nothing.
    array = '[\n{\n\t"label" : "say "x"\n},\n{\n\t"label" : "b}"\n},\n{\n\t"label" : "\\"\n},\n{\n\t"label" : "c"\n}]\n'
    assert [b"say" in raw for raw in objects(array.encode())] == [True, False, False, False]
    assert strays(array.encode()) == []


@pytest.mark.parametrize("block", [1 << 12, 1 << 18, 1 << 23])
@pytest.mark.parametrize("inner", [b'{"a":"%s"}', b'{"a":{"b":"%s"}}'])
def test_an_object_that_is_too_long_is_one_record_and_its_neighbours_are_read(block: int, inner: bytes) -> None:
    overhead = len(inner) - 2
    long, longest = (inner % (b"x" * (size - overhead)) for size in (3 * MAX_LINE, MAX_LINE))
    data = b'[{"a":1},' + long + b"," + longest + b',{"b":2}]'
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    assert cut(*blocks) == [(raw, False) for raw in (b'{"a":1}', long[: MAX_LINE + 1], longest, b'{"b":2}')]


def test_a_stray_that_is_too_long_is_cut() -> None:
    assert [len(raw) for raw in strays(b"[" + b"x" * (3 * MAX_LINE) + b"]")] == [MAX_LINE + 1]


# Anything at all

JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=6) | st.sampled_from(["}{", '"', "\\", "],[", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
PLACES = st.lists(st.integers(0, 400), max_size=8)


@given(
    st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=4), max_size=5),
    st.sampled_from([None, 0, 1, "\t"]), st.booleans(), PLACES,
)  # fmt: skip
def test_the_objects_of_any_array_come_out_whole_however_it_is_cut(
    records: list[dict[str, object]], indent: int | str | None, ascii_only: bool, places: list[int]
) -> None:
    data = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    framed = cut(*in_blocks(data, places))
    assert not any(stray for _, stray in framed)
    assert [json.loads(raw.decode(errors="surrogatepass")) for raw, _ in framed] == records


def read_slowly(data: bytes) -> list[Cut]:
    """The same, a byte at a time and without any expression."""
    found: list[Cut] = []
    held, kind, depth, text, escaped, in_array = b"", "", 0, False, False, False
    at = 0
    while at < len(data):
        byte = data[at : at + 1]
        if not kind:
            if byte in BLANKS + b",":
                at += 1
                continue
            if byte == (b"]" if in_array else b"["):
                in_array, at = not in_array, at + 1
                continue
            held, kind, depth, text, escaped = b"", "object" if byte == b"{" else "stray", 0, False, False
        if kind == "stray" and not text and held and (byte == b"{" or (byte == b"]" and in_array)):
            found.append((held.rstrip(BLANKS + b","), True))
            kind = ""
            continue
        held, at = held + byte, at + 1
        if text:
            text = escaped or byte not in b'"\n'
            escaped = not escaped and byte == b"\\"
        elif byte == b'"':
            text = True
        elif kind == "object":
            depth += {b"{": 1, b"}": -1}.get(byte, 0)
            if not depth:
                found.append((held, False))
                kind = ""
    if kind == "object":
        return [*found, (held, True)]
    if kind:
        found.append((held.rstrip(BLANKS + b","), True))
    return [*found, (b"", True)] if in_array else found


PIECES = st.sampled_from(
    [b"{", b"}", b'"', b"\\", b"[", b"]", b",", b" ", b"\n", b"a", b'{"a":1}', b'"b"', b'{"c":{}}']
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=30).map(b"".join), PLACES.map(lambda places: [place // 8 for place in places]))
def test_any_bytes_are_cut_as_a_byte_by_byte_reading_cuts_them(data: bytes, places: list[int]) -> None:
    assert cut(*in_blocks(data, places)) == read_slowly(data)
    assert cut(*(data[at : at + 1] for at in range(len(data)))) == read_slowly(data)


HOSTILE = {
    "open braces": b"{",
    "nested and closed": b"{{}}",
    "empty objects": b"{},",
    "strays between": b"x{}",
    "brackets": b"[",
    "closing brackets": b"]",
    "quotation marks": b'"',
    "quotation marks in an object": b'{""',
    "texts cut by line ends": b'{"\n',
    "backslashes": b'{"\\',
    "commas": b",",
    "one text": b"x",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("start", [b"[", b'[{"'])
def test_hostile_bytes_take_time_by_their_number(piece: bytes, start: bytes) -> None:
    blocks = [piece * (4096 // len(piece))] * 128
    framer = ArrayFramer()
    started = time.process_time()
    assert sum(map(len, framer.records([start, *blocks]))) <= 128 * 4096
    assert time.process_time() - started < 20  # half a second at most; by the square of the number, minutes
    assert len(framer.rest) <= 129 * 4096


# In files


def nfdump(port: int, **changes: object) -> dict[str, object]:
    return {"src4_addr": "10.0.0.1", "dst4_addr": "10.0.0.2", "proto": 17, "src_port": port} | changes


def array(*ports: int) -> bytes:
    """As nfdump prints it."""
    return b"[\n" + b",\n".join(json.dumps(nfdump(port), indent="\t").encode() for port in ports) + b"\n]\n"


def read(path: Path, name: str | None = None, lines_per_batch: int = 8192) -> list[FileChunk]:
    return list(read_flows([FileSpec(path, name)], lines_per_batch))


def ports(chunks: list[FileChunk]) -> list[int]:
    return [port for chunk in chunks for port in chunk.decoded.batch.src_port.tolist()]


def faults(chunks: list[FileChunk]) -> list[str]:
    return [letter.error for chunk in chunks for letter in chunk.decoded.dead]


@pytest.mark.parametrize("name", [None, "netflow"])
@pytest.mark.parametrize("start", [b"", b"\n \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_an_array(tmp_path: Path, name: str | None, start: bytes, packed: bool) -> None:
    path = tmp_path / "flows"
    content = start + array(1, 2, 3)
    path.write_bytes(gzip.compress(content) if packed else content)
    (chunk,) = read(path, name)
    assert (chunk.spec.format, chunk.first_line) == ("netflow", 1)
    assert ports([chunk]) == [1, 2, 3]
    assert [json.loads(raw)["src_port"] for raw in chunk.raw] == [1, 2, 3]


def test_small_batches_number_the_records(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(array(1, 2, 3).replace(b"},", b"} x,", 1))
    chunks = read(path, lines_per_batch=2)
    assert [chunk.first_line for chunk in chunks] == [1, 3]
    assert ports(chunks) == [1, 2, 3]
    (letter,) = chunks[0].decoded.dead
    assert (letter.index, letter.raw, chunks[0].raw[1]) == (1, b"x", b"x")
    assert [chunk.decoded.index.tolist() for chunk in chunks] == [[0], [0, 1]]


def test_an_array_cut_short_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    whole = array(1, 2)
    path.write_bytes(whole[:-20])
    (chunk,) = read(path)
    assert ports([chunk]) == [1]
    assert "within an object" in faults([chunk])[0]
    path.write_bytes(whole[:-3])
    (chunk,) = read(path)
    assert ports([chunk]) == [1, 2]
    assert "closing bracket" in faults([chunk])[0]
    assert chunk.raw[2] == b""


def test_a_gzip_cut_short_is_one_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "flows.gz"
    packed = gzip.compress(b"[" + b",".join(json.dumps(nfdump(1, x=os.urandom(9).hex())).encode() for _ in range(2000)))
    path.write_bytes(packed[: len(packed) // 2])
    chunks = read(path)
    assert 100 < len(ports(chunks)) < 2000
    (letter,) = chunks[-1].decoded.dead
    assert "cut short" in letter.error
    assert f"{len(ports(chunks))} whole objects" in letter.error
    assert letter.raw.startswith(b"{")


def test_an_object_that_is_too_long_is_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(array(1, 2, 3).replace(b'"proto": 17', b'"proto": ' + b" " * MAX_LINE + b"17", 2))
    chunks = read(path)
    assert ports(chunks) == [3]
    assert ["longer than" in fault for fault in faults(chunks)] == [True, True]


def test_a_bomb_in_an_array_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as bomb:
        bomb.write(array(1)[:-3] + b',{"x":"')
        for _ in range(64):
            bomb.write(b"\x00" * MAX_LINE)
        bomb.write(b'"},' + array(2)[2:])
    tracemalloc.start()
    chunks = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ports(chunks) == [1, 2]
    assert ["longer than" in fault for fault in faults(chunks)] == [True]
    assert peak < 16 * MAX_LINE


def test_an_array_without_flows(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(b"[\n]\n")
    (chunk,) = read(path)
    assert (len(chunk.decoded), chunk.raw, chunk.spec.format) == (0, [], None)
    path.write_bytes(b"[\nNo matching flows\n]\n")  # so nfdump says it
    assert len(faults(read(path, "netflow"))) == 1
    with pytest.raises(UsageError, match="not recognised"):
        read(path)


def test_lines_after_a_blank_one_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "flows"
    path.write_bytes(b"\n" + json.dumps(nfdump(1)).encode() + b"\n" + json.dumps(nfdump(2)).encode())
    (chunk,) = read(path)
    assert ports([chunk]) == [1, 2]
    assert chunk.decoded.index.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["zeek", "canonical", "suricata"])
def test_files_of_other_formats_are_lines_whatever_they_begin_with(tmp_path: Path, name: str) -> None:
    path = tmp_path / "flows"
    path.write_bytes(array(1))
    (chunk,) = read(path, name)
    assert chunk.raw == array(1).removesuffix(b"\n").split(b"\n")


def test_very_many_blanks_before_anything_take_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "blank.gz"
    with gzip.open(path, "wb") as bomb:
        for _ in range(64):
            bomb.write(b" " * MAX_LINE)
        bomb.write(b"\n" + json.dumps(nfdump(1)).encode())
    tracemalloc.start()
    chunks = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ports(chunks) == [1]
    assert peak < 16 * MAX_LINE
