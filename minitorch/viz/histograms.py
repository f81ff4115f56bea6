"""Histograms: how a model's weights, and what its layers put out, are distributed.

What to look for: outputs that shrink to 0 from layer to layer, or pile up at the ends of a tanh, come from weights that began too small
or too large; a ReLU whose outputs are all 0 is dead. `histogram` counts; the rest draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch import nn

from .looking import Layers, activations, as_model, host, layer_names, mode_note
from .style import COLOURS, INK, MOST, empty, grid_of, heading, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = "% of the values"


class Histogram(NamedTuple):
    """counts[i] values lie between edges[i] and edges[i + 1]; mean and std are those of all finite values, of which there are `finite`."""

    counts: np.ndarray
    edges: np.ndarray
    mean: float
    std: float
    finite: int
    not_finite: int
    outside: int


def histogram(values: Any, bins: int = 40, limits: tuple[float, float] | None = None) -> Histogram:
    """Count values into `bins` equal bins between limits: by default from the smallest to the largest.

    What is not finite, or outside of the limits, is counted apart. std divides by n.

    >>> histogram([0.0, 1.0, 1.0, float("nan")], bins=2).counts
    array([1, 2])
    """
    flat = host(values).astype(np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    if limits is None:
        limits = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if limits[0] == limits[1]:  # all the same: a bin in the middle
        limits = (limits[0] - 0.5, limits[1] + 0.5)
    counts, edges = np.histogram(finite, bins, limits)
    mean, std = (float(finite.mean()), float(finite.std())) if len(finite) else (np.nan, np.nan)
    return Histogram(counts, edges, mean, std, len(finite), len(flat) - len(finite), len(finite) - int(counts.sum()))


def weight_histograms(
    model: nn.Module,
    *,
    layers: Layers = None,
    bins: int = 40,
    limits: tuple[float, float] | None = None,
    most: int = MOST,
    title: str = "Weights",
) -> Figure:
    """A histogram of each parameter, biases too; with `layers` only of theirs. A dashed line is at 0."""
    parameters = dict(as_model(model, "weight_histograms").named_parameters())
    if layers is not None:
        names = layer_names(model, layers, "weight_histograms")
        parameters = {n: p for n, p in parameters.items() if any(n.startswith(f"{name}." if name else "") for name in names)}
    if not parameters:
        raise ValueError("weight_histograms: there are no parameters to draw")
    shown = dict(list(parameters.items())[:most])
    rows, columns = grid_of(len(shown), 4)
    figure, axes = new_figure(rows, columns, panel=(3.0, 2.3))
    for ax, (name, p) in zip(axes.flat, shown.items()):
        _draw(ax, histogram(p, bins, limits), f"{name}  {' × '.join(map(str, p.shape))}", COLOURS[0])
    empty(axes.flat[len(shown) :])
    _label_the_rims(axes, len(shown), "value of a weight")
    heading(figure, title, _how_many(len(shown), len(parameters)))
    return figure


def activation_histograms(
    models: nn.Module | Mapping[str, nn.Module],
    *inputs: Any,
    layers: Layers = None,
    bins: int = 40,
    limits: tuple[float, float] | None = None,
    most: int = MOST,
    title: str = "Activations",
) -> Figure:
    """A histogram of what each layer puts out for a batch; name → model puts several models below one another, a row each.

    layers: as in `activations`. limits: the same axis for all panels. A layer whose numbers are all 0 is said to be.
    """
    rows_of = {str(name): model for name, model in models.items()} if isinstance(models, Mapping) else {"": models}
    if not rows_of:
        raise ValueError("activation_histograms: there is no model to look at")
    found = {name: activations(model, *inputs, layers=layers) for name, model in rows_of.items()}
    longest = max(map(len, found.values()))
    if not longest:
        raise ValueError("activation_histograms: no layer put out a tensor")
    compared = len(found) > 1
    rows, columns = (len(found), min(longest, most)) if compared else grid_of(min(longest, most), 4)
    figure, axes = new_figure(rows, columns, panel=(2.3, 1.9) if compared else (3.0, 2.3))
    for row, (model_name, outputs) in enumerate(found.items()):
        panels = axes[row] if compared else axes.flat
        for i, (ax, (name, values)) in enumerate(zip(panels, outputs.items())):
            kind = type(rows_of[model_name].get_submodule(name.partition("#")[0])).__name__
            _draw(ax, histogram(values, bins, limits), f"{name} {kind}".strip(), COLOURS[row % len(COLOURS)])
            if compared and i == 0:
                ax.set_ylabel(f"{model_name}\n{SHARE}", fontsize=9, color=INK)
            if compared and row == rows - 1:
                ax.set_xlabel("value put out", fontsize=8)
        empty(panels[min(len(outputs), len(panels)) :])
    if not compared:
        _label_the_rims(axes, min(longest, most), "value put out")
    notes = {mode_note(model) for model in rows_of.values()}
    heading(figure, title, _how_many(min(longest, most), longest), *sorted(notes))
    return figure


def _draw(ax: Axes, found: Histogram, title: str, colour: str) -> None:
    """One panel: the bars' heights are percent of the finite values, so that panels of different sizes compare."""
    ax.stairs(100 * found.counts / max(found.finite, 1), found.edges, fill=True, color=colour, alpha=0.85)
    if found.edges[0] < 0 < found.edges[-1]:
        ax.axvline(0, color=INK, linewidth=0.8, linestyle="--")
    said = f"mean {found.mean:.2g}, std {found.std:.2g}"
    if found.finite and found.mean == found.std == 0:
        said = "all are 0"
    if found.not_finite:
        said += f"\n{found.not_finite} not finite"
    if found.outside:
        said += f"\n{found.outside} outside"
    ax.set_title(f"{title}\n{said}", fontsize=8, color=INK)
    ax.locator_params(axis="both", nbins=4)
    ax.tick_params(labelsize=8)
    ax.ticklabel_format(axis="x", scilimits=(-3, 4))


def _label_the_rims(axes: np.ndarray, shown: int, below: str) -> None:
    """Name the axes once: at the left column, and under each column's last panel."""
    columns = axes.shape[1]
    for i, ax in enumerate(axes.flat):
        if i % columns == 0:
            ax.set_ylabel(SHARE, fontsize=8)
        if i < shown <= i + columns:
            ax.set_xlabel(below, fontsize=8)


def _how_many(shown: int, there: int) -> str:
    return f"the first {shown} of {there}: choose with layers=, or most=" if shown < there else ""
