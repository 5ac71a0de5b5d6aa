"""What clients and servers make up: arrivals, answers, checksums, requests."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lab.clients import arrivals
from benchmarks.lab.packets import checksum
from benchmarks.lab.plan import PATHS, Part
from benchmarks.lab.servers import NTP_BYTES, answer_name, answer_time
from benchmarks.lab.web import request

DICE = st.integers().map(Random)


@given(st.floats(0.0, 50.0), st.floats(0.1, 20.0), st.just(0.0) | st.floats(0.1, 40.0), st.integers(1, 300), DICE)
def test_acts_begin_in_order_within_their_wave(
    begin: float, lasts: float, rate: float, addresses: int, dice: Random
) -> None:
    part = Part("browse", "Benign", 1, addresses, (), arrivals=rate)
    due = list(arrivals(part, (begin, begin + lasts), dice))
    assert [at for at, _ in due] == sorted(at for at, _ in due)
    assert all(begin <= at <= begin + max(lasts, 1.0) for at, _ in due)
    assert all(0 <= who < addresses for _, who in due)
    if not rate:
        assert sorted(who for _, who in due) == list(range(addresses))


def test_so_many_acts_begin_over_all_paths() -> None:
    part = Part("browse", "Benign", 1, 9, (), arrivals=30.0)
    found = sum(len(list(arrivals(part, (0.0, 100.0), Random(path)))) for path in range(len(PATHS)))
    assert 2800 < found < 3200


def test_the_same_dice_give_the_same_arrivals() -> None:
    part = Part("browse", "Benign", 1, 50, (), arrivals=5.0)
    assert list(arrivals(part, (0.0, 9.0), Random("a"))) == list(arrivals(part, (0.0, 9.0), Random("a")))


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


@given(st.binary(max_size=100).filter(lambda data: len(data) % 2 == 0))
def test_data_with_its_checksum_sums_up_to_nothing(data: bytes) -> None:
    assert checksum(data + struct.pack("!H", checksum(data))) == 0


@given(st.binary(min_size=17, max_size=200))
def test_an_answer_of_dns_is_one_and_always_the_same_for_a_name(question: bytes) -> None:
    answer = answer_name(question)
    number, flags, questions, answers, authorities, _ = struct.unpack_from("!HHHHHH", answer)
    assert question[:2] == number.to_bytes(2, "big")
    assert flags & 0x8000
    assert questions == 1
    assert answer[12:].startswith(question[12:])
    assert (answers == 0) == (authorities == 1) == (flags & 0xF == 3)
    assert len(answer) <= 512 + len(question)
    assert answer_name(b"\0\0" + question[2:])[2:] == answer[2:]


def test_an_answer_of_ntp_is_as_long_as_the_question() -> None:
    question = b"\x23" + bytes(range(NTP_BYTES - 1))
    assert len(answer_time(question)) == len(question)
    assert answer_time(question)[0] & 7 == 4  # the mode of a server


@pytest.mark.parametrize(("method", "body"), [("GET", 0), ("POST", 7)])
def test_a_request_is_one_of_http(method: str, body: int) -> None:
    lines = request(Random(1), "/form", method, body).split(b"\r\n")
    assert lines[0] == f"{method} /form HTTP/1.1".encode()
    assert lines[-2:] == [b"", b""]
    assert (b"Content-Length: 7" in lines) == (method == "POST")
