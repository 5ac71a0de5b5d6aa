"""What model cards say in words: what a model is for, and what is known to be wrong with it.

Every limit is one that this repository measured or built; a figure in it stands in ``docs/evaluation.md`` as well.
"""

from __future__ import annotations

from typing import Final

from training import anomaly, ddos, malware
from training.datasets import Origin
from training.datasets.simulated import ABOUT as SIMULATED
from training.intervals import RESAMPLES, STRETCHES

PURPOSE: Final = {
    ddos.NAME: "Finds the flows of a flood, by what arrives at a host and how fast.",
    malware.NAME: "Finds machines that call home, by what becomes of a pair of hosts, not by what one call is like.",
    anomaly.NAME: "Finds flows that are merely strange: unlike the ordinary life that it has seen.",
}

INTENDED_USE: Final = (
    "As one vote beside rules and statistics in Tidegate's verdicts, on flows measured by the same feature catalogue.",
    "Not by itself: the ensemble weighs it, and abstains where too little is known of a flow.",
    "Not as the only reason to cut a host off or to accuse anybody: a verdict is where a person begins to look.",
    "Not on a new network before a trial there: `tidegate evaluate` tells how it does on labelled flows of yours.",
)

INTERVALS: Final = (
    "A rate's interval reaches as far as either of two. The exact one (Clopper and Pearson 1934) takes flows for "
    "independent of each other; they are not, so by itself it is too narrow. The other cuts each capture's attacks and "
    f"its benign flows into {STRETCHES} runs of consecutive flows each, and draws runs anew, {RESAMPLES} times. Areas "
    "have that one only, and none where every draw gives the same. Both are about other stretches of the same "
    "captures. **How far the figures would move on another network they do not say.**"
)

_OF_MODEL: Final = {
    ddos.NAME: (
        "**Its threshold belongs to ordinary life that it has seen.** The captures that it was set on hold hardly any "
        "servers; those of the simulator and drawn ones stand for them. Busy servers told of by one-way records are "
        "the likeliest false alarms.",
        "The first flows of a flood are like any others, and it does not learn from them. Of five floods, each left "
        "out of training on published captures, it found 89.34 to 99.94 %, least of the smallest.",
        "A flood of whole web requests and a slow attack are, flow by flow, visits like any other: look at the host.",
    ),
    malware.NAME: (
        "**It finds what calls in vain**: programs whose server is gone, or lets them in now and then, and those that "
        "ask for a great many names. A beacon that is answered every time is as regular as any program that asks for "
        "news; regularity is left to rules and statistics. Of the one such beacon in the published captures it finds "
        "nothing.",
        "A file-sharing program calls peers that are gone as malware calls a dead command server. That other calls of "
        "its host fail, too, tells them apart; where few do, one looks like the other.",
        "A host at home that resolves names for others may ask as many as malware that makes them up.",
        "A pair that has just met has no past yet: its first calls may be missed, and whoever calls only once.",
        "A pair's period, sizes and shares of bytes are kept from it, since they are the malware author's choice.",
    ),
    anomaly.NAME: (
        "**It belongs to one site.** On another its ranking may be worse than chance, so without enough flows of the "
        "site's own past the ensemble gives it no say: `tidegate train --site`.",
        "**Strange is not hostile.** A new backup may be strange, too; and ordinary life changes. On later traffic of "
        "published captures far more benign flows were over its threshold than the stated share: up to a third.",
        "What it finds at its threshold has no floor among the gates: a fast scan is found whole, a slow one hardly at "
        "all. It is asked to rank strange flows above ordinary ones, and for few false alarms.",
        "It looks at one feature at a time and at no pairs; where a host began a flow, only at what that host does.",
        "An attack that went on in the past that it was fitted on is ordinary life to it.",
    ),
}

_SIMULATED: Final = (
    "Simulator and detector come from the same house: what its authors did not think of is in neither.",
    "The traffic was made as hard as the gates allow, and the anomaly model's columns and rate were chosen while "
    "looking at it. The figures are optimistic by that.",
)
_CAPTURES: Final = (
    "It believes the captures' labels: where those are wrong, so are the model and these figures.",
    "What it learns from beside the captures was drawn by people who had looked at them.",
)

_OF_EVERY_MODEL: Final = (
    "**Evasion** is not measured: nobody has shaped traffic here in order to get past this model.",
    "**Networks change, and it does not.** It carries a profile of what it was trained on, but serving does not yet "
    "compare with that. Judge it again by newly labelled flows.",
    "**One-way flows** (NetFlow) are not put together again: a conversation is two flows; nobody says who began it.",
    "What an exporter does not tell is missing from the features (docs/formats.md); figures of one exporter's flows "
    "are not those of another's.",
    "It leans on the recent past of hosts and pairs, which is not saved: after a restart it knows none for a while.",
    "Probabilities were fitted where attacks had the share that they have in the validation part. Where they are "
    "rarer, it claims too much.",
)


def limits(name: str, origin: Origin) -> tuple[str, ...]:
    """What a reader must know about a model that was trained on these captures, as Markdown."""
    return (*_OF_MODEL[name], *(_SIMULATED if origin.about == SIMULATED else _CAPTURES), *_OF_EVERY_MODEL)
