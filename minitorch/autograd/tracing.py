"""`trace`: what `backward` is going to do, as a table and as a page.

The graph is there before backward runs, so its schedule can be read off: which node runs when, whose contributions it waits
for, where it sends what, and which memory it keeps until then. Nothing is run, changed or freed.
Read next: `engine.py`, which does what is listed here; `watching.py`, which remembers forward; `minitorch explain shared` shows both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from . import traced_text
from .engine import reduced
from .function import Function, FunctionNode
from .grad_mode import no_grad
from .leaves import AccumulateGrad, gradient_edge
from .node import Node
from .pictures import Picture, picture_of
from .traced_hooks import HookCall, hooks_on, noting
from .traced_memory import Memory, Names, Saved, values_of
from .traced_text import START
from .watching import Layer, Line, memory_of, watch

SHOWN = 4  # numbers of tensors with more elements than this are left out of the table


class Arrival(NamedTuple):
    """The gradient of one output of a node: the sum of what earlier steps sent there."""

    output: int
    gradient: str  # what the derivatives call it
    tensor: str  # the name of the tensor that this output is, if it has one
    shape: tuple[int, ...]
    sources: tuple[int, ...]  # the steps that sent a part, in order; with the last one the sum is complete
    parts: tuple[Any, ...] = ()  # with run=True, for small tensors: the number(s) each of them sent
    value: Any = None  # and their sum
    pictures: tuple[Picture | None, ...] = ()  # the parts, and their sum, of any size
    picture: Picture | None = None


class Sending(NamedTuple):
    """What a step gives to one of its inputs' nodes."""

    input: str  # what the op calls the input
    to: int  # the step it goes to
    output: int  # as which output of that step's node
    derivative: Callable  # the function that computes it
    shape: tuple[int, ...]  # of the receiver
    unreduced: tuple[int, ...] | None = None  # with run=True: the shape before broadcasting is undone
    value: Any = None
    picture: Picture | None = None


class Constant(NamedTuple):
    """An input of a call that wants no gradient."""

    input: str  # what the op calls it
    number: int  # the same for the same memory
    tensor: str  # the name it has for the user, if any
    picture: Picture | None


class Write(NamedTuple):
    """A tensor was written to in place: before the call that it is told with, or by it."""

    tensor: str
    version: int  # the one it has since
    line: Line | None


class Output(NamedTuple):
    """What a call gave."""

    tensor: str
    shape: tuple[int, ...]
    picture: Picture | None


class Forward(NamedTuple):
    """The call that made a node. Without a `watch` its line and its modules are not known, and not all its results."""

    birth: int
    outputs: tuple[Output, ...]
    line: Line | None = None
    layers: tuple[Layer, ...] = ()
    constants: tuple[Constant, ...] = ()
    writes: tuple[Write, ...] = ()


class Step(NamedTuple):
    """One node of the schedule."""

    number: int
    node: str  # the name of the grad_fn
    op: str
    formula: str  # the first line of the op's docstring
    arrivals: tuple[Arrival, ...]
    sends: tuple[Sending, ...]
    saved: tuple[Saved, ...]
    call: Forward
    leaf: str | None = None  # for AccumulateGrad: the leaf's name, perhaps ""
    freed: bool = False  # whether an earlier backward has dropped what it saved
    hooked: bool = False  # whether somebody's hooks may change what passes
    hooks: tuple[HookCall, ...] = ()  # in the order in which they are called

    @property
    def saved_bytes(self) -> int:
        """What it keeps that goes when backward has passed, each piece of memory counted once."""
        return sum(s.nbytes for s in self.saved if not s.held and s.same_as != self.number)


class Trace(Sequence):
    """The steps of a backward pass in their order, and what the graph keeps for it; its text is a table."""

    def __init__(self, steps: list[Step], root: str, held_bytes: int) -> None:
        self.steps, self.root = tuple(steps), root
        self.held_bytes = held_bytes  # of leaves, constants and the result, which are only referred to

    def __getitem__(self, k: Any) -> Any:
        return self.steps[k]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def saved_bytes(self) -> int:
        """The memory that goes when backward has passed; what several nodes keep is counted once."""
        return sum(s.nbytes for step in self for s in step.saved if not s.held and not s.same_as)

    @property
    def shared_bytes(self) -> int:
        """How much more it would be if each node kept a copy of its own."""
        return sum(step.saved_bytes for step in self) - self.saved_bytes

    def __repr__(self) -> str:
        return traced_text.table(self)

    def memory(self) -> str:
        """In words: what is kept for backward, and what is only referred to."""
        return traced_text.memory(self)

    def html(self, title: str = "") -> str:
        """A page that steps through forward and backward: one text that needs no network and no other file."""
        from ..utils.page import page

        return page(self, title)

    def _repr_html_(self) -> str:
        """The page within a notebook."""
        from ..utils.page import framed

        return framed(self.html())


def trace(
    tensor: Any,
    names: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    *,
    run: bool = False,
    forward: watch | None = None,
    hooks: bool = False,
) -> Trace:
    """What `tensor.backward()` will do, step by step, without doing it.

    names: tensors to be called by name, as a dict or as pairs: `{"w": w}`, `model.named_parameters()`.
    run: compute the gradients too, and show those of up to 4 numbers. No `.grad` of a leaf changes, and the graph can still be walked.
    forward: the `watch` block in which the tensor was made: then forward is told too, with the lines of the program.
    hooks: with `run`, call the hooks that change gradients, which may have effects of their own; otherwise none is called.

    >>> a = minitorch.tensor(2.0, requires_grad=True)
    >>> trace(a.exp() * a, {"a": a}, run=True)[-1].arrivals[0].sources
    (1, 2)
    """
    root = gradient_edge(tensor)
    if root is None:
        raise RuntimeError(
            "there is nothing to trace: the tensor does not require grad and does not have a grad_fn (made under no_grad, "
            "detached, or of tensors without requires_grad=True?)"
        )
    if run and tensor.numel() != 1:
        raise RuntimeError(
            f"backward starts from a single number, got shape {tuple(tensor.shape)}; reduce it first (.sum(), .mean())"
        )
    visits = _schedule(root, tensor.new_ones(tensor.shape) if run else None, hooks)
    nodes = [visit.node for visit in visits]
    known = Names(names, tensor, forward.names if forward else {})
    of_forward = _Forwards(nodes, known, forward, dict(names) if run else {}, run)
    number_of = {node: k for k, node in enumerate(nodes, start=1)}
    memory = Memory(nodes, known)
    steps = [_step(visit, number_of, known, memory, of_forward.of(visit.node)) for visit in visits]
    return Trace(steps, known.of_output(*root), memory.held_bytes)


# ---- the schedule ----


class _Shown(NamedTuple):
    """What stays of a gradient: the numbers of a small one, and a picture."""

    numbers: Any = None
    picture: Picture | None = None


def _shown(g: Any) -> _Shown:
    return _Shown() if g is None else _Shown(None if g.numel() > SHOWN else g.tolist(), picture_of(g))


class _Visit:
    """A node's turn: what arrived for each output, from whom, and what was sent along which edge.

    Of the gradients only what is shown stays; the sums are dropped when the node has run.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.arrived: list[list[tuple[Node | None, _Shown]]] = [[] for _ in node.output_specs]  # (sender, gradient)
        self.sums: list[Any] = [None] * len(node.output_specs)
        self.totals = [_Shown()] * len(node.output_specs)
        self.sent: list[tuple[int, tuple | None, _Shown]] = []  # (edge's place, shape as computed, gradient)
        self.hooks = hooks_on(node)

    def add(self, nr: int, sender: Node | None, g: Any) -> _Shown:
        """Add a part to what has arrived; how it is shown, once it has its receiver's shape."""
        if g is not None:
            before, g = self.sums[nr], reduced(g, *self.node.output_specs[nr])
            self.sums[nr] = g if before is None else before + g
        shown = _shown(g)
        self.arrived[nr].append((sender, shown))
        return shown

    def run(self, call_hooks: bool) -> list:
        """The gradients that the node's derivatives compute."""
        self.totals = [_shown(g) for g in self.sums]
        sums, self.sums, node = self.sums, [], self.node
        if not call_hooks or node.hooks is None:
            return [] if isinstance(node, AccumulateGrad) else node.run(sums, True)
        with noting(node, self.hooks):
            sums = node.hooks.before(node, sums)
            results = [] if isinstance(node, AccumulateGrad) else node.run(sums, True)
            return node.hooks.after(node, results, sums)


def _schedule(root: tuple[Node, int], start: Any, call_hooks: bool) -> list[_Visit]:
    """The nodes in the order of `engine.walk`: the youngest that something has arrived at.

    With a `start` gradient the derivatives run as well; without, every gradient is None.
    """
    visits = {root[0]: _Visit(root[0])}
    visits[root[0]].add(root[1], None, start)
    order: list[_Visit] = []
    heap: list[tuple[int, Any]] = [(-root[0].birth, root[0])]
    with no_grad():
        while heap:
            node = heappop(heap)[1]
            visit = visits[node]
            order.append(visit)
            results = [None] * len(node.edges) if start is None else visit.run(call_hooks)
            for k, (edge, g) in enumerate(zip(node.edges, results)):
                if edge is None or (g is None and start is not None):
                    continue
                target, nr = edge
                if target not in visits:
                    visits[target] = _Visit(target)
                    heappush(heap, (-target.birth, target))
                visit.sent.append((k, None if g is None else tuple(g.shape), visits[target].add(nr, node, g)))
    return order


# ---- forward ----


class _Forwards:
    """What is known of the call behind each node: what a `watch` saw, or else what is still there of its results."""

    def __init__(self, nodes: list, known: Names, seen: watch | None, named: dict[str, Any], pictures: bool) -> None:
        self.known, self.seen = known, seen
        self.constants: dict[int, int] = {}  # memory → its number
        self.values: dict[tuple[Any, int], Any] = {}
        for node in nodes if pictures else ():
            self._look_at_what_is_kept(node)
        for tensor in named.values():
            edge = gradient_edge(tensor)
            if edge is not None:
                self.values[edge] = tensor

    def _look_at_what_is_kept(self, node: Any) -> None:
        if isinstance(node, AccumulateGrad):
            self.values[node, 0] = node.variable
        for value in values_of(node):
            edge = (node, value.output) if value.output >= 0 else gradient_edge(value.tensor)
            if edge is not None:
                self.values.setdefault(edge, value.tensor)

    def of(self, node: Any) -> Forward:
        """The call that made this node."""
        call = self.seen.calls.get(node) if self.seen else None
        shapes = [spec[0] if spec else () for spec in node.output_specs]
        seen = (
            call.outputs if call and call.outputs else [picture_of(self.values.get((node, k))) for k in range(len(shapes))]
        )
        outputs = tuple(Output(self.known.of_output(node, k), *of) for k, of in enumerate(zip(shapes, seen)))
        if call is None:
            return Forward(node.birth, outputs)
        constants = tuple(Constant(c.input, self._number(c), self._name(c.array), c.picture) for c in call.constants)
        writes = tuple(Write(self._name(memory_of(w.tensor._array)), w.version + 1, w.line) for w in call.writes)
        return Forward(node.birth, outputs, call.line, call.layers, constants, writes)

    def _number(self, constant: Any) -> int:
        return self.constants.setdefault(id(constant.array), len(self.constants))

    def _name(self, memory: Any) -> str:
        return self.known.memory.get(id(memory), "")


# ---- a step in words ----


def _step(visit: _Visit, number_of: dict, known: Names, memory: Memory, call: Forward) -> Step:
    node = visit.node
    arrivals = tuple(
        Arrival(
            nr,
            _gradient_name(node, nr),
            known.of_output(node, nr),
            node.output_specs[nr][0],
            tuple(START if sender is None else number_of[sender] for sender, _ in arrived),
            tuple(shown.numbers for _, shown in arrived if shown.numbers is not None),
            visit.totals[nr].numbers,
            tuple(shown.picture for _, shown in arrived),
            visit.totals[nr].picture,
        )
        for nr, arrived in enumerate(visit.arrived)
        if arrived
    )
    described = _inputs(node)
    sends = []
    for k, unreduced, shown in visit.sent:
        target, nr = node.edges[k]
        name, derivative = described[k]
        sends.append(Sending(name, number_of[target], nr, derivative, target.output_specs[nr][0], unreduced, *shown))
    return Step(
        number_of[node],
        node.name().rpartition("::")[2],
        *_op_name(node),
        arrivals,
        tuple(sends),
        memory.saved(node, number_of[node]),
        call,
        leaf=known.of_output(node, 0) if isinstance(node, AccumulateGrad) else None,
        freed=not isinstance(node, AccumulateGrad) and node.saved is None,
        hooked=node.hooks is not None and any((node.hooks.pre, node.hooks.post, *node.hooks.tensor.values())),
        hooks=tuple(visit.hooks),
    )


def _op_name(node: Any) -> tuple[str, str]:
    """The op's name and what it computes."""
    if isinstance(node, AccumulateGrad):
        return "", ""
    if isinstance(node, FunctionNode):
        return node.function.__name__, (inspect.getdoc(node.function) or "").partition("\n")[0]
    return node.op.__name__, (node.op.declaration.doc or "").strip().partition("\n")[0]


def _gradient_name(node: Any, nr: int) -> str:
    if isinstance(node, AccumulateGrad):
        return "g"
    if isinstance(node, FunctionNode):
        kinds = list(inspect.signature(node.function.backward).parameters.values())[1:]
        several = kinds[0].kind is kinds[0].VAR_POSITIONAL
        return f"{kinds[0].name}[{nr}]" if several else kinds[nr].name
    return node.op.declaration.gradient_name(nr) if node.op.declaration.outputs else f"g[{nr}]"


def _inputs(node: Any) -> list[tuple[str, Callable]]:
    """For each edge, what its input is called and the function that computes its gradient."""
    if isinstance(node, AccumulateGrad):
        return []
    if isinstance(node, FunctionNode):
        with_ctx = node.function.setup_context is Function.setup_context
        kinds = inspect.signature(node.function.forward).parameters.values()
        names = [p.name for p in kinds if p.kind is not p.VAR_POSITIONAL][with_ctx:]
        names += [f"input {i}" for i in range(len(names), len(node.inputs_edges))]
        return [(name, node.function.backward) for name, edge in zip(names, node.inputs_edges) if edge is not None]
    op = node.op
    if op.declaration.variadic:
        return [(f"{op.inputs[0]}[{i}]", op.derivatives[0].function) for i in node.plan.targets]
    by_name = {n: d.function for d in op.derivatives for n in d.of}
    return [(op.parameters[i], by_name[op.parameters[i]]) for i in node.plan.targets]
