"""An op is what its declaration says, wherever it stands: moved to another file of another package, it is the same op.

Each file of `minitorch/ops` is run again, under another name and in another folder, into a registry of its own. Then the declarations
must be equal, and so must what drawn calls return: numbers, dtypes, memory layout, half precision, `out=`, gradients and errors.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.op import Op, declaring, recipe
from minitorch.op.declaration import Declaration
from reference.strategies import COLUMN_MAJOR, Source
from reference.table import Row, flat, table, tensors

FILES = sorted(path for path in Path(minitorch.ops.__file__).parent.glob("*.py") if path.stem != "__init__")
PACKAGE = "minitorch.elsewhere"
HALVES = [minitorch.float16, minitorch.bfloat16]
Registry = dict[str, Any]


class Mover(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `minitorch.elsewhere.reduce`, and runs it from `file_14.py` in another folder, by whose name its functions go."""

    def __init__(self, folder: Path):
        self.folder = folder

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name.startswith(f"{PACKAGE}.") else None

    def exec_module(self, module: types.ModuleType) -> None:
        family = module.__name__.rpartition(".")[2]
        (place,) = (k for k, path in enumerate(FILES) if path.stem == family)
        copy = self.folder / f"file_{place}.py"
        copy.write_bytes(FILES[place].read_bytes())
        module.__name__ = f"{PACKAGE}.{copy.stem}"
        exec(compile(copy.read_bytes(), str(copy), "exec"), vars(module))


@contextlib.contextmanager
def moved(folder: Path) -> Iterator[tuple[list[Op], Registry]]:
    """All ops, and the registry, made again elsewhere. What kernels have registered beside the ops is theirs too."""
    ops: list[Op] = []
    registry: Registry = {}
    mover, parent = Mover(folder), types.ModuleType(PACKAGE)
    parent.__path__ = []
    sys.modules[PACKAGE] = parent
    sys.meta_path.insert(0, mover)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for module in (declaring, minitorch.op):
                patch.setattr(module, "ops", ops)
                patch.setattr(module, "registry", registry)
            for path in FILES:
                importlib.import_module(f"{PACKAGE}.{path.stem}")
        for op, original in pairs(ops):
            op.twins, op.twin_derivatives = original.twins, original.twin_derivatives
        yield ops, registry
    finally:
        sys.meta_path.remove(mover)
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]


def pairs(ops: list[Op]) -> list[tuple[Op, Op]]:
    """Each op that was moved, with the one that was not."""
    here = {known_by(op): op for op in minitorch.op.ops if op.__module__.startswith("minitorch.ops.")}
    assert here.keys() == {known_by(op) for op in ops} and len(here) == len(ops)
    return [(op, here[known_by(op)]) for op in ops]


def known_by(op: Op) -> tuple:
    """What no other op has: several may go by the name of one torch function, each has a forward of its own."""
    return op.__name__, op.forward.__name__, op.parameters


# ---- what an op is ----


def fixed(op: Op) -> dict[str, Any]:
    """Its declaration but for `forward`; of functions, the code."""
    found = {field.name: getattr(op.declaration, field.name) for field in fields(op.declaration) if field.name != "forward"}
    return in_plain_values(found)


def in_plain_values(value: Any) -> Any:
    """A field, also a table of them: a function's code in its place, which is another object once it is moved."""
    if isinstance(value, dict):
        return {key: in_plain_values(each) for key, each in value.items()}
    return value.__code__.co_code if isinstance(value, types.FunctionType) else value


def other_declarations(ops: list[Op]) -> list[str]:
    return [
        f"{op.__name__}: {fixed(op)}, not {fixed(original)}" for op, original in pairs(ops) if fixed(op) != fixed(original)
    ]


# ---- what it does ----


def other_results(registry: Registry) -> list[str]:
    """The drawn calls that the two sets of ops answer differently."""
    found = []
    for row in table():
        if minitorch.op.registry.get(row.name) is not row.ours:
            continue
        for seed in range(6):
            results = [outcomes(row, function, seed) for function in (registry[row.name], row.ours)]
            found += [f"{row.name}, seed {seed}: {a}, not {b}" for a, b in zip(*results) if a != b]
    return found


def outcomes(row: Row, function: Callable, seed: int) -> list:
    """What a call returns in float64, its gradients, the same with `out=`, and what it returns in half precision."""
    source = Source(seed)
    source.layout = COLUMN_MAJOR if seed % 2 else None
    case = row.draw(source)
    made = tensors(case, minitorch, np.float64, row.inputs())
    results = attempt(row, function, made)
    found = [seen(results), seen(gradients(results, made))]
    if isinstance(results, list) and all(isinstance(t, minitorch.Tensor) for t in results):
        places = [minitorch.empty(t.shape, dtype=t.dtype) for t in results]
        out = places[0] if len(places) == 1 else tuple(places)
        plain = tensors(case, minitorch, np.float64, [])
        found.append(seen(attempt(row, lambda *args, **options: function(*args, out=out, **options), plain)))
    for half in HALVES:
        found.append(seen(attempt(row, function, tensors(case, minitorch, half.numpy, []))))
    return found


def attempt(row: Row, function: Callable, made: dict) -> Any:
    """The results of the call, or what it raised."""
    minitorch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return flat(row.call(function, made))
    except Exception as error:
        return error


def gradients(results: Any, made: dict) -> Any:
    """Of the sum of all results, or what was raised."""
    roots = [t for t in results if getattr(t, "requires_grad", False)] if isinstance(results, list) else []
    if not roots:
        return []
    leaves = [t for t in flat(list(made.values())) if getattr(t, "requires_grad", False)]
    try:
        return minitorch.autograd.grad(roots, leaves, [minitorch.ones_like(t) for t in roots], allow_unused=True)
    except Exception as error:
        return error


def seen(results: Any) -> Any:
    """All that can be told of results: of a tensor its dtype, shape, strides, numbers and the name of its node."""
    if isinstance(results, Exception):
        return type(results), str(results)
    return [
        (t.dtype, t.shape, t.stride(), t._array.tobytes(), t.grad_fn and t.grad_fn.name())
        if isinstance(t, minitorch.Tensor)
        else t
        for t in results
    ]


# ---- they are the same ----


def test_moving_an_op_changes_nothing(tmp_path: Path) -> None:
    with moved(tmp_path) as (ops, registry):
        assert not {op.__module__ for op in ops} & {op.__module__ for op in minitorch.op.ops}
        assert not other_declarations(ops)
        assert set(registry) == set(minitorch.op.registry)
        assert not other_results(registry)


# ---- a rule that looks at where an op stands is noticed ----


def stands_in(family: str, forward: Any) -> bool:
    """The rule that must not be."""
    return forward.__module__ == f"minitorch.ops.{family}"


def word_by_the_file(*words: Any, **more: Any) -> Declaration:
    """The declaration, without `out=` for what stands in activation.py."""
    made = Declaration(*words, **more)
    return replace(made, takes_out=not stands_in("activation", made.forward))


def layout_by_the_file(self: Op, array: Any) -> Any:
    """The result as an array, in row-major order if the op stands in elementwise.py."""
    return np.ascontiguousarray(array) if stands_in("elementwise", self.forward) else laid_out(self, array)


def half_by_the_file(op: Op, xp: Any, half: bool) -> Callable:
    """The op's forward, in float32 for half precision unless it stands in reduce.py."""
    return forward_for(op, xp, half and not stands_in("reduce", op.forward))


laid_out, forward_for = Op._laid_out, recipe.forward_of
FAULTS = [
    (declaring, "Declaration", word_by_the_file),
    (Op, "_laid_out", layout_by_the_file),
    (recipe, "forward_of", half_by_the_file),
]


@pytest.mark.slow
@pytest.mark.parametrize(("owner", "name", "fault"), FAULTS, ids=[fault.__name__ for *_, fault in FAULTS])
def test_a_rule_that_looks_at_the_file_is_noticed(owner: Any, name: str, fault: Callable, tmp_path: Path) -> None:
    forget_calls()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, fault)
        with moved(tmp_path) as (ops, registry):
            assert other_declarations(ops) or other_results(registry)
    forget_calls()


def forget_calls() -> None:
    """What ops have learnt from calls goes: it was learnt under another rule."""
    for op in minitorch.op.ops:
        op.recipes.clear()
        getattr(op, "lane", {}).clear()
