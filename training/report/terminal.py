"""What ``tidegate evaluate`` says: one JSON document, or tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import click

from detection.verdict import Kind
from training.evaluation import Measures
from training.judging import FieldTest

CANNOT_BE_TOLD: Final = "cannot be told"
MOST_ROWS: Final = 25  # of labels or hosts in a table
_MEASURES: Final = ("rows", "positives", "threshold", "recall", "fpr", "fpr_upper95", "precision", "roc_auc", "pr_auc")


def document(test: FieldTest) -> dict[str, Any]:
    """The JSON document; null where the rows cannot tell, but for ``fpr_upper95``, which says so."""
    return {
        "models": {name: _measures(measures) for name, measures in test.evaluation.models.items()},
        "final": _measures(test.evaluation.final) | {"abstained": test.evaluation.final.abstained},
        "labels": {
            name: {"rows": label.rows, "recall": label.recall} for name, label in test.evaluation.labels.items()
        },
        "hosts": {
            address: {
                "flagged": wait.flagged,
                "first_alert_s": wait.seconds if wait.flagged and not math.isnan(wait.seconds) else None,
                "first_alert_flows": wait.flows if wait.flagged else None,
            }
            for address, wait in test.hosts.items()
        },
        "alerts_per_host_day": test.alerts_per_host_day,
    }


def print_tables(test: FieldTest) -> None:
    """Print the same for people."""
    from rich import box  # here, so that JSON does not wait for it
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 200  # nothing to fit into, so do not break lines

    def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        made = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
        for number, column in enumerate(columns):
            made.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in rows[:MOST_ROWS]:
            made.add_row(*map(_printable, row))
        console.print(made)
        if len(rows) > MOST_ROWS:
            click.echo(f"the first {MOST_ROWS} of {len(rows)}; --json has all of them")

    found = document(test)
    measured: Mapping[str, dict[str, Any]] = found["models"] | {"final": found["final"]}
    table(  # what is measured goes down, so that four columns fit a terminal
        ("", *measured),
        [
            (measure.replace("_", " "), *(_number(values.get(measure)) for values in measured.values()))
            for measure in (*_MEASURES, "abstained")
        ],
    )
    labels = sorted(
        test.evaluation.labels.items(), key=lambda item: (item[1].kind is Kind.BENIGN, -item[1].rows, item[0])
    )
    if labels:
        table(
            ("label", "is", "rows", "decided rightly"),
            [(name, one.kind.label, str(one.rows), _number(one.recall)) for name, one in labels],
        )
    if found["hosts"]:
        table(
            ("host with attack flows", "flagged", "first alert after", "at its attack flow"),
            [
                (address, "yes" if one["flagged"] else "no", _seconds(one), _number(one["first_alert_flows"]))
                for address, one in found["hosts"].items()
            ],
        )
    rate = found["alerts_per_host_day"]
    click.echo(
        f"false alerts per home host and day: {CANNOT_BE_TOLD}; it takes benign flows, times, and hosts inside --home"
        if rate is None
        else f"false alerts per home host and day: {rate:.3g}"
    )


def _measures(measures: Measures) -> dict[str, Any]:
    values = {column: getattr(measures, column) for column in _MEASURES}
    if measures.fpr_upper95 is None:
        values["fpr_upper95"] = CANNOT_BE_TOLD
    return values


def _number(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _seconds(host: Mapping[str, Any]) -> str:
    seconds = host["first_alert_s"]
    return "-" if seconds is None else f"{seconds:.3f} s"


def _printable(text: str) -> str:
    """Text without what would drive a terminal: labels come from files."""
    return "".join(char if char.isprintable() else "?" for char in text)
