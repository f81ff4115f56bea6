"""`compile`: record a step twice, then run the program that both records are.

The first call is recorded, and so is the second: both are the step itself, run as ever. If they wrote down the same, the program made
of it runs from the third call on, as long as its guard holds: one look at all that was burned in. What cannot be a program runs as it is,
and `explain()` says why. Read next: `record.py`; `numpy_source.py`, the program.
"""

from __future__ import annotations

import functools
import gc
import threading
import types
from collections.abc import Callable
from typing import Any

from ..arrays.quiet import quiet, quiet_again
from ..arrays.recorded import Deviates, Recorded, running
from ..arrays.warning import warn
from ..autograd.node import Node, birth
from ..tensor import Tensor
from .graph import Graph, same
from .halves import CompiledNode, differentiate, halved, nodes_above, unwrapped, with_plain_memory
from .numpy_source import Program
from .passes import shortened
from .record import Record
from .state import NUMBERS, Compilation, Guard, State

VARIANTS = 8  # programs of one function: for other shapes, modes, numbers


class Compiled(Compilation):
    """A function that becomes a program: `source` shows it, `graph` what was recorded, `explain()` what came of it."""

    def __init__(self, function: Callable, fullgraph: bool = False) -> None:
        self.function, self.fullgraph = function, fullgraph
        self.variants: list[Variant] = []
        self._at_work = threading.Lock()
        functools.update_wrapper(self, function, updated=())
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """In the body of a class it is a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # A compiled function within another is a part of it. A program works in memory of its own: not twice at a time.
        if running.record is not None or not self._at_work.acquire(blocking=False):
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
            return self._recorded(args, kwargs)
        finally:
            self._at_work.release()

    def _recorded(self, args: tuple, kwargs: dict) -> Any:
        """A call that no program fits: run it, recorded, and see whether it did what a call like it did before."""
        if len(self.variants) == VARIANTS:
            return self.function(*args, **kwargs)
        before = [v for v in self.variants if v.run is None and v.guard_holds(args, kwargs)]
        result, variant = recorded(self.function, args, kwargs, self.fullgraph)
        twin = next((v for v in before if not v.refusal and v.is_as(variant)), None)
        again = [v for v in before if v.pattern == variant.pattern]
        if variant.refusal is None and twin is not None:
            twin.become_a_program(for_any_gradients=twin.pattern != variant.pattern)
            return result
        if variant.refusal is None and again:
            variant.refusal = f"two calls in a row did not do the same: {same(again[0].graph, variant.graph)}"
        if variant.refusal is not None:
            variant.run = lambda args, kwargs: self.function(*args, **kwargs)
            warn(f"compile: {self.__name__} runs as it is, not as a program: {variant.refusal}")
        for v in again:
            self.variants.remove(v)
        self.variants.append(variant)
        return result

    # ---- what it shows ----

    @property
    def _latest(self) -> Variant:
        programs = [v for v in self.variants if v.program is not None]
        if programs:
            return programs[-1]
        why = next((v.refusal for v in self.variants if v.refusal), "it has been called less than twice")
        raise RuntimeError(f"{self.__name__} has no program: {why}")

    @property
    def source(self) -> str:
        """The program that was made last, as it runs."""
        return self._latest.program.source  # type: ignore[union-attr]

    @property
    def graph(self) -> Graph:
        """What was recorded for it."""
        return self._latest.graph

    def explain(self) -> str:
        """What came of each kind of call: instructions recorded and left, the memory of the program, or why there is none."""
        lines = []
        for k, v in enumerate(self.variants, start=1):
            lines.append(f"{k}. {v.told()}")
        return "\n".join(lines) or "not called yet"

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}>"


class Variant:
    """What one kind of call has come to: a record, then a program; or the reason why there is none."""

    def __init__(self, record: Record, state: State, calls: Calls, pattern: tuple) -> None:
        self.graph, self.refusal = record.graph, record.failed
        self.guard, self.pattern, self.calls = state.guard, pattern, calls
        self.guard_holds = self.guard.compiled()
        self.program: Program | None = None
        self.run: Callable[[tuple, dict], Any] | None = None
        self.holds = _with_gradients(self.guard, pattern)

    def is_as(self, other: Variant) -> bool:
        """Whether another record is of the same program."""
        return self.calls.are_as(other.calls) and not same(self.graph, other.graph)

    def become_a_program(self, for_any_gradients: bool) -> None:
        """Make the program. for_any_gradients: it is the same whether there are gradients before the step or none."""
        self.short = shortened(self.graph)
        arrays = ", ".join(self.calls.inputs)
        if self.calls.alive_at:
            run, arrays = self._two_programs(), f"args, kwargs, {arrays}"
        else:
            self.program = Program(self.short, self.calls, with_a_past=with_a_past)
            run = self.program.run
        self.run = eval(f"lambda args, kwargs: run({arrays})", {"run": run})
        if for_any_gradients:
            self.holds = self.guard_holds

    def _two_programs(self) -> Callable[..., Any]:
        """A program forward, and one backward for the node that its results hang on."""
        calls = self.calls
        ahead, back, crossing = halved(self.short, len(calls.results))  # type: ignore[arg-type]
        first = Calls(_list_of(calls.results))
        first.bumped, first.last = calls.bumped, calls.last
        self.program = Program(ahead, first, also=crossing)
        self.backward = Program(back, Calls(_list_of(calls.gradients)), bare=True)
        forward, backward, alive_at = self.program.run, self.backward.run, calls.alive_at
        likes = [self.graph.values[calls.results[k]] for k in alive_at]
        results = [f"results[{k}]" for k in range(len(calls.results))]
        arranged = eval(f"lambda results: {calls.result.format(*results)}", calls.things)
        find = eval(f"lambda args, kwargs: [{', '.join(place for _, place in calls.wanted)}]", self.guard.things)

        def run(args: tuple, kwargs: dict, *arrays: Any) -> Any:
            results, saved = forward(*arrays)
            node = CompiledNode(backward, find(args, kwargs), likes, saved)
            for nr, k in enumerate(alive_at):
                results[k]._requires_grad, results[k]._grad_fn, results[k]._output_nr = True, node, nr
            return arranged(results)

        return run

    def told(self) -> str:
        """What came of it, in words."""
        if self.refusal is not None:
            return f"runs as it is: {self.refusal}"
        if self.program is None:
            return "recorded once; the next call like it will tell whether it is always the same"
        views = sum(i.views for i in self.short.instructions)  # type: ignore[union-attr]
        return (
            f"a program: {len(self.graph.instructions)} instructions recorded, {len(self.short.instructions)} left, "  # type: ignore[union-attr]
            f"of which {views} are views; {self.program.bytes} bytes of memory; {len(self.guard.conditions)} conditions"
        )


class Calls:
    """How a program is called, and what it leaves: where its inputs are found, what it returns, gradients, versions."""

    def __init__(self, result: str = "") -> None:
        self.inputs: list[str] = []  # expressions of args and kwargs
        self.result = result  # an expression, with {} for each of the graph's outputs
        self.things: dict[str, Any] = {}  # what the expression names
        self.last: list[tuple[Any, int | None]] = []  # tensors, and what their .grad is at the end
        self.bumped: list[Any] = []  # tensors that are written to, as often as they are
        self.results: list[int] = []  # the values among the result
        self.alive_at: list[int] = []  # those of them that can be differentiated
        self.wanted: list[tuple[Tensor, str]] = []  # what they may be differentiated by, and where it is found
        self.gradients: list[int | None] = []  # the values that are its gradients

    def are_as(self, other: Calls) -> bool:
        """Whether another record's program is called so, and leaves the same."""

        def told(calls: Calls) -> tuple:
            last, bumped = [(id(t), place) for t, place in calls.last], [id(t) for t in calls.bumped]
            return calls.inputs, calls.result, last, bumped, calls.gradients

        return told(self) == told(other)


def recorded(function: Callable, args: tuple, kwargs: dict, strict: bool) -> tuple[Any, Variant]:
    """Run the function, recorded; its result, and what was recorded."""
    state, calls = State(), Calls()
    inputs = list(_inputs(args, kwargs, state))
    state.reach(function, state.guard.thing(function), "")
    known = state.tensors
    record = Record(known, strict)
    if state.refusal:
        record.fail(state.refusal)
    lifted: list[Tensor] = []
    pattern = tuple((t, t._grad is not None) for t in known.values() if t._requires_grad)

    def lift(tensor: Tensor, kind: str, name: str) -> None:
        lifted.append(tensor)
        tensor._array = record.lift(tensor._array, kind, name)

    try:
        for id_, tensor in known.items():
            if type(tensor._array) is not Recorded:
                lift(tensor, "state", state.names[id_])
        for place, tensor, name in inputs:
            if type(tensor._array) is not Recorded:
                calls.inputs.append(f"{place}._array")
                lift(tensor, "input", name)
            if tensor._requires_grad:
                calls.wanted.append((tensor, place))
        calls.wanted += [(t, state.guard.thing(t)) for t in known.values() if t._requires_grad]
        for tensor, there in pattern:
            g = record.lift_gradient(tensor, f"grad_of_{state.names[id(tensor)]}")
            if there and type(tensor._grad._array) is not Recorded:
                lifted.append(tensor._grad)
                tensor._grad._array = g
        before = {id(t): t._grad for t, _ in pattern}
        versions = {id(t): t._version for t in known.values()}
        running.record = record
        try:
            result = function(*args, **kwargs)
            alive = _end(record, calls, result, pattern, before, versions)
        finally:
            running.record = None
    finally:
        for tensor in lifted:
            with_plain_memory(tensor)
        for tensor, _ in pattern:
            with_plain_memory(tensor._grad)
    unwrapped(alive)
    result = _given(result)
    _let_go(record)
    if record.failed is None and (changed := state.guard.broken(args, kwargs)):
        record.fail(f"the step changes what it depends on: {changed}")
    return result, Variant(record, state, calls, tuple((id(t), there) for t, there in pattern))


def _inputs(args: tuple, kwargs: dict, state: State) -> Any:
    """(expression, tensor, name) of each tensor among the arguments; the rest becomes conditions."""
    state.guard.add(f"len(args) == {len(args)} and len(kwargs) == {len(kwargs)}", "the number of arguments")
    for k, value in enumerate(args):
        yield from _parts(value, f"args[{k}]", f"x{k}" if len(args) > 1 else "x", state)
    for k, value in kwargs.items():
        yield from _parts(value, f"kwargs[{k!r}]", k, state)


def _parts(value: Any, place: str, name: str, state: State) -> Any:
    guard = state.guard
    if isinstance(value, Tensor):
        a = value._array
        array, shape, dtype = f"{place}._array", guard.thing(a.shape), guard.thing(a.dtype)
        guard.add(f"type({place}) is {guard.thing(type(value))}", f"the kind of {name}")
        guard.add(f"{array}.shape == {shape}", f"the shape of {name}")
        guard.add(f"{array}.dtype is {dtype}", f"the dtype of {name}")
        guard.add(f"{array}.strides == {guard.thing(a.strides)}", f"the strides of {name}")
        guard.add(f"{place}._requires_grad is {value._requires_grad}", f"{name}.requires_grad")
        yield place, value, name
    elif isinstance(value, (list, tuple)):
        guard.add(f"type({place}) is {guard.thing(type(value))} and len({place}) == {len(value)}", name)
        for k, each in enumerate(value):
            yield from _parts(each, f"{place}[{k}]", f"{name}_{k}", state)
    elif isinstance(value, dict):
        guard.add(f"type({place}) is {guard.thing(type(value))} and {place}.keys() == {guard.thing(set(value))}", name)
        for k, each in value.items():
            yield from _parts(each, f"{place}[{guard.thing(k)}]", f"{name}_{k}", state)
    elif isinstance(value, NUMBERS):
        guard.add(f"type({place}) is {guard.thing(type(value))} and {place} == {guard.thing(value)}", name)
    else:
        state.reach(value, place, name)


def _end(
    record: Record, calls: Calls, result: Any, pattern: tuple, before: dict[int, Any], versions: dict[int, int]
) -> list[Tensor]:
    """What the step leaves: its result, gradients, which states it has written to. Returns the results that can be differentiated."""
    alive: list[Tensor] = []
    calls.result = _template(record, calls, result, alive)
    calls.results = list(record.graph.outputs)
    handed: dict[int, int] = {}
    for i in record.graph.instructions:
        if i.effect:
            handed.update((id(t), place) for t, place in i.effect.gradients)
    for tensor, there in pattern:
        g = tensor._grad
        if g is None and (there or id(tensor) in handed):
            calls.last.append((tensor, None))
        elif g is not None and g is not before[id(tensor)]:
            place = getattr(g._array, "place", -1)
            if place < 0:
                record.fail("a gradient is an array that the step did not compute")
            elif handed.get(id(tensor)) != place:
                calls.last.append((tensor, place))
                record.graph.outputs.append(place)
    if alive:
        if handed or any(place is not None for _, place in calls.last):
            record.fail("it calls backward, and returns a tensor that can be differentiated again")
        if record.failed is None:
            calls.gradients = differentiate(record, alive, [t for t, _ in calls.wanted])
            record.graph.outputs += [place for place in calls.gradients if place is not None]
    elif any(place.startswith(("args", "kwargs")) for _, place in calls.wanted):
        record.fail("an argument requires grad, and nothing that is returned leads to it")
    counted: set[int] = set()  # views share a counter
    for tensor in record.tensors.values():
        times = tensor._version - versions[id(tensor)] - record.bumped_by_effects.get(id(tensor), 0)
        if times and id(tensor._counter) not in counted:
            counted.add(id(tensor._counter))
            calls.bumped += [tensor] * times
    return alive


def _template(record: Record, calls: Calls, value: Any, alive: list[Tensor]) -> str:
    """The result as an expression in which tensors are outputs of the graph, `{}`."""
    if isinstance(value, Tensor):
        array = value._array
        if record.tensors.get(id(value)) is value:
            return _thing(calls, value)
        if isinstance(array, Recorded) and array.place >= 0 and record.graph.values[array.place].kind == "input":
            record.fail("it returns an argument as it is")
        if not isinstance(array, Recorded) or array.place < 0:
            record.fail("it returns a tensor that it did not compute")
            return "None"
        record.graph.outputs.append(array.place)
        if value._requires_grad and value._grad_fn is not None:
            if not _is_freed(value._grad_fn):
                calls.alive_at.append(len(record.graph.outputs) - 1)
                alive.append(value)
                return "{}"
            return "with_a_past({})"
        return "{}"
    if type(value) in (list, tuple):
        inner = ", ".join(_template(record, calls, v, alive) for v in value)
        return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
    if type(value) is dict:
        return "{{" + ", ".join(f"{_thing(calls, k)}: {_template(record, calls, v, alive)}" for k, v in value.items()) + "}}"
    if not isinstance(value, NUMBERS):
        record.fail(f"it returns a {type(value).__name__}")
    return _thing(calls, value)


def _thing(calls: Calls, value: Any) -> str:
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value).replace("{", "{{").replace("}", "}}")
    name = f"given_{len(calls.things)}"
    calls.things[name] = value
    return name


def _is_freed(node: Any) -> bool:
    """Whether backward has been here and let go of what was saved, so that it cannot come again."""
    return any(each.edges and each.saved is None for each in nodes_above(node))


def _given(value: Any) -> Any:
    """The result of a recorded step, on plain arrays."""
    if isinstance(value, Tensor):
        with_plain_memory(value)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _given(each)
    elif isinstance(value, dict):
        for each in value.values():
            _given(each)
    return value


def _let_go(record: Record) -> None:
    """What still holds recorded arrays gets plain ones: a tensor of the step is kept somewhere, and a program would not renew it."""
    record.end()
    if all(ref() is None for ref in record.made):
        return
    gc.collect()  # an error that was caught may leave a cycle
    alive = [r for ref in record.made if (r := ref()) is not None]
    if not alive:
        return
    record.fail("a tensor that the step computes is kept outside it (in a list, an attribute, a hook)")
    for recorded_array in alive:
        for holder in gc.get_referrers(recorded_array):
            with_plain_memory(holder)
            if isinstance(holder, dict) and holder.get("_array") is recorded_array:
                holder["_array"] = recorded_array.array  # type: ignore[union-attr]


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
