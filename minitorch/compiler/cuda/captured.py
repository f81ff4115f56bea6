"""A compiled step on a GPU: it runs twice as it is, then it is captured as one CUDA graph, and from then on replayed.

What a step does is the same launches on the same memory again and again, for the guard says so: parameters stay where they are, arguments have
the shapes they had. So arguments are copied into fixed memory, all launches follow as one, and what is handed out is new: results are
copies. Gradients are copied only if somebody keeps them (`Handed`). What changes from step to step beside tensors, counts of steps, learning rates,
the place in a stream of random numbers, is written to the GPU before each replay (`arrays/capturing.py`). Read next: `../step.py`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...arrays import capturing
from ...arrays.capturing import Capture, NotCapturable, Warming, settle
from ...arrays.device import page_locked, replay, xp_of
from ...arrays.layout import copied
from ...arrays.warning import warn
from ...autograd.node import birth
from ...optim import Optimizer
from ...optim.lr_scheduler import LRScheduler
from ...tensor import Tensor
from ..arguments import told_apart
from ..calls import inputs_of, is_freed
from ..graph import mapped
from ..state import NUMBERS, State
from .fusing import Held, holding_back
from .gradients import Before, Handed
from .hearing import listening
from .outside import Outside, warm_up

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
        self.born = 0  # when the run began: its nodes are younger
        self.outside: Outside | None = None
        self.held: Held | None = None  # what was made of its generated kernels
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
            f"{len(self.results)} results{' and the gradients' * self.keeps} are copied\n   {self._joined()}; "
            f"{len(self.guard.conditions)} conditions, looked at before each run"
        )

    def _joined(self) -> str:
        """How many kernels came of how many launches, in words."""
        if self.held is None or not self.held.before:
            return "no launches were joined"
        return (
            f"{self.held.before} launches of generated kernels were joined to {len(self.held.made)}, which `.source` prints"
        )

    @property
    def source(self) -> str:
        """The generated kernels of the graph, each once, in the order in which they are launched first."""
        made = [] if self.held is None else [each for _, each in self.held.made]
        counts = {each: made.count(each) for each in made}
        return "\n\n".join(f"// launched {n} time{'s' * (n > 1)}\n" + "\n\n".join(m.printed) for m, n in counts.items())

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
        noted, self.born = Warming(self.owner.fullgraph), birth()
        # (In the second run as in the capture, so that the kernels which come of it are compiled then.)
        holding = holding_back(self.xp) if self.heard else contextlib.nullcontext()
        elsewhere = capturing.aside(self.xp, self.stream), holding, capturing.allocating_in(self.xp, self.pool)
        with elsewhere[0], capturing.warming(noted), elsewhere[1], elsewhere[2]:
            with listening(noted) as heard:
                result = self.function(*args, **kwargs)
            warm_up(self, result)
        self.heard.append(heard)
        self._refuse(noted.refusal or self._difference() or self._changed(args, kwargs))
        return result

    def _unfit_argument(self) -> str:
        """What is wrong with an argument, in words."""
        for _, tensor, name in self.inputs:
            if not tensor.is_cuda:
                return f"its argument {name} is on the CPU: move it to the GPU before the step"
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
        if changed == "the optimizer's state" and len(self.heard) == 1:  # which its first step has made
            self._look(args, kwargs)
            return ""
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

    def is_over(self, result: Tensor) -> bool:
        """Whether the step itself has called backward on it."""
        return is_freed(result._grad_fn, self.born)

    # ---- the capture ----

    def _captured(self, args: tuple, kwargs: dict) -> Any:
        """Capture the step, and replay it for the first time; if it cannot be captured, run it."""
        self._look(args, kwargs)  # (optimizers have made their state since)
        self.before: Any = Before(self)
        self.born = birth()
        self.parts: list[Any] = []
        self.counted = [0] * len(self.tensors)  # how often effects, which are called at each replay, have written to each
        with capturing.aside(self.xp, self.stream):
            self.fixed = [copied(self.xp, t._array) for _, t, _ in self.inputs]
            self.given = eval(
                f"lambda args, kwargs: [{', '.join(f'{place}._array' for place, _, _ in self.inputs)}]", self.guard.things
            )
            try:
                with self.before.put_in_place(self.fixed), holding_back(self.xp) as self.held:
                    self.structure = self._result(self._noted(args, kwargs))
                    self._left()
                    self.outside = Outside(self) if self.alive else None  # (backward reads the arguments, too)
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
                if self.outside is None:
                    replay(self.parts[-1])
        if words:
            self._refuse(words)
            return self.function(*args, **kwargs)
        self.run = self._replayed
        self.inputs, self.tensors, self.before = [], [], None  # (what was given to this call is not kept)
        return self._handed_out() if self.outside is None else self._replayed(args, kwargs)

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
        settle()
        self.counted = [n + t._version - v for n, t, v in zip(self.counted, self.tensors, before)]
        self._begin()
        return result

    def _result(self, value: Any) -> Any:
        """What the step returned, with a `Result` for each tensor; `results` are their arrays."""
        self.results: list[Any] = []
        self.alive: list[Tensor] = []  # those that are differentiated outside
        given = {id(t): name for _, t, name in self.inputs}

        def told(leaf: Any) -> Any:
            if isinstance(leaf, Tensor) and id(leaf) not in self.state.tensors:
                if id(leaf) in given:
                    raise NotCapturable(f"it returns its argument {given[id(leaf)]} as it is")
                node, alive = leaf._grad_fn, -1
                if leaf._requires_grad and (node is None or not self.is_over(leaf)):
                    alive = len(self.alive)
                    self.alive.append(leaf)
                self.results.append(leaf._array)
                return Result(len(self.results) - 1, leaf._requires_grad, alive)
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
        if not self.alive and any(t._requires_grad for _, t, _ in self.inputs):
            raise NotCapturable("an argument requires grad, and backward is called within")
        self.handed = Handed(self.before, self.keeps)

    def _guard_gradients(self) -> None:
        """Where there was no gradient before, there must be none: nobody knows whether the step would have added to it."""
        for leaf, was in self.before.gradients if self.handed.gradients else ():
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
        if self.outside is not None:
            return self.outside.call(args, kwargs)
        self.launch(args, kwargs)
        return self._handed_out()

    def launch(self, args: tuple, kwargs: dict) -> None:
        """All of the step, but for what it hands out."""
        for fixed, new in zip(self.fixed, self.given(args, kwargs)):
            self.xp.copyto(fixed, new)
        for part in self.parts:
            replay(part) if isinstance(part, Capture) else part()
        for tensor in self.bumped:
            tensor._bump()

    def _handed_out(self) -> Any:
        """The gradients into place, and the results, which are new."""
        self.handed.give()
        return self.arranged()

    def arranged(self, alive: Sequence[Tensor] = ()) -> Any:
        """What the step returns; `alive` are the results that have a history."""
        return mapped(lambda v: v.of(self.results, alive) if isinstance(v, Result) else v, self.structure)


class Result:
    """A tensor that the step returns."""

    def __init__(self, number: int, has_a_past: bool, alive: int) -> None:
        self.number, self.has_a_past, self.alive = number, has_a_past, alive

    def of(self, arrays: list, alive: Sequence[Tensor]) -> Tensor:
        """A new tensor, with a copy of the numbers."""
        from ..step import with_a_past

        if self.alive >= 0:
            return alive[self.alive]
        made = Tensor._wrap(arrays[self.number].copy())
        return with_a_past(made) if self.has_a_past else made
