"""`vmap`: a function of one sample, applied to all samples at once (torch.func).

The function runs once. Its arguments are tensors whose arrays hide the dimension of the samples (`arrays/batched.py`), so that all it
sees are the shapes of one sample; ops compute for all of them (`op/batching.py`), and what they record is recorded as ever: `grad` works
within, around, and after it. Read next: `op/batching.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..arrays.batched import Level, is_at, running
from ..nn import Module, ModuleList
from ..ops.batches import into_batch, out_of_batch
from ..ops.rearrange import cat, stack
from ..tensor import Tensor
from .transforms import jvp
from .tree import leaves, rebuilt, structure

Dims = Any  # an int, None, or a nest of them


def vmap(
    func: Callable, in_dims: Dims = 0, out_dims: Dims = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """The function of one sample as one of many: its results for all, side by side.

    in_dims: the dimension of the samples in each argument, None for what is the same for all; nested as the arguments are, or one
    int for all. out_dims: where they stand in each result. randomness: "error" refuses random numbers, "different" draws some for
    each sample, "same" draws them once. chunk_size: so many samples at a time, which needs less memory. Ops without a rule of their
    own run sample by sample. What depends on numbers (`item`, `if`, `nonzero`) is refused.

    >>> import minitorch
    >>> rows, weight = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]]), minitorch.tensor([1.0, 1.0])
    >>> vmap(lambda row, weight: row @ weight, in_dims=(0, None))(rows, weight)
    tensor([3., 7.])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        name = getattr(func, "__name__", repr(func))
        dims = _dims_of(name, in_dims, args)
        size = _batch_size(name, in_dims, leaves(args), dims)
        step = chunk_size or max(size, 1)
        results = [
            _of_samples(func, name, _part(args, dims, start, min(step, size - start)), dims, out_dims, randomness, kwargs)
            for start in range(0, max(size, 1), step)
        ]
        return results[0] if len(results) == 1 else _joined(results, out_dims)

    return wrapper


def _of_samples(func: Callable, name: str, args: tuple, dims: list, out_dims: Dims, randomness: str, kwargs: dict) -> Any:
    """The function, once, at a level of its own."""
    given = leaves(args)
    size = next(x.shape[d] for x, d in zip(given, dims) if d is not None)
    level = Level(size, len(running()) + 1, randomness)
    running().append(level)
    try:
        batched = [x if d is None else into_batch(x, level, d) for x, d in zip(given, dims)]
        out = func(*rebuilt(args, batched), **kwargs)
        results = [_left(name, x, level, d) for x, d in zip(leaves(out), _out_dims_of(name, out_dims, out))]
    finally:
        level.open = False
        running().pop()
    return rebuilt(out, results)


def _left(name: str, x: Any, level: Level, dim: int | None) -> Any:
    """A result, with its samples in dimension `dim`."""
    if not isinstance(x, Tensor):
        if dim is None:
            return x
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set out_dims= to None for "
            "output?"
        )
    if dim is None:
        if is_at(x._array, level):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return x
    if not -x.ndim - 1 <= dim <= x.ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-x.ndim - 1}, {x.ndim}], but got {dim})")
    return out_of_batch(x, level, dim % (x.ndim + 1))


# ---- which dimension ----


def _dims_of(name: str, in_dims: Dims, args: tuple) -> list[int | None]:
    """For each leaf of the arguments, its dimension of samples."""
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple matching "
            f"the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs: vmap needs samples.")
    dims = _spread(in_dims, args)
    if dims is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of `inputs`, which is "
            f"{structure(args)}"
        )
    return [_checked_dim(name, in_dims, x, dim) for x, dim in zip(leaves(args), dims)]


def _spread(dims: Dims, tree: Any) -> list | None:
    """One for each leaf: an int or None stands for all below; None if the nests differ."""
    if not isinstance(dims, (tuple, list, dict)):
        return [dims] * len(leaves(tree))
    children = list(dims.values()) if isinstance(dims, dict) else list(dims)
    below = list(tree.values()) if isinstance(tree, dict) else list(tree) if isinstance(tree, (tuple, list)) else None
    if below is None or isinstance(dims, dict) != isinstance(tree, dict) or len(children) != len(below):
        return None
    found = [_spread(d, t) for d, t in zip(children, below)]
    return None if any(f is None for f in found) else [d for f in found for d in f or ()]


def _checked_dim(name: str, in_dims: Dims, x: Any, dim: Any) -> int | None:
    """The dimension, counted from the front."""
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={dim} for"
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(f"{start} an input but in_dim must be either an integer dimension or None.")
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{start} an input but the input is of type {type(x)}. We cannot vmap over non-Tensor arguments, please use None as the "
            "respective in_dim"
        )
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(
            f"{start} some input, but that input is a Tensor of dimensionality {x.ndim} so expected in_dim to satisfy -{x.ndim} <= "
            f"in_dim < {x.ndim}."
        )
    return dim % x.ndim


def _batch_size(name: str, in_dims: Dims, given: list, dims: list) -> int:
    sizes = [x.shape[d] for x, d in zip(given, dims) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
        )
    return sizes[0]


def _out_dims_of(name: str, out_dims: Dims, out: Any) -> list:
    """For each leaf of the results, where its samples go."""
    if not (out_dims is None or isinstance(out_dims, (int, tuple, list, dict))):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints representing "
            "where in the outputs the vmapped dimension should appear."
        )
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and isinstance(out, Tensor):
        (out_dims,) = out_dims
    dims = _spread(out_dims, out)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`, which is "
            f"{structure(out)}"
        )
    return dims


# ---- some samples at a time ----


def _part(args: tuple, dims: list, start: int, size: int) -> tuple:
    """The arguments with `size` samples, from number `start`."""
    parts = [x if d is None or x.shape[d] == size else x.narrow(d, start, size) for x, d in zip(leaves(args), dims)]
    return rebuilt(args, parts)


def _joined(results: Sequence, out_dims: Dims) -> Any:
    """The results of the parts, one after the other."""
    dims = _out_dims_of("", out_dims, results[0])
    columns = zip(*map(leaves, results))
    return rebuilt(results[0], [c[0] if d is None else cat(list(c), d) for c, d in zip(columns, dims)])


# ---- beside it ----


def stack_module_state(models: Sequence[Module] | ModuleList) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of several modules of one kind, each name's tensors stacked: for `vmap` over an ensemble.

    Those that are trained are leaves that require grad, as the modules' own are.
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {
        name: _stacked(name, [dict(m.named_parameters())[name] for m in models]) for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: _stacked(name, [dict(m.named_buffers())[name] for m in models]) for name, _ in models[0].named_buffers()
    }
    return params, buffers


def _stacked(name: str, tensors: list) -> Tensor:
    wanting = {x.requires_grad for x in tensors}
    if len(wanting) > 1:
        raise RuntimeError(
            f"Expected {name} from each model to have the same .requires_grad state: some of them require grad, others do not"
        )
    return stack([x.detach() for x in tensors]).requires_grad_(wanting.pop())


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """(func(*primals), v ↦ J v, the derivative there along v): the function is run again for each v.

    >>> import minitorch
    >>> value, along = linearize(lambda x: x**2, minitorch.tensor([1.0, 2.0]))
    >>> along(minitorch.tensor([1.0, 0.0]))
    tensor([2., 0.])
    """
    value = func(*primals)

    def along(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, along
