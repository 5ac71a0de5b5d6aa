"""Seeded flow traffic with ground truth: the benign life of networks, and scripted attacks on them."""

from flows.simulator.attack import Attack
from flows.simulator.direct_floods import AckFlood, IcmpFlood, OutboundFlood, UdpFlood
from flows.simulator.exporters import Exporter
from flows.simulator.floods import FlashCrowd, HttpFlood, SynFlood, UdpAmplification
from flows.simulator.intrusions import AuthorisedScan, Beacon, IcmpTunnel, PortScan
from flows.simulator.malware import ChatCommand, DeadCommand, LazyBeacon, MadeUpNames, PeerBot
from flows.simulator.peers import GonePeers
from flows.simulator.ready import hard_scenario, live_scenario, past_scenario, training_scenario
from flows.simulator.scenario import Capture, Scenario
from flows.simulator.servers import BusyNames, BusyService, Pings
from flows.simulator.slow_floods import Slowloris, SlowSynFlood
from flows.simulator.traffic import AttackFacts, SimulatedTraffic, simulate

__all__ = [
    "AckFlood",
    "Attack",
    "AttackFacts",
    "AuthorisedScan",
    "Beacon",
    "BusyNames",
    "BusyService",
    "Capture",
    "ChatCommand",
    "DeadCommand",
    "Exporter",
    "FlashCrowd",
    "GonePeers",
    "HttpFlood",
    "IcmpFlood",
    "IcmpTunnel",
    "LazyBeacon",
    "MadeUpNames",
    "OutboundFlood",
    "PeerBot",
    "Pings",
    "PortScan",
    "Scenario",
    "SimulatedTraffic",
    "SlowSynFlood",
    "Slowloris",
    "SynFlood",
    "UdpAmplification",
    "UdpFlood",
    "hard_scenario",
    "live_scenario",
    "past_scenario",
    "simulate",
    "training_scenario",
]
