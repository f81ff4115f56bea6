"""The door: what happens when an op is called.

Every op, ours or a user's, forward or backward, goes through `Op.__call__`: bind the arguments, take the recipe for this kind of call
(made by the first one: `recipe.py`), run the forward on arrays, wrap the result and record the call. `lanes.py` has shorter ways for
the commonest calls; `plain()` closes them all, and then a breakpoint in `Op.__call__` is hit by every op.
Read next: `plan.py`, what a recorded call keeps for its derivative; `autograd/node.py`, what it leaves behind.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays.device import mixed_devices, raise_what_was_noted, xp_of
from ..arrays.dtypes import SCALAR_NAMES
from ..arrays.layout import row_major
from ..arrays.quiet import quiet, quiet_again
from ..arrays.recorded import Recorded, with_memory
from ..autograd.grad_mode import grad_mode, inference_blocks
from .autocast_lists import words_for
from .declaration import Declaration, Indices
from .half_precision import forward_in_float32
from .listening import active, listener
from .out import write_out
from .plan import Derivative
from .recipe import Recipe, forward_of, kind_of, kind_on_arrays, resolve
from .signature import Signature, tensor_list
from .source import derivatives_told, page_of, place_of_the_caller

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
new = object.__new__  # the door makes a Tensor for every output: it fills in what differs from the class's defaults


class Doc:
    """The docstring of an op: its formula, and that of each derivative. They are put together when somebody asks."""

    def __init__(self, of_the_class: str | None):
        self.of_the_class = of_the_class

    def __get__(self, op: Op | None, owner: type) -> str | None:
        if op is None:
            return self.of_the_class
        return "\n\n".join(filter(None, [inspect.cleandoc(op.declaration.doc or ""), derivatives_told(op)]))


class Op:
    """A declaration, the derivatives and twins that were declared beside it, and the door they are reached through."""

    def __init__(self, declaration: Declaration):
        self.declaration = declaration
        self.derivatives: list[Derivative] = []
        # By device: what runs in place of forward, and of the derivatives, where it serves.
        self.twins: dict[str, Callable] = {}
        self.twin_derivatives: dict[str, list[Derivative]] = {}
        self.recipes: dict[tuple, Recipe] = {}  # by the kinds of the arguments
        self.announces = False  # whether forward says itself what it reads and writes on a GPU (`arrays/capturing.py`)
        # From the declaration, for the door to have at hand.
        self.parameters, self.inputs = declaration.names, declaration.inputs
        self.forward = declaration.forward
        self.roles = tuple(p.role for p in declaration.parameters)
        self.positions = tuple(map(declaration.place, declaration.inputs))  # of the inputs among the arguments
        self.keeps_layout = bool(declaration.view or declaration.format_of) or (
            declaration.elementwise if declaration.keeps_layout is None else declaration.keeps_layout
        )
        several = len(declaration.inputs) > 1 or declaration.promote == "float"
        self.out_dtype = declaration.out_dtype or ("cast" if declaration.elementwise and several else "same")
        # So many arguments by position need no binding; none do, if some come by keyword only.
        self.complete = -1 if declaration.by_keyword else len(self.parameters)
        self.single = declaration.outputs == ("out",)
        self.signature = Signature(
            declaration.name,
            declaration.forward,
            declaration.checked_parameters,
            declaration.only,
            declaration.same_dtype,
            declaration.refusal,
        )
        self.autocast = words_for(declaration.autocast) if declaration.autocast else {}
        self.grad_fn = declaration.grad_fn or "".join(p.capitalize() for p in declaration.name.split("_")) + "Backward0"
        # What the name depends on, if it does: options, inputs as far as they are kept, `wanting` (a gradient), `out_shape`.
        self.grad_fn_asks = (
            self.grad_fn.__code__.co_varnames[: self.grad_fn.__code__.co_argcount] if callable(self.grad_fn) else ()
        )
        self.__name__ = self.__qualname__ = declaration.name
        self.__module__ = declaration.forward.__module__
        self.declared_at = place_of_the_caller()

    # ---- what few calls need ----

    @functools.cached_property
    def result(self) -> Any:
        """The named tuple that several outputs come in, or None."""
        return _named_outputs(self, self.declaration) if len(self.declaration.outputs) > 1 else None

    @functools.cached_property
    def in_float32(self) -> Callable:
        """The forward for half precision."""
        return forward_in_float32(self.declaration)

    # ---- what `help` and `inspect` show ----

    def __repr__(self) -> str:
        return f"<op {self.__name__}({self.declaration.usage()})>"

    __doc__: Any = Doc(__doc__)

    @property
    def __signature__(self) -> inspect.Signature:
        return self.declaration.signature()

    @property
    def __wrapped__(self) -> Any:
        """What `inspect.getsource` looks at: the declaration with the derivatives after it, or forward if there is no file."""
        return page_of(self) or self.forward

    def __get__(self, instance: Any, owner: type | None = None) -> Op:
        """In the body of a class an op is no method. (That `__get__` is there makes `help` show an op as a function.)"""
        return self

    def __reduce__(self) -> str:
        """Pickled and copied as a function is: by its module and the name that it has there."""
        module = getattr(sys.modules.get(self.__module__), "__dict__", {})
        return next((name for name, thing in module.items() if thing is self), self.__name__)

    # ---- the call ----

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Bind the arguments → the recipe for this kind of call → forward → wrap, and record."""
        if active and (heard := listener(self, self.autocast, args, kwargs)):
            return heard(self, args, kwargs)
        if kwargs or len(args) != self.complete:
            if "out" in kwargs and self.declaration.takes_out and not self.declaration.view:
                out = kwargs.pop("out")
                return self(*args, **kwargs) if out is None else write_out(self, out, self.out_dtype, args, kwargs)
            args = self.declaration.bind(args, kwargs)
        if self.declaration.variadic:
            args = (*tensor_list(self.__name__, args[0], self.declaration.if_empty), *args[1:])
        recipe = self.recipes.get(tuple(map(kind_on_arrays if grad_mode.on_arrays else kind_of, args)))
        if recipe is None:
            args, recipe = self._resolve(args)
        arrays = recipe.arrays(args)
        try:
            out = quiet(recipe.forward, recipe.xp, *arrays)
        except (ValueError, TypeError, IndexError, MemoryError) as error:
            raise in_torchs_words(error, arrays) from None
        except RuntimeError as error:
            out = quiet_again(error, recipe.forward, recipe.xp, *arrays)
        if recipe.on_arrays:
            return self._laid_out(out) if self.single else type(out)(map(self._laid_out, out))
        return self._wrapped(out, args, recipe) if self.single else self._all_wrapped(out, args, recipe)

    def _resolve(self, args: tuple) -> tuple[tuple, Recipe]:
        """The first call of a kind: the recipe for it, and the arguments as it wants them."""
        try:
            return resolve(self, args)
        except (TypeError, ValueError) as error:
            raise in_torchs_words(error, [getattr(x, "_array", x) for x in args]) from None

    def record(self, args: tuple, out: Any) -> Any:
        """The node of a call whose result, `out`, is there already: nothing is computed. An argument must want a gradient."""
        recipe = self.recipes.get(tuple(map(kind_of, args)))
        if recipe is None:
            args, recipe = self._resolve(args)
        assert recipe.plan is not None
        return recipe.plan.record(args, (out,))

    def _wrapped(self, array: Any, args: tuple, recipe: Recipe) -> Any:
        """The output as a Tensor, with a node if the call is recorded."""
        out = new(Tensor)
        out._array = array = self._laid_out(array)
        is_float = array.dtype.kind not in "iub"  # what is no float has no gradient
        if recipe.plan is not None and grad_mode.enabled and (is_float or not self.declaration.ends_history):
            if not is_float:
                raise RuntimeError(
                    f"Autograd not support dtype: {SCALAR_NAMES[array.dtype.name]}: {self.__name__}() of a tensor that requires "
                    "grad has no gradient as an integer; detach() it first"
                )
            out._requires_grad = True
            out._grad_fn = recipe.plan.record(args, (out,))
        else:
            out._requires_grad = False
            if inference_blocks:
                out._mark_inference()
        if self.declaration.view:
            args[0]._adopt_view(out)
        return out

    def _all_wrapped(self, arrays: Any, args: tuple, recipe: Recipe) -> Any:
        """Several outputs; those whose gradient no derivative names stay without one."""
        outs = [Tensor._wrap(self._laid_out(array)) for array in arrays]
        if recipe.plan is not None and grad_mode.enabled and outs:
            node = recipe.plan.record(args, outs)
            for nr, out in enumerate(outs):
                if not self.declaration.outputs or nr in recipe.plan.with_gradients:
                    out._requires_grad, out._grad_fn, out._output_nr = True, node, nr
        for out in outs if self.declaration.view else ():
            args[0]._adopt_view(out, several=True)
        return tuple(outs) if self.result is None else self.result(*outs)

    def _laid_out(self, array: Any) -> Any:
        """The result as an array, in memory as torch has it. (NumPy gives scalars where there are no dimensions.)"""
        if type(array) is not np.ndarray and isinstance(array, (np.generic, int, float, Recorded)):
            array = with_memory(array)
        if self.keeps_layout or array.flags.c_contiguous:
            return array
        return row_major(xp_of(array), array)

    def compute(self, xp: Any, *args: Any) -> Any:
        """Forward on arrays, for the forward of another op: by the twin where it serves. Nothing is checked or recorded."""
        return forward_of(self, xp, False)(xp, *args)

    # ---- its arguments ----

    def positions_of(self, name: str, n_inputs: int) -> Sequence[int]:
        """Where a parameter stands among the arguments of a call with so many inputs: a list of inputs takes several places."""
        first = self.declaration.place(name)
        if not self.declaration.variadic:
            return (first,)
        return range(n_inputs) if first == 0 else (first + n_inputs - 1,)

    def holds_indices(self, names: Sequence[str]) -> bool:
        """Whether one of these parameters is an option that holds index arrays."""
        return any(self.roles[self.declaration.place(n)] is Indices for n in names)

    # ---- what is declared beside it ----

    def grad(self, *of: Any) -> Any:
        """`@name.grad` for the only differentiable input, `@name.grad("a")` for one of several, `("a", "b")` for a
        derivative that returns one gradient for each."""
        if len(of) == 1 and callable(of[0]):
            return self.grad(*self.declaration.differentiable[:1])(of[0])

        def add(function: Callable) -> Callable:
            self.derivatives.append(Derivative(self, of, function))
            return function

        return add

    def twin(self, where: str) -> Callable:
        """`@name.twin("cuda")`: a function with forward's parameters and results that runs in its place on that device.

        It returns None for what it does not serve (a dtype, a layout, a size); then forward runs.
        """

        def add(function: Callable) -> Callable:
            self.twins[where] = function
            self.recipes.clear()  # those made before know nothing of it
            return function

        return add

    def twin_grad(self, where: str, *of: str) -> Callable:
        """`@name.twin_grad("cuda", "a", "b")`: the same for the derivatives of these inputs; without inputs: for the first's.

        It sees arrays, `xp` first, and asks by name for what it needs, as plain derivatives do (of an output without a gradient it
        gets None); it returns a gradient for each input, or None. It runs when nothing is being recorded (without create_graph) and every gradient that is wanted is among `of`.
        """

        def add(function: Callable) -> Callable:
            derivative = Derivative(self, of or self.inputs[:1], function, is_twin=True)
            self.twin_derivatives.setdefault(where, []).append(derivative)
            self.recipes.clear()
            return function

        return add


def _named_outputs(op: Op, declaration: Declaration) -> Any:
    """The named tuple that the op's outputs come in. No module has its class, so pickle asks the op for it."""
    fields = namedtuple(declaration.name, declaration.outputs)  # type: ignore[misc]
    made: Any = fields
    made.__reduce__ = lambda outputs: (_outputs_again, (op, tuple(outputs)))
    return made


def _outputs_again(op: Op, outputs: tuple) -> Any:
    """What unpickling calls."""
    return op.result(*outputs)


def in_torchs_words(error: Exception, arrays: list) -> Exception:
    """NumPy's complaint about shapes that do not broadcast, or CuPy's about devices, as torch says it; others as they are."""
    raise_what_was_noted()  # what went wrong on a GPU before this op may be why it fails
    arrays = [a for a in arrays if hasattr(a, "strides") and not isinstance(a, (np.generic, type))]  # (options too are here)
    if mixed := mixed_devices(arrays):
        return mixed
    if isinstance(error, MemoryError):
        return RuntimeError(f"can't allocate memory: {error}")
    if "too big" in str(error) or "Maximum allowed" in str(error):
        return RuntimeError(f"Storage size calculation overflowed: {error}")
    if "be broadcast" not in str(error) or not arrays:
        return error
    shapes = [a.shape for a in arrays]
    for dim in range(max(map(len, shapes))):
        sizes = [s[len(s) - 1 - dim] for s in shapes if dim < len(s)]
        a, *others = [n for n in sizes if n != 1] or [1]
        b = next((n for n in others if n != a), a)
        if a != b:
            return RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension "
                f"{max(map(len, shapes)) - 1 - dim}: got shapes {' and '.join(map(str, shapes))}"
            )
    return error
