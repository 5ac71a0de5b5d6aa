"""``tidegate evaluate`` on real captures: the publishers' counts, and the verdicts that ``tidegate score`` gives."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flows.files import parse_spec, read_flows
from flows.labels import truth_of
from model_registry.registry import Registry
from tests.support.command import tidegate_command
from tests.support.serving import serving_registry

IOT23 = "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz"
NORMAL = "ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz"
NJRAT = "ctu-zeek/ctu-botnet-230-1_njrat_first1000.conn.log.labeled.gz"
INFECTED = "ctu-zeek/ctu-botnet-4_LABELS-ARE-PLACEHOLDERS.conn.log.labeled.gz"
WORKSTATION = "ctu-zeek/ctu-sme-11_ubuntu2204-1_2023-02-20.conn.log.labeled.gz"
FLOOD = "ddos-captures/amp.UDP.snmp.src161.argus.binetflow.gz"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The shipped rules beside models that see refused, reset and ICMP flows: none of them was made to look good."""
    return serving_registry(tmp_path_factory.mktemp("captures"))


def evaluate(registry: Registry, *arguments: object) -> dict[str, Any]:
    code, out, err = tidegate_command("evaluate", "--registry", registry.path, *arguments, "--json")
    assert code == 0
    assert all(" is known as " in line for line in err.splitlines())
    found: dict[str, Any] = json.loads(out)
    return found


def test_rows_are_the_publishers_counts(registry: Registry, datasets: Path) -> None:
    found = evaluate(registry, datasets / IOT23)

    assert {label: counted["rows"] for label, counted in found["labels"].items()} == {
        "DDoS": 14_394,
        "C&C": 6_706,
        "PartOfAHorizontalPortScan": 122,
        "Benign": 1_923,
    }
    rows = {name: (measures["rows"], measures["positives"]) for name, measures in found["models"].items()}
    assert rows == {
        "ddos_lgbm": (1_923 + 14_394, 14_394),
        "malware_lgbm": (1_923 + 6_706, 6_706),
        "anomaly_iforest": (1_923 + 122, 122),
    }
    assert (found["final"]["rows"], found["final"]["positives"]) == (23_145, 21_222)
    assert found["final"]["fpr_upper95"] == "cannot be told"
    assert set(found["hosts"]) == {"192.168.1.195"}


def test_verdicts_are_those_of_score(registry: Registry, datasets: Path) -> None:
    path = datasets / NORMAL
    home = ("--home", "147.32.0.0/16")
    found = evaluate(registry, path, *home)
    code, out, _ = tidegate_command("score", "--registry", registry.path, *home, "--verdicts", "all", "--json", path)
    assert code == 0

    labels = [
        label
        for chunk in read_flows([parse_spec(str(path))])
        if chunk.decoded.labels is not None
        for label in chunk.decoded.labels
    ]
    verdicts = [json.loads(line) for line in out.splitlines()]
    assert len(verdicts) == len(labels)
    right: Counter[str] = Counter()
    attacked: dict[str, list[bool]] = {}
    for label, verdict in zip(labels, verdicts, strict=True):
        flagged = verdict["verdict"] not in {"benign", "abstain"}
        right[label] += flagged == (truth_of(label) != "benign")
        if truth_of(label) not in {"", "benign"}:
            attacked.setdefault(verdict["key_host"], []).append(flagged)
    assert {label: round(told["recall"] * told["rows"]) for label, told in found["labels"].items()} == {
        "External-Attack-to-Device": right["External-Attack-to-Device"],
        "Benign": right["Benign"],
    }
    assert found["final"]["abstained"] == sum(
        verdict["verdict"] == "abstain" and truth_of(label) != ""
        for label, verdict in zip(labels, verdicts, strict=True)
    )
    assert {host: told["first_alert_flows"] for host, told in found["hosts"].items()} == {
        host: flags.index(True) + 1 if any(flags) else None for host, flags in attacked.items()
    }
    assert found["final"]["fpr_upper95"] > found["final"]["fpr"] > 0.0


def test_what_nobody_labelled_is_no_row(registry: Registry, datasets: Path) -> None:
    found = evaluate(registry, datasets / NJRAT)

    assert {label: counted["rows"] for label, counted in found["labels"].items()} == {"CC": 244, "Benign": 9}
    assert found["final"]["rows"] == 253


def test_an_infected_host_is_judged_by_itself_and_not_by_its_placeholders(registry: Registry, datasets: Path) -> None:
    found = evaluate(registry, f"malware:{datasets / INFECTED}", datasets / WORKSTATION)

    assert set(found["hosts"]) == {"10.0.2.19", "10.0.2.2"}  # the infected machine, and its virtual gateway
    assert set(found["labels"]) == {"Benign"}
    assert (found["final"]["rows"], found["final"]["positives"]) == (6_796, 0)
    assert isinstance(found["final"]["fpr_upper95"], float)
    assert isinstance(found["alerts_per_host_day"], float)


def test_a_flood_is_laid_over_the_ordinary_life_of_a_workstation(registry: Registry, datasets: Path) -> None:
    flood = f"ddos:{datasets / FLOOD}"
    alone = evaluate(registry, flood)
    found = evaluate(registry, flood, "--mix", datasets / WORKSTATION)

    assert (alone["final"]["rows"], set(alone["hosts"])) == (4_296, {"10.10.10.10"})
    assert (found["final"]["rows"], found["final"]["positives"]) == (6_796 + 4_296, 4_296)
    assert {label: counted["rows"] for label, counted in found["labels"].items()} == {"Benign": 6_796, "ddos": 4_296}
    assert set(found["hosts"]) == {"192.168.1.109"}  # the victim has a past now
    # It came over in a fiftieth of a second; whatever it took to be found, it was no longer than that.
    assert found["hosts"]["192.168.1.109"]["flagged"]
    assert 0.0 <= found["hosts"]["192.168.1.109"]["first_alert_s"] < 0.03
    assert found["alerts_per_host_day"] == evaluate(registry, datasets / WORKSTATION)["alerts_per_host_day"]
