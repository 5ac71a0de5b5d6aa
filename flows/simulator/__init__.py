"""Seeded flow traffic with ground truth: the benign life of networks, and scripted attacks on them."""

from flows.simulator.attack import Attack
from flows.simulator.floods import FlashCrowd, HttpFlood, SynFlood, UdpAmplification
from flows.simulator.intrusions import Beacon, IcmpTunnel, PortScan
from flows.simulator.ready import live_scenario, past_scenario, training_scenario
from flows.simulator.scenario import Capture, Scenario
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
    "past_scenario",
    "simulate",
    "training_scenario",
]
