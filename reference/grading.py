"""Judge a learner's answer to an exercise: inputs drawn by hypothesis, and the smallest that it gets wrong, in words.

`judge` takes the text of a file and returns a `Verdict`. The command line calls it in a process of its own (`in_a_child`), since a
learner's file may print, loop for ever, or end the process. An answer that does what a typical wrong one does, on the smallest input
and on others, is told that one's words. torch is not needed. Read next: `minitorch/exercises/exercise.py`.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import faulthandler
import io
import json
import linecache
import os
import textwrap
import traceback
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample

from minitorch.exercises.exercise import Exercise

from . import strategies
from .differing import cut, differs, literal, same
from .drawn import Drawn
from .far import describe

EXAMPLES = 100  # inputs that an answer has to get right
ALIKE = 6  # further inputs on which an answer that is taken for a typical wrong one has to do as that one does
PRINTED = 10  # lines of a learner's own printing that are shown


@dataclass
class Verdict:
    """What the judge found: `kind` is "right", "wrong", or "empty" where nothing has been written yet."""

    kind: str
    lines: list[str] = field(default_factory=list)


class Complaint(Exception):
    """What is wrong with an answer, in words."""


# ---- one file ----


def judge(exercise: Exercise, code: str, filename: str = "answer.py", examples: int = EXAMPLES) -> Verdict:
    """The verdict on a learner's file, whatever it does but loop for ever or end the process."""
    try:
        tree = ast.parse(code)
        _refuse_what_is_forbidden(exercise, tree)
        unchanged = exercise.is_start(code)
        if unchanged and not exercise.has_a_bug:
            return Verdict("empty", [f"not filled in yet: {exercise.name} is still as it was"])
        with _quiet():
            answer = _loaded(exercise, code, filename)
        verdict = judge_answer(exercise, answer, filename, examples, recognize=not unchanged)
        if unchanged:  # what the bug does is worth seeing
            return Verdict("empty", [f"not mended yet: {exercise.name} is still as it was, and does this:", *verdict.lines])
        return verdict
    except SyntaxError as error:
        return Verdict("wrong", _syntax(error, filename))
    except Complaint as complaint:
        return Verdict("wrong", str(complaint).split("\n"))


def _syntax(error: SyntaxError, filename: str) -> list[str]:
    shown = (error.text or "").rstrip("\n")
    pointer = [f"    {' ' * ((error.offset or 1) - 1)}^"] if shown else []
    return [f"{filename}, line {error.lineno} is no Python: {error.msg}", *([f"    {shown}"] if shown else []), *pointer]


def _loaded(exercise: Exercise, code: str, filename: str) -> Any:
    """Run the file, and take the definition out of it."""
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)  # so that its lines can be shown
    module = types.ModuleType(exercise.name)
    module.__file__ = filename
    try:
        exec(compile(code, filename, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise Complaint(f"running {filename} raised {_told(error, filename)}") from None
    answer = getattr(module, exercise.name, None)
    if answer is None:
        raise Complaint(f"{filename} defines no {exercise.name}; the judge calls it by that name")
    if not callable(answer):
        raise Complaint(f"{exercise.name} is of type {type(answer).__name__}, expected a function or a class")
    return answer


def judge_answer(
    exercise: Exercise,
    answer: Any,
    filename: str = "answer.py",
    examples: int = EXAMPLES,
    shrink: bool = True,
    recognize: bool = True,
) -> Verdict:
    """The verdict on a function or class.

    Without `shrink`, the input shown is the first that is wrong, not the smallest; without `recognize`, known mistakes are not named.
    """
    found = smallest(exercise, answer, filename, examples, shrink)
    if found is None:
        return Verdict("right", [f"right, on {examples} inputs that hypothesis drew"])
    with _quiet() as printed:
        complaint = None if isinstance(found, Flaky) else complain(exercise, answer, found, filename)
    if complaint is None:
        return Verdict("wrong", ["it gives different results for the same input: does it keep something between two calls?"])
    if complaint == EMPTY:
        return Verdict("empty", [f"not filled in yet: {exercise.name} raises NotImplementedError"])
    lines = ["wrong; the smallest input that shows it:", *_case(found), *complaint.split("\n")]
    for told in known_mistake(exercise, answer, found) if recognize else []:
        lines += textwrap.wrap(f"This looks like a known mistake. {told}", 96)
    if printed.getvalue():
        own = printed.getvalue().splitlines()
        lines += ["it printed:", *(f"  {cut(line)}" for line in own[:PRINTED]), *(["  ..."] if len(own) > PRINTED else [])]
    return Verdict("wrong", lines + how_to_repeat(exercise, found))


# ---- inputs ----


class Round(np.random.Generator):
    """A generator whose uniform numbers have few digits, so that a person can compute with them."""

    digits: int | None = None

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:  # type: ignore[override]
        """As NumPy's, rounded where that stays in [low, high]."""
        exact = super().uniform(low, high, size)
        if self.digits is None:
            return exact
        rounded = np.round(exact, self.digits)
        return np.where((rounded < low) | (rounded > high), exact, rounded) + 0.0  # (no −0)


def draw(exercise: Exercise, source: strategies.Source) -> dict[str, Any]:
    """One input."""
    source.empty = source.expand = False
    source.layout = 0
    case: dict[str, Any] = {}
    for name, strategy in exercise.inputs(strategies).items():
        case[name] = strategy(source, case) if callable(strategy) else strategy
    return case


def seeded(exercise: Exercise, seed: int) -> dict[str, Any]:
    """One input, for a seed."""
    return draw(exercise, strategies.Source(seed))


def smallest(exercise: Exercise, answer: Any, filename: str, examples: int, shrink: bool) -> Any:
    """The smallest input that the answer gets wrong; None if it gets all right; Flaky if it is undecided."""

    @st.composite
    def cases(choose: Any) -> dict[str, Any]:
        source = Drawn(choose)
        rng = Round(np.random.PCG64(choose(st.integers(0, 10_000))))
        rng.digits = source.choice([0, 1, 2, None])
        source.rng = rng
        return draw(exercise, source)

    quick = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, verbosity=Verbosity.quiet,
        phases=[Phase.generate, *[Phase.shrink] * shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        with _quiet():
            return find(cases(), lambda case: complain(exercise, answer, case, filename) is not None, settings=quick)
    except NoSuchExample:
        return None
    except Flaky as flaky:
        return flaky


# ---- one input ----

EMPTY = "raised NotImplementedError"


def complain(exercise: Exercise, answer: Any, case: dict[str, Any], filename: str) -> str | None:
    """What is wrong with the answer on this input; None if nothing is."""
    given = copy.deepcopy(case)
    try:
        result = exercise.call(answer, given)
    except NotImplementedError:
        return EMPTY
    except (Exception, SystemExit) as error:
        return f"raised {_told(error, filename)}"
    if exercise.how_called() is None:
        for name, before in case.items():
            if not same(given[name], before):
                return (
                    f"it changed its argument {name!r}, which belongs to the caller: compute a new value, or copy it first"
                )
    try:
        if exercise.check is not None:
            return exercise.check(result, **case)
        return differs(result, exercise.expected(case), exercise.returns)
    except Exception as error:
        return f"the result, of type {type(result).__name__}, cannot be compared: {type(error).__name__}: {cut(str(error))}"


# ---- words ----


def known_mistake(exercise: Exercise, answer: Any, case: dict[str, Any]) -> list[str]:
    """The words of the typical wrong answer that gives the same on this input and on others; at most one.

    Where one of both raises on another input it is left out: that may be a second mistake.
    """
    cases = [case, *(seeded(exercise, seed) for seed in range(ALIKE))]
    with _quiet():
        results = [outcome(exercise, answer, c) for c in cases]
        for wrong, told in exercise.wrong.values():
            first, *others = zip(results, (outcome(exercise, wrong, c) for c in cases))
            if alike(*first) and all(
                alike(*pair) for pair in others if isinstance(first[0], Exception) or not _raised(pair)
            ):
                return [told]
    return []


def _raised(pair: tuple) -> bool:
    return any(isinstance(result, Exception) for result in pair)


def outcome(exercise: Exercise, answer: Any, case: dict[str, Any]) -> Any:
    """(result, the arguments as they are afterwards), or what was raised."""
    given = copy.deepcopy(case)
    try:
        return exercise.call(answer, given), given
    except Exception as error:
        return error
    except SystemExit:
        return None, given


def alike(a: Any, b: Any) -> bool:
    """Whether two outcomes are the same but for rounding."""
    if isinstance(a, Exception) or isinstance(b, Exception):
        return type(a) is type(b) and str(a) == str(b)
    with contextlib.suppress(Exception):
        return same(a[1], b[1]) and (a[0] is b[0] is None or differs(a[0], b[0]) is None)
    return False


def _case(case: dict[str, Any]) -> list[str]:
    """The input, a long value cut."""
    return [line for name, value in case.items() for line in cut(describe({name: value})).split("\n")]


def how_to_repeat(exercise: Exercise, case: dict[str, Any]) -> list[str]:
    """Lines to type."""
    called, again = exercise.how_called(), "To repeat it, judge it again: the inputs are always the same."
    if called is not None:
        helpers = "tensor(x) is a leaf with the numbers of x; arrays(t) is t in NumPy" if "tensor(" in called else ""
        return [
            f"{again} The judge calls it so:",
            *(f"    {n}" for n in called.split("\n")),
            *([f"({helpers})"] * bool(helpers)),
        ]
    arguments = ", ".join(f"{name}={literal(value)}" for name, value in case.items())
    if len(arguments) > 1000:
        return [again]
    needed = ", ".join(name for name in ("array", "zeros") if f"{name}(" in arguments)
    lines = [f"from {exercise.name} import {exercise.name}", f"{exercise.name}({arguments})"]
    return [
        "To repeat it, in Python:",
        *(f"    {line}" for line in ([f"from numpy import {needed}"] if needed else []) + lines),
    ]


def _told(error: BaseException, filename: str) -> str:
    """The exception, and the learner's line where it came from."""
    told = cut(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    if isinstance(error, RecursionError):
        frames = frames[:1]
    return told + (f"\n{filename}, line {frames[-1].lineno}:\n    {frames[-1].line}" if frames else "")


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """What a learner's code prints is caught, and NumPy's warnings are not shown."""
    out = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield out


# ---- what may not be used ----


def _refuse_what_is_forbidden(exercise: Exercise, tree: ast.Module) -> None:
    """Complaint if the file imports or calls what the task asks one to write; it reads the code, and is easily deceived."""
    for node in ast.walk(tree):
        for module in _imported(node):
            if module.partition(".")[0] not in exercise.allowed:
                allowed = "NumPy and minitorch" if "minitorch" in exercise.allowed else "NumPy"
                raise Complaint(f"line {node.lineno} imports {module}; allowed here: {allowed}, and Python's own modules")
        for name in _used(node):
            if name in exercise.forbidden:
                raise Complaint(
                    f"line {node.lineno} uses {name}, which may not be used here: the task is to write it yourself"
                )


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    dynamic = isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval")
    return [node.id] if dynamic else []  # type: ignore[attr-defined]


def _used(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    return [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []


# ---- in a process of its own ----


def judge_file(exercise: Exercise, filename: str) -> Verdict:
    """The verdict on a file, which may be no text at all."""
    try:
        return judge(exercise, Path(filename).read_text(encoding="utf-8-sig"), filename)
    except UnicodeDecodeError as error:
        return Verdict("wrong", [f"{filename} is no text in UTF-8: {error.reason} at byte {error.start}"])
    except OSError as error:
        return Verdict("wrong", [f"{filename}: {error.strerror}"])


def in_a_child(name: str, filename: str, seconds: float, memory: int) -> None:
    """Judge the file and write the verdict to stdout, as JSON: the main function of the process that `cli/exercise.py` starts.

    When the time is over the process ends, and stderr tells where it was.
    """
    verdict_goes_to = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a learner's file prints goes nowhere, however it does so
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    faulthandler.dump_traceback_later(seconds, exit=True)
    verdict = judge_file(Exercise(name), filename)
    faulthandler.cancel_dump_traceback_later()
    with os.fdopen(verdict_goes_to, "wb") as out:
        out.write(json.dumps({"kind": verdict.kind, "lines": verdict.lines}).encode())
    os._exit(0)  # not waiting for threads that a learner's file may have started
