"""LSTM, GRU and their cells with weights of 8 bits: floats come in and go out, and so do the states between the steps.

A layer's products with the input are made for all steps at once, so the whole sequence shares one scale; those with the state are made
step by step. Biases and everything that is no product of matrices stay floats. Read next: `linear.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import minitorch
from minitorch import nn
from minitorch.nn import functional as F
from minitorch.nn.utils.rnn import PackedSequence
from minitorch.ops.quantized import linear_dynamic
from minitorch.tensor import Tensor

from ...modules.utils import KeepsMore, _quantize_weight, array_of, refuse_unless
from .linear import _check_floats

__all__ = ["GRU", "LSTM", "GRUCell", "LSTMCell", "PackedParameter", "RNNBase", "RNNCell"]


class PackedParameter(KeepsMore):
    """The weights and biases of one layer in one direction: (w_ih, w_hh, b_ih, b_hh)."""

    def __init__(self, param: tuple) -> None:
        super().__init__()
        self.param = param

    def _more_state(self) -> dict[str, Any]:
        return {"param": self.param}

    def _take_state(self, given: dict[str, Any]) -> None:
        w_ih, w_hh, b_ih, b_hh = given["param"]
        for new, old in zip((w_ih, w_hh), self.param):
            if new.shape != old.shape or new.dtype is not old.dtype:
                raise ValueError(
                    f"a weight of shape {tuple(new.shape)} and {new.dtype!r}, not {tuple(old.shape)} and {old.dtype!r}"
                )
        self.param = w_ih, w_hh, b_ih, b_hh


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x Wᵀ + b: of integers for a quantized weight, else of floats that were rounded to float16."""
    if not weight.is_quantized:
        return F.linear(x, weight, bias)
    return Tensor._wrap(linear_dynamic(x._array, weight._array, array_of(bias)))


def _taken(weight: Tensor, bias: Tensor | None, make_observer: Any) -> tuple[Tensor, Tensor | None]:
    """A float weight as it is kept, and its bias."""
    observer = make_observer()
    bias = None if bias is None else bias.detach().clone()
    if observer.dtype is minitorch.float16:
        return weight.detach().half().float(), bias
    if observer.dtype is not minitorch.qint8:
        raise RuntimeError(f"Unsupported dtype for dynamic RNN quantization: {observer.dtype!r}; it is qint8 or float16")
    observer(weight)
    return _quantize_weight(weight.float(), observer), bias


def lstm_step(of_input: Tensor, state: tuple[Tensor, Tensor], w_hh: Tensor, b_hh: Tensor | None) -> tuple[Tensor, Tensor]:
    """One step of an LSTM, whose products with the input are there."""
    h, c = state
    i, f, g, o = (of_input + product(h, w_hh, b_hh)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(of_input: Tensor, h: Tensor, w_hh: Tensor, b_hh: Tensor | None) -> Tensor:
    """One step of a GRU."""
    (r_x, z_x, n_x), (r_h, z_h, n_h) = of_input.chunk(3, 1), product(h, w_hh, b_hh).chunk(3, 1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (h - n) * z + n


class RNNBase(nn.Module):
    """What LSTM and GRU are. The options are those of `nn.LSTM`; `from_float` makes one."""

    _FLOAT_MODULE: ClassVar[Any] = nn.RNNBase
    _version = 2
    mode = ""
    states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = minitorch.qint8,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional, self.dtype = batch_first, float(dropout), bidirectional, dtype
        self.training = False
        from minitorch.ao.quantization.qconfig import default_dynamic_qconfig, float16_dynamic_qconfig

        config = float16_dynamic_qconfig if dtype is minitorch.float16 else default_dynamic_qconfig
        shape = input_size, hidden_size, num_layers, True, batch_first, dropout, bidirectional
        self._take(self._FLOAT_MODULE(*shape), config.weight)

    def _take(self, mod: Any, make_observer: Any) -> None:
        """The weights of a float layer."""
        values = []
        for layer in range(self.num_layers):
            for suffix in ("", "_reverse")[: 1 + self.bidirectional]:
                pairs = [
                    _taken(
                        getattr(mod, f"weight_{which}_l{layer}{suffix}"),
                        getattr(mod, f"bias_{which}_l{layer}{suffix}"),
                        make_observer,
                    )
                    for which in ("ih", "hh")
                ]
                values.append(PackedParameter((pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1])))
        self._all_weight_values = nn.ModuleList(values)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one."""
        refuse_unless(
            type(mod) in (nn.LSTM, nn.GRU),
            f"nn.quantized.dynamic.RNNBase.from_float only works for nn.LSTM and nn.GRU, got {type(mod)}",
        )
        refuse_unless(hasattr(mod, "qconfig"), "Input float module must have qconfig defined")
        refuse_unless(mod.bias, "mod.bias must be True: torch quantizes no recurrent layer without")
        refuse_unless(not getattr(mod, "proj_size", 0), "a recurrent layer with proj_size is not quantized")
        kind: Any = LSTM if type(mod) is nn.LSTM else GRU
        make_observer = mod.qconfig.weight
        made = kind(
            mod.input_size, mod.hidden_size, mod.num_layers, mod.bias, mod.batch_first, mod.dropout, mod.bidirectional,
            make_observer().dtype,
        )  # fmt: skip
        made._take(mod, make_observer)
        return made

    # ---- the run ----

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(output, state), both floats; shapes as of `nn.LSTM`, in a batch, or packed."""
        if isinstance(input, PackedSequence):
            raise NotImplementedError(
                "a dynamically quantized recurrent layer takes tensors here; pad the sequences (pad_packed_sequence) first"
            )
        if input.ndim != 3:
            raise RuntimeError(f"input must have 3 dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )
        _check_floats(input)
        with minitorch.no_grad():
            x = input.transpose(0, 1) if self.batch_first else input
            out, states = self._run(x, self._initial(x, hx))
            return out.transpose(0, 1) if self.batch_first else out, states

    def _initial(self, x: Tensor, hx: Any) -> list[Tensor]:
        """The states at the start."""
        shape = self.num_layers * (1 + self.bidirectional), x.shape[1], self.hidden_size
        states = (
            [hx]
            if isinstance(hx, Tensor)
            else [minitorch.zeros(shape) for _ in range(self.states)]
            if hx is None
            else list(hx)
        )
        for state in states:
            if tuple(state.shape) != shape:
                raise RuntimeError(f"Expected hidden size {shape}, got {list(state.shape)}")
        return states

    def _run(self, x: Tensor, initial: list[Tensor]) -> tuple[Tensor, Any]:
        ends = []
        directions = 1 + self.bidirectional
        for layer in range(self.num_layers):
            outs = []
            for direction in range(directions):
                place = layer * directions + direction
                param = self._all_weight_values[place].param
                out, end = self._one_way(x, [state[place] for state in initial], param, direction == 1)
                outs.append(out)
                ends.append(end)
            x = minitorch.cat(outs, -1)
            if self.dropout and self.training and layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout)
        last = [minitorch.stack(states) for states in zip(*ends)]
        return x, tuple(last) if self.states > 1 else last[0]

    def _one_way(self, x: Tensor, states: list[Tensor], param: tuple, backwards: bool) -> tuple[Tensor, list[Tensor]]:
        """One layer in one direction: all outputs, and the states at the end."""
        w_ih, w_hh, b_ih, b_hh = param
        steps = list(product(x, w_ih, b_ih).unbind(0))
        outs = []
        for step in reversed(steps) if backwards else steps:
            states = self._step(step, states, w_hh, b_hh)
            outs.append(states[0])
        return minitorch.stack(outs[::-1] if backwards else outs), states

    def _step(self, of_input: Tensor, states: list[Tensor], w_hh: Tensor, b_hh: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _get_name(self) -> str:
        return f"DynamicQuantized{self.mode}"

    def extra_repr(self) -> str:
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        others = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *others])

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"


class LSTM(RNNBase):
    """An LSTM with weights of 8 bits."""

    _FLOAT_MODULE: ClassVar[Any] = nn.LSTM
    mode, states = "LSTM", 2

    def _step(self, of_input: Tensor, states: list[Tensor], w_hh: Tensor, b_hh: Tensor) -> list[Tensor]:
        return list(lstm_step(of_input, (states[0], states[1]), w_hh, b_hh))


class GRU(RNNBase):
    """A GRU with weights of 8 bits."""

    _FLOAT_MODULE: ClassVar[Any] = nn.GRU
    mode = "GRU"

    def _step(self, of_input: Tensor, states: list[Tensor], w_hh: Tensor, b_hh: Tensor) -> list[Tensor]:
        return [gru_step(of_input, states[0], w_hh, b_hh)]


# ---- cells ----


class RNNCellBase(KeepsMore):
    """One step, with weights of 8 bits."""

    def __init__(self, mod: Any, make_observer: Any) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = mod.input_size, mod.hidden_size, mod.bias
        self.nonlinearity = getattr(mod, "nonlinearity", "tanh")
        self._ih = _taken(mod.weight_ih, mod.bias_ih, make_observer)
        self._hh = _taken(mod.weight_hh, mod.bias_hh, make_observer)

    def _more_state(self) -> dict[str, Any]:
        return {"_packed_weight_ih": self._ih, "_packed_weight_hh": self._hh}

    def _take_state(self, given: dict[str, Any]) -> None:
        (self._ih, self._hh) = (tuple(given[name]) for name in ("_packed_weight_ih", "_packed_weight_hh"))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized cell of a float one."""
        refuse_unless(hasattr(mod, "qconfig"), "Input float module must have qconfig defined")
        return cls(mod, mod.qconfig.weight)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """The state after the step."""
        with minitorch.no_grad():
            zeros = minitorch.zeros(len(input), self.hidden_size)
            return self._step(product(input, *self._ih), (zeros, zeros) if hx is None else hx)

    def _step(self, of_input: Tensor, hx: Any) -> Any:
        raise NotImplementedError

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}"
        return words if self.nonlinearity == "tanh" else f"{words}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of an LSTM."""

    def _step(self, of_input: Tensor, hx: Any) -> Any:
        return lstm_step(of_input, hx, *self._hh)


class GRUCell(RNNCellBase):
    """One step of a GRU."""

    def _step(self, of_input: Tensor, hx: Any) -> Any:
        return gru_step(of_input, hx[0] if isinstance(hx, tuple) else hx, *self._hh)


class RNNCell(RNNCellBase):
    """One step of a plain recurrent network."""

    def _step(self, of_input: Tensor, hx: Any) -> Any:
        out = of_input + product(hx[0] if isinstance(hx, tuple) else hx, *self._hh)
        return out.relu() if self.nonlinearity == "relu" else out.tanh()
