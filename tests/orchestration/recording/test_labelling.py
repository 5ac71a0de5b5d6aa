"""Words about verdicts and alerts become labels of the very flows that were decided."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.verdict import Kind
from flows.keying import HomeNetworks
from orchestration.daily import production_day
from orchestration.recording.days import records_of
from orchestration.recording.feedback import words_of
from orchestration.recording.precision import precision, wilson
from orchestration.recording.verdicts import Verdict, place_of
from tests.support.recorded import FEEDBACK, FLOWS, VERDICTS, Message, flow, numbered, verdict, word, write_day
from training.datasets import NO_TRUTH, LabelledFlows

DAY, NEXT, LATER = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 9)
START = 1_772_323_200.0  # of DAY


def written(folder: Path, verdicts: list[Message], words: list[Message], flows: int = 6) -> None:
    write_day(folder, FLOWS, DAY, [flow(offset, start=START + offset) for offset in range(flows)])
    write_day(folder, VERDICTS, DAY, numbered(verdicts))
    write_day(folder, FEEDBACK, LATER, numbered(words))


def labelled(folder: Path) -> tuple[LabelledFlows, Counter[str]]:
    found = production_day(folder, DAY, flows=FLOWS, verdicts=VERDICTS, feedback=FEEDBACK, home=HomeNetworks())
    return found.flows, found.told


def test_a_word_about_a_verdict_labels_its_flow_and_no_other(tmp_path: Path) -> None:
    written(tmp_path, [verdict(2), verdict(4)], [word(f"{FLOWS}/0/2/7", "malware")])

    flows, told = labelled(tmp_path)

    assert flows.truth.tolist() == [NO_TRUTH, NO_TRUTH, Kind.MALWARE, NO_TRUTH, NO_TRUTH, NO_TRUTH]
    assert flows.attack.tolist() == ["", "", "reported malware", "", "", ""]
    assert (told["flows"], told["malware"], told["no flow"]) == (6, 1, 0)
    assert flows.origin.names == ("production 2026-03-01",)


def test_a_word_about_an_alert_labels_every_flow_it_folded_but_for_those_with_a_word_of_their_own(
    tmp_path: Path,
) -> None:
    written(
        tmp_path,
        [verdict(1, alert="A"), verdict(2, alert="A"), verdict(3, alert="B")],
        [word("A", "benign"), word(f"{FLOWS}/0/2/7", "ddos")],
    )

    flows, _ = labelled(tmp_path)

    assert flows.truth.tolist() == [NO_TRUTH, Kind.BENIGN, Kind.DDOS, NO_TRUTH, NO_TRUTH, NO_TRUTH]
    assert flows.attack[1] == ""


def test_a_verdict_from_after_midnight_and_one_that_was_never_published_still_name_their_flow(tmp_path: Path) -> None:
    written(tmp_path, [], [word("C", "anomaly"), word(f"{FLOWS}/0/0/7", "benign")])
    write_day(tmp_path, VERDICTS, NEXT, numbered([verdict(5, alert="C")]))

    flows, _ = labelled(tmp_path)

    assert flows.truth.tolist() == [Kind.BENIGN, *[NO_TRUTH] * 4, Kind.ANOMALY]


def test_the_last_word_counts_by_its_time_and_then_by_its_coming(tmp_path: Path) -> None:
    words = [word("A", "ddos", at=5.0), word("A", "benign", at=9.0), word("A", "malware", at=7.0)]
    ties = [word("B", "ddos", at=5.0), word("B", "benign", at=5.0)]
    found = words_of([{"value": record.value} for record in numbered([*words, *ties])])

    assert {name: one.label for name, one in found.by_id.items()} == {"A": "benign", "B": "benign"}
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "it is no JSON"),
        (b"yes", "it is no JSON"),
        (b'{"id": "A", "label": "evil", "by": "ann", "at": 1}', "Invalid enum value 'evil' - at `$.label`"),
        (b'{"id": "", "label": "ddos", "by": "ann", "at": 1}', "Expected `str` of length >= 1 - at `$.id`"),
        (b'{"id": "A", "label": "ddos", "by": "ann"}', "Object missing required field `at`"),
        (b'{"id": "A", "label": "ddos", "by": "a", "at": 1, "x": 2}', "Object contains unknown field `x`"),
    ],
)
def test_what_is_no_feedback_is_counted_by_its_reason_and_hides_nothing(value: bytes | None, reason: str) -> None:
    (good,) = numbered([word("A", "ddos")])

    found = words_of([{"value": value}, {"value": good.value}])

    assert found.refused == {reason: 1}
    assert found.by_id["A"].label == "ddos"


@given(st.binary(max_size=60))
def test_no_bytes_stop_the_reading_of_feedback(value: bytes) -> None:
    found = words_of([{"value": value}])
    assert len(found.by_id) + found.refused.total() == 1


@given(st.text(max_size=30))
def test_an_id_of_another_form_has_no_place(text: str) -> None:
    place = place_of(text)
    assert place is None or text.startswith(f"{place[0]}/")


def test_messages_that_are_no_flows_are_counted_and_the_others_keep_their_labels(tmp_path: Path) -> None:
    written(tmp_path, [verdict(4)], [word(f"{FLOWS}/0/4/7", "ddos")])
    records = [flow(offset, start=START + offset) for offset in range(6)]
    broken = [*records[:3], records[3].__class__(0, 3, 0, None, None, b"\xff\x00"), *records[4:]]
    write_day(tmp_path, FLOWS, DAY, broken)

    flows, told = labelled(tmp_path)

    assert flows.truth.tolist() == [NO_TRUTH, NO_TRUTH, NO_TRUTH, Kind.DDOS, NO_TRUTH]
    assert told["no flow"] == 1


def verdicts(*kinds: str) -> list[Verdict]:
    return [Verdict(f"{FLOWS}/0/{n}/7", kind, "10.0.0.5") for n, kind in enumerate(kinds)]


def test_precision_is_of_the_alarms_that_people_looked_at() -> None:
    told = ["malware", "malware", "benign", "benign"]
    records = [
        {"value": one.value} for one in numbered([word(f"{FLOWS}/0/{n}/7", label) for n, label in enumerate(told)])
    ]

    found = precision(verdicts("malware", "malware", "malware", "benign", "malware"), words_of(records).by_id)

    assert found.keys() == {"malware"}
    one = found["malware"]
    assert (one.labelled, one.right) == (3, 2)
    assert one.low < 2 / 3 < one.high


def test_a_word_about_an_alert_is_one_word_however_many_verdicts_it_folded() -> None:
    records = [{"value": one.value} for one in numbered([word("alert-1", "benign"), word(f"{FLOWS}/0/9/7", "malware")])]
    folded = [Verdict(f"{FLOWS}/0/{n}/7", "malware", "10.0.0.1", alert_id="alert-1") for n in range(40)]

    found = precision([*folded, Verdict(f"{FLOWS}/0/9/7", "malware", "10.0.0.1")], words_of(records).by_id)

    assert (found["malware"].labelled, found["malware"].right) == (2, 1)


def test_wilsons_interval_is_the_one_in_the_books() -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I: method 3, 81 of 263."""
    low, high = wilson(81, 263)

    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0


def test_a_day_written_as_recorded_reads_back(tmp_path: Path) -> None:
    records: list[Any] = [flow(0, start=START), flow(1, start=START + 1)]
    path = write_day(tmp_path, FLOWS, DAY, records)

    assert [one["value"] for one in records_of(path)] == [one.value for one in records]
