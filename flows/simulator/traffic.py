"""From a scenario to flows in arrival order, with the truth about each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.addresses import format_address
from flows.batch import FlowBatch
from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import Array, Columns, Generator, end_times, merge, whole_microseconds
from flows.simulator.exporters import told
from flows.simulator.life import benign_life
from flows.simulator.network import draw_network
from flows.simulator.scenario import Scenario
from flows.simulator.span import Span


@dataclass(frozen=True, slots=True)
class AttackFacts:
    """What is true about one scripted attack; addresses as text, times in s since 1970."""

    name: str
    label: str
    capture: int  # position in the scenario
    victim: str
    actor: str  # "" where there is no one actor
    start: float  # of its first flow
    end: float  # of its last flow
    flows: int


@dataclass(frozen=True, slots=True)
class SimulatedTraffic:
    """``n`` flows in arrival order, and the truth about each."""

    batch: FlowBatch
    labels: Array  # object[n]: "benign", "ddos", "malware" or "anomaly"
    attack: Array  # object[n]: the scripted attack's name, "" for ordinary life
    capture: Array  # int64[n]: position of the flow's capture in the scenario
    facts: tuple[AttackFacts, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    columns: Columns
    capture: int
    label: str = "benign"
    name: str = ""

    def __len__(self) -> int:
        return len(self.columns["start"])


def simulate(scenario: Scenario) -> SimulatedTraffic:
    """Draw the scenario's traffic: the same scenario gives the same bytes.

    Flows come in the order in which they end (start + duration), as an exporter writes them.

    Raises:
        ValueError: a network has no room for its clients, or an attack is too short or slow to cause any flow.
        IndexError: an attack names a client that its network does not have.
    """
    parts: list[_Part] = []
    facts: list[AttackFacts] = []
    for number, capture in enumerate(scenario.captures):
        start = scenario.start + capture.at
        # Network, life and each attack have dice of their own: taking one attack out leaves all else as it was.
        network = draw_network(_dice(scenario, number, 0), capture.subnet, capture.clients)
        dice = _dice(scenario, number, 1, scenario.day)
        span = Span.draw(dice, start, capture.duration, capture.rate, capture.hour)
        life = told(benign_life(dice, network, span), capture.exporter)
        parts.append(_Part(whole_microseconds(life), number))
        for position, attack in enumerate(capture.attacks):
            scripted = attack.flows(_dice(scenario, number, 2 + position, scenario.day), network, start)
            written = whole_microseconds(told(scripted.columns, capture.exporter))
            parts.append(_Part(written, number, attack.label, attack.name))
            facts.append(_facts(attack, number, scripted, written))
    columns = merge([part.columns for part in parts])
    order = np.argsort(end_times(columns), kind="stable")
    which = np.repeat(np.arange(len(parts)), [len(part) for part in parts])[order]
    columns = {name: column[order] for name, column in columns.items()}
    columns["sensor_id"] = np.full(len(order), "simulator", dtype=object)
    columns["flow_id"] = np.array([f"S{scenario.seed}-{row:06d}" for row in range(len(order))], dtype=object)
    return SimulatedTraffic(
        FlowBatch.from_columns(len(order), columns),
        labels=np.array([part.label for part in parts], dtype=object)[which],
        attack=np.array([part.name for part in parts], dtype=object)[which],
        capture=np.array([part.capture for part in parts], dtype=np.int64)[which],
        facts=tuple(facts),
    )


def _dice(scenario: Scenario, capture: int, stream: int, day: int = 0) -> Generator:
    return np.random.default_rng([scenario.seed, capture, stream, *([day] if day else ())])


def _facts(attack: Attack, capture: int, scripted: Scripted, written: Columns) -> AttackFacts:
    start = written["start"]
    if len(start) == 0:
        raise ValueError(
            f"{attack.name} at {attack.at} s of capture {capture} causes no flow: make it longer or faster"
        )
    return AttackFacts(
        name=attack.name,
        label=attack.label,
        capture=capture,
        victim=_text(scripted.victim),
        actor="" if scripted.actor is None else _text(scripted.actor),
        start=float(start.min()),
        end=float(end_times(written).max()),
        flows=len(start),
    )


def _text(address: Array) -> str:
    high, low = address.tolist()
    return format_address(high, low)
