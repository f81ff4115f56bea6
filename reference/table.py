"""The table: one row declares an op to the whole test suite, the report and the docs, by pairing it with torch's.

    pair("softmax", torch.softmax, x=floats("*"), dim=dim_of("x"))
    pair("div",     torch.div,     a=floats(), b=floats(away_from=0), broadcast=True)
    pair("relu",    F.relu,        ours=nn.functional.relu, x=floats(ties=True), smooth=floats(away_from=0))

An op that torch lacks has a formula made of torch's beside it, and says why: `ours_alone="…"`.

The arguments are drawn in their order; arrays are passed by position, and options by keyword to both libraries. `ours`
defaults to `minitorch.<name>`. What a row means to a check is in `checks.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import minitorch

from .strategies import Source, Strategy, bools, expanded, floats, ints, several

# With the package opt_einsum beside it, torch chooses an order by the sizes, and 0 · ∞ comes up elsewhere.
torch.backends.opt_einsum.enabled = False

COPIES = "torch's reshape or expand happens to make a copy on the way, which is what it keeps"  # a row's `keeps_more`
FAMILIES = (
    "activation", "attention", "convolution", "ctc", "distance", "elementwise", "grid", "index", "loss",
    "margin_loss", "matmul", "normalize", "pooling", "quantization", "recurrent", "reduce", "resample", "search", "shape", "linalg", "analysis",
)  # fmt: skip


class Row:
    """One op: its name, both implementations, and how its arguments are drawn."""

    def __init__(
        self,
        name: str,
        theirs: Callable,
        ours: Callable | None = None,
        *,
        broadcast: bool = False,
        smooth: dict[str, Strategy] | None = None,
        differentiable: bool = True,
        second_order: bool = True,
        empty: bool = True,
        special: bool = True,
        expand: bool = True,
        half: float = 1.0,
        positional: tuple[str, ...] = (),
        covers: str | None = None,
        keeps_more: str = "",
        ours_alone: str = "",
        gpu: str = "",
        slow: bool = False,
        **arguments: Strategy,
    ):
        self.name, self.theirs = name, theirs
        self._ours = ours
        self.broadcast, self.empty, self.special, self.expand = broadcast, empty, special, expand
        self.half = half  # how many times the usual error float16 and bfloat16 may have; ∞: they cannot tell anything
        self.smooth = smooth or {}  # strategies to use instead where a derivative is compared with differences
        self.differentiable, self.second_order = differentiable, second_order
        self.positional = positional
        self.covers = covers or name
        self.keeps_more = keeps_more or ours_alone  # why a write may be refused that torch's does not mind
        self.ours_alone = ours_alone  # why torch has no function of this name: then `theirs` is a formula made of its others
        # What a GPU does otherwise than a CPU, in torch too: it "waits" for the GPU, has "another order" where any will do, or
        # "takes half" precision, which the CPU refuses.
        self.gpu = gpu
        self.slow = slow  # a further row of an op, which an ordinary run of the tests leaves to the slow ones
        self.arguments = arguments

    @property
    def ours(self) -> Callable:
        """Our callable."""
        return self._ours or getattr(minitorch, self.name)

    def draw(self, source: Source, smooth: bool = False) -> dict[str, Any]:
        """One case: a value for every argument, arrays as float64 NumPy arrays."""
        source.sizes.clear()
        source.empty, source.expand = self.empty, self.expand and not smooth
        source.broadcast = None
        if self.broadcast:
            source.broadcastable()
        case: dict[str, Any] = {}
        for name, strategy in self.arguments.items():
            strategy = self.smooth.get(name, strategy) if smooth else strategy
            case[name] = strategy(source, case) if callable(strategy) else strategy
        return case

    def inputs(self) -> list[str]:
        """The arguments a gradient is asked for."""
        kinds = (floats, several) if self.differentiable else ()
        return [n for n, s in self.arguments.items() if isinstance(s, kinds)]

    def call(self, function: Callable, case: dict[str, Any]) -> Any:
        """The function on a case whose arrays are tensors already."""
        first = [n for n in case if self.is_positional(n)]
        return function(*[case[n] for n in first], **{n: v for n, v in case.items() if n not in first})

    def is_positional(self, name: str) -> bool:
        """Whether the argument is passed by position: arrays are, and what `positional` names."""
        if name in self.positional:
            return True
        strategy = self.arguments[name]
        return isinstance(strategy, (floats, ints, bools, several)) or getattr(strategy, "is_array", False)

    def __repr__(self) -> str:
        return self.name


rows: list[Row] = []


def pair(name: str, theirs: Callable, ours: Callable | None = None, **declaration: Any) -> Row:
    """Declare an op: see the module's docstring."""
    made = Row(name, theirs, ours, **declaration)
    rows.append(made)
    return made


def table() -> list[Row]:
    """All rows, with the families loaded."""
    for family in FAMILIES:
        importlib.import_module(f"reference.rows.{family}")
    return rows


# ---- one case in both libraries ----


def tensors(case: dict[str, Any], library: Any, dtype: Any, wants_grad: list[str]) -> dict[str, Any]:
    """The case with its arrays as tensors of `library`, floats in `dtype`."""
    return {n: _tensor(v, library, dtype, n in wants_grad) for n, v in case.items()}


def _tensor(value: Any, library: Any, dtype: Any, wants_grad: bool) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [_tensor(v, library, dtype, wants_grad) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    with np.errstate(invalid="ignore"):  # an integer of nan or ∞ may be any
        array = copied(value, dtype if value.dtype.kind == "f" else value.dtype)
    if library is torch and array.dtype.name == "bfloat16":  # torch knows no such NumPy dtype
        made: Any = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        made = library.from_numpy(array)
    return made.requires_grad_() if wants_grad else made


def copied(value: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers in memory of their own, laid out as they were (gaps between elements included)."""
    if value.ndim and value.shape[-1] > 1 and value.strides[-1] == 2 * value.itemsize:
        gaps = np.zeros((*value.shape[:-1], 2 * value.shape[-1]), dtype)
        gaps[..., ::2] = value
        return gaps[..., ::2]
    if 0 in value.strides and value.size:
        return expanded(value.astype(dtype), value.strides.index(0))
    return value.astype(dtype, order="K")


def flat(outputs: Any) -> list[Any]:
    """The tensors of any result: one, a tuple of them, or none for a Python value."""
    if isinstance(outputs, (minitorch.Tensor, torch.Tensor)):
        return [outputs]
    if isinstance(outputs, (tuple, list)):
        return [t for o in outputs for t in flat(o)]
    return [outputs]
