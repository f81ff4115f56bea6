"""When a generated kernel runs: for each kind of call of an elementwise op, or of its derivatives, on a GPU, one is made and kept.

`for_every_row()` gives each elementwise op that has no kernel written by hand a twin made of its own formula. What has no formula here (it
looks at numbers, or calls what is in no table) runs as before. Read next: `formula.py`; `../../kernels/cuda/__init__.py`, kernels by hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...arrays.memory import flat
from ...kernels import cuda
from ...op.declaration import Declaration
from ...op.declaring import ops
from ...op.door import Op
from ...op.half_precision import numbers_rounded
from .formula import Formula, formula_of
from .source import LOAD, MOST_DIMS, arrays, each_takes, kernel, results

KINDS = 64  # of calls of one function that get a kernel
# Of one kind of call, how many get one for the numbers burned in. A number that is another at each step is left to the plain formula.
NUMBERS = 8
FLOAT32 = np.dtype("float32")


class Made:
    """A formula for one kind of call: which arguments its kernels take, what they give, and those printed so far."""

    def __init__(self, formula: Formula, names: tuple[str, ...], stored: dict[str, np.dtype]) -> None:
        """stored: the dtype in memory of each array and result."""
        self.formula, self.stored = formula, stored
        made = results(formula)
        self.reads = tuple(names.index(n) for n in arrays(formula))
        self.numbers = tuple(names.index(n) for n in formula.numbers)
        self.writes = tuple(stored[n] for n in made)
        self.each = each_takes(stored[n] for n in (*arrays(formula), *made))
        # Of each result, which of the written it is, or which argument.
        places = {step.name: k for k, step in enumerate(made.values())}
        self.gives = tuple((True, places[r]) if r in places else (False, names.index(r)) for r in formula.results)
        self.kernels: dict[tuple, Any] = {}  # by layout


@dataclass
class Generated:
    """The kernels of one function: a forward, or derivatives."""

    name: str
    told: str  # its formula in words
    function: Callable
    names: tuple[str, ...]  # of its arguments
    called: tuple[str, ...]  # its results
    derives: bool  # whether it is made of derivatives
    widens: bool  # whether it computes halves in float32
    # By the kind of call: Made, None, or either by the numbers burned in.
    made: dict[tuple, Any] = field(default_factory=dict)

    def __call__(self, xp: Any, args: Sequence[Any]) -> tuple | None:
        """The results, computed by one launch; None where no kernel serves."""
        given = [x for x in args if hasattr(x, "strides")]
        if not cuda.generated or not given or not _serves(xp, given):
            return None
        shape = given[0].shape if len(given) == 1 else np.broadcast_shapes(*(x.shape for x in given))
        alike = all(x.shape == shape and x.flags.c_contiguous for x in given)
        key = tuple([_kind(x, alike) for x in args])
        try:
            hash(key)
        except TypeError:  # an option that has no hash
            return None
        made = self._found(args, key)
        return None if made is None else self._launch(xp, made, args, shape, alike)

    def _found(self, args: Sequence[Any], key: tuple) -> Made | None:
        """What is known of such a call. Where numbers are burned in (whole ones, and floats that the function asks about), by these."""
        if key not in self.made:
            if len(self.made) >= KINDS:
                return None
            made = None if int in key else self.make(args, hold_numbers=False)
            self.made[key] = {} if made is None and (int in key or float in key) else made
        known = self.made[key]
        if not isinstance(known, dict):
            return known
        numbers = tuple(x for x in args if type(x) in (int, float))
        if numbers not in known and len(known) < NUMBERS:
            known[numbers] = self.make(args, hold_numbers=True)
        return known.get(numbers)

    def make(self, args: Sequence[Any], hold_numbers: bool) -> Made | None:
        """The formula of a call; None if it has none. hold_numbers: floats are burned in."""
        half = _half(args) if self.widens else None
        examples = [(n, _example(x, half) if hasattr(x, "strides") else x) for n, x in zip(self.names, args)]
        formula = formula_of(self.function, examples, self.called, self.derives, hold_numbers)
        if formula is None or not results(formula):
            return None
        stored = {n: x.dtype for n, x in zip(self.names, args) if hasattr(x, "strides")}
        stored |= {n: half if half and step.dtype == FLOAT32 else step.dtype for n, step in results(formula).items()}
        return Made(formula, self.names, stored)

    def _launch(self, xp: Any, made: Made, args: Sequence[Any], shape: tuple[int, ...], alike: bool) -> tuple:
        outs = [_empty(xp, shape, dtype, made.formula.order) for dtype in made.writes]
        operands = [args[k] for k in made.reads] + outs
        numbers = [args[k] for k in made.numbers]
        n = math.prod(shape)
        if alike and not any(x.data.ptr % LOAD for x in operands):
            threads = min(256, cuda.MOST_THREADS)
            compiled = self._compiled(xp, made, 0, False)
            compiled((-(-n // (threads * made.each)),), (threads,), (*operands, n, *numbers))
        else:
            sizes, steps = _merged(shape, operands)
            blocks, threads = cuda.blocks_for(n)
            compiled = self._compiled(xp, made, len(sizes), n >= 2**31)
            compiled((blocks,), (threads,), (*map(flat, operands), n, *sizes[1:], *itertools.chain(*steps), *numbers))
        return tuple([outs[k] if written else args[k] for written, k in made.gives])

    def _compiled(self, xp: Any, made: Made, dims: int, wide: bool) -> Any:
        key = (xp, dims, wide)
        if key not in made.kernels:
            name = f"{self.name}_kernel" if dims == 0 else f"{self.name}_strided"  # (tanh alone is C's)
            made.kernels[key] = xp.RawKernel(kernel(made.formula, name, self.told, made.stored, dims, wide), name)
        return made.kernels[key]


def _serves(xp: Any, given: list) -> bool:
    """Whether kernels know these arrays: on the GPU, of a dtype that C has, not empty, no step backwards."""
    return all(
        type(x) is xp.ndarray
        and x.size
        and x.ndim <= MOST_DIMS
        and x.dtype.kind in "fbiuV"
        and min(x.strides, default=0) >= 0
        for x in given
    )


def _kind(x: Any, alike: bool) -> Any:
    """What of an argument decides which kernel serves."""
    if not hasattr(x, "strides"):
        return type(x) if type(x) in (int, float) else (type(x), x)
    shape = tuple([min(n, 2) for n in x.shape])
    return x.dtype, shape, None if alike else _order(x)


def _order(x: Any) -> tuple[int, ...]:
    """The dimensions from the outermost in memory to the innermost, and after them those that repeat one element."""
    moving = [d for d in range(x.ndim) if x.strides[d] or x.shape[d] == 1]
    return (*sorted(moving, key=lambda d: -x.strides[d]), -1, *(d for d in range(x.ndim) if d not in moving))


def _half(args: Sequence[Any]) -> np.dtype | None:
    """The dtype of half precision among the arrays, if all floats are of it."""
    floats = {x.dtype for x in args if hasattr(x, "strides") and x.dtype.kind in "fV"}
    return floats.pop() if len(floats) == 1 and next(iter(floats)).itemsize == 2 else None


def _example(x: Any, half: np.dtype | None) -> np.ndarray:
    """A small array on the CPU of the same kind, laid out alike; half precision is computed with in float32."""
    shape, order = [min(n, 2) for n in x.shape], _order(x)
    moving = order[: order.index(-1)]
    small = np.full([shape[d] for d in moving], 0.5).astype(FLOAT32 if half is not None and x.dtype == half else x.dtype)
    steps = dict(zip(moving, small.strides))
    return np.lib.stride_tricks.as_strided(small, shape, [steps.get(d, 0) for d in range(x.ndim)])


def _empty(xp: Any, shape: tuple[int, ...], dtype: np.dtype, order: tuple[int, ...]) -> Any:
    """New memory, its dimensions in that order."""
    made = xp.empty([shape[d] for d in order], dtype)
    return made if order == tuple(range(len(shape))) else made.transpose(np.argsort(order).tolist())


def _merged(shape: tuple[int, ...], operands: Sequence[Any]) -> tuple[list[int], list[list[int]]]:
    """The sizes of as few dimensions as the arrays' memory allows, and each array's steps over them, in elements."""
    missing = [(0,) * (len(shape) - x.ndim) for x in operands]
    strides = [
        (*none, *(0 if n == 1 else s // x.itemsize for n, s in zip(x.shape, x.strides)))
        for none, x in zip(missing, operands)
    ]
    dims = sorted((d for d, n in enumerate(shape) if n > 1), key=lambda d: -strides[-1][d])
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in operands]
    for d in dims:
        if sizes and all(mine[-1] == given[d] * shape[d] for mine, given in zip(steps, strides)):
            sizes[-1] *= shape[d]
            for mine, given in zip(steps, strides):
                mine[-1] = given[d]
        else:
            sizes.append(shape[d])
            for mine, given in zip(steps, strides):
                mine.append(given[d])
    return sizes or [1], [mine or [0] for mine in steps]


# ---- the twins ----


made: dict[tuple[Op, tuple[str, ...]], Generated] = {}  # by op; of its forward by (), of derivatives by what they are of


def for_every_row() -> None:
    """Give each elementwise op without a kernel of its own, and its derivatives, twins made of their formulas."""
    for op in ops:
        declaration = op.declaration
        if declaration.elementwise and not declaration.variadic and len(declaration.outputs) == 1:
            if "cuda" not in op.twins and not declaration.view:
                op.twin("cuda")(_forward(op))
            if "cuda" not in op.twin_derivatives and op.derivatives and all(len(d.of) == 1 for d in op.derivatives):
                for count in range(1, len(op.derivatives) + 1):
                    for some in itertools.combinations(op.derivatives, count):
                        op.twin_grad("cuda", *(d.of[0] for d in some))(_backward(op, some))


def _forward(op: Op) -> Callable:
    declaration = op.declaration
    told = (declaration.doc or declaration.name).splitlines()[0]
    called = ("out" if "out" not in declaration.names else "result",)
    names, widens = declaration.names, _widens(declaration)
    generated = Generated(declaration.name, told, declaration.forward, names, called, False, widens)

    def twin(xp: Any, *args: Any) -> Any:
        half = _half(args) if declaration.in_float32 else None
        found = generated(xp, args if half is None else numbers_rounded(declaration, args, half))
        return None if found is None else found[0]

    return _known(op, (), generated, twin)


def _backward(op: Op, derivatives: Sequence[Any]) -> Callable:
    names = tuple(dict.fromkeys(n for d in derivatives for n in d.parameters))
    places = [[names.index(n) for n in d.parameters] for d in derivatives]

    def all_of_them(xp: Any, *values: Any) -> list:
        return [d.function(*(values[k] for k in mine)) for d, mine in zip(derivatives, places)]

    of = [d.of[0] for d in derivatives]
    told = f"∂{op.__name__}/∂{', ∂'.join(of)}"
    called = tuple(f"d{name}" for name in of)
    name = "_".join([op.__name__, "backward", *of])
    generated = Generated(name, told, all_of_them, names, called, True, _widens(op.declaration))
    twin = eval(f"lambda xp, {', '.join(names)}: generated(xp, ({', '.join(names)},))", {"generated": generated})
    return _known(op, tuple(of), generated, twin)


def _known(op: Op, of: tuple[str, ...], generated: Generated, twin: Any) -> Callable:
    """The twin, entered as one that nobody wrote."""
    made[op, of] = twin.generated = generated
    return twin


def _widens(declaration: Declaration) -> bool:
    """Whether halves are computed in float32, and results are halves then: not of a call that says which dtype it wants."""
    return declaration.in_float32 and "dtype" not in declaration.names


def printed(op: Op, dtype: str = "float32") -> list[str]:
    """The kernels of an op's forward and of all its derivatives, for arrays of that dtype that lie alike; those there are."""
    for_every_row()
    texts = []
    declaration, array = op.declaration, np.ones(2, dtype)
    known: dict[str, Any] = {
        **declaration.defaults,
        **dict.fromkeys((*declaration.inputs, *declaration.outputs, "g"), array),
    }
    known |= {f"{n}_shape": array.shape for n in declaration.inputs}
    every = max((of for each, of in made if each is op), key=len, default=())
    for of in dict.fromkeys([(), every]):
        generated = made.get((op, of))
        if generated is None or not known.keys() >= {*generated.names}:
            continue
        found = generated.make([known[n] for n in generated.names], hold_numbers=True)
        if found is not None:
            texts.append(
                kernel(found.formula, f"{generated.name}_kernel", generated.told, found.stored, dims=0, alone=False)
            )
    return texts
