"""LSTM, GRU and RNN in ONNX, which has the gates in another order and all weights of a direction in one tensor. Read next: `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, Ref
from .errors import Unsupported

# Where each gate of ONNX's order stands in torch's: LSTM i o f c of i f c o, GRU z r h of r z h.
ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def net(kind: str, relu: bool = False) -> Callable:
    """(input, hx, weights, has_biases, layers, dropout, train, bidirectional, batch_first) → output, h_n[, c_n]"""

    def emit(
        b: Builder,
        input: Ref,
        hx: Any,
        params: Any,
        has_biases: Any,
        num_layers: int = 1,
        dropout: float = 0.0,
        train: bool = False,
        bidirectional: bool = False,
        batch_first: bool = False,
    ) -> Any:
        if isinstance(params, bool) or not isinstance(has_biases, bool):
            raise Unsupported("of a PackedSequence: its batch sizes are numbers of the example")
        if train and dropout:
            raise Unsupported("it draws random numbers in training; export the model in eval()")
        states = list(hx) if isinstance(hx, (tuple, list)) else [hx]
        directions = 2 if bidirectional else 1
        hidden = params[1].shape[-1]
        each = 4 if has_biases else 2
        if len(params) != each * num_layers * directions:
            raise Unsupported("with proj_size")
        x = b.op("Transpose", input, perm=[1, 0, 2]) if batch_first else input
        last: list[list[Any]] = [[] for _ in states]
        for k in range(num_layers):
            weights = params[k * each * directions : (k + 1) * each * directions]
            first = [
                b.op("Slice", s, np.array([k * directions]), np.array([(k + 1) * directions]), np.array([0])) for s in states
            ]
            out, *ends = _layer(b, kind, relu, x, first, weights, each, hidden)
            x = b.op("Reshape", b.op("Transpose", out, perm=[0, 2, 1, 3]), np.array([0, 0, directions * hidden], np.int64))
            for found, end in zip(last, ends):
                found.append(end)
        x = b.op("Transpose", x, perm=[1, 0, 2]) if batch_first else x
        return [x, *(found[0] if num_layers == 1 else b.op("Concat", *found, axis=0) for found in last)]

    return emit


def _layer(b: Builder, kind: str, relu: bool, x: Any, states: list, params: Any, each: int, hidden: int) -> list[Any]:
    """A layer in both directions: Y (L, directions, N, H), and the last states."""
    by_direction = [params[k : k + each] for k in range(0, len(params), each)]
    w, r = (np.stack([_reordered(kind, p[which]) for p in by_direction]) for which in (0, 1))
    biases = None
    if each == 4:
        biases = np.stack([np.concatenate([_reordered(kind, p[2]), _reordered(kind, p[3])]) for p in by_direction])
    options: dict[str, Any] = {"hidden_size": hidden, "direction": "bidirectional" if len(by_direction) == 2 else "forward"}
    if kind == "GRU":
        options["linear_before_reset"] = 1
    if kind == "RNN":
        options["activations"] = ["Relu" if relu else "Tanh"] * len(by_direction)
    return b.op(kind, x, w, r, biases, None, *states, outputs=1 + len(states), **options)


def _reordered(kind: str, weight: Ref) -> np.ndarray:
    """The rows of a weight in ONNX's order of gates."""
    if weight.value is None:
        raise Unsupported("with weights that are no parameters, or with export_params=False")
    gates = np.split(weight.value, len(ORDER[kind]))
    return np.concatenate([gates[k] for k in ORDER[kind]])


# ---- one step ----


def _sums(b: Builder, input: Ref, h: Ref, w_ih: Ref, w_hh: Ref, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
    return b.op("Gemm", input, w_ih, b_ih, transB=1), b.op("Gemm", h, w_hh, b_hh, transB=1)


def lstm_cell(b: Builder, input: Ref, hx: Any, w_ih: Ref, w_hh: Ref, b_ih: Any = None, b_hh: Any = None) -> Any:
    h, c = hx
    parts = b.op("Split", b.op("Add", *_sums(b, input, h, w_ih, w_hh, b_ih, b_hh)), outputs=4, axis=1, num_outputs=4)
    i, f, o = (b.op("Sigmoid", parts[k]) for k in (0, 1, 3))
    new = b.op("Add", b.op("Mul", f, c), b.op("Mul", i, b.op("Tanh", parts[2])))
    return [b.op("Mul", o, b.op("Tanh", new)), new]


def gru_cell(b: Builder, input: Ref, hx: Ref, w_ih: Ref, w_hh: Ref, b_ih: Any = None, b_hh: Any = None) -> Any:
    (r1, z1, n1), (r2, z2, n2) = (
        b.op("Split", x, outputs=3, axis=1, num_outputs=3) for x in _sums(b, input, hx, w_ih, w_hh, b_ih, b_hh)
    )
    r, z = b.op("Sigmoid", b.op("Add", r1, r2)), b.op("Sigmoid", b.op("Add", z1, z2))
    u = b.op("Tanh", b.op("Add", n1, b.op("Mul", r, n2)))
    return b.op("Add", u, b.op("Mul", z, b.op("Sub", hx, u)))


def rnn_cell(kind: str) -> Callable:
    def emit(b: Builder, input: Ref, hx: Ref, w_ih: Ref, w_hh: Ref, b_ih: Any = None, b_hh: Any = None) -> Any:
        return b.op(kind, b.op("Add", *_sums(b, input, hx, w_ih, w_hh, b_ih, b_hh)))

    return emit
