"""Copies, pickles and checkpoints of tensors that share memory, of modules, ops and optimizers: the same comes out as in torch."""

from __future__ import annotations

import base64
import copy
import io
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

import minitorch
from both import Scenarios, assert_runs_the_same
from reference.layers import ROWS, Row


def saved_and_loaded(lib: Any, obj: Any) -> Any:
    file = io.BytesIO()
    lib.save(obj, file)
    file.seek(0)
    return lib.load(file)


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "deepcopy": lambda lib, obj: copy.deepcopy(obj),
    "pickle": lambda lib, obj: pickle.loads(pickle.dumps(obj)),
    "pickle of protocol 5": lambda lib, obj: pickle.loads(pickle.dumps(obj, 5)),
    "copy": lambda lib, obj: [copy.copy(each) for each in obj],
    "save and load": saved_and_loaded,
}

# ---- random structures ----

number = st.integers(0, 99)
tensor_steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "new",
                "new",
                "slice",
                "transposed",
                "strided",
                "expanded",
                "flat",
                "detached",
                "data",
                "parameter",
                "buffer",
                "leaf",
                "result",
                "attribute",
                "grad",
            ]
        ),
        number,
    ),
    min_size=1,
    max_size=8,
)
containers = st.lists(
    st.tuples(st.sampled_from(["list", "tuple", "dict", "OrderedDict", "module"]), st.lists(number, max_size=4)), max_size=5
)


def built(lib: Any, steps: list, boxes: list, modules: bool) -> list:
    """The tensors that the steps make, each from an earlier one, and containers of tensors and of earlier containers."""
    made: list[Any] = [lib.arange(12.0).reshape(3, 4)]
    for kind, n in steps:
        made.append(tensor(lib, kind, n, made[n % len(made)]))
    for kind, choices in boxes:
        inside = [made[n % len(made)] for n in choices]
        if kind == "module" and modules:
            box = lib.nn.Module()
            for k, each in enumerate(inside):
                setattr(box, f"part{k}", each)
            made.append(box)
        else:
            make = {"list": list, "tuple": tuple, "module": list}.get(kind)
            made.append(make(inside) if make else {"dict": dict, "OrderedDict": OrderedDict}[kind](enumerate(inside)))
    return made


def tensor(lib: Any, kind: str, n: int, x: Any) -> Any:
    if kind == "new":
        dtype = [lib.float32, lib.float64, lib.int64, lib.bool, lib.float16, lib.bfloat16][n % 6]
        return lib.zeros(n % 3, 2, dtype=dtype) if n % 5 == 0 else lib.arange(6).reshape(2, 3).to(dtype)
    if kind in ("slice", "transposed", "strided", "expanded", "flat"):
        with lib.no_grad():
            if not x.ndim:
                return x
            return {
                "slice": lambda: x[n % 2 :],
                "transposed": lambda: x.transpose(0, -1),
                "strided": lambda: x[..., :: 1 + n % 2],
                "expanded": lambda: x[:1].expand(3, *x.shape[1:]),
                "flat": lambda: x.flatten(),
            }[kind]()
    if kind == "detached":
        return x.detach()
    if kind == "data":
        return x.data
    if kind == "buffer":
        return lib.nn.Buffer(x.detach(), persistent=bool(n % 2))
    if kind == "attribute":
        x.tag = ["said", n]
        return x
    if not x.is_floating_point():
        return x
    if kind == "parameter":
        return lib.nn.Parameter(x.detach(), requires_grad=bool(n % 2))
    if kind == "grad" and x.is_leaf:
        x.grad = lib.ones_like(x)
        return x
    leaf = x.detach().clone().requires_grad_()
    return leaf * 2 if kind == "result" else leaf


def seen(lib: Any, made: Any) -> list:
    """All that can be seen of a structure: kinds, values, who is whose object, who lies in whose memory."""
    objects: dict[int, int] = {}
    tensors: list[Any] = []

    def look(x: Any) -> Any:
        if x is None or isinstance(x, int | str | float):
            return x
        if id(x) in objects:
            return "again", objects[id(x)]
        objects[id(x)] = len(objects)
        if isinstance(x, lib.Tensor):
            tensors.append(x)
            kind = "Parameter" if isinstance(x, lib.nn.Parameter) else "Buffer" if isinstance(x, lib.nn.Buffer) else "Tensor"
            grad = look(x.grad) if x.is_leaf else None
            what = x.requires_grad, x.is_leaf, x._version, getattr(x, "tag", None), getattr(x, "persistent", None), grad
            stride = x.stride() if x.numel() else None  # NumPy gives what is empty the strides 0
            return kind, str(x.dtype).split(".")[1], tuple(x.shape), stride, x.tolist(), what
        if isinstance(x, lib.nn.Module):
            return "Module", [
                (name, look(each)) for name, each in sorted(vars(x).items()) if name.startswith(("part", "_p", "_b"))
            ]
        if isinstance(x, dict):
            return type(x).__name__, [(key, look(each)) for key, each in x.items()]
        return type(x).__name__, [look(each) for each in x]

    found = look(made)
    return [found, [[apart(a, b) for b in tensors] for a in tensors]]


def apart(a: Any, b: Any) -> int | None:
    """How far the first elements of two tensors lie apart in memory, None if the two have none in common."""
    reach_a, reach_b = reach(a), reach(b)
    if not (a.numel() and b.numel() and a.data_ptr() < b.data_ptr() + reach_b and b.data_ptr() < a.data_ptr() + reach_a):
        return None
    return a.data_ptr() - b.data_ptr()


def reach(x: Any) -> int:
    return x.element_size() * (1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride())))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("way", WAYS)
@given(steps=tensor_steps, boxes=containers)
def test_a_structure_comes_out_as_in_torch(way: str, steps: list, boxes: list) -> None:
    def outcome(lib: Any) -> Any:
        made = built(lib, steps, boxes, modules=way != "save and load")
        try:
            return seen(lib, WAYS[way](lib, made))
        except RuntimeError as error:  # a deep copy of what has a history
            return type(error)

    assert outcome(minitorch) == outcome(torch)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("zipped", [True, False])
@given(steps=tensor_steps, boxes=containers)
def test_a_structure_crosses_to_the_other_library(zipped: bool, steps: list, boxes: list) -> None:
    """Saved by one and loaded by the other, it is what torch alone makes of it."""

    def crossed(writer: Any, reader: Any) -> Any:
        file = io.BytesIO()
        writer.save(built(writer, steps, boxes, modules=False), file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        return seen(reader, reader.load(file))

    assert crossed(minitorch, torch) == crossed(torch, minitorch) == crossed(torch, torch)


# ---- one by one ----

scenarios = Scenarios()


def each_way(name: str) -> Callable:
    """A scenario of the library and one way to copy, for each way."""

    def add(scenario: Callable[[Any, Callable], Any]) -> Callable:
        for way in name.split(","):
            made = lambda lib, way=way: scenario(lib, lambda obj: WAYS[way](lib, obj))
            made.__name__ = f"{scenario.__name__}, by {way}"
            scenarios.add(made)
        return scenario

    return add


@each_way("deepcopy,pickle,save and load")
def a_write_shows_in_the_views(lib, again):
    t = lib.arange(4.0)
    a, b, c, d = again([t, t[1:3], t.detach(), t])
    a.fill_(9)
    return a, b, c, d is a, d


@each_way("deepcopy,pickle,save and load")
def containers_stay_one_object(lib, again):
    inner, pair = [1], (1, [2])
    a, b, c, d = again([inner, {"x": inner}, pair, pair])
    a.append(3)
    return a, b, c is d


@each_way("deepcopy,pickle,save and load")
def a_list_may_hold_itself(lib, again):
    loop: list[Any] = [1]
    loop.append({"loop": loop})
    made = again(loop)
    return made[1]["loop"] is made


@each_way("deepcopy,pickle")
def modules_with_tied_weights(lib, again):
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    made = again(model)
    return made[1].weight is made[0].weight, made[1].weight is model[0].weight, made(lib.ones(1, 2)), made.state_dict()


@each_way("save and load")
def state_dicts_with_tied_weights(lib, again):
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    state = again(model.state_dict())
    state["0.weight"][0, 0] = 7
    return state, dict(state._metadata)


@each_way("deepcopy,pickle,copy,save and load")
def hooks_stay_behind(lib, again):
    x = lib.ones(2, requires_grad=True)
    x.register_hook(lib.nn.functional.relu)
    return again([x, lib.ones(1)])[0]


@each_way("deepcopy,pickle,copy,save and load")
def hooks_that_are_marked_stay_behind_in_silence(lib, again):
    x = lib.ones(2, requires_grad=True)
    x.register_hook(lib.utils.hooks.unserializable_hook(lambda g: g * 2))
    (made,) = again([x])
    made.sum().backward()
    return made.grad


@each_way("deepcopy,pickle,copy")
def outputs_with_names(lib, again):
    x = lib.tensor([[3.0, 1.0], [2.0, 5.0]])
    made = [*again([x.max(0), x.sort(), x.topk(1), lib.aminmax(x)])]
    return made, made[0].values, made[1].indices, [type(each).__name__ for each in made]


@each_way("deepcopy,pickle")
def generators(lib, again):
    g = lib.Generator().manual_seed(3)
    lib.randn(3, generator=g)
    a, b = again([g, g])
    return a is b, lib.randn(5, generator=a), lib.randn(5, generator=g)


@each_way("deepcopy,pickle,save and load")
def small_things(lib, again):
    things = [lib.float32, lib.bool, lib.bfloat16, lib.Size([1, 2]), lib.device("cpu")]
    made = again(things)
    return [a is b for a, b in zip(made[:3], things)], made[3].numel(), type(made[3]).__name__, made[4] == things[4]


@each_way("deepcopy,pickle")
def the_graph_is_not_copied(lib, again):
    try:
        again((lib.ones(1, requires_grad=True) * 2).grad_fn)
    except TypeError as error:
        return str(error)[:30]


@each_way("deepcopy,pickle")
def training_goes_on_in_the_copy(lib, again):
    results = []
    for cls, options in [(lib.optim.SGD, {"momentum": 0.9}), (lib.optim.Adam, {}), (lib.optim.AdamW, {"amsgrad": True})]:
        lib.manual_seed(0)
        model = lib.nn.Linear(2, 2)
        optimizer = cls(model.parameters(), lr=0.1, **options)
        trained = model, optimizer, lib.optim.lr_scheduler.StepLR(optimizer, 2)
        train(lib, *trained)
        twin = again(trained)
        train(lib, *trained)
        train(lib, *twin)
        results += [twin[0].weight, model.weight, twin[2].optimizer is twin[1], twin[2].get_last_lr()]
    return results


def train(lib, model, optimizer, schedule):
    for _ in range(3):
        optimizer.zero_grad()
        model(lib.arange(4.0).reshape(2, 2)).pow(2).sum().backward()
        optimizer.step()
        schedule.step()


@scenarios.add
def a_parameter_of_a_class_of_ones_own(lib):
    copied = copy.deepcopy(Own[lib](lib.ones(2)))
    made = [pickle.loads(pickle.dumps(Own[lib](lib.ones(2)))), copy.copy(Own[lib](lib.ones(2)))]
    return type(copied).__name__, [type(each).__name__ for each in made]


class Ours(minitorch.nn.Parameter):
    pass


class Theirs(torch.nn.Parameter):
    pass


Ours.__name__ = Theirs.__name__ = "Own"
Ours.__qualname__, Theirs.__qualname__ = "Ours", "Theirs"
Own = {minitorch: Ours, torch: Theirs}


@scenarios.parametrize
def test_same_as_torch(scenario) -> None:
    assert_runs_the_same(scenario)


def test_memory_shared_with_numpy_is_copied_once() -> None:
    array = np.arange(4.0)
    a, b = copy.deepcopy([minitorch.from_numpy(array), minitorch.from_numpy(array[1:])])
    a.fill_(7)
    assert b.tolist() == [7.0] * 3
    assert array.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("way", ["deepcopy", "save and load", "copy"])
def test_views_on_a_gpu(way: str, gpu: Any) -> None:
    x = minitorch.arange(12.0).to("cuda").reshape(3, 4)
    a, b, c = WAYS[way](minitorch, [x, x.t(), x[1:, ::2]])
    a[1, 0] = 99
    assert (b.device, b.stride(), b[0].tolist()) == (x.device, (1, 4), [0.0, 99.0, 8.0])
    assert (c.device, c.stride(), c.tolist()) == (x.device, (4, 2), [[99.0, 6.0], [8.0, 10.0]])


OLD_PICKLE = """
gASVUgEAAAAAAABdlCiMF21pbml0b3JjaC50ZW5zb3IudGVuc29ylIwIX3JlYnVpbGSUk5QoaAGMBlRlbnNvcpSTlIwWbnVtcHkuX2NvcmUubXVsdGlhcn
JheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwJLAoaUaAmMBWR0eXBllJOUjAJmNJSJiIeUUpQoSwOM
ATyUTk5OSv////9K/////0sAdJRiiEMQAAAAAAAAgD8AAABAAABAQJR0lGKMA2NwdZR9lIwOX3JlcXVpcmVzX2dyYWSUiHN0lFKUjBZtaW5pdG9yY2gubm
4ucGFyYW1ldGVylIwJUGFyYW1ldGVylJOUaAMoaAVoCGgLSwCFlGgNh5RSlChLAUsBhZRoFYlDBAAAgD+UdJRiaBp9lGgciXN0lFKUiIaUUpRlLg==
"""


def test_pickles_of_the_first_version_are_read() -> None:
    x, parameter = pickle.loads(base64.b64decode(OLD_PICKLE))
    assert (x.tolist(), x.stride(), x.requires_grad) == ([[0.0, 2.0], [1.0, 3.0]], (1, 2), True)
    assert (type(parameter), parameter.tolist()) == (minitorch.nn.Parameter, [1.0])


# ---- functions ----

PLACES = ["", "nn.functional", "nn.init", "special", "Tensor"]


def public_functions() -> list[str]:
    """The functions and methods that both libraries have and torch can pickle."""
    names = []
    for place in PLACES:
        ours, theirs = (at(lib, place) for lib in (minitorch, torch))
        for name in dir(ours):
            if not name.startswith("_") and callable(getattr(ours, name, None)) and callable(getattr(theirs, name, None)):
                names.append(f"{place}.{name}".lstrip("."))
    return names


def at(lib: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        lib = getattr(lib, name, None)
    return lib


def test_functions_are_pickled_by_name() -> None:
    names = public_functions()
    assert len(names) > 600
    for name in names:
        function = at(minitorch, name)
        assert pickle.loads(pickle.dumps(function)) is function, name
        assert copy.deepcopy(function) is function, name


class Net(minitorch.nn.Module):
    def __init__(self, act: Any) -> None:
        super().__init__()
        self.layer, self.act = minitorch.nn.Linear(2, 2), act

    def forward(self, x: Any) -> Any:
        return self.act(self.layer(x))


@pytest.mark.parametrize("act", [minitorch.tanh, minitorch.nn.functional.gelu, minitorch.Tensor.relu, minitorch.nn.ReLU()])
def test_a_module_may_hold_an_op(act: Any) -> None:
    net, x = Net(act), minitorch.ones(1, 2)
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert again(x).tolist() == net(x).tolist()


def test_a_lambda_is_refused_as_always() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Net(lambda x: x))


def test_an_op_without_a_place_is_refused() -> None:
    @minitorch.op.op(public=False)
    def twice(xp: Any, x: minitorch.op.Array) -> Any:
        return 2 * x

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(twice)
    assert copy.deepcopy(twice) is twice


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(data=st.data())
def test_every_layer_can_be_copied(row: Row, data: st.DataObject) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some options are deprecated, or have no effect
        try:
            layer = row.build(minitorch, data.draw(row.options), "float32")
        except (ValueError, AssertionError, RuntimeError):  # rows draw bad options too
            reject()
        for again in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
            assert repr(again) == repr(layer)
            assert numbers_of(again) == numbers_of(layer)


def numbers_of(layer: Any) -> dict[str, Any]:
    """The state; of a lazy layer, that it has none yet."""
    lazy = minitorch.nn.parameter.is_lazy
    return {k: repr(v) if lazy(v) else v.tolist() for k, v in layer.state_dict().items()}


def test_mixed_dtypes_of_one_memory_are_refused() -> None:
    x = np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        saved_and_loaded(minitorch, [minitorch.from_numpy(x), minitorch.from_numpy(x.view(np.int32))])
