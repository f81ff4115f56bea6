"""A recurrent layer over a whole sequence, in one direction, as one op: `lstm_layer`, `gru_layer`, `rnn_layer`.

What the input contributes to the gates of all steps is one matrix product, which is made before (`recurrent.py`): `pre`. Here is what
cannot be done at once: the walk over the steps, each of which needs the state that the last one left. Backward walks the other way
(backpropagation through time), collects the gradients of the gates of all steps, and multiplies with the weights once, at its end.

The rows of `pre` are those of step 0, of step 1, …; `sizes` says how many sequences each step has. They are sorted by length, so these
are the first ones. The state of a sequence that has ended, or, in reverse, has not begun yet, stays as it is: so the state after the
last step is each sequence's own last. Read next: `recurrent.py`, where a step is written down as it stands in a textbook.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..arrays import blas
from ..arrays.device import as_table
from ..op import Array, op
from .activation import relu_grad
from .elementwise import tanh
from .matmul import mm
from .rearrange import cat
from .reduce import sum_
from .shape import reshape, t, zeros

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- the steps ----


def steps_of(sizes: Sequence[int], reverse: bool) -> list[tuple[slice, int]]:
    """For each step, in the order in which they are taken: its rows, and how many they are."""
    steps = [(slice(end - n, end), n) for n, end in zip(sizes, accumulate(sizes))]
    return steps[::-1] if reverse else steps


def _stays(xp: Any, new: Array, state: Array) -> Array:
    """The state in which the first rows are new; sequences that take no part in a step keep theirs."""
    return new if len(new) == len(state) else xp.concatenate([new, state[len(new) :]])


def _with(new: Tensor, state: Tensor) -> Tensor:
    """`_stays` in ops."""
    return new if len(new) == len(state) else cat([new, state[len(new) :]])


def _before(first: Tensor, after: Tensor, steps: list) -> Tensor:
    """The state before each step, row by row, from the first one and those after each step."""
    found, state = [], first
    for rows, n in steps:
        found.append(state[:n])
        state = _with(after[rows], state)
    return _in_rows(found, steps)


def _in_rows(found: list, steps: list) -> Tensor:
    """What was found for each step, in the order of the rows."""
    forward = steps[0][0].start == 0
    return cat(found if forward else found[::-1])


def _either(g: Tensor | None, like: Tensor) -> Tensor:
    """A gradient, 0 where none came."""
    return zeros(like, like.shape) if g is None else g


def _sum(*gradients: Tensor | None) -> Any:
    """The sum of the gradients that came; None if none did."""
    came = [g for g in gradients if g is not None]
    return sum(came[1:], came[0]) if came else None


def _at(g: Tensor | None, rows: slice) -> Any:
    """Some rows of a gradient, 0 where none came."""
    return 0 if g is None else g[rows]


# ---- LSTM ----


@op(
    promote=None,
    public=False,
    outputs=("out", "h_n", "c_n", "states", "cells", "gates"),
    only="floats",
    refusal=RuntimeError,
    same_dtype="pre h c w_hh w_hr",
    in_float32=True,
    grad_fn="StackBackward0",
)
def lstm_layer(
    xp: Any, pre: Array, h: Array, c: Array, w_hh: Array, w_hr: Array | None, sizes: tuple, reverse: bool
) -> tuple[Array, ...]:
    """i, f, u, o = σ, σ, tanh, σ of pre + h W_hhᵀ; c ← f c + i u; h ← o tanh c (then h W_hrᵀ): for each step in turn.

    Also: the last h and c; h, c and the gates of all steps, which backward needs. pre (…, 4H), h (N, H or P), c (N, H), W_hh (4H, H or P).
    """
    H = c.shape[1]
    half, rest = _one_tanh(xp, pre, (0.5, 0.5, 1, 0.5), H)
    gates, w = pre.reshape(-1, 4 * H) * half, w_hh.T * half
    i, f, u, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
    states, cells = (xp.empty((len(gates), state.shape[1]), pre.dtype) for state in (h, c))
    for rows, n in steps_of(sizes, reverse):
        gate, cell = gates[rows], cells[rows]
        gate += blas.matmul(xp, h[:n], w)
        _activate(xp, gate, half, rest)
        xp.multiply(f[rows], c[:n], out=cell)
        cell += i[rows] * u[rows]
        new = o[rows] * xp.tanh(cell)
        states[rows] = new = new if w_hr is None else blas.matmul(xp, new, w_hr.T)
        h, c = _stays(xp, new, h), _stays(xp, cell, c)
    return _shaped(states, pre), h.copy(), c.copy(), states, cells, gates


@lstm_layer.grad("pre", "h", "c", "w_hh", "w_hr")
def lstm_layer_grad(
    g: Tensor | None,
    g_h_n: Tensor | None,
    g_c_n: Tensor | None,
    g_states: Tensor | None,
    g_cells: Tensor | None,
    g_gates: Tensor | None,
    h: Tensor,
    c: Tensor,
    w_hh: Tensor,
    w_hr: Tensor | None,
    states: Tensor,
    cells: Tensor,
    gates: Tensor,
    pre_shape: tuple,
    sizes: tuple,
    reverse: bool,
) -> tuple[Any, ...]:
    """Backward through time: dh += g; do = dh tanh c; dc += dh o (1 − tanh² c); di, df, du = dc u, dc c₋, dc i; then dpre = those · slopes,
    dh₋ = dpre W_hh, dc₋ = dc f. At the end dW_hh = Σ_t dpreᵀ h₋, dW_hr = Σ_t dhᵀ (o tanh c)
    """
    H = c.shape[1]
    steps = steps_of(sizes, reverse)
    before, c_before, tanh_c = _before(h, states, steps), _before(c, cells, steps), tanh(cells)
    i, f, u, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
    slopes = cat([i * (1 - i), f * (1 - f), 1 - u * u, o * (1 - o)], 1)
    by_c = o * (1 - tanh_c * tanh_c)
    g = _sum(None if g is None else reshape(g, states.shape), g_states)
    dh, dc = _either(g_h_n, h), _either(g_c_n, c)
    of_pre, of_h = [], []
    for rows, n in steps[::-1]:
        dh_t = dh[:n] + _at(g, rows)
        of_h.append(dh_t)
        do = dh_t if w_hr is None else mm(dh_t, w_hr)
        dc_t = dc[:n] + do * by_c[rows] + _at(g_cells, rows)
        d = cat([dc_t * u[rows], dc_t * c_before[rows], dc_t * i[rows], do * tanh_c[rows]], 1)
        d = (d + _at(g_gates, rows)) * slopes[rows]
        of_pre.append(d)
        dh, dc = _with(mm(d, w_hh), dh), _with(dc_t * f[rows], dc)
    d = _in_rows(of_pre[::-1], steps)
    d_hr = None if w_hr is None else mm(t(_in_rows(of_h[::-1], steps)), o * tanh_c)
    return reshape(d, pre_shape), dh, dc, mm(t(d), before), d_hr


# ---- GRU ----


@op(
    promote=None,
    public=False,
    outputs=("out", "h_n", "states", "gates", "inner"),
    only="floats",
    refusal=RuntimeError,
    same_dtype="pre h w_hh b_hh",
    in_float32=True,
    grad_fn="StackBackward0",
)
def gru_layer(
    xp: Any, pre: Array, h: Array, w_hh: Array, b_hh: Array | None, sizes: tuple, reverse: bool
) -> tuple[Array, ...]:
    """r, z = σ(pre + m), u = tanh(pre + r m) with m = h W_hhᵀ + b_hh; h ← (1 − z) u + z h: for each step in turn.

    Also: the last h; h, the gates and u's m of all steps, which backward needs. pre (…, 3H), h (N, H), W_hh (3H, H).
    """
    H = h.shape[1]
    half, rest = _one_tanh(xp, pre, (0.5, 0.5, 1), H)
    gates, w, b = pre.reshape(-1, 3 * H) * half, w_hh.T * half, None if b_hh is None else b_hh * half
    z, u = gates[:, H : 2 * H], gates[:, 2 * H :]
    r_and_z, inner, states = gates[:, : 2 * H], *(xp.empty((len(gates), H), pre.dtype) for _ in range(2))
    for rows, n in steps_of(sizes, reverse):
        m = blas.matmul(xp, h[:n], w, b)
        gate = r_and_z[rows]
        gate += m[:, : 2 * H]
        _activate(xp, gate, half[: 2 * H], rest[: 2 * H])
        inner[rows] = m[:, 2 * H :]
        new = u[rows]
        new += gate[:, :H] * inner[rows]
        xp.tanh(new, out=new)
        states[rows] = (h[:n] - new) * z[rows] + new
        h = _stays(xp, states[rows], h)
    return _shaped(states, pre), h.copy(), states, gates, inner


@gru_layer.grad("pre", "h", "w_hh", "b_hh")
def gru_layer_grad(
    g: Tensor | None,
    g_h_n: Tensor | None,
    g_states: Tensor | None,
    g_gates: Tensor | None,
    g_inner: Tensor | None,
    h: Tensor,
    w_hh: Tensor,
    states: Tensor,
    gates: Tensor,
    inner: Tensor,
    pre_shape: tuple,
    sizes: tuple,
    reverse: bool,
) -> tuple[Any, ...]:
    """Backward through time: dh += g; dz = dh (h₋ − u), du = dh (1 − z); dpre_u = du (1 − u²), dr = dpre_u m; dm = dpre, but for u dpre_u r;
    dh₋ = dm W_hh + dh z. At the end dW_hh = Σ_t dmᵀ h₋, db_hh = Σ_t dm
    """
    H = h.shape[1]
    steps = steps_of(sizes, reverse)
    before = _before(h, states, steps)
    r, z, u = (gates[:, k * H : (k + 1) * H] for k in range(3))
    r_slope, z_slope, u_slope = r * (1 - r), z * (1 - z), 1 - u * u
    g_r, g_z, g_u = (None if g_gates is None else g_gates[:, k * H : (k + 1) * H] for k in range(3))
    g = _sum(None if g is None else reshape(g, states.shape), g_states)
    dh = _either(g_h_n, h)
    of_pre, of_m = [], []
    for rows, n in steps[::-1]:
        dh_t = dh[:n] + _at(g, rows)
        dz = (dh_t * (before[rows] - u[rows]) + _at(g_z, rows)) * z_slope[rows]
        du = (dh_t * (1 - z[rows]) + _at(g_u, rows)) * u_slope[rows]
        dr = (du * inner[rows] + _at(g_r, rows)) * r_slope[rows]
        of_pre.append(cat([dr, dz, du], 1))
        of_m.append(cat([dr, dz, du * r[rows] + _at(g_inner, rows)], 1))
        dh = _with(mm(of_m[-1], w_hh) + dh_t * z[rows], dh)
    dm = _in_rows(of_m[::-1], steps)
    return reshape(_in_rows(of_pre[::-1], steps), pre_shape), dh, mm(t(dm), before), sum_(dm, 0)


# ---- RNN ----


@op(
    promote=None,
    public=False,
    outputs=("out", "h_n", "states"),
    only="numbers",
    same_dtype="pre h w_hh",
    in_float32=True,
    grad_fn="StackBackward0",
)
def rnn_layer(
    xp: Any, pre: Array, h: Array, w_hh: Array, relu: bool, sizes: tuple, reverse: bool
) -> tuple[Array, Array, Array]:
    """h ← tanh(pre + h W_hhᵀ), or relu of it: for each step in turn. pre (…, H), h (N, H), W_hh (H, H).

    Also: the last h, and that of all steps, which backward needs.
    """
    states = pre.reshape(-1, h.shape[1]).copy()
    for rows, n in steps_of(sizes, reverse):
        state = states[rows]
        state += blas.matmul(xp, h[:n], w_hh.T)
        if relu:
            xp.maximum(state, 0, out=state)
        else:
            xp.tanh(state, out=state)
        h = _stays(xp, state, h)
    return _shaped(states, pre), h.copy(), states


@rnn_layer.grad("pre", "h", "w_hh")
def rnn_layer_grad(
    g: Tensor | None,
    g_h_n: Tensor | None,
    g_states: Tensor | None,
    h: Tensor,
    w_hh: Tensor,
    states: Tensor,
    pre_shape: tuple,
    relu: bool,
    sizes: tuple,
    reverse: bool,
) -> tuple[Any, ...]:
    """Backward through time: dh += g; dpre = dh (1 − h²), for relu where h > 0; dh₋ = dpre W_hh. At the end dW_hh = Σ_t dpreᵀ h₋"""
    steps = steps_of(sizes, reverse)
    g = _sum(None if g is None else reshape(g, states.shape), g_states)
    dh, of_pre = _either(g_h_n, h), []
    for rows, n in steps[::-1]:
        dh_t, state = dh[:n] + _at(g, rows), states[rows]
        of_pre.append(relu_grad(dh_t, state) if relu else dh_t * (1 - state * state))
        dh = _with(mm(of_pre[-1], w_hh), dh)
    d = _in_rows(of_pre[::-1], steps)
    return reshape(d, pre_shape), dh, mm(t(d), _before(h, states, steps))


# ---- what they share ----


def _one_tanh(xp: Any, like: Array, factors: Sequence[float], size: int) -> tuple[Array, Array]:
    """(s, 1 − s) such that s tanh(s x) + 1 − s is σ(x) where s = ½ and tanh(x) where s = 1: so one tanh makes all gates."""
    s = xp.repeat(as_table(xp, factors, like.dtype), size)
    return s, 1 - s


def _activate(xp: Any, gate: Array, s: Array, rest: Array) -> None:
    """s tanh(gate) + 1 − s, in the memory of `gate`, which is s · x already."""
    xp.tanh(gate, out=gate)
    gate *= s
    gate += rest


def _shaped(states: Array, pre: Array) -> Array:
    """A copy of the states in the shape of `pre`: users may write to what comes out, and backward needs the states."""
    return states.copy().reshape(*pre.shape[:-1], states.shape[1])
