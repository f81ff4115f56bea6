"""`compile`: record a step twice, then run the program that both records are.

The first call is recorded, and so is the second: both are the step itself, run as ever. If they wrote down the same, the program made
of it runs from the third call on, as long as its guard holds: one look at all that was burned in. What cannot be a program runs as it is,
and `explain()` says why. Read next: `calls.py`, a recorded call; `numpy_source.py`, the program.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..arrays.quiet import quiet, quiet_again
from ..arrays.recorded import Deviates, running
from ..arrays.warning import warn
from ..autograd.node import Node, birth
from ..tensor import Tensor
from ..tensor.writing import INFERENCE
from .calls import Calls, Recording, recorded
from .choices import FEW
from .explanation import explained
from .graph import Graph, same
from .halves import CompiledNode, halved
from .mathematics import Mathematics
from .new_values import in_new_values
from .numpy_source import Program
from .passes import shortened
from .record import Record
from .results import tie
from .side_by_side import side_by_side
from .state import Compilation, Guard
from .switches import compiled, stance

if TYPE_CHECKING:
    from .pieces import Pieces

RESTLESS = 3  # so many programs are outdated by an optimizer's options: its step is called as it stands then


class Compiled(Compilation):
    """A function that becomes a program: `source` and `mathematics` show it, `graph` what was recorded, `explain()` what came of it."""

    around: Callable | None = None  # the function of which it is a piece

    def __init__(self, function: Callable, fullgraph: bool = False, backend: str = "numpy", limit: int = FEW) -> None:
        """limit: how many programs are kept, and other outcomes."""
        self.function, self.fullgraph, self.backend, self.limit = function, fullgraph, backend, limit
        compiled.add(self)
        self.variants: list[Variant] = []
        self.pieces: Pieces | None = None  # if it was tried to run it in pieces; true if there are any
        self._at_work = threading.Lock()
        functools.update_wrapper(self, function, updated=())
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """In the body of a class it is a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # A compiled function within another is a part of it. A program works in memory of its own: not twice at a time.
        if running.record is not None or not stance.runs_programs or not self._at_work.acquire(blocking=False):
            return self.function(*args, **kwargs)
        try:
            for variant in self.variants:
                if variant.run is not None and variant.holds(args, kwargs):
                    try:
                        return quiet(variant.run, args, kwargs)
                    except Deviates:  # before it has changed anything
                        continue
                    except RuntimeError as error:
                        return quiet_again(error, variant.run, args, kwargs)
            if self.pieces:
                return self.pieces(args, kwargs)
            if stance.name == "eager_on_recompile":
                return self.function(*args, **kwargs)
            if stance.name == "fail_on_recompile":
                raise RuntimeError(
                    f"{self.__name__} would be recorded anew, and the stance is 'fail_on_recompile': {self.explain()}"
                )
            return self._recorded(args, kwargs)
        finally:
            self._at_work.release()

    def _recorded(self, args: tuple, kwargs: dict) -> Any:
        """A call that no program fits: run it, recorded, and see whether it did what a call like it did before."""
        before = [v for v in self.variants if v.run is None and v.guard_holds(args, kwargs)]
        if len(self.variants) >= self.limit and not before:
            return self.function(*args, **kwargs)
        follows_rules = sum(v.guard.broken(args, kwargs).startswith("the optimizer's ") for v in self.variants) < RESTLESS
        loops = self.backend == "c"
        found = recorded(self.function, args, kwargs, self.fullgraph, loops, follows_rules, self.around)
        if found is None:
            from .cuda.captured import captured

            return captured(self, args, kwargs)
        result, recording = found
        if recording.record.is_first and recording.record.failed is None:
            return result
        variant = Variant(recording, self.backend)
        twin = next((v for v in before if not v.refusal and v.is_as(variant)), None)
        again = [v for v in before if v.pattern == variant.pattern]
        if variant.refusal is None and twin is not None:
            twin.become_a_program(for_any_gradients=twin.pattern != variant.pattern)
            return result
        if variant.refusal is None and again:
            difference = same(again[0].graph, variant.graph) or "what they return, or leave, differs"
            variant.refusal = recording.record.failed = f"two calls in a row did not do the same: {difference}"
            recording.record.leaves_traces = True
        if self._goes_in_pieces(recording.record):
            return result
        if variant.refusal is not None:
            variant.run = lambda args, kwargs: self.function(*args, **kwargs)
            warn(f"compile: {self.__name__} runs as it is, not as a program: {variant.refusal}")
        for v in again:
            self.variants.remove(v)
        self.variants.append(variant)
        return result

    def _goes_in_pieces(self, record: Record) -> bool:
        """Whether what a record failed at can be left to Python, and the rest compiled: then that is what the next calls run."""
        from .pieces import Pieces
        from .reading import Unreadable

        if record.failed is None or self.fullgraph or self.pieces is not None:
            return False
        try:
            self.pieces = Pieces(self.function, self.backend, self.limit)
        except Unreadable:
            return False
        return self.pieces.leave(record)

    def forget(self) -> None:
        """Be as before the first call."""
        self.variants, self.pieces = [], None

    # ---- what it shows ----

    @property
    def _latest(self) -> Variant:
        programs = [v for v in self.variants if v.program is not None]
        if programs:
            return programs[-1]
        if self.pieces:
            raise RuntimeError(f"{self.__name__} runs in pieces: ask one of .pieces.of_it")
        why = next((v.refusal for v in self.variants if v.refusal), "it has been called less than twice")
        raise RuntimeError(f"{self.__name__} has no program: {why}")

    @property
    def source(self) -> str:
        """The program that was made last, as it runs; of a function in pieces, what calls them, and the program of each; on a GPU, the
        kernels that were generated for its graph."""
        if self.pieces:
            return self.pieces.told(lambda piece: piece.source)
        graphs = [v for v in self.variants if v.program is None and v.run is not None and v.refusal is None]
        if graphs:
            return getattr(graphs[-1], "source", "")  # (of a `CapturedStep`)
        return self._latest.program.source  # type: ignore[union-attr]

    @property
    def mathematics(self) -> str:
        """The same program as mathematics: without buffers, one line for each value."""
        if self.pieces:
            return self.pieces.told(lambda piece: piece.mathematics)
        return Mathematics(self._latest.short, self._latest.calls).text  # type: ignore[arg-type]

    @property
    def c_source(self) -> str:
        """The loops of the program in C, with `backend="c"`."""
        from .c.program import CProgram

        program = self._latest.program
        if not isinstance(program, CProgram):
            raise RuntimeError(f"{self.__name__} runs as a NumPy program; compile it with backend='c' for loops in C")
        return program.c_source

    @property
    def graph(self) -> Graph:
        """What was recorded for it."""
        return self._latest.graph

    def explain(self) -> str:
        """What came of each kind of call: how long its program is, memory, what was burned in; or why there is none."""
        if self.pieces:
            return self.pieces.explained()
        lines = []
        for k, v in enumerate(self.variants, start=1):
            lines.append(f"{k}. {v.told()}")
        if len(self.variants) >= self.limit:
            lines.append(f"there are {self.limit}, as many as are kept: what fits none of them runs as it is")
        return "\n".join(lines) or "not called yet"

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}>"


class Variant:
    """What one kind of call has come to: a record, then a program; or the reason why there is none."""

    def __init__(self, recording: Recording, backend: str) -> None:
        self.backend = backend
        record, self.guard, self.calls, self.pattern = recording
        self.graph, self.refusal = record.graph, record.failed
        self.guard_holds = self.guard.compiled()
        self.program: Program | None = None
        self.backward: Program | None = None  # of a function that is differentiated outside
        self.run: Callable[[tuple, dict], Any] | None = None

    @functools.cached_property
    def holds(self) -> Callable[[tuple, dict], bool]:
        """The guard of a call like it; with gradients before it where it had some, unless that makes no difference."""
        return _with_gradients(self.guard, self.pattern)

    def is_as(self, other: Variant) -> bool:
        """Whether another record is of the same program."""
        return self.calls.are_as(other.calls) and not same(self.graph, other.graph)

    @functools.cached_property
    def short(self) -> Graph:
        """The graph after the passes that all backends have in common: what mathematics shows."""
        return shortened(self.graph)

    def become_a_program(self, for_any_gradients: bool) -> None:
        """Make the program. for_any_gradients: it is the same whether there are gradients before the step or none."""
        self.to_run = self.short if self.backend == "c" else shortened(in_new_values(side_by_side(self.graph)))
        arrays = ", ".join(self.calls.inputs)
        calls = self.calls
        if calls.alive_at or calls.returned.hang_together or calls.bumped_elsewhere:
            run, arrays = self._with_results(), f"args, kwargs, {arrays}"
        else:
            self.program = self._program(self.to_run, calls, with_a_past=with_a_past)
            run = self.program.run
        self.run = eval(f"lambda args, kwargs: run({arrays})", {"run": run})
        if for_any_gradients:
            self.holds = self.guard_holds

    def _with_results(self) -> Callable[..., Any]:
        """A program whose results are looked after before they are handed out: they hang together, or on a node, or writes to arguments or gradients are counted."""
        calls = self.calls
        first = Calls(_list_of(calls.results))
        first.bumped, first.last = calls.bumped, calls.last
        results = [f"results[{k}]" for k in range(len(calls.results))]
        arranged = eval(f"lambda results: {calls.result.format(*results)}", {**calls.things, "with_a_past": with_a_past})
        written = self._finding(calls.bumped_elsewhere)
        others, ties = self._finding([tie.other for tie in calls.returned.ties]), calls.returned.ties
        forward = self._differentiable(first) if calls.alive_at else self._plain(first)
        watched = self._finding(calls.halves.watched)

        def run(args: tuple, kwargs: dict, *arrays: Any) -> Any:
            counted = written(args, kwargs, [])
            results, node = forward(args, kwargs, *arrays)
            for tensor in counted:
                tensor._bump()
            for k in calls.returned.inferred:
                results[k]._counter = INFERENCE
            for (k, _, is_view, refusal), other in zip(ties, others(args, kwargs, results)):
                tie(results[k], other, is_view, refusal)
            if node is not None:
                node.watch(watched(args, kwargs, results))
            return arranged(results)

        return run

    def _finding(self, places: list[str]) -> Callable[[tuple, dict, list], list]:
        """A function that finds what is at these places."""
        return eval(f"lambda args, kwargs, results: [{', '.join(places)}]", self.guard.things)

    def _plain(self, calls: Calls) -> Callable[..., Any]:
        """A program that gives a list of results, and no node."""
        self.program = self._program(self.to_run, calls)
        forward = self.program.run
        return lambda args, kwargs, *arrays: (forward(*arrays), None)

    def _differentiable(self, first: Calls) -> Callable[..., Any]:
        """A program forward, and one backward for the node that its results hang on."""
        calls = self.calls
        ahead, back, crossing = halved(self.to_run, len(calls.results))  # type: ignore[arg-type]
        self.program = self._program(ahead, first, also=crossing)
        self.backward = self._program(back, Calls(_list_of(calls.halves.gradients)), bare=True)
        forward, backward, alive_at = self.program.run, _one_at_a_time(self.backward.run), calls.alive_at
        likes = [self.graph.values[calls.results[k]] for k in alive_at]
        wanted = self._finding(calls.wanted)

        def run(args: tuple, kwargs: dict, *arrays: Any) -> Any:
            results, saved = forward(*arrays)
            node = CompiledNode(backward, calls.halves, wanted(args, kwargs, results), likes, saved)
            for nr, k in enumerate(alive_at):
                results[k]._requires_grad, results[k]._grad_fn, results[k]._output_nr = True, node, nr
            return results, node

        return run

    def _program(self, graph: Graph, calls: Calls, **options: Any) -> Program:
        """The graph as a program of the backend; of NumPy if the backend has no compiler."""
        if self.backend == "c":
            from ..kernels.c.toolchain import NoCompiler
            from .c.program import CProgram

            try:
                return CProgram(graph, calls, **options)
            except NoCompiler as error:
                warn(f"compile, backend='c': {error}; the step runs as a NumPy program")
        return Program(graph, calls, **options)

    def told(self) -> str:
        """What came of it, in words."""
        if self.refusal is not None:
            return f"runs as it is: {self.refusal}"
        if self.program is None:
            return "recorded once; the next call like it will tell whether it is always the same"
        programs = [program for program in (self.program, self.backward) if program is not None]
        return explained(self.graph, self.short, programs, self.guard)


def _one_at_a_time(run: Callable) -> Callable:
    """A program's function, for several threads: it works in memory of its own."""
    lock = threading.RLock()

    def alone(*args: Any) -> Any:
        with lock:
            return run(*args)

    return alone


def _list_of(places: list) -> str:
    """A list of outputs, with None where there is none."""
    return f"[{', '.join('None' if place is None else '{}' for place in places)}]"


class _Past(Node):
    """The history of what a program returns after its backward: it has been freed."""

    __slots__ = ("birth", "hooks", "output_specs")
    edges = ()
    places = ()
    next_functions = ()

    def __init__(self, tensor: Tensor) -> None:
        self.saved, self.versions, self.hooks, self.birth = None, (0,), None, birth()
        self.output_specs = ((tensor._array.shape, tensor._array.dtype),)

    def name(self) -> str:
        return "CompiledBackward"

    def run(self, grads: list, recorded: bool) -> list:
        """Refuse."""
        raise RuntimeError(self._freed())

    def release(self) -> None:
        """Nothing is saved here."""


def with_a_past(tensor: Tensor) -> Tensor:
    """A result that required grad, after its backward."""
    tensor._requires_grad, tensor._grad_fn = True, _Past(tensor)
    return tensor


def _with_gradients(guard: Guard, pattern: tuple) -> Callable[[tuple, dict], bool]:
    """The guard, and that there are gradients where there were some before the recorded step."""
    both = Guard()
    both.things, both.conditions = guard.things, [*guard.conditions]
    tensors = {id(value): name for name, value in guard.things.items()}
    for which, there in pattern:
        both.conditions.append(f"{tensors[which]}._grad is {'not ' * there}None")
    return both.compiled()
