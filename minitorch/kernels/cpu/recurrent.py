"""An LSTM's, a GRU's and an RNN's walks over their steps: in C (`../c/recurrent.py`) where that is to be had.

An LSTM's are here in NumPy too: few calls for each step, into memory made before; what can be computed for all steps at once is.
Forward: W_hhᵀ lies by rows, for BLAS takes twice as long for such small products if it does not. Backward: what the gradients of h and c
are multiplied by does not depend on them, so these factors are made beforehand, for all rows. Then step by step the gradients of h and c
are updated where they lie, and the factors become the gates' gradients. Read next: `ops/through_time.py`, for the formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.through_time import _one_tanh, _shaped, _stays, gru_layer, lstm_layer, rnn_layer, steps_of
from ..c import recurrent as in_c
from .blocks import as_one_call, served


@lstm_layer.twin("cpu")
def lstm_forward(xp: Any, pre: Any, h: Any, c: Any, w_hh: Any, w_hr: Any, sizes: tuple, reverse: bool) -> Any:
    """i, f, u, o = s tanh(s (pre + h W_hhᵀ)) + 1 − s; c ← f c + i u; h ← o tanh c"""
    if w_hr is not None or not served(pre, h, c, w_hh):
        return None
    as_one_call(pre, h, c, w_hh)
    return in_c.lstm(pre, h, c, w_hh, sizes, reverse) or _lstm(pre, h, c, w_hh, sizes, reverse)


def _lstm(pre: Any, h: Any, c: Any, w_hh: Any, sizes: tuple, reverse: bool) -> Any:
    N, H = c.shape
    half, rest = _one_tanh(np, pre, (0.5, 0.5, 1, 0.5), H)
    w, gates = np.ascontiguousarray(w_hh.T) * half, pre.reshape(-1, 4 * H) * half
    s, rest = np.tile(half, (N, 1)), np.tile(rest, (N, 1))  # as large as a step: no broadcasting
    states, cells = (np.empty((len(gates), H), pre.dtype) for _ in range(2))
    of_h, new = np.empty((N, 4 * H), pre.dtype), np.empty((N, H), pre.dtype)
    for rows, n in steps_of(sizes, reverse):
        gate, state, cell, m, part = gates[rows], states[rows], cells[rows], of_h[:n], new[:n]
        i, f, u, o = gate[:, :H], gate[:, H : 2 * H], gate[:, 2 * H : 3 * H], gate[:, 3 * H :]
        np.matmul(h[:n], w, m)
        np.add(gate, m, gate)
        np.tanh(gate, gate)
        np.multiply(gate, s[:n], gate)
        np.add(gate, rest[:n], gate)
        np.multiply(f, c[:n], cell)
        np.multiply(i, u, part)
        np.add(cell, part, cell)
        np.tanh(cell, part)
        np.multiply(o, part, state)
        h, c = _stays(np, state, h), _stays(np, cell, c)
    return _shaped(states, pre), h.copy(), c.copy(), states, cells, gates


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
    as_one_call(w_hh, g, g_h_n, g_c_n, gates)
    given = g, g_h_n, g_c_n, h, c, w_hh, states, cells, gates, sizes, reverse
    d, *others = in_c.lstm_backward(*given) or _lstm_backward(*given)
    return d.reshape(pre_shape), *others, None


def _lstm_backward(
    g: Any,
    g_h_n: Any,
    g_c_n: Any,
    h: Any,
    c: Any,
    w_hh: Any,
    states: Any,
    cells: Any,
    gates: Any,
    sizes: tuple,
    reverse: bool,
) -> Any:
    H, steps = c.shape[1], steps_of(sizes, reverse)
    before, c_before = (_before(first, after, steps) for first, after in ((h, states), (c, cells)))
    i, f, u, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
    tanh_c = np.tanh(cells)
    of_c = o * (1 - tanh_c * tanh_c)
    factors = gates * (1 - gates)
    factors[:, 2 * H : 3 * H] = 1 - u * u
    for k, partner in enumerate((u, c_before, i, tanh_c)):
        factors[:, k * H : (k + 1) * H] *= partner
    d, g = factors.reshape(-1, 4, H), None if g is None else g.reshape(-1, H)
    dh, dc = (np.zeros_like(state) if given is None else given.copy() for given, state in ((g_h_n, h), (g_c_n, c)))
    w, by_o = np.ascontiguousarray(w_hh), np.empty_like(dh)
    for rows, n in steps[::-1]:  # the factors become the gradients
        dh_t, dc_t, of_gates, part = dh[:n], dc[:n], d[rows], by_o[:n]
        by_c, of_o = of_gates[:, :3], of_gates[:, 3]
        if g is not None:
            np.add(dh_t, g[rows], dh_t)
        np.multiply(dh_t, of_c[rows], part)
        np.add(dc_t, part, dc_t)
        np.multiply(by_c, dc_t[:, None], by_c)
        np.multiply(of_o, dh_t, of_o)
        np.matmul(factors[rows], w, dh_t)
        np.multiply(dc_t, f[rows], dc_t)
    return factors, dh, dc, factors.T @ before


def _before(first: Any, after: Any, steps: list) -> Any:
    """The state before each step, row by row."""
    N = len(first)
    if len(after) == N * len(steps):  # all have as many sequences
        forward = steps[0][0].start == 0
        return np.concatenate([first, after[: len(after) - N]] if forward else [after[N:], first])
    found = np.empty_like(after)
    state = first.copy()
    for rows, n in steps:
        found[rows] = state[:n]
        state[:n] = after[rows]
    return found


# ---- GRU and RNN: in C, or by their formulas ----


@gru_layer.twin("cpu")
def gru_forward(xp: Any, pre: Any, h: Any, w_hh: Any, b_hh: Any, sizes: tuple, reverse: bool) -> Any:
    """r, z = σ(pre + m), u = tanh(pre + r m) with m = h W_hhᵀ + b_hh; h ← (1 − z) u + z h"""
    if not served(pre, h, w_hh, b_hh) or not in_c.is_there("gru", pre):
        return None
    as_one_call(pre, h, w_hh, b_hh)
    return in_c.gru(pre, h, w_hh, b_hh, sizes, reverse)


@gru_layer.twin_grad("cpu", "pre", "h", "w_hh", "b_hh")
def gru_backward(
    xp: Any,
    g: Any,
    g_h_n: Any,
    g_states: Any,
    g_gates: Any,
    g_inner: Any,
    h: Any,
    w_hh: Any,
    sizes: tuple,
    reverse: bool,
    states: Any,
    gates: Any,
    inner: Any,
    b_hh_shape: tuple,
    pre_shape: tuple,
) -> Any:
    """dz = dh (h₋ − u), du = dh (1 − z), dr = dpre_u m; dh₋ = dm W_hh + dh z"""
    if any(a is not None for a in (g_states, g_gates, g_inner)) or not served(w_hh, g, g_h_n, h, gates):
        return None
    if not in_c.is_there("gru_backward", gates):
        return None
    as_one_call(g, g_h_n, h, w_hh, gates)
    d, *others = in_c.gru_backward(g, g_h_n, h, w_hh, bool(b_hh_shape), states, gates, inner, sizes, reverse)
    return d.reshape(pre_shape), *others


@rnn_layer.twin("cpu")
def rnn_forward(xp: Any, pre: Any, h: Any, w_hh: Any, relu: bool, sizes: tuple, reverse: bool) -> Any:
    """h ← tanh(pre + h W_hhᵀ), or relu of it"""
    if not served(pre, h, w_hh) or not in_c.is_there("rnn", pre):
        return None
    as_one_call(pre, h, w_hh)
    return in_c.rnn(pre, h, w_hh, relu, sizes, reverse)


@rnn_layer.twin_grad("cpu", "pre", "h", "w_hh")
def rnn_backward(
    xp: Any,
    g: Any,
    g_h_n: Any,
    g_states: Any,
    h: Any,
    w_hh: Any,
    relu: bool,
    sizes: tuple,
    reverse: bool,
    states: Any,
    pre_shape: tuple,
) -> Any:
    """dpre = dh (1 − h²), for relu where h > 0; dh₋ = dpre W_hh"""
    if g_states is not None or not served(w_hh, g, g_h_n, h, states) or not in_c.is_there("rnn_backward", states):
        return None
    as_one_call(g, g_h_n, h, w_hh, states)
    d, *others = in_c.rnn_backward(g, g_h_n, h, w_hh, relu, states, sizes, reverse)
    return d.reshape(pre_shape), *others
