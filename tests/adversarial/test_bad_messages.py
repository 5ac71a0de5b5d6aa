"""Messages that nobody should send, in every format: an account of each, and verdicts about the others as if alone."""

from __future__ import annotations

import json
from functools import partial
from itertools import product
from typing import Any, Final, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.batch import FlowBatch
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from flows.formats import FORMATS, make_decoder
from flows.keying import HomeNetworks
from flows.messages import decode_messages
from serving.config import Settings
from serving.models import load_detector
from serving.pipeline import Outcome, Pipeline
from tests.support.batches import same
from tests.support.contract import check_batch
from tests.support.samples import HOSTILE, SAMPLES, START, STRAY_HEADERS, Sample, Token
from tests.support.serving import serving_registry

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
TIMED: Final = [sample for sample in SAMPLES if "start" in sample.roles]
YEAR_9999: Final = 253_402_300_000.0
YEAR_2099: Final = 4_086_000_000.0
MANY: Final = 2**53


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A pipeline that publishes every verdict."""
    registry = serving_registry(tmp_path_factory.mktemp("registry"))
    detector, _ = load_detector(Settings(registry=str(registry.path)))
    return Pipeline(detector, home=HomeNetworks(), publish_all=True)


def run(pipeline: Pipeline, values: list[bytes | None], names: list[bytes | None]) -> Outcome:
    return pipeline.run(pipeline.open_stream(), values, names, partial("t/0/{}".format))


def documents(outcome: Outcome) -> list[dict[str, Any]]:
    """The verdicts and alerts, read as strictly as JSON is defined."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    published = [*outcome.verdicts.verdicts, *outcome.verdicts.alerts]
    assert max((len(one.document) for one in published), default=0) < 64 << 10
    return [json.loads(one.document, parse_constant=refuse) for one in outcome.verdicts.verdicts]


def extremes(sample: Sample) -> list[bytes]:
    """Flows of values at the edge of what a decoder takes."""
    lines = [sample.line()]
    if "start" in sample.roles:
        for start in (0.0, YEAR_2099, YEAR_9999):
            ends = {"end": sample.time(min(YEAR_9999, start * 2 + 1))} if "end" in sample.roles else {}
            lines.append(sample.line(start=sample.time(start), **ends))
    if "duration" in sample.roles:
        lines += [
            sample.line(duration=value) for value in (0, 253_402_300_799, "1e-300" if sample.separator else 1e-300)
        ]
    lines += [sample.line(**{role: value}) for role, value in product(("packets", "bytes"), (0, MANY))]
    lines += [sample.line(dst_port=port) for port in (0, 65_535)]
    if "src_addr" in sample.roles:
        pairs = (("::", "::"), ("fe80::1%eth0", "ff02::1"), ("127.0.0.1", "255.255.255.255"))
        lines += [sample.line(src_addr=one, dst_addr=two) for one, two in pairs]
    if isinstance(sample.record.get(sample.roles.get("id", "")), str):
        ids = '"' + "\\u0001" * 1024 + '"'
        lines.append(sample.line(id=Token(ids) if sample.is_json else "\x01" * 1024))
    return lines


def test_every_format_may_come_mixed_and_each_message_stands_for_itself() -> None:
    values: list[bytes | None] = [sample.line() for sample in SAMPLES for _ in range(3)]
    names: list[bytes | None] = [sample.format.encode() for sample in SAMPLES for _ in range(3)]
    order = np.random.default_rng(1).permutation(len(values)).tolist()
    decoded, rejected = decode_messages([values[at] for at in order], [names[at] for at in order], "canonical")
    assert rejected == []
    assert decoded.index.tolist() == list(range(len(order)))
    alone = [decode_messages([values[at]], [names[at]], "canonical")[0].batch for at in order]
    assert same(decoded.batch, FlowBatch.concatenate(alone))


@every_sample
def test_without_a_format_header_a_message_is_recognised_or_rejected(sample: Sample) -> None:
    values: list[bytes | None] = [sample.line(), b"who knows", sample.line()]
    decoded, rejected = decode_messages(values, [None] * 3, None)
    assert decoded.index.tolist() == [0, 2]
    assert [one.reason for one in rejected] == ["unrecognised"]


@pytest.mark.parametrize("name", [b"ipfix", b"Zeek", b"zeek ", b"", b"\xff\xfe", b"x" * 100_000, "zeek\u202e".encode()])
def test_an_unknown_format_header_is_rejected_with_the_names_of_all(name: bytes) -> None:
    decoded, (rejected,) = decode_messages([SAMPLES[0].line()], [name], "canonical")
    assert len(decoded) == 0
    assert rejected.reason == "unknown format"
    assert ", ".join(FORMATS) in rejected.error
    assert len(rejected.error) < 300
    assert rejected.error.isprintable()


@every_sample
def test_hostile_messages_change_nothing_about_the_others(sample: Sample, pipeline: Pipeline) -> None:
    good: list[bytes | None] = [sample.line()] * 5
    mixed: list[bytes | None] = [*HOSTILE, *STRAY_HEADERS, *good, None, *sample.header, *HOSTILE, *good]
    outcome = run(pipeline, mixed, [sample.format.encode()] * len(mixed))
    alone = run(pipeline, [*good, *good], [sample.format.encode()] * 10)
    ignored = ("id", "alert_id")
    told, wanted = (
        [{key: value for key, value in document.items() if key not in ignored} for document in documents(one)]
        for one in (outcome, alone)
    )
    assert told == wanted
    assert len(outcome.verdicts.verdicts) + len(outcome.rejected) + outcome.skipped == len(mixed)
    assert {one.reason for one in outcome.rejected} >= {"undecodable", "too long", "no value"}


@every_sample
def test_extreme_flows_are_decided_without_an_infinity(sample: Sample, pipeline: Pipeline) -> None:
    lines: list[bytes | None] = [*extremes(sample), *extremes(sample)]
    outcome = run(pipeline, lines, [sample.format.encode()] * len(lines))
    # Some exporters tell one thing twice; where the two contradict each other, the record is a dead letter.
    assert all("more than" in one.error or "is not the number" in one.error for one in outcome.rejected)
    assert len(documents(outcome)) == len(lines) - len(outcome.rejected) > len(lines) / 2
    decoded, _ = decode_messages(lines, [sample.format.encode()] * len(lines), "canonical")
    check_batch(decoded.batch)
    assert not np.isinf(FeatureExtractor().extract(decoded.batch)).any()


@pytest.mark.parametrize("sample", TIMED, ids=lambda sample: sample.name)
@pytest.mark.parametrize("bad", [0.0, YEAR_9999])
def test_a_time_that_nobody_means_leaves_the_windows_alone(sample: Sample, bad: float) -> None:
    steady = [sample.line(**_at(sample, START + second)) for second in range(20)]
    lines = [*steady[:10], sample.line(**_at(sample, bad)), *steady[10:]]
    decoder = make_decoder(sample.format)
    rows, wanted = (FeatureExtractor().extract(decoder.decode(some).batch) for some in (lines, steady))
    count = INDEX["out_flows_60s"]
    assert np.isnan(rows[10][count]) == (bad == YEAR_9999)
    assert rows[11:, count].tolist() == (wanted[10:, count] + (bad == 0.0)).tolist()


def _at(sample: Sample, start: float) -> dict[str, Any]:
    end = {"end": sample.time(start + 1)} if "end" in sample.roles else {}
    return {"start": sample.time(start), **end}


# Anything at all

_VALUES: Final = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.sampled_from([*HOSTILE, *STRAY_HEADERS]),
    st.sampled_from([line for sample in SAMPLES for line in (*sample.header, *extremes(sample))]),
)
_NAMES: Final = st.one_of(st.none(), st.sampled_from([name.encode() for name in FORMATS]), st.binary(max_size=6))


@settings(max_examples=60)
@given(messages=st.lists(st.tuples(_VALUES, _NAMES), max_size=12))
def test_every_message_is_accounted_for_and_what_is_published_is_json(
    messages: list[tuple[bytes | None, bytes | None]], pipeline: Pipeline
) -> None:
    outcome = run(pipeline, [value for value, _ in messages], [name for _, name in messages])
    assert len(documents(outcome)) + len(outcome.rejected) + outcome.skipped == len(messages)
    assert [one.index for one in outcome.rejected] == sorted({one.index for one in outcome.rejected})
