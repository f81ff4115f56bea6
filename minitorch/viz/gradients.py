"""Gradient flow: how large the gradient is that reaches each layer.

Backward multiplies by one layer's Jacobian after another. If these shrink what passes, as a sigmoid's does by a factor of 4 at least, the first
layers get next to nothing and do not learn (Hochreiter, 1991; Glorot & Bengio, 2010). On a logarithmic axis that is a slope.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minitorch import nn

from .looking import as_model, host
from .style import COLOURS, FAINT, MARKERS, heading, legend_of_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 24  # names that fit under an axis


def gradient_magnitudes(model: nn.Module, *, every: bool = False) -> dict[str, float]:
    """parameter's name → mean |∂L/∂w| of its numbers, in the order of `named_parameters`, from the `.grad` that backward left.

    Weights (two dimensions or more) only; every: biases and the scales of norm layers too, whose gradients are of another size.
    Parameters without a gradient are left out. ValueError if none has one.

    >>> layer = minitorch.nn.Linear(2, 1)
    >>> layer(minitorch.tensor([[3.0, -1.0]])).sum().backward()
    >>> gradient_magnitudes(layer)
    {'weight': 2.0}
    """
    wanted = {name: p for name, p in as_model(model, "gradient_magnitudes").named_parameters() if every or p.dim() > 1}
    if not wanted:
        raise ValueError(
            f"gradient_magnitudes: {type(model).__name__} has no weights of two dimensions or more; pass every=True"
        )
    found = {name: float(np.abs(host(p.grad)).mean(dtype=np.float64)) for name, p in wanted.items() if p.grad is not None}
    if not found:
        raise ValueError(
            f"gradient_magnitudes: no parameter of this {type(model).__name__} has a gradient: call loss.backward() first, "
            "and look before optimizer.zero_grad()"
        )
    return found


def gradient_flow(
    models: nn.Module | Mapping[str, nn.Module] | Mapping[str, Mapping[str, float]],
    *,
    every: bool = False,
    title: str = "Gradient flow",
) -> Figure:
    """Mean |gradient| of each layer's weights, from input to output, on a logarithmic axis: a line that falls to the left vanishes.

    models: a model after backward; or name → model, to compare several in one picture; or name → what `gradient_magnitudes` gave.
    A gradient that is exactly 0, or not finite, has no place on the axis: a gap, which the legend names.
    """
    lines = models if isinstance(models, Mapping) else {type(models).__name__: models}
    found = {
        str(name): dict(each) if isinstance(each, Mapping) else gradient_magnitudes(each, every=every)
        for name, each in lines.items()
    }
    if not found or not all(found.values()):
        raise ValueError("gradient_flow: there are no gradients to draw")
    longest = max(map(len, found.values()))
    figure, axes = new_figure(1, 1, panel=(max(6.0, 0.32 * min(longest, FEW) + 3.0), 4.0))
    ax = axes[0, 0]
    for i, (name, each) in enumerate(found.items()):
        y = np.array([value if math.isfinite(value) and value > 0 else math.nan for value in each.values()])
        ax.plot(
            range(1, len(y) + 1),
            y,
            marker=MARKERS[i % len(MARKERS)],
            markersize=5,
            color=COLOURS[i % len(COLOURS)],
            label=name + _gaps(each) + _missing(lines[name], each, every),
        )
    ax.set_yscale("log")
    ax.set_ylabel("mean |∂L/∂w|")
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    names = next(iter(found.values()))
    if all(list(each) == list(names) for each in found.values()) and len(names) <= FEW:
        ax.set_xticks(range(1, len(names) + 1), list(names), rotation=45, ha="right", fontsize=8)
        ax.set_xlabel("weights, from input to output")
    else:
        ax.locator_params(axis="x", integer=True)
        ax.set_xlabel("number of the weight, counted from the input")
    legend_of_figure(figure)
    heading(figure, title)
    return figure


def _gaps(each: Mapping[str, float]) -> str:
    """What the legend says of gradients that a logarithmic axis cannot show."""
    zero = [name for name, value in each.items() if value == 0]
    wild = [name for name, value in each.items() if not math.isfinite(value)]
    parts = [f"\n{what}: {_few(names)}" for what, names in (("exactly 0", zero), ("not finite", wild)) if names]
    return "".join(parts)


def _missing(model: object, each: Mapping[str, float], every: bool) -> str:
    """What the legend says of parameters that want a gradient and have none."""
    if not isinstance(model, nn.Module):
        return ""
    names = [n for n, p in model.named_parameters() if p.requires_grad and n not in each and (every or p.dim() > 1)]
    return f"\nno gradient came to: {_few(names)}" if names else ""


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
