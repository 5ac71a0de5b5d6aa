"""The hosts of one simulated network and of the Internet around it, drawn from a seed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulator.columns import Array, Generator

_MAPPED: Final = np.uint64(0xFFFF << 32)
# First octets with neither private, loopback, link-local, shared nor multicast space.
_PUBLIC_OCTETS: Final = np.array(
    [o for o in range(1, 224) if o not in {10, 100, 127, 169, 172, 192, 198, 203}], dtype=np.uint64
)
_SERVERS: Final = 9


@dataclass(frozen=True, slots=True)
class Network:
    """Who is there. Groups of hosts are ``uint64[k, 2]``, single hosts ``uint64[2]``."""

    clients: Array
    clients6: Array  # the same clients' IPv6 addresses (unique local)
    web: Array
    mail: Array
    resolver: Array
    files: Array
    files6: Array
    application: Array
    database: Array
    bastion: Array
    monitor: Array
    backup: Array
    sharers: Array  # clients that run a peer-to-peer program
    sites: Array  # what the clients visit, most popular first
    visitors: Array  # who visits the web server
    crowds: Array  # addresses behind which many visitors are: proxies, mobile carriers
    crawlers: Array  # of search engines
    ntp: Array  # the last one has been switched off
    mail_peers: Array
    vendors: Array  # updates and telemetry go there
    peers: Array  # of the peer-to-peer program

    @property
    def gateway(self) -> Array:
        """The client behind which the guests are, all with its address."""
        return np.asarray(self.clients[-1])

    @property
    def reachable(self) -> Array:
        """The servers that can be reached from the Internet, ``uint64[3, 2]``."""
        return self.servers[:3]

    @property
    def servers(self) -> Array:
        """All inside servers, ``uint64[9, 2]``; the first three can be reached from the Internet."""
        return np.stack(
            [
                self.web,
                self.mail,
                self.resolver,
                self.files,
                self.application,
                self.database,
                self.bastion,
                self.monitor,
                self.backup,
            ]
        )


def public_addresses(rng: Generator, n: int) -> Array:
    """Draw ``n`` IPv4 addresses of the Internet at large: ``uint64[n, 2]``."""
    low = rng.integers(1, (1 << 24) - 1, n, dtype=np.uint64)
    return _ipv4((rng.choice(_PUBLIC_OCTETS, n) << np.uint64(24)) | low)


def pick(rng: Generator, hosts: Array, n: int, skew: float = 0.0) -> Array:
    """Draw ``n`` of ``hosts`` with popularity falling as rank to the power ``-skew`` (0 = evenly)."""
    if skew == 0.0:
        return np.asarray(hosts[rng.integers(0, len(hosts), n)])
    weights = np.arange(1, len(hosts) + 1) ** -skew
    return np.asarray(hosts[rng.choice(len(hosts), n, p=weights / weights.sum())])


def draw_network(rng: Generator, subnet: str, clients: int) -> Network:
    """Draw a network of ``clients`` clients and nine servers inside ``subnet`` (IPv4 CIDR), and its surroundings.

    Raises ValueError when the subnet is not one, or too small.
    """
    parsed = ipaddress.IPv4Network(subnet)
    room = np.arange(1, parsed.num_addresses - 1, dtype=np.uint64) + np.uint64(int(parsed.network_address))
    if len(room) < clients + _SERVERS:
        raise ValueError(f"{subnet} has room for {len(room)} hosts, not for {clients} clients and {_SERVERS} servers")
    inside = _ipv4(rng.choice(room, clients + _SERVERS, replace=False))
    people, servers = inside[:clients], inside[clients:]
    web, mail, resolver, files, application, database, bastion, monitor, backup = servers
    site = int(rng.integers(0, 1 << 32))
    return Network(
        clients=people,
        clients6=_unique_local(people, site),
        web=web,
        mail=mail,
        resolver=resolver,
        files=files,
        files6=_unique_local(files[None], site)[0],
        application=application,
        database=database,
        bastion=bastion,
        monitor=monitor,
        backup=backup,
        sharers=people[: max(1, clients // 20)],
        sites=public_addresses(rng, int(rng.integers(250, 500))),
        visitors=public_addresses(rng, int(rng.integers(1200, 2500))),
        crowds=public_addresses(rng, 3),
        crawlers=public_addresses(rng, 1) + np.arange(6, dtype=np.uint64)[:, None] * np.array([0, 1], dtype=np.uint64),
        ntp=public_addresses(rng, 4),
        mail_peers=public_addresses(rng, 30),
        vendors=public_addresses(rng, 12),
        peers=public_addresses(rng, int(rng.integers(300, 900))),
    )


def _ipv4(numbers: Array) -> Array:
    return np.stack([np.zeros(len(numbers), dtype=np.uint64), numbers | _MAPPED], axis=1)


def _unique_local(hosts: Array, site: int) -> Array:
    """IPv6 addresses in fd00::/8 for IPv4 hosts, with the IPv4 number as the last bits."""
    high = np.uint64(0xFD << 56 | site << 16)
    return np.stack([np.full(len(hosts), high), hosts[:, 1] & np.uint64(0xFFFFFFFF)], axis=1)
