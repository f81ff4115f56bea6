"""Registration, traversal and modes of modules: results, warnings and errors equal torch's."""

from __future__ import annotations

import pytest

from both import Scenarios, affine, assert_runs_the_same, assert_same_complaint, net

scenarios = Scenarios()

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
    assert_same_complaint(lambda lib: BAD_USES[name](lib, affine(lib)))


@scenarios.add
def reassigning_moves_a_name_between_registers(lib):
    m, seen = affine(lib), []
    for value in (lib.nn.Parameter(lib.ones(1)), affine(lib), lib.nn.Buffer(lib.ones(3), persistent=False)):
        m.thing = 1 if not seen else m.thing
        m.thing = value if not isinstance(value, lib.nn.Buffer) else None
        seen.append((list(m._parameters), list(m._buffers), list(m._modules), "thing" in m.__dict__))
    return seen


@scenarios.add
def buffers_by_assignment(lib):
    m = lib.nn.Module()
    m.a = lib.nn.Buffer(lib.ones(2))
    m.b = lib.nn.Buffer(lib.ones(2), persistent=False)
    m.b = lib.zeros(2)
    m.c = lib.ones(2)
    return list(m.state_dict()), dict(m.named_buffers()), m.a.requires_grad


@scenarios.add
def none_reserves_a_name(lib):
    m = affine(lib)
    m.bias = None
    m.count = None
    return [name for name, _ in m.named_parameters()], m.bias, list(m.state_dict()), "bias" in dir(m)


@scenarios.add
def deleting(lib):
    m = net(lib)
    del m.first.weight, m.first.scratch, m.block
    m.plain = 1
    del m.plain
    return list(m.state_dict()), list(m._modules), m.first._non_persistent_buffers_set, hasattr(m, "plain")


@scenarios.add
def parameters_share_memory_and_require_grad(lib):
    data = lib.ones(2)
    with lib.no_grad():
        parameter = lib.nn.Parameter(data)
    data.add_(1)
    frozen = lib.nn.Parameter(data, requires_grad=False)
    return parameter, parameter.requires_grad, frozen.requires_grad, parameter.is_leaf, repr(parameter)


@scenarios.add
def an_integer_parameter_cannot_require_grad(lib):
    try:
        lib.nn.Parameter(lib.tensor(1))
    except RuntimeError:
        return "RuntimeError"


# ---- traversal -------------------------------------------------------------------------------------------------


@scenarios.add
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


@scenarios.add
def paths(lib):
    m = net(lib)
    return (
        m.get_submodule("") is m,
        m.get_submodule("block.second") is m.block.second,
        m.get_parameter("block.second.bias") is m.block.second.bias,
        m.get_buffer("first.count") is m.first.count,
    )


@scenarios.add
def apply_visits_children_first(lib):
    seen = []
    m = net(lib)
    return m.apply(lambda module: seen.append(type(module).__name__)) is m, seen


@scenarios.add
def printing(lib):
    return repr(net(lib)), repr(affine(lib)), repr(lib.nn.Module())


@scenarios.add
def printing_more_lines(lib):
    m = net(lib)
    m.extra_repr = lambda: "one\n\ntwo"
    outer = lib.nn.Module()
    outer.inner = m
    return repr(outer)


@scenarios.add
def dir_lists_the_registers(lib):
    m = net(lib)
    m.add_module("0", affine(lib))
    names = dir(m)
    return [name in names for name in ("first", "empty", "0", "training")], "weight" in dir(m.first)


# ---- modes and conversion --------------------------------------------------------------------------------------


@scenarios.add
def modes(lib):
    m = net(lib)
    evaluated = m.eval() is m, [module.training for module in m.modules()]
    m.first.train()
    mixed = [module.training for module in m.modules()]
    m.requires_grad_(False)
    return evaluated, mixed, [p.requires_grad for p in m.parameters()], m.train().training


@scenarios.add
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


@scenarios.add
def zero_grad(lib):
    m = affine(lib)
    m(lib.ones(2)).sum().backward()
    kept = m.weight.grad
    m.zero_grad(set_to_none=False)
    zeroed = kept is m.weight.grad, kept
    m.zero_grad()
    return zeroed, m.weight.grad


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)
