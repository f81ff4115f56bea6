"""What random scripts have found, a scenario for each kind: run on both libraries, they give the same or raise the same type of error.

The machine that writes such scripts: `reference/scripts/`.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
import torch

import minitorch
from both import Scenarios, agree

SCENARIOS = Scenarios()
scenario = SCENARIOS.add

# ---- numbers, dtypes, layouts ----


@scenario
def a_dimension_put_in_front_changes_no_layout_of_what_is_converted(lib):
    lies = []
    for dtype in (lib.float16, lib.bfloat16, lib.bool, lib.int8):
        x = lib.arange(6).reshape(2, 3).to(dtype).t()
        for t in (x[None], x[:, None], x[None].permute(1, 0, 2), x[:, :, None]):
            lies += [(n, s) for y in (t.float().relu(), t.erf()) for n, s in zip(y.shape, y.stride()) if n > 1]
    return lies


@scenario
def a_loss_of_nothing_is_no_minus_zero(lib):
    F, losses = lib.nn.functional, []
    for reduction in ("sum", "mean", "none"):
        for rows in (lib.full((2, 1), 3.0), lib.full((1,), 3.0)):
            classes = lib.tensor([0] * len(rows)) if rows.ndim == 2 else lib.tensor(0)
            losses += [
                F.cross_entropy(rows, classes, reduction=reduction),
                F.nll_loss(rows - 3, classes, reduction=reduction),
            ]
    return [1 / loss for loss in losses]


@scenario
def a_volume_that_lies_as_an_image_does_has_no_largest(lib):
    return lib.nn.functional.max_pool3d(lib.ones(2, 3, 4, 5).contiguous(memory_format=lib.channels_last), 2)


@scenario
def volumes_with_their_channels_together_are_not_shuffled(lib):
    return lib.pixel_shuffle(lib.ones(2, 3, 4, 4, 5).contiguous(memory_format=lib.channels_last_3d), 2)


@scenario
def a_weighted_loss_has_the_dtype_of_its_input(lib):
    p, found = lib.tensor([0.25, 0.5]), []
    for dtype in (lib.float16, lib.float64, lib.int64, lib.bool):
        for reduction in ("none", "mean"):
            x = p.clone().requires_grad_()
            loss = lib.nn.functional.binary_cross_entropy(x, p, lib.ones(2).to(dtype), reduction=reduction)
            found += [loss, *lib.autograd.grad(loss.sum(), x)]
    return found


@scenario
def a_bias_of_another_dtype_beside_a_batch_that_lies_otherwise(lib):
    return lib.nn.functional.linear(lib.ones(4, 3, 2).transpose(0, 1), lib.ones(2, 2), lib.ones(2, dtype=lib.float64))


@scenario
def a_bias_of_another_dtype(lib):
    return lib.nn.functional.linear(lib.ones(4, 3, 2), lib.ones(2, 2), lib.ones(2, dtype=lib.float64))


@scenario
def nobody_attains_an_extreme_that_was_overwritten(lib):
    grads = []
    for values in ([3.0, 3.0, float("nan")], [1.0, 2.0]):
        for extreme in (lib.min, lib.max, lib.median):
            x = lib.tensor(values, requires_grad=True)
            y = extreme(x)
            y.detach().numpy()[...] = 7
            y.backward()
            grads.append(x.grad)
    return grads


@scenario
def evenly_spaced_numbers_of_half_precision(lib):
    return [
        lib.linspace(first, last, n, dtype=dtype)
        for dtype in (lib.float16, lib.bfloat16)
        for first, last, n in ((0, 1, 5), (-3, 7, 10), (1e-3, 1e3, 7), (5, -5, 11), (2, 3, 1), (0, 9, 0))
    ]


@scenario
def a_number_beyond_half_precision_is_infinite(lib):
    return lib.arange(4).half().xlogy(2**40), lib.ones(2, dtype=lib.bfloat16).xlogy(300)


@scenario
def no_memory_holds_so_many(lib):
    told, x = [], lib.ones(3)
    for make in (
        lambda: lib.zeros(2**45),
        lambda: lib.ones(2**62),
        lambda: lib.full((2**45,), 1.0),
        lambda: lib.arange(2**45),
        lambda: lib.linspace(0, 1, 2**45),
        lambda: lib.eye(2**30),
        lambda: lib.zeros(2**40, 2**40),
        lambda: x.new_zeros(2**45),
        lambda: lib.rand(2**45),
        lambda: lib.randperm(2**45),
        lambda: x.expand(2**61, 3).contiguous(),
        lambda: x.repeat(2**61),
    ):
        try:
            make()
        except Exception as error:
            told.append(type(error).__name__)
    return told


@scenario
def the_index_of_the_largest_as_an_array(lib):
    found = lib.tensor([1.0, 3.0, 2.0]).topk(1)[1]
    return found.stride(), lib.from_numpy(found.numpy())


@scenario
def logit_at_minus_zero(lib):
    x = lib.tensor([-0.0, 0.0, 1.0, 0.5], requires_grad=True)
    x.logit().sum().backward()
    return x.grad


@scenario
def an_infinite_gradient_of_mish(lib):
    x = lib.tensor([0.0, 1.0, 30.0], requires_grad=True)
    lib.nn.functional.mish(x).backward(lib.full((3,), float("inf")))
    return x.grad


@scenario
def second_derivative_of_mse_beside_bools(lib):
    x, loss, grads = lib.ones(2, requires_grad=True), lib.nn.MSELoss(), []
    for y in (lib.tensor([True, False]), lib.tensor([3, 0], dtype=lib.uint8), lib.tensor([-3, 0])):
        for pair in ((x, y), (y, x)):
            grads.append(lib.autograd.grad(loss(*pair), x)[0])
            grads.append(lib.autograd.grad(loss(*pair), x, create_graph=True)[0])
            grads.append(lib.autograd.grad(grads[-1].sum(), x)[0])
    return grads


@scenario
def lerp_by_a_whole_number(lib):
    start, end = lib.zeros(2), lib.tensor([1.0, 2.0])
    weights = (lib.tensor(3, dtype=lib.uint8), lib.tensor(-3, dtype=lib.int8), lib.tensor(True), lib.tensor(2))
    return [lib.lerp(start, end, weight) for weight in weights]


# ---- the graph ----


@scenario
def a_leaf_of_another_shape_is_given_what_its_old_shape_gets(lib):
    grads, shapes = [], [(2, 2), (3,), (3, 1), (1, 3), (2,), (1, 2), (4,), (2, 1), (), (3, 2, 1)]
    for old, new in itertools.product(shapes, repeat=2):
        x = lib.ones(old, requires_grad=True)
        used = x * 2
        x.data = lib.ones(new)
        if len(new) < len(old):
            continue  # torch looks for strides beyond the last
        try:
            used.sum().backward(create_graph=old == (3, 1))
            grads.append((tuple(x.grad.shape), x.grad))
        except RuntimeError:
            grads.append("refused")
    return grads


@scenario
def a_function_may_use_what_was_detached_since(lib):
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = lib.ones(2, requires_grad=True)
    y = x * 3
    z = Square.apply(y)
    y.detach_()
    z.sum().backward()
    return x.grad


@scenario
def a_part_written_to_all(lib):
    x = lib.arange(3)
    x[True] = x[-1]
    x[True] = x
    return x, x._version


@scenario
def a_leaf_that_out_has_resized_is_refused_its_gradient(lib):
    x = lib.ones(2, 1, requires_grad=True)
    (x * 2).sum().backward()
    used = x * 2  # noqa: F841
    lib.gt(lib.ones(1), 0, out=x)
    x.backward(lib.ones(1))


@scenario
def a_function_that_writes_drops_the_gradient_of_what_was(lib):
    x = lib.ones(2, requires_grad=True)
    y = x.exp()
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    doubled(lib).apply(y)
    return y.grad, y.retains_grad


@scenario
def a_leaf_that_a_function_has_written_to_has_counted(lib):
    told = []
    for part in (lambda x: x, lambda x: x[:1], lambda x: x.view(-1)):
        x = lib.ones(2, requires_grad=True)
        try:
            doubled(lib).apply(part(x))
        except RuntimeError:
            told.append(x._version)
    return told


def doubled(lib: Any) -> Any:
    class Doubled(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return Doubled


@scenario
def transforms_at_an_unrecorded_view_of_what_requires_grad(lib):
    x = lib.ones(3, requires_grad=True)
    with lib.no_grad():
        v = x[1:]
    return (
        lib.func.vjp(lambda t: t * 2, v)[0].detach(),
        lib.func.grad(lambda t: (t**2).sum())(v).detach(),
        lib.func.jacrev(lambda t: t.sin())(v).detach(),
        lib.func.jvp(lambda t: t * t, (v,), (v,))[1].detach(),
    )


@scenario
def a_view_whose_history_is_lost_is_shown_and_pickled(lib):
    import copy
    import pickle

    x = lib.tensor([1.0, 2.0], requires_grad=True)
    with lib.no_grad():
        v, w = x.view(-1), x.view(2)
        w /= 2
    return repr(v), repr(pickle.loads(pickle.dumps(v))), repr(copy.copy(v))


@scenario
def set_of_what_has_a_history_has_no_derivative(lib):
    told, x = [], lib.ones(2, 3, requires_grad=True)
    for shown, source in ((x * 2, x), (x * 2, lib.ones(3)), (lib.ones(2), x), (lib.ones(2), x * 3), (x * 2, None)):
        shown.set_(*(() if source is None else (source,)))
        told.append((shown.requires_grad, shown.is_leaf, tuple(shown.shape), shown._version))
        try:
            shown.sum().backward()
        except RuntimeError:
            told.append("no derivative")
    return told


@scenario
def a_comparison_in_place_is_a_node_that_sends_zeros(lib):
    x, y = lib.ones(2, 3, requires_grad=True), lib.ones(3, requires_grad=True)
    told = []
    for compare in (
        lambda: (x * 1).eq_(y),
        lambda: (x * 1).gt_(0.5),
        lambda: lib.ones(2, 3).lt_(y),
        lambda: lib.ones(2, 3)[:1].ne_(y),
        lambda: (x * 1).normal_(),
        lambda: lib.ones(3).eq_(2),
    ):
        z = compare()
        told += [z.requires_grad, z.is_leaf]
        if z.requires_grad:
            told += [z.grad_fn.name(), lib.autograd.grad(z.sum(), (x, y), allow_unused=True)]
    return told


@scenario
def the_name_of_a_reentrant_checkpoint(lib):
    from importlib import import_module

    checkpoint = import_module(f"{lib.__name__}.utils.checkpoint").checkpoint
    x = lib.ones(2, requires_grad=True)
    return checkpoint(lambda t: t * 2, x, use_reentrant=True).grad_fn.name()


# ---- of two mistakes, the one that torch looks at first ----


@scenario
def a_value_that_is_none_before_an_index_that_is_none(lib):
    told = []
    for key, value in (((0, 0), [1.0]), ("a", "b"), (0.5, [1.0]), (False, "a"), ((0, 0), 1.0), ([True], 1.0)):
        try:
            lib.ones(3)[key] = value
        except Exception as error:
            told.append(type(error).__name__)
    return told


@scenario
def an_argument_of_a_wrong_type_before_a_leaf(lib):
    told = []
    for call in (
        lambda x: x.hypot_(-1),
        lambda x: x.atan2_(2.0),
        lambda x: x.div_([1.0]),
        lambda x: x.__isub__([1.0]),
        lambda x: x.__itruediv__(None),
        lambda x: x.detach()[:1].expand(2).remainder_(None),
        lambda x: x.add_(1),
    ):
        try:
            told.append(call(lib.ones(3, requires_grad=True)) is NotImplemented)
        except Exception as error:
            told.append(type(error).__name__)
    return told


@scenario
def a_leaf_before_a_mask_that_does_not_fit(lib):
    lib.ones(1, 3, requires_grad=True)[[True, False]] = 1.0


@scenario
def indices_before_dtypes(lib):
    told = []
    for call in (
        lambda: lib.ones(()).index_put_((lib.tensor([0, 0]),), lib.tensor([1, 2])),
        lambda: lib.ones(0).index_put_((lib.tensor([0, 0]),), lib.tensor([1, 2])),
        lambda: lib.ones(3).index_put_((lib.tensor([5, 0]),), lib.tensor([1, 2])),
        lambda: lib.ones(3).put(lib.tensor([0, 1]), lib.tensor([1])),
        lambda: lib.nn.functional.nll_loss(lib.ones(2), lib.tensor([])),
        lambda: lib.nn.functional.batch_norm(lib.ones(2, dtype=lib.int64), None, None, training=True),
        lambda: lib.baddbmm(lib.ones(1), lib.ones(1), lib.ones(1, dtype=lib.float64)),
        lambda: lib.addbmm(lib.ones(1), lib.ones(1, 1), lib.ones(1, 1, dtype=lib.bool)),
        lambda: lib.arange(3, 2, 0.5, dtype=lib.int64),
        lambda: lib.tensor([[True]]).softmax(5),
        lambda: lib.zeros(0, dtype=lib.bool).median(0),
        lambda: lib.nn.functional.huber_loss(lib.tensor([1, 2]), lib.tensor([1, 2, 3])),
        lambda: lib.nn.functional.huber_loss(lib.tensor([True]), lib.tensor([1])),
        lambda: lib.nn.functional.huber_loss(lib.tensor([1]), lib.tensor([1.0])),
        lambda: lib.nn.functional.huber_loss(lib.tensor([1]), lib.tensor([True])),
        lambda: lib.arange(3).index_select(5, lib.tensor([0], dtype=lib.int16)),
        lambda: lib.arange(3).index_fill(5, lib.tensor([0]), float("inf")),
        lambda: lib.ones(3, dtype=lib.uint8).index_fill(0, lib.tensor([0]), -1.5),
        lambda: lib.nn.functional.rms_norm(lib.tensor(True), ()),
        lambda: lib.tensor([[[True]]]) @ lib.tensor([[[True]]]),
    ):
        try:
            told.append(list(call().shape))
        except Exception as error:
            told.append(type(error).__name__)
    return told


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)


def raised(call: Any, lib: Any) -> str:
    try:
        call(lib)
    except Exception as error:
        return type(error).__name__
    return "nothing"


def both_raise(call: Any) -> None:
    """Both raise the same type of error, or neither one."""
    ours, theirs = raised(call, minitorch), raised(call, torch)
    assert ours == theirs, (ours, theirs)


CALLS = {
    "a & b": lambda lib, a, b: a & b,
    "a |= b": lambda lib, a, b: a.__ior__(b),
    "a << b": lambda lib, a, b: a << b,
    "a **= b": lambda lib, a, b: a.pow_(b),
    "a.hypot_(b)": lambda lib, a, b: a.hypot_(b),
    "a.fmod_(b)": lambda lib, a, b: a.fmod_(b),
    "a.floor_divide_(b)": lambda lib, a, b: a.floor_divide_(b),
    "lerp": lambda lib, a, b: lib.lerp(a, b, 0.5),
    "a.lerp_(b)": lambda lib, a, b: a.lerp_(b, 0.5),
    "mm": lambda lib, a, b: lib.mm(a, b),
    "mv": lambda lib, a, b: lib.mv(a, b),
    "bmm": lambda lib, a, b: lib.bmm(a, b),
    "dot": lambda lib, a, b: lib.dot(a, b),
    "matmul": lambda lib, a, b: a @ b,
    "atan2": lambda lib, a, b: lib.atan2(a, b),
}


@pytest.mark.parametrize("call", CALLS)
def test_shapes_are_refused_before_dtypes(call: str) -> None:
    """A kernel refuses a dtype when all shapes have been looked at; an in-place form looks before that whether its result fits."""
    for a, b in itertools.product(("float64", "int64", "bool", "bfloat16"), repeat=2):
        for shapes in itertools.product(((2,), (3,), (1,), (), (2, 2), (0,), (1, 2, 2)), repeat=2):
            both_raise(partial(applied, CALLS[call], shapes=shapes, dtypes=(a, b)))


def applied(call: Any, lib: Any, shapes: tuple, dtypes: tuple) -> None:
    call(lib, *(lib.ones(shape, dtype=getattr(lib, dtype)) for shape, dtype in zip(shapes, dtypes)))


@pytest.mark.parametrize("call", ["index_add", "index_copy", "index_add_", "index_copy_"])
def test_slices_that_do_not_fit(call: str) -> None:
    """Which error a source of a wrong shape, number or dtype raises, in torch's order."""
    shapes = [(), (1,), (2,), (3,), (1, 2), (2, 1), (2, 3), (2, 3, 2)]
    for x, source, dim, n, dtype in itertools.product(shapes, shapes, (0, -1, 1), (0, 1, 2), ("float32", "float64")):
        both_raise(partial(placed, call, x=x, source=source, dim=dim, n=n, dtype=dtype))


def placed(call: str, lib: Any, x: tuple, source: tuple, dim: int, n: int, dtype: str) -> None:
    slices = lib.ones(source, dtype=getattr(lib, dtype))
    getattr(lib.zeros(x), call)(dim, lib.zeros(n, dtype=lib.int64), slices)


@pytest.mark.parametrize("call", ["gather", "scatter", "scatter_add", "take_along_dim"])
def test_indices_that_do_not_fit(call: str) -> None:
    """Which error an index of a wrong dimension, shape, dtype or number raises, in torch's order."""
    shapes, dtypes = [(2, 2), (), (2,), (0, 2), (3, 2)], ("int16", "bool", "float32", "int32", "int64")
    for x, index, dim, dtype, number in itertools.product(shapes, shapes, (0, 1, 5), dtypes, (0, 7)):
        both_raise(partial(indexed, call, x=x, index=index, dim=dim, dtype=dtype, number=number))


def indexed(call: str, lib: Any, x: tuple, index: tuple, dim: int, dtype: str, number: int) -> None:
    places, numbers = lib.full(index, number).to(getattr(lib, dtype)), lib.ones(index, dtype=lib.float64)
    arguments = {"take_along_dim": (places, dim), "gather": (dim, places)}.get(call, (dim, places, numbers))
    getattr(lib.ones(x), call)(*arguments)
