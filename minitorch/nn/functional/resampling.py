"""Images, sequences and volumes of other sizes, or read at other places.

How each mode makes a place of others is in `minitorch/ops/resample.py` and `grid.py` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minitorch.arrays.dtypes import SCALAR_NAMES
from minitorch.arrays.warning import warn
from minitorch.nn import functional as F
from minitorch.op.signature import Flag, checked
from minitorch.ops.dims import as_ints
from minitorch.ops.grid import MODES, PADDINGS, affine_grid_generator, grid_sampler
from minitorch.ops.resample import FILTERS, Resizing, resize
from minitorch.tensor import Tensor

__all__ = ["affine_grid", "grid_sample", "interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

# Which mode there is for how many dimensions beside N and C, and what it is along each of them.
LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
ALONG_ONE = {"bicubic": "cubic", "lanczos": "lanczos"} | dict.fromkeys(LINEAR, "linear")
ANTIALIASED = {"bilinear": "triangle", "bicubic": "keys", "lanczos": "lanczos"}


@checked
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: Flag = False,
) -> Tensor:
    """x (N, C, …) in another size: `size`, or `scale_factor` times as large, rounded down; numbers, or one for each dimension.

    mode: "nearest", "nearest-exact", "area" (the mean of what lies within) for 1 to 3 dimensions beside N and C; "linear" for one,
    "bilinear", "bicubic", "lanczos" for two, "trilinear" for three. align_corners: the middles of the outermost places stay where
    they are, not their outer edges. recompute_scale_factor: places are as far apart as the rounded sizes say, not the factor.
    antialias: where the output is smaller, each place is made of all that it stands for.

    >>> minitorch.nn.functional.interpolate(minitorch.tensor([[[1.0, 2.0]]]), 4, mode="linear")
    tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])
    """
    interpolating = mode not in ("nearest", "area", "nearest-exact")
    if align_corners is not None and not interpolating:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear, "
            f"got mode={mode!r}"
        )
    sizes, factors = _sizes(input, size, scale_factor, in_python=mode == "area" or bool(recompute_scale_factor))
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if antialias and not (mode in ANTIALIASED and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    _check_mode(input, mode, align_corners, antialias)
    if mode == "area":
        return (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[input.ndim - 3](input, sizes)
    along_one = (ANTIALIASED if antialias else ALONG_ONE).get(mode, mode)
    how = Resizing(along_one, sizes, bool(align_corners), None if recompute_scale_factor else factors)
    _check(input, how)
    return resize(input, how)


def _sizes(input: Tensor, size: Any, scale_factor: Any, in_python: bool) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """The sizes that are wanted, and the factors, if these were given. in_python: Python's int tells of what is no number."""
    dims = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given = scale_factor if size is None else size
    if isinstance(given, (list, tuple)) and len(given) != dims:
        raise ValueError(
            f"Input and {'scale_factor' if size is None else 'output'} must have the same number of spatial dimensions, but got "
            f"input with spatial dimensions of {list(input.shape[2:])} and {given}: one is needed for each dimension after N and C"
        )
    each = tuple(given) if isinstance(given, (list, tuple)) else (given,) * dims
    if size is not None:
        return as_ints(each), None
    for factor in each:
        if not isinstance(factor, (int, float)):
            raise TypeError(f"interpolate(): scale_factor must be a number or a tuple of them, got {type(factor).__name__}")
        if not (math.isfinite(factor) or in_python):
            raise RuntimeError(
                f"scale_factor={factor}: a size cannot be converted to type int64_t without overflow; give a finite number"
            )
    return tuple(int(n * factor) for n, factor in zip(input.shape[2:], each)), tuple(map(float, each))


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: Flag) -> None:
    """NotImplementedError for a mode that there is not, or not for so many dimensions."""
    there = LINEAR.get(mode, 2 if mode in ALONG_ONE else 0)
    if input.ndim in (3, 4, 5) and (mode in ("nearest", "nearest-exact", "area") or there == input.ndim - 2):
        if mode == "lanczos" and (align_corners or not antialias):
            raise ValueError("Lanczos mode requires antialias=True and does not support align_corners=True")
        return
    if mode in LINEAR and input.ndim in (3, 4, 5):
        raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {LINEAR[mode] + 2}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | linear | bilinear | "
        f"bicubic | trilinear | lanczos | area | nearest-exact (got {mode}); linear needs 3D, bilinear, bicubic and lanczos 4D, "
        "trilinear 5D input"
    )


def _check(input: Tensor, how: Resizing) -> None:
    """Refuse sizes of 0, but of N, and the dtypes that torch has no kernel for."""
    if min(input.shape[2:]) <= 0 or min(how.size) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape[2:])} output {list(how.size)}"
        )
    if input.shape[1] == 0:
        raise RuntimeError(f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {list(input.shape)}")
    by_filter = how.mode in FILTERS
    if by_filter and how.size == tuple(input.shape[2:]):
        return  # a copy, of any dtype
    if input.dtype.is_floating_point:
        takes = input.dtype.itemsize > 2 or not by_filter or input.is_cuda
    else:
        takes = input.dtype.name == "uint8" and (how.mode.startswith("nearest") or input.ndim == 4)
    if not takes:
        raise NotImplementedError(
            f"\"interpolate\" by {how.mode} not implemented for '{SCALAR_NAMES[input.dtype.name]}'; convert the input first, "
            "e.g. x.float()"
        )


def _deprecated(name: str) -> None:
    warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.")


@checked
def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate`, by its old name"""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@checked
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode="nearest", by its old name"""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@checked
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode="bilinear" and align_corners=True, by its old name"""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


@checked
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """out[n, :, i, j] = the image x[n] (C, H, W) at the place grid[n, i, j] = (across, down), both from −1 to 1; volumes alike.

    mode: "bilinear" (of volumes: trilinear), "nearest", "bicubic" (of images only). padding_mode: what is outside, "zeros", "border"
    (the outermost place) or "reflection". align_corners: −1 and 1 are the middles of the outermost places, not their outer edges.
    """
    if mode not in MODES:
        raise ValueError(f"grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}")
    if padding_mode not in PADDINGS:
        raise ValueError(
            f"grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: {padding_mode!r}"
        )
    aligned = _align_corners_or_warn(align_corners)
    return grid_sampler(input, grid, MODES.index(mode), PADDINGS.index(padding_mode), aligned)


@checked
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of an affine map θ (N, 2, 3) of images: grid[n, i, j] = θₙ · (x_j, y_i, 1); (N, 3, 4) of volumes.

    size: of the output, (N, C, H, W) or (N, C, D, H, W).
    """
    aligned = _align_corners_or_warn(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms. Got size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {tuple(size)}. Got {theta.shape}."
        )
    if aligned and min(size[2:]) == 1:
        warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This is not an "
            "intended use case of affine_grid."
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    return affine_grid_generator(theta, size, aligned)


def _align_corners_or_warn(align_corners: bool | None) -> bool:
    if align_corners is None:
        warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired."
        )
    return bool(align_corners)
