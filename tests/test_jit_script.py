"""jit.script: functions and modules compiled in both libraries; random programs beside Python itself; what is refused; files."""

from __future__ import annotations

import importlib.util
import io
import random
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import minitorch
from both import plain, rounded
from minitorch import jit, nn
from shares import share_of

PROGRAMS = Path(__file__).with_name("script_programs.py")


def loaded(text: str, folder: Path, name: str) -> ModuleType:
    """A module of this text, in a file of its own: a script is made of code in a file."""
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, ModuleType]:
    """The programs, for each library."""
    folder, text = tmp_path_factory.mktemp("scripts"), PROGRAMS.read_text(encoding="utf-8")
    ours = text.replace("import torch\n", "import minitorch as torch\n").replace("import torch.", "import minitorch.")
    ours = ours.replace("from torch ", "from minitorch ")
    return {torch: loaded(text, folder, "scripts_of_torch"), minitorch: loaded(ours, folder, "scripts_of_ours")}


def scripted(lib: Any, thing: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # (torch's own, of torch.jit)
        return lib.jit.script(thing)


def inputs(lib: Any, *shape: int, seed: int = 0) -> Any:
    lib.manual_seed(seed)
    return lib.randn(*shape, dtype=lib.float64)


CALLS: dict[str, list[Any]] = {
    "branch_on_data": [
        lambda lib: (inputs(lib, 3),),
        lambda lib: (-inputs(lib, 3).abs(),),
        lambda lib: (-9 * inputs(lib, 3).abs(),),
    ],
    "early_returns": [lambda lib, n=n: (inputs(lib, 2), n) for n in (0, 1, 3, 5, 9)],
    "nested_loops": [lambda lib, n=n: (n,) for n in (0, 3, 7, 12, 20)],
    "numbers": [lambda lib, a=a, b=b: (a, b) for a, b in ((1, 0.5), (5, -2.5), (-3, 7.25))],
    "lists": [lambda lib: ([inputs(lib, 3), inputs(lib, 2)], ["ab", "b"])],
    "dicts": [lambda lib: (inputs(lib, 3),)],
    "maybe": [
        lambda lib: (None, inputs(lib, 3)),
        lambda lib: (inputs(lib, 3), inputs(lib, 3), 2.5),
        lambda lib: (None, inputs(lib, 2), 0.5),
    ],
    "calls": [lambda lib: (inputs(lib, 3, 2),)],
    "in_place": [lambda lib: (inputs(lib, 3, 2),)],
    "shapes": [lambda lib: (inputs(lib, 3, 4),)],
    "texts": [lambda lib: (3, "a")],
    "until": [lambda lib: (10 * inputs(lib, 3),)],
    "functional": [lambda lib: (inputs(lib, 3, 4),)],
}
SQUARE = [[1.0, -2.0], [3.0, 4.0]]
CALLS |= {
    "either": [lambda lib: (0, 5), lambda lib: (2, 0), lambda lib: (0, 0)],
    "down_by_two": [lambda lib: (7,)],
    "one_list_two_names": [lambda lib: ([1],)],
    "items_of_a_dict": [lambda lib: ({"a": 1, "b": 2},)],
    "two_names_in_place": [lambda lib: (lib.tensor(SQUARE),)],
    "none_at_first": [lambda lib: (lib.tensor(SQUARE), True), lambda lib: (lib.tensor(SQUARE), False)],
    "text_in_a_loop": [lambda lib: (3,)],
    "unpacked": [lambda lib: (lib.tensor(SQUARE),)],
    "divisions": [lambda lib: (7,), lambda lib: (-4,)],
    "tuple_of_kinds": [lambda lib: (lib.tensor(SQUARE),)],
    "items_of_a_list": [lambda lib: (4,)],
    "indices": [lambda lib: (lib.tensor(SQUARE),)],
    "for_ever": [lambda lib: (lib.tensor(SQUARE),)],
    "words": [lambda lib, n=n: (n,) for n in (0, 1, 3, 9)],
    "loop_in_a_loop": [lambda lib: (lib.tensor(SQUARE), 4)],
}
PYTHONS_OWN = {"either"}  # a script's `or` gives a bool, as in torch
MODULES: dict[str, tuple[Any, ...]] = {
    "Plain": ((4,), (3, 4)), "Layers": ((4,), (3, 4)), "Stacked": ((4,), (3, 4)), "Recurrent": ((3,), (2, 5, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_function_does_what_torchs_script_does(name: str, programs: dict) -> None:
    ours, theirs = (scripted(lib, getattr(programs[lib], name)) for lib in (minitorch, torch))
    for call in CALLS[name]:
        found = plain(ours(*call(minitorch)), minitorch)
        assert str(found) == str(plain(theirs(*call(torch)), torch))  # (as text: 9 is not 9.0)
        if name not in PYTHONS_OWN:
            assert found == plain(getattr(programs[minitorch], name)(*call(minitorch)), minitorch), (
                "the script is not the function"
            )
        again = through_a_file(ours)
        assert plain(again(*call(minitorch)), minitorch) == found and again.code == ours.code


@pytest.mark.parametrize("name", MODULES)
def test_a_module_does_what_torchs_script_does(name: str, programs: dict) -> None:
    _, shape = MODULES[name]
    seen = []
    for lib in (minitorch, torch):
        lib.manual_seed(0)
        m = getattr(programs[lib], name)().to(lib.float64)
        s = scripted(lib, m)
        x = inputs(lib, *shape).requires_grad_()
        told = []
        for mode in (True, False):
            s.train(mode)
            out = s(x)
            first = out[0] if isinstance(out, tuple) else out
            first.sin().sum().backward()
            told.append(
                (
                    plain(out, lib),
                    rounded(x.grad.tolist()),
                    {n: p.grad is not None and rounded(p.grad.tolist()) for n, p in s.named_parameters()},
                )
            )
        assert all(a is b for a, b in zip(m.parameters(), s.parameters()))
        seen.append((told, list(s.state_dict()), [n for n, _ in s.named_modules()]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_comes_back_from_a_file(name: str, programs: dict) -> None:
    m = getattr(programs[minitorch], name)()
    s = jit.script(m).eval()
    x = minitorch.randn(*MODULES[name][1])
    again = through_a_file(s)
    assert plain(again(x), minitorch) == plain(s(x), minitorch)
    assert str(again.graph) == str(s.graph) and list(again.state_dict()) == list(s.state_dict()) and not again.training
    assert repr(again) == repr(s)
    again.train()
    again(x)[0].sum().backward()
    assert any(p.grad is not None for p in again.parameters())


def through_a_file(s: Any, **options: Any) -> Any:
    file = io.BytesIO()
    jit.save(s, file)
    file.seek(0)
    return jit.load(file, **options)


# ---- random programs, beside Python ----


class Writer:
    """A random function of ints and a tensor: loops, branches, and ways out of them anywhere."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.loops = 0

    def text(self) -> str:
        self.lines = ["def f(x: Tensor, a: int, b: int):", "    c = 1"]
        self.block(1, False, self.random.randint(2, 5))
        self.lines.append(f"    return {self.result()}")
        return "import minitorch\nfrom minitorch import Tensor\n\n" + "\n".join(self.lines) + "\n"

    def block(self, depth: int, in_loop: bool, size: int) -> None:
        for _ in range(size):
            self.statement(depth, in_loop)

    def statement(self, depth: int, in_loop: bool) -> None:
        indent, draw = "    " * depth, self.random.random()
        if depth < 4 and draw < 0.25:
            self.lines.append(f"{indent}if {self.test()}:")
            self.block(depth + 1, in_loop, self.random.randint(1, 2))
            if self.random.random() < 0.5:
                self.lines.append(f"{indent}else:")
                self.block(depth + 1, in_loop, self.random.randint(1, 2))
        elif depth < 4 and draw < 0.4:
            self.loops += 1
            self.lines.append(
                f"{indent}for i{self.loops} in range({self.random.choice(['3', '1, 6, 2', 'b % 4', 'len(x)'])}):"
            )
            self.lines.append(f"{indent}    a += i{self.loops}")
            self.block(depth + 1, True, self.random.randint(1, 3))
        elif depth < 4 and draw < 0.48:
            self.loops += 1
            self.lines += [f"{indent}n{self.loops} = 0", f"{indent}while n{self.loops} < 5 and ({self.test()}):"]
            self.lines.append(f"{indent}    n{self.loops} += 1")
            self.block(depth + 1, True, self.random.randint(1, 3))
        elif draw < 0.56 and depth > 1:
            self.lines.append(f"{indent}return {self.result()}")
        elif draw < 0.68 and in_loop:
            self.lines.append(f"{indent}{self.random.choice(['break', 'continue'])}")
        else:
            self.lines.append(indent + self.assignment())

    def assignment(self) -> str:
        return self.random.choice(
            [f"{self.name()} = {self.number()}", f"{self.name()} {self.random.choice('+-')}= {self.number()}", f"x = x * 0.5 + {self.number()}",
             f"x = {self.random.choice(['x.tanh()', '-x', 'x + x.sum()', 'x[:] - 1', 'x.abs()'])}"]
        )  # fmt: skip

    def name(self) -> str:
        return self.random.choice("abc")

    def number(self) -> str:
        return self.random.choice(
            [*"abc", "1", "2", "a % 5 + b", "c - a", "b * 2 % 7", "-c", "a // 2", "(a if b > c else 3)"]
        )

    def test(self) -> str:
        return self.random.choice(
            [
                "a > b",
                "c % 2 == 0",
                "x.sum() > 0",
                "a < 9 and b != c",
                "not a == c",
                "x.max() > a or c > 4",
                "bool(x[0] > 0)",
                "1 <= c < 6",
            ]
        )

    def result(self) -> str:
        return self.random.choice(["(x, a)", "(x + c, b)", "(x * a, c)"])


@pytest.mark.parametrize("seed", [pytest.param(k, marks=share_of(k, 25, 400)) for k in range(3000)])
def test_a_random_program_gives_what_python_gives(seed: int, tmp_path: Path) -> None:
    text = Writer(seed).text()
    f = loaded(text, tmp_path, f"random_script_{seed}").f
    script = jit.script(f)
    for a, b in ((0, 3), (4, 1), (-2, 9)):
        x = inputs(minitorch, 3, seed=seed + a)
        expected, found = f(x, a, b), script(x, a, b)
        assert minitorch.equal(found[0], expected[0]) and found[1] == expected[1], text
    assert through_a_file(script).code == script.code


# ---- what is refused ----

REFUSED = {
    "try": ("def f(x):\n    try:\n        return x\n    except Exception:\n        return -x", "try blocks aren't supported"),
    "lambda": ("def f(x):\n    return (lambda a: a)(x)", "Lambda aren't supported; write a function"),
    "unknown": ("def f(x):\n    return unknown(x)", "undefined value unknown"),
    "star": ("def f(x, *more):\n    return x", "variable number of arguments"),
    "two types": ("def f(x):\n    if x.sum() > 0:\n        y = 1\n    else:\n        y = 'a'\n    return y", "Type mismatch: y is set to type int"),
    "in one branch": ("def f(x):\n    if x.sum() > 0:\n        y = x\n    return y", "y is not defined in the false branch"),
    "list of another type": ("def f(x):\n    y = []\n    y.append(1)\n    return y", "Could not match type int to Tensor"),
    "other type in a loop": ("def f(x):\n    y = 1\n    for i in range(3):\n        y = 2.5\n    return y", "previously had type int"),
    "generator": ("def f(x):\n    yield x", ""),
    "global number": ("N = 3\ndef f(x):\n    return x * N", "python value of type 'int' cannot be used as a value"),
    "class": ("class C:\n    pass\ndef f(x):\n    return C()", ""),
    "attribute": ("def f(x):\n    return x.nothing()", "'Tensor' object has no attribute or method 'nothing'"),
    "maybe none": ("from typing import Optional\ndef f(x: Optional[torch.Tensor]):\n    return x + 1", ""),
    "file": ("def f(x):\n    open('a')\n    return x", ""),
    "recursion": ("def f(x):\n    return f(x)", "recursive"),
    "import": ("def f(x):\n    import math\n    return x", ""),
    "set": ("def f(x):\n    return {1, 2}", ""),
    "annotation": ("def f(x: set):\n    return x", ""),
    "return types": ("def f(x):\n    if x.sum() > 0:\n        return x\n    return 1", ""),
    "unpack": ("def f(x):\n    a, b = (x, x, x)\n    return a", ""),
    "load": ("def f(x):\n    return torch.load('a')", ""),
    "wrong argument": ("def g(x, n: int):\n    return x\ndef f(x):\n    return g(x, 1.5)", "Expected a value of type 'int' for argument 'n'"),
    "for else": ("def f(x):\n    for i in range(3):\n        pass\n    else:\n        x = x + 1\n    return x", ""),
    "match": ("def f(x, n: int):\n    match n:\n        case 1:\n            return x\n    return -x", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_script_is_refused_with_the_line(name: str, tmp_path: Path) -> None:
    text, words = REFUSED[name]
    told = {}
    for lib in (minitorch, torch):
        header = "import torch\n" if lib is torch else "import minitorch as torch\n"
        f = loaded(header + text, tmp_path, f"refused_by_{lib.__name__}").f
        with pytest.raises(Exception) as error:
            scripted(lib, f)
        told[lib] = error.value
    assert type(told[minitorch]).__name__ == type(told[torch]).__name__, told[torch]
    assert words in str(told[minitorch])
    if name not in ("star", "annotation"):
        assert "<--- HERE" in str(told[minitorch]) and "refused_by_minitorch.py" in str(told[minitorch])


def test_wrong_calls_are_refused_in_words(programs: dict) -> None:
    s = jit.script(programs[minitorch].early_returns)
    for args, kwargs in (
        ((), {}),
        ((1, 2), {}),
        ((minitorch.ones(2), 1.5), {}),
        ((minitorch.ones(2), 1, 2), {}),
        ((minitorch.ones(2),), {"m": 1}),
    ):
        with pytest.raises(RuntimeError, match="early_returns"):
            s(*args, **kwargs)


def test_an_error_within_a_script_says_where(programs: dict) -> None:
    s = jit.script(programs[minitorch].shapes)
    with pytest.raises(Exception) as error:
        s(minitorch.ones(2, 3, 4))
    assert any("scripts_of_ours.py" in note for note in getattr(error.value, "__notes__", [])) or "scripts_of_ours" in str(
        error.value
    )


class WithPython(nn.Module):
    """One method is left to Python, one is not for scripts, one is compiled though nobody calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 2.0

    @jit.ignore
    def in_python(self, x: minitorch.Tensor, n: int) -> minitorch.Tensor:
        return minitorch.tensor(sorted(x.tolist(), reverse=bool(n))) * self.factor

    @jit.unused
    def never(self, x: minitorch.Tensor) -> minitorch.Tensor:
        return x if all(v > 0 for v in x) else -x

    @jit.export
    def doubled(self, x: minitorch.Tensor):
        return x * self.factor

    def forward(self, x: minitorch.Tensor, odd: bool = False):
        if odd:
            return self.never(x)
        return self.in_python(x, 1) + 1


def test_what_is_left_to_python_runs_and_is_not_saved() -> None:
    s = jit.script(WithPython())
    assert s(minitorch.tensor([1.0, 3.0, 2.0])).tolist() == [7.0, 5.0, 3.0]
    assert s.doubled(minitorch.ones(1)).item() == 2.0
    s.factor = 3.0
    assert s(minitorch.tensor([1.0])).item() == 4.0, "its self is the script"
    with pytest.raises(RuntimeError, match="annotated to be ignored"):
        s(minitorch.ones(1), True)
    with pytest.raises(RuntimeError, match=r"jit\.save cannot write"):
        through_a_file(s)
    with pytest.raises(RuntimeError, match="Expected a value of type 'int' for argument 'n'"):
        jit.script(CallsItWrongly())


class CallsItWrongly(WithPython):
    def forward(self, x: minitorch.Tensor, odd: bool = False):
        return self.in_python(x, 1.5)


# ---- freezing ----


def with_norms() -> nn.Module:
    minitorch.manual_seed(0)
    m = WithNorms().double()
    for _ in range(3):  # so that the norms have statistics
        m(minitorch.randn(4, 2, 6, 6, dtype=minitorch.float64))
    return m.eval()


class WithNorms(nn.Module):
    """Norms after convolutions: in a row, and called one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        self.conv, self.norm = nn.Conv2d(3, 4, 2, bias=False), nn.BatchNorm2d(4)
        self.shared, self.again = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.scale = nn.Parameter(minitorch.tensor(2.0))

    def forward(self, x: minitorch.Tensor):
        y = self.norm(self.conv(self.row(x)))
        z = self.shared(y)
        return self.again(z) + z * self.scale


def test_a_frozen_module_has_constants_and_no_norms_but_those_it_needs() -> None:
    s = jit.script(with_norms())
    frozen = jit.freeze(s)
    x = minitorch.randn(2, 2, 6, 6, dtype=minitorch.float64)
    assert minitorch.allclose(frozen(x), s(x), rtol=1e-12, atol=1e-12)
    assert list(frozen.parameters()) == [] and len(list(s.parameters())) == 12
    called = [n.inputs[0].name for n in frozen.graph.findAllNodes("prim::CallMethod")]
    assert called == ["row", "conv", "shared", "again"]  # `again` reads what others read too
    assert [type(m).__name__ for m in frozen.row] == ["Conv2d", "Identity", "ReLU"]
    again = through_a_file(frozen)
    assert minitorch.equal(again(x), frozen(x))
    plain = jit.freeze(s, optimize_numerics=False)
    assert minitorch.equal(plain(x), s(x)) and len(plain.graph.findAllNodes("prim::CallMethod")) == 5


def test_what_cannot_be_frozen_is_refused() -> None:
    with pytest.raises(RuntimeError, match="eval mode"):
        jit.freeze(jit.script(WithNorms()))
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        jit.freeze(nn.Linear(2, 2).eval())


# ---- files ----


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_every_layer_of_minitorchs_own_comes_back(tmp_path: Path) -> None:
    """Layers are written by the name of their class and what they hold."""

    class Around(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: minitorch.Tensor):
            return self.layer(x)

    made = [nn.Linear(4, 3), nn.Conv2d(2, 3, 3, padding="same"), nn.ConvTranspose1d(2, 3, 2), nn.BatchNorm2d(3), nn.LayerNorm(4), nn.GroupNorm(1, 4),
            nn.Dropout(0.2), nn.ReLU(), nn.GELU("tanh"), nn.PReLU(), nn.Softmax(1), nn.MaxPool2d(2), nn.AvgPool1d(2), nn.AdaptiveAvgPool2d((1, 1)),
            nn.Embedding(5, 3), nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4), nn.RNN(3, 4), nn.MultiheadAttention(4, 2), nn.Flatten(),
            nn.TransformerEncoderLayer(4, 2, 8), nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2), nn.Upsample(scale_factor=2), nn.ZeroPad2d(1),
            nn.PixelShuffle(2), nn.Identity(), nn.Unflatten(1, (2, 2)), nn.Bilinear(2, 3, 4), nn.RMSNorm(4), nn.InstanceNorm1d(3)]  # fmt: skip
    for layer in made:
        again = through_a_file(jit.script(Around(layer).eval()))
        assert repr(again.layer) == repr(layer) and list(again.state_dict()) == list(Around(layer).state_dict())


def test_a_file_is_moved_and_has_others_beside_it(programs: dict, tmp_path: Path) -> None:
    s = jit.script(programs[minitorch].Plain())
    jit.save(s, tmp_path / "plain.pt", _extra_files={"labels.txt": "a\nb", "raw": b"\x00\xff"})
    extra = {"labels.txt": "", "raw": "", "nothing": "x"}
    again = jit.load(tmp_path / "plain.pt", map_location="cpu", _extra_files=extra)
    assert extra == {"labels.txt": b"a\nb", "raw": b"\x00\xff", "nothing": "x"}
    assert isinstance(again, jit.ScriptModule)
    minitorch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(RuntimeError, match="no file of jit"):
        jit.load(tmp_path / "other.pt")
    with pytest.raises(TypeError, match=r"there is minitorch\.save"):
        jit.save(nn.Linear(2, 2), tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


FORGED = {
    "an operation that reads files": lambda d: d["functions"][0]["graph"]["nodes"][0].__setitem__(0, "aten::load"),
    "an operation of Python's": lambda d: d["functions"][0]["graph"]["nodes"][0].__setitem__(0, "aten::__class__"),
    "a method of the user's": lambda d: d["functions"][0]["graph"]["nodes"][0].__setitem__(0, "prim::PythonOp"),
    "a class of another room": lambda d: d["modules"].__setitem__(0, {**d["modules"][0], "class": "Tensor"} | {}) or d["modules"][0].pop("script"),
    "a value that comes later": lambda d: d["functions"][0]["graph"]["nodes"][0][1].append(10**6),
    "a function within itself": lambda d: d["functions"][0]["graph"]["nodes"].append(["prim::CallFunction", [], [], {"function": {"function": 0}}, [], [["x", ["Tensor"]]], ""]),
    "no root": lambda d: d.pop("root"),
    "a root far away": lambda d: d["root"].__setitem__("module", 99),
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_file_is_refused(how: str, programs: dict) -> None:
    file = io.BytesIO()
    jit.save(jit.script(programs[minitorch].Plain()), file)
    file.seek(0)
    data = minitorch.load(file)
    FORGED[how](data)
    forged = io.BytesIO()
    minitorch.save(data, forged)
    forged.seek(0)
    with pytest.raises(RuntimeError, match="damaged"):
        jit.load(forged)


@pytest.mark.parametrize("seed", [pytest.param(k, marks=share_of(k, 2, 20)) for k in range(100)])
def test_a_damaged_script_loads_or_is_refused_in_words(seed: int, programs: dict) -> None:
    """100 damages a seed: parts of the data exchanged, removed, made something else. Nothing hangs, nothing but a RuntimeError comes out."""
    draw = random.Random(seed)
    file = io.BytesIO()
    jit.save(jit.script(getattr(programs[minitorch], draw.choice(list(MODULES)))()), file)
    file.seek(0)
    whole = minitorch.load(file)
    for _ in range(100):
        data = copied(whole)
        for _ in range(draw.randint(1, 3)):
            spoil(data, draw)
        forged = io.BytesIO()
        minitorch.save(data, forged)
        forged.seek(0)
        try:
            jit.load(forged)
        except RuntimeError as error:
            assert len(str(error)) > 15


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


def spoil(data: Any, draw: random.Random) -> None:
    """Change something somewhere within."""
    here = data
    while True:
        places = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        if not places:
            return
        place = draw.choice(list(places))
        if not isinstance(here[place], (dict, list)) or draw.random() < 0.15:
            break
        here = here[place]
    what = draw.choice(["remove", "other", "exchange"])
    if what == "remove":
        del here[place]
    elif what == "exchange" and isinstance(here, list):
        other = draw.randrange(len(here))
        here[place], here[other] = here[other], here[place]
    else:
        here[place] = draw.choice(
            [None, -1, 10**9, "x", "prim::If", [], {}, {"list": [1]}, 1.5, True, ["Tensor"], minitorch.ones(1)]
        )
