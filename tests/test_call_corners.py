"""What a call gets wrong when one line of the door is missing: each scenario needs a line that the others do without.

The door learns: the first call of a kind makes a recipe, and opens a lane, that later calls follow. So most scenarios here make calls
of two kinds that differ in one thing only, in both orders. `test_planted_faults.py` breaks these lines one at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def refused(call: Any) -> str:
    """The kind of error that a call ends with."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "nothing"


# ---- calls of two kinds ----


@scenario
def one_op_on_several_dtypes(lib):
    found = []
    dtypes = (lib.float32, lib.int64, lib.float64, lib.bool, lib.float16, lib.int32, lib.uint8)
    for dtype in (*dtypes, *reversed(dtypes)):
        x = lib.tensor([0, 1, 1], dtype=dtype)
        found += [x.exp(), x.atan2(x), x * 2, x + 0.5, x.sum(), x * x]
    return found


@scenario
def one_op_on_two_dtypes_at_once(lib):
    found = []
    single, double, whole = (lib.ones(2, dtype=d) for d in (lib.float32, lib.float64, lib.int64))
    pairs = [(single, single), (single, double), (double, single), (single, whole), (whole, whole), (whole, single)]
    for a, b in pairs * 2:
        found += [a + b, a.atan2(b), a < b, lib.where(a > 0, a, b)]
    return found


@scenario
def tensors_without_dimensions_beside_others(lib):
    single, double = lib.ones(2), lib.ones(2, dtype=lib.float64)
    found = []
    for a, b in [
        (single, double),
        (single, double[0]),
        (single[0], double),
        (single[0], double[0]),
        (double, single[0]),
    ] * 2:
        found += [a * b, b * a, lib.where(a > 0, a, b)]
    return found


@scenario
def one_op_beside_numbers_of_several_types(lib):
    found = []
    for dtype in (lib.int32, lib.float32, lib.bool, lib.uint8):
        x = lib.ones(2, dtype=dtype)
        for number in (2, 2.5, True, np.float64(2.5), np.int64(3), np.float32(0.5)):
            found += [x * number, lib.where(x > 0, x, number), x > number]
    return found


@scenario
def a_negative_number_beside_bytes(lib):
    x = lib.tensor([1, 2], dtype=lib.uint8)
    return x + -1, x * -3, lib.where(x > 1, x, -1), x.masked_fill(x > 1, -1)


@scenario
def the_default_dtype_changes(lib):
    x, found = lib.tensor([1, 2]), []
    try:
        for dtype in (lib.float32, lib.float64, lib.float32):
            lib.set_default_dtype(dtype)
            found += [x.exp(), x / 2, x * 0.5, x + x * 0.5, lib.tensor([True]).sqrt()]
    finally:
        lib.set_default_dtype(lib.float32)
    return found


@scenario
def one_op_with_and_without_a_gradient_wanted(lib):
    found = []
    for wants_a, wants_b in [(False, False), (True, False), (False, True), (True, True), (False, False), (True, False)]:
        a, b = lib.ones(2, requires_grad=wants_a), lib.full((2,), 3.0, requires_grad=wants_b)
        for out in (a * b, a.exp() * b, lib.cat([a, b]), lib.hypot(a, b)):
            found.append(out.requires_grad)
            if out.requires_grad:
                out.sum().backward()
        found += [a.grad, b.grad]
    return found


@scenario
def a_call_with_options_after_one_without(lib):
    a, b = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    found = []
    for options in ({}, {}, {"alpha": 3}, {}, {"alpha": 2.5}):
        (lib.add(a, b, **options) * lib.sub(a, b, **options)).sum().backward()
        found += [lib.add(a, b, **options), a.grad.clone(), b.grad.clone()]
    return found


@scenario
def options_that_are_left_out_are_kept_for_backward(lib):
    a, b = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    for _ in range(2):
        (a + b - a).sum().backward()
        a.round().sum().backward()
        lib.nn.functional.softplus(a).sum().backward()
    return a.grad, b.grad


@scenario
def optional_inputs_that_come_and_go(lib):
    x, low = leaf(lib, 1.0, 5.0), leaf(lib, 2.0, 2.0)
    for bounds in ((low, None), (None, low), (low, low * 2), (low, None)):
        x.clamp(*bounds).sum().backward()
    return x.grad, low.grad


@scenario
def sizes_that_do_not_fit(lib):
    a, b = lib.ones(2), lib.ones(3)
    found = []
    for _ in range(2):
        found += [a + a, refused(lambda: a + b), refused(lambda: lib.where(a > 0, a, b)), refused(lambda: a.atan2(b))]
    return found


@scenario
def what_an_op_does_not_take(lib):
    x, array = lib.ones(2), np.ones(2)
    calls = (
        lambda: lib.exp(3.0), lambda: lib.exp(array), lambda: lib.mul(array, array), lambda: lib.sum("x"),
        lambda: lib.hypot(lib.tensor([1]), lib.tensor([1])), lambda: x - lib.tensor([True]), lambda: x.exp(1, 2),
        lambda: lib.exp(), lambda: lib.tensor([True]) - lib.tensor([True]),
        lambda: lib.nn.functional.linear(x, lib.ones(2, 2, dtype=lib.float64)),
        lambda: lib.lerp(x, x.double(), 0.5), lambda: lib.cat([array]), lambda: x - True, lambda: lib.exp(x, wrong=1),
        lambda: lib.mul(x, x, input=x), lambda: lib.cat([]), lambda: lib.cat(x),
    )  # fmt: skip
    return [refused(call) for call in calls * 2]


@scenario
def a_dtype_that_is_taken_once_the_inputs_are_of_one(lib):
    x, whole = lib.tensor([3.0]), lib.tensor([4])
    return lib.hypot(x, whole), lib.hypot(whole, x)


@scenario
def a_write_of_another_dtype_and_views_of_half_precision(lib):
    whole, half = lib.tensor([1, 2]), lib.ones(2, 2, dtype=lib.float16)
    whole.copy_(lib.tensor([2.5, 3.5]))
    half.view(4).t()[1:].add_(1)
    half.copy_(half.float() * 1.5)
    return whole, half, lib.index_fill(whole.float(), 0, lib.tensor([0]), 2)


@scenario
def half_precision_beside_what_comes_to_it(lib):
    found = []
    for dtype in (lib.bfloat16, lib.float16):
        x = lib.tensor([1.0, 0.3], dtype=dtype)
        for other in (lib.tensor(2.3), lib.tensor([3, 5]), lib.tensor(3), lib.tensor(2.3, dtype=lib.float64)):
            found += [lib.add(x, other, alpha=2), lib.sub(other, x, alpha=2), lib.atan2(x, other)]
        found += [lib.add(x, lib.tensor(2.0), alpha=0.5), lib.sub(lib.tensor(2.0), x, alpha=0.5)]
        many = lib.linspace(-2.0, 2.0, 101).to(dtype)
        found += [many + 0.1, many - 0.3, many == 0.3, x == 0.3, lib.where(x > 0.3, x, 0.3)]
    return found


@scenario
def lists_of_inputs(lib):
    a, b, c = leaf(lib, 1.0, 2.0), lib.ones(2, dtype=lib.float64), leaf(lib, 3.0)
    found = []
    for tensors in ([a, b], [a, b, c], [b, c], [a]):
        y = lib.cat(tensors)
        (y * lib.arange(1.0, len(y) + 1)).sum().backward()
        found += [[node and node.name() for node, _ in y.grad_fn.next_functions], a.grad, c.grad]
    return found


# ---- what comes out ----


@scenario
def modes_and_all_forms_of_result(lib):
    x, found = leaf(lib, 3.0, 1.0), []
    for context in (lib.enable_grad, lib.no_grad, lib.inference_mode, lib.enable_grad, lib.no_grad, lib.inference_mode):
        with context():
            made = [
                x.exp(),
                x * x,
                x.sum(),
                *x.max(0),
                *x.sort(),
                *x.unbind(0),
                x[0],
                lib.cat([x, x]),
                x.argmax(),
                x.long(),
                x * 2,
            ]
            found += [
                [t.requires_grad, t.grad_fn is None, t.is_inference(), 0 if t.grad_fn is None else t.output_nr] for t in made
            ]
    return found


@scenario
def results_with_names(lib):
    x = leaf(lib, 3.0, 1.0)
    best, ordered = x.max(0), x.sort(descending=True)
    ((best.values * 2 + ordered.values[1]) * ordered[0][0]).backward()
    return x.grad, best.indices, ordered.indices, isinstance(best, tuple), isinstance(x.unbind(0), tuple)


@scenario
def how_results_lie_in_memory(lib):
    x = lib.arange(6.0).view(2, 3)
    found = []
    for dtype in (lib.float32, lib.int64, lib.float16):
        t = x.to(dtype).t()
        made = [
            t + 1,
            t + 0.5,
            t.sigmoid(),
            t * t.float(),
            t.cumsum(0),
            t.cummax(0)[0],
            t.flip(0),
            t.double(),
            t.sum(0),
            x.float() @ t.float(),
        ]
        made += [t.sort(0)[0], lib.stack([t, t]), lib.cat([t, t]), lib.where(t > 0, t, 1.5), t.cumprod(0)]
        found += [m.stride() for m in made]
    return found


@scenario
def half_precision_rounds_once(lib):
    found = []
    for dtype in (lib.float16, lib.bfloat16):
        x = lib.linspace(-2.0, 2.0, 9).to(dtype).requires_grad_()
        y = x.detach() + 3
        F = lib.nn.functional
        made = [x.tanh(), x.asinh(), F.silu(x), F.softplus(x), x * 0.1, x + 0.1, x / 3, x.sinh(), lib.hypot(x, y)]
        for out in made:
            (g,) = lib.autograd.grad(out.sum(), x, retain_graph=True)
            (recorded,) = lib.autograd.grad(out.sum(), x, create_graph=True)
            found += [out, g, recorded * 0, recorded.requires_grad]  # (recorded, torch rounds more often)
        found += [
            x.detach().cumsum(0, dtype=lib.float32),
            x.detach().sum(dtype=lib.float64),
            x.detach().cumprod(0, dtype=lib.float32),
        ]
        found += [x.detach() * lib.ones(9), x.detach().atan2(lib.ones(9)), x.detach() > 0.1]
        w = lib.tensor(0.3, requires_grad=True)  # float32, without dimensions
        (y * w * 1.7).sum().backward()
        found.append(w.grad)
    return found


@scenario
def numbers_that_a_dtype_cannot_hold(lib):
    x, n = lib.ones(2), lib.ones(2, dtype=lib.int8)
    calls = [
        lambda: x.clamp(max=1e39), lambda: x.masked_fill(x > 0, 1e39), lambda: n.clamp(max=300), lambda: n.fill_(300),
        lambda: lib.add(n, n, alpha=0.5), lambda: lib.add(x, x, alpha=True), lambda: lib.add(n, n, alpha=300), lambda: x + 1e39,
        lambda: n + 300, lambda: lib.where(x > 0, n, 300),
    ]  # fmt: skip
    return [refused(call) for call in calls]


@scenario
def where_by_a_condition_of_bytes(lib):
    x, condition, found = leaf(lib, 1.0, 2.0, 3.0), lib.tensor([0, 1, 2], dtype=lib.uint8), []
    for out in (
        lib.where(condition, x, x * 3),
        x.where(condition, 0.0),
        lib.where(condition, 1, 2),
        lib.where(condition[2], x, 5),
    ):
        found += [out, *(lib.autograd.grad(out.sum(), x, create_graph=k) for k in (False, True) if out.requires_grad)]
    return found, refused(lambda: lib.where(condition.long(), x, x))


@scenario
def whole_numbers_of_what_requires_grad(lib):
    x, n = leaf(lib, 1.5, 2.5), lib.zeros(2, dtype=lib.int64)
    calls = (lambda: x.sum(dtype=lib.int64), lambda: x.cumsum(0, dtype=lib.int32), lambda: x.prod(dtype=lib.int64))
    converted = x.to(lib.int64), x.long(), n.copy_(x), x.argmax()
    return [refused(call) for call in calls], converted, [c.requires_grad for c in converted]


@scenario
def bounds_of_a_slice(lib):
    x, at = lib.arange(6), (2, True, lib.tensor(2), lib.tensor([2]), np.int64(2), 2.5, "2", lib.tensor(2.5), np.float64(2))
    came = [x[:k].tolist() if refused(lambda k=k: x[:k]) == "nothing" else None for k in at]
    return came, [refused(lambda k=k: x[k:]) for k in at]


@scenario
def evenly_spaced_to_the_last_bit(lib):
    return [
        lib.linspace(a, b, n).tolist() for a in (0.0, -3.7, 255) for b in (0.9, 0.3, 18.1, -41.3) for n in (1, 2, 10, 31, 70)
    ]


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
