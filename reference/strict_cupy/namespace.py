"""`cupy` and `cupyx` as modules of strict arrays: only the names, keywords and dtypes that `names.txt` lists.

A name is looked up in the list, the arguments are checked against it, and NumPy (SciPy for the special functions) computes.
Read next: `names.txt`, and `collect.py`, which wrote it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import minitorch
from minitorch.compiler.numpy_calls import written_by

from . import cublas, graphs, memory
from .arrays import filled, hosts, ndarray, unordered, uploaded, waited, wrapped_around

NAMES = Path(__file__).with_name("names.txt")
TAKES_HOST = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"}
EMPTY = {"empty", "empty_like"}
BY_CUBLAS = {"matmul", "dot", "vdot", "inner", "outer", "tensordot", "kron", "einsum"}  # of floats
WAIT_WITHIN = {"sort", "argsort", "lexsort", "partition", "argpartition", "median", "percentile", "quantile"}  # thrust's do
JOINS = {"concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack", "block"}
WAITS = {"nonzero", "flatnonzero", "argwhere", "unique", "compress", "extract", "bincount", "histogram", "asnumpy"}
PYTHON = {"result_type", "can_cast", "promote_types", "may_share_memory", "shares_memory", "ndim", "size", "shape", "dtype"}
ARRAYS = {"a", "x", "x1", "ary", "arr", "array", "m", "v", "condition", "tup", "arrays"}  # parameters that must be arrays
SMALLEST = np.finfo(np.float32).tiny  # of the normal numbers
# CuPy still has these, and warns that they will go.
DEPRECATED = {f"{where}.scatter_{what}" for where in ("cupyx", "cupy.ndarray") for what in ("add", "max", "min")}
# What CuPy adds to repeated places atomically: no int64, for one.
ADDED_ATOMICALLY = {"int32", "uint32", "uint64", "float16", "float32", "float64"}
LOOPS_OF_WHERE = "?bBhHiIlLqQefdFD"  # `where` is a ufunc within, and has none for bfloat16
# ufunc methods exist in CuPy for these alone.
METHODS = {
    "at": {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"},
    "reduce": {"add", "multiply"}, "accumulate": {"add", "multiply"}, "reduceat": {"add"},
}  # fmt: skip


def _listed() -> dict[str, str]:
    """Each name of the list with what follows it: "(parameters)", ": loops" or nothing."""
    lines = [line for line in NAMES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    ends = [next((i for i, c in enumerate(line) if c in "(:"), len(line)) for line in lines]
    return {line[:end]: line[end:] for line, end in zip(lines, ends)}


LISTED = _listed()


def allowed(name: str) -> bool:
    """Whether CuPy has that name, and will keep it: one that warns is refused by an error of the warning's type."""
    if name in DEPRECATED:
        raise DeprecationWarning(f"{name} is deprecated: use cupy.add.at and its kin")
    return name in LISTED


class Module:
    """A module of CuPy: an attribute is there if the list has it."""

    def __init__(self, name: str, computes: str):
        self.__name__, self._computes = name, computes

    def __getattr__(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        if not allowed(full):
            raise AttributeError(f"module {self.__name__!r} of CuPy 14.2 has no attribute {name!r}")
        thing = getattr(importlib.import_module(self._computes), name)
        if LISTED[full].startswith(": "):
            thing = Ufunc(full, thing)
        elif callable(thing) and not isinstance(thing, type):
            function = thing
            thing = lambda *args, **kwargs: called(full, function, args, kwargs)
        setattr(self, name, thing)
        return thing


def called(name: str, function: Any, args: tuple, kwargs: dict, of: ndarray | None = None) -> Any:
    """A function on host arrays, or a method `of` an array, if CuPy's takes these arguments; its arrays come back strict."""
    short = name.rpartition(".")[2]
    _check_arguments(name, short, args, kwargs)
    if short in WAITS or (short == "where" and len(args) == 1):
        waited(short)
    whole = args if of is None else (of, *args)
    _check_capture(name, short, whole)
    _note_copies(short, args, kwargs)
    if short in TAKES_HOST and not isinstance(args[0], ndarray) and hasattr(args[0], "__cuda_array_interface__"):
        args = (_adopted(args[0].__cuda_array_interface__), *args[1:])
        whole = args
    if kwargs.pop("blocking", False):
        waited(short)
    if short in TAKES_HOST and not isinstance(args[0], ndarray):
        given = [hosts(a) if isinstance(a, (list, tuple)) else _by_value(a) for a in args]
        return wrapped(graphs.do(_made_of_data, *given, **kwargs))
    function = OTHERWISE.get(short, function)
    hosted, options = tuple(map(hosts, whole)), {k: hosts(v) for k, v in kwargs.items()}
    if short in EMPTY and graphs.recording[-1] is not None:
        return wrapped(graphs.recording[-1].allocated(function(*hosted, **options)))
    if short in PYTHON:
        return function(*hosted, **options)
    return wrapped(graphs.do(function, *hosted, writes=written_by(function, hosted, options), **options))


def _by_value(data: Any) -> Any:
    """What fills an array is an argument of a kernel: a graph keeps the number, not the place on the host that it came from."""
    return data.copy()[()] if isinstance(data, np.ndarray) and data.ndim == 0 else data


def _made_of_data(*args: Any, **kwargs: Any) -> np.ndarray:
    made = np.array(*args, **{**kwargs, "copy": True})
    return made if made.ndim else filled(made, made[()])


def _check_capture(name: str, short: str, args: tuple) -> None:
    """Refuse, in a capture, what goes to libraries that CuPy does not let into one, or that wait within."""
    if short in WAIT_WITHIN or name.startswith(("cupy.linalg.", "cupyx.scipy.linalg.")):
        graphs.refuse(f"{name}, which waits for the GPU")
    if short in BY_CUBLAS and any(isinstance(a, ndarray) and a._host.dtype.kind not in "iub" for a in args):
        graphs.refuse(f"{name}, which calls cuBLAS API by CuPy,")


def _adopted(told: dict[str, Any]) -> ndarray:
    """An array on the memory of another, by its `__cuda_array_interface__`."""
    there = cublas.arrays[told["data"][0]]
    return ndarray(np.ndarray(told["shape"], told["typestr"], there, strides=told["strides"]))


def _note_copies(short: str, args: tuple, kwargs: dict) -> None:
    """Note what CuPy 14.2 copies to the GPU for this call.

    A number is not: it fills an array, or is an argument of a kernel. A list of numbers is, and so is the table of addresses by which
    more than eight small arrays of one dtype are joined in a single launch.
    """
    first = args[0] if args else None
    if (
        short in TAKES_HOST
        and not isinstance(first, ndarray)
        and not (isinstance(first, (list, tuple)) and _has_strict(first))
    ):
        if np.ndim(first) and np.size(first):
            uploaded()
    elif short in JOINS or short in TAKES_HOST:
        parts = first if isinstance(first, (list, tuple)) else ()
        sizes = [part.size * part.dtype.itemsize for part in parts if isinstance(part, ndarray)]
        if len(parts) > 8 and len({part.dtype for part in parts}) == 1 and sum(sizes) < 2**21 * len(parts):
            uploaded()
    elif short == "take" and any(isinstance(a, (list, tuple)) for a in args):
        uploaded()


def _check_arguments(name: str, short: str, args: tuple, kwargs: dict) -> None:
    """Refuse what CuPy's function would: unknown keywords, too many arguments, numbers in place of arrays."""
    parameters = LISTED[name][1:-1].split(", ") if LISTED[name] else []
    if not any(p.startswith("**") for p in parameters):
        unknown = [k for k in kwargs if k not in parameters]
        if unknown:
            raise TypeError(f"{name}() of CuPy 14.2 got an unexpected keyword argument '{unknown[0]}'")
        if len(args) > len(parameters) and not any(p.startswith("*") for p in parameters):
            raise TypeError(f"{name}() of CuPy 14.2 takes {len(parameters)} arguments ({', '.join(parameters)})")
    if args and isinstance(args[0], np.ndarray) and any(isinstance(a, ndarray) for a in args):
        raise DeprecationWarning(f"{name}() calls {short!r} of its first argument, a host array, which asks for __array__")
    if args and parameters and parameters[0] in ARRAYS and short not in TAKES_HOST | PYTHON and not _has_strict(args[0]):
        raise TypeError(f"{name}() of CuPy 14.2 got a {type(args[0]).__name__}, which has none of an array's methods")
    if short == "repeat" and any(isinstance(a, ndarray) for a in (*args[1:], *kwargs.values())):
        raise ValueError("cupy.ndarray cannot be specified as `repeats` argument.")


def _take_along_axis(a: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    return np.take_along_axis(a, indices % a.shape[axis] if a.shape[axis] else indices, axis)


def _take(a: np.ndarray, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    """An index counts modulo the size. (NumPy's "wrap" adds the size until it fits: in a capture, where indices are not there yet, for hours.)"""
    size = a.size if axis is None else a.shape[axis]
    return a.take(np.remainder(indices, size) if size else indices, axis, out, "wrap")


def _where(condition: np.ndarray, *choices: Any) -> Any:
    """The first loop that both fit into: of bfloat16 it makes float32."""
    if not choices:
        return np.where(condition)
    dtype = np.result_type(*choices)
    fitting = next(np.dtype(letter) for letter in LOOPS_OF_WHERE if np.can_cast(dtype, letter))
    return np.where(condition, *choices).astype(fitting)


OTHERWISE = {
    "take": _take,
    "take_along_axis": _take_along_axis,
    "where": _where,
    "tril": lambda m, k=0: _where(np.tri(*m.shape[-2:], k, dtype=bool), m, m.dtype.type(0)),
    "triu": lambda m, k=0: _where(np.tri(*m.shape[-2:], k - 1, dtype=bool), m.dtype.type(0), m),
}


def _has_strict(value: Any) -> bool:
    return isinstance(value, ndarray) or (isinstance(value, (list, tuple)) and all(map(_has_strict, value)))


def wrapped(result: Any) -> Any:
    """Arrays and NumPy scalars as strict arrays, those in tuples and lists too."""
    if isinstance(result, (np.ndarray, np.generic)):
        return ndarray(np.asarray(result))
    if isinstance(result, (tuple, list)) and any(isinstance(r, np.ndarray) for r in result):
        return type(result)(map(wrapped, result)) if not hasattr(result, "_fields") else tuple(map(wrapped, result))
    return result


class Ufunc:
    """A ufunc with CuPy's loops: of the dtypes it lists the first that all arguments fit into is computed, or TypeError."""

    def __init__(self, name: str, compute: Any):
        self.name, self.compute = name, compute
        self.loops = [loop.split("->") for loop in LISTED[name][2:].split()]
        self.chosen: dict[Any, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if unknown := set(kwargs) - {"out", "casting", "dtype"}:
            raise TypeError(f"Wrong arguments {sorted(unknown)} to {self.name}: CuPy's ufuncs have out, dtype and casting")
        if any(not isinstance(a, (ndarray, np.generic, bool, int, float, complex)) for a in args):
            kinds = ", ".join(type(a).__name__ for a in args)
            raise TypeError(f"Unsupported type among ({kinds}) for {self.name}: arrays on the GPU and numbers only")
        given = [hosts(a) for a in args[: len(self.loops[0][0])]]
        if self.name.endswith(".matmul"):
            _check_capture(self.name, "matmul", args)
        out = args[len(given)] if len(args) > len(given) else kwargs.get("out")
        out = out[0] if isinstance(out, tuple) else out
        options = {k: v for k, v in kwargs.items() if k != "out"}
        if out is None:
            return ndarray(graphs.do(self._computed, given, options))
        graphs.do(self._write, out._host, given, options, writes=out)
        return out

    def _computed(self, given: list, options: dict) -> np.ndarray:
        """The result, denormal numbers made 0 before and after."""
        given = [flushed(a) for a in given]
        dtype = self._dtype(given) if options.get("dtype") is None else None
        with np.errstate(all="ignore"):  # a GPU does not warn
            result = self.compute(*given, **options)
        return flushed(np.asarray(result if dtype is None else np.asarray(result).astype(dtype)))

    def _write(self, out: np.ndarray, given: list, options: dict) -> None:
        np.copyto(out, self._computed(given, options), casting=options.get("casting", "same_kind"))

    def _dtype(self, given: list) -> np.dtype | None:
        """The dtype of the result; Python numbers are weak."""
        key = tuple(type(a) if isinstance(a, (bool, int, float, complex)) else a.dtype for a in given)
        if key not in self.chosen:
            self.chosen[key] = self._choose(given)
        return self.chosen[key]

    def _choose(self, given: list) -> np.dtype | None:
        strong = [a.dtype for a in given if hasattr(a, "dtype")]
        dtypes = [a.dtype if hasattr(a, "dtype") else np.result_type(*strong, type(a)(0)) for a in given]
        halves = any(d.name == "bfloat16" for d in dtypes)
        for inputs, output in self.loops:
            if (halves or "E" not in inputs) and all(np.can_cast(d, _dtype_of(t)) for d, t in zip(dtypes, inputs)):
                return _dtype_of(output[0])
        raise TypeError(f"Wrong type ({', '.join(map(str, dtypes))}) of arguments for {self.name} of CuPy 14.2")

    def __getattr__(self, method: str) -> Any:
        short = self.name.rpartition(".")[2]
        if short not in METHODS.get(method, ()):
            raise NotImplementedError(f"`{short}.{method}` is not supported in CuPy")
        if method == "at":
            if short == "add":
                return _add
            return lambda a, indices, b: graphs.do(self._at, a, indices, b, writes=a)
        return lambda *args, **kwargs: wrapped(graphs.do(getattr(self.compute, method), *map(hosts, args), **kwargs))

    def _at(self, a: ndarray, indices: Any, b: Any) -> None:
        self.compute.at(a._host, wrapped_around(indices, a.shape), hosts(b))


def flushed(a: Any) -> Any:
    """`a` with float32's denormal numbers made 0: CuPy compiles its kernels with -ftz=true."""
    if not isinstance(a, np.ndarray) or a.dtype != np.float32:
        return a
    denormal = (np.abs(a) < SMALLEST) & (a != 0)
    return np.where(denormal, np.copysign(np.float32(0), a), a) if denormal.any() else a


def _dtype_of(letter: str) -> np.dtype:
    """The dtype a letter of a loop means; "E" is bfloat16."""
    return minitorch.bfloat16.numpy if letter == "E" else np.dtype(letter)


def _add(a: ndarray, slices: Any, value: Any) -> None:
    """cupy.add.at: atomic additions, in any order, for some dtypes only; indices wrap around."""
    if a.dtype.name not in ADDED_ATOMICALLY:
        raise TypeError(f"scatter_add only supports {', '.join(sorted(ADDED_ATOMICALLY))}, got {a.dtype}")
    graphs.do(_add_at, a, slices, value, writes=a)


def _add_at(a: ndarray, slices: Any, value: Any) -> None:
    places, values = unordered(a._host, wrapped_around(slices, a.shape), hosts(value))
    np.add.at(a._host, np.unravel_index(places, a.shape), values)


PROPERTIES = {"name": b"Strict arrays", "major": 9, "minor": 0, "totalGlobalMem": 0, "multiProcessorCount": 1,
              "maxThreadsPerMultiProcessor": 1024}  # fmt: skip


class _Device:
    """`cupy.cuda.Device`: there is one."""

    def __init__(self, id: int = 0):
        if id != 0:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.id = id

    def use(self) -> None:
        pass

    def synchronize(self) -> None:
        waited("Device.synchronize")


class _Stream:
    """`cupy.cuda.Stream`: here everything is done at once, and the stream in use is only remembered."""

    done = True
    used: list[_Stream] = []

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, *, priority: Any = None):
        self.ptr = 0 if null else id(self)

    def __enter__(self) -> _Stream:
        self.used.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        self.used.pop()

    def use(self) -> _Stream:
        self.used[-1] = self
        return self

    def synchronize(self) -> None:
        waited("Stream.synchronize")

    def wait_event(self, event: Any) -> None:
        pass

    def begin_capture(self, mode: Any = None) -> None:
        graphs.begin(self, self.used[-1])

    def end_capture(self) -> Any:
        return graphs.end(self)

    def is_capturing(self) -> bool:
        made = graphs.recording[-1]
        return made is not None and made.stream is self


class _Event:
    """`cupy.cuda.Event`, with the host's clock."""

    done, reached = True, 0.0

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self.timing = not disable_timing

    def record(self, stream: Any = None) -> None:
        self.reached = time.perf_counter()

    def synchronize(self) -> None:
        waited("Event.synchronize")


class _Pinned(bytearray):
    """`cupy.cuda.PinnedMemoryPointer`: memory of the host that stays where it is."""


def _empty_pinned(shape: tuple, dtype: Any = float, order: str = "C") -> np.ndarray:
    made = np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _Pinned(made.nbytes))


def _empty_like_pinned(a: np.ndarray) -> np.ndarray:
    return np.ndarray(a.shape, a.dtype, _Pinned(a.nbytes), strides=np.empty_like(a).strides)


def part_of_cupyx(part: str = "") -> Any:
    """What importing `cupyx`, or a part of it, gives."""
    return functools.reduce(getattr, filter(None, part.split(".")), cupyx)


_Stream.null = _Stream(null=True)
_Stream.used.append(_Stream.null)

cupy: Any = Module("cupy", "numpy")
cupy.ndarray = ndarray
cupy.__version__ = "14.2 (a stand-in on NumPy)"
cupy.linalg = Module("cupy.linalg", "numpy.linalg")
cupy.lib = SimpleNamespace(stride_tricks=Module("cupy.lib.stride_tricks", "numpy.lib.stride_tricks"))
cupy.get_default_memory_pool = lambda: memory.pool
cupy.cuda = SimpleNamespace(
    is_available=lambda: True,
    Device=_Device,
    Stream=_Stream,
    Event=_Event,
    PinnedMemoryPointer=_Pinned,
    using_allocator=graphs.using_allocator,
    get_allocator=lambda: graphs.allocators[-1],
    get_current_stream=lambda: _Stream.used[-1],
    get_elapsed_time=lambda start, end: 1000 * (end.reached - start.reached),
    cublas=cublas,
    get_cublas_handle=lambda: cublas.HANDLE,
    **{**memory.NAMES, "MemoryPool": graphs.MemoryPool},
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda index: PROPERTIES,
        memGetInfo=memory.info,
        **{name: value for name, value in vars(cublas).items() if name.startswith("CUDA_R_")},
    ),
)
cupyx: Any = Module("cupyx", "numpy")
cupyx.empty_pinned = _empty_pinned
cupyx.empty_like_pinned = _empty_like_pinned  # the host's, and stays so
cupyx.errstate = lambda **options: contextlib.nullcontext()  # NumPy's functions of matrices raise anyway
cupyx.scipy = SimpleNamespace(
    special=Module("cupyx.scipy.special", "scipy.special"), linalg=Module("cupyx.scipy.linalg", "scipy.linalg")
)
