"""An op as data: everything that is fixed when it is declared stands in a `Declaration`, and nowhere else.

How an op behaves (where its results lie in memory, whether it takes `out=`, how it treats half precision) is a word of its
declaration; no rule looks at the name of a function or of the file it stands in. What is learnt from calls is kept apart, in the
`Op` (`door.py`). `inspect.signature`, `help` and the docs are renderings of this. Read next: `declaring.py`, the words that fill it in.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

if TYPE_CHECKING:  # to a type checker an array of any library
    Array = Any
    Operand = Any
    Index = Any
    Indices = Any
else:

    class Array:
        """A differentiable array argument of a forward; all `Array`s of an op are promoted together."""

    class Operand(Array):
        """An `Array` that may come as a Python number."""

    class Index:
        """An array argument that is passed as it is: indices, masks, conditions."""

    class Indices:
        """An option that holds index arrays, such as the key of x[key]."""


REQUIRED = inspect.Parameter.empty  # the default of a parameter that has none
# NumPy's names for some of torch's parameters.
NUMPYS = {"input": ("x", "a", "x1"), "other": ("x2",), "dim": ("axis",), "keepdim": ("keepdims",)}


class Parameter(NamedTuple):
    """A parameter of a forward: an input if its annotation says `Array`, `Operand` or `Index`, else an option."""

    name: str
    annotation: Any  # as written: a string, or what it stands for
    role: type | None  # Array, Operand, Index, Indices; None for an option
    default: Any = REQUIRED
    by_position: bool = True

    def written(self) -> str:
        """The annotation as source."""
        if isinstance(self.annotation, str):
            return self.annotation
        return "Any" if self.annotation is REQUIRED else re.sub(r"\w+\.", "", inspect.formatannotation(self.annotation))


@dataclass(frozen=True)
class Declaration:
    """What an op is."""

    name: str
    forward: Callable
    parameters: tuple[Parameter, ...]  # forward's, after xp
    variadic: bool = False  # the first parameter stands for any number of inputs, which come as a list
    if_empty: type[Exception] = RuntimeError  # what such a list raises if it holds nothing
    outputs: tuple[str, ...] = ("out",)  # their names; none if forward returns a list of arrays
    doc: str | None = None  # its first line is the formula

    promote: str | None = "same"  # the `Array`s: "same" dtype; "float": integers become the default dtype; None: as they are
    # By name: how a Python number, an input or an option, comes to the inputs' common dtype, where it is not just cast as C does
    # it: `fitting` and others of `arrays/numbers.py`.
    numbers_by: Mapping[str, Callable] = field(default_factory=dict)
    factors: tuple[str, ...] = ()  # the options by which inputs are multiplied: no float beside integers
    only: str | None = None  # the dtypes it takes: "floats", "numbers" (all but bool); None: any
    refusal: type[Exception] = NotImplementedError  # what the others raise
    same_dtype: tuple[str, ...] = ()  # the inputs that must come in one dtype
    in_float32: bool = False  # half precision is computed in float32 and rounded once
    exact: tuple[str, ...] = ()  # where half precision leaves a Python number as it is; beside all others torch rounds it

    elementwise: bool = False  # each element from those in its place: then 0-d CPU tensors count as numbers beside a GPU's
    keeps_layout: bool | None = (
        None  # the result lies in memory as the inputs do, else in row-major order; None: if elementwise
    )
    # The inputs whose memory format the results take: `channels_last` if one of them is (of a list: if all are), else row-major order.
    format_of: tuple[str, ...] = ()
    wraps_numbers: bool = False  # torch makes a tensor of a Python number beside a tensor: one that is saved is freed as one
    view: bool = False  # forward returns a view of its first input
    discrete: bool = False  # its results are bools or whole numbers: then nothing is recorded, and no derivative is missing
    flat: bool = False  # its derivatives do not change with what they name; recorded, they hang on it all the same
    ends_history: bool = False  # a result that is no float has none; otherwise it is refused where its input requires grad
    takes_out: bool = True  # whether a call may have out=
    # What dtype out= may have: the result's ("same"), another that it converts to ("cast"), or any, which is computed in ("computes").
    out_dtype: str | None = (
        None  # None: "cast" if elementwise and of several inputs or of floats made of any number, else "same"
    )
    by_keyword: tuple[str, ...] = ()  # the last parameters, if they are given by keyword only
    named: tuple[tuple[str, str], ...] = ()  # the parameters that torch calls otherwise, with torch's name
    autocast: str | None = None  # the name under which autocast's lists have it
    grad_fn: str | Callable[..., str] | None = (
        None  # the node's name, or a function that asks by name for what it depends on
    )

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the parameters that are arrays."""
        return tuple(p.name for p in self.parameters if p.role in (Array, Operand, Index))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The parameters that may be left out."""
        return {p.name: p.default for p in self.parameters if p.default is not REQUIRED}

    @cached_property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that may have a gradient."""
        return tuple(p.name for p in self.parameters if p.role in (Array, Operand))

    @cached_property
    def torchs_names(self) -> tuple[str, ...]:
        """The names of all parameters, as torch has them: `input` and `other` are its first two inputs, whatever a formula says."""
        here = dict(zip(self.inputs, ("tensors" if self.variadic else "input", "other")))
        usual = {n: torchs_name(n) for n in self.names if torchs_name(n) == here.get(n)} | dict(self.named)
        return tuple(usual.get(n, n) for n in self.names)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where the parameter stands that a keyword means: by torch's name, or by NumPy's, which torch takes too."""
        found = {name: place for place, name in enumerate(self.torchs_names)}
        return {alias: found[name] for name in NUMPYS if name in found for alias in NUMPYS[name]} | found

    @cached_property
    def unless_given(self) -> tuple:
        """The default of each parameter, REQUIRED if it has none."""
        return tuple(p.default for p in self.parameters)

    @cached_property
    def least(self) -> int:
        """How many parameters must be given: the first ones."""
        return len(self.names) - len(self.defaults)

    @cached_property
    def most(self) -> int:
        """How many arguments may come by position."""
        return len(self.names) - len(self.by_keyword)

    def checked_parameters(self) -> tuple[Parameter, ...]:
        """The parameters, whose annotations are checked: but a list of inputs, which `tensor_list` looks into."""
        if not self.variadic:
            return self.parameters
        return self.parameters[0]._replace(annotation=None), *self.parameters[1:]

    def place(self, name: str) -> int:
        """The position of a parameter among the arguments."""
        return self.names.index(name)

    def gradient_name(self, nr: int) -> str:
        """What a derivative calls the gradient of output `nr`: `g` for the first, `g_<output>` for the others."""
        return "g" if nr == 0 else f"g_{self.outputs[nr]}"

    def bind(self, args: tuple, kwargs: dict) -> tuple:
        """Positional and keyword arguments, in the order of the parameters, with defaults filled in."""
        n = len(args)
        if n > self.most:
            raise TypeError(f"{self.name}() takes {self.most} positional arguments ({self.usage()}) but got {n}")
        values = [*args, *self.unless_given[n:]]
        for key, value in kwargs.items():
            place = self.places.get(key)
            if place is None:
                raise TypeError(f"{self.name}() got an unexpected keyword argument '{key}'; it takes {self.usage()}")
            if place < n or (values[place] is not self.unless_given[place]):
                raise TypeError(f"{self.name}() got multiple values for argument '{key}'")
            values[place] = value
        for place in range(n, self.least):
            if values[place] is REQUIRED:
                name = self.torchs_names[place]
                raise TypeError(f"{self.name}() missing required argument '{name}'; it takes {self.usage()}")
        return tuple(values)

    def signature(self) -> inspect.Signature:
        """How users call it: the parameters by torch's names, with the types that may come."""
        kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD] * self.most + [inspect.Parameter.KEYWORD_ONLY] * len(
            self.by_keyword
        )
        parameters = [
            inspect.Parameter(name, kind, default=p.default, annotation=self._type_for_users(p))
            for name, kind, p in zip(self.torchs_names, kinds, self.parameters)
        ]
        tensors = ["Tensor"] * len(self.outputs) or ["Tensor", "..."]
        result = "Tensor" if len(tensors) == 1 else f"tuple[{', '.join(tensors)}]"
        made = inspect.Signature(parameters, return_annotation=result)
        return with_out(made) if self.takes_out and not self.view else made

    def _type_for_users(self, parameter: Parameter) -> str:
        """What a call may give for a parameter, as type checkers write it. A number needs a tensor beside it."""
        if self.variadic and parameter.role is not None:
            return "Sequence[Tensor]"
        types = {"Array": "Tensor", "Index": "Tensor", "Operand": "Tensor | Number" if len(self.inputs) > 1 else "Tensor"}
        return re.sub(r"\b(Array|Operand|Index)\b", lambda word: types[word[0]], parameter.written())

    def usage(self) -> str:
        """The parameters in short, for messages: `input, other, alpha=1`."""
        pairs = zip(self.torchs_names, self.parameters)
        written = [name + ("" if p.default is REQUIRED else f"={p.default!r}") for name, p in pairs]
        return ", ".join(written[: self.most] + ["*"] * bool(self.by_keyword) + written[self.most :])


def parameters_of(forward: Callable) -> tuple[tuple[Parameter, ...], bool]:
    """The parameters of a forward after `xp`, and whether the first of them stands for any number of inputs."""
    code, annotations = forward.__code__, forward.__annotations__  # (`inspect.signature` takes ten times as long)
    n, by_keyword = code.co_argcount, code.co_kwonlyargcount
    variadic = bool(code.co_flags & inspect.CO_VARARGS)
    names = code.co_varnames
    several = names[n + by_keyword : n + by_keyword + variadic]
    defaults = dict(zip(names[:n][::-1], (forward.__defaults__ or ())[::-1])) | (forward.__kwdefaults__ or {})
    made = []
    for name in (*names[1:n], *several, *names[n : n + by_keyword]):
        annotation = annotations.get(name, REQUIRED)
        made.append(Parameter(name, annotation, _role(annotation, forward), defaults.get(name, REQUIRED)))
    return tuple(made), variadic


def _role(annotation: Any, forward: Callable) -> type | None:
    roles = [part for part in parts_of(annotation, forward) if part in (Array, Operand, Index, Indices)]
    return roles[0] if roles else None


_written: dict[tuple[str, str], tuple] = {}  # the same few annotations stand in hundreds of functions
_PYTHONS = {"None": NoneType, "bool": bool, "int": int, "float": float, "str": str}


def parts_of(annotation: Any, function: Callable, **late: Any) -> tuple:
    """The types that an annotation names: `Array | None` names two. One that only type checkers can see names none.

    late: names that a module imports for type checkers only, and what they stand for.
    """
    if not isinstance(annotation, str):
        return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    key = (annotation, function.__module__)
    if key not in _written:
        known = function.__globals__
        meant = [known.get(name, _PYTHONS.get(name)) for name in annotation.split(" | ")]
        try:
            if None in meant:  # it is not just names, or one is not here (`eval` takes ten times as long)
                meant = [eval(annotation, known, late)]
        except NameError:
            return ()
        _written[key] = tuple(part for each in meant for part in parts_of(each, function))
    return _written[key]


def torchs_name(name: str) -> str:
    """What torch calls a parameter that a formula here calls x, a, b or xs."""
    return {"x": "input", "a": "input", "b": "other", "xs": "tensors"}.get(name, name)


class SignatureLater(inspect.Signature):
    """A signature that is put together when somebody looks at it: hundreds of functions have one, and hardly any is looked at."""

    __slots__ = ("_made",)

    def __init__(self, make: Callable[[], inspect.Signature]) -> None:
        self._made: Any = make

    def now(self) -> inspect.Signature:
        """The signature itself."""
        if not isinstance(self._made, inspect.Signature):
            self._made = self._made()
        return self._made

    # What all of a signature's methods look at.
    _parameters: Any = property(lambda self: self.now()._parameters)
    _return_annotation: Any = property(lambda self: self.now()._return_annotation)

    def replace(self, **changes: Any) -> inspect.Signature:  # type: ignore[override]
        return self.now().replace(**changes)

    def __reduce__(self) -> Any:
        return self.now().__reduce__()


def with_out(signature: inspect.Signature) -> inspect.Signature:
    """The signature of a function that also takes `out=`, of its result's type."""
    out = inspect.Parameter(
        "out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=f"{signature.return_annotation} | None"
    )
    return signature.replace(parameters=[*signature.parameters.values(), out])
