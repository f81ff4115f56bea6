"""Rooms that wait: what `import minitorch` brings along, and that everything else is there when somebody asks for it."""

from __future__ import annotations

import builtins
import importlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

import pytest

import minitorch
from minitorch.rooms import Later, names_of, waiting, when_used

pytestmark = pytest.mark.outside
HOUSE = Path(minitorch.__file__).parents[1]
bytecode = tempfile.TemporaryDirectory()  # so that the sources are compiled once, whatever the environment says


def in_a_new_process(program: str) -> list[str]:
    """The words that a program prints."""
    here = {**os.environ, "PYTHONPATH": str(HOUSE), "PYTHONPYCACHEPREFIX": bytecode.name, "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(
        [sys.executable, "-c", program], env=here, check=True, capture_output=True, text=True
    ).stdout.split()


# ---- what is imported ----


def test_a_program_of_tensors_pays_for_tensors() -> None:
    """No room but those that a tensor needs; of other packages only NumPy. What is imported beyond them costs every program time."""
    brought = in_a_new_process(
        "import sys, numpy; known = set(sys.modules); import minitorch; print(*set(sys.modules) - known)"
    )
    ours = [name.split(".") for name in brought if name.startswith("minitorch.")]
    rooms = {"rooms", "version", "arrays", "op", "autograd", "ops", "tensor", "random", "kernels"}
    assert {name[1] for name in ours} == rooms
    assert len(ours) < 190
    others = {name.split(".")[0] for name in brought} - {"minitorch"}
    assert others <= {"__future__", "copy", "dataclasses", "gc", "heapq", "_heapq", "mmap", "threading"}


def test_a_network_pays_for_layers_and_not_for_what_is_done_to_them() -> None:
    program = "import sys, minitorch; minitorch.nn, minitorch.optim.Adam; print(*sys.modules)"
    names = {name.removeprefix("minitorch.") for name in in_a_new_process(program)}
    assert {"nn.modules.linear", "optim.adam"} <= names
    unused = {
        "nn.parallel",
        "nn.utils.parametrize",
        "optim.lbfgs",
        "optim.lr_scheduler",
        "utils.data",
        "serialization",
        "compiler",
        "func",
    }
    assert names.isdisjoint({*unused, "scipy", "tqdm", "concurrent.futures", "multiprocessing"})


# ---- what waits is there ----

for _package in list(waiting):  # rooms with rooms of their own
    for _later in list(waiting[_package].values()):
        if _later.name is None and _later.module.rpartition(".")[2] not in ("lightning", "multiprocessing"):
            importlib.import_module(_later.module)


@pytest.mark.parametrize("package", sorted(waiting))
def test_what_waits_is_found(package: str) -> None:
    module = importlib.import_module(package)
    if package == "minitorch":
        assert {"optim", "lightning", "load"} <= {*in_a_new_process("import minitorch; print(*dir(minitorch))")}
    for name, later in waiting[package].items():
        assert getattr(module, name) is later.now(), name
        assert vars(module)[name] is later.now(), f"{name} is looked for once only"


STATEMENTS = """
import minitorch.nn.functional as F; F.relu
from minitorch.utils.data import DataLoader
from minitorch import nn, optim; nn.Linear, optim.Adam
from minitorch import vmap, load, save, compile, autocast, typename
from minitorch import *; load, exp, Tensor
from minitorch.nn import *; Linear, DataParallel, utils
from minitorch.optim import *; LBFGS, lr_scheduler.StepLR
from minitorch.autograd import *; trace, gradcheck
import minitorch.optim.lr_scheduler as s; s.StepLR
import minitorch; minitorch.optim.lr_scheduler.StepLR
import minitorch; minitorch.nn.utils.spectral_norm(minitorch.nn.Linear(2, 2))
import minitorch.nn.utils.spectral_norm; assert callable(minitorch.nn.utils.spectral_norm)
import minitorch.autograd.gradcheck; assert callable(minitorch.autograd.gradcheck)
import minitorch; minitorch.autograd.functional.jacobian; minitorch.backends.cudnn.enabled
import minitorch, pickle; pickle.loads(b"cminitorch.nn.modules.linear\\nLinear\\n.")
import minitorch; x = minitorch.ones(2, requires_grad=True); minitorch.optim.Adam([x]).step(); minitorch.kernels.cpu.optim
""".strip().splitlines()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each statement runs in a fork of a process that has imported nothing")
def test_each_statement_works_as_the_first_of_a_program() -> None:
    program = f"""
import os, numpy
for statement in {STATEMENTS!r}:
    if not (pid := os.fork()):
        exec(statement)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        print(statement.replace(" ", "_"))
"""
    assert in_a_new_process(program) == []


# ---- the block itself ----


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An empty package, with files beside it."""
    folder = tmp_path / "house_of_tests"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "cellar.py").write_text("import decimal\nwine = object()\ncellar = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(folder.name)
    yield module
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]
    waiting.pop(folder.name, None)


def run(package: ModuleType, statement: str) -> None:
    """A statement of the package's, in a block."""
    with when_used(package.__name__):
        exec(statement, vars(package))


@pytest.mark.parametrize("statement", ["from .cellar import wine as red", "from house_of_tests.cellar import wine as red"])
def test_a_name_waits_until_it_is_looked_for(package: ModuleType, statement: str) -> None:
    run(package, statement)
    assert "house_of_tests.cellar" not in sys.modules
    assert "red" not in vars(package)
    assert names_of(package.__name__) == ["red"]
    assert package.red is sys.modules["house_of_tests.cellar"].wine  # type: ignore[attr-defined]


def test_a_module_waits_too(package: ModuleType) -> None:
    run(package, "from . import cellar")
    assert waiting[package.__name__] == {"cellar": Later("house_of_tests.cellar", None)}
    assert names_of(package.__name__) == []  # a star brings no modules
    assert package.cellar.wine


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from .cellar import *", "has to name what it imports from house_of_tests.cellar"),
        ("import json", "has to name what it imports from json"),
        ("from .cellar import cellar", "offers a thing of its own name, which cannot wait"),
    ],
)
def test_what_cannot_wait_is_refused(package: ModuleType, statement: str, words: str) -> None:
    with pytest.raises(ImportError, match=words):
        run(package, statement)
    assert builtins.__import__.__name__ == "__import__", "after an error too imports are what they were"


def test_an_error_in_a_room_is_not_taken_for_a_missing_name(package: ModuleType) -> None:
    Path(str(package.__file__)).with_name("cellar.py").write_text("None.wine")
    run(package, "from .cellar import wine")
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'wine'"):
        package.wine  # noqa: B018


def test_imports_of_others_do_not_wait(package: ModuleType) -> None:
    """Another thread may import something meanwhile, and so may a function of the block's."""
    seen = []
    with when_used(package.__name__):
        thread = threading.Thread(
            target=lambda: seen.append(__import__("house_of_tests.cellar", fromlist=["decimal"]).decimal)
        )
        thread.start()
        thread.join()
    assert isinstance(seen[0], ModuleType)


def test_blocks_of_two_threads_may_cross(package: ModuleType) -> None:
    before, other = builtins.__import__, when_used("minitorch.rooms")
    mine = when_used(package.__name__)
    mine.__enter__()
    other.__enter__()
    mine.__exit__()
    other.__exit__()  # it puts back what it has found
    try:
        exec("from .cellar import wine", vars(package))
        assert package.wine is sys.modules["house_of_tests.cellar"].wine  # type: ignore[attr-defined]
    finally:
        builtins.__import__ = before
        waiting.pop("minitorch.rooms")
