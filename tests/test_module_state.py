"""State dicts and copies of modules: results, warnings and errors equal torch's."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from both import Scenarios, affine, assert_runs_the_same, assert_same, net
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter

scenarios = Scenarios()


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


# ---- state dicts -----------------------------------------------------------------------------------------------


@scenarios.add
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


@scenarios.add
def a_state_dict_shares_memory(lib):
    m = affine(lib)
    state = m.state_dict()
    with lib.no_grad():
        m.weight.add_(1)
    state["bias"].fill_(7)
    return state["weight"], m.bias


@scenarios.add
def loading(lib):
    m, other = net(lib), net(lib)
    with lib.no_grad():
        for p in m.parameters():
            p.fill_(5)
    held = other.first.weight
    message = other.load_state_dict(m.state_dict())
    return repr(message), str(message), message == ([], []), other.first.weight is held, other.state_dict()


@scenarios.add
def loading_casts_to_the_modules_dtype(lib):
    m = affine(lib)
    m.load_state_dict({**m.state_dict(), "weight": lib.tensor([3, 4]), "count": lib.tensor([9])})
    return m.weight, m.weight.requires_grad, m.count


@scenarios.add
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
    "deeper name below a parameter": lambda lib, s: s.update({"first.weight.x": lib.ones(1)}),
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


@scenarios.add
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


@scenarios.add
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


@scenarios.add
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


@scenarios.add
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


@scenarios.add
def a_state_dict_hook_may_not_return(lib):
    m = affine(lib)
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state)
    m.state_dict()


@scenarios.add
def a_load_hook_may_not_return(lib):
    m = affine(lib)
    m.register_load_state_dict_post_hook(lambda module, keys: keys)
    m.load_state_dict(m.state_dict())


# ---- copies ----------------------------------------------------------------------------------------------------


@scenarios.add
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


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)
