"""Two products with one Jacobian

y = W tanh(x) has the Jacobian J = dy/dx, of shape (M, N). Reverse mode computes v J (a VJP: from outputs to inputs), forward mode J u
(a JVP: from inputs to outputs). Neither needs J itself.

Given W (M, N), x (N,), v (M,) and u (N,), return (v J, J u), of shapes (N,) and (M,). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import gradients, tensor

HINTS = (
    "J = W diag(1 - tanh(x)^2): first tanh, element by element, then W.",
    "The JVP goes with the computation: multiply u by 1 - tanh(x)^2, then apply W.",
    "The VJP goes against it: apply W^T to v, then multiply by 1 - tanh(x)^2.",
)
RETURNS = ("the VJP", "the JVP")


def inputs(s):
    return {"W": s.floats("M N"), "x": s.floats("N"), "v": s.floats("M"), "u": s.floats("N")}


def vjp_and_jvp(W: np.ndarray, x: np.ndarray, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(v J, J u)"""
    slope = 1 - np.tanh(x) ** 2
    return (v @ W) * slope, W @ (slope * u)


def expected(W, x, v, u):
    def f(z):
        return minitorch.from_numpy(W) @ z.tanh()

    forward = minitorch.func.jvp(f, (tensor(x).detach(),), (tensor(u).detach(),))[1]
    return gradients(f, v, x), forward.numpy()


def wrong_swapped(W, x, v, u):
    """The two are swapped: the VJP, v J, comes first and has the shape of x."""
    vjp, jvp = vjp_and_jvp(W, x, v, u)
    return jvp, vjp


def wrong_order(W, x, v, u):
    """tanh's slope is missing in both: the Jacobian is W diag(1 - tanh(x)^2), not W."""
    return v @ W, W @ u
