"""`FloatFunctional` and `QFunctional`: sums, products and concatenations as modules, so that an observer can stand behind each.

An operator in `forward` (a + b) leaves no place for a scale. `FloatFunctional().add(a, b)` does; `convert` makes a `QFunctional` of it.
"""

from __future__ import annotations

from typing import Any, NoReturn

import minitorch
from minitorch.arrays.quantized import PerTensor, QArray, quantized
from minitorch.nn import Identity, Module
from minitorch.ops import quantized as arithmetic
from minitorch.tensor import Tensor

from .utils import KeepsMore, output_params, refuse_unless

__all__ = ["FloatFunctional", "QFunctional"]


class FloatFunctional(Module):
    """Operations on floats, each observed when the model is prepared.

    >>> both = minitorch.ao.nn.quantized.FloatFunctional()
    >>> both.add(minitorch.tensor(3.0), minitorch.tensor(4.0))
    tensor(7.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process: Any = Identity()

    def forward(self, x: Any) -> NoReturn:
        """RuntimeError: it has operations, not a forward."""
        raise RuntimeError(
            "FloatFunctional is not intended to use the 'forward'. Please use the underlying operation, e.g. add(x, y)"
        )

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """x + y"""
        return self.activation_post_process(x + y)

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """x + y, a number: the zero point says it all, and nothing is observed"""
        return x + y

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """x · y"""
        return self.activation_post_process(x * y)

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """x · y, a number: the scale says it all, and nothing is observed"""
        return x * y

    def cat(self, x: list[Tensor], dim: int = 0) -> Tensor:
        """One after another along `dim`"""
        return self.activation_post_process(minitorch.cat(x, dim=dim))

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """max(x + y, 0)"""
        return self.activation_post_process(minitorch.relu(x + y))

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """x @ y"""
        return self.activation_post_process(x @ y)


class QFunctional(KeepsMore):
    """The operations on quantized tensors, with a scale and a zero point for the result."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.zero_point = 1.0, 0
        self.activation_post_process = Identity()

    def _more_state(self) -> dict[str, Any]:
        return {"scale": minitorch.tensor(self.scale), "zero_point": minitorch.tensor(self.zero_point)}

    def _take_state(self, given: dict[str, Any]) -> None:
        self.scale, self.zero_point = float(given["scale"]), int(given["zero_point"])

    def _get_name(self) -> str:
        return "QFunctional"

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}"

    def forward(self, x: Any) -> NoReturn:
        """RuntimeError: it has operations, not a forward."""
        raise RuntimeError(
            "Functional is not intended to use the 'forward'. Please use the underlying operation, e.g. add(x, y)"
        )

    def _result(self, name: str, function: Any, *tensors: Any, **options: Any) -> Tensor:
        """The function of the arrays; it is told how the result is quantized."""
        for x in tensors:
            if not isinstance(x, Tensor) or not isinstance(x._array, QArray) or not isinstance(x._array.params, PerTensor):
                raise NotImplementedError(
                    f"Could not run 'quantized::{name}': it takes quantized tensors, each with one scale; in a model a QuantStub stands before "
                    "what is quantized"
                )
        first = tensors[0]._array
        if any(x._array.dtype is not first.dtype for x in tensors):
            raise RuntimeError(f"quantized::{name}: all tensors must be of one quantized dtype")
        return self.activation_post_process(Tensor._wrap(function(*(x._array for x in tensors), **options)))

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """x + y"""
        return self._result("add", arithmetic.add, x, y, out=PerTensor(self.scale, self.zero_point))

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        """x + y, a number"""
        return self._result("add_scalar", lambda a: arithmetic.add_scalar(a, y), x)

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """x · y"""
        return self._result("mul", arithmetic.mul, x, y, out=PerTensor(self.scale, self.zero_point))

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        """x · y, a number"""
        return self._result("mul_scalar", lambda a: arithmetic.mul_scalar(a, y), x)

    def cat(self, x: list[Tensor], dim: int = 0) -> Tensor:
        """One after another along `dim`, all with the scale of the result"""
        out = PerTensor(self.scale, self.zero_point)
        again = [self._result("cat", lambda a: quantized(a.dequantized(), out, a.dtype), each) for each in x]
        return minitorch.cat(again, dim=dim)

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        """max(x + y, 0)"""
        return self._result("add_relu", arithmetic.add, x, y, out=PerTensor(self.scale, self.zero_point), relu=True)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        """x @ y"""
        return self._result("matmul", arithmetic.matmul, x, y, out=PerTensor(self.scale, self.zero_point))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> QFunctional:
        """The one of a FloatFunctional that was observed."""
        refuse_unless(
            type(mod) is FloatFunctional,
            f"QFunctional.from_float expects an instance of FloatFunctional, got {type(mod).__name__}",
        )
        made = cls()
        made.scale, made.zero_point = output_params(mod.activation_post_process)
        return made
