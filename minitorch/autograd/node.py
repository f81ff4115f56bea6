"""The graph: a `Node` for every recorded op, and the edges between them.

A node knows which nodes made its inputs (its edges), what its derivatives asked to keep, at which version, and how to run
them. It is born after its inputs, so birth order is a topological order.
Read next: `leaves.py`, where the graph ends; `engine.py`, which walks it backward.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from . import hooks
from .grad_mode import grad_mode
from .hooks import Hooks, hooks_of

birth = itertools.count().__next__
new = object.__new__
watchers: list[
    Callable[[Any], None]
] = []  # see every new node, by `announce`: saved-tensor hooks and anomaly mode stand here
callers: list[Callable[[Any, Any, Any], None]] = []  # see, if there are watchers, the arguments and results of its call too
in_place_detachments: list[bool] = []  # not empty once `detach_` has cut a tensor off: from then on nodes look for it
PACKED = -2  # the "version" of a saved value that a pack hook has replaced


class _Announcing(threading.local):
    later: list | None = None  # the nodes of the `as_one_op` block that this thread is in


_announcing = _Announcing()


def announce(node: Node, args: Sequence = (), outs: Sequence = ()) -> None:
    """Show a new node to the watchers: at once or, within `as_one_op`, at the end of the block."""
    for call in tuple(callers):
        call(node, args, outs)
    if _announcing.later is not None:
        _announcing.later.append(node)
    else:
        _show(node)


def _show(node: Node) -> None:
    for watch in tuple(watchers):
        watch(node)


class as_one_op:
    """What is called in this block is one op in torch: a watcher that raises, as an early stop of a checkpoint does, cannot break it."""

    def __enter__(self) -> None:
        self.outside = _announcing.later
        if self.outside is None:
            _announcing.later = []

    def __exit__(self, failed: Any, *exc: Any) -> None:
        made, _announcing.later = _announcing.later or (), self.outside
        if self.outside is None and failed is None:
            for node in made:
                _show(node)


class Node:
    """A step of the graph: what torch's API shows of it, and how what was saved is given back."""

    __slots__ = ("__weakref__", "_metadata", "saved", "versions")
    runs_on_nothing = False  # whether it runs though no gradient has arrived: a user's Function gets zeros then
    is_hooked = False  # for leaves: whether users can tell when its turn is
    may_share = False  # whether a derivative may hand out memory that is not its own (a user's Function may)

    edges: Sequence  # for each input that wants a gradient: (node, output number) it goes to, or None
    saved: Sequence | None  # what was saved; None once freed
    versions: Sequence[int]  # of the saved values: the version a tensor was saved at, −1 for what is no tensor
    output_specs: tuple  # for each output: its shape and dtype, which its gradient will have
    birth: int
    hooks: Hooks | None

    def name(self) -> str:
        """The name torch prints: `MulBackward0`."""
        raise NotImplementedError

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle '{self.name()}' object: a graph is not copied; detach() what leads to it")

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input: the node its gradient goes to and which of that node's outputs it was; (None, 0) if none."""
        raise NotImplementedError

    @property
    def places(self) -> Sequence[int]:
        """For each edge, the place of its input among `next_functions`."""
        raise NotImplementedError

    @property
    def outputs_with_gradients(self) -> int:
        """How many outputs hooks are shown gradients of: those that can have one come first."""
        return len(self.output_specs)

    @property
    def metadata(self) -> dict:
        """A dict for anybody's notes; anomaly mode writes the recording call's traceback here."""
        try:
            return self._metadata
        except AttributeError:
            self._metadata: dict = {}
            return self._metadata

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the node has run; what it returns replaces grad_inputs."""
        return hooks_of(self).add(hooks_of(self).post, hook)

    def register_prehook(self, hook: Callable) -> Any:
        """Call `hook(grad_outputs)` before the node runs; what it returns replaces grad_outputs."""
        return hooks_of(self).add(hooks_of(self).pre, hook)

    def run(self, grads: list, recorded: bool) -> list:
        """The gradients for `edges`, in their order, from the gradients of the outputs (None where none arrived)."""
        raise NotImplementedError

    def __call__(self, *grads: Any) -> Any:
        """What the node's derivatives give for these gradients of its outputs (None: none): one for each input, without hooks."""
        if len(grads) != self.outputs_with_gradients:
            raise TypeError(f"expected {self.outputs_with_gradients} arguments, got {len(grads)} instead")
        for i, g in enumerate(grads):
            if g is not None and not isinstance(g, hooks.Tensor):
                raise TypeError(f"argument {i} is not a Variable, but {type(g).__name__}")
        given = [*grads, *[None] * (len(self.output_specs) - len(grads))]
        nothing = all(g is None for g in grads)
        found = dict(zip(self.places, [None] * len(self.edges) if nothing else self.run(given, recorded=True)))
        results = tuple(found.get(place) for place in range(len(self.next_functions)))
        return results[0] if len(results) == 1 else results

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {id(self):#x}>"

    # ---- what was saved ----

    def unpack(self, recorded: bool = False) -> Sequence:
        """What was saved, after checking that nobody has overwritten it since; recorded: with its history."""
        values: Any = self.saved
        if values is None:
            raise RuntimeError(self._freed())
        if in_place_detachments:
            self._check_detached(values)
        for k, version in enumerate(self.versions):
            if version >= 0:
                counter = values[k]._counter
                if counter is not None and counter.n != version:
                    raise RuntimeError(self._overwritten(k))
            elif version == PACKED:
                values = list(values)
                values[k] = values[k].unpack()
        if recorded and self.saved_outputs:
            values = list(values)
            for k, nr in self.saved_outputs:
                again = values[k]._alias()  # differentiable once more: its history is this node
                again._grad_fn, again._output_nr, again._requires_grad = self, nr, True
                values[k] = again
        return values

    def keep_instead(self, k: int, value: Any, version: int) -> None:
        """Keep `value`, which is at `version`, in the place of the k-th saved value."""
        saved: Any = self.saved
        self.saved = [*saved[:k], value, *saved[k + 1 :]]
        self.versions = [*self.versions[:k], version, *self.versions[k + 1 :]]

    @property
    def saved_outputs(self) -> Sequence[tuple[int, int]]:
        """(k, nr) for each saved value k that is differentiable output nr of this very node."""
        raise NotImplementedError

    def saved_name(self, k: int) -> str:
        """What the k-th saved value is called."""
        raise NotImplementedError

    def _freed(self) -> str:
        return (
            f"Trying to backward through the graph a second time: {self.name()} has already been freed by an "
            "earlier backward. If this part of the graph comes from an earlier iteration (a hidden state, a loss "
            "summed across steps), cut it with .detach(); to really differentiate it twice, give "
            "retain_graph=True to the first backward."
        )

    def _check_detached(self, values: Sequence) -> None:
        """Refuse what was saved with a history and has lost it since."""
        for value in values:
            if getattr(value, "_detached_at", -1) > self.birth:
                raise RuntimeError(
                    f"Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(): {self.name()} saved it, "
                    f"of shape {tuple(value.shape)}. This is not supported, please use out-of-place `.detach()` instead"
                )

    def _overwritten(self, k: int) -> str:
        tensor = self.saved[k]  # type: ignore[index]
        lines = self.metadata.get("traceback_")
        return (
            "one of the variables needed for gradient computation has been modified by an inplace operation: the tensor "
            f"of shape {tuple(tensor.shape)} that {self.name()} saved as '{self.saved_name(k)}' is at version "
            f"{tensor._version}; expected version {self.versions[k]} instead. Give the in-place operation a clone(), or use "
            "its out-of-place form. "
            + (
                f"{self.name()} was recorded here:\n{lines[-1].rstrip()}"
                if lines
                else "Hint: minitorch.autograd.set_detect_anomaly(True) shows the line that recorded it."
            )
        )


class OpNode(Node):
    """The node of a recorded op: it runs the derivatives that the op's plan names."""

    __slots__ = ("birth", "edges", "hooks", "output_specs", "plan")

    plan: Any  # which derivatives run, and where in `saved` each finds what it names

    @property
    def op(self) -> Any:
        """The op whose call this was."""
        return self.plan.op

    def name(self) -> str:
        if "name" in self.metadata:  # a composite function gave it, or it was kept when the rest was freed
            return self.metadata["name"]
        op, plan = self.op, self.plan
        if not op.derivatives:
            return "torch::autograd::NotImplemented"
        if not op.grad_fn_asks:
            return op.grad_fn
        known = dict(zip(plan.names, self.saved or ()))
        known |= {"wanting": [op.parameters[i] for i in plan.targets], "out_shape": self.output_specs[0][0]}
        return op.grad_fn(*map(known.get, op.grad_fn_asks))

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        by_input = dict(zip(self.plan.targets, self.edges))
        return tuple(by_input.get(i) or (None, 0) for i in self.plan.positions)

    @property
    def places(self) -> list[int]:
        return [self.plan.positions.index(i) for i in self.plan.targets]

    @property
    def outputs_with_gradients(self) -> int:
        return self.plan.outputs_with_gradients or len(self.output_specs)

    @property
    def saved_outputs(self) -> Sequence[tuple[int, int]]:
        return self.plan.saved_outputs

    def saved_name(self, k: int) -> str:
        return self.plan.names[k]

    # Properties, not __getattr__: with that every look at a node, and backward is made of them, would be slower.
    _saved_self = property(lambda self: self.saved_value(self.op.inputs[0]), doc="The saved first input.")
    _saved_other = property(lambda self: self.saved_value(self.op.inputs[-1]), doc="The saved second input.")
    _saved_result = property(lambda self: self.saved_value("out"), doc="The saved output.")

    def saved_value(self, name: str) -> Any:
        """What was saved under this name: an input's, an option's, `out`."""
        if name not in self.plan.names:
            raise AttributeError(f"{self.name()} has saved {', '.join(self.plan.names) or 'nothing'}, not {name!r}")
        return self.unpack(grad_mode.enabled)[self.plan.names.index(name)]

    def run(self, grads: list, recorded: bool) -> list:
        """The gradients for `edges`, in their order, from the gradients of the outputs (None where none arrived).

        In a backward that is not recorded they are arrays, and so is what the derivatives compute with.
        """
        plan = self.plan
        saved = self.unpack(recorded) if self.versions else self.saved
        if recorded:
            return plan.on_tensors(grads, saved)
        if plan.by_twin is not None and (found := plan.by_twin(grads, saved, self.edges)) is not None:
            return found
        on_arrays = plan.on_arrays  # (what an object holds is called sooner from a name of its own)
        return on_arrays(grads, saved)

    def keep_copy(self, tensor: Any) -> None:
        """`tensor`, the op's first input, is about to be overwritten by this very op: what was saved of it becomes a copy.

        Given as another input too (`x.mul_(x)`), it is refused in backward, as in torch.
        """
        if self.saved and 0 in self.plan.arguments:
            k = self.plan.arguments.index(0)
            if self.saved[k] is tensor:
                self.keep_instead(k, tensor._before_write(apart=True), 0)

    def show_output(self, nr: int, tensor: Any) -> None:
        """Output `nr` was written into `tensor`, whose dtype its gradient has; what was saved of it is watched there from now on."""
        specs = enumerate(self.output_specs)
        self.output_specs = tuple((shape, tensor._array.dtype if k == nr else dtype) for k, (shape, dtype) in specs)
        for k, saved_nr in enumerate(self.plan.outputs, start=len(self.plan.arguments)):
            if saved_nr == nr and self.saved is not None and self.versions[k] != PACKED:
                self.keep_instead(k, tensor._alias(), tensor._version)

    def release(self) -> None:
        """Drop what was saved, so that memory is freed as the walk goes. Nodes that saved no tensor can run again."""
        if self.plan.holds_memory:
            if self.plan.named_by_saved:
                self.metadata["name"] = self.name()
            self.saved = None


def version_of(value: Any) -> int:
    """How often a value about to be saved has been written to; −1 for what is no tensor."""
    if not isinstance(value, hooks.Tensor):
        return -1
    return 0 if value._counter is None else value._counter.n
