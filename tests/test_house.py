"""The house: imports point down, from a room to those below it; and every file that the prose names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import minitorch

PACKAGE = Path(minitorch.__file__).parent
ROOT = PACKAGE.parent
# The rooms from the ground up. `autograd` is two: its core, which the door records into, and what users call.
ROOMS = """rooms, arrays, autograd core, op, random, ops, tensor, autograd, utils, linalg, distributed, nn, optim, amp, kernels, func, compiler, ao, cpu, cuda, backends, serialization,
hub, multiprocessing, datasets, vision, jit, onnx, viz, lightning, minitorch, examples, exercises, cli""".replace(
    "\n", " "
).split(", ")
CORE = {"node", "engine", "grad_mode", "hooks", "anomaly_mode", "graph", "leaves"}


def room_of(module: list[str]) -> str:
    """The room of `minitorch.ops.reduce`, as a list of names."""
    if len(module) < 2 or not (PACKAGE / module[1]).is_dir():
        return module[1] if len(module) > 1 and module[1] in ROOMS else "minitorch"
    if module[1] == "autograd" and len(module) > 2 and module[2] in CORE:
        return "autograd core"
    return module[1]


def imports(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, module) of every import that runs when the file is imported; those for type checkers and inside functions do not."""
    here = ["minitorch", *file.relative_to(PACKAGE).with_suffix("").parts]
    package = here[:-1]
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    for node in todo:
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("minitorch")):
            base = package[: len(package) - node.level + 1] if node.level else []
            for name in node.names:
                yield node.lineno, [*base, *(node.module.split(".") if node.module else []), name.name]


def upward(file: Path) -> list[str]:
    """The imports of a file that point up."""
    own = ["minitorch", *file.relative_to(PACKAGE).with_suffix("").parts]
    room = room_of([part for part in own if part != "__init__"])
    return [
        f"{file.relative_to(ROOT)}:{line}: {room} imports {'.'.join(module)}"
        for line, module in imports(file)
        if ROOMS.index(room_of(module)) > ROOMS.index(room)
    ]


@pytest.mark.parametrize("room", sorted({p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}))
def test_imports_point_down(room: str) -> None:
    assert [line for file in sorted((PACKAGE / room).rglob("*.py")) for line in upward(file)] == []


def test_an_import_that_points_up_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = PACKAGE / "arrays" / "planted.py"
    text = "from ..op import row\ndef later():\n    from ..nn import Linear\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **options: text)
    assert [line.split(": ", 1)[1] for line in upward(planted)] == ["arrays imports minitorch.op.row"]


# ---- prose ----

PROSE = [
    *PACKAGE.rglob("*.py"),
    *(ROOT / "reference").rglob("*.py"),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("*.md"),
]


@pytest.mark.parametrize("file", PROSE, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_that_are_named_are_there(file: Path) -> None:
    beside = file.parent  # a file is named from the root, from the package, or from beside the one named before it
    for name in re.findall(r"`([\w./]+(?:\.(?:py|md|npz)|/))`", file.read_text(encoding="utf-8")):
        found = next((p / name for p in (beside, ROOT, PACKAGE, *file.parents) if (p / name).exists()), None)
        assert found is not None, f"{file.relative_to(ROOT)} names {name}, which is not there"
        beside = found if found.is_dir() else found.parent
