"""`minitorch explain --compiled`: run a small program, then show what `minitorch.compile` makes of its function `step`.

The function is called with the program's own variables, by the names of its parameters. It may be compiled already, and may be a Module.
Read next: `compiler/step.py`.
"""

from __future__ import annotations

import inspect
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minitorch
from minitorch.nn import Module

from ..compiler.module import OptimizedModule
from ..compiler.step import Compiled
from ..examples import explain as examples
from .ends import UserError
from .explain import FOLDER, quoted
from .program import left_by

CALLS = 4  # after which a step has its program: two are recorded, and the first may differ, for there were no gradients before it
SECONDS = 0.5  # for measuring


def explained(what: str, variable: str = "step") -> str:
    """The text for an example's name or a file."""
    path = FOLDER / f"{what}.py" if what in examples.COMPILED else Path(what)
    namespace = left_by(path, examples.COMPILED)
    step = _function(namespace, path, variable)
    given = _arguments(step, namespace, path, variable)
    compiled = _compiled(step, given, path, variable)
    latest = [v for v in compiled.variants if v.program is not None][-1]
    programs = [p for p in (latest.program, latest.backward) if p is not None]
    sections = {
        "what was recorded": str(compiled.graph),
        "the program, as it runs": "\n\n".join(p.source for p in programs),
        "the same as mathematics": compiled.mathematics,
        "what came of each kind of call": compiled.explain(),
        "time": measured(compiled, given, alone=latest.backward is not None),
    }
    code = [quoted(path)] if what in examples.COMPILED else []
    return "\n\n".join([*code, *(f"==== {title} ====\n\n{text}" for title, text in sections.items())])


def _function(namespace: dict[str, Any], path: Path, variable: str) -> Any:
    if variable not in namespace:
        raise UserError(f"{path} leaves no function {variable!r}; name the one to compile with --variable")
    if not callable(namespace[variable]):
        raise UserError(
            f"{path}: {variable} is of type {type(namespace[variable]).__name__}, expected a function or a Module"
        )
    return namespace[variable]


def _arguments(step: Any, namespace: dict[str, Any], path: Path, variable: str) -> dict[str, Any]:
    """The file's variables that have the names of the function's parameters."""
    inner = step._orig_mod if isinstance(step, OptimizedModule) else step
    parameters = inspect.signature(inner.forward if isinstance(inner, Module) else inner).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in namespace]
    if missing:
        raise UserError(f"{path}: {variable} takes {', '.join(missing)}; give the file variables of these names")
    return {p.name: namespace[p.name] for p in named if p.name in namespace}


def _compiled(step: Any, given: dict[str, Any], path: Path, variable: str) -> Compiled:
    """The function, called until it has its program."""
    run = step if isinstance(step, (Compiled, OptimizedModule)) else minitorch.compile(step)
    compiled = run.compiled if isinstance(run, OptimizedModule) else run
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is in the error below
            for _ in range(CALLS):
                run(**given)
    except Exception as error:
        raise UserError(f"{path}: {variable}({', '.join(given)}): {type(error).__name__}: {error}") from None
    try:
        _ = compiled.source
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from None
    return compiled


def measured(compiled: Compiled, given: dict[str, Any], alone: bool) -> str:
    """How long a call takes as it is and as a program, in words; they take turns. alone: backward is not a part of it."""
    eager, program = medians([compiled.function, compiled], given)
    what = "a call, without backward:" if alone else "a call:"
    return (
        f"{what} {eager * 1e6:.0f} µs as it is, {program * 1e6:.0f} µs as a program (medians); ratio {eager / program:.2f}"
    )


def medians(functions: list[Callable], given: dict[str, Any]) -> list[float]:
    """The median seconds of a call of each."""
    times: list[list[float]] = [[] for _ in functions]
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for function, taken in zip(functions, times):
            start = time.perf_counter()
            function(**given)
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]
