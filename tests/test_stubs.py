"""Editors and type checkers know every public function: the stub is current, names nothing that is not there, and has the types."""

from __future__ import annotations

import ast
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import minitorch
from minitorch.op import registry
from minitorch.tensor.functions import FUNCTIONS
from reference import stubs

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "tests" / "typed_program.py"


def test_the_stub_is_current() -> None:
    assert stubs.STUB.read_text(encoding="utf-8") == stubs.stub(), "run: python -m reference stubs"


def test_it_names_every_function_that_is_made_of_the_registry() -> None:
    tree = ast.parse(stubs.STUB.read_text(encoding="utf-8"))
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    second = {n.targets[0].id for n in tree.body if isinstance(n, ast.Assign)} - {"__all__"}
    assert defined | second >= {*registry, *FUNCTIONS} >= defined
    assert {"absolute", "clip", "less"} <= second
    assert all(callable(getattr(minitorch, name)) for name in second)


def test_the_program_runs() -> None:
    runpy.run_path(str(PROGRAM))


@pytest.fixture(scope="module")
def mypy():
    """The lines that mypy, with the project's own settings, prints for a file."""
    pytest.importorskip("mypy", reason="mypy is in the lint extra")

    def run(path: Path) -> list[str]:
        command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--hide-error-context", str(path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()

    return run


def test_a_program_has_the_types(mypy) -> None:
    assert mypy(PROGRAM) == ["Success: no issues found in 1 source file"]


def test_every_public_name_is_known(mypy, tmp_path: Path) -> None:
    names = [n for n, thing in vars(minitorch).items() if not n.startswith("_") and not inspect.ismodule(thing)]
    program = tmp_path / "names.py"
    program.write_text("import minitorch\n" + "".join(f"minitorch.{n}\n" for n in [*names, "unheard_of"]))
    *unknown, _ = mypy(program)
    assert [line.partition("error: ")[2] for line in unknown] == ['Module has no attribute "unheard_of"  [attr-defined]']


def test_the_package_says_that_it_has_types() -> None:
    assert (ROOT / "minitorch" / "py.typed").is_file()
