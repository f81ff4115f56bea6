"""Which ops have generated kernels: `for_every_row()` gives each elementwise op that has no kernel written by hand twins made of its formula.

Beside them: sums and means, which are the formula x with its result summed, and what only copies. `printed` shows an op's kernels.
Read next: `launching.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...arrays import capturing, dtypes, layout
from ...arrays.capturing import settle
from ...arrays.device import expanded, xp_of
from ...op.declaration import Declaration
from ...op.declaring import ops
from ...op.door import Op
from ...op.half_precision import numbers_rounded
from ...op.into import taken
from ...ops import elementwise, inplace, reduce, shape
from ...ops.dims import canonical_dims
from .launching import Generated, added_up
from .layouts import half_of, may_write
from .source import alike
from .sums import Arrangement, summing

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
    layout.write_there, layout.add_there = write_there, add_there


def _forward(op: Op) -> Callable:
    declaration = op.declaration
    told = (declaration.doc or declaration.name).splitlines()[0]
    called = ("out" if "out" not in declaration.names else "result",)
    names, widens = declaration.names, _widens(declaration)
    generated = Generated(declaration.name, told, declaration.forward, names, called, False, widens)

    def twin(xp: Any, *args: Any) -> Any:
        into = taken(op)
        half = half_of(args) if declaration.in_float32 else None
        given = args if half is None else numbers_rounded(declaration, args, half)
        found = generated(xp, given, into if into is None or op.keeps_layout or into.flags.c_contiguous else None)
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
    twin.in_shapes = lambda xp, shapes, *values: generated(xp, values, shapes=shapes)
    return _known(op, tuple(of), generated, twin)


def _known(op: Op, of: tuple[str, ...], generated: Generated, twin: Any) -> Callable:
    """The twin, entered as one that nobody wrote."""
    made[op, of] = twin.generated = generated
    return twin


def _widens(declaration: Declaration) -> bool:
    """Whether halves are computed in float32, and results are halves then: not of a call that says which dtype it wants."""
    return declaration.in_float32 and "dtype" not in declaration.names


# ---- sums ----


@reduce.sum_.twin("cuda")
def sum_on_gpu(xp: Any, x: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """Read once; in one launch or two."""
    return _sum(xp, x, dim, keepdim, dtype, 1.0)


@reduce.mean.twin("cuda")
def mean_on_gpu(xp: Any, x: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """Read once, and divided where it is added up."""
    return _sum(xp, x, dim, keepdim, dtype, float(reduce.count(x.shape, dim)))


def _sum(xp: Any, x: Any, dim: Any, keepdim: bool, dtype: Any, over: float) -> Any:
    if x.dtype.kind not in "fV" or not x.size or dtype not in (None, dtypes.from_numpy_dtype(x.dtype)):
        return None
    lost = canonical_dims(dim, x.ndim)
    if not any(x.shape[d] > 1 for d in lost):
        return None
    kept, left = (
        tuple(1 if d in lost else n for d, n in enumerate(x.shape)),
        tuple(n for d, n in enumerate(x.shape) if d not in lost),
    )
    if not keepdim and sorted(lost) == list(range(len(lost))):  # (then it broadcasts as it is, and need be no view)
        return added_up(xp, x, left, x.dtype, over)
    out = added_up(xp, x, kept, x.dtype, over)
    return out if out is None or keepdim else out.reshape(left)


# ---- copies ----


def write_there(out: Any, array: Any) -> bool:
    """out[...] = array on a GPU: by the card's own copying where both lie alike and are of one dtype, else by a kernel."""
    if type(array) is not type(out) or not may_write(out, [array]):
        return False
    xp = xp_of(out)
    if array.shape != out.shape:
        array = expanded(xp, array, out.shape)
    found = made[elementwise.to, ()](xp, (array, dtypes.from_numpy_dtype(out.dtype), None), into=out)
    if found is not None and found[0] is not out:
        settle()
        out[...] = found[0]
    return found is not None


def add_there(a: Any, b: Any, into: Any) -> Any:
    """a + b on a GPU, of two arrays of one dtype; None where no kernel serves."""
    if type(a) is not type(b) or hasattr(a, "ctypes") or a.dtype != b.dtype:
        return None
    found = made[elementwise.add, ()](xp_of(a), (a, b, 1), into=into)
    return None if found is None else found[0]


@inplace.copy.twin("cuda")
def copy_on_gpu(xp: Any, x: Any, src: Any) -> Any:
    """Written at once into the memory that it is for."""
    into = taken(inplace.copy)
    try:
        fits = into is not None and np.broadcast_shapes(into.shape, src.shape) == into.shape
    except ValueError:  # which forward will say
        return None
    return into if fits and write_there(into, src) else None


@inplace.zero.twin("cuda")
def zero_on_gpu(xp: Any, x: Any) -> Any:
    """Written at once, and nothing read."""
    into = taken(inplace.zero)
    if into is None or not into.flags.c_contiguous:
        return None
    settle([], [into])
    into.fill(0)
    return into


@inplace.fill.twin("cuda")
def fill_on_gpu(xp: Any, x: Any, value: Any) -> Any:
    """The same with a number; not with a tensor of one, nor with −0, of which `fill` would make 0."""
    into = taken(inplace.fill)
    if into is None or type(value) not in (bool, int, float) or str(value) == "-0.0":
        return None
    settle([], [into])
    into.fill(value)
    return into


@shape.row_major.twin("cuda")
def row_major_on_gpu(xp: Any, x: Any) -> Any:
    """Read once, written once."""
    out = capturing.empty(xp, x.shape, x.dtype)
    return out if write_there(out, x) else None


@shape.copied_view.twin("cuda")
def copied_view_on_gpu(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """The same, in another shape."""
    out = row_major_on_gpu(xp, x)
    return None if out is None else out.reshape(shape)


# ---- shown ----


def printed(op: Op, dtype: str = "float32") -> list[str]:
    """The kernels of an op's forward and of all its derivatives, for arrays of that dtype that lie alike; those there are.

    Of two inputs, also that of the derivatives when the second was broadcast over rows, and its derivative is summed over them.
    """
    for_every_row()
    declaration, array = op.declaration, np.ones(2, dtype)
    known: dict[str, Any] = {
        **declaration.defaults,
        **dict.fromkeys((*declaration.inputs, *declaration.outputs, "g"), array),
    }
    known |= {f"{n}_shape": array.shape for n in declaration.inputs}
    every = max((of for each, of in made if each is op), key=len, default=())
    texts = []
    for of, summed in {(): (), every: (), (*every, ""): every[1:2]}.items():
        generated = made.get((op, tuple(filter(None, of))))
        if generated is None or not known.keys() >= {*generated.names} or ("" in of and not summed):
            continue
        found = generated.make([known[n] for n in generated.names], True, tuple(f"d{n}" for n in summed))
        if found is None:
            continue
        if summed:
            how = Arrangement(1, 1, by_rows=False, each=found.each, repeated=(), wide=False)
            texts.append(summing(found.formula, f"{generated.name}_sums", generated.told, found.stored, how))
        else:
            texts.append(alike(found.formula, f"{generated.name}_kernel", generated.told, found.stored))
    return texts
