"""Forward and backward hooks of modules: results, warnings and errors equal torch's."""

from __future__ import annotations

import pytest

from both import Scenarios, affine, assert_runs_the_same

scenarios = Scenarios()

# ---- forward hooks ---------------------------------------------------------------------------------------------


@scenarios.add
def forward_hooks_in_order(lib):
    m, calls = affine(lib), []
    m.register_forward_pre_hook(lambda module, args: calls.append("pre"))
    m.register_forward_pre_hook(lambda module, args: calls.append("pre, first"), prepend=True)
    m.register_forward_hook(lambda module, args, out: calls.append(("hook", len(args), module is m)))
    handle = m.register_forward_hook(lambda module, args, out: calls.append("hook, first"), prepend=True)
    m(lib.ones(2), scale=2)
    with handle:
        pass
    m(lib.ones(2))
    return calls


@scenarios.add
def forward_hooks_may_replace(lib):
    m = affine(lib)
    m.register_forward_pre_hook(lambda module, args: args[0] * 10)
    m.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    m.register_forward_hook(lambda module, args, out: out * 2)
    m.register_forward_hook(lambda module, args, out: None)
    return m(lib.ones(2))


@scenarios.add
def forward_hooks_with_kwargs(lib):
    m, calls = affine(lib), []
    m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda module, args, kwargs, out: calls.append((args, kwargs, out)), with_kwargs=True)
    return m(lib.ones(2), scale=2), calls


@scenarios.add
def a_bad_pre_hook(lib):
    m = affine(lib)
    m.register_forward_pre_hook(lambda module, args, kwargs: 1, with_kwargs=True)
    m(lib.ones(2))


@scenarios.add
def always_called_hooks(lib):
    m, calls = affine(lib), []
    m.register_forward_hook(lambda module, args, out: calls.append("not called"))
    m.register_forward_hook(lambda module, args, out: calls.append(out), always_call=True)
    m.register_forward_hook(lambda module, args, out: 1 / 0, always_call=True)
    try:
        m("text", 1, 2)
    except TypeError as error:
        return calls, type(error).__name__


@scenarios.add
def a_hook_may_remove_itself(lib):
    m, calls = affine(lib), []

    def once(module, args, out):
        calls.append("once")
        handle.remove()

    handle = m.register_forward_hook(once)
    m.register_forward_hook(lambda module, args, out: calls.append("always"))
    m(lib.ones(2)), m(lib.ones(2))
    return calls


# ---- backward hooks --------------------------------------------------------------------------------------------


@scenarios.add
def backward_hooks_see_the_gradients(lib):
    m, calls = affine(lib), []
    m.register_full_backward_hook(lambda module, grads, grad_outputs: calls.append((module is m, grads, grad_outputs)))
    m.register_full_backward_pre_hook(lambda module, grad_outputs: calls.append(grad_outputs))
    x = lib.tensor([3.0, 4.0], requires_grad=True)
    (m(x, 2) * lib.tensor([1.0, 10.0])).sum().backward()
    return calls, x.grad, m.weight.grad


@scenarios.add
def backward_hooks_may_replace(lib):
    m = affine(lib)
    m.register_full_backward_pre_hook(lambda module, grad_outputs: (grad_outputs[0] * 2,))
    m.register_full_backward_hook(lambda module, grads, grad_outputs: (grads[0] + 1,))
    first = m.register_full_backward_hook(lambda module, grads, grad_outputs: (grads[0] * 10,), prepend=True)
    x = lib.tensor([3.0, 4.0], requires_grad=True)
    m(x).sum().backward()
    first.remove()
    m(x).sum().backward()
    return x.grad, m.weight.grad


@scenarios.add
def backward_hooks_of_several_outputs(lib):
    class Split(lib.nn.Module):
        def forward(self, x, name, n):
            return x * 2, name, x + n

    m, calls = Split(), []
    m.register_full_backward_hook(lambda module, grads, grad_outputs: calls.append((grads, grad_outputs)))
    x = lib.ones(2, requires_grad=True)
    a, _, b = m(x, "name", lib.tensor(3))
    (a * 5 + b).sum().backward()
    return calls, x.grad


@scenarios.add
def backward_hooks_without_input_gradient(lib):
    m, calls = affine(lib), []
    m.register_full_backward_hook(lambda module, grads, grad_outputs: calls.append((grads, grad_outputs)))
    with lib.no_grad():
        m(lib.ones(2))
    with pytest.warns(UserWarning, match="since no inputs require gradients"):
        m(lib.ones(2)).sum().backward()
    return calls, m.weight.grad


@scenarios.add
def a_bad_backward_hook(lib):
    m = affine(lib)
    m.register_full_backward_hook(lambda module, grads, grad_outputs: (grads[0], grads[0]))
    m(lib.ones(2, requires_grad=True)).sum().backward()


@scenarios.add
def a_bad_backward_pre_hook(lib):
    m = affine(lib)
    m.register_full_backward_pre_hook(lambda module, grad_outputs: ())
    m(lib.ones(2, requires_grad=True)).sum().backward()


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)
