"""Real captures as a data set: each a stream of its own, attack-only ones laid over benign ones.

What is named is a folder, in which the captures of :mod:`training.datasets.known` are looked for, or a flow file,
``[FORMAT:][TRUTH:]PATH``, whose truth is the one given, else what is known of it, else its label column's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.addresses import parse_address
from flows.batch import FlowBatch
from flows.errors import UsageError
from flows.files import FileSpec, parse_spec, read_flows
from flows.keying import DEFAULT_HOME, HomeNetworks
from flows.labels import truth_of
from training.datasets.base import NO_TRUTH, LabelledFlows, Origin
from training.datasets.known import Known, known
from training.datasets.mixing import lay_over
from training.datasets.parts import parts_in_time
from training.errors import TrainingError

ABOUT: Final = (
    "Trained and tested on captures of real networks, each file cut in time: the first 60 % of its flows to train,\n"
    "the next 20 % for calibration and threshold, the last for the figures. Both sides of a cut see the same hosts;\n"
    "and floods were captured alone, so they are laid over ordinary life: a busy host of a benign capture becomes the\n"
    "victim. The figures say that the model learned. How it does on a network it has never seen is another question,\n"
    "which leaving whole captures out answers (docs/evaluation.md)."
)

_CODES: Final = {"": NO_TRUTH, **{kind.label: int(kind) for kind in Kind}}


@dataclass(frozen=True, slots=True)
class Capture:
    """One stream of flows: those of a file, in file order, and of attacks laid over them; columns as LabelledFlows."""

    name: str
    batch: FlowBatch
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    part: npt.NDArray[np.int8]
    home: tuple[str, ...]
    dead: int  # records of the files that are no flows
    drawn_from: tuple[str, ...] = ()

    @property
    def attack_only(self) -> bool:
        """Whether every flow is an attack: such a capture has no ordinary life around the attack."""
        return len(self.truth) > 0 and bool((self.truth > Kind.BENIGN).all())


def find_captures(names: Sequence[str], leave_out: Sequence[str] = ()) -> list[FileSpec]:
    """Turn folders and ``[FORMAT:][TRUTH:]PATH`` into files to learn from, without the captures named in ``leave_out``.

    Raises:
        UsageError: a name is no file, a folder holds no known capture, a capture to leave out is not there, or nothing
            is left without those of which only an infected host is known.
    """
    learned = [spec for spec in _files(names) if _truth(spec) != Kind.MALWARE.label]
    if not learned:
        raise UsageError("nothing to learn from: of a capture that is malware as a whole only the host is known")
    there = sorted(capture_name(spec) for spec in learned)
    if absent := sorted(set(leave_out) - set(there)):
        raise UsageError(f"cannot leave out {', '.join(absent)}; the captures are {', '.join(there)}")
    kept = [spec for spec in learned if capture_name(spec) not in leave_out]
    if not kept:
        raise UsageError("nothing to learn from: every capture is left out")
    return kept


def capture_name(spec: FileSpec) -> str:
    """What to call a file's capture: its name in the table of known ones, else its file's name up to the first dot."""
    about = known(spec.path.name)
    return about.name if about else spec.path.name.split(".")[0]


def infected_captures(names: Sequence[str]) -> list[FileSpec]:
    """Return the files below the same names of which only an infected host is known. Raises as find_captures."""
    return [spec for spec in _files(names) if _truth(spec) == Kind.MALWARE.label]


def _files(names: Sequence[str]) -> list[FileSpec]:
    specs: list[FileSpec] = []
    for name in names:
        folder = Path(name)
        if not folder.is_dir():
            specs.append(parse_spec(name))
            if not specs[-1].path.is_file():
                raise UsageError(f"there is no file or folder {specs[-1].path}; check the path")
            continue
        found = sorted(path for path in folder.rglob("*") if path.is_file() and known(path.name))
        if not found:
            raise UsageError(
                f"no known capture below {folder}; name files of your own as [FORMAT:][TRUTH:]PATH, each by itself"
            )
        specs.extend(FileSpec(path) for path in found)
    return specs


def load_capture(spec: FileSpec, home: Sequence[str] = DEFAULT_HOME) -> Capture:
    """Read one file; its own home networks, where they are known, come on top of ``home``.

    Flows that a label column calls benign have no truth where malware talks between the same two hosts: people label by
    port, and what else a bot says to its command server is nobody's ordinary life.

    Raises UsageError or TidegateError as :func:`flows.files.read_flows`.
    """
    about, name = known(spec.path.name), capture_name(spec)
    chunks = list(read_flows([spec]))
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    labels = [
        [""] * len(chunk.decoded) if chunk.decoded.labels is None else chunk.decoded.labels.tolist() for chunk in chunks
    ]
    text = np.array([label for part in labels for label in part], dtype=np.str_)
    whole = _truth(spec)
    if whole is not None:
        text = np.full(len(batch), "" if whole == "benign" else name)
        truth = np.full(len(batch), _CODES[whole], dtype=np.int8)
    elif about is not None and about.pairs:
        truth, text = _by_pairs(batch, about)
    else:
        truth = np.array([_CODES[truth_of(label)] for label in text.tolist()], dtype=np.int8)
        truth[(truth == Kind.BENIGN) & _same_pair(batch, truth == Kind.MALWARE)] = NO_TRUTH
    return Capture(
        name=name,
        batch=batch,
        truth=truth,
        attack=text,
        part=parts_in_time(len(batch)),
        home=(*home, *(about.home if about else ())),
        dead=sum(len(chunk.decoded.dead) for chunk in chunks),
        drawn_from=((about.kin if about else "") or name,),
    )


def assemble(captures: Iterable[Capture]) -> LabelledFlows:
    """Put captures together, each a stream of its own, after laying the attack-only ones over benign ones, in turn.

    Benign ones are those with benign flows and neither floods nor malware; the one with most benign flows comes first.

    Raises:
        TrainingError: there is no capture, or there are attacks and no benign flows to lay them over.
    """
    given = sorted(captures, key=lambda capture: capture.name)
    streams = [capture for capture in given if not capture.attack_only]
    attacks = [capture for capture in given if capture.attack_only]
    attacks.sort(key=lambda capture: int(capture.truth[0]))  # floods first: each over a network of its own if it can be
    below = sorted(
        (place for place, stream in enumerate(streams) if _ordinary(stream)),
        key=lambda place: -int((streams[place].truth == Kind.BENIGN).sum()),
    )
    if attacks and not below:
        names = ", ".join(capture.name for capture in attacks)
        raise TrainingError(
            f"{names}: every flow is an attack, and there is no benign capture to lay it over; add one as benign:PATH"
        )
    for turn, attack in enumerate(attacks):
        place = below[turn % len(below)]
        streams[place] = overlaid(streams[place], attack)
    if not streams:
        raise TrainingError("no captures to learn from")
    return LabelledFlows(
        batch=FlowBatch.concatenate([stream.batch for stream in streams]),
        truth=np.concatenate([stream.truth for stream in streams]),
        attack=np.concatenate([stream.attack for stream in streams]),
        capture=np.concatenate([np.full(len(s.truth), i, dtype=np.int16) for i, s in enumerate(streams)]),
        part=np.concatenate([stream.part for stream in streams]),
        origin=Origin(
            names=tuple(stream.name for stream in streams),
            about=ABOUT,
            homes=tuple(",".join(stream.home) for stream in streams),
            drawn_from=tuple("\n".join(stream.drawn_from) for stream in streams),
        ),
    )


def overlaid(benign: Capture, attack: Capture) -> Capture:
    """Lay one capture over another, with the truth of each flow kept. Raises TrainingError as :func:`lay_over`."""
    batch, sources = lay_over(benign.batch, attack.batch, HomeNetworks(benign.home))
    return replace(
        benign,
        name=f"{benign.name}+{attack.name}",
        batch=batch,
        truth=np.concatenate([benign.truth, attack.truth])[sources],
        attack=np.concatenate([benign.attack, attack.attack])[sources],
        part=np.concatenate([benign.part, attack.part])[sources],
        dead=benign.dead + attack.dead,
        drawn_from=benign.drawn_from + attack.drawn_from,
    )


def load_captures(
    names: Sequence[str], leave_out: Sequence[str] = (), home: Sequence[str] = DEFAULT_HOME
) -> LabelledFlows:
    """Load folders and files as one data set, without the captures that are named in ``leave_out``.

    Captures without times are left out, too, and named in the origin: most of what is measured is not known of them,
    so that no verdict is given on such flows either.

    Raises:
        UsageError: as :func:`find_captures`.
        TrainingError: as :func:`assemble`.
    """
    loaded = [load_capture(spec, home) for spec in find_captures(names, leave_out)]
    timeless = sorted(capture.name for capture in loaded if not _timed(capture))
    flows = assemble(capture for capture in loaded if capture.name not in timeless)
    if not timeless:
        return flows
    about = f"{flows.origin.about}\nNot learned from, for want of times and so of any past: {', '.join(timeless)}."
    return replace(flows, origin=replace(flows.origin, about=about))


def _truth(spec: FileSpec) -> str | None:
    about = known(spec.path.name)
    return spec.truth if spec.truth is not None or about is None else about.truth


def _ordinary(capture: Capture) -> bool:
    """Whether an attack can be laid over a capture: benign flows of a network that is not infected."""
    benign = bool((capture.truth == Kind.BENIGN).any())
    infected = bool(np.isin(capture.truth, [Kind.DDOS, Kind.MALWARE]).any())
    return benign and not infected


def _timed(capture: Capture) -> bool:
    return bool(np.isfinite(capture.batch.start).any())


def _by_pairs(batch: FlowBatch, about: Known) -> tuple[npt.NDArray[np.int8], npt.NDArray[Any]]:
    truth = np.full(len(batch), NO_TRUTH, dtype=np.int8)
    for one, other, label in about.pairs:
        ways = ((batch.src_addr, batch.dst_addr), (batch.dst_addr, batch.src_addr))
        for near, far in ways:
            truth[_is(near, one) & _is(far, other)] = _CODES[label]
    return truth, np.where(truth == NO_TRUTH, "", about.name)


def _same_pair(batch: FlowBatch, which: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which flows are between two hosts that are the ends of any of ``which``, bool[n], either way round."""
    ends = np.stack([batch.src_addr, batch.dst_addr], axis=1)
    wrong = (ends[:, 0, 0] > ends[:, 1, 0]) | ((ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1]))
    ends[wrong] = ends[wrong][:, ::-1]
    _, pair = np.unique(ends.reshape(len(ends), 4), axis=0, return_inverse=True)
    return np.isin(pair, pair[which])


def _is(addresses: npt.NDArray[np.uint64], text: str) -> npt.NDArray[np.bool_]:
    if not text:
        return np.ones(len(addresses), dtype=np.bool_)
    return np.asarray((addresses == np.array(parse_address(text), dtype=np.uint64)).all(axis=1))
