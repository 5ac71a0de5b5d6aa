"""Flow files: how they are named, and that reading one is bounded, ordered and never fails silently."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import files
from flows.errors import UsageError
from flows.files import FileChunk, FileSpec, parse_spec, read_flows
from flows.formats import MAX_LINE

HEADER = b"#fields\tts\tid.orig_h\tid.resp_h\tproto\tconn_state\tuid\tlabel\tdetailedlabel\n"


def zeek(*uids: str, label: str = "Benign\t-") -> bytes:
    return b"".join(f"1.5\t10.0.0.1\t10.0.0.2\ttcp\tS0\t{uid}\t{label}\n".encode() for uid in uids)


def canonical(uid: str) -> bytes:
    return json.dumps({"src_addr": "10.0.0.1", "dst_addr": "10.0.0.2", "flow_id": uid}).encode() + b"\n"


def read(path: Path, name: str = "", lines_per_batch: int = 8192) -> list[FileChunk]:
    return list(read_flows([parse_spec(f"{name}{path}")], lines_per_batch))


def uids(chunks: list[FileChunk]) -> list[str]:
    return [uid for chunk in chunks for uid in chunk.decoded.batch.flow_id]


def faults(chunks: list[FileChunk]) -> list[str]:
    return [letter.error for chunk in chunks for letter in chunk.decoded.dead]


# Names


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("a.log", FileSpec(Path("a.log"))),
        ("zeek:a.log", FileSpec(Path("a.log"), "zeek")),
        ("ddos:a.log", FileSpec(Path("a.log"), None, "ddos")),
        ("canonical:malware:a.log", FileSpec(Path("a.log"), "canonical", "malware")),
        ("zeek:benign:/x/2024-01-01T00:00:00.log", FileSpec(Path("/x/2024-01-01T00:00:00.log"), "zeek", "benign")),
        ("a:b.log", FileSpec(Path("a:b.log"))),
        ("./zeek:a.log", FileSpec(Path("./zeek:a.log"))),
        ("zeek", FileSpec(Path("zeek"))),
        ("anomaly:zeek:a.log", FileSpec(Path("zeek:a.log"), None, "anomaly")),
        ("Zeek:a.log", FileSpec(Path("Zeek:a.log"))),
    ],
)
def test_file_names(text: str, spec: FileSpec) -> None:
    assert parse_spec(text) == spec


def test_a_default_format_yields_to_one_that_is_given() -> None:
    assert parse_spec("a.log", "zeek").format == "zeek"
    assert parse_spec("canonical:a.log", "zeek").format == "canonical"
    with pytest.raises(UsageError, match="zeke"):
        parse_spec("a.log", "zeke")


@pytest.mark.parametrize("text", ["", "zeek:", "ddos:", "zeek:ddos:"])
def test_a_name_without_a_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"\[FORMAT:\]\[TRUTH:\]PATH"):
        parse_spec(text)


# Reading


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_in_order_and_recognised(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "flows"  # its name tells nothing
    content = HEADER + zeek("c", "a") + b"broken\n" + zeek("b")
    path.write_bytes(gzip.compress(content) if packed else content)
    (chunk,) = read(path)
    assert chunk.spec == FileSpec(path, "zeek", None)
    assert uids([chunk]) == ["c", "a", "b"]
    assert chunk.first_line == 1
    assert chunk.raw == content.splitlines()
    assert [chunk.raw[index] for index in chunk.decoded.index] == [*zeek("c", "a", "b").splitlines()]
    assert [letter.index for letter in chunk.decoded.dead] == [3]


def test_small_batches_number_their_lines_and_keep_the_header(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(HEADER + zeek("a", "b", "c", "d"))
    chunks = read(path, lines_per_batch=2)
    assert [chunk.first_line for chunk in chunks] == [1, 3, 5]
    assert uids(chunks) == ["a", "b", "c", "d"]
    with pytest.raises(UsageError, match="at least one"):
        read(path, lines_per_batch=0)


def test_files_follow_each_other_each_with_its_own_header(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(HEADER + zeek("a"))
    two.write_bytes(canonical("b"))
    chunks = list(read_flows([parse_spec(str(two)), parse_spec(f"ddos:{one}"), parse_spec(str(two))]))
    assert uids(chunks) == ["b", "a", "b"]
    assert [chunk.spec.format for chunk in chunks] == ["canonical", "zeek", "canonical"]


def test_the_truth_is_the_files_or_else_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(HEADER + zeek("a", label="Malicious\tC&C") + zeek("b", label="Background\t-") + zeek("c"))
    assert read(path)[0].truths().tolist() == ["malware", "", "benign"]
    assert read(path, "anomaly:")[0].truths().tolist() == ["anomaly"] * 3
    path.write_bytes(canonical("a"))
    assert read(path)[0].truths().tolist() == [""]


def test_gzip_members_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "day.gz"
    hours = [HEADER + zeek("a"), zeek("b")[:10], zeek("b")[10:], b"#close\tx\n" + HEADER + zeek("c")]
    path.write_bytes(b"".join(gzip.compress(hour) for hour in hours) + b"\x00" * 512)
    chunks = read(path)
    assert uids(chunks) == ["a", "b", "c"]
    assert faults(chunks) == []


def test_a_last_line_without_its_end_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(HEADER + zeek("a", "b")[:-1])
    assert uids(read(path)) == ["a", "b"]
    path.write_bytes(HEADER + zeek("a") + zeek("b")[:20])
    chunks = read(path)
    assert uids(chunks) == ["a"]
    assert "columns" in faults(chunks)[0]


def test_a_gzip_cut_short_gives_what_could_be_read_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "conn.log.gz"
    content = HEADER + b"".join(zeek(os.urandom(8).hex()) for _ in range(2000))
    packed = gzip.compress(content)
    path.write_bytes(packed[: len(packed) // 2])
    chunks = read(path)
    assert 100 < len(uids(chunks)) < 2000
    (letter,) = chunks[-1].decoded.dead
    assert "cut short" in letter.error
    assert f"{len(uids(chunks)) + 1} whole lines" in letter.error
    assert content.startswith(b"\n".join([*(line for chunk in chunks for line in chunk.raw)]))
    assert letter.raw == chunks[-1].raw[0]


@pytest.mark.parametrize("tail", [b"\x1f\x8b", b"junk", gzip.compress(b"x")[:-4], gzip.compress(b"x")[:-8] + b"\0" * 8])
def test_a_damaged_gzip_says_so(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "conn.log.gz"
    path.write_bytes(gzip.compress(HEADER + zeek("a")) + tail)
    chunks = read(path)
    assert uids(chunks) == ["a"]
    assert len(faults(chunks)) == 1
    assert "damaged" in faults(chunks)[0]


def test_a_gzip_that_is_only_a_beginning(tmp_path: Path) -> None:
    path = tmp_path / "conn.log.gz"
    path.write_bytes(b"\x1f\x8b\x08")
    (chunk,) = read(path)
    assert len(chunk.decoded) == 0
    assert "0 whole lines" in faults([chunk])[0]


def test_an_endless_line_is_a_dead_letter_and_the_next_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(HEADER + zeek("a") + b"x" * (3 * MAX_LINE) + b"\n" + zeek("b") + b"y" * (MAX_LINE + 1))
    chunks = read(path)
    assert uids(chunks) == ["a", "b"]
    assert ["longer than" in fault for fault in faults(chunks)] == [True, True]
    assert [len(line) for line in chunks[0].raw if len(line) > 1000] == [MAX_LINE + 1] * 2


def test_a_line_of_the_greatest_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flows.ndjson"
    head = canonical("a").rstrip()[:-1]
    longest = head + b" " * (MAX_LINE - len(head) - 1) + b"}"
    assert len(longest) == MAX_LINE
    path.write_bytes(canonical("b") + longest + b"\n" + longest[:-1] + b" }\n")
    chunks = read(path)
    assert uids(chunks) == ["b", "a"]
    assert len(faults(chunks)) == 1


def test_a_gzip_bomb_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as bomb:
        bomb.write(HEADER + zeek("a"))
        for _ in range(128):
            bomb.write(b"\x00" * MAX_LINE)
        bomb.write(b"\n" + zeek("b"))
    tracemalloc.start()
    chunks = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert uids(chunks) == ["a", "b"]
    assert peak < 16 * MAX_LINE


def test_many_long_lines_are_cut_into_chunks_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_bytes(HEADER + (b"x" * (MAX_LINE - 1) + b"\n") * 40)
    chunks = read(path)
    assert len(chunks) == 3
    assert max(sum(map(len, chunk.raw)) for chunk in chunks) <= files.CHUNK_BYTES + MAX_LINE
    assert len(faults(chunks)) == 40


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
@pytest.mark.parametrize("name", ["", "zeek:"])
def test_an_empty_file_is_a_chunk_of_nothing(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    (chunk,) = read(path, name)
    assert (len(chunk.decoded), chunk.raw, chunk.decoded.dead) == (0, [], [])
    assert chunk.truths().tolist() == []


def test_a_header_alone_is_a_chunk_without_flows(tmp_path: Path) -> None:
    path = tmp_path / "conn.log"
    path.write_bytes(HEADER)
    (chunk,) = read(path)
    assert (len(chunk.decoded), faults([chunk])) == (0, [])


def test_a_file_of_no_known_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.bin"
    path.write_bytes(b"\xd4\xc3" + bytes(range(256)) * 10)
    with pytest.raises(UsageError, match=r"notes\.bin is not recognised.*\[FORMAT:\]"):
        read(path)
    assert len(faults(read(path, "zeek:"))) == sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))


def test_what_cannot_be_read_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    good = tmp_path / "good.log"
    good.write_bytes(HEADER + zeek("a"))
    for name, message in [
        (str(tmp_path / "none.log"), "there is no file"),
        (str(tmp_path), "is a directory"),
        (f"netflow9:{good}", r"there is no file.*\[FORMAT:\]"),
        ("nul\x00.log", "cannot be looked at|there is no file"),
    ]:
        with pytest.raises(UsageError, match=message):
            next(read_flows([parse_spec(str(good)), parse_spec(name)]))


def test_a_pipe_is_read_like_a_file() -> None:
    reader, writer = os.pipe()
    os.write(writer, gzip.compress(HEADER + zeek("a", "b")))
    os.close(writer)
    try:
        assert uids(read(Path(f"/dev/fd/{reader}"))) == ["a", "b"]
    finally:
        os.close(reader)


@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(1, 7), st.booleans())
def test_the_lines_are_the_files_whatever_they_hold(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int, packed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    content = b"\n".join(lines)
    path.write_bytes(gzip.compress(content) if packed else b" " + content)
    chunks = list(read_flows([FileSpec(path, "zeek")], size))
    expected = content if packed else b" " + content
    read_back = [line for chunk in chunks for line in chunk.raw]
    assert read_back == (expected.removesuffix(b"\n").split(b"\n") if expected else [])
    assert all(chunk.first_line == 1 + size * position for position, chunk in enumerate(chunks))
