"""The benign life of a network: what its people and machines do all day, attack or no attack."""

from __future__ import annotations

from flows.simulator.columns import Columns, Generator, merge
from flows.simulator.machines import backups_and_updates, clockwork, heartbeats, inside_services
from flows.simulator.network import Network
from flows.simulator.nuisances import dead_services, idle_connections, pings_and_sweeps
from flows.simulator.people import browsing, failures, mail, peer_to_peer, visits
from flows.simulator.radiation import radiation
from flows.simulator.span import Span


def benign_life(rng: Generator, network: Network, span: Span) -> Columns:
    """Everything benign of one network in one span, unordered."""
    causes = (
        browsing,
        visits,
        mail,
        peer_to_peer,
        failures,
        inside_services,
        clockwork,
        heartbeats,
        backups_and_updates,
        dead_services,
        idle_connections,
        pings_and_sweeps,
        radiation,
    )
    return merge([cause(rng, network, span) for cause in causes])
