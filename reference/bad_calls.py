"""Bad calls: a good case of a row with one argument spoiled, and what both libraries make of it.

Where torch raises, ours must raise the same type, in words of its own, and leave its arguments as they were; where torch
does not mind, ours must not either. What is spoiled depends on what stands there: a tensor gets another shape, another
dtype or is no tensor at all; a dim goes out of range or becomes a float; a flag becomes a word; an argument is left out,
given twice or unknown.
"""

from __future__ import annotations

import collections
import contextlib
import io
import linecache
import re
import signal
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import minitorch

from .excuses import (
    ACCEPTED,
    CHANGED,
    DIFFERENT,
    EQUAL,
    EXCUSES,
    NEAR_TYPE,
    NOT_IN_WORDS,
    OTHER_TYPE,
    OUTCOMES,
    REFUSED,
    SAME_TYPE,
    Excuse,
)
from .good_calls import Code, Line, evaluated, lines
from .spoiling import NotATensor, recount, spoil
from .strategies import Source
from .table import Row, table

HERE = str(Path(__file__).parent)


class Call(NamedTuple):
    """One call that can be made in either library; NumPy arrays stand for tensors."""

    positional: list[Any]
    keywords: dict[str, Any]
    mistake: str = ""
    grad: bool = True  # whether floats want a gradient
    kind: str = ""  # of the mistake

    def on(self, function: Callable, library: Any) -> Outcome:
        """Make the call with fresh tensors of `library`."""
        positional = [_tensors(v, library, self.grad) for v in self.positional]
        keywords: dict[str, Any] = {n: _tensors(v, library, self.grad) for n, v in self.keywords.items()}
        given = [t for v in (*positional, *keywords.values()) for t in _flat(v, library)]
        before = [state(t) for t in given]  # (of torch's too: then it leaves no tensor without memory behind)
        with steadied(library):
            try:
                result = function(*positional, **keywords)
            except Exception as error:
                return Outcome(None, error, library is torch or [state(t) for t in given] == before, False)
        empty = any(not t.numel() for t in [*given, *_flat(result, library)])
        return Outcome(result, None, True, empty)

    def __repr__(self) -> str:
        told = [_told(v) for v in self.positional] + [f"{n}={_told(v)}" for n, v in self.keywords.items()]
        return f"({', '.join(told)})  [{self.mistake}]"


class Outcome(NamedTuple):
    """What a call came to, and whether its arguments are as they were."""

    result: Any
    error: Exception | None
    untouched: bool
    empty: bool  # whether some tensor that came or went has no elements


def state(tensor: Any) -> Any:
    """All of a tensor that a call must not change when it raises."""
    grad = None if not tensor.is_leaf or tensor.grad is None else tensor.grad.tolist()
    if tensor.numel() > 10**6 or min(tensor.shape, default=0) < 0:  # torch's, which a call that failed has left in ruins
        return tuple(tensor.shape)
    array = tensor.detach().numpy()
    return array.tobytes(), array.shape, array.dtype, tensor._version, tensor.requires_grad, grad


# ---- what both make of it ----


class Verdict(NamedTuple):
    """What comparing the two outcomes of a call showed."""

    outcome: str  # one of OUTCOMES
    told: str = ""  # the difference in words, "" if there is none
    signature: str = ""  # the kind of difference, to be counted
    excuse: Excuse | None = None  # that explains the difference

    @property
    def raised(self) -> bool:
        """Whether both refused."""
        return self.outcome in (SAME_TYPE, NEAR_TYPE, OTHER_TYPE)


def compare(row: Any, call: Call) -> Verdict:
    """Make the call in both libraries. `row` has a name and the functions `theirs` and `ours`."""
    theirs, ours = call.on(row.theirs, torch), call.on(row.ours, minitorch)
    outcome = _outcome(row, theirs, ours)
    if outcome in (SAME_TYPE, EQUAL, NEAR_TYPE):
        return Verdict(outcome)
    told_by = f"{outcome}: {row.name}{call!r}\n    torch: {told(theirs)}\n    ours:  {told(ours)}"
    signature = f"{row.name:30} {call.kind:22} {_type_told(theirs)} | {_type_told(ours)}"
    words = f"{call!r} torch: {told(theirs)} ours: {told(ours)}"
    name = row.name.rstrip("_")
    excuse = next(
        (e for e in EXCUSES if e.outcome in (None, outcome) and re.fullmatch(e.rows, name) and re.search(e.words, words)),
        None,
    )
    return Verdict(outcome, told_by, signature, excuse)


def _outcome(row: Any, theirs: Outcome, ours: Outcome) -> str:
    """Which of OUTCOMES. A function's error must be in our own words, a layer's may be Python's."""
    if not ours.untouched:
        return CHANGED
    if ours.error is None:
        if theirs.error is not None:
            return ACCEPTED
        return EQUAL if alike(ours.result, theirs.result, values="empty" not in row.name) else DIFFERENT
    if theirs.error is None:
        # torch often does not look at its arguments when there is nothing to compute
        return SAME_TYPE if theirs.empty and in_our_words(ours.error) else REFUSED
    same_words = type(ours.error) is type(theirs.error) and str(ours.error) == str(theirs.error)
    if same_words or origin(ours.error)[0].startswith(HERE):  # from the row's own lines
        return SAME_TYPE
    if not isinstance(ours.error, kinds_of(theirs.error)):
        return OTHER_TYPE
    if isinstance(row, Row) and not in_our_words(ours.error):
        return NOT_IN_WORDS
    return SAME_TYPE if built_in(ours.error) is built_in(theirs.error) else NEAR_TYPE


def built_in(error: Exception) -> type:
    """The type that Python knows it by: torch has classes of its own."""
    return next(t for t in type(error).__mro__ if t.__module__ == "builtins")


def alike(ours: Any, theirs: Any, values: bool = True) -> bool:
    """Whether two results say the same: tensors and numbers by value, layers by their text, other things by their type."""
    if isinstance(theirs, torch.Tensor):
        if not isinstance(ours, minitorch.Tensor) or str(ours.dtype).split(".")[1] != str(theirs.dtype).split(".")[1]:
            return False
        mine, their = ours.detach().double().numpy(), theirs.detach().double().numpy()
        if mine.shape != their.shape or ours.requires_grad != theirs.requires_grad:
            return False
        tolerance = 1e-9 if theirs.dtype is torch.float64 else 1e-5
        return not values or bool(np.allclose(mine, their, tolerance, tolerance, equal_nan=True))
    if isinstance(theirs, (list, tuple)) and not isinstance(theirs, str):
        return isinstance(ours, (list, tuple)) and len(ours) == len(theirs) and all(map(alike, ours, theirs))
    if isinstance(theirs, str):
        return bool(ours == theirs)
    if isinstance(theirs, (bool, int, float)) or theirs is None:
        return type(ours) is type(theirs) and (ours == theirs or ours != ours or bool(np.isclose(ours, theirs)))
    if isinstance(theirs, torch.nn.Module):
        return _text(ours) == _text(theirs)
    return type(theirs).__name__ in (cls.__name__ for cls in type(ours).__mro__)


def _text(module: Any) -> str:
    """Its repr, or why it has none: an option may have been a tensor."""
    try:
        return repr(module).replace("minitorch.", "torch.")
    except Exception as error:
        return type(error).__name__


def _type_told(outcome: Outcome) -> str:
    return type(outcome.error).__name__ if outcome.error is not None else f"-> {type(outcome.result).__name__}"


def told(outcome: Outcome) -> str:
    """An outcome in a line."""
    if outcome.error is None:
        return f"returned a {type(outcome.result).__name__}"
    return f"{type(outcome.error).__name__}: {str(outcome.error).splitlines()[0] if str(outcome.error) else ''}"


def kinds_of(error: Exception) -> tuple[type, ...]:
    """The built-in types that ours may have where torch raises `error`.

    Where torch is written in Python and does not check, a value of the wrong type ends in an AttributeError or an
    UnboundLocalError of some line inside; in ours that is a TypeError, as everywhere else in torch, or Python's own too. And where torch reads a
    size of a 0-d tensor before it says how many dimensions it wants (an IndexError), ours may say so (RuntimeError).
    """
    if isinstance(error, (AttributeError, UnboundLocalError)):
        return TypeError, AttributeError
    trips = "tensor has no dimensions" in str(error)
    return (built_in(error), RuntimeError, ValueError) if trips else (built_in(error),)


def in_our_words(error: Exception) -> bool:
    """Whether a `raise` of ours said it, or Python about missing and unknown arguments; not NumPy from somewhere within."""
    file, line = origin(error)
    raised = "minitorch" in file and line.startswith("raise ")
    return raised or bool(re.search(r"\(\) (missing|takes|got an unexpected keyword|got multiple values)", str(error)))


def origin(error: Exception) -> tuple[str, str]:
    """The file and the source line an error came from."""
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    return file, linecache.getline(file, trace.tb_lineno).strip()


# ---- what is called ----


def spoiled(row: Any, source: Source, grad: bool = True) -> Call | None:
    """A drawn case of the row with one drawn mistake in it; None if the case was bad already."""
    if isinstance(row, Line):
        call = Call(row.positional, row.keywords, grad=False)
    else:
        case = row.draw(source)
        positional = [case[n] for n in case if row.is_positional(n)]
        keywords = {n: v for n, v in case.items() if not row.is_positional(n)}
        call = Call(positional, keywords, grad=grad)
        if call.on(row.theirs, torch).error is not None:
            return None
    lambda_row = isinstance(row.theirs, types.FunctionType) and "reference" in row.theirs.__module__
    if not (call.positional or call.keywords):
        return None if lambda_row else recount(call, source)
    return recount(call, source) if not lambda_row and source.integer(0, 7) == 0 else spoil(call, source)


def method_rows(rows: list[Row]) -> list[Row]:
    """The rows that are methods of Tensor too, called as such: `x.add(y)`, and `x.add_(y)` where there is one."""
    found = []
    for row in rows:
        first = next(iter(row.arguments), "")
        for name in (row.name, f"{row.name}_"):
            if first and row.is_positional(first) and hasattr(torch.Tensor, name) and hasattr(minitorch.Tensor, name):
                theirs, ours = _method(torch, name), _method(minitorch, name)
                found.append(Row(name, theirs, ours, broadcast=row.broadcast, positional=row.positional, **row.arguments))
    return found


def _method(library: Any, name: str) -> Callable:
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, library.Tensor):
            raise TypeError("only a tensor has the method")
        return getattr(x, name)(*args, **kwargs)

    return call


def _tensors(value: Any, library: Any, grad: bool) -> Any:
    """The value with tensors of `library` for its arrays; with `grad`, floats want a gradient."""
    if isinstance(value, NotATensor):
        return value.array.copy()
    if isinstance(value, Code):
        return evaluated(value, library)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_tensors(v, library, grad) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    made = library.from_numpy(np.array(value))
    return made.requires_grad_() if grad and value.dtype.kind == "f" else made


def _flat(value: Any, library: Any) -> list:
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _flat(v, library)]
    return [value] if isinstance(value, library.Tensor) else []


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(_told, value))})"
    return repr(value)


@contextlib.contextmanager
def steadied(library: Any) -> Iterator[None]:
    """What a call may switch for the whole library is switched back; a call that takes ten seconds is given up."""
    library.manual_seed(0)
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        library.set_default_dtype(library.float32)
        library.set_grad_enabled(True)
        library.autograd.set_detect_anomaly(False)


def _give_up(*_: Any) -> None:
    raise TimeoutError("the call took more than ten seconds")


# ---- many of them, by the command line ----


MANY = 50_000  # calls, among which each excuse should have been needed


def public() -> list[Row]:
    """The rows of what users can call: not of the ops inside, which get what their callers have checked."""
    inside = {op.__name__ for op in minitorch.op.ops} - set(minitorch.op.registry)
    return [row for row in table() if row.covers not in inside]


def every() -> list[tuple[Any, bool]]:
    """All that calls are drawn for, and whether floats want a gradient there."""
    return [(row, True) for row in public()] + [(row, False) for row in (*method_rows(public()), *lines())]


def bad_calls(calls: int = 10000, seed: int = 0, only: str = "", show: int = 40) -> int:
    """Make so many bad calls on both libraries; print what came of them, and the commonest differences."""
    chosen = [(row, grad) for row, grad in every() if only in row.name]
    if not chosen:
        raise SystemExit(f"no function has {only!r} in its name")
    counts: collections.Counter = collections.Counter()
    signatures: collections.Counter = collections.Counter()
    excused: collections.Counter = collections.Counter()
    examples: dict[str, str] = {}
    for k in range(calls):
        row, grad = chosen[k % len(chosen)]
        call = spoiled(row, Source(seed * 1_000_000 + k), grad)
        if call is None:
            continue
        verdict = compare(row, call)
        counts[verdict.outcome] += 1
        excused[verdict.excuse] += verdict.excuse is not None
        if verdict.told and verdict.excuse is None:
            signatures[f"{verdict.outcome}: {verdict.signature}"] += 1
            examples.setdefault(f"{verdict.outcome}: {verdict.signature}", verdict.told)
    for outcome in OUTCOMES:
        print(f"{counts[outcome]:7,}  {outcome}")
    unexplained = sum(signatures.values())
    print(f"{counts.total():7,}  calls; {excused.total():,} differences are explained, {unexplained:,} are not")
    if calls >= MANY and not only:
        print(*(f"nothing needs it any more: {excuse}" for excuse in EXCUSES if not excused[excuse]), sep="\n")
    for signature, count in signatures.most_common(show):
        told_by = examples[signature].replace("\n", "\n        ")
        print(f"{count:5} × {signature}\n        {told_by}")
    return 1 if unexplained else 0
