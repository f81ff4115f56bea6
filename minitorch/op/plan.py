"""What a derivative asks for, and what a recorded call keeps because of it.

A `Derivative` is a function whose parameter names are its wishes: inputs, options and outputs of its op, shapes of inputs, upstream
gradients. A `Plan` is made once for each set of inputs that want gradients: which derivatives run, what they make the node keep,
and where each finds what it names. Read next: `autograd/node.py`, which follows the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .half_precision import wide_derivative

if TYPE_CHECKING:
    from .door import Op


class Derivative:
    """One derivative function of an op: which inputs it serves and which names it asks for."""

    def __init__(self, op: Op, of: tuple[str, ...], function: Callable, fused: bool = False):
        self.function = function
        code = function.__code__
        names = list(code.co_varnames[: code.co_argcount])[fused:]  # a kernel's launch function has xp before the names
        allowed = {*op.parameters, *op.outputs, *(f"{n}_shape" for n in op.inputs)}
        gradients = {"g", *(f"g_{n}" for n in op.outputs[1:])}
        self.parameters = tuple(names)
        self.grads = tuple(n for n in names if n in gradients)
        self.names = tuple(n for n in names if n not in gradients)
        unknown = [n for n in self.names if n not in allowed] + [n for n in of if n not in op.inputs]
        if unknown:
            raise NameError(
                f"the derivative of {op.__name__} names {unknown[0]!r}; it can name {', '.join(sorted(allowed | gradients))}"
            )
        self.of = of


class Plan:
    """For one set of inputs that want gradients: which derivatives run, and what they make the node keep.

    names: what is kept, in the order the node keeps it: first arguments of the call (`arguments` says which), then
    outputs, then shapes of inputs. steps: each derivative with the places of its names in that order.
    """

    def __init__(self, op: Op, steps: list[tuple[Derivative, tuple[int, ...]]], n_inputs: int, wide: bool):
        self.op = op
        wanted = [op.parameters[i] for _, targets in steps for i in targets] if op.twin_derivatives else []
        fused = next((d for d in op.twin_derivatives.get("cuda", ()) if set(wanted) <= set(d.of)), None)
        asked = dict.fromkeys(n for d in (*(d for d, _ in steps), *filter(None, (fused,))) for n in d.names)
        arguments = [n for n in asked if n in op.parameters]
        outputs = [n for n in asked if n in op.outputs and n not in op.parameters]
        shapes = [n for n in asked if n not in arguments and n not in outputs]
        places, positions = _positions(op, arguments, n_inputs)
        places.update({n: len(positions) + k for k, n in enumerate([*outputs, *shapes])})
        self.names = (*arguments, *outputs, *shapes)
        self.arguments = positions
        self.pick = _picker(positions)  # those arguments, of the call's
        self.unwritten = (0,) * len(positions)  # their versions where nobody has written to them yet
        self.wants_options = any(n in op.defaults for n in arguments)
        self.metas: tuple = ((None, None),)  # the last node's: calls mostly come in the same shapes, and share it then
        self.outputs = tuple(op.outputs.index(n) for n in outputs)
        self.shapes = tuple(op.parameters.index(n.removesuffix("_shape")) for n in shapes)
        self.extras = bool(outputs or shapes)
        self.keeps_tensors = bool(outputs or set(arguments).intersection(op.tensors))
        self.joint = any(len(d.of) > 1 for d, _ in steps)  # then some targets may want no gradient, or be no tensor
        self.grads = frozenset(n for d, _ in steps for n in d.grads)
        numbered = enumerate(self.outputs, start=len(positions))
        self.saved_outputs = tuple((k, nr) for k, nr in numbered if op.gradient_name(nr) in self.grads)
        self.targets = tuple(i for _, targets in steps for i in targets)  # arguments that get a gradient, in order
        self.only_target = self.targets[0] if len(self.targets) == 1 and not self.joint else None
        self.positions = tuple(range(n_inputs)) if op.variadic else op.positions
        # Each derivative, where its parameters come from (the gradient of an output, or a kept value), and whether it
        # returns several gradients. `lone`: it takes `g` and at most one kept value, which is this one (−1: none).
        self.steps = tuple(
            (
                wide_derivative(d.function) if wide else d.function,
                _sources(d, places, op),
                len(d.of) > 1 or op.variadic,
                _lone(d, places, op),
            )
            for d, _ in steps
        )
        self.fused = fused and (fused.function, _sources(fused, places, op), tuple(map(fused.of.index, wanted)))
        # The commonest node by far: one derivative, of `g` and at most one kept value.
        function, _, several, lone = self.steps[0]
        simple = len(self.steps) == 1 and lone is not None and not several and self.fused is None
        self.simple = function if simple else None


def _picker(positions: tuple[int, ...]) -> Callable[[tuple], tuple]:
    """The function that picks these of a call's arguments, as a tuple (which an `itemgetter` of one place would not give)."""
    if len(positions) > 1:
        return itemgetter(*positions)
    first = positions[0] if positions else 0
    return itemgetter(slice(first, first + len(positions)))


def _sources(derivative: Derivative, places: dict[str, Any], op: Op) -> tuple[tuple[bool, Any], ...]:
    """Where each parameter of a derivative comes from: (True, the number of an output's gradient) or (False, a kept value's place)."""
    return tuple((True, op.output_of(n)) if n in derivative.grads else (False, places[n]) for n in derivative.parameters)


def _lone(derivative: Derivative, places: dict[str, Any], op: Op) -> int | None:
    """The place of the only kept value of a derivative f(g, value), −1 for f(g), None for all others."""
    first, *others = derivative.parameters
    if first != "g" or len(others) > 1 or op.variadic or op.output_list or any(n in derivative.grads for n in others):
        return None
    return places[others[0]] if others else -1


def _positions(op: Op, names: list[str], n_inputs: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Where a node keeps each named argument, and which arguments of the call those are.

    A list op's inputs are spread over the first `n_inputs` arguments, so their name stands for a slice.
    """
    places: dict[str, Any] = {}
    positions: list[int] = []
    for n in names:
        first, count = op.parameters.index(n), 1
        if op.variadic and n in op.inputs:
            count = n_inputs
        elif op.variadic:
            first += n_inputs - 1
        places[n] = slice(len(positions), len(positions) + count) if op.variadic and n in op.inputs else len(positions)
        positions.extend(range(first, first + count))
    return places, tuple(positions)


class Plans(dict):
    """The plans of an op by the `mask` of inputs that want gradients (`~mask` in half precision), made when first asked for."""

    def __init__(self, op: Op) -> None:
        self.op = op

    def __missing__(self, key: int) -> Plan | None:
        wide = key < 0
        plan = self[key] = make_plan(self.op, ~key if wide else key, self.op.n_inputs, wide)
        return plan


def make_plan(op: Op, mask: int, n_inputs: int, wide: bool = False) -> Plan | None:
    """The plan for the inputs in `mask`, or None if the op has no derivative for any of them; wide: for half precision."""
    if op.variadic:
        return Plan(op, [(op.derivatives[0], tuple(range(n_inputs)))], n_inputs, wide) if op.derivatives else None
    steps = []
    for derivative in op.derivatives:
        targets = tuple(op.parameters.index(n) for n in derivative.of)
        if any(mask >> t & 1 for t in targets):
            steps.append((derivative, targets))
    return Plan(op, steps, n_inputs, wide) if steps else None
