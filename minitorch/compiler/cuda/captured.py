"""A compiled step on a GPU: it runs twice as it is, then it is captured as one CUDA graph, and from then on replayed.

What a step does is the same launches on the same memory again and again, for the guard says so: parameters stay where they are, arguments have
the shapes they had. So arguments are copied into fixed memory, all launches follow as one, and what is handed out is new: results are
copies. Gradients are copied only if somebody keeps them (`Handed`). What changes from step to step beside tensors, counts of steps, learning rates,
the place in a stream of random numbers, is written to the GPU before each replay (`arrays/capturing.py`). Read next: `../step.py`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ...arrays import capturing
from ...arrays.capturing import Capture, NotCapturable, Warming
from ...arrays.device import page_locked, replay, xp_of
from ...arrays.layout import copied
from ...arrays.warning import warn
from ...autograd.node import birth
from ...op.listening import record_with, recorder
from ...ops.dropout import philox_dropout
from ...optim import Optimizer
from ...optim.lr_scheduler import LRScheduler
from ...tensor import Tensor
from ..arguments import told_apart
from ..calls import inputs_of, is_freed
from ..graph import mapped
from ..state import NUMBERS, State

RUNS = 2  # as it is, before the capture: kernels are compiled, optimizers make their state, and both must do the same


def captured(owner: Any, args: tuple, kwargs: dict) -> Any:
    """A call of a compiled function that no graph fits yet."""
    known = (v for v in owner.variants if isinstance(v, CapturedStep) and v.run is None and v.guard_holds(args, kwargs))
    step = next(known, None)
    if step is None:
        step = CapturedStep(owner, args, kwargs)
        owner.variants.append(step)
    return step.next_run(args, kwargs)


class CapturedStep:
    """What one kind of call on a GPU has come to: some runs, then a graph; or the reason why there is none."""

    program = backward = pattern = None  # (it has no source)

    def __init__(self, owner: Any, args: tuple, kwargs: dict) -> None:
        self.owner, self.function, self.name = owner, owner.function, owner.__name__
        self.refusal: str | None = None
        self.run: Callable[[tuple, dict], Any] | None = None
        self.heard: list[list] = []
        self.keeps = False  # whether somebody keeps gradients
        self._look(args, kwargs)
        self.xp = next(xp_of(t._array) for t in self.tensors if t.is_cuda)
        self.stream = self.xp.cuda.Stream(non_blocking=True)
        self.pool = capturing.new_pool(self.xp)

    def is_as(self, other: Any) -> bool:
        """Nothing that was recorded on a CPU is as this."""
        return False

    def told(self) -> str:
        """What came of it, in words."""
        if self.refusal is not None:
            return f"runs as it is: {self.refusal}"
        if self.run is None:
            return f"on a GPU: it has run {len(self.heard)} times; the call after {RUNS} will be captured"
        graphs = sum(isinstance(part, Capture) for part in self.parts)
        return (
            f"on a GPU: captured as {graphs} graph{'s' * (graphs > 1)}, in {self.pool.total_bytes()} bytes of their own; "
            f"{len(self.results)} results{' and the gradients' * self.keeps} are copied\n   {len(self.guard.conditions)} conditions, "
            "looked at before each run"
        )

    def _look(self, args: tuple, kwargs: dict) -> None:
        """Find what the step depends on, as it is now."""
        state = State(with_optimizers=True)
        found = list(inputs_of(args, kwargs, state))
        state.reach(self.function, state.guard.thing(self.function), "")
        self.inputs, self.state, self.guard = told_apart(found, state), state, state.guard
        self.tensors = [*state.tensors.values(), *(t for _, t, _ in self.inputs)]
        self.guard_holds = self.holds = self.guard.compiled()

    # ---- runs as it is ----

    def next_run(self, args: tuple, kwargs: dict) -> Any:
        """The first calls run as they are; the next one is captured."""
        self._refuse(self.state.refusal or self._unfit_argument())
        if self.refusal is not None:
            return self.function(*args, **kwargs)
        if len(self.heard) == RUNS:
            return self._captured(args, kwargs)
        noted = Warming(self.owner.fullgraph)
        elsewhere = capturing.aside(self.xp, self.stream), capturing.allocating_in(self.xp, self.pool)
        with elsewhere[0], elsewhere[1], capturing.warming(noted), listening(noted) as heard:
            result = self.function(*args, **kwargs)
        self.heard.append(heard)
        self._refuse(noted.refusal or self._difference() or self._changed(args, kwargs))
        return result

    def _unfit_argument(self) -> str:
        """What is wrong with an argument, in words."""
        for _, tensor, name in self.inputs:
            if not tensor.is_cuda:
                return f"its argument {name} is on the CPU: move it to the GPU before the step"
            if tensor._requires_grad:
                return f"its argument {name} requires grad"
        return ""

    def _difference(self) -> str:
        """What two runs called differently, in words."""
        first, second = self.heard[0], self.heard[-1]
        for (one, given), (other, given_too) in zip(first, second):
            if one != other or given != given_too:
                return f"two calls in a row did not do the same: {one} and {other}" + ", of other numbers" * (one == other)
        if len(first) != len(second):
            return f"two calls in a row did not do the same: one called {len(first)} ops, the other {len(second)}"
        return ""

    def _changed(self, args: tuple, kwargs: dict) -> str:
        changed = self.guard.broken(args, kwargs)
        return f"the step changes what it depends on: {changed}" if changed else ""

    def _refuse(self, words: str) -> None:
        """Say why the step runs as it is from here on, if there is a reason."""
        if not words or self.refusal is not None:
            return
        if self.owner.fullgraph:
            raise RuntimeError(f"compile, fullgraph=True: {words}")
        self.refusal, self.run = words, lambda args, kwargs: self.function(*args, **kwargs)
        self.heard, self.pool = [], None
        if all(other is self or other.refusal != words for other in self.owner.variants):
            warn(f"compile: {self.name} runs as it is, not as a graph: {words}")

    # ---- the capture ----

    def _captured(self, args: tuple, kwargs: dict) -> Any:
        """Capture the step, and replay it for the first time; if it cannot be captured, run it."""
        self._look(args, kwargs)  # (optimizers have made their state since)
        self.before, self.born = Before(self), birth()
        self.parts: list[Any] = []
        self.counted = [0] * len(self.tensors)  # how often effects, which are called at each replay, have written to each
        with capturing.aside(self.xp, self.stream):
            self.fixed = [copied(self.xp, t._array) for _, t, _ in self.inputs]
            self.given = eval(
                f"lambda args, kwargs: [{', '.join(f'{place}._array' for place, _, _ in self.inputs)}]", self.guard.things
            )
            try:
                with self.before.put_in_place(self.fixed):
                    result = self._noted(args, kwargs)
                self.structure = self._result(result)
                self._left()
                if changed := self._changed(args, kwargs):
                    raise NotCapturable(changed)
                self._guard_gradients()
            except Exception as error:
                if len(self.parts) > 1:  # a part has run, and cannot run again
                    raise
                self.before.take_back()
                words = str(error)
            else:
                words = ""
                replay(self.parts[-1])
        if words:
            self._refuse(words)
            return self.function(*args, **kwargs)
        self.run = self._replayed
        return self._handed_out()

    def _noted(self, args: tuple, kwargs: dict) -> Any:
        """Call the function while the stream captures."""
        self._begin()
        try:
            return self.function(*args, **kwargs)
        finally:
            failed = sys.exc_info()[0] is not None
            with contextlib.suppress(Exception) if failed else contextlib.nullcontext():
                self.parts[-1].end()

    def _begin(self) -> None:
        self.parts.append(Capture(self.xp, self.pool, page_locked, self))
        self.parts[-1].begin(self.stream)

    def effect(self, name: str, call: partial) -> Any:
        """What changes more than arrays: captured, if a graph can hold it; of the host alone, called at each replay; or between two graphs."""
        thing, plain = call.args[0], len(call.args) == 1 and not call.keywords
        if isinstance(thing, Optimizer) and plain and thing._is_captured_whole():
            return call()
        capture = self.parts[-1]
        if isinstance(thing, LRScheduler) and not any(isinstance(g["lr"], Tensor) for g in thing.optimizer.param_groups):
            capture.at_each_replay(call)
            return None
        self._refuse_old_gradients()
        capture.end()
        handed = Handed(self.before, copies=False)
        replay(capture)
        self.parts += [handed.give, call]
        before = [t._version for t in self.tensors]
        result = call()
        self.counted = [n + t._version - v for n, t, v in zip(self.counted, self.tensors, before)]
        self._begin()
        return result

    def _result(self, value: Any) -> Any:
        """What the step returned, with a `Result` for each tensor; `results` are their arrays."""
        self.results: list[Any] = []
        given = {id(t): name for _, t, name in self.inputs}

        def told(leaf: Any) -> Any:
            if isinstance(leaf, Tensor) and id(leaf) not in self.state.tensors:
                if id(leaf) in given:
                    raise NotCapturable(f"it returns its argument {given[id(leaf)]} as it is")
                node = leaf._grad_fn
                if leaf._requires_grad and (node is None or not is_freed(node, self.born)):
                    raise NotCapturable(
                        "it returns a tensor that can be differentiated outside; minitorch.cuda.make_graphed_callables captures "
                        "forward and backward apart"
                    )
                self.results.append(leaf._array)
                return Result(len(self.results) - 1, leaf._requires_grad)
            if not isinstance(leaf, (Tensor, *NUMBERS)):
                raise NotCapturable(f"it returns a {type(leaf).__name__}")
            return leaf

        structure = mapped(told, value)
        known = [t._array for t in self.tensors if t.is_cuda]
        for k, array in enumerate(self.results):
            if any(self.xp.may_share_memory(array, other) for other in (*known, *self.fixed, *self.results[:k])):
                raise NotCapturable("it returns tensors that share memory with others")
        return structure

    def _left(self) -> None:
        """What the step leaves: gradients, and counts of writes."""
        counts = [t._version - v - n for t, v, n in zip(self.tensors, self.before.versions, self.counted)]
        for (_, _, name), times in zip(self.inputs, counts[len(counts) - len(self.inputs) :]):
            if times:
                raise NotCapturable(f"it writes to its argument {name}")
        self.bumped = [t for t, times in zip(self.tensors, counts) for _ in range(times)]
        self._refuse_old_gradients()
        self.handed = Handed(self.before, self.keeps)

    def _guard_gradients(self) -> None:
        """Where there was no gradient before, there must be none: nobody knows whether the step would have added to it."""
        for leaf, was in self.before.gradients:
            if was is None:
                self.guard.add(f"{self.guard.thing(leaf)}._grad is None", f"the gradient of {self.state.names[id(leaf)]}")
        self.guard_holds = self.holds = self.guard.compiled()

    def _refuse_old_gradients(self) -> None:
        """A graph would read them where they are now; what was left alone is put back."""
        if name := self.before.name_of_what_was_read():
            raise NotCapturable(f"it adds to a gradient that was there before, of {name}; call zero_grad() within the step")
        self.before.put_back_the_untouched()

    # ---- replays ----

    def _replayed(self, args: tuple, kwargs: dict) -> Any:
        if self.handed.are_kept():
            # Somebody has a gradient of the step before, in memory that a replay would write: leave that to them.
            self.keeps, self.pool = True, capturing.new_pool(self.xp)
            return self._captured(args, kwargs)
        for fixed, new in zip(self.fixed, self.given(args, kwargs)):
            self.xp.copyto(fixed, new)
        for part in self.parts:
            replay(part) if isinstance(part, Capture) else part()
        for tensor in self.bumped:
            tensor._bump()
        return self._handed_out()

    def _handed_out(self) -> Any:
        """The gradients into place, and the results, which are new."""
        self.handed.give()
        return mapped(lambda v: v.of(self.results) if isinstance(v, Result) else v, self.structure)


class Result:
    """A tensor that the step returns."""

    def __init__(self, number: int, has_a_past: bool) -> None:
        self.number, self.has_a_past = number, has_a_past

    def of(self, arrays: list) -> Tensor:
        """A new tensor, with a copy of the numbers."""
        from ..step import with_a_past

        made = Tensor._wrap(arrays[self.number].copy())
        return with_a_past(made) if self.has_a_past else made


class Handed:
    """The gradients that a step leaves, in memory of the graph.

    They are copied only if somebody keeps them: a replay asks before it whether anything but `.grad` holds the tensor, its array, or a view
    of it, for what is held is counted by Python.
    """

    def __init__(self, before: Before, copies: bool) -> None:
        leaves = [t for t, was in before.gradients if was is None or t._grad is not was]
        self.gradients = [(t, None if t._grad is None else t._grad._array) for t in leaves]
        self.copies = copies
        self.counts: list[tuple[int, ...]] = []

    def give(self) -> None:
        """Put them into `.grad`."""
        for leaf, array in self.gradients:
            leaf._grad = None if array is None else Tensor._wrap(copied(xp_of(array), array) if self.copies else array)
        self.counts = self._counted()

    def are_kept(self) -> bool:
        """Whether somebody has one that was given."""
        return not self.copies and any(
            tensor > of_tensor or array > of_array - (tensor == 0) or memory > of_memory or place > of_place
            for (tensor, array, memory, place), (of_tensor, of_array, of_memory, of_place) in zip(
                self._counted(), self.counts
            )
        )

    def _counted(self) -> list[tuple[int, ...]]:
        """How many hold each tensor in `.grad`, 0 if it is another by now; and its array, and its memory."""
        counts: list[tuple[int, ...]] = []
        for leaf, array in self.gradients:
            if array is not None:
                mine = leaf._grad is not None and leaf._grad._array is array
                counts.append((sys.getrefcount(leaf._grad) if mine else 0, *capturing.holders(array)))
        return counts


class Before:
    """What was there before a capture, which must leave all as it was if it fails."""

    def __init__(self, step: CapturedStep) -> None:
        self.step, self.names = step, step.state.names
        self.versions = [t._version for t in step.tensors]
        self.gradients = [(t, t._grad) for t in step.state.tensors.values() if t._requires_grad]
        self.probes = {id(t): Probe(g) for t, g in self.gradients if g is not None}

    @contextlib.contextmanager
    def put_in_place(self, fixed: list) -> Iterator[None]:
        """In the block arguments are in fixed memory, and old gradients tell whether they are read."""
        arguments = [(tensor, tensor._array) for _, tensor, _ in self.step.inputs]
        for (tensor, _), array in zip(arguments, fixed):
            tensor._array = array
        for tensor, _ in self.gradients:
            tensor._grad = self.probes.get(id(tensor))
        try:
            yield
        finally:
            for tensor, array in arguments:
                tensor._array = array

    def name_of_what_was_read(self) -> str:
        """The name of a parameter whose old gradient was read."""
        return next((self.names[of] for of, probe in self.probes.items() if probe.was_read), "")

    def put_back_the_untouched(self) -> None:
        """Gradients that the step left alone are what they were."""
        for tensor, was in self.gradients:
            if was is not None and tensor._grad is self.probes[id(tensor)]:
                tensor._grad = was

    def take_back(self) -> None:
        """All gradients are what they were."""
        for tensor, was in self.gradients:
            tensor._grad = was


class Probe(Tensor):
    """A gradient that was there before a step, and tells whether the step reads it."""

    was_read = False

    def __init__(self, of: Tensor) -> None:
        self.of = of

    def _read(self) -> Any:
        self.was_read = True
        return self.of._array

    def _written(self, array: Any) -> None:
        self.was_read = True

    _array = property(_read, _written)  # type: ignore[assignment]


@contextlib.contextmanager
def listening(noted: Warming) -> Iterator[list]:
    """In the block all calls of ops are noted, with the numbers that they are given."""
    heard = Heard(noted)
    if recorder() is not None:  # somebody else does
        yield heard.calls
        return
    record_with(heard)
    try:
        yield heard.calls
    finally:
        record_with(None)


class Heard:
    """Notes what is called, for two runs to be compared."""

    def __init__(self, noted: Warming) -> None:
        self.noted = noted
        self.calls: list[tuple[str, Any]] = []
        self.is_busy = False

    def lets_pass(self, function: Any) -> bool:
        """Nothing."""
        return False

    def call(self, function: Any, args: tuple, kwargs: dict) -> Any:
        """Note it, and make it."""
        mapped(self._where, (args, kwargs))
        numbers = args[:-2] if function is philox_dropout else args  # (its place in the stream is another each time)
        self.calls.append((getattr(function, "__name__", str(function)), told_of((numbers, kwargs))))
        self.is_busy = True
        try:
            return function(*args, **kwargs)
        finally:
            self.is_busy = False

    def _where(self, value: Any) -> None:
        """A graph holds no work of the CPU."""
        if isinstance(value, Tensor) and not value.is_cuda:
            self.noted.refuse(
                f"it works on a tensor of the CPU, of shape {tuple(value.shape)}: move it to the GPU before the step"
            )


def told_of(value: Any) -> Any:
    """What of an argument must be the same in each run: numbers and words, and of tensors all but the numbers."""
    if isinstance(value, (tuple, list)):
        return [told_of(each) for each in value]
    if isinstance(value, dict):
        return [(k, told_of(each)) for k, each in value.items()]
    if isinstance(value, slice):
        return told_of([value.start, value.stop, value.step])
    array = value._array if isinstance(value, Tensor) else value
    if hasattr(array, "strides") and not isinstance(array, np.generic):
        return array.shape, array.dtype
    return repr(value) if isinstance(value, (bool, int, float, str, np.generic, type(None))) else type(value)
