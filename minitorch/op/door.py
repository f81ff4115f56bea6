"""What an op is, and the one door every op passes: promote dtypes → forward → node if recording.

An op is a forward on arrays and, beside it, a derivative on Tensors. The derivative asks by name for what it needs —
inputs, options, outputs — and exactly that is saved:

    mul = row("mul", "a · b", lambda xp, a, b: a * b, lambda g, b: g * b, lambda g, a: g * a)

so the derivative with respect to `a` keeps `b` and nothing else. A name that does not exist fails at import. Because a
derivative is made of our own ops, recording it (`create_graph=True`) gives the second derivative for free.
Read next: `plan.py`, what a derivative makes a call keep; `autograd/node.py`, what a recorded call leaves behind.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.device import mixed_devices, raise_what_was_noted, use_kernels, xp_of
from ..autograd.grad_mode import grad_mode, inference_blocks
from ..autograd.node import birth, record
from .half_precision import COMPUTING, FLOAT32, wide_forward
from .out import WITHOUT_OUT, accepts_out, write_out
from .plan import Derivative, Plan, Plans, make_plan
from .promotion import only_numbers_beside, promoted
from .signature import Signature, checked, tensor_list, torchs_name

Array = Any  # a differentiable array argument of a forward; all `Array`s of an op are promoted together
Operand = Any  # an `Array` that may come as a Python number
Index = Any  # an array argument that is passed as it is: indices, masks, conditions
Indices = Any  # an option that holds index arrays, such as the key of x[key]

# Families of elementwise ops, whose results lie in memory as their inputs do; all others' are in row-major order.
LAID_OUT_AS_INPUTS = {
    f"minitorch.ops.{family}" for family in ("activation", "compare", "dropout", "elementwise", "sampling", "special")
}

registry: dict[str, Op | Callable] = {}  # every public op and composite function by its torch name
ops: list[Op] = []  # every op, those without a public name too
Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut


def op(
    forward: Callable | None = None,
    *,
    name: str | None = None,
    outputs: Any = ("out",),
    promote: str | None = "same",
    view: bool = False,
    backward: str | Callable[[dict], str] | None = None,
    public: bool = True,
    only: str | None = None,
    alike: str = "",
) -> Any:
    """Make a forward function `f(xp, *inputs, *options)` an op, and register it under its name if it is public.

    outputs: the names of what forward returns, or `list` if it returns a list of arrays.
    promote: "same" brings all `Array` inputs to one dtype, "float" also turns integers into the default dtype,
    "no bool" is "same" that refuses bool, None leaves them alone. view: forward returns a view of its first input.
    backward: the `grad_fn` name, if torch's is not CamelCase(name) + "Backward0"; or a function that tells it from what was
    saved, the inputs `wanting` a gradient, and `out_shape`.
    only: "floats" refuses other dtypes, "numbers" refuses bool. alike: the inputs that must be of one dtype.
    """
    if forward is None:
        given = {"name": name, "outputs": outputs, "promote": promote, "view": view, "backward": backward}
        return functools.partial(op, **given, public=public, only=only, alike=alike)
    made = Op(forward, name or forward.__name__.rstrip("_"), outputs, promote, view, backward, only=only, alike=alike)
    return register(made.__name__, made) if public else made


def row(
    name: str,
    formula: str,
    forward: Callable,
    *derivatives: Callable | None,
    promote: str | None = "same",
    backward: str | None = None,
    numbers: str | None = None,
    only: str | None = None,
    alike: str = "",
) -> Elementwise:
    """An elementwise op in one line: its name, formula, forward, and one derivative per input, in their order.

    numbers: the inputs that may be Python numbers beside a tensor, all unless told; the rest is as for `op`.
    """
    made = Elementwise(forward, name, ("out",), promote, False, backward, formula, numbers, only, alike)
    for input_name, derivative in zip(made.inputs, derivatives):
        if derivative is not None:
            made.grad(input_name)(derivative)
    return register(name, made)


def composite(
    function: Any = None,
    *,
    out: bool = False,
    backward: str = "",
    only: str | None = None,
    alike: str = "",
    eager: bool = False,
) -> Any:
    """Register a public function that is made of other ops, and so needs no derivative of its own.

    out: whether it takes `out=`. backward: the `grad_fn` name of its result, where torch has one op for it. `only` and `alike`
    as for `op`. eager: check the types of its arguments before the call, because a wrong one would pass unnoticed; they are
    checked when the call has failed in any case.
    """
    if function is None:
        return functools.partial(composite, out=out, backward=backward, only=only, alike=alike, eager=eager)
    name = function.__name__.rstrip("_")
    made = checked(named(function, backward) if backward else function, name, only, alike, eager)
    return register(name, accepts_out(made) if out else made)


def named(function: Callable, backward: str) -> Callable:
    """The function, whose result's node goes by that name."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = birth()
        out = function(*args, **kwargs)
        for result in out if isinstance(out, tuple) else (out,):
            if result._grad_fn is not None and result.grad_fn.birth > before:  # not a node that was there already
                result.grad_fn.metadata["name"] = backward
        return out

    return call


def register(name: str, thing: Any) -> Any:
    """Enter a public op or function into the registry; two with one name are a mistake."""
    if name in registry:
        raise NameError(f"an op named {name!r} is registered already")
    registry[name] = thing
    return thing


class Op:
    """A forward, its derivatives, and the door (`__call__`) they are reached through."""

    def __init__(self, forward, name, outputs, promote, view, backward, formula=None, numbers=None, only=None, alike=""):
        parameters = list(inspect.signature(forward).parameters.values())[1:]  # the first is xp
        is_row = formula is not None
        self.forward = forward
        self.promote = promote
        self.view = view
        self.row_major = not view and forward.__module__ not in LAID_OUT_AS_INPUTS
        self.takes_out = not view and forward.__module__ not in WITHOUT_OUT
        self.output_list = outputs is list
        self.outputs: tuple[str, ...] = () if self.output_list else tuple(outputs)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if is_row:  # every parameter without a default is an input
            operands = [p.name for p in parameters] if numbers is None else numbers.split()
            kinds = {p.name: "Operand" if p.name in operands else "Array" for p in parameters if p.default is p.empty}
            parameters = [p.replace(annotation=kinds.get(p.name, "Number")) for p in parameters]
        kinds = {p.name: str(p.annotation) for p in parameters}
        self.inputs = tuple(n for n, kind in kinds.items() if re.search("Array|Operand|Index", kind))
        self.tensors = {*self.inputs, *(n for n, kind in kinds.items() if kind == "Indices")}
        self.parameters = tuple(p.name for p in parameters)
        self.positions = tuple(self.parameters.index(n) for n in self.inputs)  # of the inputs among the arguments
        self.indices = frozenset(i for i in self.positions if "Index" in kinds[self.parameters[i]])
        if self.variadic:  # it comes as a list, which `tensor_list` looks into
            parameters[0] = inspect.Parameter(parameters[0].name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.signature = Signature(name, lambda: parameters, only, alike)
        self.known, self.refused, self.alike = self.signature.known, self.signature.refused, self.signature.alike
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        # Whether types are checked before each call; other ops check them where they promote, and when they fail.
        self.eager = not is_row or numbers is not None or bool(self.defaults)
        self.wide: Any = wide_forward(name, self, forward) if forward.__module__ in COMPUTING and not view else None
        self.single = self.outputs == ("out",)
        self.n_inputs, self.arity = len(self.inputs), len(self.parameters)
        self.result = namedtuple(name, self.outputs) if len(self.outputs) > 1 else None  # type: ignore[misc]
        self.derivatives: list[Derivative] = []
        self.twins: dict[str, Callable] = {}  # what runs on a device in place of forward, and of derivatives, where it serves
        self.twin_derivatives: dict[str, list[Derivative]] = {}
        self.plans = Plans(self)
        self.backward_name = backward or "".join(p.capitalize() for p in name.split("_")) + "Backward0"
        self.__name__ = self.__qualname__ = name
        self.__module__ = forward.__module__
        self.__doc__ = formula or forward.__doc__
        self.__wrapped__ = forward
        ops.append(self)

    def __repr__(self) -> str:
        return f"<op {self.__name__}({', '.join(self.parameters)})>"

    # ---- declaring the derivative ----

    def grad(self, *of: Any) -> Any:
        """`@name.grad` for the only differentiable input, `@name.grad("a")` for one of several, `("a", "b")` for a
        derivative that returns one gradient for each."""
        if len(of) == 1 and callable(of[0]):
            first = next(i for i in self.positions if i not in self.indices)
            return self._add_derivative((self.parameters[first],), of[0])
        return lambda function: self._add_derivative(of, function)

    def _add_derivative(self, of: tuple[str, ...], function: Callable) -> Callable:
        self.derivatives.append(Derivative(self, of, function))
        return function

    # ---- twins: faster forms that stand in for them ----

    def twin(self, where: str) -> Callable:
        """`@name.twin("cuda")`: a function with forward's parameters and results that runs in its place on that device.

        It returns None for what it does not serve (a dtype, a layout, a size); then forward runs.
        """

        def add(function: Callable) -> Callable:
            self.twins[where] = function
            return function

        return add

    def twin_grad(self, where: str, *of: str) -> Callable:
        """`@name.twin_grad("cuda", "a", "b")`: the same for the derivatives of these inputs; without inputs: for the first's.

        It sees arrays, `xp` first, and asks by name for what it needs, as plain derivatives do; it returns a gradient for each
        input, or None. It runs when nothing is being recorded (without create_graph) and every gradient that is wanted is among `of`.
        """

        def add(function: Callable) -> Callable:
            derivative = Derivative(self, of or self.inputs[:1], function, fused=True)
            self.twin_derivatives.setdefault(where, []).append(derivative)
            return function

        return add

    def on_gpu(self, xp: Any, *args: Any, **options: Any) -> Any:
        """Forward on a GPU: by the kernel where it serves."""
        out = self.twins["cuda"](xp, *args, **options) if use_kernels.enabled and xp is not np else None
        return (self.wide or self.forward)(xp, *args, **options) if out is None else out

    # ---- the door ----

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self.arity:
            if "out" in kwargs and self.takes_out:
                return write_out(self, kwargs.pop("out"), args, kwargs)
            args = self._bind(args, kwargs)
        if self.eager and (types := tuple(map(type, args))) not in self.known:
            args = self._checked(args, types)
        if self.variadic:
            inputs = tensor_list(self.__name__, args[0])
            args = (*inputs, *args[1:])
            positions: Any = range(len(inputs))
        else:
            positions = self.positions

        arrays = list(args)
        mask = 0  # which inputs want a gradient
        dtype: Any = None
        plain = self.promote != "float"  # plain: all inputs are tensors of one dtype
        for i in positions:
            x = args[i]
            if isinstance(x, Tensor):
                arrays[i] = array = x._array
                if x._requires_grad:
                    mask |= 1 << i
                if array.dtype is not dtype:
                    plain = plain and dtype is None
                    dtype = array.dtype
            else:
                plain = False
        if self.alike and not plain:
            self.signature.check_alike(args, {})
        if not plain and (dtype is None or dtype.kind != "f" or not only_numbers_beside(dtype, args, positions)):
            arrays = self._promote(args, arrays, positions)
        if self.refused and dtype.kind in self.refused:  # dtype is the last one seen: promotion may have raised it
            dtype = next(a.dtype for a in arrays if hasattr(a, "dtype"))
            if dtype.kind in self.refused:
                self.signature.refuse_dtype(dtype)

        # In half precision it is computed in float32; if inputs were promoted, `wide` itself looks whether that is the case.
        wide = dtype is not FLOAT32 and self.wide is not None and (not plain or dtype.itemsize == 2)
        try:
            if type(arrays[0]) is np.ndarray:
                xp, forward = np, self.wide if wide else self.forward
            else:
                xp, forward = self._xp(arrays), self.on_gpu if "cuda" in self.twins else self.wide if wide else self.forward
            if self.variadic:
                n = len(positions)
                out = forward(xp, *arrays[:n], **dict(zip(self.parameters[1:], args[n:])))
            else:
                out = forward(xp, *arrays)
        except (ValueError, TypeError, IndexError) as error:
            if not self.eager:
                self._checked(args, ())
            elementwise = isinstance(self, Elementwise) or self.forward.__module__.endswith((".elementwise", ".masked"))
            if elementwise and (together := _numbers_to_gpu(args)):
                return self(*together)
            raise _in_torchs_words(error, arrays) from None

        plan: Any = None
        if mask and grad_mode.enabled:
            key = ~mask if wide else mask
            plan = make_plan(self, mask, len(positions)) if self.variadic else self.plans[key]
        if self.single:
            return self._one(out, args, plan)
        return self._many(out, args, plan)

    def _one(self, array: Any, args: tuple, plan: Plan | None) -> Any:
        """Wrap the single output, with a node if the call is recorded."""
        out = new(Tensor)
        out._array = self._laid_out(array)
        if plan is None or out._array.dtype.kind in "iub":  # what is no float has no gradient
            out._requires_grad = False
            if inference_blocks:
                out._mark_inference()
        else:
            out._requires_grad = True
            out._grad_fn = record(plan, args, (out,))
        if self.view:
            args[0]._adopt_view(out, self, args[1:])
        return out

    def _many(self, arrays: Any, args: tuple, plan: Plan | None) -> Any:
        """Wrap several outputs; those whose gradient no derivative names stay without one."""
        outs = []
        for nr, array in enumerate(arrays):
            out = new(Tensor)
            out._array = self._laid_out(array)
            out._output_nr = nr
            if inference_blocks:
                out._mark_inference()
            outs.append(out)
        if plan is not None:
            node = record(plan, args, outs)
            for nr, out in enumerate(outs):
                if self.output_list or self.gradient_name(nr) in plan.grads:
                    out._requires_grad, out._grad_fn = True, node
        if self.view:
            for out in outs:
                args[0]._adopt_view(out, None, ())
        return tuple(outs) if self.result is None else self.result(*outs)

    def gradient_name(self, nr: int) -> str:
        """What a derivative calls the gradient of output `nr`: `g` for the first, `g_<output>` for the others."""
        return "g" if nr == 0 else f"g_{self.outputs[nr]}"

    def output_of(self, gradient: str) -> Any:
        """The number of the output whose gradient has that name; all of them for `g` of a list of outputs."""
        return slice(None) if self.output_list else 0 if gradient == "g" else self.outputs.index(gradient[2:])

    # ---- the uncommon cases of a call ----

    def _bind(self, args: tuple, kwargs: dict) -> tuple:
        """Positional and keyword arguments, in the order of the parameters, with defaults filled in."""
        if len(args) > self.arity:
            raise TypeError(f"{self.__name__}() takes {self.arity} arguments ({self._signature()}) but got {len(args)}")
        given = dict(zip(self.parameters, args))
        for key, value in kwargs.items():
            name = self._parameter(key)
            if name is None:
                raise TypeError(
                    f"{self.__name__}() got an unexpected keyword argument '{key}'; it takes {self._signature()}"
                )
            if name in given:
                raise TypeError(f"{self.__name__}() got multiple values for argument '{key}'")
            given[name] = value
        missing = [n for n in self.parameters if n not in given and n not in self.defaults]
        if missing:
            raise TypeError(
                f"{self.__name__}() missing required argument '{torchs_name(missing[0])}'; it takes {self._signature()}"
            )
        return tuple(given[n] if n in given else self.defaults[n] for n in self.parameters)

    def _parameter(self, key: str) -> str | None:
        """The parameter a keyword means: its own name, torch's `input`/`other`/`tensors`, NumPy's `axis`/`keepdims`."""
        if key in self.parameters:
            return key
        if key in ("input", "tensors"):
            return self.inputs[0]
        if key == "other" and self.n_inputs > 1:
            return self.inputs[1]
        alias = {"axis": "dim", "keepdims": "keepdim"}.get(key)
        return alias if alias in self.parameters else None

    def _signature(self) -> str:
        names = {n: torchs_name(n) for n in self.parameters}
        return ", ".join(names[n] + (f"={self.defaults[n]!r}" if n in self.defaults else "") for n in self.parameters)

    def _checked(self, args: tuple, types: tuple) -> tuple:
        """The arguments, if they are what the annotations say; numbers only beside a tensor."""
        if not self.variadic and not any(isinstance(args[i], Tensor) for i in self.positions):
            self.signature.refuse(
                self.parameters[self.positions[0]], args[self.positions[0]], self.positions[0] + 1, ["Tensor"]
            )
        return self.signature.check(args, {}, types)[0]

    def _promote(self, args: tuple, arrays: list, positions: Any) -> list:
        """Bring the `Array` inputs to one dtype, unless their dtypes are the forward's own affair."""
        if not self.eager:
            self._checked(args, ())
        return arrays if self.promote is None else promoted(self, args, arrays, positions)

    def _xp(self, arrays: list) -> Any:
        """The library of the first array (the first argument may be a number, a list or None); it must be that of all."""
        found = [a for a in arrays if hasattr(a, "dtype") and hasattr(a, "shape")] or [np.empty(0)]
        if any(type(a) is not type(found[0]) for a in found):  # CuPy would copy some host arrays in silence
            raise TypeError("arrays of several libraries")
        return xp_of(found[0])

    def _laid_out(self, array: Any) -> Any:
        """The result as an array, in memory as torch has it. (NumPy gives scalars where there are no dimensions.)"""
        if type(array) is not np.ndarray and isinstance(array, (np.generic, np.ndarray, int, float)):
            array = np.asarray(array)
        if self.row_major and not array.flags.c_contiguous:
            return xp_of(array).ascontiguousarray(array)
        return array


class Elementwise(Op):
    """A row. It has a fast lane for the commonest calls, one or two CPU tensors of one dtype and nothing else."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lane = self.n_inputs if self.n_inputs <= 2 else -1  # -1: never
        self.options = tuple(self.defaults.values())
        refused = "iub" if self.promote == "float" else self.refused
        self.plain = frozenset(dtype for dtype in PLAIN if dtype.kind not in refused)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) != self.lane or kwargs:
            return super().__call__(*args, **kwargs)
        return self.binary(*args) if self.lane == 2 else self.unary(*args)

    def unary(self, a: Any) -> Any:
        """`op(a)`."""
        if a.__class__ is Tensor:
            x = a._array
            dtype = x.dtype
            if type(x) is ndarray and (dtype is FLOAT32 or dtype in self.plain):
                forward = self.forward
                return self._wrap(forward(np, x), (a,), 1 if a._requires_grad else 0)
        return super().__call__(a)

    def binary(self, a: Any, b: Any) -> Any:
        """`op(a, b)`. Tensor's operators come here at once: an object's `__call__` costs more than a method."""
        if a.__class__ is Tensor and b.__class__ is Tensor:
            x, y = a._array, b._array
            dtype = x.dtype
            if dtype is y.dtype and type(x) is type(y) is ndarray and (dtype is FLOAT32 or dtype in self.plain):
                forward = self.forward
                try:
                    array = forward(np, x, y)
                except (ValueError, TypeError, IndexError) as error:
                    raise _in_torchs_words(error, [x, y]) from None
                mask = 1 if a._requires_grad else 0
                return self._wrap(array, (a, b), mask | 2 if b._requires_grad else mask)
        return super().__call__(a, b)

    def _wrap(self, array: Any, args: tuple, mask: int) -> Any:
        """The result as a Tensor, with a node if the call is recorded."""
        out = new(Tensor)
        out._array = array if type(array) is ndarray else np.asarray(array)
        plan = self.plans[mask] if mask and grad_mode.enabled else None
        if plan is None:
            out._requires_grad = False
            if inference_blocks:
                out._mark_inference()
        else:
            out._requires_grad = True
            out._grad_fn = record(plan, args + self.options if plan.wants_options else args, (out,))
        return out


def _numbers_to_gpu(args: tuple) -> tuple | None:
    """The arguments with CPU tensors of no dimensions on the GPU of the others: elementwise they count as numbers, as in torch."""
    tensors = [x for x in args if isinstance(x, Tensor)]
    gpu = next((x.device for x in tensors if x.is_cuda), None)
    if gpu is None or all(x.is_cuda for x in tensors) or any(x.is_cpu and x.ndim for x in tensors):
        return None
    return tuple(x.to(gpu) if isinstance(x, Tensor) else x for x in args)


def _in_torchs_words(error: Exception, arrays: list) -> Exception:
    """NumPy's complaint about shapes that do not broadcast, or CuPy's about devices, as torch says it; others as they are."""
    raise_what_was_noted()  # what went wrong on a GPU before this op may be why it fails
    if mixed := mixed_devices(a for a in arrays if hasattr(a, "shape")):
        return mixed
    if "be broadcast" not in str(error):
        return error
    shapes = [a.shape for a in arrays if hasattr(a, "shape")]
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


PLAIN = frozenset(map(np.dtype, "?Bbhilfd"))  # the dtypes of the fast lane: all but half precision
ndarray = np.ndarray
new = object.__new__  # the door makes a Tensor for every output: it fills in what differs from the class's defaults
