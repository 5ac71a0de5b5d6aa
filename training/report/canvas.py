"""Drawing surfaces: figures without a screen, colours that the colour-blind can tell apart, and PNG as bytes.

The only module that knows how a picture becomes bytes; matplotlib is loaded with it, and only when a page is written.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008).
BLACK: Final = "#000000"
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", BLACK, "#999999")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
SHADES: Final = "cividis"

_WIDTH_IN: Final = 12.0
_DPI: Final = 100  # 1,200 pixels across
_LONGEST: Final = 38


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its words: PNG bytes, a title, and what it shows for those who cannot see it."""

    title: str
    about: str
    png: bytes


def panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels beside each other, ``height`` inches high."""
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, layout="tight")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def finished(figure: Figure, title: str, about: str) -> Picture:
    """Draw a figure; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    # Not savefig, which draws everything twice.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]  # has no types
    return Picture(title, about, buffer.getvalue())


def style(axes: Axes, title: str, across: str, up: str) -> None:
    """Title and axes in words."""
    axes.set_title(plain(title), fontsize=10, parse_math=False)
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def log_ticks(axis: Axis, lowest: int, highest: int) -> None:
    """Ticks at powers of ten alone: those between them take longer to draw than all the rest."""
    axis.set_ticks([10.0**power for power in range(lowest, highest + 1)])
    axis.set_ticks([], minor=True)


def named_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Names, which may come from files, from the top down along the upright axis."""
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels([plain(name) for name in names], fontsize=8, parse_math=False)
    axes.invert_yaxis()


def plain(name: str) -> str:
    """A name as the one font can write it: printable ASCII, and short."""
    text = "".join(char if char.isascii() and char.isprintable() else "?" for char in name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def legend(axes: Axes, **options: Any) -> None:
    """The legend, small; of axes without anything to name none."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7.5, framealpha=0.9, **options)
