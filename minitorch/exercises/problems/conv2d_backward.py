"""The backward of a convolution

out[n, o, i, j] = sum over c, u, v of x[n, c, i + u, j + v] * w[o, c, u, v]     (stride 1, no padding)

Given g = dL/dout (N, O, Ho, Wo), x (N, C, H, W) and w (O, C, K, K), return (dx, dw). Loops are welcome. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients

HINTS = (
    "Each product x * w of the sum sends g * w to x and g * x to w; what meets at one element adds up.",
    "For a place (u, v) of the kernel, the part of x that it met is x[:, :, u : u + Ho, v : v + Wo].",
    "dx[:, :, u : u + Ho, v : v + Wo] += einsum('noij,oc->ncij', g, w[:, :, u, v]), and "
    "dw[:, :, u, v] = einsum('noij,ncij->oc', g, that part of x).",
)
RETURNS = ("dx", "dw")


def inputs(s):
    def w(case, source):
        k = source.integer(1, 3)
        return s.floats(f"O C {k} {k}")(source, case)

    def g(case, source):
        k = case["w"].shape[2]
        return s.floats(f"N O {5 - k} {4 - k}")(source, case)

    return {"w": s.given(w), "x": s.floats("N C 4 3"), "g": s.given(g)}


def conv2d_backward(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dw)"""
    Ho, Wo = g.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            dx[:, :, u : u + Ho, v : v + Wo] += np.einsum("noij,oc->ncij", g, w[:, :, u, v])
            dw[:, :, u, v] = np.einsum("noij,ncij->oc", g, x[:, :, u : u + Ho, v : v + Wo])
    return dx, dw


def expected(g, x, w):
    return gradients(minitorch.nn.functional.conv2d, g, x, w)


def wrong_overwritten(g, x, w):
    """dx is overwritten where windows overlap: what meets at one element adds up (+=)."""
    Ho, Wo = g.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            dx[:, :, u : u + Ho, v : v + Wo] = np.einsum("noij,oc->ncij", g, w[:, :, u, v])
            dw[:, :, u, v] = np.einsum("noij,ncij->oc", g, x[:, :, u : u + Ho, v : v + Wo])
    return dx, dw


def wrong_flipped(g, x, w):
    """The kernel is flipped once too often. One flips it if dx is computed as a convolution of the padded g; not in the sum itself."""
    return conv2d_backward(g, x, w[:, :, ::-1, ::-1])[0], conv2d_backward(g, x, w)[1]
