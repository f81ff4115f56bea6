"""Modules and containers: every scenario runs on torch too, and results, warnings and errors must be the same."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from both import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def affine(lib, n=2):
    """y = w x + b, with a persistent and a non-persistent buffer."""

    class Affine(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.arange(1.0, n + 1.0))
            self.bias = lib.nn.Parameter(lib.zeros(n))
            self.register_buffer("count", lib.tensor(0))
            self.register_buffer("scratch", lib.ones(n), persistent=False)

        def forward(self, x, scale=1):
            return self.weight * x * scale + self.bias

        def extra_repr(self):
            return f"n={len(self.weight)}"

    return Affine()


def net(lib):
    """Two affine maps, the second twice."""
    root = lib.nn.Module()
    root.first = affine(lib)
    root.block = lib.nn.Module()
    root.block.second = affine(lib)
    root.block.again = root.block.second
    root.empty = None
    return root


class Saved(Module):
    """A module that pickle can find."""

    def __init__(self):
        super().__init__()
        self.weight = Parameter(minitorch.ones(2))
        self.register_buffer("count", minitorch.tensor(3), persistent=False)
        self.register_forward_hook(double_output)

    def forward(self, x):
        return self.weight * x


def double_output(module, args, output):
    return output * 2


# ---- registration ----------------------------------------------------------------------------------------------

BAD_USES = {
    "parameter before init": lambda lib, m: setattr(bare(lib), "w", lib.nn.Parameter(lib.ones(1))),
    "module before init": lambda lib, m: setattr(bare(lib), "child", affine(lib)),
    "buffer before init": lambda lib, m: bare(lib).register_buffer("b", lib.ones(1)),
    "register before init": lambda lib, m: bare(lib).register_parameter("w", None),
    "tensor as parameter": lambda lib, m: setattr(m, "weight", lib.ones(2)),
    "number as parameter": lambda lib, m: setattr(m, "weight", 1),
    "tensor as module": lambda lib, m: setattr(net(lib), "first", lib.ones(2)),
    "string as buffer": lambda lib, m: setattr(m, "count", "a"),
    "parameter name with dot": lambda lib, m: m.register_parameter("a.b", None),
    "empty parameter name": lambda lib, m: m.register_parameter("", None),
    "number as parameter name": lambda lib, m: m.register_parameter(1, None),
    "parameter name taken": lambda lib, m: m.register_parameter("forward", None),
    "registering a tensor as parameter": lambda lib, m: m.register_parameter("w", lib.ones(1)),
    "non-leaf parameter": lambda lib, m: m.register_parameter("w", non_leaf_parameter(lib)),
    "buffer name with dot": lambda lib, m: m.register_buffer("a.b", None),
    "empty buffer name": lambda lib, m: m.register_buffer("", None),
    "number as buffer name": lambda lib, m: m.register_buffer(1, None),
    "buffer name taken": lambda lib, m: m.register_buffer("weight", None),
    "list as buffer": lambda lib, m: m.register_buffer("b", [1.0]),
    "module name with dot": lambda lib, m: m.add_module("a.b", None),
    "empty module name": lambda lib, m: m.add_module("", None),
    "number as module name": lambda lib, m: m.add_module(1, None),
    "module name taken": lambda lib, m: m.add_module("weight", affine(lib)),
    "string as module": lambda lib, m: m.add_module("child", "a"),
    "unknown attribute": lambda lib, m: m.nothing,
    "deleting the unknown": lambda lib, m: delattr(m, "nothing"),
    "forward missing": lambda lib, m: lib.nn.Module()(1),
    "training mode of a number": lambda lib, m: m.train(1),
    "arguments to init": lambda lib, m: lib.nn.Module(1),
    "to an integer dtype": lambda lib, m: m.to(lib.int64),
    "unknown submodule": lambda lib, m: net(lib).get_submodule("block.third"),
    "submodule of a parameter": lambda lib, m: net(lib).get_submodule("first.weight"),
    "unknown parameter": lambda lib, m: net(lib).get_parameter("first.third"),
    "a buffer as parameter": lambda lib, m: net(lib).get_parameter("first.count"),
    "a parameter as buffer": lambda lib, m: net(lib).get_buffer("first.weight"),
}


def bare(lib):
    class Bare(lib.nn.Module):
        def __init__(self):
            pass

    return Bare()


def non_leaf_parameter(lib):
    product = lib.nn.Parameter(lib.ones(1), requires_grad=False)
    return product.mul_(lib.nn.Parameter(lib.ones(1)))


@pytest.mark.parametrize("name", BAD_USES)
def test_bad_uses_fail_as_in_torch(name):
    assert_same(lambda lib: BAD_USES[name](lib, affine(lib)))


@scenario
def reassigning_moves_a_name_between_registers(lib):
    m, seen = affine(lib), []
    for value in (lib.nn.Parameter(lib.ones(1)), affine(lib), lib.nn.Buffer(lib.ones(3), persistent=False)):
        m.thing = 1 if not seen else m.thing
        m.thing = value if not isinstance(value, lib.nn.Buffer) else None
        seen.append((list(m._parameters), list(m._buffers), list(m._modules), "thing" in m.__dict__))
    return seen


@scenario
def buffers_by_assignment(lib):
    m = lib.nn.Module()
    m.a = lib.nn.Buffer(lib.ones(2))
    m.b = lib.nn.Buffer(lib.ones(2), persistent=False)
    m.b = lib.zeros(2)
    m.c = lib.ones(2)
    return list(m.state_dict()), dict(m.named_buffers()), m.a.requires_grad


@scenario
def none_reserves_a_name(lib):
    m = affine(lib)
    m.bias = None
    m.count = None
    return [name for name, _ in m.named_parameters()], m.bias, list(m.state_dict()), "bias" in dir(m)


@scenario
def deleting(lib):
    m = net(lib)
    del m.first.weight, m.first.scratch, m.block
    m.plain = 1
    del m.plain
    return list(m.state_dict()), list(m._modules), m.first._non_persistent_buffers_set, hasattr(m, "plain")


@scenario
def parameters_share_memory_and_require_grad(lib):
    data = lib.ones(2)
    with lib.no_grad():
        parameter = lib.nn.Parameter(data)
    data.add_(1)
    frozen = lib.nn.Parameter(data, requires_grad=False)
    return parameter, parameter.requires_grad, frozen.requires_grad, parameter.is_leaf, repr(parameter)


@scenario
def an_integer_parameter_cannot_require_grad(lib):
    try:
        lib.nn.Parameter(lib.tensor(1))
    except RuntimeError:
        return "RuntimeError"


# ---- traversal -------------------------------------------------------------------------------------------------


@scenario
def walks(lib):
    m = net(lib)
    return {
        "parameters": len(list(m.parameters())),
        "own": len(list(m.parameters(recurse=False))),
        "named": [name for name, _ in m.named_parameters()],
        "duplicates": [name for name, _ in m.named_parameters(remove_duplicate=False)],
        "prefix": [name for name, _ in m.named_parameters(prefix="net")],
        "buffers": [name for name, _ in m.named_buffers(prefix="net", remove_duplicate=False)],
        "own buffers": [name for name, _ in m.first.named_buffers(recurse=False)],
        "count of buffers": len(list(m.buffers())),
        "modules": [name for name, _ in m.named_modules()],
        "all modules": [name for name, _ in m.named_modules(prefix="net", remove_duplicate=False)],
        "count of modules": (len(list(m.modules())), len(list(m.modules(remove_duplicate=False)))),
        "children": [name for name, _ in m.block.named_children()],
        "count of children": len(list(m.children())),
    }


@scenario
def paths(lib):
    m = net(lib)
    return (
        m.get_submodule("") is m,
        m.get_submodule("block.second") is m.block.second,
        m.get_parameter("block.second.bias") is m.block.second.bias,
        m.get_buffer("first.count") is m.first.count,
    )


@scenario
def apply_visits_children_first(lib):
    seen = []
    m = net(lib)
    return m.apply(lambda module: seen.append(type(module).__name__)) is m, seen


@scenario
def printing(lib):
    return repr(net(lib)), repr(affine(lib)), repr(lib.nn.Module())


@scenario
def printing_more_lines(lib):
    m = net(lib)
    m.extra_repr = lambda: "one\n\ntwo"
    outer = lib.nn.Module()
    outer.inner = m
    return repr(outer)


@scenario
def dir_lists_the_registers(lib):
    m = net(lib)
    m.add_module("0", affine(lib))
    names = dir(m)
    return [name in names for name in ("first", "empty", "0", "training")], "weight" in dir(m.first)


# ---- modes and conversion --------------------------------------------------------------------------------------


@scenario
def modes(lib):
    m = net(lib)
    evaluated = m.eval() is m, [module.training for module in m.modules()]
    m.first.train()
    mixed = [module.training for module in m.modules()]
    m.requires_grad_(False)
    return evaluated, mixed, [p.requires_grad for p in m.parameters()], m.train().training


@scenario
def dtypes(lib):
    m = affine(lib)
    held = m.weight
    (m(lib.ones(2)).sum()).backward()
    gradient = m.weight.grad
    seen = []
    for convert in (m.double, m.float, lambda: m.to(lib.float64), lambda: m.to(lib.ones(1, dtype=lib.float16))):
        seen.append((convert() is m, m.weight, m.weight.grad, m.count, m.scratch))
    m.half().cpu()
    m.to("cpu", lib.float32).to(device="cpu", dtype=lib.float64)
    return seen, m.weight is held, m.weight.is_leaf, m.weight.requires_grad, gradient is m.weight.grad, m.weight


@scenario
def zero_grad(lib):
    m = affine(lib)
    m(lib.ones(2)).sum().backward()
    kept = m.weight.grad
    m.zero_grad(set_to_none=False)
    zeroed = kept is m.weight.grad, kept
    m.zero_grad()
    return zeroed, m.weight.grad


# ---- state dicts -----------------------------------------------------------------------------------------------


@scenario
def state_dict(lib):
    m = net(lib)
    state = m.state_dict()
    return (
        dict(state),
        type(state).__mro__[-3].__name__,
        dict(state._metadata),
        list(m.state_dict(prefix="net.")),
        [value.requires_grad for value in state.values()],
        [value.requires_grad for value in m.state_dict(keep_vars=True).values()],
        m.state_dict(keep_vars=True)["first.weight"] is m.first.weight,
        m.state_dict(destination={"before": 1}).keys() >= {"before", "first.weight"},
    )


@scenario
def a_state_dict_shares_memory(lib):
    m = affine(lib)
    state = m.state_dict()
    with lib.no_grad():
        m.weight.add_(1)
    state["bias"].fill_(7)
    return state["weight"], m.bias


@scenario
def loading(lib):
    m, other = net(lib), net(lib)
    with lib.no_grad():
        for p in m.parameters():
            p.fill_(5)
    held = other.first.weight
    message = other.load_state_dict(m.state_dict())
    return repr(message), str(message), message == ([], []), other.first.weight is held, other.state_dict()


@scenario
def loading_casts_to_the_modules_dtype(lib):
    m = affine(lib)
    m.load_state_dict({**m.state_dict(), "weight": lib.tensor([3, 4]), "count": lib.tensor([9])})
    return m.weight, m.weight.requires_grad, m.count


@scenario
def loading_by_assignment(lib):
    m = affine(lib)
    state = {"weight": lib.zeros(2, dtype=lib.float64), "bias": lib.nn.Parameter(lib.ones(2)), "count": lib.tensor(4)}
    m.bias.requires_grad_(False)
    m.load_state_dict(state, assign=True)
    return m.weight, m.weight.requires_grad, m.bias is state["bias"], m.bias.requires_grad, m.count is state["count"]


BAD_STATES = {
    "missing": lambda lib, s: s.pop("first.weight"),
    "unexpected": lambda lib, s: s.update({"first.more": lib.ones(1), "third.weight": lib.ones(1), "top": lib.ones(1)}),
    "size": lambda lib, s: s.update({"first.weight": lib.ones(3, 2), "first.count": lib.ones(2)}),
    "not a tensor": lambda lib, s: s.update({"first.weight": [1.0, 2.0]}),
    "extra state": lambda lib, s: s.update({"first._extra_state": 1}),
    "everything": lambda lib, s: (s.pop("first.bias"), s.update({"first.weight": lib.ones(3), "first.x": lib.ones(1)})),
    "a deeper name below a parameter": lambda lib, s: s.update({"first.weight.x": lib.ones(1)}),
}


@pytest.mark.parametrize("name", BAD_STATES)
@pytest.mark.parametrize("strict", [True, False])
def test_bad_states_are_reported_as_in_torch(name, strict):
    def load(lib):
        m = net(lib)
        state = m.state_dict()
        BAD_STATES[name](lib, state)
        result = m.load_state_dict(state, strict=strict)
        return repr(result), result.missing_keys, result.unexpected_keys

    assert_same(load)


@scenario
def loading_what_is_not_a_dict(lib):
    affine(lib).load_state_dict([1])


@given(drop=st.sets(st.integers(0, 8)), add=st.lists(st.sampled_from(["x", "first.x", "block.second.y.z", "q.r"])))
@settings(deadline=None)
def test_any_set_of_keys_is_judged_as_in_torch(drop, add):
    def load(lib):
        m = net(lib)
        state = OrderedDict((k, v) for i, (k, v) in enumerate(m.state_dict().items()) if i not in drop)
        state.update({key: lib.ones(1) for key in add})
        return tuple(m.load_state_dict(state, strict=False))

    assert_same(load)


@scenario
def extra_state(lib):
    class Counting(lib.nn.Module):
        seen = None

        def get_extra_state(self):
            return {"n": 3}

        def set_extra_state(self, state):
            self.seen = state

    m = lib.nn.Module()
    m.counting = Counting()
    state = m.state_dict()
    m.load_state_dict(state)
    missing = m.load_state_dict({}, strict=False)
    return dict(state), m.counting.seen, missing.missing_keys


@scenario
def versions_reach_the_loading_layer(lib):
    class Newer(lib.nn.Module):
        _version = 2

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            self.loaded = prefix, local_metadata.get("version")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    m = lib.nn.Module()
    m.layer = Newer()
    m.load_state_dict(m.state_dict())
    with_version = m.layer.loaded
    m.load_state_dict(dict(m.state_dict()))
    return with_version, m.layer.loaded


@scenario
def state_dict_hooks(lib):
    m, calls = net(lib), []
    m.first.register_state_dict_pre_hook(lambda module, prefix, keep_vars: calls.append((prefix, keep_vars)))

    def leave_out(module, state, prefix, meta):
        del state[prefix + "bias"]

    def fill_in(module, state, prefix, meta, strict, missing, unexpected, errors):
        calls.append((prefix, dict(meta), strict, missing, unexpected, errors))
        state[prefix + "bias"] = lib.ones(2)

    m.first.register_state_dict_post_hook(leave_out)
    handle = m.first.register_load_state_dict_pre_hook(fill_in)
    m.register_load_state_dict_post_hook(lambda module, keys: calls.append(tuple(keys)))
    message = m.load_state_dict(m.state_dict())
    handle.remove()
    m.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    return calls, repr(message), m.first.bias, repr(m.load_state_dict(m.state_dict()))


@scenario
def a_state_dict_hook_may_not_return(lib):
    m = affine(lib)
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state)
    m.state_dict()


@scenario
def a_load_hook_may_not_return(lib):
    m = affine(lib)
    m.register_load_state_dict_post_hook(lambda module, keys: keys)
    m.load_state_dict(m.state_dict())


# ---- copies ----------------------------------------------------------------------------------------------------


@scenario
def deepcopy_is_independent(lib):
    m = net(lib)
    m.first(lib.ones(2)).sum().backward()
    twin = copy.deepcopy(m)
    with lib.no_grad():
        m.first.weight.fill_(9)
    return (
        twin.state_dict(),
        twin.block.second is twin.block.again,
        twin.first.weight.grad,
        type(twin.first.weight) is type(m.first.weight),
        twin.first.weight.requires_grad,
    )


def test_pickle_keeps_parameters_buffers_and_hooks():
    m = pickle.loads(pickle.dumps(Saved()))
    assert type(m.weight) is Parameter and m.weight.requires_grad
    assert m.count.item() == 3 and list(m.state_dict()) == ["weight"]
    assert m(minitorch.ones(2)).tolist() == [2.0, 2.0]
    handle = m.register_forward_hook(double_output)  # does not take the place of the hook that was pickled
    assert m(minitorch.ones(2)).tolist() == [4.0, 4.0]
    handle.remove()
    assert m(minitorch.ones(2)).tolist() == [2.0, 2.0]


# ---- forward hooks ---------------------------------------------------------------------------------------------


@scenario
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


@scenario
def forward_hooks_may_replace(lib):
    m = affine(lib)
    m.register_forward_pre_hook(lambda module, args: args[0] * 10)
    m.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    m.register_forward_hook(lambda module, args, out: out * 2)
    m.register_forward_hook(lambda module, args, out: None)
    return m(lib.ones(2))


@scenario
def forward_hooks_with_kwargs(lib):
    m, calls = affine(lib), []
    m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    m.register_forward_hook(lambda module, args, kwargs, out: calls.append((args, kwargs, out)), with_kwargs=True)
    return m(lib.ones(2), scale=2), calls


@scenario
def a_bad_pre_hook(lib):
    m = affine(lib)
    m.register_forward_pre_hook(lambda module, args, kwargs: 1, with_kwargs=True)
    m(lib.ones(2))


@scenario
def always_called_hooks(lib):
    m, calls = affine(lib), []
    m.register_forward_hook(lambda module, args, out: calls.append("not called"))
    m.register_forward_hook(lambda module, args, out: calls.append(out), always_call=True)
    m.register_forward_hook(lambda module, args, out: 1 / 0, always_call=True)
    try:
        m("text", 1, 2)
    except TypeError as error:
        return calls, type(error).__name__


@scenario
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


@scenario
def backward_hooks_see_the_gradients(lib):
    m, calls = affine(lib), []
    m.register_full_backward_hook(lambda module, grads, grad_outputs: calls.append((module is m, grads, grad_outputs)))
    m.register_full_backward_pre_hook(lambda module, grad_outputs: calls.append(grad_outputs))
    x = lib.tensor([3.0, 4.0], requires_grad=True)
    (m(x, 2) * lib.tensor([1.0, 10.0])).sum().backward()
    return calls, x.grad, m.weight.grad


@scenario
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


@scenario
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


@scenario
def backward_hooks_without_input_gradient(lib):
    m, calls = affine(lib), []
    m.register_full_backward_hook(lambda module, grads, grad_outputs: calls.append((grads, grad_outputs)))
    with lib.no_grad():
        m(lib.ones(2))
    with pytest.warns(UserWarning, match="since no inputs require gradients"):
        m(lib.ones(2)).sum().backward()
    return calls, m.weight.grad


@scenario
def a_bad_backward_hook(lib):
    m = affine(lib)
    m.register_full_backward_hook(lambda module, grads, grad_outputs: (grads[0], grads[0]))
    m(lib.ones(2, requires_grad=True)).sum().backward()


@scenario
def a_bad_backward_pre_hook(lib):
    m = affine(lib)
    m.register_full_backward_pre_hook(lambda module, grad_outputs: ())
    m(lib.ones(2, requires_grad=True)).sum().backward()


# ---- containers ------------------------------------------------------------------------------------------------


def sequential(lib, *sizes):
    return lib.nn.Sequential(*(affine(lib, n) for n in sizes))


@scenario
def sequential_chains(lib):
    twice = lib.nn.Sequential(OrderedDict(a=affine(lib), b=affine(lib)))
    return twice(lib.ones(2)), twice, twice.a is twice[0], list(twice.state_dict()), lib.nn.Sequential()


@scenario
def sequential_as_a_list(lib):
    s = sequential(lib, 1, 2, 3, 4)
    seen = [s[1], s[-1], s[1:3], s[::2], len(s), [type(m).__name__ for m in s], s[1:][0] is s[1]]
    s[0] = affine(lib, 9)
    del s[1]
    seen.append(repr(s))
    del s[-2:]
    seen += [s.append(affine(lib, 5)) is s, s.insert(0, affine(lib, 6)) is s, s.insert(-1, affine(lib, 7)) is s]
    seen += [s.pop(1), s, s.extend(sequential(lib, 8)) is s, list(s.state_dict())]
    return seen


@scenario
def sequential_arithmetic(lib):
    a, b = sequential(lib, 1, 2), sequential(lib, 3)
    total = a + b
    twice, also = a * 2, 2 * a
    shared = twice[0] is twice[2], total[2] is b[0]
    a += b
    b *= 3
    return total, twice, also, a, b, shared


@scenario
def module_list(lib):
    m = lib.nn.ModuleList([affine(lib, n) for n in (2, 2, 3, 3, 3, 4)])
    seen = [repr(m), m[0], m[-1], m[1:4], len(m), m + m[:1]]
    m[0] = affine(lib, 5)
    m.insert(1, affine(lib, 6))
    m.append(affine(lib, 8)).extend([affine(lib, 8)])
    m += [affine(lib, 8)]
    del m[2], m[0:2]
    seen += [m.pop(0), m, list(m.state_dict()), lib.nn.ModuleList(), list(range(len(m)))]
    return seen


@scenario
def module_list_of_blocks(lib):
    return lib.nn.ModuleList([sequential(lib, 1, 2), sequential(lib, 1, 2), sequential(lib, 2)])


@scenario
def module_dict(lib):
    m = lib.nn.ModuleDict({"b": affine(lib, 1), "a": affine(lib, 2)})
    m["c"] = affine(lib, 3)
    m.update([("d", affine(lib, 4)), ("a", affine(lib, 5))])
    m.update(lib.nn.ModuleDict({"e": affine(lib, 6)}))
    del m["b"]
    seen = [m, len(m), list(m), "c" in m, "b" in m, list(m.keys()), list(m.values()), list(m.items()), m.pop("c")]
    m.clear()
    return [*seen, m]


@scenario
def parameter_list(lib):
    values = lib.nn.ParameterList([lib.ones(2), lib.nn.Parameter(lib.zeros(1, 3))])
    values.append("text").extend([lib.ones(())])
    values[0] = lib.zeros(4)
    values += [lib.ones(1)]
    return [
        repr(values), len(values), values[-1], values[1:3], [type(v).__name__ for v in values],
        [name for name, _ in values.named_parameters()], lib.nn.ParameterList(), repr(lib.nn.ParameterList([lib.ones(1)])),
    ]  # fmt: skip


@scenario
def parameter_dict(lib):
    values = lib.nn.ParameterDict({"b": lib.ones(2), "a": lib.zeros(1)})
    values.update(OrderedDict(d=lib.ones(1), c=2))
    seen = [list(values), values.get("none"), values.setdefault("e", lib.ones(3)), values.pop("a"), "a" in values]
    seen += [values.popitem()[0], [name for name, _ in values.named_parameters()], len(values), list(reversed(values))]
    merged = values | lib.nn.ParameterDict({"z": lib.ones(1)})
    return [
        *seen,
        list(merged.keys()),
        list(values.copy()),
        values.fromkeys(["p"])["p"],
        [type(v).__name__ for v in values.values()],
    ]


BAD_CONTAINER_USES = {
    "sequential index": lambda lib, s: s[5],
    "sequential negative index": lambda lib, s: s[-5],
    "sequential string index": lambda lib, s: s["0"],
    "sequential insert index": lambda lib, s: s.insert(9, s[0]),
    "sequential insert value": lambda lib, s: s.insert(0, 1),
    "sequential append value": lambda lib, s: s.append(1),
    "sequential plus list": lambda lib, s: s + [s[0]],
    "sequential times float": lambda lib, s: s * 1.5,
    "sequential times zero": lambda lib, s: s * 0,
    "module list index": lambda lib, s: lib.nn.ModuleList(s)[7],
    "module list extend": lambda lib, s: lib.nn.ModuleList().extend(1),
    "module list call": lambda lib, s: lib.nn.ModuleList(s)(1),
    "module list value": lambda lib, s: lib.nn.ModuleList([1]),
    "module dict update": lambda lib, s: lib.nn.ModuleDict().update(1),
    "module dict pair": lambda lib, s: lib.nn.ModuleDict([1]),
    "module dict triple": lambda lib, s: lib.nn.ModuleDict([("a", s, s)]),
    "module dict key": lambda lib, s: lib.nn.ModuleDict()["a"],
    "module dict method name": lambda lib, s: lib.nn.ModuleDict({"keys": s}),
    "parameter list extend": lambda lib, s: lib.nn.ParameterList().extend(lib.ones(2)),
    "parameter list index": lambda lib, s: lib.nn.ParameterList()[0],
    "parameter list call": lambda lib, s: lib.nn.ParameterList()(),
    "parameter dict call": lambda lib, s: lib.nn.ParameterDict()(1),
    "parameter dict pair": lambda lib, s: lib.nn.ParameterDict([("a",)]),
    "parameter dict key": lambda lib, s: lib.nn.ParameterDict()["a"],
}


@pytest.mark.parametrize("name", BAD_CONTAINER_USES)
def test_bad_container_uses_fail_as_in_torch(name):
    assert_same(lambda lib: BAD_CONTAINER_USES[name](lib, sequential(lib, 2, 3)))


@given(
    data=st.data(),
    n=st.integers(0, 5),
    kind=st.sampled_from(["Sequential", "ModuleList"]),
)
@settings(deadline=None)
def test_lists_stay_numbered_as_in_torch(data, n, kind):
    """Any sequence of edits leaves the same modules under the same names."""
    positions = st.integers(-3, 6)
    edits = data.draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("pop"), positions),
                st.tuples(st.just("pop"), st.slices(6)),
                st.tuples(st.just("append"), st.integers(1, 3)),
                st.tuples(st.just("set"), positions, st.integers(1, 3)),
            ),
            max_size=6,
        )
    )

    def edited(lib):
        modules = getattr(lib.nn, kind)(*([[affine(lib, 1 + i % 3) for i in range(n)]][: kind == "ModuleList"]))
        if kind == "Sequential":
            modules.extend(affine(lib, 1 + i % 3) for i in range(n))
        for name, *arguments in edits:
            if name == "pop":
                modules.pop(arguments[0])
            elif name == "append":
                modules.append(affine(lib, arguments[0]))
            else:
                modules[arguments[0]] = affine(lib, arguments[1])
        return modules, [(name, value) for name, value in modules.state_dict().items()]

    assert_same(edited)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_behaves_as_torch(scenario):
    assert_same(scenario)


def test_torch_has_what_the_scenarios_use():
    """A scenario that failed alike on both sides by a mistake of its own would prove nothing."""
    from both import outcome

    results = {s.__name__: outcome(s, torch)[0] for s in SCENARIOS}
    assert not [name for name, result in results.items() if "AttributeError" in result or "NameError" in result]
