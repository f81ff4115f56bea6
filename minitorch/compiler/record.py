"""Recording a step: while it runs once, its arrays write down what is done to them (`arrays/recorded.py`).

The step runs as ever, on the same memory, and what it gives is right whatever comes of the record: what cannot be written down makes
the record fail, in words, and nothing else. An op whose forward looks at numbers, or calls something that is not NumPy, is taken as
one instruction. An optimizer's step is one too. Read next: `state.py`, which finds what a step depends on; `graph.py`, the record.
"""

from __future__ import annotations

import functools
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ..arrays.device import shortcuts
from ..arrays.recorded import Deviates, NotTraceable, Number, Recorded, array_of, library, running
from ..autograd.grad_mode import grad_mode
from ..autograd.node import birth
from ..tensor import Tensor
from . import updates
from .graph import Effect, Graph, Instruction, Ref, Value, mapped, refs
from .numpy_calls import counts, written_by

# Whose twins go through blocks, or compute derivatives together for which there are loops each.
_IN_LOOPS = {"gelu", "softmax", "log_softmax", "norm", "cross_entropy", "relu", "attention", "conv"}
_WHOLE = {
    "conv", "conv_transpose", "conv_weight", "max_pool", "backward of max_pool", "lstm_layer", "backward of lstm_layer", "gru_layer",
    "backward of gru_layer", "rnn_layer", "backward of rnn_layer",
}  # fmt: skip
# The same derivatives by their formulas, where a twin does not serve: what the loops want of what was saved.
_WHOLE_DERIVATIVES = {
    "gru_layer": ("h", "w_hh", "sizes", "reverse", "states", "gates", "inner"),
    "rnn_layer": ("h", "w_hh", "relu", "sizes", "reverse", "states"),
    "max_pool": ("x", "indices", "windows"),
}


class Record:
    """A graph in the making."""

    def __init__(
        self,
        tensors: dict[int, Any],
        strict: bool = False,
        for_loops: bool = False,
        follows_rules: bool = False,
        code: types.CodeType | None = None,
    ) -> None:
        """for_loops: write down formulas, which loops compute best, not NumPy's way round them. follows_rules: optimizers' rules, too.

        code: the function's.
        """
        self.graph = Graph()
        self.failed: str | None = None  # why no program can be made
        self.strict = strict  # whether that is an error
        self.for_loops, self.follows_rules = for_loops, follows_rules
        self.is_first = False  # whether a later call will do something else: an optimizer had no state yet
        self.updating = False  # whether an optimizer's rule is followed, whose numbers change
        self.part: tuple[int, int] | None = None  # which step it belongs to, and the parameter
        self.tensors = tensors  # those known before the step, by id: their arrays are recorded ones meanwhile
        self.optimizers: list = []  # those that the step reaches,
        self.options: list = []  # and their options after the last effect
        self.bumped_by_effects: dict[int, int] = {}  # how often effects have written to tensors
        self.born = birth()  # nodes that the step makes are younger
        self.late = False  # whether it is backward that is recorded, of what the step returns
        self.has_walked = False  # whether the step has called backward
        self.watched: list[weakref.ref] = []
        self.code, self.began = code, False
        self.places: set[int] = set()  # where in the function's code it was that something could not be recorded
        self.walks: set[int] = set()  # and where it calls backward
        self.leaves_traces = False  # whether it failed because the step changes something beside tensors
        self._of = ""
        self._tracing = False  # whether an op's forward is being followed, which can be taken as one instead
        self._names = dict.fromkeys(("wrap", "copyto", "with_a_past", "results"), 1)  # which the program has taken
        self._arrays: list[np.ndarray] = []  # of each value, as it was when it was made

    def fail(self, words: str) -> None:
        """Say why there will be no program; the first reason stays."""
        if running.record is self and not (self.failed and self._tracing):
            self.places |= self._here()
        if self.failed is None:
            self.failed = words
            if self.strict:
                raise RuntimeError(f"compile, fullgraph=True: {words}")

    def _here(self) -> set[int]:
        """Where in its code the function is at the moment, if it is anywhere."""
        frame: Any = sys._getframe()
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back
        return set() if frame is None else {frame.f_lasti}

    def in_source(self) -> set[tuple]:
        """The places at which something could not be recorded: line, last line, column, last column."""
        positions = list(self.code.co_positions()) if self.places and self.code is not None else []
        return {positions[at // 2] for at in self.places}

    def end(self) -> None:
        """Let go of the arrays that were met."""
        self._arrays = []

    # ---- values ----

    def lift(self, array: np.ndarray, kind: str, name: str) -> Recorded:
        """What is known before the step, as a recorded array: an input, a state or an old gradient."""
        place = len(self.graph.values)
        memory = place
        for v, known in zip(self.graph.values, self._arrays):  # what shares memory with another is a view of it
            if v.kind in ("input", "state") and np.may_share_memory(known, array):
                memory = v.memory
        name = self._fresh(name, computed=False)
        held = array if kind == "state" else None
        self.graph.values.append(Value(place, array.shape, array.dtype, array.strides, memory, name, kind, array=held))
        return self._recorded(array, place)

    def lift_gradient(self, tensor: Any, name: str) -> Recorded:
        """What `.grad` of a tensor holds before the step; there is a place for it even where there is none."""
        recorded = self.lift(tensor._array if tensor._grad is None else tensor._grad._array, "gradient", name)
        value = self.graph.values[recorded.place]
        value.memory, value.array, value.owner = recorded.place, None, tensor
        return recorded

    def _made(self, array: np.ndarray, memory: int | None, name: str) -> Recorded:
        place = len(self.graph.values)
        self.graph.values.append(
            Value(
                place,
                array.shape,
                array.dtype,
                array.strides,
                place if memory is None else memory,
                self._fresh(name),
                is_number=isinstance(array, np.generic),
            )
        )
        return self._recorded(array, place)

    def _recorded(self, array: np.ndarray, place: int) -> Recorded:
        """The array of a value; nobody may hold it after the end."""
        self._arrays.append(array)
        return self._watched(array, place)

    def _watched(self, array: np.ndarray, place: int) -> Recorded:
        recorded = Recorded(array, place, self)
        self.watched.append(weakref.ref(recorded))
        return recorded

    def _fresh(self, name: str, computed: bool = True) -> str:
        """The name with a number, if it is taken."""
        name = _as_a_name(name)
        self._names[name] = n = self._names.get(name, 0) + 1
        return f"{name}_{n}" if computed or n > 1 else name

    # ---- calls ----

    def call(self, function: Callable, args: tuple, options: dict[str, Any]) -> Any:
        """The function's result, written down. This is what every operation on a recorded array comes to."""
        if running.record is not self or self.failed:
            return self._unrecorded(function, args, options)
        if counts(function, args):
            self.looked_at()
        # (A tensor that the step makes of data is made of the same data in each: numbers that change are found.)
        of_data = function in (np.asarray, np.array) and not any(isinstance(a, Recorded) for a in args)
        told = args if of_data else mapped(self._told, args), mapped(self._told, options) if options else {}
        result = function(*_plain(args), **_plain(options)) if options else function(*_plain(args))
        written = written_by(function, args, options)
        if written is not None:
            if not isinstance(written, Recorded):
                self.foreign(written)
                return result
            self._append(function, *told, (), writes=written.place)
            return None if result is None else written
        return self._results(function, *told, result, _by_array(args))

    def written(self, function: Callable, steps: Callable, args: tuple, options: dict[str, Any]) -> Any:
        """What the steps give, written down as one call of the function."""
        if self.failed:
            return steps(*args, **options)
        result = steps(*_plain(args), **_plain(options))
        return self._results(function, mapped(self._told, args), mapped(self._told, options), result, _by_array(args))

    def _unrecorded(self, function: Callable, args: tuple, options: dict) -> Any:
        """The same after the end, or after a failure: within the step the result is a recorded array, which nothing knows any more."""
        result = function(*_plain(args), **_plain(options))
        written = written_by(function, args, options)
        if written is not None:
            return None if result is None else written
        return self._wrapped(result, _by_array(args)) if running.record is self else result

    def _wrapped(self, result: Any, known: dict[int, Recorded]) -> Any:
        """The result, unknown to the graph, on recorded arrays all the same."""

        def wrapped(a: Any) -> Any:
            return a if not _is_array(a) else known[id(a)] if id(a) in known else self._watched(a, -1)

        return mapped(wrapped, result)

    def _results(
        self, function: Callable, args: tuple, options: dict, result: Any, known: dict[int, Recorded], **more: Any
    ) -> Any:
        """An instruction that makes new values or views, and those values; an argument that is given back is itself."""
        if type(result) is np.ndarray and result.base is None and id(result) not in known:  # (most are: new memory)
            one = self._made(result, None, self._of.removeprefix("backward of ") or "v")
            self._append(function, args, options, (one.place,), views=False, **more)
            return one
        arrays = [a for a in _flat(result) if _is_array(a) and id(a) not in known]
        inputs = [ref.place for ref in refs((args, options))]
        memories = [self._shared(a, inputs) for a in arrays]
        made = [self._made(a, m, self._of.removeprefix("backward of ") or "v") for a, m in zip(arrays, memories)]
        views = any(m is not None for m in memories)
        picks = None
        if isinstance(result, (tuple, list)):
            picks = tuple(k for k, a in enumerate(result) if _is_array(a) and id(a) not in known)
            if len(picks) != len(made):
                self.fail(f"{self._of} gives arrays within lists")
        if made:
            self._append(function, args, options, tuple(m.place for m in made), views=views, picks=picks, **more)
        found = known | {id(a): m for a, m in zip(arrays, made)}
        return mapped(lambda a: found.get(id(a), a), result)

    def _shared(self, array: np.ndarray, inputs: list[int]) -> int | None:
        """The memory that a result is in, if it is one of its inputs'."""
        for place in inputs:
            given = self._arrays[place]
            if isinstance(array, np.generic) or isinstance(given, np.generic):
                continue
            if array.base is not None and array.size and np.may_share_memory(array, given):
                return self.graph.memory(place)
        return None

    def _append(self, function: Callable, args: tuple, options: dict, results: tuple[int, ...], **more: Any) -> None:
        self.graph.instructions.append(
            Instruction(function, args, options, results, self._of or "step", late=self.late, part=self.part, **more)
        )

    def _told(self, value: Any) -> Any:
        """An argument as it is written down."""
        if type(value) is Recorded:
            if value.record is not self or value.place < 0:
                self.foreign(value.array)
            return Ref(value.place)
        if type(value) is Number:
            return Ref(value.place)
        if isinstance(value, np.ndarray) and value.ndim:
            self.foreign(value)
        return value

    def _ref(self, value: Any) -> Any:
        return self._told(value) if isinstance(value, Recorded) else value

    # ---- numbers that change ----

    def number_of(self, array: Recorded) -> Number | None:
        """A number of an optimizer's state, which every step changes; None of any other array."""
        if not self.updating:
            return None
        return self._number(array.array.item(), np.ndarray.item, (self._told(array),))

    def number(self, function: Callable, a: Any, b: Any) -> Number:
        """A number computed of others."""
        return self._number(function(array_of(a), array_of(b)), function, (self._told(a), self._told(b)))

    def option(self, group: dict, key: str, index: int | None = None, is_positive: bool = False) -> Number:
        """A number that an optimizer's user changes, or a schedule: an entry of the group, or one of a tuple there."""
        value = group[key] if index is None else group[key][index]
        for v in self.graph.values:
            if v.kind == "option" and v.owner[0] is group and v.owner[1:] == (key, index):
                return Number(value, v.place, self, is_positive)
        number = self._number(value, None, (group, key, index))
        return Number(value, number.place, self, is_positive)

    def _number(self, value: float, function: Callable | None, args: tuple) -> Number:
        place = len(self.graph.values)
        known: dict[str, Any] = {"kind": "option", "owner": args} if function is None else {}
        name = self._fresh(str(args[1]) if function is None else "number", computed=function is not None)
        self.graph.values.append(Value(place, (), np.dtype("float64"), (), place, name, weak=True, **known))
        self._arrays.append(np.zeros(()))
        if function is not None:
            self._append(function, args, {}, (place,))
        return Number(value, place, self)

    def foreign(self, array: np.ndarray) -> None:
        """An array met that nobody has recorded: it may be made of something that will be another one in the next step."""
        self._cannot(
            f"an array of shape {array.shape} came from outside: the step made it by other means than minitorch's, or of a tensor "
            "that is not reached from the compiled function; give it as an argument"
        )

    def looked_at(self) -> None:
        """A number of an array is wanted."""
        if running.record is self:
            self._cannot(
                "the step looks at a number of a tensor (item(), bool(), tolist(), numpy(), a data-dependent shape): a program would "
                "be for this number only; look at it outside the compiled function, or write where(condition, a, b)"
            )

    def course(self, flag: Recorded) -> bool | None:
        """Which way an op goes that asks whether something is so: the program looks first, and holds only if it is so again.

        That can be asked of what is known before the step; None of anything else.
        """
        if running.record is not self or self.failed or not self._tracing or self.late:
            return None
        found = self._made_of_inputs(flag.place)
        if found is None:
            return None
        answer = bool(flag.array)
        if found:
            self._append(_must_be, (Ref(flag.place), answer), {}, (), decides=True)
        return answer

    def _made_of_inputs(self, place: int) -> set[int] | None:
        """The inputs and states that a value is made of, as they are before the step; None if the step has changed one."""
        makers = {r: i for i in self.graph.instructions for r in i.results}
        written, stack, found = self.graph.written(), [place], set()
        while stack:
            place = stack.pop()
            value = self.graph.values[place]
            if value.memory in written or value.kind not in ("input", "state", "computed"):
                return None
            if value.kind != "computed":
                found.add(place)
            elif makers[place].opaque:
                return None
            else:
                stack += makers[place].reads()
        return found

    def check(self, flag: Recorded, error: type, words: str) -> None:
        """What a step refuses by its numbers: it does so now, and the program will."""
        if not flag.array:
            raise error(words)
        self.graph.instructions.append(
            Instruction(_must_hold, (self._told(flag), error, words), {}, (), self._of, late=self.late)
        )

    def drawn(self) -> None:
        """Random numbers are about to be drawn."""
        self._cannot("random numbers are drawn outside of an op")

    def _cannot(self, words: str) -> None:
        """Within an op: take the op as one call. Elsewhere: no program."""
        if self._tracing and not self.failed:
            raise NotTraceable(words)
        self.fail(f"{words} (in {self._of})" if self._of else words)

    # ---- ops ----

    @contextmanager
    def within(self, of: str) -> Iterator[None]:
        """What is recorded in this block belongs to an op, unless it is in the block of another."""
        outer, self._of = self._of, self._of or of
        try:
            yield
        finally:
            self._of = outer

    def traced(self, function: Callable, name: str, xp: Any, args: tuple, options: dict) -> Any:
        """function(xp, *args), followed step by step if that can be done; else, or if loops for it are written by hand, as one instruction."""
        if self.for_loops and name in _WHOLE:
            with self.within(name):
                return self._as_one(partial(function, np), args, options, name)
        return self._followed(function, name, xp, args, options)

    def _followed(self, function: Callable, name: str, xp: Any, args: tuple, options: dict) -> Any:
        with self.within(name), self._by_formulas(name):
            if not self._tracing:
                mark, values, names = len(self.graph.instructions), len(self.graph.values), dict(self._names)
                self._tracing = True
                try:
                    return function(xp, *args, **options)
                except NotTraceable:
                    del self.graph.instructions[mark:], self.graph.values[values:], self._arrays[values:]
                    self._names = names
                finally:
                    self._tracing = False
                return self._as_one(partial(function, np), args, options)
            return function(xp, *args, **options)

    def takes_formula(self, name: str) -> bool:
        """Whether an op is to be recorded by its formula: it treats each number, or each row, by itself, as loops do."""
        return self.for_loops and name.removeprefix("backward of ") in _IN_LOOPS

    @contextmanager
    def _by_formulas(self, name: str) -> Iterator[None]:
        before = shortcuts.enabled
        shortcuts.enabled = before and not self.takes_formula(name)
        try:
            yield
        finally:
            shortcuts.enabled = before

    def derivatives(self, name: str, function: Callable, grads: list, saved: Any, names: tuple[str, ...]) -> Any:
        """A node's derivatives, followed as an op is; as one they are a function of the arrays among `grads` and `saved`."""
        self.has_walked = self.has_walked or not self.late
        if not self.late:
            self.walks |= self._here()
        of = f"backward of {name}"
        if self.for_loops and name in _WHOLE_DERIVATIVES:
            return self._derivatives_as_one(name, function, grads, saved, names)
        places = [(k, n) for k, values in enumerate((grads, saved)) for n, v in enumerate(values) if _holds_recorded(v)]
        arrays = [getattr((grads, saved)[k][n], "_array", (grads, saved)[k][n]) for k, n in places]

        are_tensors = [isinstance((grads, saved)[k][n], Tensor) for k, n in places]
        rest = [[None if _holds_recorded(v) else v for v in values] for values in (grads, saved)]

        def again(xp: Any, *arrays: Any) -> Any:
            values = [list(rest[0]), list(rest[1])]
            for (k, n), is_tensor, array in zip(places, are_tensors, arrays):
                values[k][n] = Tensor._wrap(array) if is_tensor else array
            with in_backward():
                return function(*values)

        return self._followed(again, of, library, tuple(arrays), {})

    def _derivatives_as_one(self, name: str, function: Callable, grads: list, saved: Any, names: tuple[str, ...]) -> Any:
        """One instruction, whose arguments are the gradients and what the loops written by hand want of what was saved."""
        wanted = [names.index(n) for n in _WHOLE_DERIVATIVES[name]]
        values = [*grads, *(saved[k] for k in wanted)]
        are_tensors, count = [isinstance(v, Tensor) for v in values], len(grads)
        rest = [None if k in wanted else v for k, v in enumerate(saved)]
        if any(map(_holds_recorded, rest)):
            raise AssertionError(f"the loops of {name} want less than its derivative")

        def again(*given: Any) -> Any:
            put = [Tensor._wrap(v) if is_tensor else v for v, is_tensor in zip(given, are_tensors)]
            kept = list(rest)
            for k, value in zip(wanted, put[count:]):
                kept[k] = value
            with in_backward():
                return function(put[:count], kept)

        with self.within(f"backward of {name}"):
            return self._as_one(again, tuple(getattr(v, "_array", v) for v in values), {}, f"derivatives of {name}")

    def _as_one(self, function: Callable, args: tuple, options: dict, whole: str = "") -> Any:
        """A whole op as one instruction. whole: its name, if loops for it are written by hand."""
        if self.failed:
            with apart():
                result = function(*_plain(args), **_plain(options))
            return self._wrapped(result, _by_array(args))
        # (Arrays within options are the op's own tables, made of shapes.)
        told = (
            tuple(self._told(a) if isinstance(a, np.ndarray) else mapped(self._ref, a) for a in args),
            mapped(self._ref, options),
        )
        with apart():
            result = function(*_plain(args), **_plain(options))
        return self._results(function, *told, result, _by_array(args), opaque=True, whole=whole)

    # ---- effects ----

    def effect(self, name: str, call: partial) -> Any:
        """What changes more than arrays, on plain arrays: the program will call it as it stands.

        An optimizer's step is recorded instead, as what it does to each parameter. (After another effect it is not: that may have
        changed the learning rate, which the program reads at its beginning.)
        """
        is_first = not any(i.effect for i in self.graph.instructions)
        follows = self.follows_rules and is_first and updates.can_be_followed(call)
        if follows and (self.for_loops or not updates.has_a_loop(call)) and self._followed_update(name, call.args[0]):
            return None
        self.compare_options()
        gradients = []
        for tensor in self.tensors.values():
            held = getattr(tensor._grad, "_array", None)
            if isinstance(held, Recorded) and self.graph.values[held.place].owner is not tensor:  # it is not there already
                gradients.append((tensor, held.place))
        versions = {id(t): t._version for t in self.tensors.values()}
        states = [len(optimizer.state) for optimizer in self.optimizers]
        with apart(), self.unwrapped():
            result = call()
        self.is_first |= states != [len(optimizer.state) for optimizer in self.optimizers]
        for t in self.tensors.values():
            self.bumped_by_effects[id(t)] = self.bumped_by_effects.get(id(t), 0) + t._version - versions[id(t)]
        self.options = updates.options_of(self.optimizers)
        told = Effect(call, gradients)
        self.graph.instructions.append(Instruction(call, (), {}, (), name, effect=told))
        return result

    def _followed_update(self, name: str, optimizer: Any) -> bool:
        """Record an optimizer's step; False if its rule looks at numbers, and all is as before."""
        mark, values, names = len(self.graph.instructions), len(self.graph.values), dict(self._names)
        before = [(t, array_of(t._array).copy()) for t in self.tensors.values()]
        self.updating = self._tracing = True
        try:
            with self.within(name):
                self.is_first |= not updates.follow(self, optimizer)
            return not self.is_first
        except NotTraceable:
            for tensor, array in before:
                array_of(tensor._array)[...] = array
            del self.graph.instructions[mark:], self.graph.values[values:], self._arrays[values:]
            self._names = names
            return False
        finally:
            self.updating, self._tracing, self.part = False, False, None

    def compare_options(self) -> None:
        """See whether the step has set an optimizer's option by hand: a program would not."""
        if self.options != updates.options_of(self.optimizers):
            self.leaves_traces = True
            self.fail("the step sets an option of an optimizer; a schedule of minitorch.optim.lr_scheduler may do that")

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        """In this block the tensors known before the step, and their gradients, hold plain arrays."""
        holders = list(self.tensors.values()) + [t._grad for t in self.tensors.values() if t._grad is not None]
        held = [(t, t._array) for t in holders if isinstance(t._array, Recorded)]
        for tensor, recorded in held:
            tensor._array = recorded.array
        try:
            yield
        finally:
            for tensor, recorded in held:
                if tensor._array is recorded.array:
                    tensor._array = recorded
                else:
                    self.fail("the step gives a tensor other memory")


@functools.cache
def _as_a_name(name: str) -> str:
    name = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    return name if name[:1].isalpha() else f"v{name}"


def _must_be(flag: Any, answer: bool) -> None:
    if bool(flag) is not answer:
        raise Deviates


def _must_hold(flag: np.ndarray, error: type, words: str) -> None:
    if not flag:
        raise error(words)


def _holds_recorded(value: Any) -> bool:
    return isinstance(getattr(value, "_array", value), Recorded)


@contextmanager
def in_backward() -> Iterator[None]:
    """In this block ops compute with bare arrays, as in a walk."""
    outside = grad_mode.enabled, grad_mode.on_arrays
    grad_mode.enabled, grad_mode.on_arrays = False, True
    try:
        yield
    finally:
        grad_mode.enabled, grad_mode.on_arrays = outside


@contextmanager
def apart() -> Iterator[None]:
    """In this block nothing is recorded."""
    record, running.record = running.record, None
    try:
        yield
    finally:
        running.record = record


def _plain(value: Any) -> Any:
    """The value with arrays in place of recorded ones."""
    return mapped(array_of, value)


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic))


def _flat(value: Any) -> list:
    """What is in a value that may be lists and tuples."""
    if not isinstance(value, (tuple, list)):
        return [value]
    return [leaf for each in value for leaf in (_flat(each) if isinstance(each, (tuple, list)) else (each,))]


def _by_array(args: tuple) -> dict[int, Recorded]:
    """The recorded arrays among the arguments, by the id of what they hold."""
    return {id(v.array): v for v in _flat(args) if type(v) is Recorded}
