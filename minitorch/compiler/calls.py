"""One recorded call: what the function is given, what it returns and leaves, and how a program of it will be called.

Read next: `record.py`, which writes meanwhile; `step.py`, which decides what comes of it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays.batched import Batched
from ..arrays.recorded import Recorded, running
from ..tensor import Tensor
from .arguments import Found, Overlaps, history, told_apart, version
from .graph import Graph
from .halves import Halves, differentiate, nodes_above, unwrapped, with_plain_memory
from .record import Record
from .results import Returned, is_plain
from .state import NUMBERS, Guard, State, plain_of, prints
from .updates import options_of


class Recording(NamedTuple):
    """What was recorded of a call."""

    record: Record
    guard: Guard
    calls: Calls
    pattern: tuple  # for each leaf, whether it had a gradient before


class Calls:
    """How a program is called, and what it leaves: where its inputs are found, what it returns, gradients, versions."""

    def __init__(self, result: str = "") -> None:
        self.inputs: list[str] = []  # expressions of args and kwargs
        self.result = result  # an expression, with {} for each of the graph's outputs
        self.things: dict[str, Any] = {}  # what the expression names
        self.last: list[tuple[Any, int | None]] = []  # tensors, and what their .grad is at the end
        self.bumped: list[Any] = []  # tensors that are written to, as often as they are
        self.bumped_elsewhere: list[str] = []  # the same of arguments and gradients, where they are found
        self.results: list[int] = []  # the values among the result
        self.returned = Returned()  # how they hang together
        self.alive_at: list[int] = []  # those of them that can be differentiated
        self.wanted: list[str] = []  # where that is found by which they may be differentiated
        self.leaves: list[str] = []  # the names of that
        self.halves = Halves()  # how they are differentiated

    def are_as(self, other: Calls) -> bool:
        """Whether another record's program is called so, and leaves the same."""

        def told(calls: Calls) -> tuple:
            last, bumped = [(id(t), place) for t, place in calls.last], [id(t) for t in calls.bumped]
            named = [v if isinstance(v, NUMBERS) else id(v) for v in calls.things.values()]
            return (
                calls.inputs, calls.result, named, last, bumped, calls.bumped_elsewhere, calls.returned.ties, calls.returned.inferred,
                calls.halves.gradients, calls.halves.watched, calls.halves.reached, calls.halves.held,
            )  # fmt: skip

        return told(self) == told(other)


def recorded(
    function: Callable,
    args: tuple,
    kwargs: dict,
    strict: bool,
    for_loops: bool = False,
    follows_rules: bool = True,
    around: Any = None,
) -> tuple[Any, Recording] | None:
    """Run the function, recorded; its result, and what was recorded. None, and not run, where its tensors are on a GPU.

    for_loops, follows_rules: as of `Record`. around: the function of which it is a piece.
    """
    state, calls = State(follows_rules, around), Calls()
    found = list(inputs_of(args, kwargs, state))
    state.reach(function, state.guard.thing(function), "")
    inputs, known = told_apart(found, state), state.tensors
    record = Record(known, strict, for_loops, follows_rules, getattr(plain_of(function)[0], "__code__", None))
    record.optimizers, record.options = state.optimizers, options_of(state.optimizers)
    if state.refusal:
        record.fail(state.refusal)
    elsewhere = [t._array for t in [*known.values(), *(t for _, t, _ in inputs)] if type(t._array) is not np.ndarray]
    if any(hasattr(array, "device") for array in elsewhere) and not any(isinstance(array, Batched) for array in elsewhere):
        return None
    if elsewhere:
        record.fail("its tensors are those of a vmap around it")
        return function(*args, **kwargs), Recording(record, state.guard, calls, ())
    before = Before(inputs, state)
    overlaps = Overlaps(list(known.values()))
    overlapping = overlaps(*(t for _, t, _ in inputs))
    lifted: list[Tensor] = []
    pattern = tuple((t, t._grad is not None) for t in known.values() if t._requires_grad)
    leaves = [(t, place, name) for place, t, name in inputs if t._requires_grad]
    leaves += [(t, state.guard.thing(t), state.names[id_]) for id_, t in known.items() if t._requires_grad]
    calls.wanted, calls.leaves = [place for _, place, _ in leaves], [name for *_, name in leaves]
    try:
        _lift(record, state, calls, inputs, pattern, lifted)
        before.gradients = {id(t): t._grad for t, _ in pattern}
        running.record, record.began = record, True
        try:
            result = function(*args, **kwargs)
            record.compare_options()
            alive = _end(record, calls, result, pattern, before, [t for t, *_ in leaves])
        finally:
            running.record = None
    finally:
        for tensor in lifted:
            with_plain_memory(tensor)
        for tensor, _ in pattern:
            with_plain_memory(tensor._grad)
    unwrapped(alive)
    calls.returned.end()
    del alive
    result = _given(result)
    _let_go(record)
    if overlapping or calls.returned.ties or _reads_what_may_be_written(record.graph):
        places = ", ".join(place for place, _, _ in inputs)
        state.guard.add(f"{state.guard.thing(overlaps)}({places}) == {overlapping}", "which arguments share memory")
    if record.failed is None and (traces := _traces(function, record, state.guard, args, kwargs)):
        record.leaves_traces = True
        record.fail(traces)
    return result, Recording(record, state.guard, calls, tuple((id(t), there) for t, there in pattern))


def _traces(function: Callable, record: Record, guard: Guard, args: tuple, kwargs: dict) -> str:
    """What the step has done beside its tensors, which a program would not do, in words."""
    if prints(plain_of(function)[0]):
        return "it prints, which a program would not do"
    changed = "" if record.is_first else guard.broken(args, kwargs)
    return f"the step changes what it depends on: {changed}" if changed else ""


def _reads_what_may_be_written(graph: Graph) -> bool:
    """Whether it would make a difference if an argument lay in the memory of another or of a state: after a write it is read."""
    kinds = {v.memory: v.kind for v in graph.values if v.place == v.memory}
    inputs = {m for m, kind in kinds.items() if kind == "input"}
    if not inputs:
        return False
    writes = False
    for i in graph.instructions:
        if writes and not inputs.isdisjoint(graph.memory(place) for place in i.reads()):
            return True
        target = kinds[graph.memory(i.writes)] if i.writes is not None else "state" if i.effect else ""
        if target == "input":
            return True
        writes = writes or target == "state"
    return writes and not inputs.isdisjoint(graph.memory(place) for place in graph.outputs)


def _lift(record: Record, state: State, calls: Calls, inputs: list, pattern: tuple, lifted: list[Tensor]) -> None:
    """Give all that is known before the step recorded arrays; `lifted` gets the tensors that have them then."""

    def lift(tensor: Tensor, kind: str, name: str) -> None:
        lifted.append(tensor)
        tensor._array = record.lift(tensor._array, kind, name)

    for id_, tensor in state.tensors.items():
        if type(tensor._array) is not Recorded:
            lift(tensor, "state", state.names[id_])
    for place, tensor, name in inputs:
        if type(tensor._array) is not Recorded:
            calls.inputs.append(f"{place}._array")
            lift(tensor, "input", name)
    for tensor, there in pattern:
        held = record.lift_gradient(tensor, f"grad_of_{state.names[id(tensor)]}")
        if there and id(tensor._grad) in state.tensors:
            name = f"{state.names[id(tensor)]}.grad"
            state.guard.add(f"{state.guard.thing(tensor)}._grad is {state.guard.thing(tensor._grad)}", name)
        if there and type(tensor._grad._array) is not Recorded:
            lifted.append(tensor._grad)
            tensor._grad._array = held


class Before:
    """What tensors were before a step, that it may change."""

    def __init__(self, inputs: list[Found], state: State) -> None:
        self.inputs = inputs
        known = [(state.guard.thing(t), t) for t in state.tensors.values()]
        gradients = [(f"{place}._grad", t._grad) for place, t in known if t._requires_grad and t._grad is not None]
        self.tensors = [*known, *((place, t) for place, t, _ in inputs), *gradients]
        self.versions = {id(t): version(t) for _, t in self.tensors}
        self.histories = [history(t) for _, t, _ in inputs]
        self.gradients: dict[int, Any] = {}  # of states


def inputs_of(args: tuple, kwargs: dict, state: State) -> Any:
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
        guard.add(f"({place}._grad_fn is None) is {value._grad_fn is None}", f"whether {name} is a leaf")
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
    record: Record,
    calls: Calls,
    result: Any,
    pattern: tuple,
    before: Before,
    leaves: list[Tensor],
) -> list[Tensor]:
    """What the step leaves: its result, gradients, what it has written to. Returns the results that can be differentiated."""
    calls.result = _template(record, calls, result)
    alive = [calls.returned.tensors[k] for k in calls.alive_at]
    calls.returned.find_ties(record, before.tensors)
    calls.results = list(record.graph.outputs)
    handed: dict[int, int] = {}
    for i in record.graph.instructions:
        if i.effect:
            handed.update((id(t), place) for t, place in i.effect.gradients)
    for tensor, there in pattern:
        g = tensor._grad
        if g is None and (there or id(tensor) in handed):
            calls.last.append((tensor, None))
        elif g is not None and g is not before.gradients[id(tensor)]:
            place = getattr(g._array, "place", -1)
            if place < 0:
                record.fail("a gradient is an array that the step did not compute")
            elif handed.get(id(tensor)) != place:
                calls.last.append((tensor, place))
                record.graph.outputs.append(place)
    if [history(t) for _, t, _ in before.inputs] != before.histories:
        record.fail("it changes the history of an argument")
    if alive:
        if handed or any(place is not None for _, place in calls.last):
            record.places |= record.walks
            record.fail("it calls backward, and returns a tensor that can be differentiated again")
        if record.failed is None:
            tensors = [*before.tensors, *calls.returned.places()]
            calls.halves = differentiate(record, alive, leaves, tensors)
            record.graph.outputs += [place for place in calls.halves.gradients if place is not None]
    elif record.has_walked and any(place.startswith(("args", "kwargs")) for place in calls.wanted):
        record.places |= record.walks
        record.fail("it calls backward, and an argument requires grad")
    _count_writes(record, calls, before)
    return alive


def _count_writes(record: Record, calls: Calls, before: Before) -> None:
    """How often the step has written to what was there before."""
    counted: set[int] = set()  # views share a counter
    for place, tensor in before.tensors:
        times = version(tensor) - before.versions[id(tensor)] - record.bumped_by_effects.get(id(tensor), 0)
        if times and id(tensor._counter) not in counted:
            counted.add(id(tensor._counter))
            if id(tensor) in record.tensors:
                calls.bumped += [tensor] * times
            else:
                calls.bumped_elsewhere += [place] * times


def _template(record: Record, calls: Calls, value: Any) -> str:
    """The result as an expression in which tensors are outputs of the graph, `{0}`, `{1}`, …."""
    if isinstance(value, Tensor):
        array = value._array
        if record.tensors.get(id(value)) is value:
            return _thing(calls, value)
        if (
            isinstance(array, Recorded)
            and array.place >= 0
            and record.graph.values[array.place].kind in ("input", "gradient")
        ):
            record.fail("it returns an argument or a gradient as it is")
        if not isinstance(array, Recorded) or array.place < 0:
            record.fail("it returns a tensor that it did not compute")
            return "None"
        if not is_plain(value):
            record.fail("it returns a tensor with a gradient, hooks or a flag of its own")
        number, is_new = calls.returned.number(value)
        if is_new:
            record.graph.outputs.append(array.place)
        if (edge := history(value)) is None:
            return f"{{{number}}}"
        if isinstance(edge, str):
            record.fail(f"it returns a tensor of which one cannot say how it was made: {edge}")
        elif is_freed(edge[0], record.born):
            return f"with_a_past({{{number}}})"
        elif is_new:
            calls.alive_at.append(number)
        return f"{{{number}}}"
    if type(value) in (list, tuple):
        inner = ", ".join(_template(record, calls, v) for v in value)
        return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
    if type(value) is dict:
        return "{{" + ", ".join(f"{_thing(calls, k)}: {_template(record, calls, v)}" for k, v in value.items()) + "}}"
    if not isinstance(value, NUMBERS):
        record.fail(f"it returns a {type(value).__name__}")
    return _thing(calls, value)


def _thing(calls: Calls, value: Any) -> str:
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value).replace("{", "{{").replace("}", "}}")
    name = f"given_{len(calls.things)}"
    calls.things[name] = value
    return name


def is_freed(node: Any, born: int) -> bool:
    """Whether the step's backward has been here and let go of what was saved, so that it cannot come again."""
    return any(each.edges and each.saved is None for each in nodes_above(node, since=born) if each.birth > born)


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
    if all(ref() is None for ref in record.watched):
        return
    gc.collect()  # an error that was caught may leave a cycle
    alive = [r for ref in record.watched if (r := ref()) is not None]
    if not alive:
        return
    record.leaves_traces = True
    record.fail("a tensor that the step computes is kept outside it (in a list, an attribute, a hook)")
    for recorded_array in alive:
        for holder in gc.get_referrers(recorded_array):
            with_plain_memory(holder)
            if isinstance(holder, dict) and holder.get("_array") is recorded_array:
                holder["_array"] = recorded_array.array  # type: ignore[union-attr]
