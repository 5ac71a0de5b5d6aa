"""IP protocols as exporters write them: a number, or a name of IANA's registry or of Unix's /etc/protocols."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT

TCP: Final = 6
UDP: Final = 17
_MAX: Final = 255

# IANA's keywords of 0 to 144 in their order; a dash where the registry has none.
_KEYWORDS: Final = """
hopopt icmp igmp ggp ipv4 st tcp cbt egp igp bbn-rcc-mon nvp-ii pup argus emcon xnet chaos udp mux dcn-meas hmp prm
xns-idp trunk-1 trunk-2 leaf-1 leaf-2 rdp irtp iso-tp4 netblt mfe-nsp merit-inp dccp 3pc idpr xtp ddp idpr-cmtp tp++
il ipv6 sdrp ipv6-route ipv6-frag idrp rsvp gre dsr bna esp ah i-nlsp swipe narp mobile tlsp skip ipv6-icmp
ipv6-nonxt ipv6-opts - cftp - sat-expak kryptolan rvd ippc - sat-mon visa ipcv cpnx cphb wsn pvp br-sat-mon sun-nd
wb-mon wb-expak iso-ip vmtp secure-vmtp vines iptm nsfnet-igp dgp tcf eigrp ospfigp sprite-rpc larp mtp ax.25 ipip
micp scc-sp etherip encap - gmtp ifmp pnni pim aris scps qnx a/n ipcomp snp compaq-peer ipx-in-ip vrrp pgm - l2tp ddx
iatp stp srp uti smp sm ptp isis fire crtp crudp sscopmce iplt sps pipe sctp fc rsvp-e2e-ignore mobility-header
udplite mpls-in-ip manet hip shim6 wesp rohc ethernet aggfrag
"""

_NUMBERS: Final = {name: number for number, name in enumerate(_KEYWORDS.split()) if name != "-"} | {
    # Other names of the same, from /etc/protocols and from the tables inside pmacct and Suricata.
    "any": ABSENT,  # Suricata's word for five numbers: it does not tell which
    "icmp6": 58,
    "icmpv6": 58,
    "ip": 0,
    "ip-encap": 4,
    "ip-in-ip": 4,
    "ipcu": 71,
    "ipencap": 4,
    "ipsec-ah": 51,
    "ipsec-esp": 50,
    "is-is": 124,
    "mobility": 135,
    "os": 94,
    "ospf": 89,
    "rspf": 73,
    "ttp": 84,
    "udp-lite": 136,
}
_WITH_PORTS: Final = (TCP, UDP, 33, 132, 136)  # and DCCP, SCTP, UDP-Lite


def protocol(text: str) -> int:
    """Return the IANA number of a name, whatever its case, or of a number in decimal. Raises ValueError for others."""
    if text.isdecimal() and text.isascii() and len(text) <= 3 and int(text) <= _MAX:
        return int(text)
    number = _NUMBERS.get(text.lower())
    if number is None:
        raise ValueError(text)
    return number


def with_ports(protocols: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Tell which of the protocols have ports: bool[n]. What exporters write as ICMP's is its type and code."""
    return np.isin(protocols, _WITH_PORTS)
