"""What a derivative asks for, and what a recorded call keeps because of it.

A `Derivative` is a function whose parameter names say what it needs: inputs, options and outputs of its op, shapes of inputs, upstream
gradients. A `Plan` is made once for each kind of call: which derivatives run, what they make the node keep, and where each finds what
it names. Read next: `autograd/node.py`, the node that a plan leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..autograd.leaves import gradient_edge
from ..autograd.node import OpNode, announce, birth, new, watchers
from .steps import Places, by_twin, together

if TYPE_CHECKING:
    from .door import Op


class Derivative:
    """One derivative function of an op: which inputs it serves and which names it asks for."""

    def __init__(self, op: Op, of: Sequence[str], function: Callable, is_twin: bool = False):
        self.of, self.function = tuple(of), function
        code = function.__code__
        self.parameters = code.co_varnames[: code.co_argcount][is_twin:]  # a twin has xp before the names
        declaration = op.declaration
        self.gives_list = len(self.of) > 1 or declaration.variadic
        gradients = {"g", *(f"g_{n}" for n in declaration.outputs[1:])}
        values = {*declaration.names, *declaration.outputs, *(f"{n}_shape" for n in declaration.inputs)}
        self.grads = tuple(n for n in self.parameters if n in gradients)
        self.names = tuple(n for n in self.parameters if n not in gradients)
        unknown = [n for n in self.names if n not in values] + [n for n in self.of if n not in declaration.inputs]
        if unknown:
            raise NameError(
                f"the derivative of {declaration.name} names {unknown[0]!r}; it can name {', '.join(sorted(values | gradients))}"
            )


class Plan:
    """For one kind of call: which derivatives run, and what they make the node keep."""

    def __init__(
        self,
        op: Op,
        derivatives: Sequence[Derivative],
        twin: Derivative | None,
        tensors: Sequence[int],
        n_inputs: int,
        half: bool,
    ):
        self.op, self.n_inputs = op, n_inputs
        self._keep([*derivatives, *filter(None, [twin])], tensors)
        self._aim(derivatives, tensors)
        places = Places(self, n_inputs)
        variadic = op.declaration.variadic
        given = {*op.inputs} if variadic else {op.parameters[i] for i in tensors if i < len(op.parameters)}
        kept = [n for n in self.names if n in (*op.inputs, *op.declaration.outputs)]
        self.on_tensors = together(derivatives, half, given, places.expression, kept if op.declaration.flat else ())
        self.on_arrays = together(derivatives, half, given, places.expression_of_arrays)
        wanted = [n for d in derivatives for n in d.of if n in given]
        self.by_twin = twin and by_twin(twin, op.__name__, wanted, places.expression_of_arrays)
        self.output_specs: tuple = ((None, None),)  # the last call's

    def _keep(self, derivatives: Sequence[Derivative], tensors: Sequence[int]) -> None:
        """What the node keeps, in this order: arguments of the call, outputs, shapes of inputs."""
        declaration, places = self.op.declaration, self.op.positions_of
        options = [n for n in self.op.grad_fn_asks if n in declaration.names and n not in declaration.inputs]
        asked = dict.fromkeys([n for d in derivatives for n in d.names] + options)
        of_call = [n for n in asked if n in declaration.names]
        outputs = [n for n in asked if n in declaration.outputs and n not in of_call]
        shapes = [n for n in asked if n not in of_call and n not in outputs]
        self.names = (*of_call, *outputs, *shapes)
        self.named_by_saved = not set(self.names).isdisjoint(self.op.grad_fn_asks)
        self.arguments = tuple(i for n in of_call for i in places(n, self.n_inputs))
        self.pick = _picker(self.arguments)
        self.outputs = tuple(declaration.outputs.index(n) for n in outputs)
        # Where each is found, and whether it is a tensor's there; of a list of inputs there are several.
        self.shapes = [[(i, i in tensors) for i in places(n.removesuffix("_shape"), self.n_inputs)] for n in shapes]
        self.saves_results = bool(outputs or shapes)
        self.tensors = tuple(k for k, i in enumerate(self.arguments) if i in tensors)  # those of the kept that are tensors
        # The versions of what is kept, if nobody has written to it; outputs are new.
        self.unwritten = (*(0 if i in tensors else -1 for i in self.arguments), *(0 for _ in outputs))
        wraps = declaration.wraps_numbers and any(n in declaration.inputs for n in of_call)
        self.holds_memory = bool(self.tensors or outputs or wraps or self.op.holds_indices(of_call))

    def _aim(self, derivatives: Sequence[Derivative], tensors: Sequence[int]) -> None:
        """Where gradients come from and go to."""
        declaration, places = self.op.declaration, self.op.positions_of
        self.grads = frozenset(n for d in derivatives for n in d.grads)
        nrs = [nr for nr in range(len(declaration.outputs)) if declaration.gradient_name(nr) in self.grads]
        self.with_gradients = frozenset(nrs)
        self.outputs_with_gradients = max(nrs, default=0) + 1 if declaration.outputs else 0  # 0: a list, all of it
        kept_outputs = enumerate(self.outputs, start=len(self.arguments))
        self.saved_outputs = tuple((k, nr) for k, nr in kept_outputs if declaration.gradient_name(nr) in self.grads)
        # The arguments that may have a gradient, and those that get one, in the order in which the derivatives give them.
        self.positions = tuple(i for n in declaration.differentiable for i in places(n, self.n_inputs))
        self.targets = tuple(i for d in derivatives for n in d.of for i in places(n, self.n_inputs) if i in tensors)

    def record(self, args: tuple, outs: Sequence) -> OpNode:
        """The node of a call: where its gradients go, and what its derivatives will ask for, with the versions of tensors."""
        node = new(OpNode)
        node.plan, node.hooks = self, None
        node.edges = edges = []
        for i in self.targets:
            x = args[i]
            maker = x._grad_fn
            edges.append((maker, x._output_nr) if type(maker) is OpNode else gradient_edge(x))
        node.birth = birth()  # after its inputs, whose nodes may have been made just now
        pick = self.pick
        saved = node.saved = pick(args) if not self.saves_results else (*pick(args), *self._results(args, outs))
        node.versions = self.unwritten
        for k in self.tensors:
            counter = saved[k]._counter
            if counter is not None and counter.n:  # most of what is saved has never been written to; parameters have
                versions: Any = node.versions
                if versions is self.unwritten:
                    node.versions = versions = list(versions)
                versions[k] = counter.n
        specs = self.output_specs  # calls mostly come in the same shapes: then they share what the last one had
        array, (shape, dtype) = outs[0]._array, specs[0]
        if len(outs) > 1:
            specs = tuple([(out._array.shape, out._array.dtype) for out in outs])
        elif array.shape != shape or array.dtype is not dtype:
            specs = self.output_specs = ((array.shape, array.dtype),)
        node.output_specs = specs
        if watchers:
            announce(node, args, outs)
        return node

    def _results(self, args: tuple, outs: Sequence) -> list:
        """Of what is kept, outputs (under another object: they will point back to the node) and shapes."""
        kept = [outs[nr]._alias() for nr in self.outputs]
        for places in self.shapes:
            if self.op.declaration.variadic:
                kept.append([args[i]._array.shape if is_tensor else () for i, is_tensor in places])
            else:
                i, is_tensor = places[0]
                kept.append(args[i]._array.shape if is_tensor else ())
        return kept


def _picker(positions: tuple[int, ...]) -> Callable[[tuple], tuple]:
    """The function that picks these of a call's arguments, as a tuple. (itemgetter with one index returns a bare value.)"""
    if len(positions) > 1:
        return itemgetter(*positions)
    first = positions[0] if positions else 0
    return itemgetter(slice(first, first + len(positions)))


def make_plan(op: Op, wanted: Sequence[int], tensors: Sequence[int], n_inputs: int, half: bool, where: str) -> Plan | None:
    """The plan for a call in which these arguments want gradients, or None if there can be none."""
    declaration = op.declaration
    if declaration.discrete:
        return None
    names = {op.parameters[0]} if declaration.variadic else {op.parameters[i] for i in wanted}
    names &= {*declaration.differentiable}
    if not names:
        return None
    derivatives: list[Any] = [d for d in op.derivatives if names.intersection(d.of)]
    missing = names - {n for d in op.derivatives for n in d.of}
    refusal = partial(_not_implemented, op.__name__) if op.derivatives else lambda n: _no_derivative(op.__name__)
    derivatives += [Derivative(op, [n], refusal(n)) for n in sorted(missing)]
    targets = {n for d in derivatives for n in d.of}
    twin = next((d for d in op.twin_derivatives.get(where, ()) if targets <= set(d.of)), None)
    return Plan(op, derivatives, twin, tensors, n_inputs, half)


def _not_implemented(op: str, name: str) -> Callable:
    """The derivative by one input that nobody has written, of an op that has others."""

    def missing(g: Any) -> Any:
        raise NotImplementedError(
            f"the derivative for '{op}: {name}' is not implemented; detach() that input if no gradient is wanted there"
        )

    return missing


def _no_derivative(op: str) -> Callable:
    """The derivative of an op that has none."""

    def none(g: Any) -> Any:
        raise RuntimeError(
            f"derivative for aten::{op} is not implemented; detach() its inputs if no gradient is wanted there"
        )

    return none
