"""The graph and the walk: what happens in `loss.backward()`.

Every recorded op leaves a `Node`: which nodes made its inputs (its edges), what its derivatives asked to keep, and the
derivatives themselves. A node is born after its inputs, so birth order is a topological order: the walk keeps a heap
and always takes the youngest node that holds a gradient; by then all its consumers have contributed. No recursion, so
a chain of 100,000 nodes is as good as one of ten. Leaves end in an `AccumulateGrad` node, which adds into `.grad`.
Read next: `function.py` for derivatives of your own, `gradcheck.py` for how they are checked.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from .grad_mode import grad_mode

birth = itertools.count().__next__
new = object.__new__


class NOT_A_TENSOR:
    """What stands for the version counter of a saved value that is no tensor."""

    n = -1


class Node:
    """One recorded op: edges to the nodes of its inputs, what was saved, and how to run its derivatives."""

    __slots__ = ("__weakref__", "birth", "edges", "hooks", "metas", "op", "plan", "saved", "versions")
    may_share = False  # whether a derivative may hand out memory that is not its own (a user's Function may)

    op: Any
    plan: Any
    edges: list  # for each of plan.targets: (node, output number) its gradient goes to, or None
    saved: list | None  # the values of plan.names; None once freed
    versions: list  # of the saved values: the version a tensor was saved at, −1 for what is no tensor
    metas: tuple  # for each output: its shape and dtype, which its gradient will have
    birth: int
    hooks: Hooks | None

    # ---- torch's face ----

    def name(self) -> str:
        """The name torch prints: `MulBackward0`."""
        name = self.op.backward_name
        return name if isinstance(name, str) else name(dict(zip(self.plan.names, self.saved or ())))

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input: the node its gradient goes to and which of that node's outputs it was; (None, 0) if none."""
        by_input = dict(zip(self.plan.targets, self.edges))
        return tuple(by_input.get(i) or (None, 0) for i in self.plan.positions)

    @property
    def places(self) -> list[int]:
        """For each edge, the place of its input among `next_functions`."""
        return [self.plan.positions.index(i) for i in self.plan.targets]

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the node has run; what it returns replaces grad_inputs."""
        return hooks_of(self).add(hooks_of(self).post, hook)

    def register_prehook(self, hook: Callable) -> Any:
        """Call `hook(grad_outputs)` before the node runs; what it returns replaces grad_outputs."""
        return hooks_of(self).add(hooks_of(self).pre, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    # ---- backward ----

    def run(self, grads: list) -> list:
        """The gradients for `edges`, in their order, from the gradients of the outputs (None where none arrived)."""
        values: Any = self.unpack() if self.versions else self.saved
        plan = self.plan
        if plan.simple is not None:
            return [plan.simple(grads[0], *values)] if values else [plan.simple(grads[0])]
        results: list[Any] = []
        for function, sources, several, lone in plan.steps:
            if lone is None:
                result = function(*[grads[k] if upstream else values[k] for upstream, k in sources])
            else:
                result = function(grads[0]) if lone < 0 else function(grads[0], values[lone])
            results.extend(result) if several else results.append(result)
        return results

    def unpack(self) -> list:
        """What the derivatives asked for, after checking that nobody has overwritten it since."""
        values = self.saved
        if values is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: {self.name()} has already been freed by an "
                "earlier backward. If this part of the graph comes from an earlier iteration (a hidden state, a loss "
                "summed across steps), cut it with .detach(); to really differentiate it twice, give "
                "retain_graph=True to the first backward."
            )
        for k, version in enumerate(self.versions):
            if version >= 0:
                counter = values[k]._counter
                if counter is not None and counter.n != version:
                    raise RuntimeError(self._overwritten(k))
        if grad_mode.enabled and self.plan.outputs:
            values = list(values)
            for k, nr in enumerate(self.plan.outputs, start=len(self.plan.arguments)):
                if self.op.gradient_name(nr) not in self.plan.grads:
                    continue  # an output without a gradient, such as indices
                again = values[k]._alias()  # differentiable once more: its history is this node
                again._grad_fn, again._output_nr, again.requires_grad = self, nr, True
                values[k] = again
        return values

    def _overwritten(self, k: int) -> str:
        tensor = self.saved[k]  # type: ignore[index]
        return (
            "one of the variables needed for gradient computation has been modified by an inplace operation: the tensor "
            f"of shape {tuple(tensor.shape)} that {self.name()} saved as '{self.plan.names[k]}' is at version "
            f"{tensor._version}; expected version {self.versions[k]} instead. Give the in-place operation a clone(), or use "
            "its out-of-place form."
        )

    def keep_copy(self, tensor: Any) -> None:
        """`tensor` is about to be overwritten by this very op: what was saved of it becomes a copy, with its history."""
        for k, value in enumerate(self.saved or ()):
            if value is tensor:
                before = tensor._before_write()
                before._array, before._counter = tensor._array.copy(), None
                self.saved[k], self.versions[k] = before, 0  # type: ignore[index]

    def show_output(self, nr: int, tensor: Any) -> None:
        """Output `nr` was written into `tensor`: what was saved of it is watched there from now on."""
        for k, saved_nr in enumerate(self.plan.outputs, start=len(self.plan.arguments)):
            if saved_nr == nr and self.saved is not None:
                self.saved[k], self.versions[k] = tensor._alias(), tensor._version

    def release(self) -> None:
        """Drop what was saved, so that memory is freed as the walk goes. Nodes that saved no tensor can run again."""
        if self.plan.keeps_tensors:
            self.saved = None


def record(op: Any, plan: Any, args: tuple, outs: Any) -> Node:
    """The node of a call that is being recorded: its edges, and what its derivatives asked for."""
    node = new(Node)
    node.op = op
    node.plan = plan
    node.hooks = None
    node.edges = edges = []
    for i in plan.targets:
        x = args[i]
        maker = getattr(x, "_grad_fn", None) if plan.joint else x._grad_fn
        edges.append(gradient_edge(x) if maker is None or maker is STALE else (maker, x._output_nr))
    node.saved = saved = []
    node.versions = versions = []
    for i in plan.arguments:
        value = args[i]
        saved.append(value)
        counter = getattr(value, "_counter", NOT_A_TENSOR)
        versions.append(0 if counter is None else counter.n)
    if plan.extras:
        for nr in plan.outputs:
            alias = outs[nr]._alias()  # not the output itself, which will point back to this node
            saved.append(alias)
            versions.append(alias._counter.n)
        for i in plan.shapes:
            saved.append([x.shape for x in args[: len(plan.positions)]] if op.variadic else getattr(args[i], "shape", ()))
    if len(outs) == 1:
        array = outs[0]._array
        node.metas = ((array.shape, array.dtype),)
    else:
        node.metas = tuple((out._array.shape, out._array.dtype) for out in outs)
    node.birth = birth()
    return node


class AccumulateGrad:
    """The end of the graph at a leaf: adds what arrives into `leaf.grad`."""

    __slots__ = ("__weakref__", "birth", "hooks", "metas", "variable")
    edges: Sequence = ()
    places: Sequence = ()
    next_functions: tuple = ()
    name = staticmethod(lambda: "torch::autograd::AccumulateGrad")

    def __init__(self, variable: Any):
        self.variable = variable
        self.metas = ((variable._array.shape, variable._array.dtype),)
        self.hooks: Hooks | None = None
        self.birth = birth()

    register_hook = Node.register_hook
    register_prehook = Node.register_prehook

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"

    def run(self, grads: list) -> list:
        g, leaf = grads[0], self.variable
        if g is None:
            return []
        if leaf.grad is None:
            leaf.grad = g if grad_mode.enabled or not g.requires_grad else g.detach()
        elif grad_mode.enabled:
            leaf.grad = leaf.grad + g
        else:
            leaf.grad._accumulate(g)
        for hook in list(leaf._post_accumulate_hooks.values()):
            hook(leaf)
        return []

    def release(self) -> None:
        """Nothing is saved here."""


class Hooks:
    """What a node's hooks are kept in: most nodes have none, and pay one empty slot."""

    def __init__(self) -> None:
        self.tensor: dict[int, dict] = {}  # output nr → hooks of the tensor that is this output
        self.retain: dict[int, Any] = {}  # output nr → weak reference to a tensor that wants its .grad
        self.pre: dict = {}
        self.post: dict = {}

    @staticmethod
    def add(where: dict, hook: Callable) -> Any:
        from ..utils.hooks import RemovableHandle

        handle = RemovableHandle(where)
        where[handle.id] = hook
        return handle

    def before(self, grads: list) -> list:
        """Tensor hooks in the order they were registered, then retain_grad, then the node's prehooks."""
        grads = list(grads)
        for nr, hooks in self.tensor.items():
            for hook in list(hooks.values()):
                if grads[nr] is not None:
                    grads[nr] = _replaced(grads[nr], hook(grads[nr]), hook)
        for hook in list(self.pre.values()):
            grads = list(_as_tuple(hook(tuple(grads)), grads))
        for nr, reference in self.retain.items():
            tensor = reference()
            if tensor is not None and grads[nr] is not None:
                g = grads[nr] if grad_mode.enabled else grads[nr].detach()
                tensor.grad = g.clone() if tensor.grad is None else tensor.grad + g
        return grads

    def after(self, node: Any, results: list, grad_outputs: list) -> list:
        """The node's hooks see one gradient per input, None where none is wanted; back in the order of the edges."""
        places = node.places
        grad_inputs: list = [None] * len(node.next_functions)
        for place, result in zip(places, results):
            grad_inputs[place] = result
        for hook in list(self.post.values()):
            grad_inputs = list(_as_tuple(hook(tuple(grad_inputs), tuple(grad_outputs)), grad_inputs))
        return [grad_inputs[place] for place in places]


def hooks_of(node: Any) -> Hooks:
    """The node's hooks, made on first use."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


def _replaced(old: Any, new: Any, hook: Callable) -> Any:
    if new is None:
        return old
    if not hasattr(new, "_array") or new.shape != old.shape:
        raise RuntimeError(
            f"hook {getattr(hook, '__name__', hook)!r} returned {getattr(new, 'shape', type(new).__name__)}; a tensor hook "
            f"returns None or a gradient of the same shape {tuple(old.shape)}"
        )
    return new


def _as_tuple(new: Any, old: list) -> Any:
    if new is None:
        return old
    return new if isinstance(new, (tuple, list)) else (new,)


# ---- edges ----


def gradient_edge(x: Any) -> tuple[Any, int] | None:
    """Where the gradient of tensor `x` goes: (node, output number), or None if it wants none."""
    if not getattr(x, "requires_grad", False):
        return None
    node = x._grad_fn
    if node is None:
        return accumulator(x), 0
    if node is STALE:
        node = x.grad_fn  # a view whose base was written to: made anew
    return node, x._output_nr


def accumulator(leaf: Any) -> AccumulateGrad:
    """The leaf's AccumulateGrad node. The leaf holds it weakly, it holds the leaf: no cycle, one per leaf."""
    node = leaf._accumulator and leaf._accumulator()
    if node is None:
        node = AccumulateGrad(leaf)
        if leaf._leaf_hooks is not None:
            hooks_of(node).tensor[0] = leaf._leaf_hooks
        leaf._accumulator = weakref.ref(node)
    return node


STALE = object()  # the `_grad_fn` of a view whose base has been written to since


# ---- the walk ----


def walk(
    roots: Sequence[tuple[tuple[Any, int], Any]],
    *,
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[tuple[Any, int]] | None = None,
    accumulate: bool = True,
) -> dict:
    """Send gradients from `roots` (edge, gradient) down the graph, youngest node first.

    inputs: edges to stop at; only nodes that lead to one of them run. accumulate: whether leaves add into `.grad`.
    Returns the gradient that arrived at each of `inputs`, by edge.
    """
    wanted = set(inputs or ())
    stops = {node for node, _ in wanted}
    needed: Any = _leading_to(stops, [edge[0] for edge, _ in roots]) if inputs is not None else None
    arrived: dict = {}
    pending: dict[Any, list] = {}
    heap: list[tuple[int, Any]] = []
    sums: set = set()  # the (node, output) whose gradient is a sum made here, which nobody else holds
    borrowed: set = set()  # the leaves whose gradient is memory that others hold too

    def push(node: Any, nr: int, g: Any) -> None:
        """Add g to what has arrived for output `nr` of `node`, in that output's shape and dtype."""
        shape, dtype = node.metas[nr]
        array = g._array
        if array.shape != shape or array.dtype is not dtype:
            g = g._reduced_to(shape, dtype)
        held = pending.get(node)
        if held is None:
            held = pending[node] = [None] * len(node.metas)
            heappush(heap, (-node.birth, node))
        before = held[nr]
        if before is None:
            held[nr] = g
        elif (node, nr) in sums:
            before._array += g._array  # the sum is this walk's own: add into it
        else:
            held[nr] = before + g
            if not create_graph:
                sums.add((node, nr))

    mode, grad_mode.enabled = grad_mode.enabled, create_graph
    try:
        for (node, nr), g in roots:
            if needed is None or node in needed:
                push(node, nr, g)
                if not node.edges:
                    borrowed.add(node)
        while heap:
            node = heappop(heap)[1]
            grads = pending.pop(node)
            hooks = node.hooks
            if hooks is not None:
                grads = hooks.before(grads)
            if stops and node in stops:
                arrived.update({(node, nr): g for nr, g in enumerate(grads) if (node, nr) in wanted})
                if not needed[node] and not (accumulate and not node.edges):
                    continue
            if borrowed and node in borrowed and (node, 0) not in sums:
                grads = [g if g is None else g.clone() for g in grads]
            results = node.run(grads)
            if hooks is not None:
                results = hooks.after(node, results, grads)
            if not retain_graph:
                node.release()
            for edge, g in zip(node.edges, results):
                if edge is None or g is None or (needed is not None and edge[0] not in needed):
                    continue
                target, nr = edge
                push(target, nr, g)
                # What becomes a leaf's .grad must be nobody else's memory.
                if not target.edges and (node.may_share or g._base is not None or any_is(g, grads)):
                    borrowed.add(target)
    finally:
        grad_mode.enabled = mode
    return arrived


def any_is(g: Any, grads: list) -> bool:
    """Whether g is one of the tensors in `grads` (`in` would compare their elements)."""
    if len(grads) == 1:
        return g is grads[0]
    return any(g is h for h in grads)


def _leading_to(stops: set, roots: list) -> dict:
    """The nodes from which some node of `stops` can be reached; the value says whether a node has to run itself."""
    found, stack = set(roots), list(roots)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[0] not in found:
                found.add(edge[0])
                stack.append(edge[0])
    needed: dict = {}
    for node in sorted(found, key=lambda n: n.birth):  # inputs before consumers
        runs = any(edge is not None and edge[0] in needed for edge in node.edges)
        if runs or node in stops:
            needed[node] = runs
    return needed
