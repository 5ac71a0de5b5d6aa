"""Addresses: text to 128 bits and back, for both versions."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.addresses import address_array, address_texts, format_address, parse_address

MAPPED = 0xFFFF << 32


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        ("1.0.0.0", (0, MAPPED | 0x01000000)),
        ("192.168.1.195", (0, MAPPED | 0xC0A801C3)),
        ("255.255.255.255", (0, MAPPED | 0xFFFFFFFF)),
        ("::", (0, 0)),
        ("::1", (0, 1)),
        ("::ffff:192.168.1.195", (0, MAPPED | 0xC0A801C3)),
        ("2001:db8::5", (0x20010DB8 << 32, 5)),
        ("2001:DB8:0:0:0:0:0:5", (0x20010DB8 << 32, 5)),
        ("fe80::1%eth0", (0xFE80 << 48, 1)),
    ],
)
def test_parse(text: str, halves: tuple[int, int]) -> None:
    assert parse_address(text) == halves


@pytest.mark.parametrize(
    "text",
    ["", "-", "(empty)", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4/8", " 1.2.3.4", "1.2.3.4\n", "host",
     "1.2.3.4%eth0", ":", ":::", "1::2::3", "12345::", "::1\x00", "1.2.3.4\x00", "\ud800", "\u0661.2.3.4", "[::1]"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        parse_address(text)


def test_endless_text_is_refused_and_not_remembered() -> None:
    before = parse_address.cache_info().currsize
    with pytest.raises(ValueError, match="not an IP address") as caught:
        parse_address("fe80::1%" + "x" * 1_000_000)
    assert len(str(caught.value)) < 200
    assert parse_address.cache_info().currsize == before


@given(st.ip_addresses(v=4))
def test_ipv4_comes_back_as_it_was(address: ipaddress.IPv4Address) -> None:
    assert format_address(*parse_address(str(address))) == str(address)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_128_bits_come_back_as_they_were(high: int, low: int) -> None:
    text = format_address(high, low)
    assert parse_address(text) == (high, low)
    if ":" in text:
        assert int(ipaddress.IPv6Address(text)) == high << 64 | low


def test_arrays() -> None:
    texts = ["10.0.0.1", "2001:db8::1"]
    array = address_array(texts)
    assert array.shape == (2, 2)
    assert array.dtype == np.uint64
    assert address_texts(array) == texts
    assert address_array([]).shape == (0, 2)
    assert address_texts(address_array([])) == []
    with pytest.raises(ValueError, match="nowhere"):
        address_array(["10.0.0.1", "nowhere"])
