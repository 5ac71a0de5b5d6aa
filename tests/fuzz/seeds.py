"""What fuzzing begins with: usual and real records, and the words that exporters write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from flows.files import FileSpec, read_flows
from flows.formats import FORMATS
from tests.support.real import REPOSITORY
from tests.support.samples import SAMPLES

NAMES: Final = sorted(FORMATS)  # an input's byte means the same one from one version to the next
_LINES: Final = 3  # flows of each real file: short inputs are fuzzed best
_HEAD: Final = 8  # its first lines, since they may be headers
_LONGEST: Final = 4096  # bytes of a real record that is taken
_LONGEST_WORD: Final = 32  # characters
# fmt: off
_FOLDERS: Final = {"zeek-tsv": "zeek", "zeek-json": "zeek", "suricata-eve": "suricata", "nfdump": "netflow",
                   "pmacct": "netflow", "argus": "argus", "cicflowmeter": "cicflowmeter"}
_VALUES: Final = [b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b"70000", b"9007199254740993",
                  b"253402300800", b"1545403848981", b"fe80::1%eth0", b"::ffff:1.2.3.4", b"0x0303",
                  b"1970-01-01T00:00:00", b"+0200", b"0000-00-00 00:00:00.000000", b"\\ud800", b"\\u0000", b"[", b"]",
                  b"{", b"}", b'"', b",", b"\t", b"   ", b"\r", b"\n", b"#fields\t", b"#path\t", b"#separator \\x09",
                  b"\xef\xbb\xbf", b"\x1f\x8b\x08"]
# fmt: on


def streams() -> Iterator[tuple[str, list[bytes]]]:
    """Formats, and some lines of each that belong together: made-up ones, and of real files where there are any."""
    for sample in SAMPLES:
        yield sample.format, [*sample.header, sample.line(), sample.line()]
    yield from real_streams()


def real_streams() -> Iterator[tuple[str, list[bytes]]]:
    """The first lines of each exporter's real files; none where the folder of captures is missing."""
    named = os.environ.get("TIDEGATE_DATASETS")
    producers = Path(named or REPOSITORY.parent / "shared" / "datasets") / "producers"
    for folder, name in _FOLDERS.items():
        if not (producers / folder).is_dir():
            continue
        for path in sorted((producers / folder).iterdir()):
            if path.suffix == ".nfdump" or (".csv" in path.name and folder == "nfdump"):
                continue  # binary, and a layout that no decoder reads
            chunk = next(iter(read_flows([FileSpec(path, name)], 64)))
            flows = [chunk.raw[place] for place in chunk.decoded.index[:_LINES].tolist()]
            letters = [letter.raw for letter in chunk.decoded.dead[:1]]
            lines = dict.fromkeys([*chunk.raw[:_HEAD], *flows, *letters])
            yield name, [line for line in lines if len(line) <= _LONGEST]


def words() -> set[bytes]:
    """The exporters' field names and some values."""
    found = set(_VALUES)
    for sample in SAMPLES:
        texts = {part for name in sample.record for part in name.removesuffix("#2").split("/")}
        texts |= {text for text in map(str, sample.record.values()) if len(text) <= _LONGEST_WORD}
        found |= {text.encode() for text in texts if text}
    return found


def dictionary(words: Iterable[bytes]) -> str:
    """Words, in libFuzzer's form."""
    return "".join(f'"{_escaped(word)}"\n' for word in sorted(words))


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it: other bytes than plain letters and signs in hexadecimal."""
    return re.sub(rb"[^ !#-\[\]-~]", lambda match: b"\\x%02X" % match[0][0], word).decode("ascii")
