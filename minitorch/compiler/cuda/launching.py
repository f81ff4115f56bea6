"""When a generated kernel runs: for each kind of call of an elementwise op, or of its derivatives, on a GPU, one is made and kept.

A result goes into new memory, laid out as the plain formula would, or, where the caller offers some (`op/into.py`), straight into that.
A gradient of what was broadcast is added up by the kernel that computes it. What has no formula here (it looks at numbers, or calls what is in
no table) runs as before. Read next: `formula.py`; `twins.py`, which ops have such kernels; `../../kernels/cuda/__init__.py`, kernels by hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...arrays.capturing import now
from ...arrays.memory import is_dense
from ...kernels import cuda
from .formula import Formula, formula_of
from .layouts import FLOAT32, as_one_row, empty, example, half_of, kind, may_write, merged, outermost_first, serves, steps_of
from .source import LOAD, THREADS, Stored, alike, any_way, begun, each_takes
from .sums import Arrangement, accumulator, shared_out, summing

KINDS = 64  # of calls of one function that get a kernel
# Of one kind of call, how many get one for the numbers burned in. A number that is another at each step is left to the plain formula.
NUMBERS = 8


class Sums(NamedTuple):
    """What of a launch is added up."""

    lost: tuple[int, ...]  # the dimensions
    dims: tuple[int, ...]  # all of them, outermost first, as the sums lie in memory
    over: float  # by what they are divided
    totals: list[Any]  # where they go, without gaps


class Made:
    """A formula for one kind of call: which arguments its kernels take, what they give, and those printed so far."""

    def __init__(self, name: str, told: str, formula: Formula, names: tuple[str, ...], stored: dict[str, np.dtype]) -> None:
        """name: that of the kernels begins so. told: the formula in words. stored: the dtype in memory of each array and result."""
        self.name, self.told, self.formula, self.stored = name, told, formula, stored
        written, summed = list(formula.written()), list(formula.sums())
        self.reads = tuple(names.index(n) for n in formula.read())
        self.numbers = tuple(names.index(n) for n in formula.numbers)
        self.writes = tuple(stored[n] for n in written)
        self.sums = tuple(stored[n] for n in summed)
        self.each = each_takes(stored[n] for n in (*formula.read(), *written))
        self.copies = _is_a_copy(formula, stored)
        # Of each result, which of those written or summed it is, or which argument.
        places = {step.name: k for k, step in enumerate(formula.written().values())}
        self.gives = tuple(
            ("summed", summed.index(name))
            if name in summed
            else ("written", places[r])
            if r in places
            else ("given", names.index(r))
            for name, r in zip(formula.called, formula.results)
        )
        self.kernels: dict[tuple, Any] = {}  # by layout
        self.printed: list[str] = []  # those that were compiled

    # ---- each number by itself ----

    def launch(self, xp: Any, shape: tuple[int, ...], reads: list, outs: list, numbers: list) -> None:
        """Compute `outs`, of that shape, of what is read and of numbers."""
        operands, n = reads + outs, math.prod(shape)
        if self.copies and reads[0].shape == shape and reads[0].strides == outs[0].strides and is_dense(outs[0]):
            if outs[0].data.ptr != reads[0].data.ptr:
                outs[0].data.copy_from_device_async(reads[0].data, outs[0].nbytes)
        elif all(x.shape == shape and x.flags.c_contiguous and not x.data.ptr % LOAD for x in operands):
            threads = min(THREADS, cuda.MOST_THREADS)
            compiled = self._compiled(xp, 0)
            compiled((-(-n // (threads * self.each)),), (threads,), (*operands, n, *numbers))
        else:
            self._launch_any_way(xp, shape, operands, numbers)

    def _launch_any_way(self, xp: Any, shape: tuple[int, ...], operands: list, numbers: list) -> None:
        sizes, steps = merged(shape, [steps_of(x, shape) for x in operands], outermost_first(operands[-1], shape))
        each, repeated = _packs(self, operands, sizes, steps)
        sizes, steps = _in_packs(sizes, steps, each)
        n = math.prod(sizes)
        threads = cuda.threads_for(n * each, THREADS)
        turns = max(1, cuda.PER_THREAD // each)
        compiled = self._compiled(xp, len(sizes), n * each >= 2**31, each, repeated)
        args = (*map(as_one_row, operands), n, *sizes[1:], *itertools.chain(*steps), *numbers)
        compiled((-(-n // (threads * turns)),), (threads,), args)

    def _compiled(self, xp: Any, dims: int, wide: bool = False, each: int = 1, repeated: tuple[str, ...] = ()) -> Any:
        key = (xp, dims, wide, each, repeated)
        if key not in self.kernels:
            name = f"{self.name}_kernel" if dims == 0 else f"{self.name}_strided"  # (tanh alone is C's)
            self._compile(xp, key, name, self.text(name, dims, wide, each, repeated))
        return self.kernels[key]

    def _compile(self, xp: Any, key: tuple, name: str, text: str) -> None:
        self.kernels[key] = compiled = xp.RawKernel(begun([text], self.stored), name)
        self.printed.append(text)
        if now.capture is not None:
            compiled.compile()  # (CuPy would at the first launch, which may be one that is only captured)

    def text(self, name: str, dims: int = 0, wide: bool = False, each: int = 1, repeated: tuple[str, ...] = ()) -> str:
        """The kernel itself, without what all kernels begin with."""
        if dims == 0:
            return alike(self.formula, name, self.told, self.stored)
        return any_way(self.formula, name, self.told, self.stored, dims, wide, each, repeated)

    # ---- sums ----

    def launch_sums(self, xp: Any, shape: tuple[int, ...], reads: list, outs: list, numbers: list, sums: Sums) -> None:
        """The same, and sums beside them, in one launch or two."""
        operands = reads + outs
        counted = _steps_of_outputs(shape, sums.lost, sums.dims)
        sizes, steps = merged(shape, [*(steps_of(x, shape) for x in operands), counted], sums.dims)
        each, repeated = _packs(self, operands, sizes, steps)
        by_rows = steps[-1][-1] == 0
        sizes, steps = _in_packs(sizes, steps, each)
        kept, added = ([d for d, step in enumerate(steps[-1]) if (step == 0) == is_lost] for is_lost in (False, True))
        outputs, length = (math.prod(sizes[d] for d in some) for some in (kept, added))
        shares = shared_out(outputs, length, by_rows, cuda.MOST_THREADS)
        parts = shares.parts > 1
        count = outputs * (1 if by_rows else each)
        totals = (
            [empty(xp, (shares.parts, count), accumulator(t.dtype), (0, 1)) for t in sums.totals] if parts else sums.totals
        )
        how = Arrangement(len(kept), len(added), by_rows, each, repeated, math.prod(sizes) * each >= 2**31)
        self._compiled_sums(xp, how, parts)(
            (shares.blocks,),
            (shares.threads,),
            (
                *map(as_one_row, operands), *totals, outputs, length, shares.part, shares.lanes, 1.0 if parts else sums.over,
                *(sizes[d] for d in kept[1:]), *(sizes[d] for d in added[1:]),
                *(mine[d] for mine in steps[:-1] for d in (*kept, *added)), *numbers,
            ),
        )  # fmt: skip
        for part, total in zip(totals, sums.totals) if parts else ():
            added_up(xp, part, (count,), total.dtype, sums.over, total.reshape(count))

    def _compiled_sums(self, xp: Any, how: Arrangement, parts: bool) -> Any:
        key = (xp, how, parts)
        if key not in self.kernels:
            name = f"{self.name}_sums"
            stored: Stored = self.stored
            if parts:
                stored = {**stored, **{n: accumulator(stored[n]) for n in self.formula.sums()}}
            self._compile(xp, key, name, summing(self.formula, name, self.told, stored, how))
        return self.kernels[key]


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
    stores: np.dtype | None = None  # the dtype of its results in memory, if it is not the formula's
    # By the kind of call: Made, None, or either by the numbers burned in.
    made: dict[tuple, Any] = field(default_factory=dict)

    def __call__(
        self, xp: Any, args: Sequence[Any], into: Any = None, shapes: Sequence[tuple | None] = (), over: float = 1.0
    ) -> tuple | None:
        """The results, computed by one launch; None where no kernel serves.

        into: memory for the only result, taken if that can be; for a sum in rows without gaps, and always taken. shapes: those in which
        the results are wanted, if not as they come: then they are summed over what was broadcast, and divided by `over`.
        """
        given = [x for x in args if hasattr(x, "strides")]
        if not cuda.generated or not given or not serves(xp, given):
            return None
        shape = given[0].shape if len(given) == 1 else np.broadcast_shapes(*(x.shape for x in given))
        in_rows = all(x.shape == shape and x.flags.c_contiguous for x in given)
        summed, lost = _to_be_summed(shape, shapes) if shapes else ((), ())
        key = (*[kind(x, in_rows) for x in args], summed, lost)
        try:
            hash(key)
        except TypeError:  # an option that has no hash
            return None
        made = self._found(args, key, tuple(self.called[k] for k in summed))
        if made is None:
            return self(xp, args) if summed else None  # who asked for sums will sum
        if summed:
            return self._launch_sums(xp, made, args, shape, lost, shapes, over, into)
        return self._launch(xp, made, args, shape, into)

    def _found(self, args: Sequence[Any], key: tuple, summed: tuple[str, ...]) -> Made | None:
        """What is known of such a call. Where numbers are burned in (whole ones, and floats that the function asks about), by these."""
        if key not in self.made:
            if len(self.made) >= KINDS:
                return None
            made = None if int in key else self.make(args, False, summed)
            self.made[key] = {} if made is None and (int in key or float in key) else made
        known = self.made[key]
        if not isinstance(known, dict):
            return known
        numbers = tuple(x for x in args if type(x) in (int, float))
        if numbers not in known and len(known) < NUMBERS:
            known[numbers] = self.make(args, True, summed)
        return known.get(numbers)

    def make(self, args: Sequence[Any], hold_numbers: bool, summed: tuple[str, ...] = ()) -> Made | None:
        """The formula of a call; None if it has none. hold_numbers: floats are burned in. summed: the results wanted as sums."""
        half = half_of(args) if self.widens else None
        examples = [(n, example(x, half) if hasattr(x, "strides") else x) for n, x in zip(self.names, args)]
        formula = formula_of(self.function, examples, self.called, self.derives, hold_numbers)
        if formula is None:
            return None
        formula = replace(formula, summed=summed)
        if not formula.written() and not (summed and formula.read()):  # (the sum of a number that is everywhere the same)
            return None
        added = {n: formula.dtype_of(value) for n, value in formula.sums().items()}
        if any(dtype.kind not in "fV" for dtype in added.values()):
            return None
        computed = {n: step.dtype for n, step in formula.written().items()} | added
        stored = {n: x.dtype for n, x in zip(self.names, args) if hasattr(x, "strides")}
        stored |= {n: self.stores or (half if half and dtype == FLOAT32 else dtype) for n, dtype in computed.items()}
        return Made(self.name, self.told, formula, self.names, stored)

    # ---- each number by itself ----

    def _launch(self, xp: Any, made: Made, args: Sequence[Any], shape: tuple[int, ...], into: Any) -> tuple:
        reads, numbers = [args[k] for k in made.reads], [args[k] for k in made.numbers]
        fresh = into is None or made.writes != (into.dtype,) or into.shape != shape or not may_write(into, reads)
        outs = [empty(xp, shape, dtype, made.formula.order) for dtype in made.writes] if fresh else [into]
        if now.held is None:
            made.launch(xp, shape, reads, outs, numbers)
        else:
            now.held.hold(xp, made, shape, reads, outs, numbers, fresh)
        return self._given(made, args, outs, [])

    # ---- sums ----

    def _launch_sums(
        self,
        xp: Any,
        made: Made,
        args: Sequence[Any],
        shape: tuple[int, ...],
        lost: tuple[int, ...],
        shapes: Sequence[tuple | None],
        over: float,
        into: Any,
    ) -> tuple:
        reads, numbers = [args[k] for k in made.reads], [args[k] for k in made.numbers]
        outs = [empty(xp, shape, dtype, made.formula.order) for dtype in made.writes]
        # The order of dimensions that counts is a result's, if there is one. In memory the sums lie in it, too.
        dims = outermost_first(max(reversed(reads + outs), key=lambda x: x.size), shape)
        back = np.argsort(dims).tolist()
        in_order, small = back == list(range(len(back))), [1 if d in lost else shape[d] for d in dims]
        wanted = [s for s, (what, _) in zip(shapes, made.gives) if what == "summed" and s is not None]
        totals = [into] if into is not None else [
            empty(xp, s if in_order else small, dtype, range(len(s if in_order else small)))
            for s, dtype in zip(wanted, made.sums)
        ]  # fmt: skip
        sums = Sums(lost, tuple(dims), float(over), totals)
        if now.held is None:
            made.launch_sums(xp, shape, reads, outs, numbers, sums)
        else:
            now.held.hold(xp, made, shape, reads, outs, numbers, True, sums)
        found = totals if in_order else [total.transpose(back).reshape(s) for total, s in zip(totals, wanted)]
        return self._given(made, args, outs, found)

    def _given(self, made: Made, args: Sequence[Any], outs: list, sums: list) -> tuple:
        found = {"written": outs, "summed": sums, "given": args}
        return tuple([found[what][k] for what, k in made.gives])


def _is_a_copy(formula: Formula, stored: Stored) -> bool:
    """Whether all that is done is to write one array as it is."""
    if (len(formula.steps), len(formula.written()), len(formula.read())) != (1, 1, 1) or formula.summed:
        return False
    (step,), (name,), ((source, dtype),) = formula.steps, formula.written(), formula.read().items()
    same = dtype == step.form.operands[0].dtype == step.form.dtype == step.dtype
    return step.form.text == "{0}" and same and stored[name] == stored[source]


def _to_be_summed(shape: tuple[int, ...], shapes: Sequence[tuple | None]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of the results are to be summed, and over which dimensions: those of the first; of another only if over the same."""
    found: dict[int, tuple[int, ...]] = {}
    for k, wanted in enumerate(shapes):
        if wanted is None or len(wanted) > len(shape) or wanted == shape:
            continue
        full = (*(1 for _ in range(len(shape) - len(wanted))), *wanted)
        if all(have in (1, n) for have, n in zip(full, shape)):
            found[k] = tuple(d for d, (have, n) in enumerate(zip(full, shape)) if have != n)
    lost = next(iter(found.values()), ())
    return (tuple(k for k, dims in found.items() if dims == lost), lost) if lost else ((), ())


def _steps_of_outputs(shape: tuple[int, ...], lost: tuple[int, ...], dims: Sequence[int]) -> tuple[int, ...]:
    """Each dimension's step in an array of the outputs, whose dimensions are in that order; 0 for what is summed."""
    steps, step = [0] * len(shape), 1
    for d in reversed(dims):
        if d not in lost:
            steps[d] = step if shape[d] > 1 else 0
            step *= shape[d]
    return tuple(steps)


def _packs(made: Made, operands: Sequence[Any], sizes: list[int], steps: list[list[int]]) -> tuple[int, tuple[str, ...]]:
    """How many numbers of the innermost dimension a thread may take at once, and the arrays of which one stands for them all."""
    each = made.each
    inner = [mine[-1] for mine in steps]
    if each == 1 or sizes[-1] % each or any(step not in (0, 1) for step in inner[: len(operands)]):
        return 1, ()
    for x, mine in zip(operands, steps):
        if mine[-1] and (x.data.ptr % LOAD or any(step % each for step in mine[:-1])):
            return 1, ()
    names = [*made.formula.read(), *made.formula.written()]
    return each, tuple(n for n, step in zip(names, inner) if step == 0)


def _in_packs(sizes: list[int], steps: list[list[int]], each: int) -> tuple[list[int], list[list[int]]]:
    """The innermost dimension counted in packs of `each`."""
    if each == 1:
        return sizes, steps
    return [*sizes[:-1], sizes[-1] // each], [[*mine[:-1], mine[-1] * each] for mine in steps]


TOTALS: dict[np.dtype, Generated] = {}  # by the dtype in which the sums are stored


def added_up(xp: Any, x: Any, shape: tuple[int, ...], dtype: np.dtype, over: float, into: Any = None) -> Any:
    """x summed to that shape, which broadcasts to its own, and divided by `over`; None where no kernel serves."""
    if dtype not in TOTALS:
        TOTALS[dtype] = Generated(
            "total", "Σ x", lambda xp, x: x, ("x",), ("out",), derives=False, widens=True, stores=dtype
        )
    found = TOTALS[dtype](xp, (x,), into, (shape,), over)
    return None if found is None else found[0]
