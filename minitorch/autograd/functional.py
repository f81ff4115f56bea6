"""Derivatives of a function at a point: `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`, `vhp` (torch.autograd.functional).

One walk gives vᵀJ, so J is one walk per row. Forward mode comes from the same engine by the double-backward trick: the map
u ↦ uᵀJ is linear in u, hence its own backward, asked for v, is J v; what u was does not matter (it is zero here).
Read next: `../func/`, the same as transforms of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..ops.rearrange import stack
from ..tensor import Tensor
from ..tensor.creation import zeros_like
from . import grad
from .grad_mode import enable_grad, is_grad_enabled

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_OUTPUTS = "outputs of the user-provided function"


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), vᵀJ). `v` is shaped like the outputs; a single output of one element needs none.

    create_graph: both can be differentiated. strict: refuse an input that the outputs do not depend on.

    >>> x = minitorch.tensor([1.0, 2.0])
    >>> vjp(lambda x: x**2, x, minitorch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        xs, many_in, outs, many_out = _run(func, inputs, "vjp", create_graph, strict)
        vs = _vector(v, outs, many_out, "vjp", create_graph, "output of the user-provided function")
        results = _filled(_grads(outs, xs, vs, create_graph), xs, strict, create_graph, "output", "input")
    return _like(_cut(outs, create_graph), many_out), _like(_cut(results, create_graph), many_in)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), J v), by the double-backward trick. `v` is shaped like the inputs.

    >>> jvp(lambda x: x**2, minitorch.tensor([1.0, 2.0]), minitorch.tensor([1.0, 0.0]))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    with enable_grad():
        xs, vs, outs, many_out = _run_along(func, inputs, v, "jvp", create_graph, strict)[:4]
        us = [zeros_like(out).requires_grad_() for out in outs]
        rows = _grads(outs, xs, us, True)
        _require_grad(rows, strict, "gradient")
        results = _filled(_grads(rows, us, vs, create_graph), outs, strict, create_graph, "gradient", "entry")
    return _like(_cut(outs, create_graph), many_out), _like(_cut(results, create_graph), many_out)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """J[output index, input index] = ∂output/∂input; tuples of inputs or outputs give tuples, outputs outside.

    vectorize: rows are computed one by one all the same; as in torch it excludes `strict`, and allows an empty output.
    strategy: "forward-mode" computes column by column, as `jvp` does, and of J's dtype is then that of the output. As in torch
    it wants vectorize=True, neither `create_graph` nor `strict`, and gives lists where there are several inputs.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(f'Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}')
    if strategy == "forward-mode":
        return _by_columns(func, inputs, create_graph, strict, vectorize)
    with enable_grad():
        xs, many_in, outs, many_out = _run(func, inputs, "jacobian", create_graph, strict)
        if vectorize and strict:
            raise RuntimeError("jacobian: `strict=True` and `vectorize=True` are not supported together; drop one of them")
        blocks = []
        for out in outs:
            rows = [
                _filled(_grads([out], xs, [e], create_graph, retain_graph=True), xs, strict, create_graph, "output", "input")
                for e in unit_vectors(out)
            ]
            if not rows and not vectorize:
                raise RuntimeError(
                    f"jacobian: an output of shape {tuple(out.shape)} has no rows to stack; use vectorize=True"
                )
            columns = zip(*rows) if rows else [()] * len(xs)
            blocks.append(_like(_cut([stacked(c, out, x) for c, x in zip(columns, xs)], create_graph), many_in))
    return _like(blocks, many_out)


def _by_columns(
    func: Callable, inputs: Any, create_graph: bool, strict: bool, vectorize: bool, recorded: bool = False
) -> Any:
    """J by one J e for each element of the inputs. recorded: it can be differentiated, even where no input requires grad."""
    given = _check_by_columns(inputs, create_graph, strict, vectorize)
    recorded = recorded or (is_grad_enabled() and any(x.requires_grad for x in given))
    with enable_grad():
        xs, many_in, outs, many_out = _run(func, inputs, "jacobian", recorded, strict)
        by = [k for k, out in enumerate(outs) if out.requires_grad]
        us = [zeros_like(outs[k]).requires_grad_() for k in by]
        blocks: list[list] = [[] for _ in outs]
        for x, row in zip(xs, _grads([outs[k] for k in by], xs, us, True)):
            columns = [_grads([row], us, [e], recorded, retain_graph=True) for e in unit_vectors(x)]
            for k, out in enumerate(outs):
                parts = [column[by.index(k)] if k in by else None for column in columns]
                block = stacked_columns([zeros_like(out) if part is None else part for part in parts], out, x)
                blocks[k].append(block if recorded else block.detach())
    result = blocks if many_in else tuple(block[0] for block in blocks)
    return result if many_out else result[0]


def _check_by_columns(inputs: Any, create_graph: bool, strict: bool, vectorize: bool) -> tuple:
    for name, wanted, refusal in (("create_graph", create_graph, NotImplementedError), ("strict", strict, RuntimeError)):
        if wanted:
            raise refusal(
                f'jacobian: `{name}=True` and `strategy="forward-mode"` are not supported together; drop one of them'
            )
    given = _as_tuple(inputs, "inputs", "jacobian")[0]
    if not vectorize:
        raise NotImplementedError('jacobian: `strategy="forward-mode"` is only implemented for `vectorize=True`')
    if not given:
        raise AssertionError("jacobian: expected at least one input")
    for x in given:
        if not x.is_floating_point():
            raise ValueError(f"jacobian: expected inputs to be floating point, but got: {x.dtype}")
    return given


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """H[i, j] = ∂²f/∂x_i∂x_j of a function with one element: the Jacobian of its Jacobian.

    >>> hessian(lambda x: (x**3).sum(), minitorch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    many = _as_tuple(inputs, "inputs", "hessian")[1]

    def gradient(*xs: Tensor) -> tuple:
        def scalar(*xs: Tensor) -> Tensor:
            out = func(*xs)
            _require_grad(_as_tuple(out, _OUTPUTS, "hessian")[0], strict, "output")
            return _one_element(out, "hessian").squeeze()

        result = jacobian(scalar, xs, create_graph=True)
        _require_grad(result, strict, "jacobian")
        return result

    if outer_jacobian_strategy == "forward-mode":  # as in torch, the result has the graph of the gradient
        blocks = _by_columns(gradient, inputs, create_graph, strict, vectorize, recorded=True)
    else:
        blocks = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return blocks if many else blocks[0]


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), vᵀH) of a function with one element: the gradient of the gradient, weighted with v."""
    with enable_grad():
        xs, vs, outs, _, many_in = _run_along(func, inputs, v, "vhp", create_graph, strict)
        gradient = _gradient(outs, xs, strict)
        results = _filled(_grads(gradient, xs, vs, create_graph), xs, strict, create_graph, "jacobian", "input")
    return _cut(outs, create_graph)[0], _like(_cut(results, create_graph), many_in)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """(func(inputs), H v), by the double-backward trick. H is symmetric: `vhp` gives the same with one walk less.

    >>> hvp(lambda x: (x**3).sum(), minitorch.tensor([1.0, 2.0]), minitorch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        xs, vs, outs, _, many_in = _run_along(func, inputs, v, "hvp", create_graph, strict)
        gradient = _gradient(outs, xs, strict)
        us = [zeros_like(x).requires_grad_() for x in xs]
        rows = _grads(gradient, xs, us, True)
        results = _filled(_grads(rows, us, vs, create_graph), xs, strict, create_graph, "hessian", "entry")
    return _cut(outs, create_graph)[0], _like(_cut(results, create_graph), many_in)


def unit_vectors(x: Tensor) -> Iterator[Tensor]:
    """The tensors of x's shape that are one in one place and zero elsewhere."""
    for place in np.ndindex(*x.shape):
        array = zeros_like(x)._array
        array[place] = 1  # not through a reshape, which is a copy where the layout is not row-major
        yield Tensor._wrap(array)


def stacked(rows: Sequence[Tensor], out: Tensor, x: Tensor) -> Tensor:
    """Rows of a Jacobian, one for each element of `out`, in the shape (of out, of x)."""
    shape = (*out.shape, *x.shape)
    return stack(list(rows)).reshape(shape) if rows else zeros_like(x).sum().expand(shape)


def stacked_columns(columns: Sequence[Tensor], out: Tensor, x: Tensor) -> Tensor:
    """Columns of a Jacobian, one for each element of `x`, in the shape (of out, of x)."""
    block = stacked(columns, x, out)
    dims = range(block.ndim)
    return block.permute(*dims[x.ndim :], *dims[: x.ndim]) if x.ndim and out.ndim else block


# ---- what goes in ----


def _run(func: Callable, inputs: Any, name: str, create_graph: bool, strict: bool) -> tuple:
    """The inputs as `func` sees them, whether they were a tuple, its outputs, and whether those are."""
    given, many_in = _as_tuple(inputs, "inputs", name)
    xs = _fresh(given, create_graph)
    return xs, many_in, *_outputs(func, xs, name, strict)


def _outputs(func: Callable, xs: Sequence[Tensor], name: str, strict: bool) -> tuple:
    outs, many_out = _as_tuple(func(*xs), _OUTPUTS, name)
    _require_grad(outs, strict, "output")
    return outs, many_out


def _run_along(func: Callable, inputs: Any, v: Any, name: str, create_graph: bool, strict: bool) -> tuple:
    """As `_run`, with a direction v shaped like the inputs, which is looked at before the function runs."""
    given, many_in = _as_tuple(inputs, "inputs", name)
    xs = _fresh(given, create_graph)
    vs = _vector(v, given, many_in, name, create_graph, "input to the user-provided function")
    outs, many_out = _outputs(func, xs, name, strict)
    if name != "jvp":
        _one_element(outs if many_out else outs[0], name)
    return xs, vs, outs, many_out, many_in


def _as_tuple(value: Any, what: str, name: str) -> tuple[tuple, bool]:
    """A tensor or a tuple of tensors, as a tuple; and whether it was one."""
    many = isinstance(value, tuple)
    values = value if many else (value,)
    for i, x in enumerate(values):
        if not isinstance(x, Tensor):
            where = f"value at index {i}" if many else f"given {what}"
            raise TypeError(
                f"The {what} given to {name} must be a Tensor or a tuple of Tensors, but the {where} is {type(x)}."
            )
    return values, many


def _fresh(xs: Sequence[Tensor], create_graph: bool, wanted: bool = True) -> list[Tensor]:
    """New tensors, so that the same ones used inside `func` by another way are constants; connected with create_graph."""
    return [x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(wanted) for x in xs]


def _vector(v: Any, like: Sequence[Tensor], many: bool, name: str, create_graph: bool, what: str) -> list:
    """v, checked against what it must look like; None stands for 1 where that has one element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{name}: the vector v can only be None if the {what} is a single Tensor with a single element"
            )
        return [None]
    vs = _fresh(_as_tuple(v, "v", name)[0], create_graph, wanted=False)
    if len(vs) != len(like):
        raise RuntimeError(f"{name}: v must have {len(like)} tensors, one for each {what}; got {len(vs)}")
    for i, (x, other) in enumerate(zip(vs, like)):
        if x.shape != other.shape:
            where = f"Entry {i} in v" if many else "v"
            raise RuntimeError(f"{where} has invalid size: should be {other.shape} but got {x.shape}.")
    return vs


def _one_element(out: Any, name: str) -> Tensor:
    if isinstance(out, tuple):
        raise RuntimeError(f"The function given to {name} should return a single Tensor, got a tuple of {len(out)}")
    if out.numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {name} should have one element, got {out.shape}")
    return out


# ---- gradients, and what comes out ----


def _grads(outs: Sequence, xs: Sequence, vs: Sequence, create_graph: bool, retain_graph: bool | None = None) -> Sequence:
    """Σ vᵀ ∂out/∂x for each x; None where there is no path. Outputs that are None or constant count for nothing."""
    roots = [(out, v) for out, v in zip(outs, vs) if out is not None and out.requires_grad]
    if not roots:
        return [None] * len(xs)
    outs, vs = zip(*roots)
    return grad(outs, list(xs), vs, retain_graph=retain_graph, create_graph=create_graph, allow_unused=True)


def _gradient(outs: Sequence[Tensor], xs: Sequence[Tensor], strict: bool) -> Sequence:
    gradient = _grads(outs, xs, [None], True)
    _require_grad(gradient, strict, "jacobian")
    return gradient


def _filled(grads: Sequence, like: Sequence, strict: bool, create_graph: bool, what: str, of: str) -> list[Tensor]:
    """Zeros for None; in strict mode an error instead, and for constants that were to be differentiated."""
    for i, g in enumerate(grads if strict else ()):
        if g is None or (create_graph and not g.requires_grad):
            order = "" if g is None else "gradient of the "
            raise RuntimeError(f"The {order}{what} is independent of {of} {i}. This is not allowed in strict mode.")
    return [zeros_like(x) if g is None else g for g, x in zip(grads, like)]


def _require_grad(tensors: Sequence, strict: bool, what: str) -> None:
    for i, x in enumerate(tensors if strict else ()):
        if x is None or not x.requires_grad:
            raise RuntimeError(f"The {what} {i} is independent of the inputs. This is not allowed in strict mode.")


def _cut(tensors: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
    if not tensors:
        raise IndexError("there is no tensor to give back: the inputs or the outputs are an empty tuple")
    return list(tensors) if create_graph else [x.detach() for x in tensors]


def _like(values: Sequence, many: bool) -> Any:
    return tuple(values) if many else values[0]
