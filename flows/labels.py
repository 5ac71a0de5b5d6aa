"""What the labels of public captures mean: from a label's own words to what the models learn from.

Captures label in two columns, a coarse one ("Malicious", "Benign", "Background") and a detailed one ("DDoS", "CC",
"From_benign-To_benign-DNS"). :func:`label_text` keeps the one that decides, in its original words, and
:func:`truth_of` maps it. The CTU's flow files have one column ("flow=From-Botnet-V42-UDP-DNS"), as has CICIDS2017.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

TRUTHS: Final = ("ddos", "malware", "anomaly", "benign")

_UNSET: Final = frozenset({"", "-", "(empty)"})
_MAX_LABEL: Final = 256  # characters; longer text is nobody's label and is not worth remembering

_BENIGN: Final = frozenset({"benign", "normal"})
_NOBODY_KNOWS: Final = frozenset({"background", "unknown", "to"})
_MALWARE: Final = frozenset(
    {"malware", "c&c", "cc", "okiru", "rat", "torii", "mirai", "filedownload", "bot", "botnet", "c2", "cnc"}
)
_FLOOD: Final = frozenset({"ddos", "dos", "drdos", "flood"})
_ANOMALY: Final = re.compile(r"anomaly|scan|brute[-_ ]?force|attack|patator|heartbleed|infilte?ration")
_WORD: Final = re.compile(r"[a-z0-9&]+")
_SENDERS: Final = frozenset({"botnet", "normal", "background"})  # of the CTU's "From-Botnet", "From-Normal"


def label_text(label: str, detailed: str = "") -> str:
    """Return the label that decides: the detail of what is called malicious, else the coarse label.

    "Malicious" + "DDoS" gives "DDoS"; "Benign" + "From_benign-To_benign-DNS" gives "Benign"; nothing gives "".
    """
    coarse = "" if label in _UNSET else label
    detail = "" if detailed in _UNSET else detailed
    if not coarse or coarse.lower() == "malicious":
        return detail or coarse
    return coarse


def truth_of(label: str) -> str:
    """Return what a label says the flow is: one of :data:`TRUTHS`, or "" when it does not say.

    DDoS is ddos, and so is DoS, as CICIDS2017 calls floods from a single source; C&C, CC, Okiru, RAT, Malware-* and
    IoT-23's other names of malware are malware; scans, brute force and attacks from outside are anomaly.
    From-Botnet is malware, Normal and From-Normal are benign; what goes To anybody says nothing of its sender.
    Background and Unknown were labelled by nobody, and a bare "Malicious" names no kind: both are "".
    """
    return _truth_of(label) if len(label) <= _MAX_LABEL else ""


def is_understood(label: str) -> bool:
    """Tell whether a label says what the flow is, or openly does not: it is empty, Background or Unknown."""
    words = _WORD.findall(label[:_MAX_LABEL].lower().removeprefix("flow="))
    return not words or words[0] in _NOBODY_KNOWS or bool(truth_of(label))


@lru_cache(maxsize=4096)
def _truth_of(label: str) -> str:
    text = label.strip().lower().removeprefix("flow=")
    words = _WORD.findall(text)
    if len(words) > 1 and words[0] == "from" and words[1] in _SENDERS:
        del words[0]
    if not words or words[0] in _NOBODY_KNOWS:
        return ""
    if words[0] in _BENIGN:
        return "benign"
    if not _FLOOD.isdisjoint(words):
        return "ddos"
    if not _MALWARE.isdisjoint(words):
        return "malware"
    return "anomaly" if _ANOMALY.search(text) else ""
