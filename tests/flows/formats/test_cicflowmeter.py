"""CICFlowMeter's CSV, Java's and Python's: what their columns become, and what is said of broken rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts
from flows.batch import ABSENT, FlowBatch
from flows.formats import Decoded, make_decoder
from tests.support.batches import same
from tests.support.contract import check_decoded
from tests.support.samples import SAMPLES, START

_BY_NAME = {sample.name: sample for sample in SAMPLES}
JAVA: Mapping[str, str] = {name.strip(): text for name, text in _BY_NAME["cic-java"].record.items()}
PYTHON: Mapping[str, str] = _BY_NAME["cic-python"].record
(JAVA_HEADER,), (PYTHON_HEADER,) = _BY_NAME["cic-java"].header, _BY_NAME["cic-python"].header


def line(record: Mapping[str, str], changes: Mapping[str, object]) -> bytes:
    return ",".join(str(text) for text in {**record, **changes}.values()).encode()


def java(**changes: object) -> bytes:
    """Java's row; in names, an underscore stands for a blank."""
    return line(JAVA, {name.replace("_", " "): text for name, text in changes.items()})


def python(**changes: object) -> bytes:
    return line(PYTHON, changes)


def decode(*lines: bytes) -> Decoded:
    decoded = make_decoder("cicflowmeter").decode(lines)
    check_decoded(lines, decoded)
    return decoded


def one(*lines: bytes) -> FlowBatch:
    decoded = decode(*lines)
    assert decoded.dead == []
    assert len(decoded) == 1
    return decoded.batch


def reason(*lines: bytes) -> str:
    decoded = decode(*lines)
    assert len(decoded) == 0
    (letter,) = decoded.dead
    return letter.error


def told(batch: FlowBatch, *names: str) -> list[Any]:
    """The first flow's values, None for those that are NaN."""
    found = [getattr(batch, name).tolist()[0] for name in names]
    return [None if value != value else value for value in found]


# Java


def test_a_row_of_java_s() -> None:
    decoded = decode(JAVA_HEADER, java(Flow_Duration=109, Label="DDoS"))
    batch = decoded.batch
    assert [*address_texts(batch.src_addr), *address_texts(batch.dst_addr)] == ["::", "::"]
    assert told(batch, "start", "duration", "dst_port") == [None, 0.000109, 46236]
    assert told(batch, "src_packets", "dst_packets", "src_payload", "dst_payload") == [1, 1, 6, 6]
    assert told(batch, "src_port", "protocol", "state", "service", "src_flags", "dst_flags") == [ABSENT] * 6
    names = ["src_bytes", "dst_bytes", "packet_size_min", "packet_size_max", "packet_size_std"]
    assert told(batch, *names) == [None] * 5
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["DDoS"]


def test_java_s_times_are_microseconds_and_its_deviation_is_of_a_sample() -> None:
    # Three packets, 30 us and 10 us apart.
    times = {"Flow_IAT_Mean": 20, "Flow_IAT_Std": 14.142135623730951, "Flow_IAT_Max": 30}
    batch = one(JAVA_HEADER, java(Total_Fwd_Packets=2, **times))
    assert told(batch, "iat_mean", "iat_max") == [20e-6, 30e-6]
    assert batch.iat_std[0] == pytest.approx(10e-6)
    assert told(one(JAVA_HEADER, java(Flow_IAT_Mean=3, Flow_IAT_Std=0)), "iat_mean", "iat_std") == [3e-6, 0]


def test_a_single_packet_has_no_times_between_packets() -> None:
    single = {"Total_Backward_Packets": 0, "Flow_IAT_Mean": 0, "Flow_IAT_Std": 0, "Flow_IAT_Max": 0}
    assert told(one(JAVA_HEADER, java(**single)), "iat_mean", "iat_std", "iat_max") == [None] * 3


@pytest.mark.parametrize("rate", ["Infinity", "NaN", "-Infinity", "", "-1", "x"])
def test_rates_are_not_read(rate: str) -> None:
    changes = {"Flow Bytes/s": rate, "Flow Packets/s": rate, "Flow IAT Min": rate, "Fwd Header Length": "-32212234632"}
    assert same(one(JAVA_HEADER, line(JAVA, changes)), one(JAVA_HEADER, java()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Destination_Port", "65536"), ("Destination_Port", "-1"), ("Flow_Duration", "-1"),
        ("Flow_Duration", "Infinity"), ("Flow_Duration", "NaN"), ("Flow_Duration", "1e30"),
        ("Total_Fwd_Packets", "1.5"), ("Total_Backward_Packets", "-2"), ("Total_Length_of_Fwd_Packets", "many"),
        ("Total_Length_of_Bwd_Packets", "Infinity"), ("Flow_IAT_Mean", "-3.5"),
        ("Flow_IAT_Std", "NaN"), ("Flow_IAT_Max", "Infinity"), ("Flow_Duration", '"34"'),
    ],
)  # fmt: skip
def test_a_value_of_java_s_that_cannot_be_names_its_column(name: str, text: str) -> None:
    assert reason(JAVA_HEADER, java(**{name: text})).startswith(f"{name.replace('_', ' ')}: ")


def test_labels_of_cicids2017_that_are_not_utf_8() -> None:
    decoded = decode(JAVA_HEADER, java(Label="LABEL").replace(b"LABEL", b"Web Attack \x96 XSS"), java(Label=""))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["Web Attack \u2013 XSS", ""]


def test_java_s_layouts_with_addresses_are_refused_by_name() -> None:
    longer = b"Flow ID, Source IP, Source Port, Destination IP, Timestamp," + JAVA_HEADER
    error = reason(longer, b"x,10.0.0.1,1,10.0.0.2,3/7/2017 8:55," + java())
    assert "the header names Flow ID" in error
    shorter = JAVA_HEADER.replace(b"Total Fwd Packets", b"Tot Fwd Pkts").replace(b"Flow IAT Max", b"IAT Max")
    assert reason(shorter, java()) == "the header lacks Total Fwd Packets, Flow IAT Max"


@given(
    st.integers(0, 65535),
    st.integers(0, 120_000_000),
    st.tuples(*[st.integers(0, 2**53)] * 4),
    st.tuples(*[st.floats(0, 1.2e8)] * 2),
)
def test_well_formed_rows_of_java_s_come_out_as_they_went_in(
    port: int, duration: int, counts: tuple[int, ...], times: tuple[float, ...]
) -> None:
    record = {"Destination Port": port, "Flow Duration": duration}
    record |= dict(zip([*JAVA][2:6], counts, strict=True))
    batch = one(JAVA_HEADER, line(JAVA, record | {"Flow IAT Mean": times[0], "Flow IAT Max": times[1]}))
    assert told(batch, "dst_port", "duration") == [port, duration / 1e6]
    assert told(batch, "src_packets", "dst_packets", "src_payload", "dst_payload") == [*counts]
    expected = [time / 1e6 if counts[0] + counts[1] > 1 else None for time in times]
    assert told(batch, "iat_mean", "iat_max") == expected


# Python


def test_a_row_of_python_s() -> None:
    decoded = decode(PYTHON_HEADER, python())
    batch = decoded.batch
    assert decoded.labels is None
    assert [*address_texts(batch.src_addr), *address_texts(batch.dst_addr)] == ["10.0.0.5", "198.51.100.7"]
    assert told(batch, "start", "duration", "src_port", "dst_port", "protocol") == [START, 0.000179, 36679, 902, 6]
    assert told(batch, "state", "service", "src_flags", "dst_flags") == [ABSENT] * 4
    assert told(batch, "src_payload", "dst_payload") == [None, None]
    # Three packets of 60 bytes and one of 58 are written; the first is written twice.
    assert told(batch, "src_packets", "dst_packets", "src_bytes", "dst_bytes") == [2, 1, 2 * 46, 44]
    assert told(batch, "packet_size_min", "packet_size_max") == [44, 46]
    assert batch.packet_size_std[0] == pytest.approx(np.std([60, 60, 58]))
    assert told(batch, "iat_max") == [0.000116]
    assert batch.iat_mean[0] == pytest.approx(0.000179 / 2)
    assert batch.iat_std[0] == pytest.approx(np.std([0.000116, 0.000063]))


def written(
    times: list[float], forward: list[int], backward: list[int], twice: bool = True, **changes: object
) -> bytes:
    """A row as cicflowmeter computes it from frames: all forward ones before the backward ones."""
    if twice:
        times, forward = [times[0], *times], [forward[0], *forward]
    gaps = np.diff(times)
    every = [*forward, *backward]
    row: dict[str, object] = {
        "flow_duration": times[-1] - times[0], "tot_fwd_pkts": len(forward), "tot_bwd_pkts": len(backward),
        "flow_pkts_s": len(every) / (times[-1] - times[0]) if times[-1] > times[0] else 0,
        "totlen_fwd_pkts": sum(forward), "totlen_bwd_pkts": sum(backward),
        "fwd_pkt_len_max": max(forward), "fwd_pkt_len_min": min(forward),
        "bwd_pkt_len_max": max(backward, default=0), "bwd_pkt_len_min": min(backward, default=0),
        "pkt_len_max": max(every), "pkt_len_min": min(every), "pkt_len_std": float(np.std(every)),
        "syn_flag_cnt": 0,
    }  # fmt: skip
    if len(gaps) > 1:
        row |= {f"flow_iat_{what}": float(getattr(np, what)(gaps)) for what in ("mean", "std", "max", "min")}
    else:
        row |= dict.fromkeys(["flow_iat_mean", "flow_iat_std", "flow_iat_max", "flow_iat_min"], 0)
    return python(**{**row, **changes})


def sizes(row: bytes) -> list[Any]:
    return told(one(PYTHON_HEADER, row), "src_packets", "src_bytes", "dst_packets", "dst_bytes", "packet_size_std")


def test_one_packet_written_twice_is_one_packet() -> None:
    row = written([0.0], [60], [])
    assert sizes(row) == [1, 46, 0, 0, 0]
    assert told(one(PYTHON_HEADER, row), "iat_mean", "iat_std", "iat_max") == [None] * 3


def test_the_only_interval_of_two_packets_is_the_duration() -> None:
    for row in (written([0.0, 0.5], [60], [60]), written([0.0, 0.5], [60], [60], twice=False)):
        assert sizes(row) == [1, 46, 1, 46, 0]
        assert told(one(PYTHON_HEADER, row), "iat_mean", "iat_std", "iat_max") == [0.5, 0, 0.5]


def test_the_first_frame_follows_from_the_others_or_is_a_syn_or_is_not_known() -> None:
    assert sizes(written([0.0, 0.5], [100, 60], []))[:2] == [2, 160 - 28]
    mixed = [74, 66, 500, 66]
    assert sizes(written([0.0, 0.5, 0.75, 1.0], mixed, [])) == [4, None, 0, 0, None]
    with_syn = written([0.0, 0.5, 0.75, 1.0], mixed, [], syn_flag_cnt=2)
    assert sizes(with_syn)[:2] == [4, sum(mixed) - 4 * 14 + 8]  # the SYN's options, 8 bytes, cannot be told
    assert sizes(written([0.0, 0.5, 0.75, 1.0], mixed, [], syn_flag_cnt=2, protocol=17))[1] is None


def test_packets_out_of_order_make_an_interval_negative_and_no_dead_letter() -> None:
    usual, out_of_order = one(PYTHON_HEADER, python()), one(PYTHON_HEADER, python(flow_iat_min="-1e-06"))
    assert same(usual, out_of_order)


def test_a_flow_whose_first_packet_began_on_the_way_back() -> None:
    back = {"tot_fwd_pkts": 0, "tot_bwd_pkts": 2, "totlen_fwd_pkts": 0, "totlen_bwd_pkts": 120, "flow_duration": 0,
            "fwd_pkt_len_max": 0, "fwd_pkt_len_min": 0, "bwd_pkt_len_max": 60, "bwd_pkt_len_min": 60,
            "pkt_len_max": 60, "pkt_len_min": 60, "pkt_len_std": 0, "flow_iat_max": 0}  # fmt: skip
    assert sizes(python(**back)) == [0, 0, 1, 46, 0]


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=8),
    st.integers(60, 1514),
    st.integers(0, 3),
    st.sampled_from([True, False]),
)
def test_what_went_in_comes_out_however_often_the_first_was_written(
    gaps: list[int], size: int, answers: int, twice: bool
) -> None:
    times = (np.cumsum([0, *gaps]) / 1e6).tolist()
    forward, backward = [size] * (len(times) - min(answers, len(times) - 1)), [60] * min(answers, len(times) - 1)
    batch = one(PYTHON_HEADER, written(times, forward, backward, twice))
    assert told(batch, "src_packets", "dst_packets") == [len(forward), len(backward)]
    assert told(batch, "src_bytes", "dst_bytes") == [(size - 14) * len(forward), 46 * len(backward)]
    assert batch.packet_size_std[0] == pytest.approx(np.std([*forward, *backward]), abs=1e-3)
    assert batch.iat_mean[0] == pytest.approx(np.mean(np.diff(times)))
    assert batch.iat_max[0] == pytest.approx(np.max(np.diff(times)))
    assert batch.iat_std[0] == pytest.approx(np.std(np.diff(times)), abs=1e-6)


def test_microseconds_of_older_releases_are_refused() -> None:
    error = reason(PYTHON_HEADER, python(flow_duration="179.0"))
    assert "before 0.3 wrote microseconds" in error


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src_ip", ""), ("dst_ip", "10.0.0.256"), ("src_port", "70000"), ("protocol", "quic"),
        ("protocol", "256"), ("timestamp", ""), ("timestamp", "yesterday"), ("flow_duration", "-1"),
        ("flow_duration", "inf"), ("tot_fwd_pkts", "3.0"), ("totlen_bwd_pkts", "-1"), ("pkt_len_min", "61"),
        ("pkt_len_std", "nan"), ("flow_iat_mean", "-0.1"), ("flow_iat_max", "1"), ("flow_iat_std", "inf"),
        ("flow_pkts_s", "inf"), ("flow_iat_min", "nan"), ("flow_iat_min", "-inf"), ("flow_iat_min", "none"),
    ],
)  # fmt: skip
def test_a_value_of_python_s_that_cannot_be_names_its_column(name: str, text: str) -> None:
    assert reason(PYTHON_HEADER, python(**{name: text})).startswith(name)


# Headers


def test_both_kinds_in_one_stream_and_rows_without_a_header() -> None:
    alone, together = (
        decode(java(), python()),
        decode(JAVA_HEADER, java(), PYTHON_HEADER, python(), JAVA_HEADER, java()),
    )
    assert together.index.tolist() == [1, 3, 5]
    assert together.batch.dst_port.tolist() == [46236, 902, 46236]
    assert together.labels is not None
    assert together.labels.tolist() == ["BENIGN", "", "BENIGN"]
    assert same(together.batch.take(np.array([0, 1])), alone.batch)
    assert reason(java() + b",x") == "80 columns, and no header; without one CICFlowMeter has 79 or 82"
    assert reason(JAVA_HEADER, python()) == "82 columns where the header names 79"


def test_columns_are_found_by_their_names() -> None:
    names = [*PYTHON, "Label"]
    reverse = ",".join(reversed(names)).encode()
    row = ",".join(reversed([*map(str, PYTHON.values()), "DDoS"])).encode()
    decoded = decode(reverse, row)
    assert same(decoded.batch, one(python()))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["DDoS"]
    assert "names src_ip twice" in reason(PYTHON_HEADER + b",src_ip", python() + b",10.0.0.5")
    assert "the header lacks src_ip, timestamp" in reason(
        PYTHON_HEADER.replace(b"src_ip,", b"a,").replace(b"timestamp", b"b"), python()
    )


# Sniffing


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (JAVA_HEADER, True), (PYTHON_HEADER, True), (java(), True), (python(), True),
        (java(Flow_Duration=-1), True),
        (b"Flow Duration,Flow ID", False), (b"flow_duration", False), (java() + b",x", False),
        (b",".join([b"1"] * 79), False),
        (b",".join([b"x"] * 82), False), (b"", False), (b"{}", False),
    ],
)  # fmt: skip
def test_what_is_cicflowmeter_s(text: bytes, known: bool) -> None:
    assert make_decoder("cicflowmeter").recognises(text) is known


# Anything at all

LINES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\n", JAVA_HEADER, PYTHON_HEADER, java(), python(), java(Flow_Duration=-1)]),
    st.tuples(st.sampled_from([*JAVA][:6]), st.text(max_size=6)).map(lambda pair: line(JAVA, dict([pair]))),
    st.tuples(st.sampled_from([*PYTHON][:40]), st.text(max_size=6)).map(lambda pair: line(PYTHON, dict([pair]))),
)


@given(st.lists(LINES, max_size=8))
def test_a_line_is_a_flow_or_a_dead_letter_or_a_header(lines: list[bytes]) -> None:
    decoded = decode(*lines)
    rest = set(range(len(lines))) - {*decoded.index.tolist(), *(letter.index for letter in decoded.dead)}
    assert all(not lines[index].strip() or lines[index] in {JAVA_HEADER, PYTHON_HEADER} for index in rest)
