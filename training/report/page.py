"""The page: one HTML file that needs nothing else, no script, no font, no other file, whatever labels are called.

Names come from files and may be hostile: the template escapes all that it is given, and the page's own policy forbids
scripts and everything from elsewhere besides.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.report import tables
from training.report.bars import drift_maps, gain_bars, recall_bars
from training.report.canvas import Picture
from training.report.contents import Contents
from training.report.curves import curves, histograms, reliability
from training.report.tables import Table

_INTERVALS: Final = (
    "Small print below a figure is its 95 % bootstrap interval by capture: whole captures are drawn with replacement. "
    "It cannot be told under three captures that hold such flows, nor where all that were drawn agree. The upper bound "
    "of the false-positive rate (Clopper and Pearson) takes flows for independent, and needs 3,000 benign ones."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    title: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    about: str = ""


def page(contents: Contents) -> str:
    """Lay a page out; the same contents always give the same page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, finalize=_printable
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return environment.get_template("page.html").render(
        title=contents.title, notes=contents.notes, facts=contents.facts, sections=list(_sections(contents))
    )


def _sections(contents: Contents) -> Iterator[Section]:
    found = contents.scored
    ends = tables.intervals_by_capture(found)
    recalls = tables.label_recalls(found)
    if contents.failures:
        rows = tuple((tables.Cell(name), tables.Cell(reason)) for name, reason in contents.failures)
        yield Section("What could not be judged", tables=(Table("Captures", ("capture", "reason"), rows),))
    yield Section("Overall", tables=tuple(tables.overall(found, ends)), about=_INTERVALS)
    yield Section("Curves", pictures=tuple(curves(found)))
    yield Section("Attacks", _drawn(recall_bars(found, recalls)), (tables.label_table(found, recalls),))
    yield Section("Captures", tables=tuple(tables.by_capture(found)))
    yield Section("False alerts", tables=(tables.life_table(contents), tables.rarer_table(found, ends)))
    yield Section("Calibration", _drawn(reliability(found), histograms(found)))
    if any(contents.hosts.values()):
        yield Section("Hosts", tables=tuple(tables.host_tables(contents)), about="Hosts with attack flows.")
    if contents.attributions:
        yield Section("Features", _drawn(gain_bars(contents)), (tables.attribution_table(contents),))
    if contents.drift_of:
        yield Section("Drift", tuple(drift_maps(contents)), (tables.drift_table(contents),))
    if contents.ablation is not None:
        yield Section("Ablation", tables=(tables.ablation_table(contents.ablation),))


def _printable(value: object) -> object:
    """Text without what would drive the reader's view, such as a mark that turns the line round; markup as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(char if char.isprintable() else "?" for char in value)


def _drawn(*pictures: Picture | None) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None)
