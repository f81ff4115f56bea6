"""Recurrent nets: `RNN`, `LSTM`, `GRU` over sequences, and their cells, which take one step.

Here are the weights, their names, and the checks; the mathematics is in `minitorch/ops/recurrent.py` (a step) and
`minitorch/ops/through_time.py` (all steps, and backward through time). Read next: `nn/utils/rnn.py`, sequences of different lengths.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.arrays.warning import warn
from minitorch.nn import init
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter
from minitorch.nn.utils.rnn import PackedSequence
from minitorch.op.autocast import is_on_for_any
from minitorch.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

# Attributes in torch; properties here, which cannot go stale.
_OF_TORCH = ("_all_weights", "_flat_weights_names", "_flat_weights")
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
Hidden = Any  # a tensor; of an LSTM (h, c)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: num_layers layers, one above the other, each in one direction or in both.

    Layer k has weight_ih_l{k} (gates · H, in), weight_hh_l{k} (gates · H, H), bias_ih_l{k}, bias_hh_l{k}, an LSTM with proj_size
    weight_hr_l{k} (P, H) too; those of the way back end in _reverse. All are from U(−1/√H, 1/√H). Between layers there is dropout.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_options(dropout)
        for k, names in enumerate(self._all_weights):
            for name, shape in zip(names, self._shapes(k // self._directions)):
                setattr(self, name, Parameter(minitorch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def _check_options(self, dropout: Any) -> None:
        if not isinstance(dropout, numbers.Number) or not 0 <= self.dropout <= 1 or isinstance(dropout, bool):
            raise ValueError(
                f"dropout should be a number in range [0, 1], the probability of an element being zeroed, got {dropout!r}"
            )
        if dropout and self.num_layers == 1:
            warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={self.num_layers}"
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero, got {value}")
        if self.num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {self.num_layers}")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {self.mode}; there are {', '.join(GATES)}")

    # ---- the weights ----

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _out_size(self) -> int:
        """The size of h: H, or P where it is projected."""
        return self.proj_size or self.hidden_size

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of the weights, a list for each layer and direction."""
        kinds = ["weight_ih", "weight_hh", *["bias_ih", "bias_hh"] * self.bias, *["weight_hr"] * bool(self.proj_size)]
        ends = [f"_l{k}{way}" for k in range(self.num_layers) for way in ("", "_reverse")[: self._directions]]
        return [[kind + end for kind in kinds] for end in ends]

    def _shapes(self, layer: int) -> list[tuple[int, ...]]:
        """The shapes of a layer's weights, in the order of their names."""
        rows = GATES[self.mode] * self.hidden_size
        columns = self.input_size if layer == 0 else self._out_size * self._directions
        shapes: list[tuple[int, ...]] = [(rows, columns), (rows, self._out_size), *[(rows,), (rows,)] * self.bias]
        return [*shapes, *[(self.proj_size, self.hidden_size)] * bool(self.proj_size)]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights as they are now: what the functions of `minitorch` take as params."""
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: in torch it lays the weights out for cuDNN."""

    def reset_parameters(self) -> None:
        """Draw all weights, in their order."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, and those that torch's modules have beside them: torch reads files of whole modules."""
        return {**self.__dict__, **{name: getattr(self, name) for name in _OF_TORCH}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name not in _OF_TORCH})
        self.__dict__.setdefault("proj_size", 0)  # states from before there were projections lack it

    # ---- what comes in ----

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """ValueError for another dtype than the weights', RuntimeError for a wrong shape."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype and not is_on_for_any():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert input: input.to({dtype}), or "
                f"convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)} from input of "
                f"shape {tuple(input.shape)}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """(layers · directions, N, H): the shape of h for this input."""
        return self.num_layers * self._directions, self._batch_of(input, batch_sizes), self._out_size

    def _batch_of(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0 if self.batch_first else 1)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """RuntimeError unless hx has that shape."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden: Hidden, batch_sizes: Tensor | None) -> None:
        """Refuse an input or a hidden state that does not fit, in words."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Hidden, permutation: Tensor | None) -> Hidden:
        """The hidden state with its sequences in another order."""
        return hx if permutation is None else _each(lambda h: h.index_select(1, permutation), hx)

    def _zeros(self, input: Tensor, batch_sizes: Tensor | None) -> Hidden:
        """The hidden state of a net that has seen nothing."""
        return input.new_zeros(self.get_expected_hidden_size(input, batch_sizes))

    def _check_dims(self, hx: Hidden, batched: bool) -> None:
        n = 3 if batched else 2
        if hx.dim() != n:
            kind = "batched" if batched else "unbatched"
            raise RuntimeError(f"For {kind} {n}-D input, hx should also be {n}-D but got {hx.dim()}-D tensor")

    # ---- the call ----

    def _run(self, net: Callable, input: Any, hx: Hidden) -> tuple[Any, Hidden]:
        """The input, of either kind, through a function of `minitorch`."""
        if isinstance(input, PackedSequence):
            return self._run_packed(net, input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        batched, batch_dim = input.dim() == 3, 0 if self.batch_first else 1
        x = input if batched else input.unsqueeze(batch_dim)
        if hx is None:
            hx = self._zeros(x, None)
        else:
            self._check_dims(hx, batched)
            hx = hx if batched else _each(lambda h: h.unsqueeze(1), hx)
        self.check_forward_args(x, hx, None)
        out, *hidden = net(x, hx, *self._options(), self.batch_first)
        if not batched:
            out, hidden = out.squeeze(batch_dim), [h.squeeze(1) for h in hidden]
        return out, self._given_back(hidden)

    def _run_packed(self, net: Callable, input: PackedSequence, hx: Hidden) -> tuple[PackedSequence, Hidden]:
        data, batch_sizes, order, back = input
        hx = self._zeros(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
        if self.mode != "LSTM":  # torch looks at a packed LSTM's arguments no sooner than they do not fit
            self.check_forward_args(data, hx, batch_sizes)
        out, *hidden = net(data, batch_sizes, hx, *self._options())
        return PackedSequence(out, batch_sizes, order, back), self.permute_hidden(self._given_back(hidden), back)

    def _options(self) -> tuple[Any, ...]:
        return self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional

    def _given_back(self, hidden: list[Tensor]) -> Hidden:
        return hidden[0]

    def extra_repr(self) -> str:
        unusual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        given = [f"{name}={getattr(self, name)}" for name, usual in unusual.items() if getattr(self, name) != usual]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *given])


class RNN(RNNBase):
    """h ← tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh) at each step (Elman, 1990), or relu instead of tanh: (output, h_n).

    x (L, N, in), (N, L, in) with batch_first, (L, in) for one sequence, or a PackedSequence; h (layers · directions, N, H), 0 unless
    given. The output is the last layer's h of all steps, (L, N, directions · H); h_n that of all layers after the last.

    >>> output, h_n = minitorch.nn.RNN(3, 4)(minitorch.zeros(5, 2, 3))
    >>> output.shape, h_n.shape
    (minitorch.Size([5, 2, 4]), minitorch.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        _refuse(others)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        net = minitorch.rnn_tanh if self.mode == "RNN_TANH" else minitorch.rnn_relu  # type: ignore[attr-defined]
        return self._run(net, input, hx)


class LSTM(RNNBase):
    """c ← f c + i u, h ← o tanh c at each step, i, f, u, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh: (output, (h_n, c_n)).

    Hochreiter and Schmidhuber, 1997. Shapes as in `RNN`; hx = (h, c). With proj_size P, h is projected by weight_hr to (N, P).

    >>> output, (h_n, c_n) = minitorch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)(minitorch.zeros(5, 2, 3))
    >>> output.shape, h_n.shape
    (minitorch.Size([5, 2, 8]), minitorch.Size([4, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """(layers · directions, N, H): the shape of c for this input."""
        return self.num_layers * self._directions, self._batch_of(input, batch_sizes), self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Hidden, batch_sizes: Tensor | None) -> None:
        """Refuse an input or a hidden state that does not fit, in words."""
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes), self.get_expected_cell_size(input, batch_sizes)
        for k in range(2):
            self.check_hidden_size(hidden[k], expected[k], f"Expected hidden[{k}] size {{}}, got {{}}")

    def _zeros(self, input: Tensor, batch_sizes: Tensor | None) -> Hidden:
        h = super()._zeros(input, batch_sizes)
        return h, input.new_zeros(self.get_expected_cell_size(input, batch_sizes))

    def _check_dims(self, hx: Hidden, batched: bool) -> None:
        n, (h, c) = 3 if batched else 2, (hx[0].dim(), hx[1].dim())
        if h != n or c != n:
            raise RuntimeError(
                f"For {'' if batched else 'un'}batched {n}-D input, hx and cx should also be {n}-D but got ({h}-D, {c}-D) tensors"
            )

    def _given_back(self, hidden: list[Tensor]) -> Hidden:
        return tuple(hidden)

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        return self._run(minitorch.lstm, input, hx)  # type: ignore[attr-defined]


class GRU(RNNBase):
    """h ← (1 − z) u + z h at each step, with r, z = σ(a + m), u = tanh(a + r m): (output, h_n) (Cho et al., 2014).

    a = x W_ihᵀ + b_ih, m = h W_hhᵀ + b_hh, a part of each for r, z and u. Shapes as in `RNN`.

    >>> output, h_n = minitorch.nn.GRU(3, 4, batch_first=True)(minitorch.zeros(2, 5, 3))
    >>> output.shape, h_n.shape
    (minitorch.Size([2, 5, 4]), minitorch.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        _refuse(others)
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._run(minitorch.gru, input, hx)  # type: ignore[attr-defined]


def _refuse(others: dict[str, Any]) -> None:
    if "proj_size" in others:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if others:
        raise TypeError(f"__init__() got an unexpected keyword argument '{next(iter(others))}'")


def _each(function: Callable[[Tensor], Tensor], hidden: Hidden) -> Hidden:
    """The function of a hidden state: of h and of c, where it is both."""
    return function(hidden) if isinstance(hidden, Tensor) else tuple(map(function, hidden))


# ---- one step ----


class RNNCellBase(Module):
    """What the cells share: weight_ih (chunks · H, in), weight_hh (chunks · H, H) and two biases, from U(−1/√H, 1/√H)."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(minitorch.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(minitorch.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(minitorch.empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights, in their order."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _run(self, cell: Callable, input: Tensor, hx: Hidden) -> Hidden:
        """One step of a cell of `minitorch`, of a batch or of one vector."""
        self._check_dims(input, hx)
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(x)
        elif not batched:
            hx = _each(lambda h: h.unsqueeze(0), hx)
        out = cell(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return out if batched else _each(lambda h: h.squeeze(0), out)

    def _check_dims(self, input: Tensor, hx: Hidden) -> None:
        for what, x in {"input": input, **({} if hx is None else self._parts(hx))}.items():
            if x.dim() not in (1, 2):
                raise ValueError(f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {x.dim()}D instead")

    def _parts(self, hx: Hidden) -> dict[str, Tensor]:
        """The tensors of a hidden state, by their names in messages."""
        return {"hidden": hx}

    def _zeros(self, x: Tensor) -> Hidden:
        return x.new_zeros((x.size(0), self.hidden_size))

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}", *["bias=False"] * (self.bias is not True)]
        unusual = getattr(self, "nonlinearity", "tanh")
        return ", ".join(parts + [f"nonlinearity={unusual}"] * (unusual != "tanh"))


class RNNCell(RNNCellBase):
    """h′ = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or relu of it: x (N, in) or (in), h (N, H) or (H), 0 unless given (Elman, 1990).

    >>> minitorch.nn.RNNCell(3, 4)(minitorch.zeros(2, 3)).shape
    minitorch.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        self._check_dims(input, hx)
        cells = {"tanh": minitorch.rnn_tanh_cell, "relu": minitorch.rnn_relu_cell}  # type: ignore[attr-defined]
        if self.nonlinearity not in cells:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}; there are tanh and relu")
        return self._run(cells[self.nonlinearity], input, hx)


class LSTMCell(RNNCellBase):
    """c′ = f c + i u, h′ = o tanh c′, with i, f, u, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh: (h′, c′).

    x (N, in) or (in); hx = (h, c), each (N, H) or (H), 0 unless given (Hochreiter and Schmidhuber, 1997).

    >>> h, c = minitorch.nn.LSTMCell(3, 4)(minitorch.zeros(2, 3))
    >>> h.shape
    minitorch.Size([2, 4])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def _parts(self, hx: Hidden) -> dict[str, Tensor]:
        return {f"hx[{k}]": h for k, h in enumerate(hx)}

    def _zeros(self, x: Tensor) -> Hidden:
        h = super()._zeros(x)
        return h, h

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        return self._run(minitorch.lstm_cell, input, hx)  # type: ignore[attr-defined]


class GRUCell(RNNCellBase):
    """h′ = (1 − z) u + z h with r, z = σ(a + m), u = tanh(a + r m), a = x W_ihᵀ + b_ih, m = h W_hhᵀ + b_hh (Cho et al., 2014).

    x (N, in) or (in), h (N, H) or (H), 0 unless given.

    >>> minitorch.nn.GRUCell(3, 4)(minitorch.zeros(2, 3)).shape
    minitorch.Size([2, 4])
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._run(minitorch.gru_cell, input, hx)  # type: ignore[attr-defined]
