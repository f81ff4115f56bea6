"""Random programs that run on the small engine of docs/build and on minitorch, step by step, and what must be the same.

A program makes leaves, computes with them, takes views, writes in place, and goes backward, once or twice. After each step the two
must agree on who raised, on every value, on which tensors want a gradient, and on how often each memory was written to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

import minitorch

SHAPES = [(), (1,), (3,), (2, 3), (1, 3), (2, 1), (3, 2), (2, 2)]
UNARY = ["exp", "tanh", "relu", "neg", "log", "sqrt", "clone", "sum", "pick"]
BINARY = ["add", "sub", "mul", "div", "matmul"]
VIEWS = ["reshape", "transpose", "expand", "part", "detach"]
WRITES = ["add_", "sub_", "mul_", "div_", "exp_", "tanh_", "relu_", "copy_", "set"]
FREES_PLACES = [
    "IndexBackward0",
    "CopySlices",
]  # minitorch frees what these kept too; the small engine, only inputs and results
TOO_LARGE = 1e3  # a program that leaves the range of ordinary numbers ends


class Difference(AssertionError):
    """The two engines do not do the same."""


class Program:
    """One program, as it runs on both; `told` is its text."""

    def __init__(self, engine: ModuleType, choose: Callable[[Sequence], Any]) -> None:
        self.engine, self.choose = engine, choose
        self.pairs: list[tuple[Any, Any]] = []
        self.told: list[str] = []

    def run(self, steps: int) -> None:
        """Some steps, then backward. (Of ∞ and nan NumPy warns, where minitorch says nothing.)"""
        with np.errstate(all="ignore"):
            self.steps(steps)

    def steps(self, steps: int) -> None:
        for _ in range(2):
            self.leaf()
        for _ in range(steps):
            getattr(self, self.choose(["compute", "compute", "view", "write", "write", "leaf"]))()
            self.compare()
            if not all(np.abs(small.data).max(initial=0) < TOO_LARGE for small, _ in self.pairs):
                return
        self.backward()

    # ---- steps ----

    def leaf(self) -> None:
        shape = self.choose(SHAPES)
        seed = self.choose(range(100))
        wanted = self.choose([True, True, False])
        data = np.random.default_rng(seed).uniform(-2, 2, shape).round(2)
        self.told.append(f"t{len(self.pairs)} = tensor({data.tolist()}, requires_grad={wanted})")
        self.pairs.append(
            (self.engine.Tensor(data.copy(), wanted), minitorch.tensor(data.tolist(), dtype=minitorch.float64))
        )
        self.pairs[-1][1].requires_grad_(wanted)

    def compute(self) -> None:
        name = self.choose([*UNARY, *BINARY])
        x = self.pick()
        if name in BINARY:
            number = name != "matmul" and self.choose([False, True]) and self.choose([False, True])
            self.attempt(name, x, self.choose([2.0, -0.5]) if number else self.pick())
        elif name == "sum":
            dims = [None, *range(-len(self.shape(x)), len(self.shape(x)))]
            self.attempt(name, x, self.choose(dims), self.choose([False, True]))
        elif name == "pick":
            if self.shape(x):
                self.attempt("index", x, np.array([0, 0, self.shape(x)[0] - 1]))
        else:
            self.attempt(name, x)

    def view(self) -> None:
        name, x = self.choose(VIEWS), self.pick()
        shape = self.shape(x)
        size = int(np.prod(shape))
        if name == "reshape":
            self.attempt(name, x, self.choose([(size,), *(s for s in SHAPES if np.prod(s) == size)]))
        elif name == "transpose" and len(shape) == 2:
            self.attempt(name, x, 0, 1)
        elif name == "expand":
            fits = [s for s in SHAPES if s != shape and _broadcasts(shape, s)]
            if fits:
                self.attempt(name, x, self.choose(fits))
        elif name == "part" and shape:
            self.attempt("index", x, self.choose(_parts(shape)))
        elif name == "detach":
            self.attempt(name, x)

    def write(self) -> None:
        name, x = self.choose(WRITES), self.pick()
        if not self.pairs[x][0].data.flags.writeable:
            return  # (expanded: the small engine refuses parts of it too, of which no two elements share a place)
        recording = self.choose([True, True, True, False])
        if name in ("exp_", "tanh_", "relu_"):
            self.attempt(name, x, recording=recording)
        elif name == "set":
            if self.shape(x):
                where = self.choose(_parts(self.shape(x)))
                other = self.other(x)
                fits = len(self.shape(other)) <= np.empty(self.shape(x))[where].ndim  # (torch drops dimensions in front)
                value = other if fits and self.choose([False, True]) else 3.0
                self.attempt(name, x, where, value, recording=recording)
        else:
            number = name != "copy_" and self.choose([False, True]) and self.choose([False, True])
            self.attempt(name, x, self.choose([2.0, -0.5]) if number else self.other(x), recording=recording)

    def backward(self) -> None:
        """From one of the tensors; then, if it was recorded, from its gradients again."""
        root = self.pick()
        retain = self.choose([False, True])
        self.told.append(f"t{root}.sum().backward(retain_graph={retain}), twice")
        for _ in range(2):
            results = [_outcome(lambda side=side: self._backward(side, root, retain)) for side in range(2)]
            if any(f"{node} has already been freed" in str(results[1]) for node in FREES_PLACES):
                return
            self.same_error(results)
            if results[0] is not None:
                return  # (minitorch, as torch, has added by now what reached a leaf before; the small engine adds all or nothing)
            leaves = [pair for pair in self.pairs if pair[1].is_leaf]
            self.compare_grads([small.grad for small, _ in leaves], [mini.grad for _, mini in leaves])
        leaves = [k for k, (small, _) in enumerate(self.pairs) if small.requires_grad and small.node is None]
        self.told.append(f"gradients of the gradients of t{root}.sum() by {leaves}")
        found = [_outcome(lambda side=side: self._twice(side, root, leaves)) for side in range(2)]
        self.same_error([f if isinstance(f, Exception) else None for f in found])
        if not isinstance(found[0], Exception):
            self.compare_grads(*found)

    def _backward(self, side: int, root: int, retain: bool) -> None:
        self.pairs[root][side].sum().backward(retain_graph=retain)

    def _twice(self, side: int, root: int, leaves: list[int]) -> list:
        inputs = [self.pairs[k][side] for k in leaves]
        total = self.pairs[root][side].sum()
        first = self._grad(side, total, inputs)
        sums = [(g * g).sum() for g in first if g is not None and g.requires_grad]
        if not sums:
            return [*first, *(0 * x.detach() for x in inputs)]
        for more in sums[1:]:
            sums[0] = sums[0] + more
        # (Of relu's mask, whose derivative is 0, minitorch sends the 0, as torch does; the small engine sends nothing.)
        second = self._grad(side, sums[0], inputs)
        return [*first, *(0 * x.detach() if g is None else g for g, x in zip(second, inputs))]

    def _grad(self, side: int, root: Any, inputs: list) -> list:
        if side:
            return list(minitorch.autograd.grad(root, inputs, create_graph=True, allow_unused=True))
        return self.engine.grad(root, inputs, create_graph=True)

    # ---- how they run, and what is compared ----

    def pick(self) -> int:
        return self.choose(range(len(self.pairs)))

    def other(self, x: int) -> int:
        """x itself, or a tensor in other memory: minitorch, as torch, refuses to read where it writes, one element further on."""
        memory = self.pairs[x][0].memory
        apart = [k for k, (small, _) in enumerate(self.pairs) if small.memory is not memory or k == x]
        return self.choose(apart)

    def shape(self, x: int) -> tuple:
        return self.pairs[x][0].shape

    def attempt(self, name: str, x: int, *args: Any, recording: bool = True) -> None:
        """The same call on both; a new result joins the others."""
        told = [f"t{a}" if name in TAKES_TENSORS and isinstance(a, int) else repr(a) for a in args]
        self.told.append(f"{name}(t{x}, {', '.join(told)})" + ("" if recording else "  under no_grad"))
        results = []
        for side, library in enumerate((self.engine, minitorch)):
            given = [self.pairs[a][side] if name in TAKES_TENSORS and type(a) is int else a for a in args]
            with library.set_grad_enabled(recording):
                results.append(_outcome(lambda side=side, given=given: CALLS[name](self.pairs[x][side], *given)))
        self.same_error([r if isinstance(r, Exception) else None for r in results])
        if isinstance(results[0], Exception) or name in WRITES:
            return
        self.told[-1] = f"t{len(self.pairs)} = {self.told[-1]}"
        self.pairs.append((results[0], results[1]))

    def same_error(self, errors: list) -> None:
        if (errors[0] is None) != (errors[1] is None):
            raise Difference(f"small: {errors[0]!r}\nminitorch: {errors[1]!r}\n{self}")

    def compare(self) -> None:
        """All that can be seen of every tensor."""
        for k, (small, mini) in enumerate(self.pairs):
            seen = (small.requires_grad, small.node is None, small.memory.version)
            theirs = (mini.requires_grad, mini.is_leaf, mini._version)
            if seen != theirs or not _close(small.data, mini.detach().numpy()):
                raise Difference(f"t{k}: small {seen} {small}, minitorch {theirs} {mini}\n{self}")

    def compare_grads(self, ours: list, theirs: list) -> None:
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if (a is None) != (b is None) or (a is not None and not _close(a.data, b.detach().numpy())):
                raise Difference(f"gradient {k}: small {a}, minitorch {b}\n{self}")

    def __str__(self) -> str:
        return "\n".join(self.told)


PARTS: dict[int, list] = {
    1: [0, slice(1, None), slice(None, None, 2)],
    2: [0, (slice(None), 0), slice(1, None), (-1, slice(1, None))],
}
TAKES_TENSORS = {*BINARY, *WRITES}
CALLS: dict[str, Callable] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: b - a if isinstance(b, float) else a - b,
    "mul": lambda a, b: b * a,
    "div": lambda a, b: a / (b if isinstance(b, float) else b * b + 1.0),
    "matmul": lambda a, b: a @ b if len(a.shape) == len(b.shape) == 2 else a + b,
    "neg": lambda a: -a,
    "log": lambda a: (a * a + 0.5).log(),
    "sqrt": lambda a: (a * a + 0.5).sqrt(),
    "index": lambda a, where: a[where],
    "set": lambda a, where, value: a.__setitem__(where, value),
    **{
        name: lambda a, *args, name=name: getattr(a, name)(*args)
        for name in (*UNARY[:3], "clone", "sum", *VIEWS[:3], "detach", *WRITES[:-1])
    },
}


def _parts(shape: tuple) -> list:
    """What picks something (of nothing, NumPy cannot say where it lies, so the small engine takes it for no view)."""
    return [where for where in PARTS[len(shape)] if np.empty(shape)[where].size]


def _broadcasts(shape: tuple, to: tuple) -> bool:
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1]))


def _outcome(call: Callable) -> Any:
    try:
        return call()
    except Exception as error:
        return error


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(
        a, b, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(b).max(initial=0)), equal_nan=True
    )
