"""What the labels of public captures mean."""

from __future__ import annotations

import pytest

from flows.labels import TRUTHS, is_understood, label_text, truth_of


@pytest.mark.parametrize(
    ("label", "detailed", "text"),
    [
        ("Malicious", "DDoS", "DDoS"),
        ("Malicious", "C&C", "C&C"),
        ("Malicious", "External-Attack-to-Device", "External-Attack-to-Device"),
        ("malicious", "CC", "CC"),
        ("Malicious", "(empty)", "Malicious"),
        ("Malicious", "-", "Malicious"),
        ("Benign", "-", "Benign"),
        ("Benign", "From_benign-To_benign-DNS", "Benign"),
        ("Background", "(empty)", "Background"),
        ("Unknown", "(empty)", "Unknown"),
        ("-", "DDoS", "DDoS"),
        ("(empty)", "-", ""),
        ("", "", ""),
    ],
)
def test_the_label_that_decides(label: str, detailed: str, text: str) -> None:
    assert label_text(label, detailed) == text


@pytest.mark.parametrize(
    ("label", "truth"),
    [
        ("DDoS", "ddos"), ("DDoS-Attack", "ddos"), ("ddos", "ddos"),
        ("C&C", "malware"), ("C&C-HeartBeat", "malware"), ("C&C-HeartBeat-Attack", "malware"), ("CC", "malware"),
        ("Okiru", "malware"), ("Okiru-Attack", "malware"), ("RAT", "malware"), ("Malware-UDP-DNS", "malware"),
        ("Malware-TCP", "malware"), ("C&C-Torii", "malware"), ("C&C-FileDownload", "malware"), ("malware", "malware"),
        ("PartOfAHorizontalPortScan", "anomaly"), ("PartOfAHorizontalPortScan-Attack", "anomaly"),
        ("External-Attack-to-Device", "anomaly"), ("External-Attack", "anomaly"), ("Brute-Force", "anomaly"),
        ("bruteforce", "anomaly"), ("Brute Force", "anomaly"), ("Brute_Force -Web", "anomaly"), ("SYN Flood", "ddos"),
        ("DrDoS_DNS", "ddos"), ("C2", "malware"), ("Infilteration", "anomaly"), ("Attack", "anomaly"),
        ("anomaly", "anomaly"),
        ("Benign", "benign"), ("benign", "benign"), ("BENIGN", "benign"), (" Benign ", "benign"),
        ("Background", ""), ("Background-CC", ""), ("Unknown", ""), ("Malicious", ""), ("", ""), ("-", ""),
        ("(empty)", ""), ("Rating", ""), ("From_malicious-To_benign-DNS", ""), ("x" * 100_000, ""), ("\x00", ""),
    ],
)  # fmt: skip
def test_truth(label: str, truth: str) -> None:
    assert truth_of(label) == truth


@pytest.mark.parametrize(
    ("label", "truth"),
    [
        ("flow=Malware-UDP-DNS", "malware"), ("flow=Malware-TCP", "malware"), ("flow=Background", ""),
        ("flow=Background-UDP-Attempt-DNS", ""), ("flow=TCP-Established-To-Microsoft-7", ""),
        ("flow=From-Botnet-V42-TCP-CC1-HTTP-Not-Encrypted", "malware"), ("flow=From-Botnet-V51-1-ICMP-DDoS", "ddos"),
        ("flow=From-Normal-V42-Stribrek", "benign"), ("flow=Normal-V42-HTTP-windowsupdate", "benign"),
        ("flow=To-Normal-V42-UDP-NTP-server", ""), ("flow=To-Background-UDP-CVUT-DNS-Server", ""),
        ("flow=From-Background-CVUT-Proxy", ""), ("flow=To-Botnet-V42-TCP", ""), ("From-Botnet", "malware"),
        ("Normal", "benign"), ("flow=", ""), ("flow=From", ""), ("From_benign-To_malicious-TCP", ""),
    ],
)  # fmt: skip
def test_truth_of_the_ctu_s_flow_files(label: str, truth: str) -> None:
    assert truth_of(label) == truth


@pytest.mark.parametrize(
    ("label", "truth"),
    [
        ("BENIGN", "benign"), ("DDoS", "ddos"), ("Bot", "malware"), ("PortScan", "anomaly"), ("DoS Hulk", "ddos"),
        ("DoS slowloris", "ddos"), ("FTP-Patator", "anomaly"), ("SSH-Patator", "anomaly"),
        ("Heartbleed", "anomaly"), ("Infiltration", "anomaly"), ("Web Attack \u2013 XSS", "anomaly"),
        ("Web Attack \ufffd Brute Force", "anomaly"), ("Bottom", ""), ("dosage", ""),
    ],
)  # fmt: skip
def test_truth_of_cicids2017(label: str, truth: str) -> None:
    assert truth_of(label) == truth


@pytest.mark.parametrize("label", ["", "-", "Background", "flow=Background-UDP", "Unknown", "Benign", "DDoS"])
def test_labels_that_say_what_a_flow_is_or_openly_do_not(label: str) -> None:
    assert is_understood(label)


@pytest.mark.parametrize("label", ["Malicious", "zebra", "x" * 100_000])
def test_labels_that_nobody_understands(label: str) -> None:
    assert not is_understood(label)


def test_the_truths_are_their_own_labels() -> None:
    assert tuple(truth_of(truth) for truth in TRUTHS) == TRUTHS
