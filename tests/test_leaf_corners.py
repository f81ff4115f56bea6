"""What becomes of a leaf that is given other memory while a graph that used it is alive: on both libraries, from tables."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from both import Scenarios, agree

SCENARIOS = Scenarios()

REPLACED: dict[str, Callable[[Any, Any], Any]] = {
    "double": lambda lib, x: x.data.double(),
    "half": lambda lib, x: x.data.half(),
    "bfloat16": lambda lib, x: x.data.bfloat16(),
    "the same dtype": lambda lib, x: x.data * 2,
    "integers": lambda lib, x: x.data.long(),
    "bools": lambda lib, x: x.data > 0,
    "more": lambda lib, x: lib.ones(3),
    "more, and double": lambda lib, x: lib.ones(3, dtype=lib.float64),
    "nothing": lambda lib, x: lib.ones(0),
    "a row": lambda lib, x: x.data.view(1, 2),
    "a leaf": lambda lib, x: lib.ones(2, requires_grad=True),
    "a result": lambda lib, x: lib.ones(2, requires_grad=True) * 3,
    "a number": lambda lib, x: 3.0,
    "None": lambda lib, x: None,
}

USES: dict[str, Callable[[Any, Any, Any, Callable[[], None]], Any]] = {
    "used again": lambda lib, x, old, replace: (replace(), (x * 3).sum().backward()),
    "the old graph alone": lambda lib, x, old, replace: (replace(), old.backward()),
    "both": lambda lib, x, old, replace: (replace(), (old + (x * 3).sum()).backward()),
    "after the old graph": lambda lib, x, old, replace: (old.backward(), replace(), (x * 3).sum().backward()),
    "with no gradient yet": lambda lib, x, old, replace: (old.backward(), setattr(x, "grad", None), replace(), (x * 3).sum().backward()),
    "grad": lambda lib, x, old, replace: (replace(), lib.autograd.grad((x * 3).sum(), x)),
    "grad of the old graph": lambda lib, x, old, replace: (replace(), lib.autograd.grad(old, x)),
    "grad of both": lambda lib, x, old, replace: (replace(), lib.autograd.grad(old + (x * 3).sum(), x)),
    "of the old result": lambda lib, x, old, replace: of_a_result(lib, x),
    "the leaf's node": lambda lib, x, old, replace: leafs_node(x, replace),
    "to inputs": lambda lib, x, old, replace: (replace(), (x * 3).sum().backward(inputs=[x])),
    "without requiring grad": lambda lib, x, old, replace: (x.requires_grad_(False), replace(), told(x.requires_grad_(x.is_floating_point()))),
    "recorded": lambda lib, x, old, replace: (replace(), (x**2).sum().backward(create_graph=True), x.grad.requires_grad),
}  # fmt: skip


def told(x: Any) -> Any:
    return x.requires_grad, x.is_leaf


def of_a_result(lib: Any, x: Any) -> None:
    y = x * 2
    y.data = y.data.view(1, 2)
    (y * 3).sum().backward()


def leafs_node(x: Any, replace: Callable[[], None]) -> Any:
    before = (x * 2).grad_fn.next_functions[0][0]
    kept = x * 2
    replace()
    return kept.grad_fn.next_functions[0][0] is before, (x * 2).grad_fn.next_functions[0][0] is before


def replaced(lib: Any, new: str, use: str) -> Any:
    """The gradient, what the leaf's hooks saw, and the leaf."""
    x, seen = lib.tensor([1.0, 2.0], requires_grad=True), []
    x.register_hook(lambda g: seen.append((tuple(g.shape), g.detach().clone())))
    x.register_post_accumulate_grad_hook(lambda p: seen.append((tuple(p.grad.shape), p.grad.detach().clone())))
    old = (x * 2).sum()

    def replace() -> None:
        x.data = REPLACED[new](lib, x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = USES[use](lib, x, old, replace)
    return found, x.grad, seen, x, told(x)


def module_converted(lib: Any, how: str, graph_before: bool, gradient_before: bool) -> Any:
    """A module whose parameters change their dtype while a graph that used them is alive."""
    lib.manual_seed(0)
    m = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.LayerNorm(3), lib.nn.PReLU())
    loss = m(lib.ones(1, 2)).sum() if graph_before else None
    if gradient_before:
        m(lib.ones(1, 2)).sum().backward()
    HOW[how](lib, m)
    m(lib.ones(1, 2, dtype=m[0].weight.dtype)).sum().backward()
    return loss is None, [str(p.grad.dtype).partition(".")[2] for p in m.parameters()]


HOW: dict[str, Callable[[Any, Any], Any]] = {
    "double": lambda lib, m: m.double(),
    "half": lambda lib, m: m.half(),
    "bfloat16": lambda lib, m: m.bfloat16(),
    "to": lambda lib, m: m.to(lib.float64),
    "there and back": lambda lib, m: m.double().float(),
    "one of them": lambda lib, m: m.float()[0].double() and m[1:].double(),
    "loaded": lambda lib, m: m.load_state_dict({k: v.double() for k, v in m.state_dict().items()}, assign=True),
}

IN_PLACE: dict[str, Callable[[Any], Any]] = {
    "unsqueeze_": lambda x: x.unsqueeze_(0),
    "unsqueeze_ behind": lambda x: x.unsqueeze_(1),
    "and back": lambda x: x.unsqueeze_(0).squeeze_(),
    "t_": lambda x: x.unsqueeze_(0).t_(),
    "zero_": lambda x: x.zero_(),
}


def changed_in_place(lib: Any, how: str) -> Any:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    old = (x * 2).sum()
    with lib.no_grad():
        IN_PLACE[how](x)
    (x * 3).sum().backward()
    return x.grad, x, old


USED: dict[str, Callable[[list], Any]] = {
    "by one call": lambda leaves: leaves[0] + leaves[1],
    "the other way round": lambda leaves: leaves[1] - leaves[0],
    "one after the other": lambda leaves: leaves[0] * 2 + leaves[1] * 3,
}


def moved_into_the_graph(lib: Any, how: str, which: int) -> Any:
    """One of two leaves is none any more: backward fails there, and the gradient of the other tells which had its turn first."""
    leaves = [lib.ones(2, requires_grad=True) for _ in range(2)]
    out = USED[how](leaves).sum()
    leaves[which].requires_grad_(False)
    leaves[which].copy_(lib.ones(2, requires_grad=True) * 2)
    failed = False
    try:
        out.backward()
    except RuntimeError:
        failed = True
    return failed, leaves[1 - which].grad


for body, columns in (
    (replaced, [(new, use) for new in REPLACED for use in USES]),
    (module_converted, [(how, graph, gradient) for how in HOW for graph in (False, True) for gradient in (False, True)]),
    (changed_in_place, [(how,) for how in IN_PLACE]),
    (moved_into_the_graph, [(how, which) for how in USED for which in (0, 1)]),
):
    for row in columns:
        made = functools.partial(lambda body, row, lib: body(lib, *row), body, row)
        made.__name__ = f"{body.__name__}: {', '.join(map(str, row))}"  # type: ignore[attr-defined]
        SCENARIOS.add(made)


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
