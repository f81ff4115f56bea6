"""Convolution as a sum

out[n, o, i, j] = sum over c, u, v of x[n, c, i * stride + u, j * stride + v] * w[o, c, u, v]

This is what deep learning calls a convolution: the kernel is not flipped. There is no padding.

Given x (N, C, H, W), w (O, C, K, K) and stride, return out (N, O, Ho, Wo). Loops over i and j, or over u and v, are welcome.
NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import value

HINTS = (
    "How many places are there for a kernel of K rows in H rows? (H - K) // stride + 1.",
    "For one place (i, j): take the window x[:, :, i * stride : i * stride + K, j * stride : j * stride + K], of shape (N, C, K, K).",
    "np.einsum('ncuv,ocuv->no', window, w) is out[:, :, i, j].",
)


def inputs(s):
    return {"x": s.floats("N C 5 4"), "w": s.given(lambda case, source: _kernel(s, case, source)), "stride": s.of(1, 2)}


def _kernel(s, case, source):
    k = source.integer(1, 3)
    return s.floats(f"O C {k} {k}")(source, case)


def conv2d(x: np.ndarray, w: np.ndarray, stride: int) -> np.ndarray:
    """The convolution, without padding."""
    N, _, H, W = x.shape
    O, _, K, K = w.shape
    out = np.zeros((N, O, (H - K) // stride + 1, (W - K) // stride + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, i * stride : i * stride + K, j * stride : j * stride + K]
            out[:, :, i, j] = np.einsum("ncuv,ocuv->no", window, w)
    return out


def expected(x, w, stride):
    return value(lambda a, b: minitorch.nn.functional.conv2d(a, b, stride=stride), x, w)


def wrong_flipped(x, w, stride):
    """The kernel is flipped, as mathematicians define a convolution. In deep learning it is not."""
    return conv2d(x, w[:, :, ::-1, ::-1], stride)


def wrong_one_too_few(x, w, stride):
    """One row and one column are missing: there are (H - K) // stride + 1 places for a kernel."""
    return conv2d(x, w, stride)[:, :, :-1, :-1]


def wrong_stride_ignored(x, w, stride):
    """The windows begin at i, not at i * stride."""
    out = conv2d(x, w, stride)
    return conv2d(x, w, 1)[:, :, : out.shape[2], : out.shape[3]]
