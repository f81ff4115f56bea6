"""Which sizes may differ from run to run, and a second set of examples that differs in just these. Read next: `export.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import minitorch
from minitorch.tensor import Tensor

Dims = dict[int, str]


def flat(tree: Any) -> Iterator[Tensor]:
    """The tensors in tuples, lists and dicts, in their order."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list, Mapping)):
        for part in tree.values() if isinstance(tree, Mapping) else tree:
            yield from flat(part)


def rebuilt(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """The tree with other tensors in the place of its own."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, (tuple, list)):
        each = [rebuilt(part, tensors) for part in tree]
        return tree._make(each) if hasattr(tree, "_make") else type(tree)(each)
    return {name: rebuilt(part, tensors) for name, part in tree.items()} if isinstance(tree, dict) else tree


def names_of(arguments: Mapping[str, Any]) -> list[str]:
    """A name for each tensor: its parameter's, with a number where an argument holds several."""
    found = []
    for name, x in arguments.items():
        n = len(list(flat(x)))
        found += [name] if isinstance(x, Tensor) else [f"{name}_{k}" for k in range(n)]
    return found


def from_axes(
    dynamic_axes: Mapping[str, Any], inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[list[Dims], dict[str, Dims]]:
    """dynamic_axes={"x": {0: "batch"}} or {"x": [0]}: for each input, and by name for each output."""
    unknown = [name for name in dynamic_axes if name not in (*inputs, *outputs)]
    if unknown:
        raise ValueError(
            f"dynamic_axes: there is no input or output {unknown[0]!r}; there are {', '.join((*inputs, *outputs))}"
        )
    named = {
        name: dict(axes)
        if isinstance(axes, Mapping)
        else {d: f"{name}_dynamic_axes_{k}" for k, d in enumerate(axes, start=1)}
        for name, axes in dynamic_axes.items()
    }
    return [named.get(name, {}) for name in inputs], {name: named[name] for name in outputs if name in named}


def from_shapes(dynamic_shapes: Any, arguments: Mapping[str, Any]) -> list[Dims]:
    """dynamic_shapes={"x": {0: "batch"}}, or a tuple in the order of the arguments; within a tuple of tensors a tuple of these."""
    if not isinstance(dynamic_shapes, Mapping):
        dynamic_shapes = dict(zip(arguments, dynamic_shapes))
    unknown = [name for name in dynamic_shapes if name not in arguments]
    if unknown:
        raise ValueError(f"dynamic_shapes: there is no argument {unknown[0]!r}; there are {', '.join(arguments)}")
    return [dims for name, x in arguments.items() for dims in _dims(x, dynamic_shapes.get(name), name)]


def _dims(x: Any, told: Any, name: str) -> Iterator[Dims]:
    if isinstance(x, Tensor):
        entries = told.items() if isinstance(told, Mapping) else enumerate(told or ())
        yield {d: _name(dim, f"{name}_dim_{d}") for d, dim in entries if dim is not None and not isinstance(dim, int)}
    elif isinstance(x, (tuple, list, Mapping)):
        for k, (key, part) in enumerate(x.items() if isinstance(x, Mapping) else enumerate(x)):
            inner = told.get(key) if isinstance(told, Mapping) else told[k] if told else None
            yield from _dims(part, inner, f"{name}_{key}")


def _name(dim: Any, otherwise: str) -> str:
    return dim if isinstance(dim, str) else getattr(dim, "__name__", otherwise)


def check(tensors: Sequence[Tensor], dims: Sequence[Dims], names: Sequence[str]) -> dict[str, int]:
    """The example's size for each name; ValueError if it has two, or if there is no such dimension."""
    sizes: dict[str, int] = {}
    for x, own, name in zip(tensors, dims, names):
        for d, dim in list(own.items()):
            if not -x.ndim <= d < x.ndim:
                raise ValueError(f"the input {name!r} has {x.ndim} dimensions, and no dimension {d} that could be dynamic")
            own[d % x.ndim] = own.pop(d)
            if sizes.setdefault(dim, x.shape[d]) != x.shape[d]:
                raise ValueError(f"the dynamic dimension {dim!r} is {sizes[dim]} in one input and {x.shape[d]} in another")
    return sizes


# Never 1, which broadcasts where no other size would do.
OTHER_SIZES: list[Callable[[int], int]] = [
    lambda n: 2 * n,
    lambda n: n + 1,
    lambda n: n + 2,
    lambda n: max(2, n - 1),
    lambda n: max(2, n // 2),
]


def resized(x: Tensor, dims: Dims, other: Callable[[int], int]) -> Tensor:
    """The example with other sizes: what is there again from its beginning, or without its end."""
    for d in dims:
        x = x.index_select(d, minitorch.arange(other(x.shape[d])) % x.shape[d])
    return x
