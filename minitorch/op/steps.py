"""How the derivatives of a node are called: as one function, written down once for each plan.

A plan knows in which place of `saved` each name of a derivative is kept. So the calls of all its derivatives are put together as one
expression, `[d0(grads[0], saved[1]), d1(grads[0], saved[0])]`, and no name is looked up when backward runs. There are two such
functions: on Tensors, for a backward that is recorded, and on arrays. Read next: `plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

from ..arrays.batched import Batched
from ..arrays.device import shortcuts, xp_of
from ..arrays.recorded import Recorded, followed
from .half_precision import derivative_in_float32

if TYPE_CHECKING:
    from .plan import Derivative, Plan

# From the gradients of the outputs, and what was saved, to the gradients for the edges.
Steps = Callable[[list, Sequence], list]


class Places:
    """Where each name of a derivative is found when it runs, written as an expression of `grads` and `saved`."""

    def __init__(self, plan: Plan, n_inputs: int):
        self.declaration = plan.op.declaration
        self.tensors = {*plan.tensors, *range(len(plan.arguments), len(plan.arguments) + len(plan.outputs))}
        self.places: dict[str, int | range] = {}
        k = 0
        for name in plan.names:
            several = self.declaration.variadic and name in self.declaration.inputs
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


def together(
    derivatives: Sequence[Derivative],
    half: bool,
    given: Collection[str],
    expression: Callable[[str], str],
    hang_on: Sequence[str] = (),
) -> Steps:
    """All derivatives as one function. given: the inputs that are tensors; others, of a derivative for several, get nothing.

    hang_on: what their results depend on, if only with slope 0.
    """
    names: dict[str, Any] = {"compress": compress, "hanging": hanging}
    calls = []
    for k, d in enumerate(derivatives):
        names[f"d{k}"] = derivative_in_float32(d.function) if half else d.function
        call = f"d{k}({', '.join(map(expression, d.parameters))})"
        if not given.issuperset(d.of):  # type: ignore[attr-defined]
            call = f"compress({call}, {[n in given for n in d.of]})"
        if hang_on:
            call = f"hanging({call}, [{', '.join(map(expression, hang_on))}])"
        calls.append(f"*{call}" if d.gives_list else call)
    return eval(f"lambda grads, saved: [{', '.join(calls)}]", names)


def hanging(g: Any, values: Sequence) -> Any:
    """A gradient that depends on all of these that require grad: their second derivative is 0, not missing."""
    from ..ops.shape import hang

    for x in values:
        if getattr(x, "_requires_grad", False):
            g = hang(g, x)
    return g


def by_twin(
    twin: Derivative, name: str, wanted: list[str], expression: Callable[[str], str]
) -> Callable[[list, Sequence, Sequence], list | None]:
    """The derivatives' faster form: the wanted gradients, or None where it does not serve.

    A twin that has one more form, `in_shapes`, is told in which shapes their receivers want them, and may sum what was broadcast.
    """
    values = ", ".join(map(expression, twin.parameters))
    call = eval(f"lambda xp, grads, saved: twin(xp, {values})", {"twin": twin.function})
    following = eval(
        f"lambda xp, grads, saved: twin(xp, {values})", {"twin": followed(twin.function, f"backward of {name}")}
    )
    sums = getattr(twin.function, "in_shapes", None)
    summing = sums and eval(f"lambda xp, shapes, grads, saved: twin(xp, shapes, {values})", {"twin": sums})
    picks = [twin.of.index(n) for n in wanted]
    places = [wanted.index(n) if n in wanted else None for n in twin.of]

    def run(grads: list, saved: Sequence, edges: Sequence) -> list | None:
        if not shortcuts.enabled:
            return None
        g = grads[0]
        if g is None:  # of several outputs, another one has a gradient
            g = next(each for each in grads if each is not None)
        if type(g) is Batched or (type(g) is Recorded and g.record.takes_formula(name)):
            return None
        if summing is not None and type(g) is not Recorded:
            found = summing(xp_of(g), [k if k is None else _wanted_shape(edges[k]) for k in places], grads, saved)
        else:
            found = (following if type(g) is Recorded else call)(xp_of(g), grads, saved)
        if found is None:
            return None
        several = found if isinstance(found, tuple) else (found,)
        return [several[k] for k in picks]

    return run


def _wanted_shape(edge: tuple | None) -> tuple[int, ...] | None:
    """The shape in which the receiver at the end of an edge wants its gradient."""
    return None if edge is None else edge[0].output_specs[edge[1]][0]
