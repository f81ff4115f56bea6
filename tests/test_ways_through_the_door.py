"""The ways through the door and back: the plain door, lanes, twins, two devices, calls on bare arrays.

All of them must compute the same, so what is asked here is who computed. The ops are in no list of ops; `test_planted_faults.py`
breaks the lines that these tests need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.autograd import engine
from minitorch.op import Array, Op, Operand, Row, plain
from minitorch.op.declaration import Declaration, parameters_of
from reference.strict_cupy import standing_in

pytestmark = pytest.mark.shortcuts


def declared(forward: Any, **words: Any) -> Op:
    """An op that is in no list of ops."""
    parameters, variadic = parameters_of(forward)
    return Op(Declaration(forward.__name__, forward, parameters, variadic, **words))


def test_a_missing_derivative_says_so() -> None:
    def weighted(xp: Any, a: Array, weight: Array) -> Any:
        return a * weight

    op = declared(weighted)
    op.grad("a")(lambda g, weight: g * weight)
    a, weight = minitorch.ones(2, requires_grad=True), minitorch.ones(2, requires_grad=True)
    op(a, weight.detach()).sum().backward()
    with pytest.raises(NotImplementedError, match="the derivative for 'weighted: weight' is not implemented"):
        op(a, weight).sum().backward()


class Twins:
    """a · b on the CPU with twins that note that they ran, and can be told to serve nothing."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.serves = True

        def product(xp: Any, a: Array, b: Array) -> Any:
            self.ran.append("plain")
            return a * b

        self.op = op = declared(product)
        op.grad("a")(lambda g, b: g * b)
        op.grad("b")(lambda g, a: g * a)

        @op.twin("cpu")
        def forward(xp: Any, a: Any, b: Any) -> Any:
            self.ran.append("forward")
            return xp.multiply(a, b) if self.serves else None

        @op.twin_grad("cpu", "b", "a")
        def backward(xp: Any, g: Any, b: Any, a: Any) -> Any:
            self.ran.append("backward")
            assert all(isinstance(x, np.ndarray) for x in (g, b, a))
            return (g * a, g * b) if self.serves else None


def run(op: Op, wanted: str, create_graph: bool = False) -> list[str]:
    """The names of a and b that the gradients of op(a, b) = a · b are right for."""
    values = {"a": minitorch.tensor([2.0, 3.0]), "b": minitorch.tensor([5.0, 7.0])}
    a, b = (values[n].requires_grad_(n in wanted) for n in "ab")
    (op(a, b) * minitorch.tensor([1.0, 10.0])).sum().backward(create_graph=create_graph)
    right = {"a": [5.0, 70.0], "b": [2.0, 30.0]}
    return [n for n, t in zip("ab", (a, b)) if t.grad is not None and t.grad.tolist() == right[n]]


def test_a_twin_stands_in_where_it_serves() -> None:
    for wanted in ("ab", "a", "b"):
        twins = Twins()
        assert run(twins.op, wanted) == list(wanted)
        assert twins.ran == ["forward", "backward"]
        twins.serves = False
        assert run(twins.op, wanted) == list(wanted)
        assert twins.ran == ["forward", "backward", "forward", "plain", "backward"], "asked again, and both declined"


def test_no_twin_computes_while_backward_is_recorded() -> None:
    twins = Twins()
    assert run(twins.op, "ab", create_graph=True) == ["a", "b"]
    assert twins.ran == ["forward"]


def test_no_twin_computes_in_the_plain_door() -> None:
    twins = Twins()
    run(twins.op, "ab")
    del twins.ran[:]
    with plain():
        assert run(twins.op, "ab") == ["a", "b"]
    assert twins.ran == ["plain"]
    run(twins.op, "ab")
    assert twins.ran == ["plain", "forward", "backward"]


def test_a_twin_of_some_derivatives_does_not_stand_in_for_others() -> None:
    def product(xp: Any, a: Array, b: Array) -> Any:
        return a * b

    op = declared(product)
    op.grad("a")(lambda g, b: g * b)
    op.grad("b")(lambda g, a: g * a)
    op.twin_grad("cpu", "a")(lambda xp, g, b: -g * b)
    values = minitorch.tensor([2.0, 3.0])
    a, b = values.clone().requires_grad_(), values.clone().requires_grad_()
    op(a, b).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [2.0, 3.0]
    op(a, b.detach()).sum().backward()
    assert a.grad.tolist() == [0.0, 0.0], "alone the twin serves, and this one takes it all back"


def test_a_twin_gets_none_for_an_output_without_a_gradient() -> None:
    def both(xp: Any, x: Array) -> Any:
        return x * 2, x * 3

    op = declared(both, outputs=("double", "triple"))

    @op.grad("x")
    def derivative(g: Any, g_triple: Any) -> Any:
        return sum(n * g for n, g in ((2, g), (3, g_triple)) if g is not None)

    asked = []

    @op.twin_grad("cpu", "x")
    def twin(xp: Any, g: Any, g_triple: Any) -> Any:
        asked.append((g is None, g_triple is None))
        return None if g is None else g * 2 + g_triple * 3

    x = minitorch.ones(2, requires_grad=True)
    op(x).triple.sum().backward()
    sum(op(x)).sum().backward()
    assert x.grad.tolist() == [8.0, 8.0]
    assert asked == [(True, False), (False, False)]


def doubling() -> Row:
    """x + x, an op with lanes."""
    parameters, _ = parameters_of(lambda xp, x: x)
    return Row(Declaration("doubling", lambda xp, x: x + x, tuple(p._replace(role=Operand) for p in parameters)))


def test_the_plain_door_is_passed_by_every_call() -> None:
    passed: list[str] = []
    door = Op.__call__

    def watched(self: Op, *args: Any, **kwargs: Any) -> Any:
        passed.append(self.__name__)
        return door(self, *args, **kwargs)

    x, op = minitorch.ones(2), doubling()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Op, "__call__", watched)
        for _ in range(3):
            op(x)
        assert len(passed) == 1, "the first call opens the lane"
        with plain():
            for _ in range(3):
                op(x)
        assert len(passed) == 4
        with plain():
            op = doubling()
            for _ in range(3):
                op(x)
        assert len(passed) == 7, "here no lane is opened either"


def halved(xp: Any, x: Array, y: Operand) -> Any:
    """x / 2 + y / 3, written so that NumPy's scalars would not do."""
    half = x.copy()
    half[...] /= 2
    return half + y / 3


def test_ops_on_arrays_follow_the_rules_that_tensors_do() -> None:
    """Derivatives call ops so, in a backward that is not recorded. In both orders, since the first call of a kind decides."""
    words = {"elementwise": True, "in_float32": True, "promote": "float"}
    kinds = ("float32", "float64", "float16", "int64", "bool")
    arrays: list[Any] = [np.array(v).astype(d) for v in ([1.0, 0.3], 2.7) for d in kinds]
    # NumPy's scalars too, which its functions give where there are no dimensions.
    arrays += [a[()] for a in arrays if not a.ndim]
    pairs = [(a, b) for a in arrays for b in (*arrays, 1, 0.1, True)]
    for order in (pairs, pairs[::-1]):
        op = declared(halved, **words)
        for a, b in order:
            x, y = (minitorch.from_numpy(np.asarray(v)) if hasattr(v, "dtype") else v for v in (a, b))
            expected = declared(halved, **words)(x, y)._array
            with engine._Mode(False, engine.Walk(False)):
                found = op(a, b)
            assert type(found) is np.ndarray and found.dtype == expected.dtype, (a, b)
            assert np.array_equal(found, expected), (a, b)


def test_a_derivative_may_ask_for_a_list_of_inputs() -> None:
    def weighted(xp: Any, *xs: Array, weight: float = 1.0) -> Any:
        return sum(weight * x * x for x in xs)

    op = declared(weighted)

    @op.grad("xs")
    def derivative(g: Any, weight: Any, xs: Any) -> Any:
        return [2 * weight * g * x for x in xs]

    for create_graph in (False, True):
        tensors = [minitorch.tensor([n, n + 1.0], requires_grad=True) for n in range(3)]
        op(tensors, weight=0.5).sum().backward(create_graph=create_graph)
        assert [x.grad.tolist() for x in tensors] == [x.tolist() for x in tensors]


def test_a_derivative_of_several_inputs_some_of_which_are_left_out() -> None:
    def scaled(xp: Any, x: Array, weight: Array | None, bias: Array | None) -> Any:
        return (x if weight is None else x * weight) + (0 if bias is None else bias)

    def all_three(g: Any, x: Any, weight: Any) -> Any:
        return g if weight is None else g * weight, g * x, g * 1

    for twin in (False, True):
        op = declared(scaled)
        op.grad("x", "weight", "bias")(all_three)
        if twin:
            op.twin_grad("cpu", "bias", "weight", "x")(lambda xp, g, x, weight: all_three(g, x, weight)[::-1])
        for given in ("x", "x weight", "x bias", "x weight bias"):
            for create_graph in (False, True):
                x, weight, bias = (
                    minitorch.tensor([v, 1.0], requires_grad=True) if name in given.split() else None
                    for name, v in (("x", 2.0), ("weight", 3.0), ("bias", 5.0))
                )
                op(x, weight, bias).sum().backward(create_graph=create_graph)
                assert x.grad.tolist() == ([1.0, 1.0] if weight is None else [3.0, 1.0])
                assert weight is None or weight.grad.tolist() == [2.0, 1.0]
                assert bias is None or bias.grad.tolist() == [1.0, 1.0]


def test_several_results_on_arrays_are_arrays() -> None:
    def parted(xp: Any, x: Array) -> Any:
        return x[::2], x.sum()

    op, x = declared(parted, outputs=("even", "total")), np.arange(4.0)
    for _ in range(2):
        with engine._Mode(False, engine.Walk(False)):
            even, total = op(x)
        assert even.tolist() == [0.0, 2.0] and total == 6.0
        assert type(even) is type(total) is np.ndarray and even.flags.c_contiguous


def test_calls_on_two_devices() -> None:
    with standing_in():
        cpu, gpu = minitorch.tensor([1.0, 2.0]), minitorch.tensor([1.0, 2.0], device="cuda")
        for x in (cpu, gpu, cpu, gpu, gpu, cpu):
            found = minitorch.stack([x.exp() * x, x.where(x > 1, x + 5)])
            assert found.device == x.device and found.tolist() == [(cpu.exp() * cpu).tolist(), [6.0, 2.0]]
        assert (gpu * minitorch.tensor(2.0)).device == gpu.device, "a CPU tensor without dimensions counts as a number"


def test_arrays_of_two_devices_never_reach_forward() -> None:
    reached = []

    def joined(xp: Any, a: Array, b: Array) -> Any:
        reached.append(xp)
        return a

    with standing_in():
        op, cpu, gpu = declared(joined), minitorch.ones(2), minitorch.ones(2, device="cuda")
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            op(cpu, gpu)
    assert not reached


def test_a_lane_is_for_the_cpu() -> None:
    op = doubling()
    op.twin("cuda")(lambda xp, x: x * 2 if type(x) is not np.ndarray else pytest.fail("a twin for GPUs got a CPU's array"))
    with standing_in():
        cpu, gpu = minitorch.ones(2), minitorch.ones(2, device="cuda")
        for x in (gpu, gpu, cpu, cpu, gpu):
            assert op(x).tolist() == [2.0, 2.0]


DIRECT = [test for name, test in sorted(globals().items()) if name.startswith("test_")]
