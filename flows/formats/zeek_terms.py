"""Zeek's words for connections, in ours.

Sources: the Zeek manual, base/protocols/conn (``conn_state``, ``history``, ``service``), and RFC 9293 for what a
TCP segment with payload carries.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, Service, State

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMP6: Final = 58

_PROTOCOLS: Final = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "unknown_transport": ABSENT}

_STATES: Final = {
    "S0": State.ATTEMPT,
    "SH": State.ATTEMPT,  # SYN, then FIN; no SYN+ACK seen
    "RSTOS0": State.ATTEMPT,  # SYN, then RST; no SYN+ACK seen
    "REJ": State.REJECTED,
    "S1": State.ESTABLISHED,
    "S2": State.ESTABLISHED,  # half closed by the originator
    "S3": State.ESTABLISHED,  # half closed by the responder
    "SF": State.CLOSED,
    "RSTO": State.RESET,
    "RSTR": State.RESET,
    "RSTRH": State.OTHER,  # SYN+ACK, then RST from the responder; the SYN was not seen
    "SHR": State.OTHER,  # SYN+ACK, then FIN from the responder; the SYN was not seen
    "OTH": State.OTHER,
}

_SERVICES: Final = {
    "dns": Service.DNS,
    "http": Service.HTTP,
    "ssl": Service.TLS,
    "dtls": Service.TLS,
    "ssh": Service.SSH,
    "smtp": Service.SMTP,
    "dhcp": Service.DHCP,
    "ntp": Service.NTP,
    "ftp": Service.FTP,
    "ftp-data": Service.FTP,
    "irc": Service.IRC,
    "rdp": Service.RDP,
    "smb": Service.SMB,
    "snmp": Service.SNMP,
}

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

# What a letter of `history` tells of the flags; capital letters are the originator's. `history` says that there was
# payload, not that PSH was set: a segment of an established connection carries ACK (RFC 9293, 3.10.7.4), and the
# last segment of what an application wrote carries PSH (3.9.1.2), so payload stands for both. The letters g (gap),
# t (retransmission), w (zero window), c (bad checksum, the packet was ignored) and x tell nothing of flags.
_FLAGS: Final = {
    "s": SYN,
    "h": SYN | ACK,
    "a": ACK,
    "d": PSH | ACK,
    "f": FIN,
    "r": RST,
    "i": FIN | RST,
    "q": SYN,  # SYN with FIN or RST, not told which
}
_SILENT: Final = -2  # no letter at all for this direction


def protocol(text: str) -> int:
    """Return the IANA number; ICMP's is version 4's. Raises ValueError for a word that Zeek does not use."""
    if text not in _PROTOCOLS:
        raise ValueError(text)
    return _PROTOCOLS[text]


def state(text: str) -> int:
    """Return the :class:`State` of a ``conn_state``. Raises ValueError for one that Zeek does not write."""
    if text not in _STATES:
        raise ValueError(text)
    return _STATES[text]


def service(text: str) -> int:
    """Return the :class:`Service` of Zeek's comma-separated set of recognised protocols.

    The set has no order, so the choice has: an application protocol goes before the TLS that wraps it, and both
    before what we have no name for. A name with a minus sign in front was withdrawn by Zeek.
    """
    names = [name for name in text.lower().split(",") if name and not name.startswith("-")]
    if not names:
        return Service.UNRECOGNISED
    known = {_SERVICES.get(name, Service.OTHER) for name in names}
    return min(known, key=lambda found: (found == Service.OTHER, found == Service.TLS, found))


def history(text: str) -> tuple[int, int, bool, bool]:
    """Read a ``history``: flags of the originator and the responder, and whether packets of each were ignored.

    Flags are ABSENT where letters tell nothing of them, and a private mark where there is no letter, which
    :func:`tcp_flags` settles.
    """
    flags = [_SILENT, _SILENT]
    for letter in set(text):
        if letter.isalpha() and letter.isascii():
            responder = letter.islower()
            told = _FLAGS.get(letter.lower(), ABSENT)
            if told != ABSENT and flags[responder] > ABSENT:
                told |= flags[responder]
            flags[responder] = max(flags[responder], told)
    return flags[0], flags[1], "C" in text, "c" in text


def tcp_flags(
    told: npt.NDArray[np.int16], packets: npt.NDArray[np.float64], is_tcp: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int16]:
    """Settle flags, int16[n]: none where the direction sent nothing, ABSENT where nobody told or it is not TCP."""
    nothing_sent = (told == _SILENT) & (packets == 0)
    flags = np.where(nothing_sent, 0, np.maximum(told, ABSENT))
    return np.where(is_tcp, flags, ABSENT).astype(np.int16)
