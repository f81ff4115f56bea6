"""Writing in place: versions, views, history and memory that overlaps, each a scenario run on both libraries.

What is read and written at once, and what a write means for gradients that are still to come.
"""

from __future__ import annotations

from typing import Any

from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


@scenario
def versions(lib):
    x = lib.zeros(4)
    v = x[1:]
    counts = [x._version]
    x.add_(1)
    counts.append(v._version)
    v.mul_(2)
    v[0] = 5
    counts += [x._version, x.detach()._version, x.data._version, v._base is x, x._is_view()]
    return counts, x


@scenario
def overwritten_output(lib):
    x = leaf(lib, 1.0)
    y = x.exp()
    y += 1
    y.backward()


@scenario
def overwritten_input_that_nobody_kept(lib):
    x = leaf(lib, 1.0)
    y = x * 2
    z = y + 1
    y += 1
    z.backward()
    return x.grad


@scenario
def overwritten_by_no_grad(lib):
    w = leaf(lib, 1.0)
    y = w * w
    with lib.no_grad():
        w -= 0.1
    y.backward()


@scenario
def leaf_in_place(lib):
    x = leaf(lib, 1.0)
    x += 1


@scenario
def view_of_a_leaf_in_place(lib):
    leaf(lib, 1.0, 2.0)[0] = 3


@scenario
def in_place_on_an_intermediate(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    y.mul_(x)
    y += y.detach()
    y.sum().backward()
    return x.grad


@scenario
def in_place_on_a_view_changes_the_base(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    y = x * 2
    v = y[1:]
    v *= 10
    w = y[:2]
    (y * y).sum().backward(retain_graph=True)
    return x.grad, v, w, y.grad_fn.name(), lib.autograd.grad(w.sum(), x)


@scenario
def constant_base_begins_to_require_grad(lib):
    x, base = leaf(lib, 1.0, 2.0), lib.zeros(2, 2, dtype=lib.float64)
    row, column = base[0], base[:, 0]
    row.copy_(x)
    (base.sum() + column.sum() * 10).backward()
    return x.grad, base.requires_grad, column.requires_grad


@scenario
def assignment_of_a_mask(lib):
    x, v = leaf(lib, -1.0, 2.0, 3.0), leaf(lib, 10.0)
    y = x * 1
    y[y > 0] = v
    y.sum().backward()
    return x.grad, v.grad, y


@scenario
def growing_in_place(lib):
    lib.ones(3).add_(lib.ones(2, 3))


@scenario
def writing_into_an_expanded_tensor(lib):
    lib.ones(1).expand(3).add_(1)


@scenario
def float_into_integers(lib):
    lib.ones(3, dtype=lib.int64).add_(1.5)


@scenario
def in_place_on_one_of_several_views(lib):
    a, _ = (leaf(lib, 1.0, 2.0) * 2).unbind()
    a += 1


@scenario
def comparisons_in_place_have_gradient_zero(lib):
    x = leaf(lib, 1.0, -2.0)
    y = x * 2
    y.gt_(0)
    (y * 3 + x).sum().backward()
    return y, x.grad


@scenario
def view_of_what_was_detached_and_written_to(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 2
    v = y[:1]
    y.detach_()
    before = v.requires_grad, lib.autograd.grad(v.sum(), x, retain_graph=True)
    y.exp_()
    return (
        before,
        v,
        v.is_leaf,
        v.requires_grad,
        lib.autograd.grad((v + x).sum(), [x]),
        lib.autograd.grad(v.sum(), x, allow_unused=True),
    )


@scenario
def turned_in_place(lib):
    x = leaf(lib, 1.0, 2.0, 3.0)
    y = x * 2
    y.unsqueeze_(0).transpose_(0, 1)
    z = x.view(3, 1) * 1
    z.squeeze_()
    w = (x * 1).view(3, 1).clone()
    w.t_()
    total = (y.squeeze() * z * w.squeeze()).sum()
    total.backward()
    return y.shape == (3, 1), z, w, x.grad, y._version, w._version


@scenario
def leaf_turned_in_place(lib):
    leaf(lib, 1.0, 2.0).unsqueeze_(0)


@scenario
def composed_ops_in_place(lib):
    x, m = leaf(lib, 1.0, 2.0), lib.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=lib.float64)
    y = x.outer(x)
    y.addmm_(y * 1, m, beta=0.5)
    z = x * 1
    z.addmv_(m, x, alpha=2)
    (y.sum() + z.sum()).backward()
    return y, z, x.grad


@scenario
def second_derivative_through_a_written_view(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * x
    y[0] = x[1] * x[1] * x[0]
    (g,) = lib.autograd.grad(y.sum(), x, create_graph=True)
    return g, lib.autograd.grad((g * g).sum(), x)


# ---- memory that overlaps ----


@scenario
def a_shifted_copy_of_itself_is_refused(lib):
    x = lib.arange(4.0)
    x[1:].add_(x[:-1])


@scenario
def the_shift_may_go_through_another_view(lib):
    x = lib.arange(6.0)
    x.view(2, 3)[1].copy_(x[2:5])


@scenario
def itself_is_fine(lib):
    x = lib.arange(4.0)
    return x.add_(x), x[:2].mul_(x[:2])


@scenario
def parts_that_lie_apart_are_fine(lib):
    x = lib.arange(4.0)
    x[:2].add_(x[2:])
    x[::2].mul_(x[1::2])
    return x


@scenario
def an_expanded_tensor_is_not_written_to(lib):
    lib.ones(1).expand(3).add_(1)


@scenario
def a_write_through_indices_that_reads_the_same_memory(lib):
    x = lib.arange(4.0)
    x[lib.tensor([1, 0, 3, 2])] = x


@scenario
def a_mask_of_itself(lib):
    x = lib.tensor([True, False])
    return x.masked_fill_(x, False)


@scenario
def a_refused_write_has_changed_nothing(lib):
    x = lib.arange(4.0)
    try:
        x[1:].add_(x[:-1])
    except RuntimeError as error:
        return x, x._version, type(error).__name__


@scenario
def a_view_made_after_its_base_was_detached_in_place(lib):
    x = leaf(lib, 1.0, 2.0)
    v = x[0]
    x.detach_()
    v.retain_grad()
    w = v.expand(3)
    x.mul_(2)
    w.sum().backward()
    return v.retains_grad, v.grad, x.grad, w


# ---- a second time ----


@scenario
def a_write_through_a_view_is_freed_by_backward(lib):
    y = leaf(lib, 1.0, 2.0).clone()
    y[0].neg_()
    y.sum().backward()
    y.sum().backward()


@scenario
def a_gradient_turned_in_place_takes_no_more(lib):
    x = lib.ones(1, 3, requires_grad=True)
    x.sum().backward()
    x.grad.transpose_(0, 1)
    x.sum().backward()


@scenario
def a_gradient_that_broadcasts_may_still_grow(lib):
    x = lib.ones(1, 3, requires_grad=True)
    x.sum().backward()
    x.grad.unsqueeze_(0)
    x.sum().backward()
    return x.grad


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
