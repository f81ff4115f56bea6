"""`minitorch.compile`: a training step becomes a program that one can read.

While a step runs once, its arrays write down what is done to them (`record.py`); the list of NumPy calls is shortened (`passes.py`) and
printed as a program (`numpy_source.py`), which runs from then on, and as mathematics (`mathematics.py`). Read next: `step.py`, the whole
course.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays.recorded import running
from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from .choices import list_backends
from .switches import set_stance


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | None = None,
    mode: str | None = None,
    options: dict | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
) -> Any:
    """The function as a program without tensors, nodes or walks: `step = compile(step)`, or `@compile` before its `def`.

    A whole training step, with backward and the optimizer's step, is compiled as a function of its batch; of a Module, or a function
    whose result is differentiated outside, forward is one program and backward another. The first two calls are
    recorded, later ones run the program made of both, as long as what it was made for holds: shapes, dtypes, modes, the parameters'
    memory. Results are those of the function, to the last bit. A function that looks at a number of a tensor runs in pieces, Python
    between programs; what cannot be recorded runs as it is, with a warning. With `fullgraph=True` both are errors.

    `backend`: "numpy" (None; "inductor", torch's, is the same), or "c": what stands between large matrix products becomes loops in C,
    compiled by the machine's C compiler and kept in the user's cache. Small steps and long rows gain most; results may differ in the
    last places, for it adds up in another order.

    A program is for the shapes it was made for. `dynamic=True` keeps 64 programs in place of 8, which is for batches of many sizes;
    `recompile_limit` says how many; calls that fit none of them then run as they are. mode, options: torch's names are checked, and
    change nothing. `name`: by which `explain()` and warnings call it.

    On a GPU the step is captured as one CUDA graph at its third call, whatever the backend, and replayed (docs/compile.md).

    `.source` is the program, `.mathematics` the same to be read, `.graph` what was recorded, `.explain()` what came of each kind of call.
    """
    from ..nn.modules.module import Module
    from .choices import backend_of, check_choices, limit_of
    from .module import OptimizedModule
    from .step import Compiled

    if model is None:
        return lambda model: compile(
            model, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, name=name,
            disable=disable, recompile_limit=recompile_limit,
        )  # fmt: skip
    if not callable(model):
        raise TypeError(f"compile expects a function or a Module, but got {type(model).__name__}")
    check_choices(mode, options)
    made, limit = backend_of(backend), limit_of(dynamic, recompile_limit)
    if disable or getattr(model, "is_disabled", False):
        return model
    compiled = Compiled(model, fullgraph, made, limit)
    compiled.__name__ = name or compiled.__name__
    return OptimizedModule(model, compiled) if isinstance(model, Module) else compiled


def is_compiling() -> bool:
    """Whether this runs while a step is recorded."""
    return running.record is not None


def is_dynamo_compiling() -> bool:
    """The same."""
    return is_compiling()


def is_exporting() -> bool:
    """Whether a program is being exported: False."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function, left to Python where a compiled one calls it, which then runs in pieces; without one, a decorator.

    recursive: torch's; nothing that it calls is part of a program either.
    """
    from ..nn.modules.module import Module
    from .module import OptimizedModule
    from .switches import disabled

    if fn is None:
        return lambda fn: disable(fn, recursive, reason=reason)
    if not callable(fn):
        raise TypeError(f"disable expects a function or a Module, but got {type(fn).__name__}")
    return OptimizedModule(fn, disabled(fn, reason)) if isinstance(fn, Module) else disabled(fn, reason)


def reset() -> None:
    """Forget all programs: compiled functions are as before their first call."""
    from .switches import forget_all

    forget_all()


def allow_in_graph(fn: Any) -> Any:
    """The function: what it does to tensors is part of a program anyway."""
    return _each(fn)


def assume_constant_result(fn: Any) -> Any:
    """The function: a number that it returns is burned in anyway, and a change of it between two recorded calls noticed."""
    return _each(fn)


def cudagraph_mark_step_begin() -> None:
    """Nothing: what a program returns is new in every run, so there is nothing to mark."""


def _each(fn: Any) -> Any:
    if not all(map(callable, fn if isinstance(fn, (list, tuple)) else [fn])):
        raise AssertionError("expected a function, or a list of them")
    return fn


__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip

_answer_for_what_is_missing(__name__)
