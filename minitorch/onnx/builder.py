"""The ONNX graph while it is made: its nodes, its constants, and what is known of each tensor.

A dimension that was another size in a second trace is None here (`export.py`); all else is a number. Where a formula needs a size that is not
known, it gets a tensor that holds it: a `Length`. Read next: `table.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minitorch.arrays import dtypes

from .errors import Unsupported

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Ref:
    """A tensor of the graph: its name, dtype and shape, and its numbers if they are known."""

    name: str
    dtype: np.dtype
    shape: Shape
    value: np.ndarray | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, eq=False)
class Length:
    """A size that is known when the graph runs: the name of an int64 tensor of one element."""

    name: str


class Builder:
    """Adds nodes, and hands out names."""

    def __init__(self, opset: int) -> None:
        import onnx

        self.onnx, self.opset = onnx, opset
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.constants: dict[tuple, str] = {}
        self.lengths: dict[tuple[str, int], Length] = {}
        self.taken: set[str] = set()
        self.out = Ref("", np.dtype("float32"), ())  # what the call that is being written gives
        self.outs: list[Ref] = []  # if it gives several

    # ---- nodes ----

    def op(self, kind: str, *inputs: Any, outputs: int = 0, **attributes: Any) -> Any:
        """A node, and the name of its output; the names of them if `outputs` is not 0. An input that is None is left out."""
        names = [self.fresh(kind.lower()) for _ in range(outputs or 1)]
        given = [self.name_of(x) for x in inputs]
        while given and not given[-1]:
            given.pop()
        known = {name: value for name, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, given, names, name=names[0], **known))
        return names if outputs else names[0]

    def fresh(self, name: str) -> str:
        """A name that nobody has yet."""
        made, k = name, 0
        while made in self.taken:
            k += 1
            made = f"{name}_{k}"
        self.taken.add(made)
        return made

    def name_of(self, x: Any) -> str:
        if x is None:
            return ""
        if isinstance(x, (Ref, Length)):
            return x.name
        return x if isinstance(x, str) else self.constant(np.asarray(x))

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant with these numbers."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = self.initializer(self.fresh("constant"), array)
        return self.constants[key]

    def initializer(self, name: str, array: np.ndarray) -> str:
        self.initializers[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    # ---- sizes ----

    def size(self, x: Ref, dim: int) -> int | Length:
        """The size of a dimension: a number if all runs have the same."""
        dim %= x.ndim
        known = x.shape[dim]
        if known is not None:
            return known
        if (x.name, dim) not in self.lengths:
            self.lengths[x.name, dim] = Length(self.op("Shape", x, start=dim, end=dim + 1))
        return self.lengths[x.name, dim]

    def sizes(self, x: Ref) -> list[int | Length]:
        return [self.size(x, dim) for dim in range(x.ndim)]

    def ints(self, values: Sequence[Any]) -> Any:
        """A list of ints, some of which may be Lengths, as one int64 tensor."""
        if not any(isinstance(n, Length) for n in values):
            return np.array([int(n) for n in values], np.int64)
        return self.op("Concat", *(n if isinstance(n, Length) else np.array([n], np.int64) for n in values), axis=0)

    def reshape(self, x: Any, shape: Sequence[Any]) -> Any:
        """x in another shape. Of one dimension only need the size not be known."""
        unknown = [d for d, n in enumerate(shape) if n is None or isinstance(n, Length)]
        if len(unknown) == 1 and -1 not in [n for n in shape if isinstance(n, int)]:
            shape = [-1 if d in unknown else n for d, n in enumerate(shape)]
        if any(n is None for n in shape):
            raise Unsupported("two of its sizes depend on the input")
        return self.op(
            "Reshape", x, self.ints(shape), allowzero=1 if 0 in [n for n in shape if isinstance(n, int)] else None
        )

    # ---- numbers ----

    def cast(self, x: Any, dtype: Any) -> Any:
        """x in a dtype; what is in it already stays as it is."""
        wanted = np.dtype(dtype)
        if isinstance(x, Ref) and x.dtype == wanted:
            return x
        return self.op("Cast", x, to=self.onnx.helper.np_dtype_to_tensor_dtype(wanted))

    def operand(self, x: Any, dtype: Any) -> Any:
        """A tensor, a number or a size as a tensor of this dtype."""
        if isinstance(x, Ref):
            return self.cast(x, dtype)
        if isinstance(x, Length):
            return self.cast(self.op("Squeeze", x, np.array([0], np.int64)), dtype)
        return number(x, dtype)

    def number(self, x: Any) -> np.ndarray:
        """A number in the dtype of the result."""
        return number(x, self.out.dtype)


def number(x: Any, dtype: Any) -> np.ndarray:
    """A Python number in a dtype that holds it."""
    try:
        return np.array(x, dtype)
    except OverflowError:
        raise Unsupported(f"{x} is no {np.dtype(dtype).name}") from None


def common_dtype(*operands: Any) -> np.dtype:
    """The dtype in which tensors and numbers meet, as minitorch's ops promote."""
    import minitorch

    given = [x for x in operands if x is not None]
    found: Any = None
    for x in given:
        if isinstance(x, Ref):
            like: Any = minitorch.empty((1,) * x.ndim, dtype=dtypes.from_numpy_dtype(x.dtype))
        else:
            like = 1 if isinstance(x, Length) else x
        found = (
            like
            if found is None
            else minitorch.empty((1,) * max(_ndim(found), _ndim(like)), dtype=minitorch.result_type(found, like))
        )
    return np.dtype(found._array.dtype if hasattr(found, "_array") else np.asarray(found).dtype)


def _ndim(x: Any) -> int:
    return getattr(x, "ndim", 0)


def as_list(value: Any, n: int) -> list[int]:
    """One int for each of n dimensions."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if any(isinstance(v, Length) for v in values):
        raise Unsupported("its sizes must not depend on the input's")
    return values * n if len(values) == 1 else values
