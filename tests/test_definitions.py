"""The ops beside their definitions as plain loops, in `reference/definitions/`."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.nn import functional as F
from reference.definitions import convolution as plain

SIZES, KERNELS = {1: (6,), 2: (5, 4), 3: (3, 4, 3)}, {1: (3,), 2: (2, 3), 3: (2, 1, 2)}
STEPS = [(1, 0, 1), (2, 1, 1), (1, 1, 2), (3, 2, 1)]  # stride, padding, dilation


@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_convolution(n: int, groups: int, steps: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, *SIZES[n])), rng.standard_normal((6, 4 // groups, *KERNELS[n]))
    stride, padding, dilation = ((k,) * n for k in steps)
    if n == 3:
        padding = (1,) * n  # or a kernel of dilation 2 is larger than the image
    out = getattr(F, f"conv{n}d")(*map(minitorch.from_numpy, (x, w)), None, stride, padding, dilation, groups)
    assert np.allclose(out.numpy(), plain.convolution(x, w, stride, padding, dilation, groups), atol=1e-12)


@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_transposed_convolution(n: int, groups: int, steps: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, *SIZES[n])), rng.standard_normal((4, 3, *KERNELS[n]))
    stride, padding, dilation = ((k,) * n for k in steps)
    more = tuple(max(s, d) - 1 for s, d in zip(stride, dilation))
    convolve = getattr(F, f"conv_transpose{n}d")
    out = convolve(*map(minitorch.from_numpy, (x, w)), None, stride, padding, more, groups, dilation)
    assert np.allclose(out.numpy(), plain.transposed(x, w, stride, padding, dilation, groups, more), atol=1e-12)


@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_unfold(steps: tuple[int, int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *SIZES[2]))
    stride, padding, dilation = ((k,) * 2 for k in steps)
    padding = (1, 1) if dilation == (2, 2) else padding
    out = F.unfold(minitorch.from_numpy(x), KERNELS[2], dilation, padding, stride)
    assert np.array_equal(out.numpy(), plain.unfold(x, KERNELS[2], stride, padding, dilation))
