"""What a call does, worked out once for each kind of call: refuse, promote, half precision, device, what backward will need.

All of that depends on the kinds of the arguments alone: of a tensor its library, its dtype, whether it has dimensions and whether it
wants a gradient; of anything else its type. So the first call of a kind makes a `Recipe`, and the door follows it from then on.
Read next: `promotion.py`, `half_precision.py`, `plan.py`; `door.py`, which follows recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.batched import Level, deepest, is_at
from ..arrays.capturing import at_once, now
from ..arrays.device import on_host, shortcuts, xp_of
from ..arrays.layout import contiguous_format, laid_out_in, suggested
from ..arrays.quantized import QArray
from ..arrays.recorded import Recorded, array_of, derivatives_followed, followed, library, with_memory
from ..autograd.grad_mode import grad_mode
from .declaration import Array, Operand
from .plan import Plan, make_plan
from .promotion import casts

if TYPE_CHECKING:
    from .door import Op

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
same_for_batch: Any = None  # ops/batches.py sets this to its op
OF_A_DERIVATIVE = None  # what stands for "wants a gradient" in the kind of an array that a derivative computes with


@dataclass(slots=True)
class Recipe:
    """How a call of one kind goes."""

    xp: Any  # the array library of its inputs
    tensors: tuple[int, ...]  # the arguments that are tensors, whose arrays forward sees
    casts: Sequence[tuple[int, Callable[[Any], Any]]]  # the arguments that change, and how
    forward: Callable  # the op's own, or what stands in for it
    plan: Plan | None  # what backward will need; None if no input wants a gradient
    on_arrays: bool = False  # a derivative's own call, on bare arrays: arrays come out

    def arrays(self, args: tuple) -> list:
        """What forward is called with."""
        arrays: list = list(args)
        for i in self.tensors:
            arrays[i] = args[i]._array
        for i, cast in self.casts:
            arrays[i] = cast(arrays[i])
        return arrays


def kind_of(x: Any) -> Any:
    """What decides how a call with this argument goes."""
    if isinstance(x, Tensor):
        array = x._array
        return type(array), array.dtype, array.ndim == 0, x._requires_grad
    return type(x)


def kind_on_arrays(x: Any) -> Any:
    """The same where derivatives compute with bare arrays."""
    return (type(x), x.dtype, x.ndim == 0, OF_A_DERIVATIVE) if hasattr(x, "strides") else kind_of(x)


def resolve(op: Op, args: tuple) -> tuple[tuple, Recipe]:
    """The recipe for calls like this one, and the arguments, among which 0-d tensors that stand for numbers are numbers now."""
    declaration = op.declaration
    on_arrays = not any(isinstance(x, Tensor) for x in args) and grad_mode.on_arrays
    if not on_arrays:
        args = _checked(op, args)
        if (together := _numbers_to_gpu(op, args)) is not None:
            return resolve(op, together)
    key = tuple(map(kind_on_arrays if on_arrays else kind_of, args))
    positions = op.positions if not declaration.variadic else range(len(args) - len(declaration.parameters) + 1)
    tensors = [i for i in positions if type(key[i]) is tuple]
    arrays = [x._array if i in tensors and not on_arrays else x for i, x in enumerate(args)]
    if any(isinstance(a, QArray) for a in arrays):
        from .quantized import recipe_for

        return args, recipe_for(op, args)
    level = deepest(arrays)
    if level is not None and not on_arrays and grad_mode.enabled and (beside := _same_for_all(op, args, level)) is not None:
        return resolve(op, beside)

    promoted = [i for i in positions if args[i] is not None and (declaration.variadic or op.roles[i] in (Array, Operand))]
    if declaration.same_dtype and len({arrays[i].dtype for i in tensors}) > 1:
        op.signature.check_same_dtype(args, {})
    changes, settled = casts(declaration, arrays, promoted, tensors)
    _refuse_dtype(op, arrays, tensors, changes)
    if on_arrays:
        changes = [(i, with_memory) for i in tensors if isinstance(args[i], (np.generic, Recorded))] + changes
    xp = _library([arrays[i] for i in tensors])
    arrays = list(map(array_of, arrays))  # (a record sees what calls do, not what is found out about them)
    for i, cast in changes:
        arrays[i] = cast(arrays[i])
    half = declaration.in_float32 and _is_half([arrays[i] for i in promoted])
    forward = forward_of(op, xp, half) if level is None else _of_all_samples(op, half)
    recipe = Recipe(xp, () if on_arrays else tuple(tensors), changes, forward, None, on_arrays)
    if any(key[i][3] for i in tensors):
        wanted = tuple(i for i in tensors if key[i][3])
        recipe.plan = make_plan(op, wanted, tuple(tensors), len(positions), half, where(xp) if level is None else "batch")
    if level is not None and recipe.plan is not None:
        _also_one_by_one(recipe.plan, level)
    if xp is library:
        _followed(op, recipe)
    if settled and level is None:
        op.recipes[key] = recipe
    return args, recipe


def _same_for_all(op: Op, args: tuple, level: Level) -> tuple | None:
    """The arguments, those that want a gradient as something that all samples have in common; None if they are so already."""
    from .batching import CROSSING

    beside = [isinstance(x, Tensor) and x.requires_grad and not is_at(x._array, level) for x in args]
    if not any(beside) or op.__name__ in CROSSING:
        return None
    return tuple(same_for_batch(x, level) if alone else x for x, alone in zip(args, beside))


def _also_one_by_one(plan: Plan, level: Level) -> None:
    """Let the derivatives of a plan be computed sample by sample where they must be."""
    from .batching import derivative_of_all

    plan.on_arrays = derivative_of_all(plan.on_arrays, level, Tensor._wrap)


def _followed(op: Op, recipe: Recipe) -> None:
    """Let the record of a step follow the forward and the derivatives, and know whose they are."""
    recipe.forward = followed(recipe.forward, op.__name__)
    if recipe.plan is not None:
        recipe.plan.on_arrays = derivatives_followed(recipe.plan.on_arrays, op.__name__, recipe.plan.names)


def _of_all_samples(op: Op, half: bool) -> Callable:
    """The forward within a vmap."""
    from .batching import run

    return lambda xp, *args: run(op, half, args)


def where(xp: Any) -> str:
    """The device that a library's arrays live on, as twins call it."""
    return "cpu" if on_host(xp) else "cuda"


def _checked(op: Op, args: tuple) -> tuple:
    """The arguments, if they are what the annotations say; numbers only beside a tensor."""
    if op.declaration.variadic:
        n = len(args) - len(op.declaration.parameters) + 1
        return *args[:n], *op.signature.check((args[:n], *args[n:]), {}, ())[0][1:]
    if not any(isinstance(args[i], Tensor) for i in op.positions):
        first = op.positions[0]
        op.signature.refuse(op.parameters[first], args[first], first + 1, ["Tensor"])
    return op.signature.check(args, {}, ())[0]


def _numbers_to_gpu(op: Op, args: tuple) -> tuple | None:
    """The arguments with CPU tensors of no dimensions on the GPU of the others: elementwise they count as numbers, as in torch."""
    if not op.declaration.elementwise:
        return None
    tensors = [x for x in args if isinstance(x, Tensor)]
    gpu = next((x.device for x in tensors if x.is_cuda), None)
    if gpu is None or all(x.is_cuda for x in tensors) or any(x.is_cpu and x.ndim for x in tensors):
        return None
    return tuple(x.to(gpu) if isinstance(x, Tensor) else x for x in args)


def _refuse_dtype(op: Op, arrays: list, tensors: list, changes: Sequence) -> None:
    """NotImplementedError for a dtype the op does not take, once inputs have come to one."""
    refused = op.signature.refused_kinds
    first = arrays[tensors[0]]
    if refused and first.dtype.kind in refused:
        for i, cast in changes:
            first = cast(first) if i == tensors[0] else first
        if first.dtype.kind in refused:
            _refuse_shapes(op, arrays, first.dtype)
            op.signature.refuse_dtype(first.dtype)


def _refuse_shapes(op: Op, arrays: list, dtype: Any) -> None:
    """Refuse what forward would refuse in floats: torch's kernels, which know no such dtype, run when the shapes have been looked at."""
    declaration = op.declaration
    if declaration.refusal is not NotImplementedError or declaration.variadic:
        return
    asked = list(arrays)
    for i, a in enumerate(arrays):
        if hasattr(a, "dtype") and i < len(op.roles):  # (zeros are indices that most shapes have)
            number = np.float32(1) if a.dtype == dtype and op.roles[i] in (Array, Operand) else a.dtype.type(0)
            asked[i] = np.broadcast_to(number, a.shape)
    try:
        with np.errstate(all="ignore"):
            declaration.forward(np, *asked)
    except (IndexError, RuntimeError):
        raise
    except ValueError as error:
        if "broadcast" in str(error):
            raise
    except Exception:  # numbers that do not suit the formula, or a GPU's arrays: nothing about shapes
        return


def _library(arrays: list) -> Any:
    """The library of the arrays; they must be of one."""
    libraries = {xp_of(a) for a in arrays}
    if library in libraries:
        libraries.discard(np)
    if len(libraries) > 1:  # CuPy would copy some host arrays in silence
        raise TypeError("arrays of several libraries")
    return libraries.pop() if libraries else np


def _is_half(arrays: list) -> bool:
    """Whether the floats among the arrays are of one dtype, of half precision."""
    floats = {a.dtype for a in arrays if hasattr(a, "strides") and a.dtype.kind in "fV"}
    return len(floats) == 1 and floats.pop().itemsize == 2


def forward_of(op: Op, xp: Any, half: bool) -> Callable:
    """The op's forward, in float32 for half precision, or its twin for this device where that serves."""
    forward = op.in_float32 if half else op.declaration.forward
    if where(xp) == "cuda" and not op.announces and not op.declaration.view:
        forward = _settled(forward)
    twin = op.twins.get(where(xp))
    if twin is not None:
        forward = _twin_first(twin, forward)
    if op.declaration.format_of:
        forward = _in_a_format(forward, op)
    return _with_options_by_name(forward, op.parameters[1:]) if op.declaration.variadic else forward


def _settled(forward: Callable) -> Callable:
    """The forward of an op that does not say what it reads and writes: while it computes, no launch is held back."""

    def after_all(xp: Any, *args: Any, **options: Any) -> Any:
        if now.held is None:
            return forward(xp, *args, **options)
        with at_once():
            return forward(xp, *args, **options)

    return after_all


def _twin_first(twin: Callable, forward: Callable) -> Callable:
    def either(xp: Any, *args: Any, **options: Any) -> Any:
        out = twin(xp, *args, **options) if shortcuts.enabled else None
        return forward(xp, *args, **options) if out is None else out

    return either


def _in_a_format(forward: Callable, op: Op) -> Callable:
    """The forward, with its results in the memory format of those inputs that the declaration names."""
    places = [op.declaration.place(name) for name in op.declaration.format_of]

    def formatted(xp: Any, *args: Any, **options: Any) -> Any:
        out = forward(xp, *args, **options)
        if op.declaration.variadic:
            found = {suggested(x) for x in args}
            form = found.pop() if len(found) == 1 else contiguous_format
        else:
            forms = [suggested(args[place]) for place in places]
            form = next((form for form in forms if form is not contiguous_format), contiguous_format)
        if type(out) is tuple:
            return tuple(laid_out_in(xp, each, form) for each in out)
        return laid_out_in(xp, out, form)

    return formatted


def _with_options_by_name(forward: Callable, names: tuple[str, ...]) -> Callable:
    """A forward that takes any number of inputs takes its options by name."""

    def call(xp: Any, *args: Any) -> Any:
        n = len(args) - len(names)
        return forward(xp, *args[:n], **dict(zip(names, args[n:])))

    return call
