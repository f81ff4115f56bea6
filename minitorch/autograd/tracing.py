"""`trace`: what `backward` is going to do, as a table.

The graph is there before backward runs, so its schedule can be read off: which node runs when, whose contributions it waits
for, where it sends what, and which memory it keeps until then. Nothing is run, changed or freed.
Read next: `engine.py`, which does what is listed here; `minitorch explain shared` shows it with the derivatives' source.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from .engine import reduced
from .function import Function, FunctionNode
from .grad_mode import no_grad
from .leaves import AccumulateGrad, gradient_edge
from .node import PACKED, Node

START = 0  # the "step" that the first gradient comes from
SHOWN = 4  # numbers of tensors with more elements than this are left out


class Arrival(NamedTuple):
    """The gradient of one output of a node: the sum of what earlier steps sent there."""

    output: int
    gradient: str  # what the derivatives call it
    tensor: str  # the name of the tensor that this output is, if it has one
    shape: tuple[int, ...]
    sources: tuple[int, ...]  # the steps that sent a part, in order; with the last one the sum is complete
    parts: tuple[Any, ...] = ()  # with run=True, for small tensors: the number(s) each of them sent
    value: Any = None  # and their sum


class Sending(NamedTuple):
    """What a step gives to one of its inputs' nodes."""

    input: str  # what the op calls the input
    to: int  # the step it goes to
    output: int  # as which output of that step's node
    derivative: Callable  # the function that computes it
    shape: tuple[int, ...]  # of the receiver
    unreduced: tuple[int, ...] | None = None  # with run=True: the shape before broadcasting is undone
    value: Any = None


class Saved(NamedTuple):
    """A tensor that a node keeps for its derivatives."""

    name: str  # what the derivatives call it
    tensor: str  # the name it has for the user, if any
    shape: tuple[int, ...]
    nbytes: int  # of the memory that is kept alive
    part: bool  # whether it is a view that shows only a part of that memory, or some of it several times
    held: str = ""  # "leaf", "result" or "constant" (no recorded op made it): memory not kept for backward alone
    same_as: int = 0  # an earlier step that keeps the same memory, or 0


class Step(NamedTuple):
    """One node of the schedule."""

    number: int
    node: str  # the name of the grad_fn
    op: str
    formula: str  # the first line of the op's docstring
    arrivals: tuple[Arrival, ...]
    sends: tuple[Sending, ...]
    saved: tuple[Saved, ...]
    leaf: str | None = None  # for AccumulateGrad: the leaf's name, perhaps ""
    freed: bool = False  # whether an earlier backward has dropped what it saved
    hooked: bool = False  # whether somebody's hooks may change what passes

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
        heads = ("step", "node", "op", "gradient of", "from", "adds to", "keeps")
        rows = [tuple(column.split("\n") for column in _columns(step)) for step in self]
        lines = [line for row in rows for line in zip(*(_filled(cell, max(map(len, row))) for cell in row))]
        widths = [max(map(len, column)) for column in zip(heads, *lines)]
        table = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in (heads, *lines)]
        return "\n".join([f"backward of {self.root or 'the result'}: {len(self)} steps", "", *table, "", self.memory()])

    def memory(self) -> str:
        """In words: what is kept for backward, and what is only referred to."""
        text = f"Kept until backward has passed: {self.saved_bytes:,} bytes"
        if self.shared_bytes:
            text += f" (what several steps keep is counted once; it would be {self.saved_bytes + self.shared_bytes:,})"
        if self.held_bytes:
            kinds = {
                "leaf": "leaves",
                "result": "the result",
                "constant": "constants (which go too if nobody else holds them)",
            }
            present = {s.held for step in self for s in step.saved}
            owners = " and ".join(kinds[kind] for kind in kinds if kind in present)
            text += f"\nOnly referred to: {self.held_bytes:,} bytes of {owners}"
        if any(step.freed for step in self):
            text += "\nAn earlier backward has freed what was saved: backward would raise."
        hooked = [str(step.number) for step in self if step.hooked]
        if hooked:
            text += f"\nHooks at step {', '.join(hooked)} may change what passes; they are not called here."
        return text


def trace(tensor: Any, names: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), *, run: bool = False) -> Trace:
    """What `tensor.backward()` will do, step by step, without doing it.

    names: tensors to be called by name, as a dict or as pairs: `{"w": w}`, `model.named_parameters()`.
    run: compute the gradients too, and show those of up to 4 numbers. No `.grad` changes, no hook is called, and the graph
    can still be walked.

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
    visits = _schedule(root, tensor.new_ones(tensor.shape) if run else None)
    number_of = {visit.node: k for k, visit in enumerate(visits, start=1)}
    known = _Names(names, tensor)
    memory = _Memory([v.node for v in visits], known)
    steps = [_step(visit, number_of, known, memory) for visit in visits]
    return Trace(steps, known.of_output(*root), memory.held_bytes)


# ---- the schedule ----


class _Visit:
    """A node's turn: what arrived for each output, from whom, and what was sent along which edge.

    Of the gradients only small ones' numbers stay; the sums are dropped when the node has run.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.arrived: list[list[tuple[Node | None, Any]]] = [[] for _ in node.output_specs]  # (sender, numbers)
        self.sums: list[Any] = [None] * len(node.output_specs)
        self.values: list[Any] = [None] * len(node.output_specs)  # the sums' numbers
        self.sent: list[tuple[int, tuple | None, Any]] = []  # (edge's place, shape as computed, numbers)

    def add(self, nr: int, sender: Node | None, g: Any) -> Any:
        """Add a part to what has arrived; its numbers, once it has its receiver's shape."""
        if g is not None:
            before, g = self.sums[nr], reduced(g, *self.node.output_specs[nr])
            self.sums[nr] = g if before is None else before + g
        self.arrived[nr].append((sender, _numbers(g)))
        return _numbers(g)

    def run(self) -> list:
        """The gradients that the node's derivatives compute."""
        self.values = [_numbers(g) for g in self.sums]
        sums, self.sums = self.sums, []
        return [] if isinstance(self.node, AccumulateGrad) else self.node.run(sums, True)


def _numbers(g: Any) -> Any:
    return None if g is None or g.numel() > SHOWN else g.tolist()


def _schedule(root: tuple[Node, int], start: Any) -> list[_Visit]:
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
            results = [None] * len(node.edges) if start is None else visit.run()
            for k, (edge, g) in enumerate(zip(node.edges, results)):
                if edge is None or (g is None and start is not None):
                    continue
                target, nr = edge
                if target not in visits:
                    visits[target] = _Visit(target)
                    heappush(heap, (-target.birth, target))
                visit.sent.append((k, None if g is None else tuple(g.shape), visits[target].add(nr, node, g)))
    return order


# ---- a step in words ----


def _step(visit: _Visit, number_of: dict, known: _Names, memory: _Memory) -> Step:
    node = visit.node
    arrivals = tuple(
        Arrival(
            nr,
            _gradient_name(node, nr),
            known.of_output(node, nr),
            node.output_specs[nr][0],
            tuple(START if sender is None else number_of[sender] for sender, _ in arrived),
            tuple(numbers for _, numbers in arrived if numbers is not None),
            visit.values[nr],
        )
        for nr, arrived in enumerate(visit.arrived)
        if arrived
    )
    described = _inputs(node)
    sends = []
    for k, unreduced, numbers in visit.sent:
        target, nr = node.edges[k]
        name, derivative = described[k]
        sends.append(Sending(name, number_of[target], nr, derivative, target.output_specs[nr][0], unreduced, numbers))
    return Step(
        number_of[node],
        node.name().rpartition("::")[2],
        *_op_name(node),
        arrivals,
        tuple(sends),
        memory.saved(node, number_of[node]),
        leaf=known.of_output(node, 0) if isinstance(node, AccumulateGrad) else None,
        freed=not isinstance(node, AccumulateGrad) and node.saved is None,
        hooked=node.hooks is not None and any((node.hooks.pre, node.hooks.post, *node.hooks.tensor.values())),
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


class _Names:
    """What the user calls the tensors of a graph."""

    def __init__(self, names: Any, result: Any) -> None:
        self.edges: dict[tuple[Node, int], str] = {}
        self.memory: dict[int, str] = {}
        self.result = result
        for name, tensor in dict(names).items():
            edge = gradient_edge(tensor)
            if edge is not None:
                self.edges.setdefault(edge, name)
            self.memory.setdefault(id(_root(tensor._array)), name)

    def of_output(self, node: Node, nr: int) -> str:
        return self.edges.get((node, nr), "")

    def of_value(self, value: _Value) -> str:
        edge = gradient_edge(value.tensor)
        return self.memory.get(id(_root(value.array)), "") if edge is None else self.edges.get(edge, "")


# ---- memory ----


class _Memory:
    """Who keeps which memory: that of leaves, constants and the result is only referred to, the rest is kept."""

    def __init__(self, nodes: list[Node], known: _Names) -> None:
        self.known = known
        self.first: dict[int, int] = {}  # memory → the first step that keeps it
        self.held_bytes = 0
        leaves = [node.variable for node in nodes if isinstance(node, AccumulateGrad)]
        self.kind = {id(_root(known.result._array)): "result", **{id(_root(x._array)): "leaf" for x in leaves}}
        values = [value for node in nodes for value in _values(node)]
        made = {id(_root(value.array)) for value in values if value.made}
        for value in values:
            memory = id(_root(value.array))
            if memory not in made:
                self.kind.setdefault(memory, "constant")

    def saved(self, node: Node, step: int) -> tuple[Saved, ...]:
        """What the node keeps, and whose it is."""
        result = []
        for value in _values(node):
            root = _root(value.array)
            held, same_as = self.kind.get(id(root), ""), self.first.get(id(root), 0)
            if id(root) not in self.first:
                self.first[id(root)] = step
                self.held_bytes += root.nbytes if held else 0
            name = self.known.of_output(node, value.output) if value.output >= 0 else self.known.of_value(value)
            part = value.array.size * value.array.itemsize != root.nbytes
            result.append(Saved(value.name, name, tuple(value.array.shape), root.nbytes, part, held, same_as))
        return tuple(result)


class _Value(NamedTuple):
    """Something with memory that a node has saved."""

    name: str
    tensor: Any
    array: Any
    output: int  # which output of the node it is, −1 for an input
    made: bool  # whether a recorded op made it


def _values(node: Any) -> Iterator[_Value]:
    """The tensors and arrays among what a node has saved."""
    if isinstance(node, AccumulateGrad) or node.saved is None:
        return
    if isinstance(node, FunctionNode):
        outputs = dict(node._saved_outputs)
        names = [node.saved_name(k) for k in range(len(node.saved))]
    else:
        outputs = dict(enumerate(node.plan.outputs, start=len(node.plan.arguments)))
        names = _spread(node)
    for k, (value, name) in enumerate(zip(node.saved, names)):
        packed = k < len(node.versions) and node.versions[k] == PACKED  # what a saved-tensor hook made of it
        value = value.value if packed else value
        for part in value if isinstance(value, (tuple, list)) else (value,):
            array = getattr(part, "_array", part)
            if hasattr(array, "nbytes") and hasattr(array, "ndim"):
                made = packed or k in outputs or not getattr(part, "is_leaf", True)
                yield _Value(name, part, array, outputs.get(k, -1), made)


def _spread(node: Any) -> list[str]:
    """A name for each saved value; a list op's inputs are saved one by one."""
    names = list(node.plan.names)
    several = len(node.saved) - len(names)
    if several:
        names[:1] = [f"{names[0]}[{i}]" for i in range(several + 1)]
    return names


def _root(array: Any) -> Any:
    """The array that owns the memory an array looks into."""
    owner = array
    while (array := getattr(array, "base", None)) is not None:
        owner = array if hasattr(array, "nbytes") and hasattr(array, "dtype") else owner
    return owner


# ---- text ----


def _columns(step: Step) -> tuple[str, ...]:
    """The cells of a step's row; a cell may have several lines."""
    many = len(step.arrivals) > 1 or any(a.output for a in step.arrivals)
    gradients = [f"{f'[{a.output}] ' if many else ''}{labelled(a.tensor, a.shape)}{_equals(a.value)}" for a in step.arrivals]
    sums = [" + ".join(map(str, a.sources)) if a.sources != (START,) else "start" for a in step.arrivals]
    sends = [f"{s.input} → {s.to}{f' [{s.output}]' if s.output else ''}{_equals(s.value)}" for s in step.sends]
    if step.leaf is not None:
        sends = [f"{step.leaf or 'leaf'}.grad"]
    keeps = ["freed"] if step.freed else [kept(s) for s in step.saved]
    return str(step.number).rjust(4), step.node, step.op, *("\n".join(c) for c in (gradients, sums, sends, keeps))


def _equals(value: Any) -> str:
    return "" if value is None else f" = {number(value)}"


def labelled(name: str, shape: tuple[int, ...]) -> str:
    """`w (2, 3)`"""
    return f"{name} {shape}" if name else str(shape)


def kept(saved: Saved) -> str:
    """One saved tensor: what the derivative calls it, what the user does, its shape and bytes, and whose they are."""
    alias = f" is {saved.tensor}" if saved.tensor else ""
    text = f"{saved.name}{alias} {saved.shape}, {'view of ' if saved.part else ''}{saved.nbytes:,} B"
    if saved.held:
        return f"{text}, {saved.held}"
    return f"{text}, as step {saved.same_as}" if saved.same_as else text


def number(value: Any) -> str:
    """Numbers as one writes them: `80`, `[1, 0.3333]`.

    >>> number([[1.0, 2 / 3]])
    '[[1, 0.6667]]'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(number, value))}]"
    return f"{value:.4g}"


def _filled(cell: list[str], height: int) -> list[str]:
    return cell + [""] * (height - len(cell))
