"""What a derivative asks for, and what a recorded call keeps because of it.

A `Derivative` is a function whose parameter names say what it needs: inputs, options and outputs of its op, shapes of inputs, upstream
gradients. A `Plan` is made once for each kind of call: which derivatives run, what they make the node keep, and where each finds what
it names. Read next: `autograd/node.py`, the node that a plan leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..arrays.device import use_kernels, xp_of
from ..autograd.node import OpNode, birth, gradient_edge, new, version_of, watchers
from .half_precision import derivative_in_float32

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
        self, op: Op, derivatives: Sequence[Any], twin: Derivative | None, tensors: Sequence[int], n_inputs: int, half: bool
    ):
        declaration = op.declaration
        asked = dict.fromkeys(n for d in (*derivatives, *filter(None, [twin])) for n in d.names)
        of_call = [n for n in asked if n in declaration.names]
        outputs = [n for n in asked if n in declaration.outputs and n not in of_call]
        shapes = [n for n in asked if n not in of_call and n not in outputs]
        self.op, self.names = op, (*of_call, *outputs, *shapes)  # in the order in which the node keeps them
        self.arguments = tuple(i for n in of_call for i in op.positions_of(n, n_inputs))
        self.pick = _picker(self.arguments)
        self.outputs = tuple(declaration.outputs.index(n) for n in outputs)
        self.shapes = tuple(op.positions_of(n.removesuffix("_shape"), n_inputs) for n in shapes)
        self.tensors = tuple(k for k, i in enumerate(self.arguments) if i in tensors)  # those of the kept that are tensors
        # The versions of what is kept, if nobody has written to it; outputs are new.
        self.unwritten = (*(0 if i in tensors else -1 for i in self.arguments), *(0 for _ in outputs))
        self.saves_results = bool(outputs or shapes)
        self.holds_memory = bool(self.tensors or outputs or op.holds_indices(of_call))

        self.grads = frozenset(n for d in derivatives for n in d.grads)
        kept_outputs = enumerate(self.outputs, start=len(self.arguments))
        self.saved_outputs = tuple((k, nr) for k, nr in kept_outputs if declaration.gradient_name(nr) in self.grads)
        self.positions = tuple(range(n_inputs)) if declaration.variadic else op.positions
        # The arguments that get a gradient, in the order in which the derivatives give them.
        self.targets = tuple(i for d in derivatives for n in d.of for i in op.positions_of(n, n_inputs))

        places = _Places(self, n_inputs)
        self.on_tensors = _together(derivatives, half, places.expression)
        self.on_arrays = _together(derivatives, half, places.expression_of_arrays)
        wanted = [n for d in derivatives for n in d.of]
        self.by_twin = twin and _by_twin(twin, [twin.of.index(n) for n in wanted], places.expression_of_arrays)
        self.output_specs: tuple = ((None, None),)  # the last call's

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
        node.saved = saved = pick(args)
        node.versions = self.unwritten
        for k in self.tensors:
            if saved[k]._counter is not None:  # hardly anything that is saved has ever been written to
                node.versions = [*map(version_of, saved), *self.unwritten[len(saved) :]]
        if self.saves_results:
            node.saved = (*saved, *self._results(args, outs))
        array, (shape, dtype) = outs[0]._array, self.output_specs[0]
        if len(outs) > 1 or array.shape != shape or array.dtype is not dtype:
            self.output_specs = tuple([(out._array.shape, out._array.dtype) for out in outs])
        node.output_specs = self.output_specs  # calls mostly come in the same shapes: then they share what the last one had
        if watchers:
            for watch in tuple(watchers):
                watch(node)
        return node

    def _results(self, args: tuple, outs: Sequence) -> list:
        """Of what is kept, outputs (under another object: they will point back to the node) and shapes."""
        kept = [outs[nr]._alias() for nr in self.outputs]
        for positions in self.shapes:
            shapes = [getattr(args[i], "shape", ()) for i in positions]
            kept.append(shapes if self.op.declaration.variadic else shapes[0])
        return kept


def _picker(positions: tuple[int, ...]) -> Callable[[tuple], tuple]:
    """The function that picks these of a call's arguments, as a tuple. (itemgetter with one index returns a bare value.)"""
    if len(positions) > 1:
        return itemgetter(*positions)
    first = positions[0] if positions else 0
    return itemgetter(slice(first, first + len(positions)))


class _Places:
    """Where each name of a derivative is found when it runs, written as an expression of `grads` and `saved`."""

    def __init__(self, plan: Plan, n_inputs: int):
        self.declaration = declaration = plan.op.declaration
        self.tensors = {*plan.tensors, *range(len(plan.arguments), len(plan.arguments) + len(plan.outputs))}
        self.places: dict[str, int | range] = {}
        k = 0
        for name in plan.names:
            several = declaration.variadic and name in declaration.inputs
            self.places[name] = range(k, k + n_inputs) if several else k
            k += n_inputs if several else 1

    def expression(self, name: str, array: str = "") -> str:
        """Of a gradient, or of what was saved."""
        if name == "g":
            return "grads[0]" if self.declaration.outputs else "grads"
        if name not in self.places:
            return f"grads[{self.declaration.outputs.index(name.removeprefix('g_'))}]"
        place = self.places[name]
        if isinstance(place, range):
            return f"[{', '.join(self._value(k, array) for k in place)}]"
        return self._value(place, array)

    def expression_of_arrays(self, name: str) -> str:
        """The same, where tensors' arrays are wanted."""
        return self.expression(name, "._array")

    def _value(self, k: int, array: str) -> str:
        return f"saved[{k}]{array if k in self.tensors else ''}"


def _together(
    derivatives: Sequence[Derivative], half: bool, expression: Callable[[str], str]
) -> Callable[[list, Sequence], list]:
    """All derivatives as one function: `[d0(grads[0], saved[1]), …]`, so that each name is looked up once, here."""
    functions = {f"d{k}": derivative_in_float32(d.function) if half else d.function for k, d in enumerate(derivatives)}
    calls = [f"{'*' * d.gives_list}d{k}({', '.join(map(expression, d.parameters))})" for k, d in enumerate(derivatives)]
    return eval(f"lambda grads, saved: [{', '.join(calls)}]", functions)


def _by_twin(
    twin: Derivative, picks: list[int], expression: Callable[[str], str]
) -> Callable[[list, Sequence], list | None]:
    """The derivatives' faster form: the wanted gradients, or None where it does not serve."""
    call = eval(f"lambda xp, grads, saved: twin(xp, {', '.join(map(expression, twin.parameters))})", {"twin": twin.function})

    def run(grads: list, saved: Sequence) -> list | None:
        if grads[0] is None or not use_kernels.enabled:
            return None
        found = call(xp_of(grads[0]), grads, saved)
        if found is None:
            return None
        several = found if isinstance(found, tuple) else (found,)
        return [several[k] for k in picks]

    return run


def make_plan(op: Op, wanted: Sequence[int], tensors: Sequence[int], n_inputs: int, half: bool, where: str) -> Plan | None:
    """The plan for a call in which these arguments want gradients, or None if the op has no derivative at all."""
    if not op.derivatives:
        return None
    declaration = op.declaration
    names = (
        {op.parameters[0]} if declaration.variadic else {op.parameters[i] for i in wanted} & {*declaration.differentiable}
    )
    if not names:
        return None
    derivatives: list[Any] = [d for d in op.derivatives if names.intersection(d.of)]
    missing = names - {n for d in op.derivatives for n in d.of}
    derivatives += [Derivative(op, [n], _not_implemented(op.__name__, n)) for n in sorted(missing)]
    targets = {n for d in derivatives for n in d.of}
    twin = next((d for d in op.twin_derivatives.get(where, ()) if targets <= set(d.of)), None)
    return Plan(op, derivatives, twin, tensors, n_inputs, half)


def _not_implemented(op: str, name: str) -> Callable:
    """The derivative that nobody has written."""

    def missing(g: Any) -> Any:
        raise NotImplementedError(
            f"the derivative for '{op}: {name}' is not implemented; detach() that input if no gradient is wanted there"
        )

    return missing
