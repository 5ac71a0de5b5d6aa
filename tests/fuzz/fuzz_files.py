"""Fuzz target: any bytes as a file of flows. The first byte chooses the format, if any, and whether it is gzipped."""

from __future__ import annotations

import gzip
import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest.mock import patch

from flows import files
from flows.errors import UsageError
from flows.files import FileSpec, read_flows
from flows.labels import TRUTHS
from tests.fuzz.seeds import NAMES, streams
from tests.support.contract import check_account
from tests.support.samples import SAMPLES

_BLOCK: Final = 48  # bytes; so that short inputs are read in several blocks
_CHOICES: Final = (*NAMES, None)
_GZIPPED: Final = 0x80
_LINES: Final = 3  # of a batch
_FILE: Final = os.memfd_create("flows")  # nothing is left of it, however the process ends
_PATH: Final = Path(f"/proc/self/fd/{_FILE}")


def one_input(data: bytes) -> None:
    """Every line of a file is accounted for, in order, whatever it holds; only an unknown format is refused."""
    chosen, content = (data[0], data[1:]) if data else (0, b"")
    name = _CHOICES[(chosen & ~_GZIPPED) % len(_CHOICES)]
    os.ftruncate(_FILE, 0)
    os.pwrite(_FILE, gzip.compress(content, 1) if chosen & _GZIPPED else content, 0)
    try:
        with patch.object(files, "_BLOCK", _BLOCK):
            chunks = list(read_flows([FileSpec(_PATH, name)], _LINES))
    except UsageError:
        assert name is None, "a file whose format is given was refused"
        return
    assert chunks
    first_line = 1
    for chunk in chunks:
        assert chunk.first_line == first_line
        assert len(chunk.raw) <= _LINES
        check_account(chunk.raw, chunk.decoded)
        assert {*chunk.truths()} <= {*TRUTHS, ""}
        first_line += len(chunk.raw)
    if name not in (None, "netflow") and (chosen & _GZIPPED or not content.startswith(b"\x1f\x8b")):
        lines = content.removeprefix(BOM_UTF8).removesuffix(b"\n").split(b"\n")
        assert [line for chunk in chunks for line in chunk.raw] == (lines if content.removeprefix(BOM_UTF8) else [])


def seeds() -> Iterator[bytes]:
    """Whole files, recognised or with their format given, packed or not, and packed ones that are damaged."""
    unnamed = len(NAMES)
    for name, lines in streams():
        content = b"\n".join(lines) + b"\n"
        yield bytes([unnamed]) + content
        yield bytes([NAMES.index(name) | _GZIPPED]) + content
    for sample in SAMPLES:
        if sample.array:
            content = sample.file([sample.line()] * 3)
            yield bytes([unnamed]) + content
            yield bytes([NAMES.index(sample.format) | _GZIPPED]) + content
            yield bytes([NAMES.index(sample.format)]) + gzip.compress(content, 9, mtime=0)
