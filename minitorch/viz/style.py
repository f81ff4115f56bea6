"""How every picture looks: a Figure of its own, on a light ground, in colours that colour-blind readers tell apart.

A Figure is made by its class, never by pyplot: nothing is kept in a global list, and no display is needed. `figure.savefig("file.png")`
writes it, a notebook shows it. Colours are those of Okabe and Ito (2008), "Color Universal Design".
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch.utils.optional import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D00")
MARKERS = "os^Dv*PX"  # a second way to tell lines apart
INK, FAINT = "#222222", "#D0D0D0"
MOST = 16  # panels in a figure, unless told


def new_figure(
    rows: int, columns: int, *, panel: tuple[float, float] = (4.0, 3.0), **options: Any
) -> tuple[Figure, np.ndarray]:
    """A Figure of rows × columns panels, each of so many inches, and an array of their axes."""
    figure_module = needed("matplotlib.figure", "viz", by="minitorch.viz")
    figure = figure_module.Figure(
        figsize=(panel[0] * columns, panel[1] * rows), dpi=100, facecolor="white", layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        ax.tick_params(colors=INK, labelsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def grid_of(count: int, columns: int) -> tuple[int, int]:
    """Rows and columns for `count` panels, at most so many columns."""
    if count < 1 or columns < 1:
        raise ValueError("there is nothing to draw: most and columns must be at least 1")
    columns = min(count, columns)
    return math.ceil(count / columns), columns


def empty(axes: Iterable[Axes]) -> None:
    """Hide panels that nothing is drawn in."""
    for ax in axes:
        ax.set_axis_off()


def as_picture(ax: Axes) -> None:
    """Prepare a panel for an image: without ticks, in a thin frame."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT)


def heading(figure: Figure, title: str, *notes: str) -> None:
    """The title of a whole figure; beneath it what a reader must know of how it was made, in lines that fit."""
    width = int(11 * figure.get_figwidth())  # letters of this size, on average
    said = [line for text in (title, *notes) for line in textwrap.wrap(text, width)]
    figure.suptitle("\n".join(said), fontsize=11, color=INK)


def legend_below(ax: Axes) -> None:
    """A panel's legend under it, where no line can run through: beneath the ticks and the axis' name, so many points down."""
    transforms = needed("matplotlib.transforms", "viz", by="minitorch.viz")
    figure: Any = ax.figure
    down = transforms.ScaledTranslation(0, -34 / 72, figure.dpi_scale_trans)
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "bbox_transform": ax.transAxes + down}
    ax.legend(fontsize=8, frameon=False, labelcolor=INK, borderaxespad=0.0, **place)


def legend_of_figure(figure: Figure) -> None:
    """One legend for the whole figure, beneath it."""
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False, labelcolor=INK)
