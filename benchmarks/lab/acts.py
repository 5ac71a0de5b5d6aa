"""All that clients can do, by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from benchmarks.lab import attacks, packets, services, web
from benchmarks.lab.client import Client

Act = Callable[[Client], Awaitable[None]]

ACTS: Final[Mapping[str, Act]] = {
    act.__name__: act
    for act in (
        *(web.browse, web.write_form, web.read_slowly, web.check_health, web.ask_anew, web.ask_on),
        *(services.resolve, services.synchronise, services.work_in_a_shell, services.send_mail, services.back_up),
        *(attacks.slow_headers, attacks.slow_body),
        *(packets.syn, packets.syn_to_closed_port, packets.datagram_to_closed_port, packets.echo),
    )
}
