"""Files that nobody should give us: in every format a defined answer, bounded memory, and no line lost in silence."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import zlib
from codecs import BOM_UTF8
from itertools import islice, product
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from flows.errors import UsageError
from flows.files import FileChunk, FileSpec, parse_spec, read_flows
from flows.formats import FORMATS
from tests.support.command import tidegate_command
from tests.support.contract import check_account
from tests.support.real import REPOSITORY
from tests.support.samples import HOSTILE, SAMPLES, Sample
from tests.support.serving import serving_registry

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
MIB: Final = 1 << 20
BY_NAME: Final = {sample.name: sample for sample in SAMPLES}


def read(path: Path, name: str | None = None) -> list[FileChunk]:
    chunks = list(read_flows([FileSpec(path, name)]))
    for chunk in chunks:
        check_account(chunk.raw, chunk.decoded)
    return chunks


def flows(chunks: list[FileChunk]) -> int:
    return sum(len(chunk.decoded) for chunk in chunks)


def faults(chunks: list[FileChunk]) -> list[str]:
    return [letter.error for chunk in chunks for letter in chunk.decoded.dead]


def written(folder: Path, content: bytes) -> Path:
    path = folder / "flows"
    path.write_bytes(content)
    return path


# Encodings


@every_sample
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_costs_no_flow(tmp_path: Path, sample: Sample, packed: bool) -> None:
    content = BOM_UTF8 + sample.file([sample.line()] * 2)
    chunks = read(written(tmp_path, gzip.compress(content) if packed else content))
    assert chunks[0].spec.format == sample.format
    assert (flows(chunks), faults(chunks)) == (2, [])


@every_sample
def test_text_in_utf_16_is_named_or_is_dead_letters(tmp_path: Path, sample: Sample) -> None:
    path = written(tmp_path, sample.file([sample.line()] * 2).decode().encode("utf-16"))
    with pytest.raises(UsageError, match=r"UTF-16.*iconv"):
        read(path)
    chunks = read(path, sample.format)
    assert flows(chunks) == 0
    assert faults(chunks)


@every_sample
@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b"\n \n"])
def test_line_ends_of_windows_and_blank_lines_change_nothing(tmp_path: Path, sample: Sample, end: bytes) -> None:
    chunks = read(written(tmp_path, b"\n\n" + sample.file([sample.line()] * 2).replace(b"\n", end)))
    assert chunks[0].spec.format == sample.format
    assert (flows(chunks), faults(chunks)) == (2, [])


# Formats


def test_every_format_is_tested_here() -> None:
    assert {sample.format for sample in SAMPLES} == set(FORMATS)


@pytest.mark.parametrize(
    ("sample", "other"),
    [pytest.param(a, b, id=f"{a.name}-{b.name}") for a, b in product(SAMPLES, SAMPLES) if a.format != b.format],
)
def test_where_the_format_changes_the_other_s_lines_are_dead_letters(
    tmp_path: Path, sample: Sample, other: Sample
) -> None:
    strangers = [*other.header, other.line(), other.line()]
    lines = [*sample.header, *[sample.line()] * 25, *strangers, *[sample.line()] * 5]
    path = written(tmp_path, b"\n".join(lines))
    for name in (None, sample.format):
        chunks = read(path, name)
        assert chunks[0].spec.format == sample.format
        assert flows(chunks) == 30
        assert len(faults(chunks)) >= 2
        assert {letter.raw for chunk in chunks for letter in chunk.decoded.dead} <= {*strangers}


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (gzip.compress(gzip.compress(b"x")), "gunzip"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16), "capture of packets"),
        (b"\n\r\r\n\x1c\x00\x00\x00" + bytes(20), "capture of packets"),
        (b"\x4d\x3c\xb2\xa1\x02\x00\x04\x00" + bytes(16), "capture of packets"),
        (b"\x0c\xa5\x01\x00" + bytes(28), "nfdump -o json"),
        (b"ts,te,td,sa,da,sp,dp,pr,flg\n2018-01-12 15:37:30,", "nfdump -o json"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"\x28\xb5\x2f\xfd" + bytes(9), "FORMAT"),
        (b"src,dst,bytes\n1,2,3\n", "FORMAT"),
        (b"[1, 2, 3]", "FORMAT"),
        (b"\n" * 30, "FORMAT"),
    ],
)
def test_a_file_of_no_known_format_is_refused_with_what_to_do(tmp_path: Path, content: bytes, remedy: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError, match=f"{path}.*{remedy}"):
        read(path)
    for name in FORMATS:
        assert flows(read(path, name)) == 0


@pytest.mark.parametrize("content", [b"", b"[]", b"[\n]\n", BOM_UTF8, gzip.compress(b"[]")])
def test_a_file_of_nothing_is_nothing(tmp_path: Path, content: bytes) -> None:
    for name in (None, "netflow"):
        chunks = read(written(tmp_path, content), name)
        assert (flows(chunks), faults(chunks)) == (0, [])


def test_an_unknown_format_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UsageError, match="'ipfix'.*" + ", ".join(FORMATS)):
        parse_spec("flows.log", "ipfix")
    with pytest.raises(UsageError, match="there is no file ipfix:flows.log.*" + ", ".join(FORMATS)):
        list(read_flows([parse_spec("ipfix:flows.log")]))


# What is no whole file


@every_sample
def test_a_gzip_cut_short_gives_its_whole_flows_and_one_dead_letter(tmp_path: Path, sample: Sample) -> None:
    lines = [sample.line(dst_port=port) for port in range(1000, 4000)]
    packed = gzip.compress(sample.file(lines))
    chunks = read(written(tmp_path, packed[: len(packed) * 2 // 3]), sample.format)
    assert 0 < flows(chunks) < len(lines)
    assert "cut short" in faults(chunks)[-1]
    assert len(faults(chunks)) == 1


@every_sample
def test_a_file_that_shrinks_while_it_is_read_ends_there(tmp_path: Path, sample: Sample) -> None:
    path = written(tmp_path, sample.file([sample.line()] * 20_000))
    chunks = read_flows([FileSpec(path)], 100)
    first = list(islice(chunks, 2))
    os.truncate(path, path.stat().st_size // 2)
    rest = list(chunks)
    assert 200 <= flows([*first, *rest]) + len(sample.header) < 20_000
    assert len(faults([*first, *rest])) <= 2


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=f"{device} is a device"):
        read(Path(device))


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="a socket"):
            read(tmp_path / "socket")


@every_sample
def test_a_named_pipe_is_read_to_its_end(tmp_path: Path, sample: Sample) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = gzip.compress(sample.file([sample.line()] * 3))
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    assert flows(read(path)) == 3
    writer.join(10)


# Bombs: small files that unpack to much. Each is read in a process that may take this much memory beyond what it has.

READER: Final = """
import json, resource, sys
from flows.files import parse_spec, read_flows

small, allowed, bomb = sys.argv[1], int(sys.argv[2]), sys.argv[3]
list(read_flows([parse_spec(small)]))
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + allowed, size + allowed))
flows = letters = 0
for chunk in read_flows([parse_spec(bomb)]):
    flows += len(chunk.decoded)
    letters += len(chunk.decoded.dead)
print(json.dumps([flows, letters]))
"""
ALLOWED: Final = 192 * MIB


def repeated(unit: bytes, mebibytes: int) -> bytes:
    """A gzip of so many MiB of one unit: a member for each, so that it is made at once."""
    return gzip.compress(unit * (MIB // len(unit)), mtime=0) * mebibytes


def wide(sample: Sample, columns: int) -> tuple[bytes, bytes]:
    """A header and a row, widened by this many columns of a few characters."""
    names = [b"%x" % number for number in range(columns)]
    header = next(line for line in sample.header if len(line) > 99)
    head, line = (sample.separator.encode().join([line, *names]) + b"\n" for line in (header, sample.line()))
    return head, line


class Bomb(NamedTuple):
    """So many MiB of a unit, what stands around them, and the flows and dead letters: of each unit, and besides."""

    format: str | None
    unit: bytes
    mebibytes: int
    before: bytes = b""
    after: bytes = b""
    flows: tuple[int, int] = (0, 0)
    letters: tuple[int, int] = (0, 0)


ZEEK, ARGUS = (BY_NAME[name].line() + b"\n" for name in ("zeek-tsv", "argus-commas"))
NFDUMP = BY_NAME["nfdump"].line()
ARGUS_WIDE, ZEEK_WIDE = wide(BY_NAME["argus-commas"], 200), wide(BY_NAME["zeek-tsv"], 200)
TOO_WIDE: Final = wide(BY_NAME["zeek-tsv"], 50_000)
OPEN: Final = b"[" + NFDUMP + b","
# fmt: off
BOMBS: Final = {
    "a line": Bomb("zeek", b"x", 200, ZEEK, b"\n" + ZEEK, flows=(0, 2), letters=(0, 1)),
    "a line to be recognised": Bomb(None, b"\x00", 200, ZEEK, b"\n" + ZEEK, flows=(0, 2), letters=(0, 1)),
    "lines": Bomb("zeek", b"x" * 127 + b"\n", 32, ZEEK, ZEEK, flows=(0, 2), letters=(1, 0)),
    "lines of JSON": Bomb("canonical", b'{"src_addr": [[[[[[[[[[[[[]]]]]]]]]]]]]}\n', 8, letters=(1, 0)),
    "long lines": Bomb("suricata", b'{"a":[' + b"[]," * 349_520 + b"[]]}\n", 100, letters=(1, 0)),
    "blank lines": Bomb("argus", b"\n", 4, b"", ARGUS, flows=(0, 1)),
    "flows": Bomb("zeek", ZEEK, 20, flows=(1, 0)),
    "wide rows of Argus": Bomb("argus", ARGUS_WIDE[1], 20, ARGUS_WIDE[0], flows=(1, 0)),
    "wide rows of Zeek": Bomb("zeek", ZEEK_WIDE[1], 20, ZEEK_WIDE[0], flows=(1, 0)),
    "rows too wide": Bomb("zeek", TOO_WIDE[1], 64, TOO_WIDE[0], letters=(1, 0)),
    "an object": Bomb("netflow", b"x", 200, OPEN + b'{"a":"', b'"},' + NFDUMP + b"]", flows=(0, 2), letters=(0, 1)),
    "an object to be recognised": Bomb(None, b',"a":1', 16, OPEN + b'{"a":1', b"}]", flows=(0, 1), letters=(0, 1)),
    "nested objects": Bomb("netflow", b'{"a":', 16, OPEN, flows=(0, 1), letters=(0, 1)),
    "nested arrays": Bomb("netflow", b"[", 50, OPEN, flows=(0, 1), letters=(0, 2)),
    "objects": Bomb("netflow", b"," + NFDUMP, 20, b"[" + NFDUMP, b"]", flows=(1, 1)),
    "long objects": Bomb("netflow", b'{"a":"' + b"x" * (MIB - 99) + b'"},', 200, OPEN, b"{}]", (0, 1), letters=(1, 1)),
    "things that are no objects": Bomb("netflow", b"x{}", 1, OPEN, b"]", flows=(0, 1), letters=(2, 0)),
}
# fmt: on


@pytest.mark.parametrize("name", BOMBS)
def test_a_gzip_bomb_ends_in_bounded_memory(tmp_path: Path, name: str) -> None:
    bomb = BOMBS[name]
    packed = gzip.compress(bomb.before) + repeated(bomb.unit, bomb.mebibytes) + gzip.compress(bomb.after)
    path = written(tmp_path, packed)
    result = bounded(READER, tmp_path, f"{bomb.format}:{path}" if bomb.format else str(path))
    assert result.returncode == 0, result.stderr
    units = MIB // len(bomb.unit) * bomb.mebibytes
    assert json.loads(result.stdout) == [units * each + more for each, more in (bomb.flows, bomb.letters)]


def test_a_reader_that_takes_more_would_be_stopped(tmp_path: Path) -> None:
    greedy = READER.replace("flows = letters = 0", "flows = letters = len(bytes(2 * allowed))")
    assert "MemoryError" in bounded(greedy, tmp_path, str(written(tmp_path, ZEEK))).stderr


def bounded(program: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    small = folder / "small"
    small.write_bytes(BY_NAME["nfdump"].file([NFDUMP]))
    return subprocess.run(
        [sys.executable, "-c", program, small, str(ALLOWED), name],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_stream_that_is_no_gzip_after_all_is_a_dead_letter(tmp_path: Path) -> None:
    raw = zlib.compress(ZEEK)
    for content in (b"\x1f\x8b", b"\x1f\x8b" + raw, b"\x1f\x8b\x08\xff" + raw, b"\x1f\x8b\x08\x00" + bytes(64)):
        for name in (None, *FORMATS):
            chunks = read(written(tmp_path, content), name)
            assert flows(chunks) == 0
            assert len(faults(chunks)) == 1


# The command line


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving_registry(tmp_path_factory.mktemp("registry")).path


@every_sample
def test_score_accounts_for_every_line_of_a_file_full_of_junk(tmp_path: Path, registry: Path, sample: Sample) -> None:
    junk = [line for line in HOSTILE if line.strip() and not line.startswith(b"#")]
    path = written(tmp_path, b"\n".join([*sample.header, *[sample.line(), *junk] * 3]))
    code, _, err = tidegate_command("score", "--registry", registry, "--format", sample.format, path)
    assert code == 0
    *reasons, account = err.splitlines()
    assert account.startswith("3 flows: ")
    assert account.endswith(f" {len(reasons)} undecodable lines")
    # A line of column names is a header to some.
    assert 3 * len(junk) - 3 <= len(reasons) <= 3 * len(junk)
    assert all(line.isprintable() and line.startswith(f"{path}:") for line in reasons)


@pytest.mark.parametrize("name", ["/dev/zero", "/", "zeek:/none", "ipfix:/etc/hostname", "/etc/hostname"])
def test_score_refuses_what_is_no_file_of_flows_as_wrong_usage(registry: Path, name: str) -> None:
    code, out, err = tidegate_command("score", "--registry", registry, name)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1
