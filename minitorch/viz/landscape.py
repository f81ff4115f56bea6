"""The loss around where a training stands, along two random directions: is it a wide valley or a narrow one?

A network with large weights looks flat and one with small weights steep, if both are pushed by the same random numbers. So each filter of a
direction is scaled to the norm of the filter that it moves: Li et al. (2018), "Visualizing the loss landscape of neural nets". Biases and the
scales of norm layers stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import minitorch
from minitorch import nn
from minitorch.func.functional_call import functional_call
from minitorch.nn.utils.unchanged import unchanged
from minitorch.tensor import Tensor

from .looking import as_model, mode_note
from .style import INK, heading, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def random_direction(model: nn.Module, generator: minitorch.Generator) -> dict[str, Tensor]:
    """A random number for each of the model's, scaled so that ‖d‖ = ‖w‖ for each filter (index of dimension 0); zeros for vectors."""
    direction = {}
    for name, p in model.named_parameters():
        w = p.detach()
        d = minitorch.zeros_like(w)
        if w.dim() > 1:
            d = minitorch.randn(w.shape, generator=generator, dtype=w.dtype).to(w.device)
            scale = w.flatten(1).norm(dim=1) / d.flatten(1).norm(dim=1)
            d = d * scale.view(-1, *[1] * (w.dim() - 1))
        direction[name] = d
    return direction


def landscape(
    model: nn.Module, loss: Callable[[Callable[..., Any]], Tensor], *, steps: int = 21, extent: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """places (steps) from −extent to extent, and losses[i, j] of the weights w + places[i]·d₁ + places[j]·d₂: steps² calls of `loss`.

    loss gets the network with other weights, to be called on inputs: `lambda net: F.cross_entropy(net(x), y)`. The model's own are
    not written to.
    """
    if steps < 2:
        raise ValueError(f"landscape: steps must be at least 2, got {steps}")
    generator = minitorch.Generator().manual_seed(seed)
    first, second = (random_direction(as_model(model, "landscape"), generator) for _ in range(2))
    places = np.linspace(-extent, extent, steps)
    losses = np.empty((steps, steps))
    with unchanged(model), minitorch.no_grad():
        for i, a in enumerate(places.tolist()):
            for j, b in enumerate(places.tolist()):
                moved = {name: p.detach() + a * first[name] + b * second[name] for name, p in model.named_parameters()}
                losses[i, j] = float(loss(lambda *inputs, moved=moved: functional_call(model, moved, inputs)))
    return places, losses


def loss_landscape(
    model: nn.Module,
    loss: Callable[[Callable[..., Any]], Tensor],
    *,
    steps: int = 21,
    extent: float = 1.0,
    seed: int = 0,
    title: str = "Loss around these weights",
) -> Figure:
    """Lines of equal loss, in equal factors, around the weights, which are at the cross; see `landscape`.

    A 1 on an axis is a step as long as the weights themselves. The time is that of steps² forwards.
    """
    places, losses = landscape(model, loss, steps=steps, extent=extent, seed=seed)
    drawable = np.where(np.isfinite(losses) & (losses > 0), losses, math.nan)
    if np.isnan(drawable).all():
        raise ValueError("loss_landscape: no loss is a finite number above 0")
    figure, axes = new_figure(1, 1, panel=(5.6, 4.6))
    ax = axes[0, 0]
    low, high = np.log10(np.nanmin(drawable)), np.log10(np.nanmax(drawable))
    levels = np.logspace(low, high if high > low else low + 1, 13)
    drawn = ax.contourf(places, places, drawable.T, levels=levels, cmap="viridis", norm="log")
    ax.contour(places, places, drawable.T, levels=levels, colors="white", linewidths=0.4)
    ax.plot(0, 0, "+", color="#D55E00", markersize=12, markeredgewidth=2)
    ax.set(xlabel="step along direction 1, in lengths of the weights", ylabel="step along direction 2", aspect="equal")
    bar = figure.colorbar(drawn, ax=ax, label="loss", format="%.2g")
    bar.ax.tick_params(labelsize=8, colors=INK)
    lost = int(np.isnan(drawable).sum())
    heading(
        figure,
        title,
        f"{lost} of {losses.size} losses are no finite number above 0: white" if lost else "",
        mode_note(model),
    )
    return figure
