"""Choosing a format: by its name, or by what a stream's first lines look like."""

from __future__ import annotations

import pytest

from flows.errors import UsageError
from flows.formats import FORMATS, make_decoder, sniff

ZEEK_ROW = (
    b"1.5\tC1\t10.0.0.1\t1\t10.0.0.2\t80\ttcp\t-\t-\t-\t-\tS0\t-\t-\t0\tS\t1\t60\t0\t0\t-"  # conn.log without a header
)
ZEEK_JSON = b'{"ts":1.5,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","conn_state":"S0"}'
CANONICAL = b'{"src_addr":"10.0.0.1","dst_addr":"10.0.0.2"}'


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ([rb"#separator \x09", b"#path\tconn"], "zeek"),
        ([b"#fields\tts\tuid"], "zeek"),
        ([ZEEK_ROW], "zeek"),
        ([ZEEK_ROW + b"   Malicious   C&C"], "zeek"),
        ([ZEEK_ROW + b"\tBenign\t-"], "zeek"),
        ([ZEEK_JSON], "zeek"),
        ([CANONICAL], "canonical"),
        ([b"", b"junk", CANONICAL], "canonical"),
        ([CANONICAL, ZEEK_JSON, ZEEK_JSON], "zeek"),
    ],
)
def test_a_format_is_recognised(lines: list[bytes], name: str) -> None:
    assert sniff(lines) == name
    assert name in FORMATS


@pytest.mark.parametrize("lines", [[], [b""], [b"\xd4\xc3\xb2\xa1\x02\x00"], [b"StartTime,Dur,Proto"], [b"{}"]])
def test_what_no_format_recognises_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(UsageError, match=", ".join(FORMATS)):
        sniff(lines)


def test_every_format_has_a_decoder_and_each_call_a_fresh_one() -> None:
    for name in FORMATS:
        assert make_decoder(name) is not make_decoder(name)
        nothing = make_decoder(name).decode([])
        assert (len(nothing), nothing.labels, nothing.dead) == (0, None, [])


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'netflow9'.*zeek, suricata"):
        make_decoder("netflow9")
