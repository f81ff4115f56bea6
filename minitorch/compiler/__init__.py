"""`minitorch.compile`: a training step becomes a program that one can read.

While a step runs once, its arrays write down what is done to them (`record.py`); the list of NumPy calls is shortened (`passes.py`) and
printed as a program (`numpy_source.py`), which runs from then on, and as mathematics (`mathematics.py`). Read next: `step.py`, the whole
course.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays.recorded import running


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str = "numpy",
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
) -> Any:
    """The function as a program without tensors, nodes or walks: `step = compile(step)`, or `@compile` before its `def`.

    A whole training step, with backward and the optimizer's step, is compiled as a function of its batch; of a Module, or a function
    whose result is differentiated outside, forward is one program and backward another. The first two calls are
    recorded, later ones run the program made of both, as long as what it was made for holds: shapes, dtypes, modes, the parameters'
    memory. Results are those of the function, to the last bit. What cannot be recorded runs as it is, with a warning; with
    `fullgraph=True` it is an error.

    dynamic, mode, options: torch's, taken so that programs run; they change nothing. `backend`: "numpy" ("inductor", torch's, is the same), or
    "c": what stands between large matrix products becomes loops in C, compiled by the machine's C compiler and kept in the user's cache.
    Small steps and long rows gain most; results may differ in the last places, for it adds up in another order.

    On a GPU the step is captured as one CUDA graph at its third call, whatever the backend, and replayed (docs/compile.md).

    `.source` is the program, `.mathematics` the same to be read, `.graph` what was recorded, `.explain()` what came of each kind of call.
    """
    from ..nn.modules.module import Module
    from .module import OptimizedModule
    from .step import Compiled

    if model is None:
        return lambda model: compile(
            model, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if not callable(model):
        raise TypeError(f"compile expects a function or a Module, but got {type(model).__name__}")
    if backend not in ("numpy", "inductor", "c"):
        raise ValueError(f"compile: there is no backend {backend!r}; there are 'numpy' and 'c'")
    if disable:
        return model
    return OptimizedModule(model, fullgraph, backend) if isinstance(model, Module) else Compiled(model, fullgraph, backend)


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
    """The function as it is; without one, a decorator that leaves functions as they are."""
    return _as_it_is if fn is None else fn


def reset() -> None:
    """Nothing: there is nothing to forget."""


def _as_it_is(fn: Callable) -> Callable:
    return fn
