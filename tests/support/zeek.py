"""Zeek connection logs in tests: one usual flow, written as text or as JSON, with whatever should be different."""

from __future__ import annotations

import json

from flows.formats import Decoded, make_decoder

ROW = {
    "ts": "1545403848.981338",
    "uid": "CDrkrSobGYxHhYfth",
    "id.orig_h": "192.168.1.195",
    "id.orig_p": "41040",
    "id.resp_h": "185.244.25.235",
    "id.resp_p": "80",
    "proto": "tcp",
    "service": "http",
    "duration": "1.477656",
    "orig_bytes": "149",
    "resp_bytes": "128252",
    "conn_state": "SF",
    "local_orig": "-",
    "local_resp": "-",
    "missed_bytes": "2896",
    "history": "ShADadttcfF",
    "orig_pkts": "94",
    "orig_ip_bytes": "5525",
    "resp_pkts": "96",
    "resp_ip_bytes": "139044",
    "tunnel_parents": "-",
}
FIELDS = list(ROW)
NUMBERS = {"ts", "duration", "id.orig_p", "id.resp_p", "orig_bytes", "resp_bytes", "orig_pkts", "orig_ip_bytes",
           "resp_pkts", "resp_ip_bytes", "missed_bytes"}  # fmt: skip


def header(*extra: str, fields: list[str] = FIELDS, path: str = "conn") -> list[bytes]:
    return [
        rb"#separator \x09",
        b"#set_separator\t,",
        b"#empty_field\t(empty)",
        b"#unset_field\t-",
        b"#path\t" + path.encode(),
        b"#open\t2019-03-15-14-50-49",
        b"\t".join([b"#fields", *(name.encode() for name in [*fields, *extra])]),
        b"#types\ttime\tstring",
    ]


def tsv(*extra: str, fields: list[str] = FIELDS, **changes: str) -> bytes:
    row = {**ROW, **{name.replace("__", "."): value for name, value in changes.items()}}
    return "\t".join([*(row[name] for name in fields), *extra]).encode()


def as_json(**changes: object) -> bytes:
    row: dict[str, object] = {
        name: (float(text) if "." in text else int(text)) if name in NUMBERS else text
        for name, text in ROW.items()
        if text != "-"
    }
    row |= {name.replace("__", "."): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in row.items() if value is not ...}).encode()


def decode(*lines: bytes) -> Decoded:
    return make_decoder("zeek").decode(lines)


def reason(*lines: bytes) -> str:
    decoded = decode(*lines)
    assert len(decoded) == 0
    (letter,) = decoded.dead
    assert letter.raw == lines[letter.index]
    return letter.error
