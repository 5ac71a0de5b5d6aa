"""``tidegate evaluate``: the contract's document, by hand-made files whose figures can be counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detection.detector import Detector
from detection.verdict import Kind
from flows.files import parse_spec, read_flows
from flows.keying import HomeNetworks
from model_registry.registry import Registry
from tests.support.command import tidegate_command
from tests.support.evaluating import figures, labelled_flows, run, write
from tests.support.serving import ALL, flow
from training.judging import decided
from training.streams import labelled

MEASURES = ["rows", "positives", "threshold", "recall", "fpr", "fpr_upper95", "precision", "roc_auc", "pr_auc"]
HOUR = 3600.0


def test_the_document_has_the_contracts_keys_and_no_others(registry: Registry, capture: Path) -> None:
    found = figures(registry, capture)

    assert list(found) == ["models", "final", "labels", "hosts", "alerts_per_host_day"]
    assert set(found["models"]) == set(ALL)
    assert all(list(measures) == MEASURES for measures in found["models"].values())
    assert list(found["final"]) == [*MEASURES, "abstained"]
    assert all(list(label) == ["rows", "recall"] for label in found["labels"].values())
    assert all(list(host) == ["flagged", "first_alert_s", "first_alert_flows"] for host in found["hosts"].values())


def test_a_models_rows_are_benign_flows_and_those_of_its_own_threat(registry: Registry, capture: Path) -> None:
    found = figures(registry, capture)["models"]

    def of(name: str) -> tuple[Any, ...]:
        return tuple(found[name][key] for key in ("rows", "positives", "threshold", "recall", "fpr", "precision"))

    assert of("ddos_lgbm") == (14, 4, 0.75, 0.75, 0.0, 1.0)
    assert of("malware_lgbm") == (13, 3, 0.75, pytest.approx(1 / 3), 0.1, 0.5)
    assert of("anomaly_iforest") == (13, 3, 0.75, pytest.approx(2 / 3), 0.1, pytest.approx(2 / 3))
    assert found["ddos_lgbm"]["roc_auc"] == pytest.approx(0.75 + 0.25 / 2)
    assert found["ddos_lgbm"]["fpr_upper95"] == "cannot be told"


def test_the_final_verdict_counts_all_flows_with_a_truth(registry: Registry, capture: Path) -> None:
    final = figures(registry, capture)["final"]

    assert (final["rows"], final["positives"], final["threshold"], final["abstained"]) == (20, 10, None, 1)
    assert (final["recall"], final["fpr"], final["precision"]) == (0.7, 0.1, 0.875)


def test_labels_keep_their_words_and_tell_what_was_decided_rightly(registry: Registry, capture: Path) -> None:
    assert figures(registry, capture)["labels"] == {
        "Benign": {"rows": 10, "recall": 0.9},
        "DDoS": {"rows": 4, "recall": 0.75},
        "C&C-HeartBeat": {"rows": 2, "recall": 1.0},  # flagged as any threat
        "Okiru": {"rows": 1, "recall": 0.0},
        "PartOfAHorizontalPortScan": {"rows": 2, "recall": 1.0},
        "External-Attack-to-Device": {"rows": 1, "recall": 0.0},
    }


def test_to_abstain_is_a_miss_on_an_attack_and_no_alarm_on_benign(registry: Registry, tmp_path: Path) -> None:
    shy = write(tmp_path / "shy", labelled_flows((2, "anomaly", "Benign"), (3, "anomaly", "Scan")))
    found = figures(registry, shy)

    assert found["final"] | {"roc_auc": None, "pr_auc": None} == {
        "rows": 5,
        "positives": 3,
        "threshold": None,
        "recall": 0.0,
        "fpr": 0.0,
        "fpr_upper95": "cannot be told",
        "precision": None,
        "roc_auc": None,
        "pr_auc": None,
        "abstained": 5,
    }
    assert found["hosts"] == {"10.0.0.1": {"flagged": False, "first_alert_s": None, "first_alert_flows": None}}
    assert found["models"]["anomaly_iforest"]["recall"] == 1.0  # the model itself does not abstain


@pytest.mark.parametrize(("benign", "told"), [(2999, False), (3000, True)])
def test_the_upper_bound_is_told_from_3000_benign_rows_on(
    registry: Registry, tmp_path: Path, benign: int, told: bool
) -> None:
    file = write(tmp_path / "calm", labelled_flows((benign, "benign", "Benign")))
    final = figures(registry, file)["final"]

    assert (final["fpr"], final["recall"], final["precision"]) == (0.0, None, None)
    assert final["fpr_upper95"] == (pytest.approx(1 - 0.05 ** (1 / 3000)) if told else "cannot be told")


def test_what_score_says_of_a_file_is_what_evaluate_judges(registry: Registry, capture: Path, tmp_path: Path) -> None:
    hosts = [f"10.0.0.{host}" for host in range(5)]
    mixed = [
        line.replace(b"10.0.0.1", hosts[at * at % 5].encode())
        for at, line in enumerate(capture.read_bytes().splitlines() * 8)
    ]
    file = write(tmp_path / "mixed.ndjson", mixed)
    code, out, _ = tidegate_command("score", "--registry", registry.path, "--verdicts", "all", file)
    assert code == 0
    scored = [
        (verdict["verdict"], verdict["confidence"], verdict["alert_id"], verdict["key_host"])
        for verdict in map(json.loads, out.splitlines())
    ]

    detector = Detector.from_registry(Registry(registry.path).load())
    judged = []
    for _, found in decided(detector, labelled(read_flows([parse_spec(str(file))], 7)), HomeNetworks()):
        names = [Kind(kind).label for kind in found.decisions.kind.tolist()]
        addresses = [f"10.0.0.{low & 255}" for low in found.keys[:, 1].tolist()]
        alerts = [alert or None for alert in found.fold.alert_id.tolist()]
        judged += list(zip(names, found.decisions.confidence.tolist(), alerts, addresses, strict=True))
    assert judged == scored

    truths = [json.loads(line)["label"] for line in mixed]
    flagged = [verdict[0] in {"ddos", "malware", "anomaly"} for verdict in scored]
    labels = figures(registry, file)["labels"]
    assert set(labels) == set(truths) - {"Background", ""}
    for name, label in labels.items():
        right = [(flag != (name == "Benign")) for flag, truth in zip(flagged, truths, strict=True) if truth == name]
        assert (label["rows"], label["recall"]) == (len(right), pytest.approx(sum(right) / len(right)))


def test_hosts_tell_when_the_first_alert_came_in_traffic_time_and_in_attack_flows(
    registry: Registry, tmp_path: Path
) -> None:
    attack = [flow(at, "benign", "10.0.0.2", label="DDoS") for at in (100.0, 110.0, 105.0)]
    attack += [flow(at, "malware", "10.0.0.2", label="Benign") for at in (111.0, 112.0)]  # no attack flow
    attack += [flow(at, "benign", "10.0.0.3", label="C&C") for at in (113.0, 114.0)]
    attack += [flow(130.0, "ddos", "10.0.0.9", label="Background")]
    attack += [flow(120.0, "anomaly", "10.0.0.2", label="DDoS") for _ in range(5)]  # late; abstains, then decides
    found = figures(registry, write(tmp_path / "attack", attack))

    assert found["hosts"] == {
        "10.0.0.2": {"flagged": True, "first_alert_s": pytest.approx(30.0), "first_alert_flows": 6},
        "10.0.0.3": {"flagged": False, "first_alert_s": None, "first_alert_flows": None},
    }


def test_a_first_attack_flow_that_is_flagged_is_an_alert_at_once(registry: Registry, tmp_path: Path) -> None:
    file = write(tmp_path / "at-once", labelled_flows((3, "ddos", "DDoS")))

    assert figures(registry, file)["hosts"]["10.0.0.1"] == {
        "flagged": True,
        "first_alert_s": 0.0,
        "first_alert_flows": 1,
    }


def test_a_host_of_several_files_waits_on_through_them(registry: Registry, tmp_path: Path) -> None:
    missed = write(tmp_path / "missed", labelled_flows((5, "benign", "DDoS"), step=2.0))
    found = write(tmp_path / "found", labelled_flows((1, "benign", "DDoS"), (2, "ddos", "DDoS"), step=3.0))

    assert figures(registry, missed, found)["hosts"]["10.0.0.1"] == {
        "flagged": True,
        "first_alert_s": pytest.approx(8.0 + 3.0),
        "first_alert_flows": 5 + 2,
    }
    assert figures(registry, found, missed)["hosts"]["10.0.0.1"]["first_alert_flows"] == 2


def test_the_truth_of_a_whole_file_wins_over_its_labels(registry: Registry, capture: Path) -> None:
    found = figures(registry, f"canonical:anomaly:{capture}")

    assert found["labels"] == {"anomaly": {"rows": 25, "recall": pytest.approx(13 / 25)}}
    assert found["models"]["ddos_lgbm"]["rows"] == 0
    assert found["models"]["ddos_lgbm"]["fpr"] is None
    assert (found["final"]["rows"], found["final"]["positives"]) == (25, 25)


def test_a_file_that_is_malware_as_a_whole_is_judged_by_its_hosts_at_home(registry: Registry, tmp_path: Path) -> None:
    infected = [flow(at, "benign", f"10.0.0.{5 + at % 2}") for at in range(6)]
    infected += [flow(6.0, "benign", "203.0.113.9"), flow(7.5, "malware", "10.0.0.6")]
    found = figures(registry, f"malware:{write(tmp_path / 'infected', infected)}")

    assert found["hosts"] == {
        "10.0.0.5": {"flagged": False, "first_alert_s": None, "first_alert_flows": None},
        "10.0.0.6": {"flagged": True, "first_alert_s": pytest.approx(6.5), "first_alert_flows": 4},
    }
    assert found["final"]["rows"] == found["models"]["malware_lgbm"]["rows"] == 0
    assert (found["labels"], found["alerts_per_host_day"]) == ({}, None)


def test_without_a_host_at_home_all_hosts_of_a_malware_file_are_judged(registry: Registry, tmp_path: Path) -> None:
    file = write(tmp_path / "infected", [flow(at, "malware", dst_addr=f"203.0.113.{at}") for at in range(3)])

    assert set(figures(registry, f"malware:{file}", "--home", "192.0.2.0/24, fd00::/8")["hosts"]) == {
        "203.0.113.0",
        "203.0.113.1",
        "203.0.113.2",
    }


def test_false_alerts_are_set_against_home_hosts_and_days_of_traffic(registry: Registry, tmp_path: Path) -> None:
    # Two hosts for six hours: at any ten minutes one flow each, and a wrong one every two hours, by one of them.
    calm = [
        flow(at * 600.0, "malware" if at % 12 == 5 and host == 1 else "benign", f"10.0.0.{host}", label="Benign")
        for at in range(37)
        for host in (1, 2)
    ]
    ordinary = write(tmp_path / "ordinary", calm)
    # An attack's own alerts are nobody's false ones, and nor are its hosts residents; a scan of a free address neither.
    attacked = [*calm, *(flow(6 * HOUR, "ddos", "10.0.0.3", label="DDoS") for _ in range(5))]
    attacked.append(flow(6 * HOUR, "benign", "203.0.113.5", dst_addr="10.0.0.4", dst_packets=0, label="Unknown"))

    assert figures(registry, ordinary)["alerts_per_host_day"] == pytest.approx(3 / (2 * 0.25))
    assert figures(registry, write(tmp_path / "a", attacked))["alerts_per_host_day"] == pytest.approx(3 / (2 * 0.25))
    assert figures(registry, ordinary, ordinary)["alerts_per_host_day"] == pytest.approx(3 / (2 * 0.25))
    # A file without benign flows tells nothing about false alerts, and does not dilute them.
    attack = write(tmp_path / "b", labelled_flows((50, "benign", "DDoS"), (50, "ddos", "Background"), step=HOUR))
    assert figures(registry, ordinary, attack)["alerts_per_host_day"] == pytest.approx(3 / (2 * 0.25))
    assert figures(registry, attack)["alerts_per_host_day"] is None


@pytest.mark.parametrize("change", [{"start": None}, {"src_addr": "192.0.2.1"}, {"label": "DDoS"}])
def test_false_alerts_per_day_cannot_be_told_without_times_home_hosts_or_benign_flows(
    registry: Registry, tmp_path: Path, change: dict[str, Any]
) -> None:
    file = write(tmp_path / "calm", [flow(at, "malware", **{"label": "Benign"} | change) for at in range(50)])

    assert figures(registry, file)["alerts_per_host_day"] is None


def test_an_attack_without_times_is_found_after_flows_and_no_time(registry: Registry, tmp_path: Path) -> None:
    file = write(tmp_path / "timeless", [flow(0.0, kind, label="DDoS", start=None) for kind in ("benign", "malware")])

    assert figures(registry, file)["hosts"]["10.0.0.1"] == {
        "flagged": True,
        "first_alert_s": None,
        "first_alert_flows": 2,
    }


def test_a_file_does_not_remember_another(registry: Registry, tmp_path: Path) -> None:
    # Eight flows make a host known enough for an anomaly; four in each of two files do not.
    half = write(tmp_path / "half", labelled_flows((4, "benign", "Benign"), (3, "anomaly", "Scan")))

    assert figures(registry, half, half)["final"]["abstained"] == 6


def test_a_mixed_attack_meets_a_host_with_a_past(registry: Registry, tmp_path: Path) -> None:
    calm = write(tmp_path / "calm", [flow(at, label="Benign") for at in range(60)])
    scan = write(tmp_path / "scan", [flow(at, "anomaly", "10.9.9.9") for at in range(3)])
    spy = write(tmp_path / "spy", [flow(at, "malware", "10.9.9.8") for at in range(3)])
    scan_spec, spy_spec = f"anomaly:{scan}", f"malware:{spy}"

    alone = figures(registry, scan_spec)
    laid = figures(registry, scan_spec, spy_spec, "--mix", calm)
    assert (alone["final"]["rows"], alone["final"]["abstained"]) == (3, 3)
    assert (laid["final"]["rows"], laid["final"]["abstained"]) == (60 + 3, 0)  # the benign rows count once
    assert laid["labels"] == {"Benign": {"rows": 60, "recall": 1.0}, "anomaly": {"rows": 3, "recall": 1.0}}
    assert laid["hosts"] == {"10.0.0.1": {"flagged": True, "first_alert_s": 0.0, "first_alert_flows": 1}}
    assert laid["alerts_per_host_day"] == 0.0


def test_what_is_no_attack_from_end_to_end_is_not_laid_over_anything(
    registry: Registry, capture: Path, tmp_path: Path
) -> None:
    calm = write(tmp_path / "calm", [flow(at) for at in range(60)])
    scan = write(tmp_path / "scan", [flow(at, "anomaly", "10.9.9.9") for at in range(3)])
    found = figures(registry, capture, f"anomaly:{scan}", "--mix", f"benign:{calm}", "--mix", capture)

    assert found["labels"]["Benign"]["rows"] == 2 * 10  # of the file, and of the second mix, which was left over
    assert found["labels"]["benign"]["rows"] == 60


def test_wrong_mixes_end_with_2(registry: Registry, capture: Path, tmp_path: Path) -> None:
    unlabelled = write(tmp_path / "unlabelled", [flow(at) for at in range(9)])

    code, out, err = run(registry, capture, "--mix", f"benign:{unlabelled}")
    assert (code, out) == (2, "")
    assert "none of the files is attack from end to end" in err
    code, out, err = run(registry, f"ddos:{unlabelled}", "--mix", unlabelled)
    assert (code, out) == (2, "")
    assert "benign:PATH" in err


def test_site_fits_the_anomaly_model_for_this_evaluation_alone(
    registry: Registry, capture: Path, tmp_path: Path
) -> None:
    past = write(tmp_path / "past.ndjson", labelled_flows((1500, "benign", "Benign"), (2, "anomaly", "Scan")))
    before = registry.manifest().version
    code, out, err = run(registry, capture, "--site", past, "--json")

    assert code == 0
    assert "fitted on 1202 of 1502 flows of --site, unlabelled; the registry's is not used" in err
    assert json.loads(out)["models"]["anomaly_iforest"]["threshold"] == 0.5
    assert registry.manifest().version == before


def test_a_site_of_too_few_flows_has_no_say_or_no_model(registry: Registry, capture: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.ndjson", labelled_flows((600, "benign", "Benign")))
    few = write(tmp_path / "few.ndjson", labelled_flows((60, "benign", "Benign")))

    assert "too few for a say (at least 1000)" in run(registry, capture, "--site", short).err
    code, _, err = run(registry, capture, "--site", few)
    assert (code, "at least 200 are needed" in err) == (2, True)
    assert run(registry, capture, "--site", f"benign:{few}").code == 2
