"""The ops beside their definitions as plain loops, in `reference/definitions/`."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.kernels.cpu import blocks
from minitorch.nn import functional as F
from reference.definitions import attention as one_by_one
from reference.definitions import convolution as plain
from reference.definitions import pooling, resample

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


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_pooling(n: int, steps: tuple[int, int, int], ceil_mode: bool) -> None:
    size, kernel = tuple(k + 4 for k in SIZES[n]), tuple(k + 1 for k in KERNELS[n])
    x = np.round(np.random.default_rng(0).standard_normal((2, 3, *size)))
    given, (stride, padding, dilation) = minitorch.from_numpy(x), ((k,) * n for k in steps)
    padding = tuple(min(pad, k // 2) for pad, k in zip(padding, kernel))

    def windows(dilation: tuple) -> tuple:
        """How many there are, and which pixels each holds."""
        sizes = zip(size, kernel, stride, padding, dilation)
        places = tuple(pooling.how_many(*each, ceil_mode) for each in sizes)
        return places, lambda p: pooling.sliding(p, size, kernel, stride, padding, dilation)

    out, indices = getattr(F, f"max_pool{n}d")(given, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    expected, numbers = pooling.max_pool(x, *windows(dilation))
    assert np.array_equal(out.numpy(), expected)
    assert np.array_equal(indices.numpy(), numbers)

    places, window = windows((1,) * n)
    counted = {True: lambda p: pooling.with_padding(p, size, kernel, stride, padding), False: lambda p: len(window(p))}
    for count_include_pad, divisor in counted.items():
        out = getattr(F, f"avg_pool{n}d")(given, kernel, stride, padding, ceil_mode, count_include_pad)
        assert np.allclose(out.numpy(), pooling.avg_pool(x, places, window, divisor), atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_adaptive_pooling(n: int, count: int) -> None:
    x, places = np.round(np.random.default_rng(0).standard_normal((2, 3, *SIZES[n]))), (count,) * n
    window = lambda p: pooling.adaptive(p, places, SIZES[n])
    out, indices = getattr(F, f"adaptive_max_pool{n}d")(minitorch.from_numpy(x), count, return_indices=True)
    expected, numbers = pooling.max_pool(x, places, window)
    assert np.array_equal(out.numpy(), expected)
    assert np.array_equal(indices.numpy(), numbers)
    mean = getattr(F, f"adaptive_avg_pool{n}d")(minitorch.from_numpy(x), count)
    assert np.allclose(mean.numpy(), pooling.avg_pool(x, places, window, lambda p: len(window(p))), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling(n: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *(2 * k for k in SIZES[n])))
    out, indices = getattr(F, f"max_pool{n}d")(minitorch.from_numpy(x), 2, return_indices=True)
    back = getattr(F, f"max_unpool{n}d")(out, indices, 2)
    assert np.array_equal(back.numpy(), pooling.max_unpool(out.numpy(), indices.numpy(), x.shape[2:]))


@pytest.mark.parametrize("plainly", [True, False], ids=["by the formula", "by its twin"])
def test_attention(plainly: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    q, k, v, g = (rng.standard_normal(shape) for shape in ((6, 3), (5, 3), (5, 4), (6, 4)))
    sees = rng.random((6, 5)) < 0.6
    sees[2] = False
    out, p = one_by_one.attention(q, k, v, sees, 0.7)
    want = one_by_one.gradients(g, q, k, v, p, 0.7)
    leaves = [minitorch.from_numpy(x[None]).requires_grad_() for x in (q, k, v)]
    monkeypatch.setattr(blocks, "SMALL", 10**9 if plainly else 1)
    found = F.scaled_dot_product_attention(*leaves, attn_mask=minitorch.from_numpy(sees), scale=0.7)
    assert np.allclose(found.detach().numpy()[0], out, atol=1e-12)
    have = minitorch.autograd.grad(found, leaves, minitorch.from_numpy(g[None]))
    assert all(np.allclose(a.numpy()[0], b, atol=1e-12) for a, b in zip(have, want))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 9), (4, 5), (7, 1)], ids=str)
def test_resizing(size: tuple[int, int], align_corners: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    out = F.interpolate(minitorch.from_numpy(x), size, mode="bilinear", align_corners=align_corners)
    assert np.allclose(out.numpy(), resample.resized(x, size, align_corners), atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_sampling_at_a_grid(align_corners: bool) -> None:
    rng = np.random.default_rng(0)
    x, grid = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-1.5, 1.5, (2, 3, 4, 2))
    out = F.grid_sample(*map(minitorch.from_numpy, (x, grid)), align_corners=align_corners)
    assert np.allclose(out.numpy(), resample.sampled(x, grid, align_corners), atol=1e-12)
