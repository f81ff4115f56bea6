"""Views, on both libraries: each view × each write × each hook, turns in place, and what memory a view shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add

VIEWS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda y: y[:],
    "view": lambda y: y.view(4),
    "transposed": lambda y: y.t(),
    "expanded": lambda y: y.expand(2, 2, 2),
    "row": lambda y: y[1],
    "column": lambda y: y[:, 1:],
    "diagonal of a view": lambda y: y.view(2, 2).diagonal(),
    "one of several": lambda y: y.unbind()[0],
    "windows": lambda y: y.unfold(1, 1, 1),
    "strided": lambda y: y.as_strided((2,), (2,), 1),
}

WRITES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "none": lambda lib, v, y: None,
    "through the view": lambda lib, v, y: v.mul_(2),
    "through its part": lambda lib, v, y: v[:1].mul_(2),
    "the base": lambda lib, v, y: y.mul_(2),
    "another view": lambda lib, v, y: y[:1].mul_(2),
    "an element": lambda lib, v, y: v.__setitem__(0, 3.0),
    "the view, unrecorded": lambda lib, v, y: unrecorded(lib, v),
    "the base, unrecorded": lambda lib, v, y: unrecorded(lib, y),
    "detached": lambda lib, v, y: v.detach().mul_(2),
    "data": lambda lib, v, y: v.data.mul_(2),
    "read and written": lambda lib, v, y: v.add_(y.sum() * v.detach()),
    "turned": lambda lib, v, y: v.unsqueeze_(0),
    "base turned": lambda lib, v, y: y.transpose_(0, 1),
}


def unrecorded(lib: Any, t: Any) -> None:
    with lib.no_grad():
        t.mul_(2)


def ten_times(told: list) -> Callable[[Any], Any]:
    """A hook that notes the gradient and gives ten times as much."""

    def hook(g: Any) -> Any:
        told.append(g.tolist())
        return g * 10

    return hook


def of_node(told: list) -> Callable[..., Any]:
    """The same for a node, before it runs."""
    return lambda grads: (ten_times(told)(grads[0]),)


HOOKS: dict[str, Callable[[Any, Any, list], Any]] = {
    "on the view": lambda v, y, told: v.register_hook(ten_times(told)),
    "on the base": lambda v, y, told: y.register_hook(ten_times(told)),
    "view retains": lambda v, y, told: v.retain_grad(),
    "base retains": lambda v, y, told: y.retain_grad(),
    "view retains, with a hook": lambda v, y, told: (v.register_hook(ten_times(told)), v.retain_grad()),
    "on the view's node": lambda v, y, told: v.grad_fn.register_prehook(of_node(told)),
    "on the base's node": lambda v, y, told: y.grad_fn.register_prehook(of_node(told)),
}


def retained(t: Any) -> Any:
    return t.grad if t.retains_grad else None


def watched(view: str, hook: str, write: str) -> Callable[[Any], Any]:
    """A view with a hook, used before and after a write: what arrives where, and which nodes there are."""

    def scenario(lib: Any) -> Any:
        x = lib.arange(1.0, 5.0, dtype=lib.float64).view(2, 2).requires_grad_()
        y = x.clone()
        v = VIEWS[view](y)
        told: list = []
        HOOKS[hook](v, y, told)
        before = v * 3
        WRITES[write](lib, v, y)
        names = v.grad_fn.name(), y.grad_fn.name()
        later = v.register_hook(lambda g: told.append(("later", g.tolist())))
        (v.sum() * 7 + (y * y).sum() + before.sum()).backward()
        later.remove()
        return x.grad, told, retained(v), retained(y), names, v._version, tuple(v.shape), tuple(y.shape)

    scenario.__name__ = f"{view}, {hook}, {write}"
    return scenario


for parts in itertools.product(VIEWS, HOOKS, WRITES):
    scenario(watched(*parts))


TURNS: dict[str, Callable[[Any], Any]] = {
    "unsqueeze_": lambda v: v.unsqueeze_(-1),
    "transpose_": lambda v: v.transpose_(0, -1),
    "t_": lambda v: v.t_(),
    "squeeze_": lambda v: v.squeeze_(),
    "squeeze_ one": lambda v: v.squeeze_(0),
    "squeeze_ some": lambda v: v.squeeze_((0, -1)),
    "swapdims_": lambda v: v.swapdims_(0, -1),
    "swapaxes_": lambda v: v.swapaxes_(-1, 0),
    "as_strided_": lambda v: v.as_strided_((2,), (1,), 0),
    "as_strided_ twice": lambda v: v.as_strided_((2, 2), (2, 1)).as_strided_((2,), (1,)),
}

TURNED: dict[str, Callable[[Any], Any]] = {
    "itself": lambda y: y,
    "view": lambda y: y.view(-1),
    "part": lambda y: y.view(9)[:6].view(2, 3),
    "row": lambda y: y[1:2],
    "column": lambda y: y[:, 1:2],
    "transposed": lambda y: y.t(),
    "detached": lambda y: y.detach(),
    "data": lambda y: y.data,
    "one of several": lambda y: y.unbind()[0],
}


def counted(v: Any) -> Any:
    """Σ k · vₖ, so that each element matters differently."""
    return sum((k + 1) * each for k, each in enumerate(v.reshape(-1).unbind()))


AFTER: dict[str, Callable[[Any, Any], Any]] = {
    "read": lambda v, y: counted(v) + counted(y * y),
    "write": lambda v, y: (v.mul_(v.detach() * 2), counted(v) + counted(y * y))[1],
    "write to the base": lambda v, y: (y.mul_(y.detach() * 2), counted(v) + counted(y * y))[1],
}


def turned(turn: str, view: str, after: str, recorded: bool) -> Callable[[Any], Any]:
    """A view that is turned in place, beside another view; then both are used."""

    def scenario(lib: Any) -> Any:
        x = lib.arange(1.0, 10.0, dtype=lib.float64).view(3, 3).clone().requires_grad_()
        y = x * 2
        v, other = TURNED[view](y), y.view(-1)[2:5]
        with lib.set_grad_enabled(recorded):
            same = TURNS[turn](v) is v
        looks = tuple(v.shape), v.stride(), same, v._version, v._base is y, v._is_view(), v.is_leaf
        names = v.grad_fn and v.grad_fn.name(), y.grad_fn and y.grad_fn.name()
        loss = AFTER[after](v, y) + (other * other).sum()
        loss.backward()
        return looks, names, v, y, loss, x.grad

    scenario.__name__ = f"{turn} of {view}, {after}, {'recorded' if recorded else 'unrecorded'}"
    return scenario


for parts in itertools.product(TURNS, TURNED, AFTER, (True, False)):
    # (an unrecorded turn of what has its own history leaves it with a gradient of another shape than its node's)
    if parts[3] or parts[1] not in ("itself",):
        scenario(turned(*parts))


@scenario
def hooks_and_retained_gradients_stay_with_what_was_turned(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    y, told = x * 2, []
    y.register_hook(lambda g: told.append(tuple(g.shape)))
    y.retain_grad()
    y.unsqueeze_(0)
    y.register_hook(lambda g: told.append(("second", tuple(g.shape))))
    (y * y).sum().backward()
    return told, y.grad, x.grad


@scenario
def a_turned_tensor_has_hooks_of_its_own(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    y, told = x * 2, []
    y.unsqueeze_(0)
    y.register_hook(lambda g: told.append(tuple(g.shape)))
    (y * y).sum().backward()
    return told, x.grad


@scenario
def a_hook_registered_before_a_views_history_is_made_anew(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    v, told = y[:1], []
    v.register_hook(lambda g: told.append("first"))
    y.mul_(2)
    v.register_hook(lambda g: told.append("second"))
    v.grad_fn  # noqa: B018
    v.register_hook(lambda g: told.append("third"))
    v.sum().backward()
    return told, x.grad


@scenario
def views_of_a_base_that_begins_to_require_grad_by_a_write(lib):
    base, x = lib.zeros(4, dtype=lib.float64), leaf(lib, 1.0, 2.0)
    v, w = base[:2], base.view(2, 2)[1]
    with lib.no_grad():
        u = base[:]
    before = v.requires_grad, w.grad_fn
    w.copy_(x * 3)
    (v.sum() + (w * w).sum()).backward()
    return before, v.requires_grad, w.grad_fn.name(), u.requires_grad, x.grad, u.grad_fn


@scenario
def a_part_of_one_of_several_views_is_not_written_to(lib):
    y = leaf(lib, 1.0, 2.0) * 1
    y.view(2, 1).unbind()[0][:1].mul_(2)


@scenario
def a_history_is_made_anew_though_nothing_is_recorded(lib):
    y = leaf(lib, 1.0, 2.0) * 1
    v = y[:1]
    y.mul_(2)
    with lib.no_grad():
        return v.grad_fn.name()


@scenario
def what_retains_moves_at_once_with_a_write_through_it(lib):
    y = leaf(lib, 1.0, 2.0) * 1
    v, w = y[:1], y[1:]
    v.retain_grad(), w.retain_grad()
    before = v.sum() + w.sum()
    v.mul_(2)
    before.backward(retain_graph=True)
    return v.grad, w.grad, v.retains_grad


@scenario
def many_writes_through_many_views(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    y = x * 1
    rows = [y[k] for k in range(3)]
    for n in range(3):
        for k, row in enumerate(rows):
            row.mul_(y[(k + n) % 3].clone())
    y.sum().backward()
    return y, x.grad, [row.grad_fn.name() for row in rows]


@scenario
def second_derivative_through_strides(lib):
    x = leaf(lib, 1.0, 2.0, 3.0, 4.0)
    y = x * x
    y.view(2, 2).t()[1].mul_(y[1:3].clone())
    (g,) = lib.autograd.grad((y.as_strided((3, 2), (1, 1)) ** 2).sum(), x, create_graph=True)
    return g, lib.autograd.grad((g * g).sum(), x)


@scenario
def views_of_a_base_that_is_detached_in_place(lib):
    """A view without history of its own requires grad as long as its base does."""
    told = []
    for base in (leaf(lib, 1.0, 2.0), leaf(lib, 1.0, 2.0) * 2, lib.ones(2)):
        with lib.no_grad():
            early = base[1:]
        late = base[1:]
        base.requires_grad_()
        before = early.requires_grad, late.requires_grad
        base.detach_()
        told.append((before, [(v.requires_grad, v.grad_fn is None, v.is_leaf) for v in (base, early, late)]))
    return told


@scenario
def memory_that_a_view_shows(lib):
    x = lib.arange(24.0).view(2, 3, 4)
    views = [
        x,
        x[1],
        x[:, 1:],
        x.transpose(0, 2)[1],
        x.unfold(2, 2, 2)[1],
        x.as_strided((2,), (3,), 5),
        x.view(-1)[3:].detach(),
    ]
    one = x.untyped_storage().data_ptr()
    return [
        (v.storage_offset(), v.stride(), v.untyped_storage().data_ptr() == one, v.untyped_storage().nbytes()) for v in views
    ]


@scenario
def another_memory_for_a_tensor(lib):
    x, y = lib.zeros(3), lib.arange(4.0)
    v = x[1:]
    y[0] = x.set_(y)[3]
    x.mul_(2)
    return x, y, v, x._version, lib.zeros(2).set_()


for bad in ("(2,), (-1,)", "(2,), (1, 2)", "(9,), (1,)", "(2,), (1,), -1", "(2,), (9,)", "(-2,), (1,)", "2, 1"):
    exec(f"def refused(lib): lib.arange(4.0).as_strided({bad})")
    scenario(refused)  # type: ignore[name-defined]  # noqa: F821


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
