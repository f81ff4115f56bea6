"""Recurrent nets: the cells (`lstm_cell`, …), one step each, and `lstm`, `gru`, `rnn_tanh`, `rnn_relu`: layers of them over a sequence.

A cell is a formula made of ops, and so needs no derivative of its own. A loop over cells is what a layer computes; it is computed
faster, with a derivative written by hand, by the ops of `through_time.py`. Here layers are stacked, and directions put side by side.
Read next: `through_time.py`, `nn/modules/rnn.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arrays.dtypes import bfloat16, bool_, float32, float64
from ..op import composite
from ..op.autocast import is_on, listed_as
from .activation import relu
from .dropout import dropout as dropped
from .elementwise import tanh, to
from .matmul import linear
from .rearrange import cat, chunk, stack, unbind
from .shape import reshape, transpose
from .special import sigmoid
from .through_time import gru_layer, lstm_layer, rnn_layer, steps_of

if TYPE_CHECKING:
    from ..tensor import Tensor

# ---- one step ----


@composite
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """c′ = f c + i u, h′ = o tanh c′, with i, f, u, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh (Hochreiter and Schmidhuber, 1997).

    x (N, in), hx = (h, c) (N, H) each, W_ih (4H, in), W_hh (4H, H). Returns (h′, c′).
    """
    if not isinstance(hx, (list, tuple)):
        raise TypeError(f"lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors (h, c), not {type(hx).__name__}")
    if len(hx) != 2:
        raise RuntimeError(f"lstm_cell expects two hidden states: hx = (h, c), got {len(hx)}")
    _refuse_others(hx, 1)
    h, c = hx
    _check_cell(input, w_ih, w_hh, h, c)
    _refuse_integers("lstm_cell", h)
    i, f, u, o = chunk(_sum_of_products("lstm_cell", input, h, w_ih, w_hh, b_ih, b_hh), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(u)
    return sigmoid(o) * tanh(c), c


@composite
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h′ = (1 − z) u + z h with r, z = σ(a + m), u = tanh(a + r m), where a = x W_ihᵀ + b_ih and m = h W_hhᵀ + b_hh (Cho et al., 2014).

    x (N, in), h (N, H), W_ih (3H, in), W_hh (3H, H).
    """
    _check_cell(input, w_ih, w_hh, hx)
    for name, w in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        if w.shape[0] != 3 * w_hh.shape[1]:
            raise RuntimeError(f"{name} first dim must be 3 * hidden_size = {3 * w_hh.shape[1]}, but got {w.shape[0]}")
    _refuse_integers("gru_cell", hx)
    a_r, a_z, a_u = chunk(linear(input, w_ih, b_ih), 3, 1)
    m_r, m_z, m_u = chunk(linear(hx, w_hh, b_hh), 3, 1)
    r, z = sigmoid(a_r + m_r), sigmoid(a_z + m_z)
    u = tanh(a_u + r * m_u)
    return (hx - u) * z + u


@composite
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h′ = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh) (Elman, 1990). x (N, in), h (N, H)."""
    _check_cell(input, w_ih, w_hh, hx)
    return tanh(_sum_of_products("rnn_tanh_cell", input, hx, w_ih, w_hh, b_ih, b_hh))


@composite
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h′ = max(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, 0). x (N, in), h (N, H)."""
    _check_cell(input, w_ih, w_hh, hx)
    return relu(_sum_of_products("rnn_relu_cell", input, hx, w_ih, w_hh, b_ih, b_hh))


def _sum_of_products(
    name: str, x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> Tensor:
    """x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, in the dtype of the state's product: torch adds the input's to it in place."""
    of_input, of_state = linear(x, w_ih, b_ih), linear(h, w_hh, b_hh)
    if of_input.is_floating_point():
        _refuse_integers(name, of_state)
    return to(of_state + of_input, of_state.dtype)


def _refuse_integers(name: str, x: Tensor) -> None:
    """RuntimeError for integers: σ and tanh give floats. (Bools have no matrix product, which is told first.)"""
    if not x.is_floating_point() and x.dtype is not bool_:
        raise RuntimeError(f"{name}: result type Float can't be cast to {x.dtype!r}: give floats, e.g. input.float()")


def _check_cell(x: Tensor, w_ih: Tensor, w_hh: Tensor, *hidden: Tensor) -> None:
    """RuntimeError unless input, weights and hidden state fit; IndexError where there is no batch."""
    if x.size(1) != w_ih.size(1):
        raise RuntimeError(f"input has inconsistent input_size: got {x.size(1)} expected {w_ih.size(1)}")
    for k, h in enumerate(hidden):
        if h.size(0) != x.size(0):
            raise RuntimeError(f"Input batch size {x.size(0)} doesn't match hidden{k} batch size {h.size(0)}")
        if h.size(1) != w_hh.size(1):
            raise RuntimeError(f"hidden{k} has inconsistent hidden_size: got {h.size(1)}, expected {w_hh.size(1)}")
    if x.ndim != 2:
        raise RuntimeError(f"a cell takes one step of each sequence, (N, input_size), got shape {tuple(x.shape)}")


# ---- layers over a sequence ----


@composite
def lstm(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Layers of `lstm_cell` over a sequence: (output, h_n, c_n). `nn.LSTM` keeps the weights, and explains the arguments.

    lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first): input (L, N, in), hx = (h, c).
    lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional): of a packed sequence.
    """
    net = _net_of("lstm", args, kwargs)
    if len(net.hx) != 2:
        raise RuntimeError(f"lstm expects two hidden states: hx = (h, c), got {len(net.hx)}")
    h, c = net.hx
    projects = h.shape[-1] != c.shape[-1]
    # In an autocast region torch's kernel for sequences of one length is all in half precision; its formula, for others, is not.
    others = projects or len(set(net.sizes)) > 1 or net.x.dtype not in (float32, bfloat16)
    by_formula = others and net.x.is_cpu and is_on(net.x)
    return _through_layers(net, (h, c), _lstm_by_cells if by_formula else _lstm_layer, projects)  # type: ignore[return-value]


@composite
def gru(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `gru_cell` over a sequence: (output, h_n). Arguments as of `lstm`, but hx is one tensor (layers · directions, N, H)."""
    net = _net_of("gru", args, kwargs)
    by_formula = is_on(net.x) and net.x.is_cpu  # there torch casts the products alone
    return _through_layers(net, (net.hx,), _gru_by_cells if by_formula else _gru_layer)  # type: ignore[return-value]


@composite
def rnn_tanh(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `rnn_tanh_cell` over a sequence: (output, h_n). Arguments as of `gru`."""
    net = _net_of("rnn_tanh", args, kwargs)
    return _through_layers(net, (net.hx,), partial(_rnn_layer, False))  # type: ignore[return-value]


@composite
def rnn_relu(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `rnn_relu_cell` over a sequence: (output, h_n). Arguments as of `gru`."""
    net = _net_of("rnn_relu", args, kwargs)
    return _through_layers(net, (net.hx,), partial(_rnn_layer, True))  # type: ignore[return-value]


def _in_half(layer: Callable) -> Callable:
    """A layer, which in an autocast region is one product of all that it has."""
    return listed_as("matmul", layer)


@_in_half
def _lstm_layer(x: Tensor, weights: Weights, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    h, c = states
    _refuse_mixed(weights, x, promotes="float16 bfloat16")
    pre = linear(x, weights.w_ih, _both(weights))
    if pre.dtype is float64:  # torch's formula promotes the cell's state; its kernel for float32 does not
        c = c.to(float64)
    return lstm_layer(pre, h, c, weights.w_hh, weights.w_hr, sizes, reverse)[:3]


@_in_half
def _gru_layer(x: Tensor, weights: Weights, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    pre = linear(x, weights.w_ih, weights.b_ih)
    return gru_layer(pre, states[0], weights.w_hh, weights.b_hh, sizes, reverse)[:2]


@_in_half
def _rnn_layer(relu: bool, x: Tensor, weights: Weights, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    if not relu:
        _refuse_integers("rnn_tanh", x)
    bias = _both(weights)
    _refuse_mixed(weights, x)
    pre = linear(x, weights.w_ih, bias)
    return rnn_layer(pre, states[0], weights.w_hh, relu, sizes, reverse)[:2]


def _lstm_by_cells(x: Tensor, weights: Weights, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights

    def step(x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        i, f, u, o = chunk(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(u)
        h = sigmoid(o) * tanh(c)
        return h if w_hr is None else linear(h, w_hr), c

    return _by_cells(step, x, states, sizes, reverse)


def _gru_by_cells(x: Tensor, weights: Weights, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    return _by_cells(lambda x, h: (gru_cell(x, h, *weights[:4]),), x, states, sizes, reverse)


def _by_cells(step: Callable, x: Tensor, states: list, sizes: tuple, reverse: bool) -> tuple[Tensor, ...]:
    """A layer as a loop over cells: in an autocast region each product is cast, and what lies between keeps the state's dtype."""
    steps, found = steps_of(sizes, reverse), []
    data = reshape(x, (sum(sizes), x.shape[-1]))
    for rows, n in steps:
        new = step(data[rows], *(state[:n] for state in states))
        found.append(new[0])
        states = [after if len(after) == len(state) else cat([after, state[n:]]) for after, state in zip(new, states)]
    out = cat(found[::-1] if reverse else found)
    return reshape(out, (*x.shape[:-1], out.shape[-1])), *states


def _refuse_mixed(weights: Weights, x: Tensor, promotes: str = "") -> None:
    """RuntimeError for a bias of another dtype than the input's, but of those that torch's kernel promotes."""
    for b in (weights.b_ih, weights.b_hh):
        if b is not None and b.dtype is not x.dtype and b.dtype.name not in promotes.split():
            raise RuntimeError(
                f"self and mat2 must have the same dtype, but got a bias of {b.dtype!r} for an input of {x.dtype!r}"
            )


def _both(weights: Weights) -> Tensor | None:
    """The sum of the biases, where each gate adds up what comes from the input and from the state."""
    return None if weights.b_ih is None else weights.b_ih + weights.b_hh


def _through_layers(net: Net, hidden: tuple[Tensor, ...], layer: Callable, projects: bool = False) -> tuple[Tensor, ...]:
    """The output of the last layer, and for each kind of hidden state those of all layers and directions after the last step."""
    directions = 2 if net.bidirectional else 1
    weights = _weights_of(net, projects)
    _check_sizes(net, hidden, weights, directions)
    before = [unbind(state, 0) for state in hidden]
    x, after = transpose(net.x, 0, 1) if net.batch_first else net.x, []
    sizes = net.sizes or (x.shape[1],) * x.shape[0]
    for k in range(net.num_layers):
        outs = []
        for nr in range(k * directions, (k + 1) * directions):
            out, *states = layer(x, weights[nr], [state[nr] for state in before], sizes, nr % directions == 1)
            outs.append(out)
            after.append(states)
        x = outs[0] if len(outs) == 1 else cat(outs, -1)
        if net.dropout and net.train and k < net.num_layers - 1:
            x = dropped(x, net.dropout, True)
    return transpose(x, 0, 1) if net.batch_first else x, *(stack(states, 0) for states in zip(*after))


# ---- what a net is called with ----


class Net(NamedTuple):
    """The arguments of a call, by either form. sizes: how many sequences each step has, of a packed sequence."""

    x: Tensor
    hx: Any
    params: Sequence[Tensor]
    has_biases: bool
    num_layers: int
    dropout: float
    train: bool
    bidirectional: bool
    batch_first: bool = False
    sizes: tuple[int, ...] = ()


class Weights(NamedTuple):
    """Those of one layer in one direction."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    w_hr: Tensor | None = None


OF_A_NET = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
PADDED, PACKED = ("input", *OF_A_NET, "batch_first"), ("data", "batch_sizes", *OF_A_NET)


def _net_of(name: str, args: tuple, kwargs: dict) -> Net:
    """The arguments, by name; TypeError unless all are there, and of the types that they should be."""
    packed = "batch_sizes" in kwargs or (len(args) > 3 and not isinstance(args[3], bool))
    names = PACKED if packed else PADDED
    given = dict(zip(names, args)) | kwargs
    hx = (list, tuple) if name == "lstm" else TENSOR
    kinds = {"hx": hx, "params": (list, tuple), "num_layers": int, "dropout": (int, float)}
    kinds |= dict.fromkeys(("input", "data", "batch_sizes"), TENSOR)
    wrong = [n for n in names if n not in given or not _is_of(given[n], kinds.get(n, bool))]
    if wrong or len(args) + len(kwargs) != len(names):
        got = ", ".join([type(a).__name__ for a in args] + [f"{n}={type(a).__name__}" for n, a in kwargs.items()])
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({got}), but expected ({', '.join(PADDED)}) or, of a "
            f"packed sequence, ({', '.join(PACKED)})" + (f"; look at '{wrong[0]}'" if wrong else "")
        )
    for n in ("hx", "params"):
        _refuse_others(given[n] if isinstance(given[n], (list, tuple)) else (), names.index(n) + 1)
    if not packed:
        return Net(given.pop("input"), **given)
    return Net(given.pop("data"), sizes=_sizes(given.pop("batch_sizes")), **given)


def _refuse_others(values: Sequence[Any], place: int) -> None:
    """TypeError for what is no tensor in a list of tensors."""
    for k, value in enumerate(values):
        if not _is_of(value, TENSOR):
            raise TypeError(f"expected Tensor as element {k} in argument {place}, but got {type(value).__name__}")


TENSOR = "Tensor"


def _is_of(value: Any, kind: Any) -> bool:
    if kind == TENSOR:
        return hasattr(value, "_array")
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _sizes(batch_sizes: Tensor) -> tuple[int, ...]:
    sizes = tuple(batch_sizes.tolist())
    if sizes != tuple(sorted(sizes, reverse=True)):
        raise RuntimeError(f"batch_sizes must not increase: packed sequences are sorted by length, got {list(sizes)}")
    return sizes


def _weights_of(net: Net, projects: bool) -> list[Weights]:
    """The parameters by layer and direction."""
    names = ["w_ih", "w_hh", *["b_ih", "b_hh"] * net.has_biases, *["w_hr"] * projects]
    each, wanted = len(names), net.num_layers * (2 if net.bidirectional else 1)
    if len(net.params) % each or len(net.params) < wanted * each:
        raise RuntimeError(
            f"got an incorrect number of RNN parameters: expected {wanted * each}, {each} for each layer and direction, "
            f"got {len(net.params)}"
        )
    return [Weights(**dict(zip(names, net.params[k : k + each]))) for k in range(0, len(net.params), each)]


def _check_sizes(net: Net, hidden: tuple[Tensor, ...], weights: list[Weights], directions: int) -> None:
    """What cannot be computed, in words."""
    if net.x.ndim != (2 if net.sizes else 3):
        raise RuntimeError(
            f"expected {'data (rows, input_size)' if net.sizes else 'input (L, N, input_size)'}, got shape "
            f"{tuple(net.x.shape)}"
        )
    steps, batch = (len(net.sizes), net.sizes[0]) if net.sizes else net.x.shape[:2][:: -1 if net.batch_first else 1]
    if not steps:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if net.sizes and sum(net.sizes) != len(net.x):
        raise RuntimeError(f"batch_sizes add up to {sum(net.sizes)}, but data has {len(net.x)} rows")
    for state in hidden:
        if state.ndim != 3 or len(state) != net.num_layers * directions:
            raise RuntimeError(
                f"Expected more hidden states in stacked_rnn: ({net.num_layers * directions}, {batch}, H), got "
                f"{tuple(state.shape)}"
            )
        if state.shape[1] != batch:
            raise RuntimeError(f"Expected a hidden state for each of the {batch} sequences, got {tuple(state.shape)}")
    for w_ih, w_hh, *biases, _ in weights:
        if w_ih.ndim != 2 or w_hh.ndim != 2 or len(w_ih) != len(w_hh):
            raise RuntimeError(
                f"w_ih and w_hh are matrices with as many rows, got {tuple(w_ih.shape)} and {tuple(w_hh.shape)}"
            )
        if hidden[0].shape[2] != w_hh.shape[1]:
            raise RuntimeError(f"hidden state {tuple(hidden[0].shape)} does not fit w_hh {tuple(w_hh.shape)}")
        for b in biases:
            if b is not None and tuple(b.shape) != (len(w_ih),):
                raise RuntimeError(
                    f"expected a bias of shape ({len(w_ih)},), a number for each row of w_ih, got {tuple(b.shape)}"
                )
