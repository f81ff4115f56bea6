"""What a function takes, read from its annotations, and how it says that something else came.

A check runs once for each combination of argument *types* that a function meets; after that, a look into a set is all a
call pays. What types cannot tell (a dim out of range, sizes that do not fit) is the function's own to check.
Read next: `door.py`, whose door asks here.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from ..arrays import dtypes

Number = Any  # an int, float or bool, or a tensor of one element and no dimensions
Dims = Any  # an int or a tuple or list of them
Sizes = Any  # a tuple or list of ints

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
REFUSED = {None: "", "numbers": "b", "floats": "iub"}  # NumPy's kinds of dtype that are not `only` those
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
Function = TypeVar("Function", bound=Callable)


class Kind(NamedTuple):
    """What an annotation stands for: its name in messages, and its test."""

    words: str
    holds: Callable[[Any], bool]


def _is_int(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number, np.bool_))


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


KINDS = {
    "None": Kind("None", lambda x: x is None),
    "Array": Kind("Tensor", _is_tensor),
    "Index": Kind("Tensor", _is_tensor),
    "Tensor": Kind("Tensor", _is_tensor),
    "bool": Kind("bool", lambda x: isinstance(x, bool)),
    "int": Kind("int", _is_int),
    "float": Kind("Number", _is_number),
    "Number": Kind("Number", _is_number),
    "Dims": Kind("int or tuple of ints", lambda x: isinstance(x, (tuple, list)) or _is_int(x)),
    "Sizes": Kind("tuple of ints", lambda x: isinstance(x, (tuple, list))),
    "Sequence[int]": Kind("tuple of ints", lambda x: isinstance(x, (tuple, list))),
    "str": Kind("str", lambda x: isinstance(x, str)),
    "dtypes.dtype": Kind("minitorch.dtype", lambda x: isinstance(x, dtypes.dtype)),
    "DType": Kind("minitorch.dtype", lambda x: isinstance(x, dtypes.dtype)),
}


class Signature:
    """The kinds a function's parameters may be, by name; those annotated otherwise may be anything.

    `parameters` is asked for them when a call is first looked at: hundreds of functions have a signature, and few are called.
    """

    def __init__(
        self, name: str, parameters: Callable[[], list[inspect.Parameter]], only: str | None = None, alike: str = ""
    ):
        self.name = name
        self.parameters = parameters
        self.refused = REFUSED[only]
        self.alike = tuple(alike.split())
        self.known: set[tuple] = set()  # combinations of types that have passed

    @functools.cached_property
    def kinds(self) -> dict[str, tuple[Kind, ...]]:
        """What each parameter may be. `reduction` and `inplace` torch looks at late, or only for their truth."""
        named = [p for p in self.parameters() if p.kind not in VARIABLE and p.name not in ("reduction", "inplace")]
        return {p.name: _kinds(str(p.annotation)) for p in named}

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The arguments that come by position."""
        fixed = itertools.takewhile(lambda p: p.kind is p.POSITIONAL_OR_KEYWORD, self.parameters())
        return tuple(p.name for p in fixed)

    def check(self, args: tuple, kwargs: dict, types: tuple) -> tuple[tuple, dict]:
        """The arguments, 0-d tensors that stand for numbers made numbers; TypeError if one is of no kind it may be."""
        checked = tuple(self._checked(n, x, i) for i, (n, x) in enumerate(zip(self.names, args), start=1))
        checked += args[len(checked) :]
        named = {n: self._checked(n, x) if n in self.kinds else x for n, x in kwargs.items()}
        if all(map(_same, checked, args)) and all(map(_same, named.values(), kwargs.values())):
            self.known.add(types)
        return checked, named

    def _checked(self, name: str, value: Any, position: int = 0) -> Any:
        """The value if it is of a kind that `name` may be."""
        kinds = self.kinds.get(name, ())
        if not kinds or any(kind.holds(value) for kind in kinds):
            return value
        if _is_tensor(value) and value.ndim == 0 and not value.requires_grad:  # it may stand for a number
            number = value.item()
            if any(kind.holds(number) for kind in kinds):
                return number
        self.refuse(name, value, position, [kind.words for kind in kinds if kind.words != "None"])

    def check_alike(self, args: tuple, kwargs: dict) -> None:
        """RuntimeError unless the tensors that must be of one dtype are."""
        given = dict(zip(self.names, args)) | kwargs
        (first, x), *others = [(n, given[n]) for n in self.alike if _is_tensor(given.get(n))]
        for name, y in others:
            if y.dtype is not x.dtype:
                raise RuntimeError(
                    f"{self.name}(): expected {torchs_name(first)} and {torchs_name(name)} to have the "
                    f"same dtype, but got {x.dtype!r} and {y.dtype!r}; convert one with .to(dtype)"
                )

    def refuse_dtype(self, dtype: np.dtype) -> NoReturn:
        """NotImplementedError: there is no formula for this dtype (the gelu of an integer)."""
        name = dtypes.from_numpy_dtype(dtype).name
        raise NotImplementedError(
            f"\"{self.name}\" not implemented for '{dtypes.SCALAR_NAMES[name]}'; convert the input first, e.g. x.float()"
        )

    def refuse(self, name: str, value: Any, position: int, expected: list[str]) -> NoReturn:
        """TypeError: what came, what was expected, and what to do about it. Position 0 means it came by keyword."""
        where = f" (position {position})" if position else ""
        raise TypeError(
            f"{self.name}(): argument '{torchs_name(name)}'{where} must be {' or '.join(expected)}, "
            f"not {type(value).__name__}{_remedy(expected, value)}"
        )


def tensor_list(name: str, tensors: Any) -> tuple:
    """The tensors of a list as a tuple; TypeError if it is none or holds something else."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
            f"{'; put it in a list' if _is_tensor(tensors) else ''}"
        )
    if not tensors:
        raise (ValueError if name == "cat" else RuntimeError)(f"{name}(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if not _is_tensor(x):
            raise TypeError(
                f"{name}(): expected Tensor as element {i} in argument 0, but got {type(x).__name__}{_remedy(['Tensor'], x)}"
            )
    return tuple(tensors)


def _remedy(expected: list[str], value: Any) -> str:
    """What to do about a value of the wrong kind, where that is plain."""
    if "Tensor" in expected and isinstance(value, np.ndarray):
        return "; minitorch.from_numpy(array) makes one"
    if "Tensor" in expected and (isinstance(value, (list, tuple)) or _is_number(value)):
        return f"; minitorch.{'stack' if _holds_tensors(value) else 'tensor'}(…) makes one"
    if "minitorch.dtype" in expected:
        return ", e.g. minitorch.float32"
    if "int" in expected and isinstance(value, float):
        return f"; int({value!r}) makes one" if value == value and abs(value) != float("inf") else ""
    if "bool" in expected:
        return "; give True or False"
    return ""


def checked(
    function: Function, name: str | None = None, only: str | None = None, alike: str = "", eager: bool = True
) -> Function:
    """The function, with its arguments checked against its annotations.

    eager: before the call; else only when it has failed, to say what came: enough where no wrong type passes unnoticed.
    """
    name = name or function.__name__
    signature = Signature(name, lambda: list(inspect.signature(function).parameters.values()), only, alike)
    known, check, refused = signature.known, signature.check, signature.refused

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        types = (*map(type, args), *kwargs, *map(type, kwargs.values())) if kwargs else tuple(map(type, args))
        if types not in known:
            args, kwargs = check(args, kwargs, types)
        if refused and args and (dtype := args[0]._array.dtype).kind in refused:
            signature.refuse_dtype(dtype)
        if alike:
            signature.check_alike(args, kwargs)
        return function(*args, **kwargs)

    @functools.wraps(function)
    def call_first(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:
            try:
                again = check(args, kwargs, ())
            except TypeError as told:
                raise told from None
            if all(map(_same, again[0], args)) and all(map(_same, again[1].values(), kwargs.values())):
                raise
        return function(*again[0], **again[1])

    function.__qualname__ = name  # Python's own errors about missing and unknown arguments use it
    return call if eager or only or alike else call_first  # type: ignore[return-value]


def torchs_name(name: str) -> str:
    """What torch calls a parameter that a formula here calls x, a or b."""
    return {"x": "input", "a": "input", "b": "other"}.get(name, name)


@functools.cache
def _kinds(annotation: str) -> tuple[Kind, ...]:
    """The kinds of `int | None`; none if any part is something else, which is not checked."""
    parts = [p.strip() for p in annotation.replace("Operand", "Tensor | float").split("|")]
    return tuple(KINDS[p] for p in parts) if all(p in KINDS for p in parts) else ()


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(map(_is_tensor, value))


def _same(a: Any, b: Any) -> bool:
    return a is b
