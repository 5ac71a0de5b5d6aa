"""The scenarios: everyday life of a few servers, and what happens to them in its midst."""

from __future__ import annotations

from typing import Final

from benchmarks.lab.plan import Part, Scenario


def everyday(seconds: float) -> tuple[Part, ...]:
    """What visitors do all the time."""
    all_the_time = ((0.0, seconds),)
    return (
        Part("browse", "Benign-web", 1, 60, all_the_time, arrivals=1.5),
        Part("write_form", "Benign-web-form", 2, 20, all_the_time, arrivals=0.25),
        Part("read_slowly", "Benign-slow-reader", 3, 8, all_the_time, arrivals=0.2),
        Part("resolve", "Benign-DNS", 4, 60, all_the_time, arrivals=15.0),
        Part("synchronise", "Benign-NTP", 5, 40, all_the_time, arrivals=0.8),
        Part("work_in_a_shell", "Benign-shell", 6, 6, all_the_time, arrivals=0.2),
        Part("send_mail", "Benign-mail", 7, 20, all_the_time, arrivals=0.4),
        Part("check_health", "Benign-health-check", 8, 1, all_the_time),
        Part("back_up", "Benign-backup", 9, 1, ((seconds * 0.3, seconds),)),
        Part("ask_on", "Benign-crawler", 10, 1, ((seconds * 0.1, seconds * 0.8),), pace=3.0),
        Part("ask_anew", "Benign-API-client", 11, 5, all_the_time, pace=0.4),
    )


_UDP_WAVES: Final = ((6.0, 12.0), (23.0, 29.0))
_SYN_WAVES: Final = ((8.0, 11.0), (21.0, 24.0), (34.0, 37.0))


def _later(waves: tuple[tuple[float, float], ...], seconds: float) -> tuple[tuple[float, float], ...]:
    return tuple((begin + seconds, end + seconds) for begin, end in waves)


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "benign",
            "everyday life, and a flash crowd of some 350 visits",
            100.0,
            (
                *everyday(100.0),
                Part("browse", "Benign-flash-crowd", 16, 240, ((50.0, 85.0),), arrivals=10.0),
            ),
        ),
        Scenario(
            "http-flood",
            "240 addresses that ask for pages, half of them over a new connection each time",
            60.0,
            (
                *everyday(60.0),
                Part("ask_anew", "DDoS-HTTP-flood", 1, 40, ((8.0, 22.0), (36.0, 50.0)), pace=1.5),
                Part("ask_on", "DDoS-HTTP-flood-kept-alive", 2, 40, ((15.0, 29.0), (43.0, 57.0)), pace=2.5),
            ),
        ),
        Scenario(
            "slow",
            "72 addresses that hold connections open, with headers or forms that never end",
            70.0,
            (
                *everyday(70.0),
                Part("slow_headers", "DDoS-Slowloris", 1, 12, ((5.0, 70.0),), pace=0.5),
                Part("slow_body", "DDoS-slow-POST", 2, 12, ((5.0, 70.0),), pace=0.5),
            ),
        ),
        Scenario(
            "syn-flood",
            "SYN floods, some 10,000 packets each: from nobody, from hosts that answer, to closed ports",
            45.0,
            (
                *everyday(45.0),
                Part("syn", "DDoS-SYN-flood", 16, 2048, _SYN_WAVES, arrivals=1100.0, silent=True),
                Part("syn", "DDoS-SYN-flood-reset", 24, 2048, _later(_SYN_WAVES, 4), arrivals=1100.0),
                Part("syn_to_closed_port", "DDoS-SYN-flood-closed", 32, 2048, _later(_SYN_WAVES, 8), arrivals=1100.0),
            ),
        ),
        Scenario(
            "udp-icmp-flood",
            "floods of UDP to closed ports and of ICMP echo, some 14,000 packets each",
            40.0,
            (
                *everyday(40.0),
                Part("datagram_to_closed_port", "DDoS-UDP-flood", 16, 2048, _UDP_WAVES, arrivals=1200.0),
                Part("echo", "DDoS-ICMP-flood", 24, 2048, _later(_UDP_WAVES, 8), arrivals=1200.0),
            ),
        ),
    )
}  # fmt: skip
