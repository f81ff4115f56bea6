"""Data types and torch's promotion rules.

A `dtype` is a name around a NumPy dtype. The one idea: operands fall into three ranks — tensors with dimensions,
0-d tensors, Python numbers — and a lower rank changes the result only when its *category* (bool < integer < float) is
higher. That is why `float32_tensor * 2.0` stays float32 and `int64_tensor * 2.0` becomes the default dtype.
Read next: `device.py`, then `op/door.py`, the door where promotion happens.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class dtype:
    """A tensor's element type, such as `minitorch.float32`; compare with `is` or `==`."""

    __module__ = "minitorch"  # where users find it
    __slots__ = ("_numpy", "integers", "is_floating_point", "itemsize", "name")

    def __init__(self, name: str, itemsize: int, is_floating_point: bool = False, integers: str | None = None):
        self.name = name
        self.itemsize = itemsize
        self.is_floating_point = is_floating_point
        # The NumPy dtype of the integers that stand for numbers, if it is a quantized one: see `quantized.py`.
        self.integers = None if integers is None else np.dtype(integers)
        self._numpy: np.dtype | None = None if name == "bfloat16" or integers else np.dtype(name)

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype; bfloat16's comes from the `ml_dtypes` package. A quantized one has none: its integers need a scale."""
        if self.integers is not None:
            raise RuntimeError(
                f"{self!r} is the dtype of quantized tensors, whose integers mean nothing without a scale and a zero point; make one "
                "with quantize_per_tensor(x, scale, zero_point, dtype)"
            )
        if self._numpy is None:
            try:
                import ml_dtypes
            except ImportError:
                raise ImportError("bfloat16 needs the ml_dtypes package: pip install ml_dtypes") from None
            self._numpy = np.dtype(ml_dtypes.bfloat16)
            _BY_NUMPY[self._numpy] = self
        return self._numpy

    @property
    def is_complex(self) -> bool:
        """Always False: minitorch has no complex tensors."""
        return False

    @property
    def is_signed(self) -> bool:
        """True if the dtype can hold negative numbers."""
        return self.name not in ("uint8", "bool", "quint8")

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of the numbers; "q" for quantized ones, which NumPy does not know."""
        return "q" if self.integers is not None else self.numpy.kind

    @property
    def category(self) -> int:
        """0 for bool, 1 for integers, 2 for floats."""
        return 2 if self.is_floating_point else int(self.name != "bool")

    def __repr__(self) -> str:
        return f"minitorch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


uint8 = dtype("uint8", 1)
int8 = dtype("int8", 1)
int16 = short = dtype("int16", 2)
int32 = int_ = dtype("int32", 4)
int64 = long = dtype("int64", 8)
bool_ = dtype("bool", 1)
float16 = half = dtype("float16", 2, is_floating_point=True)
bfloat16 = dtype("bfloat16", 2, is_floating_point=True)
float32 = float_ = dtype("float32", 4, is_floating_point=True)
float64 = double = dtype("float64", 8, is_floating_point=True)

quint8 = dtype("quint8", 1, integers="uint8")
qint8 = dtype("qint8", 1, integers="int8")
qint32 = dtype("qint32", 4, integers="int32")

# Python's own types may be given for a dtype.
OF_PYTHON: dict[type, dtype] = {float: float64, int: int64, bool: bool_}
ALL = (uint8, int8, int16, int32, int64, bool_, float16, bfloat16, float32, float64)
QUANTIZED = (quint8, qint8, qint32)
_BY_NUMPY: dict[Any, dtype] = {d._numpy: d for d in ALL if d._numpy is not None}
_BY_NUMPY.update({d: d for d in QUANTIZED})  # an array of quantized numbers has one of these itself for its dtype
# The names torch's error messages use.
SCALAR_NAMES = {
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "quint8": "QUInt8", "qint8": "QInt8", "qint32": "QInt32",
}  # fmt: skip


def from_numpy_dtype(numpy_dtype: Any) -> dtype:
    """The minitorch dtype of a NumPy dtype; TypeError if torch has none."""
    found = _BY_NUMPY.get(numpy_dtype)
    if found is None:
        numpy_dtype = np.dtype(numpy_dtype)
        if numpy_dtype.name == "bfloat16":
            bfloat16.numpy  # noqa: B018 — reading it registers ml_dtypes' type
        found = _BY_NUMPY.get(numpy_dtype.newbyteorder("="))
    if found is None:
        names = ", ".join(d.name for d in ALL)
        raise TypeError(f"can't convert np.ndarray of type {numpy_dtype}; the supported types are: {names}")
    return found


def as_dtype(given: dtype | type) -> dtype:
    """A dtype, or the one that a Python type stands for: float64 for `float`, int64 for `int`."""
    found = given if isinstance(given, dtype) else OF_PYTHON.get(given) if isinstance(given, type) else None
    if found is None:
        raise TypeError(f"expected a minitorch.dtype, e.g. minitorch.float32, not {type(given).__name__}")
    return found


_default = float32


def get_default_dtype() -> dtype:
    """The dtype of float literals and of results of integer / integer: float32 unless changed."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the dtype that `tensor([1.0])`, `zeros(2)` and int / int produce."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d


def scalar_dtype(value: Any) -> dtype:
    """The dtype a Python or NumPy number has on its own: bool, int64 or the default float (NumPy's bool too, as in torch)."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    return _default


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds both, as torch defines it: an integer never widens a float.

    >>> promote_types(int64, float16)
    minitorch.float16
    """
    a, b = as_dtype(a), as_dtype(b)
    if a.integers is not None or b.integers is not None:
        raise RuntimeError(f"promote_types: there is no dtype for {a!r} and {b!r} together; dequantize() first")
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if {a.name, b.name} == {"float16", "bfloat16"}:
        return float32
    if bfloat16 in (a, b):
        return a if b is bfloat16 else b
    return from_numpy_dtype(np.promote_types(a.numpy, b.numpy))


def result_dtype(with_dims: list[dtype], zero_dim: list[dtype], numbers: list[dtype]) -> dtype:
    """The dtype of a result from operands in the three ranks (see the module's docstring)."""
    result: dtype | None = None
    for rank in (with_dims, zero_dim, numbers):
        best: dtype | None = None
        for d in rank:
            best = d if best is None else promote_types(best, d)
        if best is not None and (result is None or best.category > result.category):
            result = best
    assert result is not None, "no operands"
    return result


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of dtype `from_` may be written into a tensor of dtype `to`: never down a category."""
    return as_dtype(from_).category <= as_dtype(to).category


class finfo:
    """Limits of a floating-point dtype: `eps`, `max`, `min`, `tiny`, `resolution`, `bits`.

    >>> minitorch.finfo(minitorch.float16)
    finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, smallest_normal=6.10352e-05, tiny=6.10352e-05, dtype=float16)
    """

    __module__ = "minitorch"  # where users find it

    def __init__(self, type: dtype | type | None = None):
        given = _asked("finfo", _default if type is None else type)
        if not given.is_floating_point:
            raise TypeError(f"minitorch.finfo() requires a floating point input type, got {given!r}. Use minitorch.iinfo")
        if given is bfloat16:
            import ml_dtypes

            info: Any = ml_dtypes.finfo(given.numpy)
        else:
            info = np.finfo(given.numpy)
        self.dtype, self.bits = given.name, info.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = float(f"1e-{math.floor(-math.log10(self.eps))}")

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype: `max`, `min`, `bits`.

    >>> minitorch.iinfo(minitorch.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __module__ = "minitorch"  # where users find it

    def __init__(self, type: dtype | type):
        given = _asked("iinfo", type)
        if given.is_floating_point or given is bool_:
            raise TypeError(
                f"minitorch.iinfo() requires an integer input type, got {given!r}. Use minitorch.finfo for floats"
            )
        info = np.iinfo(given.numpy if given.integers is None else given.integers)
        self.dtype, self.max, self.min, self.bits = given.name, int(info.max), int(info.min), info.bits

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def _asked(name: str, given: Any) -> dtype:
    """The dtype whose limits are asked for."""
    if not isinstance(given, dtype) and given not in OF_PYTHON:
        raise TypeError(f"{name}(): argument 'type' (position 1) must be minitorch.dtype, not {type(given).__name__}")
    return as_dtype(given)
