"""The hand that writes a random script: it looks at what the script has made so far and chooses what to type next.

A statement is one line of Python in which `torch` is the library. Whether it is a good one is not decided here: most are, some are
mistakes, and both libraries must say the same of them. Read next: `grammar.py`, what may be typed; `run.py`, how it is run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from .compare import leaf

SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (0, 3), (2, 2), (3, 3), (4,), (1,), (2, 3, 2), (3, 1, 2), (2, 0)]
FLOATS = (
    ["float64"],
    ["float64"] * 4 + ["float32"] * 4,
    ["float64", "float32", "float32", "float16", "bfloat16"],
)  # a script keeps to one
INTS = ["int64"] * 4 + ["int32", "uint8", "int8", "int16"]
NUMBERS = ["0", "1", "2", "-1", "0.5", "-1.5", "3", "True", "2.0", "1e-3"]
ODD_NUMBERS = [
    "300",
    "-1",
    "2**40",
    "float('inf')",
    "float('nan')",
    "1e20",
    "np.float64(1.5)",
    "np.int64(2)",
    "np.float32(0.5)",
    "-0.0",
]
MOST = 10  # tensors alive in a script


class Nothing(Exception):
    """Nothing in the script suits this statement."""


def is_tensor(x: Any) -> bool:
    return isinstance(x, torch.Tensor)


def is_float(t: torch.Tensor) -> bool:
    return t.is_floating_point()


class Pen:
    """Chooses; `names` is what the script has bound so far, on torch's side."""

    def __init__(self, seed: int, names: dict[str, Any]):
        self.rng = random.Random(seed)
        self.floats = self.one(FLOATS)
        self.names = names
        self.made = 0

    # ---- choices ----

    def one(self, options: Sequence) -> Any:
        return self.rng.choice(options)

    def often(self, probability: float) -> bool:
        return self.rng.random() < probability

    def integer(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def maybe(self, text: str, probability: float = 0.3) -> str:
        """The text, or nothing: for an argument that may be left out."""
        return text if self.often(probability) else ""

    def dtype(self) -> str:
        """The name of any dtype, floats more often."""
        return self.one(self.floats if self.often(0.6) else INTS)

    # ---- names ----

    def new(self) -> str:
        """A name that is free."""
        self.made += 1
        return "abcdfghjklmnpqrstuvwxyz"[(self.made - 1) % 23] + (str((self.made - 1) // 23) if self.made > 23 else "")

    def all_of(self, kind: type | tuple[type, ...]) -> list[str]:
        return [name for name, value in self.names.items() if isinstance(value, kind)]

    def named(self, kind: type | tuple[type, ...]) -> str:
        """The name of something of this type."""
        found = self.all_of(kind)
        if not found:
            raise Nothing
        return self.one(found)

    def tensor(self, suits: Callable[[torch.Tensor], bool] = is_tensor) -> str:
        """A tensor of the script, as an expression: mostly a name, at times a part of something."""
        found = [name for name in self.all_of(torch.Tensor) if suits(self.names[name])]
        if not found or self.often(0.05):
            found += self.parts(suits)
        if not found:
            raise Nothing
        return self.one(found[-4:] if self.often(0.5) else found)

    def parts(self, suits: Callable[[torch.Tensor], bool]) -> list[str]:
        """Tensors inside tuples and modules, and gradients."""
        found = []
        for name, value in self.names.items():
            if isinstance(value, (tuple, list)):
                found += [f"{name}[{i}]" for i, each in enumerate(value) if is_tensor(each) and suits(each)]
            elif isinstance(value, torch.nn.Module):
                found += [f"{name}.{key}" for key, p in value.named_parameters() if "." not in key and suits(p)]
            elif is_tensor(value) and leaf(value) is True and value.grad is not None and suits(value.grad):
                found.append(f"{name}.grad")
        return found

    def value(self, expression: str) -> Any:
        return eval(expression, {"torch": torch}, self.names)

    def floating(self) -> str:
        return self.tensor(is_float)

    def whole(self) -> str:
        return self.tensor(lambda t: not t.is_floating_point() and t.dtype is not torch.bool)

    def fitting(self, expression: str) -> str:
        """A tensor that broadcasts with this one, most of the time."""
        shape = self.value(expression).shape
        if self.often(0.1):
            return self.tensor()
        return self.tensor(lambda t: broadcasts(t.shape, shape))

    def number(self) -> str:
        return self.one(ODD_NUMBERS if self.often(0.06) else NUMBERS)

    def operand(self, expression: str) -> str:
        """What stands on the other side of an operator: a tensor, a number, rarely something of NumPy's."""
        draw = self.rng.random()
        if draw < 0.6:
            return self.fitting(expression)
        if draw < 0.95:
            return self.number()
        shape = tuple(self.value(expression).shape)
        return self.one([f"np.ones({shape})", "np.float64(2.0)", "np.int64(3)", "[1.0]", "None"])

    # ---- shapes, dims, indices ----

    def shape(self) -> tuple[int, ...]:
        return self.one(SHAPES)

    def smaller(self, expression: str) -> tuple[int, ...]:
        """A shape of no more elements: what `resize_` finds beyond is whatever was there."""
        n = self.value(expression).numel()
        return self.one([shape for shape in SHAPES if prod(shape) <= n])

    def dim(self, expression: str) -> str:
        """A dimension; out of range once in a while."""
        n = self.value(expression).ndim
        if self.often(0.03):
            return str(self.one([n, -n - 1, 5]))
        return str(self.integer(-max(n, 1), max(n, 1) - 1))

    def dims(self, expression: str) -> str:
        n = self.value(expression).ndim
        if n < 2 or self.often(0.5):
            return self.dim(expression)
        return (
            str(tuple(self.rng.sample(range(n), self.integer(1, n))))
            if self.often(0.8)
            else f"({self.dim(expression)}, {self.dim(expression)})"
        )

    def index(self, expression: str) -> str:
        """What stands between the brackets of t[…]."""
        shape = self.value(expression).shape
        parts, dim = [], 0
        for _ in range(self.integer(1, 3)):
            size = shape[dim] if dim < len(shape) else 1
            part = self.index_part(size)
            parts.append(part)
            dim += part not in ("None", "...")
        if parts.count("...") > 1:
            parts = [p for p in parts if p != "..."]
        if self.often(0.12):
            return self.one(
                [
                    f"{expression} > 0.123",
                    f"{expression}.isfinite()",
                    "[[0], [0]]",
                    "(0,)",
                    "()",
                    "[True, False]",
                    "torch.tensor(0)",
                    "0.5",
                    "'a'",
                ]
            )
        return ", ".join(parts) or "..."

    def index_part(self, size: int) -> str:
        k = self.integer(0, max(size - 1, 0))
        return self.one(
            [str(k), str(k - size), ":", f"{k}:", f":{k}", "::2", f"{k - size}:", "None", "...", f"[{k}]", f"[{k}, {k}]", f"[0, {k}]",
             f"torch.tensor({k})", f"torch.tensor([{k}, 0])", f"torch.tensor([[{k}], [0]])", f"np.array([{k}])", f"np.int64({k})",
             "True", f"torch.tensor({[self.often(0.5) for _ in range(size)]}, dtype=torch.bool)", f"slice({k}, None)", "1:1", "::3"]
        )  # fmt: skip

    # ---- new numbers ----

    def values(self, shape: Sequence[int], kind: str) -> Any:
        """A nested list of numbers."""
        if shape:
            return [self.values(shape[1:], kind) for _ in range(shape[0])]
        if kind == "bool":
            return self.often(0.5)
        if kind == "ties":
            return self.one([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0])
        if kind == "odd":
            return self.one([0.0, -0.0, 1.0, float("inf"), float("nan"), 1e30, -1e-30, 3.0])
        return self.integer(-3, 4) if kind == "int" else round(self.rng.uniform(-2, 2), 2)


def broadcasts(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether the two shapes do."""
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b)))
