"""Argus's words for flows, in ours.

Sources: ra(1) of argus-client 3.0.8, and what it prints (``ArgusPrintState``, ``ArgusPrintDirection``): ``State``
is either the name of a state or, with ``ra -Z b``, the TCP flags that each side set (``FSPA_FSA``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from flows.batch import ABSENT, State
from flows.formats import protocols
from flows.formats.protocols import UDP

MANAGEMENT: Final = "man"  # a record of Argus's about itself
NOT_IP: Final = frozenset({"arp", "rarp", "llc", "ether", "ipx/spx", "lldp", "stp", "isis", "mpls", "loop"})
# What it calls by a name of its own: rtp, rtcp and udt are recognised inside UDP, unas is a number without a name.
_PROTOCOLS: Final = {"rtp": UDP, "rtcp": UDP, "udt": UDP, "ipnip": 4, "unas": ABSENT}
_FLAGS: Final = "FSRPAUEC"  # from the lowest bit on
LEFT, IN_DOUBT = 1, 2  # all that was seen came from the right side; it saw no SYN, and does not know who began
_DIRECTION: Final = re.compile(r"(<?)([-?|o]?)(>?)|who|tel")


class Told(NamedTuple):
    """What a ``State`` tells: the flags of either side, or by a name how it went if both sides spoke, or if one did."""

    left_flags: int
    right_flags: int
    both: int
    one: int


UNTOLD: Final = Told(ABSENT, ABSENT, ABSENT, ABSENT)
# With one side only, all but an unanswered request was seen from the middle: half of the packets took another way.
_STATES: Final[Mapping[str, Told]] = {
    "S0": Told(ABSENT, ABSENT, State.ATTEMPT, State.ATTEMPT),
    "REQ": Told(ABSENT, ABSENT, State.ATTEMPT, State.ATTEMPT),
    "INT": Told(ABSENT, ABSENT, State.ATTEMPT, State.ATTEMPT),
    "ACC": Told(ABSENT, ABSENT, State.ESTABLISHED, State.OTHER),
    "EST": Told(ABSENT, ABSENT, State.ESTABLISHED, State.OTHER),
    "CON": Told(ABSENT, ABSENT, State.ESTABLISHED, State.OTHER),
    "TIM": Told(ABSENT, ABSENT, State.ESTABLISHED, State.OTHER),
    "FIN": Told(ABSENT, ABSENT, State.ESTABLISHED, State.OTHER),  # closing; CLO says when it is closed
    "CLO": Told(ABSENT, ABSENT, State.CLOSED, State.OTHER),
    "RST": Told(ABSENT, ABSENT, State.RESET, State.OTHER),
}


def protocol(text: str) -> int:
    """Return the IANA number of a ``Proto``. Raises ValueError for one that is not known, or not IP."""
    number = _PROTOCOLS.get(text)
    return protocols.protocol(text) if number is None else number


def port(text: str) -> int:
    """Return a port, which may be in hexadecimal. Raises ValueError for what is none."""
    digits, base = (text[2:], 16) if text.startswith("0x") else (text, 10)
    if not (digits.isascii() and digits.isalnum()) or len(digits) > 5 or (number := int(digits, base)) > 0xFFFF:
        raise ValueError(text)
    return number


def direction(text: str) -> int:
    """Return what a ``Dir`` says, LEFT and IN_DOUBT or-ed. Raises ValueError for what is none of Argus's."""
    match = _DIRECTION.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    left, line, right = match.groups()
    return (LEFT if left and not right else 0) | (IN_DOUBT if line == "?" else 0)


def state(text: str) -> Told:
    """Read the ``State`` of a TCP flow. Raises ValueError for one that is neither a name nor flags."""
    if text in _STATES:
        return _STATES[text]
    left, line, right = text.partition("_")
    if not line:
        raise ValueError(text)
    return Told(_flags(left), _flags(right), ABSENT, ABSENT)


def _flags(letters: str) -> int:
    if len(letters) > len(_FLAGS):
        raise ValueError(letters)
    flags = 0
    for letter in letters:
        flags |= 1 << _FLAGS.index(letter)
    return flags
