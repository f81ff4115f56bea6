"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict: results, warnings and errors equal torch's."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from both import Scenarios, affine, assert_runs_the_same, assert_same, assert_same_complaint

scenarios = Scenarios()

# ---- containers ------------------------------------------------------------------------------------------------


def sequential(lib, *sizes):
    return lib.nn.Sequential(*(affine(lib, n) for n in sizes))


@scenarios.add
def sequential_chains(lib):
    twice = lib.nn.Sequential(OrderedDict(a=affine(lib), b=affine(lib)))
    return twice(lib.ones(2)), twice, twice.a is twice[0], list(twice.state_dict()), lib.nn.Sequential()


@scenarios.add
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


@scenarios.add
def sequential_arithmetic(lib):
    a, b = sequential(lib, 1, 2), sequential(lib, 3)
    total = a + b
    twice, also = a * 2, 2 * a
    shared = twice[0] is twice[2], total[2] is b[0]
    a += b
    b *= 3
    return total, twice, also, a, b, shared


@scenarios.add
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


@scenarios.add
def module_list_of_blocks(lib):
    return lib.nn.ModuleList([sequential(lib, 1, 2), sequential(lib, 1, 2), sequential(lib, 2)])


@scenarios.add
def module_dict(lib):
    m = lib.nn.ModuleDict({"b": affine(lib, 1), "a": affine(lib, 2)})
    m["c"] = affine(lib, 3)
    m.update([("d", affine(lib, 4)), ("a", affine(lib, 5))])
    m.update(lib.nn.ModuleDict({"e": affine(lib, 6)}))
    del m["b"]
    seen = [m, len(m), list(m), "c" in m, "b" in m, list(m.keys()), list(m.values()), list(m.items()), m.pop("c")]
    m.clear()
    return [*seen, m]


@scenarios.add
def parameter_list(lib):
    values = lib.nn.ParameterList([lib.ones(2), lib.nn.Parameter(lib.zeros(1, 3))])
    values.append("text").extend([lib.ones(())])
    values[0] = lib.zeros(4)
    values += [lib.ones(1)]
    return [
        repr(values), len(values), values[-1], values[1:3], [type(v).__name__ for v in values],
        [name for name, _ in values.named_parameters()], lib.nn.ParameterList(), repr(lib.nn.ParameterList([lib.ones(1)])),
    ]  # fmt: skip


@scenarios.add
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
    assert_same_complaint(lambda lib: BAD_CONTAINER_USES[name](lib, sequential(lib, 2, 3)))


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


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)
