"""Whole modules in files: `save(model)`, and `load(file, weights_only=False)`, in files of both libraries; and what is refused."""

from __future__ import annotations

import dataclasses
import enum
import io
import os
import pickle
import sys
import types
import warnings
from collections import defaultdict, namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from test_torch_files import BOMBS, with_pickle

import minitorch
from minitorch import serialization
from reference.layers import ROWS, Row

pytestmark = pytest.mark.formulas


def saved(obj: Any, lib: Any = minitorch, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    lib.save(obj, file, **options)
    file.seek(0)
    return file


def crossed(model: Any, writer: Any, reader: Any) -> Any:
    return reader.load(saved(model, writer), weights_only=False)


# ---- layers of the library's own, from either to either ----


def state_of(layer: Any) -> dict:
    lazy = (torch.nn.parameter.UninitializedTensorMixin, minitorch.nn.parameter.UninitializedTensorMixin)
    return {name: None if isinstance(value, lazy) else value.tolist() for name, value in layer.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if not row.name.startswith("Lazy")], ids=lambda row: row.name)
@settings(max_examples=3)
@given(data=st.data())
def test_every_layer_crosses(row: Row, data: st.DataObject) -> None:
    """What comes out has all that a layer of its library has, and the state and the look of the one that was saved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some options are deprecated, or have no effect
        options = data.draw(row.options)
        try:
            ours, theirs = (row.build(lib, options, "float32") for lib in (minitorch, torch))
        except (ValueError, AssertionError, RuntimeError):  # rows draw bad options too
            reject()
        for layer, writer, reader, like in [
            (ours, minitorch, minitorch, ours),
            (ours, minitorch, torch, theirs),
            (theirs, torch, minitorch, ours),
        ]:
            try:
                file = saved(layer, writer)
            except (TypeError, AttributeError, pickle.PicklingError):  # it holds a function of the test's own
                reject()
            again = reader.load(file, weights_only=False)
            assert type(again) is type(like)
            assert (repr(again), state_of(again)) == (repr(layer), state_of(layer))
            for a, b in zip(again.modules(), like.modules(), strict=True):
                assert set(vars(b)) - set(vars(a)) <= {"_flat_weight_refs"}, f"{a} lacks attributes"


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@pytest.mark.parametrize("writer, reader", [(torch, minitorch), (minitorch, torch), (minitorch, minitorch)])
def test_what_crossed_computes_the_same(name: str, writer: Any, reader: Any) -> None:
    def model(lib: Any) -> Any:
        nn = lib.nn
        return nn.ModuleList(
            [getattr(nn, name)(3, 4, num_layers=2, bidirectional=True), nn.TransformerEncoderLayer(8, 2, 16, 0.0)]
        )

    def output(lib: Any, layers: Any) -> list:
        hidden, _ = layers[0](lib.arange(12.0).reshape(2, 2, 3).sin())
        return layers[1](hidden).tolist()

    layers = model(writer)
    again = crossed(layers, writer, reader)
    for a, b in zip(output(writer, layers), output(reader, again), strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b))
    assert len(list(again.parameters())) == len(list(layers.parameters()))
    again.to(reader.float64)
    again[0](reader.zeros(1, 1, 3, dtype=reader.float64))


# ---- modules of the user's ----


class Block(minitorch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.act = minitorch.nn.Linear(2, 2), minitorch.nn.functional.gelu

    def forward(self, x: Any) -> Any:
        return self.act(self.linear(x))


class Net(minitorch.nn.Module):
    class Head(minitorch.nn.Module):
        """A class within another."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = minitorch.nn.ModuleList([Block(), Block()])
        self.blocks[1].linear.weight = self.blocks[0].linear.weight
        self.register_buffer("mask", minitorch.ones(2))
        self.head = Net.Head()
        self.names, self.itself = ["a", ("b", 1)], [self]
        self.tanh = minitorch.tanh

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = self.tanh(block(x)) * self.mask
        return x


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_model_comes_out(zipped: bool, where: str, tmp_path: Path) -> None:
    net, x = Net().eval(), minitorch.ones(1, 2)
    file: Any = tmp_path / "model.pt" if where == "file" else io.BytesIO()
    minitorch.save(net, file, _use_new_zipfile_serialization=zipped)
    if where == "memory":
        file.seek(0)
    again = minitorch.load(file, weights_only=False)
    assert type(again) is Net and type(again.head) is Net.Head and not again.training
    assert (again(x).tolist(), repr(again), again.names) == (net(x).tolist(), repr(net), net.names)
    assert again.blocks[1].linear.weight is again.blocks[0].linear.weight
    assert again.itself[0] is again
    again(x).sum().backward()


def test_a_model_may_be_a_part_of_a_checkpoint() -> None:
    checkpoint = minitorch.load(saved({"model": Block(), "epoch": 3}), weights_only=False)
    assert (type(checkpoint["model"]), checkpoint["epoch"]) == (Block, 3)


class Theirs(torch.nn.Module):
    """Its name in files is that of `Ours`, which stands in the same program with its imports changed."""

    def __init__(self, lib: Any = torch) -> None:
        super().__init__()
        self.a, self.acts = lib.nn.Linear(2, 3), [lib.tanh, lib.nn.functional.relu, lib.nn.functional.gelu]


class Ours(minitorch.nn.Module):
    __init__ = Theirs.__init__

    def forward(self, x: Any) -> Any:
        return [act(self.a(x)) for act in self.acts]


@pytest.fixture
def one_program() -> Iterator[types.ModuleType]:
    """A module that has the class `Program`, first torch's, then ours: as a script is whose imports are changed."""
    program = types.ModuleType("program_with_a_model")
    sys.modules[program.__name__] = program
    yield program
    del sys.modules[program.__name__]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_model_that_the_script_saved_in_torch(zipped: bool, one_program: types.ModuleType) -> None:
    for cls in (Theirs, Ours):
        cls.__module__, cls.__qualname__, cls.__name__ = one_program.__name__, "Program", "Program"
    one_program.Program = Theirs  # type: ignore[attr-defined]
    model = Theirs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = saved(model, torch, _use_new_zipfile_serialization=zipped)
    one_program.Program = Ours  # type: ignore[attr-defined]
    again = minitorch.load(file, weights_only=False)
    assert type(again) is Ours
    want = [act(model.a(torch.ones(2))) for act in model.acts]
    for a, b in zip(again(minitorch.ones(2)), want, strict=True):
        torch.testing.assert_close(torch.tensor(a.tolist()), b.detach())


# ---- what is refused ----


def test_weights_only_takes_no_modules() -> None:
    for model, writer in ((minitorch.nn.Linear(1, 1), minitorch), (torch.nn.Linear(1, 1), torch), (Block(), minitorch)):
        name = type(model).__qualname__
        with pytest.raises(pickle.UnpicklingError, match=rf"{name}', which is not among the names .*add_safe_globals"):
            minitorch.load(saved(model, writer))


class Plain:
    def __init__(self) -> None:
        self.x = 1


class WithOwnState(minitorch.nn.Module):
    def __setstate__(self, state: Any) -> None:
        os.mkdir("exploded")


class WithOwnNew(minitorch.nn.Module):
    def __new__(cls) -> Any:
        return super().__new__(cls)


def holding(thing: Any) -> Any:
    module = minitorch.nn.Module()
    module.thing = thing
    return module


def local() -> Any:
    class Local(minitorch.nn.Module):
        pass

    return Local()


@pytest.mark.parametrize(
    "obj, error, named",
    [
        (Plain(), TypeError, r"test_whole_modules\.Plain; .*add_safe_globals"),
        (holding(Plain()), TypeError, "test_whole_modules.Plain; "),
        (holding(print), TypeError, "builtins.builtin_function_or_method"),
        (holding(lambda: 1), pickle.PicklingError, "attribute lookup <lambda> on test_whole_modules failed"),
        (holding(type(local())), AttributeError, "Can't pickle local object 'local.<locals>.Local'"),
        (holding(local), TypeError, r"builtins\.function, test_whole_modules\.local"),
        (holding(minitorch.save), TypeError, "builtins.function"),
        (holding(minitorch.nn.Linear(1, 1).forward), TypeError, "builtins.method"),
        (minitorch.optim.SGD([minitorch.ones(1)], 0.1), TypeError, r"SGD; for an optimizer save its state_dict\(\)"),
        (WithOwnState(), TypeError, "WithOwnState, whose class has a __setstate__ of its own"),
        (WithOwnNew(), TypeError, "WithOwnNew, whose class has a __new__ of its own"),
        (local(), AttributeError, "Can't pickle local object 'local.<locals>.Local'"),
        (
            type("Gone", (minitorch.nn.Module,), {})(),
            pickle.PicklingError,
            "attribute lookup Gone on test_whole_modules failed",
        ),
    ],
)
def test_what_could_not_be_made_again_is_not_saved(obj: Any, error: type, named: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=named):
        minitorch.save(obj, tmp_path / "x.pt")
    assert os.listdir(tmp_path) == []


def made(module: str, name: str, *, state: bytes = b"}", arguments: bytes = b")", how: bytes = b"\x81") -> bytes:
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + how + state + b"b."


HERE = __name__
STRANGERS = {
    "a class that is no module": made(HERE, "Plain"),
    "a class that makes itself": made(HERE, "WithOwnNew"),
    "a class that takes its state": made(HERE, "WithOwnState"),
    "a call of a class": made(HERE, "Block", how=b"R"),
    "a call of a layer": made("torch.nn.modules.linear", "Linear", arguments=b"K\x01K\x02\x86", how=b"R"),
    "arguments of a class": made(HERE, "Block", arguments=b"K\x01\x85"),
    "a function of the program": made(HERE, "local", how=b"R"),
    "a function of ours": b"\x80\x02ctorch.nn.functional\nrelu\nK\x01\x85R.",
    "a method of a module": made(HERE, "Block.forward", how=b"R"),
    "save": made("minitorch", "save", how=b"R"),
    "what a module imports": made("os", "mkdir", arguments=b"X\x08\x00\x00\x00exploded\x85", how=b"R"),
    "another module's import": made(HERE, "os.mkdir", arguments=b"X\x08\x00\x00\x00exploded\x85", how=b"R"),
    "a module that is not imported": made("this", "Zen"),
    "an attribute of a class": b"\x80\x02c__builtin__\ngetattr\nc" + f"{HERE}\nNet\n".encode() + b"X\x07\x00\x00\x00forward\x86R.",
    "an attribute of an object": b"\x80\x02c__builtin__\ngetattr\nX\x01\x00\x00\x00aX\x05\x00\x00\x00upper\x86R.",
    "state that is no dict": made(HERE, "Block", state=b"]"),
    "state of numbers": made(HERE, "Block", state=b"}K\x01K\x01s"),
    "state of a class": made("torch", "Size", how=b"R"),
    "modules again and again": b"\x80\x02](ctorch.nn.modules.module\nModule\nq\x00}q\x01" + b"h\x00)\x81h\x01b" * 5000 + b"e.",
    "a class as data": f"\x80\x02](c{HERE}\nBlock\ne.".encode("latin1"),
    "a class in a tuple": f"\x80\x02c{HERE}\nBlock\n\x85.".encode("latin1"),
}  # fmt: skip


@pytest.mark.parametrize("stranger", [*STRANGERS, *(bomb for bomb in BOMBS if len(BOMBS[bomb]) < 1000)])
def test_nothing_else_is_called(stranger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    with pytest.raises(pickle.UnpicklingError, match=r"^load: 'the given file' was not loaded: it "):
        minitorch.load(with_pickle({**STRANGERS, **BOMBS}[stranger], bytes(8)), weights_only=False)
    assert (os.listdir(), set(sys.modules) - modules) == ([], set())


def test_a_class_that_is_not_imported_is_named() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"asks for 'this\.Zen'"):
        minitorch.load(with_pickle(made("this", "Zen")), weights_only=False)
    with pytest.raises(pickle.UnpicklingError, match=r"'torchvision\.ops\.misc\.Permute'"):
        minitorch.load(with_pickle(made("torchvision.ops.misc", "Permute")), weights_only=False)


# ---- what users say is safe ----


@dataclasses.dataclass
class Config:
    depth: int = 3
    words: list = dataclasses.field(default_factory=list)


class Color(enum.Enum):
    RED = 1


Point = namedtuple("Point", "x y")


class OwnState:
    def __init__(self) -> None:
        self.x = 5

    def __getstate__(self) -> Any:
        return [self.x]

    def __setstate__(self, state: Any) -> None:
        self.x = state[0]


class Slots:
    __slots__ = ("a",)


SAFE: list[Any] = [Config, Color, Point, OwnState, Slots, defaultdict, list, minitorch.nn.functional.relu, Block, minitorch.nn.Linear,
                   WithOwnState, minitorch.nn.functional.gelu]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_safe() -> Iterator[None]:
    yield
    serialization.clear_safe_globals()


def test_what_users_say_is_safe() -> None:
    slots = Slots()
    slots.a = 2  # type: ignore[attr-defined]
    things = [
        Config(4, ["x"]),
        Color.RED,
        Point(1, 2),
        OwnState(),
        slots,
        minitorch.nn.functional.relu,
        Block(),
        minitorch.ones(2),
    ]
    counts: Any = defaultdict(list)
    counts["a"].append(1)
    with serialization.safe_globals(SAFE):
        assert set(serialization.get_safe_globals()) == set(SAFE)
        file = saved([*things, counts])
        config, color, point, own, slots_again, relu, block, x, counts_again = minitorch.load(file)
    assert serialization.get_safe_globals() == []
    assert (config, color, point, own.x, slots_again.a, counts_again) == (things[0], Color.RED, Point(1, 2), 5, 2, counts)
    assert (relu, type(block), x.tolist()) == (minitorch.nn.functional.relu, Block, [1.0, 1.0])
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Config"):
        minitorch.load(file)


def test_torch_agrees_about_what_is_safe() -> None:
    for writer, reader in ((minitorch, torch), (torch, minitorch)):
        things = [Config, Color, Point, Slots]
        with writer.serialization.safe_globals(things):
            file = saved([Config(4), Color.RED, Point(1, 2)], writer)
        with reader.serialization.safe_globals(things):
            assert reader.load(file) == [Config(4), Color.RED, Point(1, 2)]
    with torch.serialization.safe_globals([torch.nn.Linear, set]):
        assert type(torch.load(saved(minitorch.nn.Linear(1, 1)))) is torch.nn.Linear


@pytest.mark.parametrize("writer", [minitorch, torch])
def test_the_names_that_would_be_refused(writer: Any) -> None:
    file = saved([writer.nn.Sequential(writer.nn.Linear(1, 1)), writer.ones(1)], writer)
    assert serialization.get_unsafe_globals_in_checkpoint(file) == [
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
    ]
    file.seek(0)
    assert set(torch.serialization.get_unsafe_globals_in_checkpoint(file)) == {
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
    }
    file.seek(0)
    with serialization.safe_globals([minitorch.nn.Linear]):
        assert serialization.get_unsafe_globals_in_checkpoint(file) == ["torch.nn.modules.container.Sequential"]
    for bad in (b"", b"PK\x03\x04", file.getvalue()[:-20], saved(1, _use_new_zipfile_serialization=False).getvalue()):
        with pytest.raises(ValueError, match=r"get_unsafe_globals_in_checkpoint|Expected input"):
            serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(bad))


def test_a_name_of_ones_own() -> None:
    serialization.add_safe_globals([(Config, "old.place.Settings")])
    file = with_pickle(made("old.place", "Settings", state=b"}X\x05\x00\x00\x00depthK\x07s"))
    assert minitorch.load(file).depth == 7
    for bad, error in (((Config,), ValueError), ((Config, 1), TypeError)):
        serialization.clear_safe_globals()
        serialization.add_safe_globals([bad])
        with pytest.raises(error, match="Expected"):
            minitorch.load(saved(1))


def test_some_modules_are_never_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    serialization.add_safe_globals([(os.mkdir, "os.mkdir")])
    with pytest.raises(pickle.UnpicklingError, match=r"'os\.mkdir'"):
        minitorch.load(with_pickle(STRANGERS["what a module imports"]))
    assert os.listdir() == []
