"""What a function takes, read from its annotations, and how it says that something else came.

A check runs once for each combination of argument *types* that a function meets; after that, a look into a set is all a
call pays. What types cannot tell (a dim out of range, sizes that do not fit) is the function's own to check.
Read next: `door.py`, which asks here.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device
from ..arrays.numbers import read
from ..autograd.grad_mode import grad_mode
from .autocast_lists import words_for
from .declaration import REQUIRED, Array, Index, Indices, Operand, Parameter, parts_of, torchs_name
from .listening import active, listener

if TYPE_CHECKING:
    Number = Any
    Dims = Any
    Sizes = Any
    Device = Any
    Flag = bool
    FlagByPosition = bool
    Reduction = str
else:

    class Number:
        """An int, float or bool, or a tensor of one element and no dimensions."""

    class Dims:
        """An int or a tuple or list of them."""

    class Sizes:
        """A tuple or list of ints."""

    class Device:
        """A device, its name, or a GPU's number."""

    class Flag:
        """Looked at for its truth only: anything may come."""

    class FlagByPosition:
        """A bool that may not come by keyword: `x.var(False)` has ever been said for `x.var(unbiased=False)`."""

    class Reduction:
        """The name of a reduction, which is looked up when the rest has been looked at."""


class TensorLater:
    """What `Tensor` stands for in an annotation: the class itself is made after the ops."""


Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
OF_NUMPY = {"axis": "dim", "keepdims": "keepdim"}
REFUSED_KINDS = {None: "", "numbers": "b", "floats": "iub"}  # NumPy's kinds of dtype that are not `only` those
Function = TypeVar("Function", bound=Callable)


class Kind(NamedTuple):
    """What an annotation stands for: its name in messages, its test, and what a value of it is read as."""

    words: str
    holds: Callable[[Any], bool]
    read: Callable[[Any], Any] = lambda x: x


def _is_int(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number, np.bool_))


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor) or (grad_mode.on_arrays and hasattr(x, "strides"))  # an array of any library


def _is_sequence(x: Any) -> bool:
    return isinstance(x, (tuple, list))


def _is_dtype(x: Any) -> bool:
    return isinstance(x, (dtypes.dtype, type)) and (x in dtypes.OF_PYTHON or isinstance(x, dtypes.dtype))


def _plain_number(x: Any) -> Any:
    """A NumPy number as Python's: what it does to dtypes is then the same."""
    return read(x) if isinstance(x, np.generic) else x


TENSOR, NUMBER = Kind("Tensor", _is_tensor), Kind("Number", _is_number, _plain_number)
INT, SEQUENCE = Kind("int", _is_int, operator.index), Kind("tuple of ints", _is_sequence)
BOOL, BOOL_BY_POSITION = (Kind(words, lambda x: isinstance(x, bool)) for words in ("bool", "bool by position"))
DIMS = Kind(
    "int or tuple of ints", lambda x: _is_sequence(x) or _is_int(x), lambda x: x if _is_sequence(x) else operator.index(x)
)
# What each annotation, or part of one, may be. A class that is not here stands for its instances, anything else for all.
KINDS: dict[Any, tuple[Kind, ...]] = {
    NoneType: (Kind("None", lambda x: x is None),),
    Array: (TENSOR,),
    Index: (TENSOR,),
    TensorLater: (TENSOR,),
    Operand: (TENSOR, NUMBER),
    bool: (BOOL,),
    FlagByPosition: (BOOL_BY_POSITION,),
    int: (INT,),
    float: (NUMBER,),
    Number: (NUMBER,),
    Dims: (DIMS,),
    Sizes: (SEQUENCE,),
    Sequence[int]: (SEQUENCE,),
    str: (Kind("str", lambda x: isinstance(x, str)),),
    dtypes.dtype: (Kind("minitorch.dtype", _is_dtype, dtypes.as_dtype),),
    Device: (Kind("minitorch.device", lambda x: isinstance(x, (device, str)) or _is_int(x)),),
}
UNCHECKED = (Any, object, Flag, Reduction, Indices, REQUIRED)


def kinds_of(annotation: Any, function: Callable) -> tuple[Kind, ...]:
    """The kinds of `int | None`; none if any part is something else, which is not checked."""
    if annotation is None:
        return ()
    parts = parts_of(annotation, function, Tensor=TensorLater)
    if any(part in UNCHECKED or not (part in KINDS or isinstance(part, type)) for part in parts):
        return ()
    return tuple(kind for part in parts for kind in KINDS.get(part) or (instance_of(part),))


def instance_of(cls: type) -> Kind:
    """The kind of a class: its instances."""
    return Kind(cls.__name__, lambda x: isinstance(x, cls))


class Signature:
    """The kinds a function's parameters may be, by name; those annotated otherwise may be anything.

    They are read off when a call is first looked at: hundreds of functions have a signature, and few are called.
    """

    def __init__(
        self,
        name: str,
        function: Callable,
        parameters: Callable[[], Sequence[Parameter]],
        only: str | None = None,
        same_dtype: Sequence[str] = (),
        refusal: type[Exception] = NotImplementedError,
    ):
        self.name, self.function, self.parameters = name, function, parameters
        self.refused_kinds, self.refusal = REFUSED_KINDS[only], refusal
        self.same_dtype = same_dtype
        self.known: set[tuple] = set()  # combinations of types that have passed

    @functools.cached_property
    def kinds(self) -> dict[str, tuple[Kind, ...]]:
        """What each parameter may be."""
        function = inspect.unwrap(self.function)  # a decorated one stands elsewhere than its annotations were written
        return {p.name: kinds_of(p.annotation, function) for p in self.parameters()}

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The arguments that come by position."""
        return tuple(p.name for p in self.parameters() if p.by_position)

    def check(self, args: tuple, kwargs: dict, types: tuple) -> tuple[tuple, dict]:
        """The arguments as they are read: 0-d tensors and NumPy's numbers as Python's; TypeError if one is of no kind it may be."""
        checked = tuple(self._checked(n, x, i) for i, (n, x) in enumerate(zip(self.names, args), start=1))
        checked += args[len(checked) :]
        named = {self._torchs(n): x for n, x in kwargs.items()}
        named = {n: self._checked(n, x) if n in self.kinds else x for n, x in named.items()}
        same = all(map(_same, checked, args)) and all(map(_same, named.values(), kwargs.values()))
        if (
            same and named.keys() == kwargs.keys() and not grad_mode.on_arrays
        ):  # what a derivative may do with arrays, a user may not
            self.known.add(types)
        return checked, named

    def _torchs(self, key: str) -> str:
        """torch's name for what NumPy calls axis or keepdims."""
        name = OF_NUMPY.get(key, key)
        return name if name in self.kinds else key

    def _checked(self, name: str, value: Any, position: int = 0) -> Any:
        """The value, read as the first kind it is of among those that `name` may be."""
        kinds = self.kinds.get(name, ())
        if not kinds:
            return value
        for kind in kinds:
            if kind.holds(value) and (position or kind is not BOOL_BY_POSITION):
                return kind.read(value)
        if _is_tensor(value) and value.ndim == 0 and not value.requires_grad:  # it may stand for a number
            number = value.item()
            if any(kind.holds(number) for kind in kinds if kind is not BOOL):
                return number
        self.refuse(name, value, position, [kind.words for kind in kinds if kind.words != "None"])

    def check_same_dtype(self, args: tuple, kwargs: dict) -> None:
        """RuntimeError unless the tensors that must be of one dtype are."""
        given = dict(zip(self.names, args)) | kwargs
        (first, x), *others = [(n, given[n]) for n in self.same_dtype if _is_tensor(given.get(n))]
        for name, y in others:
            if y.dtype is not x.dtype:
                raise RuntimeError(
                    f"{self.name}(): expected {torchs_name(first)} and {torchs_name(name)} to have the "
                    f"same dtype, but got {x.dtype!r} and {y.dtype!r}; convert one with .to(dtype)"
                )

    def refuse_dtype(self, dtype: np.dtype) -> NoReturn:
        """There is no formula for this dtype (the gelu of an integer): NotImplementedError, where torch raises no other."""
        name = dtypes.from_numpy_dtype(dtype).name
        raise self.refusal(
            f"\"{self.name}\" not implemented for '{dtypes.SCALAR_NAMES[name]}'; convert the input first, e.g. x.float()"
        )

    def refuse(self, name: str, value: Any, position: int, expected: list[str]) -> NoReturn:
        """TypeError: what came, what was expected, and what to do about it. Position 0 means it came by keyword."""
        where = f" (position {position})" if position else ""
        raise TypeError(
            f"{self.name}(): argument '{torchs_name(name)}'{where} must be {' or '.join(expected)}, "
            f"not {type(value).__name__}{_remedy(expected, value)}"
        )


def tensor_list(name: str, tensors: Any, if_empty: type[Exception] = RuntimeError) -> tuple:
    """The tensors of a list as a tuple; TypeError if it is none or holds something else, `if_empty` if it holds nothing."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}"
            f"{'; put it in a list' if _is_tensor(tensors) else ''}"
        )
    if not tensors:
        raise if_empty(f"{name}(): expected a non-empty list of Tensors")
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
    function: Function,
    name: str | None = None,
    only: str | None = None,
    same_dtype: Sequence[str] = (),
    refusal: type[Exception] = NotImplementedError,
    check_first: bool = True,
    autocast: str = "",
) -> Function:
    """The function, with its arguments checked against its annotations.

    check_first: before the call; else only when it has failed, to say what came: enough where no wrong type passes unnoticed.
    autocast: its name in autocast's lists.
    """
    name = name or function.__name__
    signature = Signature(name, function, functools.partial(parameters_of_function, function), only, same_dtype, refusal)
    known, check, refused_kinds, words = signature.known, signature.check, signature.refused_kinds, words_for(autocast)

    def call(*args: Any, **kwargs: Any) -> Any:
        if active and (heard := listener(call, words, args, kwargs)):
            return heard(call, args, kwargs)
        types = (*map(type, args), *kwargs, *map(type, kwargs.values())) if kwargs else tuple(map(type, args))
        if types not in known:
            args, kwargs = check(args, kwargs, types)
        if same_dtype:
            signature.check_same_dtype(args, kwargs)
        if refused_kinds and args and (dtype := getattr(args[0], "_array", args[0]).dtype).kind in refused_kinds:
            signature.refuse_dtype(dtype)
        return function(*args, **kwargs)

    def call_first(*args: Any, **kwargs: Any) -> Any:
        if active and (heard := listener(call_first, words, args, kwargs)):
            return heard(call_first, args, kwargs)
        try:
            return function(*args, **kwargs)
        except Exception:
            try:
                again = check(args, kwargs, ())
            except TypeError as told:
                raise told from None
            same = all(map(_same, again[0], args)) and all(map(_same, again[1].values(), kwargs.values()))
            if same and again[1].keys() == kwargs.keys():
                raise
        return function(*again[0], **again[1])

    made: Any = functools.wraps(function)(call if check_first or only or same_dtype else call_first)
    function.__qualname__ = name  # Python's own errors about missing and unknown arguments use it
    made.signature = signature
    return made


def parameters_of_function(function: Callable) -> list[Parameter]:
    """The parameters of a function, but those that stand for several arguments."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = [p for p in inspect.signature(function).parameters.values() if p.kind not in variable]
    return [Parameter(p.name, p.annotation, None, p.default, p.kind is p.POSITIONAL_OR_KEYWORD) for p in found]


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(map(_is_tensor, value))


def _same(a: Any, b: Any) -> bool:
    return a is b
