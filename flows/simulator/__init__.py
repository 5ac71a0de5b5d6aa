"""Seeded flow traffic with ground truth: the benign life of networks, and scripted attacks on them."""

from flows.simulator.attacks import (
    Attack,
    Beacon,
    FlashCrowd,
    HttpFlood,
    IcmpTunnel,
    PortScan,
    SynFlood,
    UdpAmplification,
)
from flows.simulator.scenario import Capture, Scenario, live_scenario, training_scenario
from flows.simulator.traffic import AttackFacts, SimulatedTraffic, simulate

__all__ = [
    "Attack",
    "AttackFacts",
    "Beacon",
    "Capture",
    "FlashCrowd",
    "HttpFlood",
    "IcmpTunnel",
    "PortScan",
    "Scenario",
    "SimulatedTraffic",
    "SynFlood",
    "UdpAmplification",
    "live_scenario",
    "simulate",
    "training_scenario",
]
