"""Reading images and volumes at the places that a grid tells: `grid_sampler`, and the grids of affine maps.

A place is made of those around it, as in `resample.py`, but which they are and how much they count is known from the grid alone, and
the weights have derivatives too. The weight of a place is a product over dimensions, wᵢ(y) · wⱼ(x); `sampled` has, for each dimension,
the number of times that its factor is differentiated. So `sampled` and `given_back` are all that is needed: each is, but for the orders,
the other's derivative with respect to the image, and by the grid each is the same with one order more. Read next: `pad.py`.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import blas
from ..arrays.device import as_table
from ..op import Array, composite, op
from ..op.signature import Sizes
from .index import add_slices
from .rearrange import stack
from .reduce import sum_
from .resample import cubic_weights

if TYPE_CHECKING:
    from ..tensor import Tensor


class Sampling(NamedTuple):
    """How places are read that are between others, or outside."""

    mode: str  # one of MODES
    padding: str  # one of PADDINGS
    align_corners: bool  # whether −1 and 1 are the middles of the first and last places, or else their outer edges


MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


class Tap(NamedTuple):
    """Along one dimension: the place that is read for each of the grid's, its weight, and whether it is inside."""

    index: Array
    weight: Array
    inside: Array


# ---- what users call ----


@composite(only="floats", same_dtype="input grid")
def grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """out[n, :, i, j] = the image input[n] at the place grid[n, i, j] = (across, down), both from −1 to 1; volumes alike

    interpolation_mode: 0 bilinear, 1 nearest, 2 bicubic. padding_mode: 0 zeros, 1 border, 2 reflection.
    """
    _refuse(input.shape, grid.shape, interpolation_mode)
    how = Sampling(MODES[interpolation_mode], PADDINGS[padding_mode], align_corners)
    return sampled(input, grid, how, (0,) * (input.ndim - 2))


@composite(only="floats", same_dtype="input grid")
def grid_sampler_2d(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sampler` of images (N, C, H, W)"""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@composite(only="floats", same_dtype="input grid")
def grid_sampler_3d(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sampler` of volumes (N, C, D, H, W), whose grid has (across, down, deep)"""
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


@op(promote=None)
def affine_grid_generator(xp: Any, theta: Array, size: Sizes, align_corners: bool) -> Array:
    """grid[n, i, j] = θₙ · (x_j, y_i, 1): where the affine map θₙ (2, 3) takes each place of an image (N, C, H, W); volumes alike"""
    n, _, *spatial = size
    if len(theta) != n:
        raise RuntimeError(
            f"affine_grid_generator(): expected a theta for each of {n} images, as size says, but got {len(theta)}"
        )
    places = as_table(xp, _places(spatial, align_corners), theta.dtype)
    return blas.matmul(xp, places, theta.swapaxes(1, 2)).reshape(n, *spatial, len(spatial))


@affine_grid_generator.grad
def affine_grid_generator_grad(g: Tensor, size: Any, align_corners: bool) -> Tensor:
    """∂L/∂θₙ = Σ over places of g · (x, y, 1)"""
    return sum_over_places(g, size, align_corners)


@op(promote=None, public=False)
def sum_over_places(xp: Any, x: Array, size: Sizes, align_corners: bool) -> Array:
    """Σ over places of x · (x_j, y_i, 1)"""
    n, _, *spatial = size
    places = as_table(xp, _places(spatial, align_corners), x.dtype)
    return blas.matmul(xp, x.reshape(n, len(places), len(spatial)).swapaxes(1, 2), places)


@sum_over_places.grad
def sum_over_places_grad(g: Tensor, size: Any, align_corners: bool) -> Tensor:
    """∂L/∂x = g, taken for a map"""
    return affine_grid_generator(g, size, align_corners)


def _places(spatial: Sequence[int], align_corners: bool) -> np.ndarray:
    """(x, y, 1) of every place of an image, or (x, y, z, 1) of a volume, from −1 to 1."""
    along = [np.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / n) if n > 1 else np.zeros(n) for n in spatial]
    axes = np.meshgrid(*along, indexing="ij")[::-1]
    return np.stack([*axes, np.ones(spatial)], -1).reshape(-1, len(spatial) + 1)


# ---- the two sums over taps ----


def _node_name(orders: tuple[int, ...]) -> str:
    return f"GridSampler{len(orders)}DBackward0"


@op(promote=None, public=False, in_float32=True, grad_fn=_node_name)
def sampled(xp: Any, x: Array, grid: Array, how: Sampling, orders: tuple) -> Array:
    """Σ over taps of weight · x; orders: how often the weight is differentiated by each number of the grid, the last first"""
    n, channels, *spatial = x.shape
    rows = xp.moveaxis(x, 1, -1).reshape(n * math.prod(spatial), channels)  # the channels of a place are read together
    out = xp.zeros((*grid.shape[:-1], channels), x.dtype)
    for places, weight, inside in _taps(xp, grid, x.shape, how, orders):
        out += xp.where(inside[..., None], rows[places] * weight[..., None], 0)
    return xp.moveaxis(out, -1, 1)


@sampled.grad("x")
def sampled_grad_x(g: Tensor, x_shape: tuple, grid: Tensor, how: Sampling, orders: tuple) -> Tensor:
    """∂L/∂x = g given back to the places it was read from"""
    return given_back(g, grid, x_shape, how, orders)


@sampled.grad("grid")
def sampled_grad_grid(g: Tensor, x: Tensor, grid: Tensor, how: Sampling, orders: tuple) -> Tensor:
    """∂L/∂grid = Σ over channels of g · x, read with the weights' derivatives"""
    return _slopes(g, x, grid, how, orders)


@op(promote=None, public=False, in_float32=True)
def given_back(xp: Any, x: Array, grid: Array, shape: Sizes, how: Sampling, orders: tuple) -> Array:
    """x given back to the places it was read from, by their weights, in an array of that shape"""
    n, channels, *spatial = shape
    rows, x = xp.zeros((n * math.prod(spatial), channels), x.dtype), xp.moveaxis(x, 1, -1)
    for places, weight, inside in _taps(xp, grid, shape, how, orders):
        part = xp.where(inside[..., None], x * weight[..., None], 0)
        add_slices(xp, rows, 0, places.reshape(-1), part.reshape(places.size, channels))
    return xp.moveaxis(rows.reshape(n, *spatial, channels), -1, 1)


@given_back.grad("x")
def given_back_grad_x(g: Tensor, grid: Tensor, how: Sampling, orders: tuple) -> Tensor:
    """∂L/∂x = g, read at the grid"""
    return sampled(g, grid, how, orders)


@given_back.grad("grid")
def given_back_grad_grid(g: Tensor, x: Tensor, grid: Tensor, how: Sampling, orders: tuple) -> Tensor:
    """∂L/∂grid = Σ over channels of x · g, read with the weights' derivatives"""
    return _slopes(x, g, grid, how, orders)


def _slopes(out: Tensor, image: Tensor, grid: Tensor, how: Sampling, orders: tuple) -> Tensor:
    """Σ over channels of out · ∂image/∂grid, for each number of the grid: the first is for the last dimension."""
    once_more = [tuple(order + (d == k) for k, order in enumerate(orders)) for d in reversed(range(len(orders)))]
    return stack([sum_(out * sampled(image, grid, how, each), 1) for each in once_more], -1)


def _taps(
    xp: Any, grid: Array, shape: tuple[int, ...], how: Sampling, orders: tuple
) -> Iterator[tuple[Array, Array, Array]]:
    """Each choice of one tap along every dimension: the numbers of the places, their weights, and whether they are inside."""
    n, _, *spatial = shape
    last = len(spatial) - 1
    along = [_along(xp, grid[..., last - d], size, how, orders[d]) for d, size in enumerate(spatial)]
    for taps in itertools.product(*along):
        places = xp.arange(n).reshape([n] + [1] * len(spatial))
        for size, tap in zip(spatial, taps):
            places = places * size + tap.index
        weight = functools.reduce(operator.mul, [tap.weight for tap in taps])
        yield places, weight, functools.reduce(operator.and_, [tap.inside for tap in taps])


# ---- along one dimension of n places ----


def _along(xp: Any, grid: Array, n: int, how: Sampling, order: int) -> list[Tap]:
    """What is read for the grid's numbers, from −1 to 1, with the derivatives of that order of its weights."""
    scale = (n - 1) / 2 if how.align_corners else n / 2
    where = (grid + 1) * scale - (0.0 if how.align_corners else 0.5)
    if how.mode == "bicubic":
        left = xp.floor(where)
        weights = cubic_weights(where - left, order)
        return [
            _tap(xp, _inwards(xp, left + k, n, how)[0], weight * scale**order, n) for k, weight in enumerate(weights, -1)
        ]
    where, direction = _inwards(xp, where, n, how)
    if how.mode == "nearest":
        return [_tap(xp, xp.rint(where), xp.ones_like(where), n)] if order == 0 else []
    left = xp.floor(where)
    if order > 1:
        return []  # straight lines
    pair = (1 - (where - left), where - left) if order == 0 else (-direction * scale, direction * scale)
    return [_tap(xp, left + k, weight, n) for k, weight in enumerate(pair)]


def _tap(xp: Any, place: Array, weight: Array, n: int) -> Tap:
    inside = (place >= 0) & (place < n)
    return Tap(xp.where(inside, place, 0).astype("int64"), weight, inside)


def _inwards(xp: Any, where: Array, n: int, how: Sampling) -> tuple[Array, Array]:
    """The places, those outside moved in unless they count as zeros; and the derivative of that move: 0 at the ends too."""
    direction = xp.ones_like(where)
    if how.padding == "zeros":
        return where, direction
    if how.padding == "reflection":
        where, direction = _reflected(xp, where, n, how.align_corners)
    return where.clip(0, n - 1), direction * ((where > 0) & (where < n - 1))


def _reflected(xp: Any, where: Array, n: int, align_corners: bool) -> tuple[Array, Array]:
    """The places, mirrored at the middles of the outermost ones or at their outer edges as often as needed."""
    first, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return xp.zeros_like(where), xp.zeros_like(where)
    distance = abs(where - first)
    times = xp.floor(distance / span)
    rest, back = distance - times * span, times % 2 == 1
    direction = xp.where(back != (where < first), -1, 1).astype(where.dtype)
    return xp.where(back, span - rest, rest) + first, direction


def _refuse(shape: tuple[int, ...], grid_shape: tuple[int, ...], interpolation_mode: int) -> None:
    """Refuse what torch refuses."""
    both = f"input with sizes {list(shape)} and grid with sizes {list(grid_shape)}"
    dims = len(shape) - 2
    if len(shape) not in (4, 5) or len(grid_shape) != len(shape):
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got {both}"
        )
    if shape[0] != grid_shape[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but got {both}")
    if grid_shape[-1] != dims:
        raise RuntimeError(f"grid_sampler(): expected grid to have size {dims} in last dimension, but got {both}")
    if 0 in shape[2:]:
        raise RuntimeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, but got {both}")
    if dims == 3 and MODES[interpolation_mode] == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
