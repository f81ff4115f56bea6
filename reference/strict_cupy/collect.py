"""What CuPy offers, read off an installed CuPy (no GPU is needed to import it) and printed as the list beside this file.

    python -m reference.strict_cupy.collect > reference/strict_cupy/names.txt

ml_dtypes must be installed: with it CuPy has loops for bfloat16 ("E"). A line is a function with its parameters, `sum(a, axis, dtype, out, keepdims)`; a ufunc with the dtypes it has a loop for,
`exp: e->e f->f d->d`; or a bare name. Read next: `namespace.py`, which allows nothing else.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODULES = (
    "cupy",
    "cupy.linalg",
    "cupy.lib.stride_tricks",
    "cupy.ndarray",
    "cupyx",
    "cupyx.scipy.linalg",
    "cupyx.scipy.special",
)
NEED_LIBRARIES = ("cupyx.scipy.linalg",)  # importing it loads cuBLAS: it is read from its source


def collected() -> Iterator[str]:
    """The lines of the list."""
    import cupy  # type: ignore[import-not-found]

    yield f"# CuPy {cupy.__version__}: names and keywords, by collect.py"
    for where in MODULES:
        if where in NEED_LIBRARIES:
            yield from _from_source(where)
            continue
        owner = cupy.ndarray if where == "cupy.ndarray" else importlib.import_module(where)
        for name in sorted(dir(owner)):
            thing = getattr(owner, name, None)
            if not name.startswith("_") and not isinstance(thing, types.ModuleType) and name != "annotations":
                yield f"{where}.{name}{_described(cupy, thing)}"


def _from_source(package: str) -> Iterator[str]:
    """The functions that a package's `__init__.py` imports from its files."""
    folder = Path(importlib.util.find_spec(package).origin).parent  # type: ignore[union-attr, arg-type]
    trees = {file.stem: ast.parse(file.read_text()) for file in folder.glob("*.py")}
    imported = {a.name for n in trees.pop("__init__").body if isinstance(n, ast.ImportFrom) for a in n.names}
    functions = [n for tree in trees.values() for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in imported]
    for function in sorted(functions, key=lambda f: f.name):
        if not function.name.startswith("_"):
            yield f"{package}.{function.name}({ast.unparse(_without_defaults(function.args))})"


def _without_defaults(arguments: ast.arguments) -> ast.arguments:
    arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
    return arguments


def _described(cupy: Any, thing: Any) -> str:
    if isinstance(thing, cupy.ufunc):
        return ": " + " ".join(thing.types)
    if isinstance(thing, type) or not callable(thing):
        return ""
    return f"({', '.join(_parameters(thing))})"


def _parameters(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
        return [{2: "*", 4: "**"}.get(p.kind, "") + p.name for p in parameters if p.name != "self"]
    except ValueError:  # compiled: the signature is the docstring's first line
        found = re.match(r"[\w.]+\((.*?)\)", (function.__doc__ or "").replace("\n", " "))
        names = [p.split("=")[0].split()[-1] for p in found[1].split(",") if p.strip()] if found else []
        return [n for n in names if n not in ("self", "/", "*")]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in collected())
