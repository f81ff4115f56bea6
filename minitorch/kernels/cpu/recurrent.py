"""Backward through time of an LSTM in few NumPy calls a step: what can be computed for all steps at once is.

What the gradients of h and c are multiplied by does not depend on them: so these factors are made beforehand, for all rows. Then step
by step the gradients of h and c are updated where they lie, and the factors become the gates' gradients.
Read next: `ops/through_time.py`, for the formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.through_time import lstm_layer, steps_of
from .blocks import served


@lstm_layer.twin_grad("cpu", "pre", "h", "c", "w_hh", "w_hr")
def lstm_backward(
    xp: Any,
    g: Any,
    g_h_n: Any,
    g_c_n: Any,
    g_states: Any,
    g_cells: Any,
    g_gates: Any,
    h: Any,
    c: Any,
    w_hh: Any,
    w_hr: Any,
    states: Any,
    cells: Any,
    gates: Any,
    pre_shape: tuple,
    sizes: tuple,
    reverse: bool,
) -> Any:
    """di, df, du = dc · their factors, do = dh · its factor; dc₋ = dc f, dh₋ = dpre W_hh"""
    of_all = (g_states, g_cells, g_gates, w_hr)  # these are left to the formula
    if any(a is not None for a in of_all) or not served(w_hh, g, g_h_n, g_c_n, h, c, gates):
        return None
    H, steps = c.shape[1], steps_of(sizes, reverse)
    before, c_before = (_before(first, after, steps) for first, after in ((h, states), (c, cells)))
    i, f, u, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
    tanh_c = np.tanh(cells)
    of_c = o * (1 - tanh_c * tanh_c)
    factors = gates * (1 - gates)
    factors[:, 2 * H : 3 * H] = 1 - u * u
    for k, partner in enumerate((u, c_before, i, tanh_c)):
        factors[:, k * H : (k + 1) * H] *= partner
    d, g = (
        factors.reshape(-1, 4, H),
        None if g is None else g.reshape(-1, H),
    )  # the factors become the gradients, step by step
    dh, dc = (np.zeros_like(state) if given is None else given.copy() for given, state in ((g_h_n, h), (g_c_n, c)))
    for rows, n in steps[::-1]:
        dh_t, dc_t, d_t = dh[:n], dc[:n], d[rows]
        if g is not None:
            dh_t += g[rows]
        dc_t += dh_t * of_c[rows]
        d_t[:, :3] *= dc_t[:, None]
        d_t[:, 3] *= dh_t
        np.matmul(factors[rows], w_hh, out=dh_t)
        dc_t *= f[rows]
    return factors.reshape(pre_shape), dh, dc, factors.T @ before, None


def _before(first: Any, after: Any, steps: list) -> Any:
    """The state before each step, row by row."""
    found, state = np.empty_like(after), first.copy()
    for rows, n in steps:
        found[rows] = state[:n]
        state[:n] = after[rows]
    return found
