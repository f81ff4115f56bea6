"""What CuPy offers, read off an installed CuPy (no GPU is needed to import it) and printed as the list beside this file.

    python -m reference.strict_cupy.collect > reference/strict_cupy/names.txt

ml_dtypes must be installed: with it CuPy has loops for bfloat16 ("E"). A line is a function with its parameters, `sum(a, axis, dtype, out, keepdims)`; a ufunc with the dtypes it has a loop for,
`exp: e->e f->f d->d`; or a bare name. Read next: `namespace.py`, which allows nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

MODULES = (
    "cupy", "cupy.linalg", "cupy.lib.stride_tricks", "cupy.ndarray", "cupyx", "cupyx.scipy.linalg", "cupyx.scipy.special",
)  # fmt: skip


def collected() -> Iterator[str]:
    """The lines of the list."""
    import cupy  # type: ignore[import-not-found]

    yield f"# CuPy {cupy.__version__}: names and keywords, by collect.py"
    for where in MODULES:
        owner = cupy.ndarray if where == "cupy.ndarray" else importlib.import_module(where)
        for name in sorted(dir(owner)):
            thing = getattr(owner, name, None)
            if not name.startswith("_") and not isinstance(thing, types.ModuleType) and name != "annotations":
                yield f"{where}.{name}{_described(cupy, thing)}"


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
