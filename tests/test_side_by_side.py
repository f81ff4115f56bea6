"""Small parameters side by side: the same numbers as one by one, bit by bit, whatever happens between steps; and when it is done.

Each drawn program runs twice, with the twins and without. What a step may meet is in `GRADIENTS` and `EVENTS`.
"""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.kernels.cpu.optim import _seatings
from minitorch.optim import SGD, Adam, AdamW
from reference.optimizers import ROWS

pytestmark = pytest.mark.shortcuts

SHAPES = [(3, 2), (4,), (5000,), (), (1, 7), (0,), (2, 2), (2, 2)]


class Program:
    """Parameters, their optimizer, and what somebody outside holds of its state."""

    def __init__(self, name: str, options: dict[str, Any], dtypes: list[str], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.params = [self.leaf(shape, dtype) for shape, dtype in zip(SHAPES, dtypes)]
        self.optimizer = getattr(minitorch.optim, name)(self.params, **options)
        self.held: list[np.ndarray] = []

    def numbers(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        return np.asarray(self.rng.standard_normal(shape), dtype)

    def leaf(self, shape: tuple[int, ...], dtype: str) -> Any:
        return minitorch.from_numpy(self.numbers(shape, dtype)).requires_grad_()

    def state(self, param: Any) -> dict[str, Any]:
        return self.optimizer.state.get(param, {})

    def seen(self) -> list[Any]:
        """All that can be seen of it."""
        arrays = [(p._array, p._version) for p in self.params]
        for memory in self.optimizer.state.values():
            arrays += [(name, value._array, value._version) for name, value in memory.items() if value is not None]
        saved = self.optimizer.state_dict()
        places = [list(saved["state"]), [group["params"] for group in saved["param_groups"]]]
        return [*places, *map(list, arrays), *self.held]


def fresh(run: Program, p: Any) -> Any:
    return minitorch.from_numpy(run.numbers(p.shape, p.dtype.name))


def another_layout(run: Program, p: Any) -> Any:
    made = fresh(run, p)
    return made.t().clone().contiguous().t() if made.ndim == 2 else made


def in_a_buffer(run: Program, p: Any) -> Any:
    """Gradients that lie side by side in memory of their own."""
    buffer = minitorch.from_numpy(run.numbers((2 * p.numel(),), p.dtype.name))
    return buffer[p.numel() :].view(p.shape)


def the_one_before(run: Program, p: Any) -> Any:
    """The gradient of the last parameter is the last but one, if they go together: else it is not said which comes first."""
    other = run.params[-2]
    steps = [run.state(q).get("step", 0) for q in (p, other)]
    together = (
        p is run.params[-1]
        and other.grad is not None
        and steps[0] == steps[1]
        and run.state(p).keys() == run.state(other).keys()
    )
    return other.detach() if together else None


GRADIENTS: dict[str, Callable[[Program, Any], Any]] = {
    "fresh": fresh,
    "the same": lambda run, p: fresh(run, p) if p.grad is None else p.grad,
    "none": lambda run, p: None,
    "another layout": another_layout,
    "in a buffer": in_a_buffer,
    "expanded": lambda run, p: minitorch.tensor(0.5, dtype=p.dtype).expand(p.shape),
    "the parameter": lambda run, p: p.detach(),
    "the parameter, expanded": lambda run, p: p.detach().expand(p.shape),
    "the one before": the_one_before,
    "its memory": lambda run, p: next((value.detach() for name, value in run.state(p).items() if name != "step"), None),
}


def halve(run: Program) -> None:
    """In place."""
    for memory in run.optimizer.state.values():
        for value in memory.values():
            value.mul_(0.5)


def replace(run: Program) -> None:
    for memory in list(run.optimizer.state.values())[::2]:
        for name in memory:
            memory[name] = memory[name] + 1


def other_dtypes(run: Program) -> None:
    for memory in list(run.optimizer.state.values())[1::2]:
        for name in memory:
            memory[name] = memory[name].double()


def in_a_matrix(run: Program) -> None:
    """What is remembered lies side by side, but in memory of another shape."""
    for name in ("exp_avg", "momentum_buffer"):
        tensors = [memory[name] for memory in run.optimizer.state.values() if name in memory]
        for dtype in (minitorch.float32, minitorch.float64):
            some = [t for t in tensors if t.dtype is dtype and t.numel() < 1000]
            whole = np.zeros((1, sum(t.numel() for t in some)), dtype.name)
            for t, end in zip(some, np.cumsum([t.numel() for t in some])):
                t.data = minitorch.from_numpy(whole[0, end - t.numel() : end].reshape(t.shape))


def exchange(run: Program) -> None:
    """Two parameters of one shape and dtype take each other's state."""
    a, b = run.params[-2:]
    if a.dtype is b.dtype and a in run.optimizer.state and b in run.optimizer.state:
        run.optimizer.state[a], run.optimizer.state[b] = run.optimizer.state[b], run.optimizer.state[a]


def hold(run: Program) -> None:
    """NumPy arrays on the memory of the state show what later steps write there."""
    run.held += [value.numpy() for memory in run.optimizer.state.values() for value in memory.values()]


def forget(run: Program) -> None:
    for param in run.params[::3]:
        run.optimizer.state.pop(param, None)


def new_data(run: Program) -> None:
    for param in run.params[1::2]:
        param.data = param.data * 2


def turned(run: Program) -> None:
    run.params[0].data = run.params[0].data.t().contiguous().t()


def shared(run: Program) -> None:
    """Two parameters that are the same memory."""
    run.params[-1].data = run.params[-2].data.view(run.params[-1].shape)
    run.params[-1].grad = None


def load(run: Program) -> None:
    run.optimizer.load_state_dict(copy.deepcopy(run.optimizer.state_dict()))


def load_a_file(run: Program) -> None:
    file = io.BytesIO()
    minitorch.save(run.optimizer.state_dict(), file)
    file.seek(0)
    run.optimizer.load_state_dict(minitorch.load(file))


def copied(run: Program) -> None:
    run.optimizer = copy.deepcopy(run.optimizer)
    run.params = [param for group in run.optimizer.param_groups for param in group["params"]]


def pickled(run: Program) -> None:
    run.optimizer = pickle.loads(pickle.dumps(run.optimizer))
    run.params = [param for group in run.optimizer.param_groups for param in group["params"]]


def new_group(run: Program) -> None:
    made = [run.leaf((3,), "float32") for _ in range(4)]
    run.params = run.params[:2] + made + run.params[2:]
    run.optimizer.add_param_group({"params": made, "weight_decay": 0.1})


def options(run: Program) -> None:
    for group in run.optimizer.param_groups:
        group.update(lr=group["lr"] / 2, weight_decay=0.3, maximize=not group["maximize"])


EVENTS: dict[str, Callable[[Program], None]] = {
    "nothing": lambda run: None,
    "halve the state": halve,
    "replace the state": replace,
    "other dtypes": other_dtypes,
    "state in a matrix": in_a_matrix,
    "exchange states": exchange,
    "hold the state": hold,
    "forget some state": forget,
    "count a step": lambda run: [m["step"].add_(1) for m in list(run.optimizer.state.values())[:2] if "step" in m],
    "new data": new_data,
    "turn a parameter": turned,
    "share memory": shared,
    "reverse the order": lambda run: run.optimizer.param_groups[0]["params"].reverse(),
    "load": load,
    "load a file": load_a_file,
    "copy": copied,
    "pickle": pickled,
    "new group": new_group,
    "other options": options,
}


def run(plan: list[tuple[str, list[str]]], *args: Any) -> list[Any]:
    """What is seen after each step of the program: after an event one with the drawn gradients, then three ordinary ones."""
    program, found = Program(*args), []
    for event, drawn in plan:
        EVENTS[event](program)
        for kinds in (drawn * 2, *[["fresh"] * 16] * 3):
            for param, kind in zip(program.params, kinds):
                value = GRADIENTS[kind](program, param)
                fits = value is not None and value.shape == param.shape and value.dtype is param.dtype
                param.grad = value if fits else None
            program.optimizer.step()
            found.append([copy.deepcopy(each) for each in program.seen()])
    return found


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def plans() -> Any:
    usual = st.just("fresh") | st.sampled_from(sorted(GRADIENTS))
    kinds = st.lists(st.just("fresh"), min_size=8, max_size=8) | st.lists(usual, min_size=8, max_size=8)
    events = st.just("nothing") | st.sampled_from(sorted(EVENTS))
    return st.lists(st.tuples(events, kinds), min_size=2, max_size=5)


@pytest.mark.parametrize("row", [row for row in ROWS if getattr(minitorch.optim, row.name)._twins], ids=lambda row: row.name)
@given(data=st.data())
@settings(max_examples=2 * settings().max_examples)
def test_the_same_bits_as_one_by_one(row, data):
    options = data.draw(row.options, label="options")
    dtypes = data.draw(
        st.sampled_from([["float32"] * 8, ["float64"] * 8, ["float32", "float64"] * 4, ["float32"] * 6 + ["float16"] * 2]),
        label="dtypes",
    )
    plan, seed = data.draw(plans(), label="plan"), data.draw(st.integers(0, 99), label="seed")
    found = []
    for twins in (True, False):
        with mock.patch.object(shortcuts, "enabled", twins):
            found.append(run(plan, row.name, options, dtypes, seed))
    for k, (a, b) in enumerate(zip(*found, strict=True)):
        assert same(a, b), f"after step {k}: {a} one by one {b}"


# ---- when it is done -------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many numbers each run of a rule is over."""
    found: list[int] = []

    def counted(rule: Callable[..., None]) -> Callable[..., None]:
        def run(self: Any, group: Any, now: Any, θ: Any, *arrays: Any) -> None:
            found.append(θ.size)
            rule(self, group, now, θ, *arrays)

        return run

    for optimizer in (Adam, SGD):
        monkeypatch.setattr(optimizer, "_rule", counted(optimizer._rule))
    return found


def leaves(*shapes: tuple[int, ...], dtype: str = "float32") -> list[Any]:
    made = [minitorch.randn(shape, dtype=getattr(minitorch, dtype)).requires_grad_() for shape in shapes]
    for param in made:
        param.grad = minitorch.randn_like(param)
    return made


SMALL = [(3, 2), (4,), (), (5, 5)]  # 36 numbers
MOMENTUM = {"momentum": 0.9}


@pytest.mark.parametrize(("kind", "options"), [(Adam, {}), (AdamW, {"amsgrad": True}), (SGD, MOMENTUM)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_parameters_make_one_run(kind: Any, options: dict[str, Any], dtype: str, runs: list[int]) -> None:
    params = leaves((5000,), *SMALL, dtype=dtype)
    optimizer = kind(params, lr=0.1, **options)

    def steps(n: int) -> list[int]:
        runs.clear()
        for _ in range(n):
            optimizer.step()
        return runs

    one_by_one = [5000, 6, 4, 1, 25]
    assert steps(3) == one_by_one + one_by_one + [36, 5000]  # the state moves together after the first step
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(3) == one_by_one + [36, 5000, 36, 5000]
    params[1].data = params[1].data.clone()
    assert steps(2) == one_by_one + [36, 5000]
    params[1].grad = params[1].detach()  # the gradient is what the step writes
    assert steps(1) == one_by_one
    for param in params[1:]:
        param.grad = None
    assert steps(1) == [5000]


def thrice(optimizer: Any) -> None:
    """So often parameters that come in the same way must come before they go together."""
    for _ in range(3):
        optimizer.step()


def apart(params: list[Any]) -> list[int]:
    return [param.numel() for param in params]


@pytest.mark.parametrize("options", [{"fused": False}, {"foreach": True}, {"foreach": False}])
def test_not_where_another_form_is_chosen(options: dict[str, Any], runs: list[int]) -> None:
    thrice(Adam(params := leaves(*SMALL), **options))
    assert runs == apart(params) * 3


def test_one_switch_turns_it_off(runs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", False)
    thrice(Adam(params := leaves(*SMALL)))
    assert runs == apart(params) * 3


def test_not_for_few_nor_without_momentum_nor_in_half_precision(runs: list[int]) -> None:
    thrice(Adam(few := leaves(*SMALL[:3]) + leaves(*SMALL[:3], dtype="float64")))
    thrice(SGD(plain := leaves(*SMALL)))
    thrice(Adam(half := leaves(*SMALL, dtype="float16")))
    assert runs == apart(few) * 3 + apart(plain) * 3 + apart(half) * 3


def test_parameters_in_other_steps_go_apart(runs: list[int]) -> None:
    optimizer = Adam(params := leaves(*SMALL, *SMALL))
    for param in params[:4]:
        param.grad = None
    optimizer.step()
    for param in params[:4]:
        param.grad = minitorch.ones_like(param)
    for _ in range(3):
        optimizer.step()
    assert runs[-2:] == [36, 36]
    assert [optimizer.state[param]["step"].item() for param in params] == [3] * 4 + [4] * 4


def test_a_rule_of_ones_own_is_not_passed_by(runs: list[int]) -> None:
    class Slower(Adam):
        def _update(self, param: Any, group: Any) -> None:
            seen.append(param)
            super()._update(param, group)

    class Signs(SGD):
        def _rule(self, group: Any, first: bool, θ: Any, g: Any, *memory: Any) -> None:
            θ -= np.sign(g)

    seen: list[Any] = []
    thrice(Slower(params := leaves(*SMALL)))
    assert seen == params * 3 and runs == apart(params) * 3
    before = [param.detach().clone() for param in params]
    thrice(Signs(params, momentum=0.9))
    assert all(minitorch.allclose(p, b - 3 * p.grad.sign()) for p, b in zip(params, before))


@pytest.mark.parametrize("twins", [True, False])
def test_a_gradient_of_another_shape_is_refused(twins: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", twins)
    params = leaves(*SMALL)
    optimizer = Adam(params)
    thrice(optimizer)
    params[0].grad.t_()
    with pytest.raises(ValueError, match="broadcast"):
        optimizer.step()


def copied_arrays(optimizer: Any) -> list[int]:
    return [len(tray.copies) for seating in _seatings[optimizer].values() for _, tray in seating.trays]


def test_what_lies_side_by_side_is_not_copied() -> None:
    params = leaves(*SMALL, *SMALL)
    optimizer = Adam(params)
    thrice(optimizer)
    assert copied_arrays(optimizer) == [8], "the parameters, and nothing that is remembered of them"
    params[-1].grad = None
    for _ in range(2):
        optimizer.step()
    assert copied_arrays(optimizer) == [7]
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(2):
        optimizer.step()
    assert copied_arrays(optimizer) == [3 * 7]


# ---- what of it can be seen ------------------------------------------------------------------------------------------


def test_nothing_saved_is_larger() -> None:
    sizes = []
    for twins in (True, False):
        with mock.patch.object(shortcuts, "enabled", twins):
            minitorch.manual_seed(0)
            optimizer = Adam(leaves(*[(50,)] * 30))
            thrice(optimizer)
        file = io.BytesIO()
        minitorch.save(optimizer.state_dict(), file)
        sizes.append((len(file.getvalue()), len(pickle.dumps(optimizer)), len(pickle.dumps(optimizer.state_dict()))))
    with_twins, without = sizes
    assert all(a <= b for a, b in zip(with_twins, without)), (with_twins, without)


def test_what_is_kept_is_bounded_where_parameters_come_and_go() -> None:
    optimizer = Adam(leaves(*SMALL))
    for _ in range(100):
        optimizer.param_groups[0]["params"] = leaves(*SMALL)
        optimizer.step()
    assert len(_seatings[optimizer]) <= 65


def test_state_is_let_go_with_its_optimizer() -> None:
    optimizer = Adam(leaves(*SMALL))
    thrice(optimizer)
    memory = weakref.ref(next(iter(optimizer.state.values()))["exp_avg"]._array.base)
    del optimizer
    gc.collect()
    assert memory() is None
