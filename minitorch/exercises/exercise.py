"""`Exercise`: one file of `problems/`, read as a task, a file to fill in, a solution and a judge's row.

What the learner gets is cut out of the file's own source, so that it cannot differ from what is judged.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from . import FOLDER, NAMES, TOPICS

Definition = ast.FunctionDef | ast.ClassDef
BASICS = {"numpy", *sys.stdlib_module_names} - {"importlib"}


class Exercise:
    """The exercise of that name: one of `NAMES`."""

    def __init__(self, name: str):
        self.name = name
        self.topic = next(topic for topic, names in TOPICS.items() if name in names)
        self.source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return self.source.partition('"""')[2].partition("\n")[0].removesuffix('"""')

    @property
    def following(self) -> str | None:
        """The exercise after this one."""
        here = NAMES.index(self.name)
        return NAMES[here + 1] if here + 1 < len(NAMES) else None

    # ---- what the learner reads ----

    def file(self) -> str:
        """The file to fill in: the task, what it imports, and a definition with a gap or a mistake."""
        task = "\n\n".join(map(_wrapped, (ast.get_docstring(self._tree) or "").split("\n\n")))
        how = f"Judge it:    minitorch exercise {self.name}\nA hint:      minitorch exercise {self.name} --hint"
        blank = "\n\n" if self._imports(self.start) else "\n"
        return f'"""{task}\n\n{how}\n"""{blank}{self._with_imports(self.start)}'

    def solution(self) -> str:
        """The solution, with what it imports."""
        return self._with_imports(self._code(self._definitions[self.name])).lstrip("\n")

    @cached_property
    def start(self) -> str:
        """The definition that the learner's file begins with."""
        if "start" in self._definitions:
            code = self._code(self._definitions["start"])
            return code.replace("def start(", f"def {self.name}(", 1).replace("class start(", f"class {self.name}(", 1)
        solution = self._definitions[self.name]
        assert ast.get_docstring(solution), f"{self.name}: the solution's docstring tells the learner what to return"
        lines = self.source.splitlines()[solution.lineno - 1 : solution.body[0].end_lineno]
        return "\n".join([*lines, f'    raise NotImplementedError("write {self.name} here")'])

    @property
    def has_a_bug(self) -> bool:
        """Whether the file begins with something to mend, not with a gap."""
        return "NotImplementedError" not in self.start

    def is_start(self, code: str) -> bool:
        """Whether a learner's file still has the definition that it began with."""
        return _dump(_found(ast.parse(code), self.name)) == _dump(_found(ast.parse(self.start), self.name))

    def _with_imports(self, code: str) -> str:
        """The code, below what it or the solution imports."""
        return "\n".join([*self._imports(code), "", "", code]) + "\n"

    def _imports(self, code: str) -> list[str]:
        """The file's imports that the code or the solution uses, one a line."""
        both = [*ast.parse(code).body, self._definitions[self.name]]
        used = {node.id for tree in both for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imports = [node for node in self._tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return [ast.unparse(node) for node in imports if used & {_bound(alias) for alias in node.names}]

    # ---- what the judge reads ----

    @cached_property
    def module(self) -> ModuleType:
        """The file, imported."""
        return importlib.import_module(f"minitorch.exercises.problems.{self.name}")

    @property
    def hints(self) -> tuple[str, ...]:
        """From the gentlest to the plainest."""
        return self.module.HINTS

    def inputs(self, strategies: ModuleType) -> dict[str, Any]:
        """Each argument's strategy."""
        return self.module.inputs(strategies)

    def call(self, answer: Any, case: dict[str, Any]) -> Any:
        """What an answer gives on a case."""
        return self.module.call(answer, **case) if hasattr(self.module, "call") else answer(**case)

    def how_called(self) -> str | None:
        """The code that calls the answer, where that is more than a call; None otherwise."""
        return self._code(self._definitions["call"]) if "call" in self._definitions else None

    def expected(self, case: dict[str, Any]) -> Any:
        """The truth on a case."""
        return self.module.expected(**case)

    @property
    def check(self) -> Callable | None:
        """What decides instead of one truth: `check(result, **case)`, None or what is wrong with it."""
        return getattr(self.module, "check", None)

    @property
    def returns(self) -> tuple[str, ...]:
        """Names of its several results."""
        return getattr(self.module, "RETURNS", ())

    @property
    def forbidden(self) -> frozenset[str]:
        """Functions that an answer may not use: the task is to write them."""
        return frozenset(getattr(self.module, "FORBIDDEN", ()))

    @property
    def allowed(self) -> set[str]:
        """Modules that an answer may import: NumPy, Python's own, and minitorch where the file to fill in does."""
        given = ast.parse(self.file()).body
        imported = [alias.name for node in given if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module or "" for node in given if isinstance(node, ast.ImportFrom)]
        return BASICS | {name.partition(".")[0] for name in imported}

    @property
    def wrong(self) -> dict[str, tuple[Any, str]]:
        """Typical wrong answers: name → (the answer, what is told to whoever gave it)."""
        found = {n: f for n, f in vars(self.module).items() if n.startswith("wrong_")}
        return {n: (f, " ".join(inspect.getdoc(f).split())) for n, f in found.items()}  # type: ignore[union-attr]

    # ---- its source ----

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def _definitions(self) -> dict[str, Definition]:
        return {node.name: node for node in self._tree.body if isinstance(node, Definition)}

    def _code(self, node: Definition) -> str:
        return "\n".join(self.source.splitlines()[node.lineno - 1 : node.end_lineno])


def _wrapped(paragraph: str) -> str:
    """A paragraph in lines that fit anywhere; formulas, which are indented, as they are."""
    return paragraph if "\n " in f"\n{paragraph}" else textwrap.fill(paragraph, 88)


def _bound(alias: ast.alias) -> str:
    """The name that an import makes."""
    return alias.asname or alias.name.partition(".")[0]


def _found(tree: ast.Module, name: str) -> Definition | None:
    return next((node for node in tree.body if isinstance(node, Definition) and node.name == name), None)


def _dump(node: Definition | None) -> str | None:
    return None if node is None else ast.dump(node)


def path_of(name: str) -> Path:
    """The learner's file, in the current folder."""
    return Path(f"{name}.py")
