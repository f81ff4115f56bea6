"""`autograd.Function`, each a scenario run on both libraries: ctx, marks, several outputs, views, misuse."""

from __future__ import annotations

from typing import Any

from both import Scenarios, agree, leaf

SCENARIOS = Scenarios()
scenario = SCENARIOS.add


def square_of(lib, **options):
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor=1.0):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * x * factor

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x * ctx.factor, None

    return Square


@scenario
def function_with_an_option(lib):
    x = leaf(lib, 3.0)
    y = square_of(lib).apply(x, 5.0)
    y.backward()
    return y, x.grad, y.grad_fn.name()


@scenario
def function_twice_differentiable(lib):
    x = leaf(lib, 3.0)
    (g,) = lib.autograd.grad(square_of(lib).apply(x), x, create_graph=True)
    return lib.autograd.grad(g, x)


@scenario
def function_saved_tensor_overwritten(lib):
    x = leaf(lib, 3.0) * 1
    y = square_of(lib).apply(x)
    x += 1
    y.backward()


@scenario
def function_twice_backward(lib):
    y = square_of(lib).apply(leaf(lib, 3.0))
    y.backward()
    y.backward()


@scenario
def function_contract(lib):
    seen = []

    class Two(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, flag):
            ctx.mark_non_differentiable(order := x.argsort())
            seen.append(ctx.needs_input_grad)
            return x * 2, w * 3, order

        @staticmethod
        def backward(ctx, gx, gw, gorder):
            seen.append([gx.sum().item(), gw.sum().item(), ctx.needs_input_grad])
            return gx * 2, None, None

    x, w = leaf(lib, 2.0, 1.0), lib.ones(2, dtype=lib.float64)
    a, b, order = Two.apply(x, w, True)
    a.sum().backward()
    return seen, x.grad, b.requires_grad, order.requires_grad, order


@scenario
def function_without_materialized_grads(lib):
    seen = []

    class Two(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a is None, b is None))
            return b * 3

    x = leaf(lib, 1.0)
    Two.apply(x)[1].backward()
    return seen, x.grad


@scenario
def function_with_setup_context(lib):
    class Exp(lib.autograd.Function):
        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(lib, 1.0)
    (g,) = lib.autograd.grad(Exp.apply(x), x, create_graph=True)
    return g, lib.autograd.grad(g, x)


@scenario
def function_with_too_few_gradients(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    Bad.apply(leaf(lib, 1.0), leaf(lib, 1.0)).backward()


@scenario
def once_differentiable(lib):
    class Once(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @lib.autograd.function.once_differentiable
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(lib, 3.0)
    (g,) = lib.autograd.grad(Once.apply(x), x, create_graph=True)
    first = g.item()
    g.backward()
    return first


@scenario
def function_is_its_node(lib):
    class Scale(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.factor = factor
            ctx.save_for_backward(x)
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    x = leaf(lib, 2.0)
    y = Scale.apply(x, 3.0)
    return y.grad_fn.factor, y.grad_fn.saved_tensors, y.grad_fn.needs_input_grad, y.grad_fn.name()


def doubling(lib: Any) -> Any:
    """x ← 2 x, in place."""

    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return Double


@scenario
def function_that_writes_in_place(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 3
    z = doubling(lib).apply(y)
    z.sum().backward()
    return x.grad, z is y, y, y._version, y.grad_fn.name()


@scenario
def function_that_writes_into_a_leaf(lib):
    doubling(lib).apply(leaf(lib, 1.0))


@scenario
def function_that_writes_into_a_view(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * 3
    doubling(lib).apply(y[:1])
    y.sum().backward()
    return x.grad, y


@scenario
def function_that_returns_its_input(lib):
    class Same(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(lib, 1.0, 2.0)
    y = Same.apply(x)
    y.sum().backward()
    return x.grad, y is x, y.grad_fn.name(), y._is_view()


@scenario
def function_that_returns_a_view(lib):
    class First(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[:1]

        @staticmethod
        def backward(ctx, g):
            return lib.cat([g, g * 0])

    x = leaf(lib, 1.0, 2.0)
    y = First.apply(x * 1)
    y.sum().backward()
    return x.grad, y.grad_fn.name()


@scenario
def function_of_no_tensors(lib):
    class Make(lib.autograd.Function):
        @staticmethod
        def forward(ctx, n):
            return lib.ones(n)

        @staticmethod
        def backward(ctx, g):
            return None

    y = Make.apply(2)
    return y, y.requires_grad


@scenario
def function_with_keyword_arguments(lib):
    class Make(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

    Make.apply(x=leaf(lib, 1.0))


@scenario
def function_without_backward(lib):
    class Forward(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    Forward.apply(leaf(lib, 1.0)).backward()


@scenario
def function_called_as_an_object(lib):
    class Forward(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    Forward()(leaf(lib, 1.0))


@scenario
def function_with_gradients_of_another_shape(lib):
    class Sum(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return lib.ones(3, dtype=lib.float64)

    Sum.apply(leaf(lib, 1.0, 2.0)).backward()


@scenario
def function_with_a_gradient_to_be_summed(lib):
    class Spread(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.expand(3, 2).clone()

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(lib, 1.0, 2.0)
    Spread.apply(x).sum().backward()
    return x.grad


@scenario
def function_that_returns_a_list_of_numbers(lib):
    class Odd(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, 7, None, "text"

        @staticmethod
        def backward(ctx, g, *rest):
            return g * 2 if rest == (None, None, None) else g * 0

    x = leaf(lib, 1.0)
    y, *rest = Odd.apply(x)
    y.backward()
    return x.grad, rest


@scenario
def function_with_nothing_to_save(lib):
    class Save(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x

    Save.apply(leaf(lib, 1.0))


@scenario
def function_saved_tensors_after_they_were_freed(lib):
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    y = Square.apply(leaf(lib, 1.0))
    y.backward()
    return y.grad_fn.saved_tensors


@scenario
def function_inside_a_function(lib):
    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with lib.enable_grad():
                inside = x.detach().requires_grad_()
                ctx.inner = inside, inside**3
            return ctx.inner[1].detach()

        @staticmethod
        def backward(ctx, g):
            inside, out = ctx.inner
            return lib.autograd.grad(out, inside, g)[0]

    x = leaf(lib, 2.0)
    Cube.apply(x).backward()
    return x.grad


@scenario
def backward_inside_backward(lib):
    class Outer(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            with lib.enable_grad():
                w = ctx.saved_tensors[0].detach().requires_grad_()
                (w * w).backward()
            return g * w.grad

    x = leaf(lib, 3.0)
    Outer.apply(x).backward()
    return x.grad


@SCENARIOS.parametrize
def test_same_as_torch(scenario: Any) -> None:
    agree(scenario)
