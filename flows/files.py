"""Flow files, plain or gzipped, read as a stream of bounded chunks in the order of their lines.

A file whose first byte that is not blank is ``[`` is one JSON array, as nfdump writes it: its objects stand for lines
here (:mod:`flows.framing`). That holds for netflow, and where no format is given; other formats are lines only.

A file is named ``[FORMAT:][TRUTH:]PATH``; whether it is gzipped is seen from its first bytes, and its format, if not
given, from its first lines. Memory stays bounded whatever a file holds: of a line longer than MAX_LINE only the first
MAX_LINE + 1 bytes are kept (it becomes a dead letter), and a chunk ends at CHUNK_BYTES. A gzip stream that is cut
short or damaged gives what could be read and then one dead letter that says so. A byte order mark of UTF-8 at the very
start is no part of the first line. A pipe is read like a file, and waited for like by any other reader; devices, of
which some never end, are refused.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from flows.errors import TidegateError, UsageError
from flows.formats import FORMATS, MAX_LINE, DeadLetter, Decoded, Decoder, make_decoder, sniff
from flows.formats.base import dead_letter, merge, nothing, text_column
from flows.framing import BLANKS, ArrayFramer, Stray
from flows.labels import TRUTHS, truth_of

CHUNK_BYTES: Final = 16 << 20
_BLOCK: Final = 256 << 10
_SNIFFED_LINES: Final = 20
_ARRAY_FORMATS: Final = frozenset({None, "netflow"})  # of which a file may be one JSON array
_GZIP: Final = b"\x1f\x8b"
# What is often given by mistake, told by its first bytes.
_PACKETS: Final = "it is a capture of packets; have Zeek, Suricata or Argus make flows of them"
_MISTAKEN: Final = {
    codecs.BOM_UTF16_LE: "it is text in UTF-16; write it anew in UTF-8 (iconv -f UTF-16 -t UTF-8)",
    codecs.BOM_UTF16_BE: "it is text in UTF-16; write it anew in UTF-8 (iconv -f UTF-16 -t UTF-8)",
    _GZIP: "it was gzipped twice; unpack it once (gunzip)",
    **dict.fromkeys((b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\n\r\r\n"), _PACKETS),
    **dict.fromkeys((b"\x0c\xa5", b"ts,te,td,sa,da,"), "it is nfdump's; write it as JSON (nfdump -o json -r FILE)"),
}
_SYNTAX: Final = f"give files as [FORMAT:][TRUTH:]PATH; FORMAT: {', '.join(FORMATS)}; TRUTH: {', '.join(TRUTHS)}"


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A file of flows; ``format`` None: to be recognised; ``truth`` None: its label column says, if it has one."""

    path: Path
    format: str | None = None
    truth: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FileChunk:
    """Some consecutive lines of a file, or objects of an array, and what they decode to.

    ``spec`` names the format that was recognised. ``first_line`` is the number of the first line, counted from 1, so
    flow ``i`` stands on line ``first_line + decoded.index[i]`` and its bytes are ``raw[decoded.index[i]]``. In an
    array what is counted are its objects and what else stands between them, not the lines of its text.
    """

    spec: FileSpec
    decoded: Decoded
    first_line: int
    raw: list[bytes]

    def truths(self) -> npt.NDArray[Any]:
        """What each flow is, object[n] of str as in :data:`flows.labels.TRUTHS`; "" where nobody says."""
        if self.spec.truth is not None:
            return text_column([self.spec.truth] * len(self.decoded))
        labels = self.decoded.labels
        return text_column([""] * len(self.decoded) if labels is None else [truth_of(label) for label in labels])


def parse_spec(text: str, default_format: str | None = None) -> FileSpec:
    """Read ``[FORMAT:][TRUTH:]PATH``. The path may contain colons; write ./zeek:x for a file named zeek:x.

    Raises:
        UsageError: there is no path, or ``default_format`` is no format.
    """
    if default_format is not None and default_format not in FORMATS:
        raise UsageError(f"no format is called {default_format!r}; the formats are {', '.join(FORMATS)}")
    chosen, truth, rest = default_format, None, text
    head, colon, tail = rest.partition(":")
    if colon and head in FORMATS:
        chosen, rest = head, tail
    head, colon, tail = rest.partition(":")
    if colon and head in TRUTHS:
        truth, rest = head, tail
    if not rest:
        raise UsageError(f"{text!r} names no file; {_SYNTAX}")
    return FileSpec(Path(rest), chosen, truth)


def read_flows(specs: Sequence[FileSpec], lines_per_batch: int = 8192) -> Iterator[FileChunk]:
    """Yield every file's lines, decoded, in the order of the files and of their lines; nothing is sorted.

    A file without any line gives one chunk of no lines.

    Raises:
        UsageError: a file is missing, is a directory, a device or a socket, or cannot be opened (all are looked at
            before the first is read), or its format is not given and cannot be recognised.
        TidegateError: a file cannot be read to its end.
    """
    if lines_per_batch < 1:
        raise UsageError(f"a batch needs at least one line, not {lines_per_batch}")
    for spec in specs:
        _look_at(spec.path)
    for spec in specs:
        yield from _read_file(spec, lines_per_batch)


def _look_at(path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory; name the flow files in it")
        if not path.exists():
            hint = f"; {_SYNTAX}" if ":" in str(path) else "; check the path"
            raise UsageError(f"there is no file {path}{hint}")
        if path.is_char_device() or path.is_block_device() or path.is_socket():
            raise UsageError(f"{path} is a device or a socket, which may never end; give a file or a pipe")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UsageError(f"{path} cannot be looked at: {error}; check the path and its permissions") from error


def _read_file(spec: FileSpec, lines_per_batch: int) -> Iterator[FileChunk]:
    try:
        file = spec.path.open("rb")
    except OSError as error:
        raise UsageError(f"{spec.path} cannot be opened: {error.strerror}; check its permissions") from error
    with file:
        source = _Source(spec.path, file, may_be_array=spec.format in _ARRAY_FORMATS)
        records = iter(source)
        head = list(islice(records, _SNIFFED_LINES))
        if head and spec.format is None:
            lines = [record for record in head if not isinstance(record, Stray)]
            spec = FileSpec(spec.path, _recognise(spec.path, lines), spec.truth)
        decoder = make_decoder(spec.format) if spec.format else None
        first_line = 1
        for chunk in _chunks(chain(head, records), lines_per_batch):
            decoded, raw = _decode(decoder, chunk)
            yield FileChunk(spec, decoded, first_line, raw)
            first_line += len(raw)
        if source.fault:
            letter = dead_letter(0, source.rest, f"{source.fault}; {first_line - 1} whole {source.unit} were read")
            yield FileChunk(spec, nothing([letter]), first_line, [source.rest])
        elif first_line == 1:
            yield FileChunk(spec, nothing(), first_line, [])


def _decode(decoder: Decoder | None, records: list[bytes | Stray]) -> tuple[Decoded, list[bytes]]:
    lines: list[bytes] = []
    letters: list[DeadLetter] = []
    for index, record in enumerate(records):
        if isinstance(record, Stray):
            letters.append(dead_letter(index, record.raw, record.reason))
            lines.append(b"")  # a blank line is nothing to any decoder
        else:
            lines.append(record)
    decoded = decoder.decode(lines) if decoder else nothing()
    if not letters:
        return decoded, lines
    for letter in letters:
        lines[letter.index] = letter.raw
    return merge([decoded, nothing(letters)]), lines


def _recognise(path: Path, lines: Sequence[bytes]) -> str:
    try:
        return sniff(lines)
    except UsageError as error:
        start = b"\n".join(lines)  # one mark begins with a line end
        mistaken = (what for mark, what in _MISTAKEN.items() if start.startswith(mark))
        what = next(mistaken, f"{error}. If it is one of them, {_SYNTAX}")
        raise UsageError(f"the format of {path} is not recognised: {what}") from None


def _chunks(records: Iterable[bytes | Stray], lines_per_batch: int) -> Iterator[list[bytes | Stray]]:
    chunk: list[bytes | Stray] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record)
        if len(chunk) >= lines_per_batch or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


class _Source:
    """The lines of an open file without their newlines, or the objects of its array.

    When they are over, ``fault`` tells if that was too early, and ``rest`` is what had begun by then.
    """

    def __init__(self, path: Path, file: BufferedReader, *, may_be_array: bool) -> None:
        self._path = path
        self._file = file
        self._may_be_array = may_be_array
        self.unit = "lines"
        self.fault = ""  # what ended a gzip stream early
        self.rest = b""

    def __iter__(self) -> Iterator[bytes | Stray]:
        blocks = self._blocks()
        start, first = _until_not_blank(blocks) if self._may_be_array else ([], b"")
        if first == b"[":
            self.unit = "objects"
            return self._objects(chain(start, blocks))
        return self._lines(chain(start, blocks))

    def _objects(self, blocks: Iterable[bytes]) -> Iterator[bytes | Stray]:
        framer = ArrayFramer()
        yield from framer.records(blocks)
        if self.fault:
            self.rest = framer.rest
        else:
            yield from framer.end()

    def _lines(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for block in blocks:
            pieces = block.split(b"\n")
            pieces[0] = rest + pieces[0]
            rest = pieces.pop()[: MAX_LINE + 1]
            if pieces and len(pieces[0]) > MAX_LINE:  # a line within one block is shorter than that
                pieces[0] = pieces[0][: MAX_LINE + 1]
            yield from pieces
        if self.fault:
            self.rest = rest
        elif rest:
            yield rest

    def _blocks(self) -> Iterator[bytes]:
        try:
            if self._file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
                stream: BufferedReader | gzip.GzipFile = gzip.GzipFile(fileobj=self._file)
            else:
                stream = self._file
            start = stream.read(len(codecs.BOM_UTF8))
            yield start.removeprefix(codecs.BOM_UTF8)
            while block := stream.read1(_BLOCK):
                yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.fault = f"the gzip stream is cut short or damaged ({error})"
        except OSError as error:
            raise TidegateError(f"{self._path} cannot be read to its end: {error}; check the disk and retry") from error


def _until_not_blank(blocks: Iterator[bytes]) -> tuple[list[bytes], bytes]:
    """Take blocks up to the first byte that is not blank: the blocks, and that byte; b"" if there is none nearby."""
    taken: list[bytes] = []
    size = 0
    for block in blocks:
        taken.append(block)
        size += len(block)
        if (text := block.lstrip(BLANKS)) or size > MAX_LINE:
            return taken, text[:1]
    return taken, b""
