"""`gradcheck`: is the derivative the derivative? Compare backward with central differences.

    (f(x + h·e_j) − f(x − h·e_j)) / 2h   against   J_ij = ∂f_i/∂x_j

built row by row with one backward per output. Errors are O(h²) plus rounding/h, hence float64 and h = 1e-6. It lies at
kinks (|x| at 0), in float32, and when the function is not deterministic. `gradgradcheck` checks the derivative of the
derivative by giving this checker the function x, v ↦ vᵀJ(x).
Read next: `engine.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..arrays.warning import warn


class GradcheckError(RuntimeError):
    """What gradcheck raises when the two Jacobians differ."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """True if backward agrees with central differences: |numerical − analytical| ≤ atol + rtol·|analytical|.

    func: takes `inputs`, returns a tensor or tensors. inputs: tensors (those to be checked are float64 and require grad)
    and other arguments. Errors: GradcheckError naming input, output and both Jacobians, unless raise_exception=False.

    >>> x = minitorch.tensor([0.5, 2.0], dtype=minitorch.float64, requires_grad=True)
    >>> gradcheck(minitorch.exp, x)
    True
    """
    try:
        _check(func, _as_tuple(inputs), eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """gradcheck of x, v ↦ vᵀJ(x): the second derivative through `create_graph=True`."""
    import minitorch

    inputs = _as_tuple(inputs)
    outputs = _differentiable(func(*inputs))
    if grad_outputs is None:
        generator = minitorch.Generator()
        grad_outputs = [minitorch.randn(o.shape, dtype=o.dtype, generator=generator).to(o.device) for o in outputs]
    upstream = [v.detach().requires_grad_() for v in _as_tuple(grad_outputs)]
    n = len(inputs)

    def first_derivative(*arguments: Any) -> Any:
        points = arguments[:n]
        # A fresh view of each point, so that an input which is itself an output still counts as used.
        points = tuple(p.view(p.shape) if _wants_grad(p) else p for p in points)
        outs = _differentiable(func(*points))
        grads = minitorch.autograd.grad(
            outs, [p for p in points if _wants_grad(p)], arguments[n:], create_graph=True, allow_unused=True
        )
        return tuple(g for g in grads if g is not None and g.requires_grad)

    return gradcheck(first_derivative, (*inputs, *upstream), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _check(func: Callable, inputs: tuple, eps: float, atol: float, rtol: float) -> None:
    checked = [x for x in inputs if _wants_grad(x)]
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True."
        )
    if any(x.dtype.name != "float64" for x in checked):
        warn("gradcheck: an input is not of dtype float64; differences of float32 numbers will probably fail")
    outputs = _differentiable(func(*inputs))
    for k, output in enumerate(outputs):
        analytical = _analytical(output, checked)
        for j, x in enumerate(checked):
            numerical = _numerical(lambda k=k: _differentiable(func(*inputs))[k], x, eps)
            a = analytical[j]
            close = (numerical - a).abs() <= atol + rtol * a.abs()
            if not bool(close.all()):
                raise GradcheckError(
                    f"Jacobian mismatch for output {k} with respect to input {j}: the largest difference is "
                    f"{float((numerical - a).abs().max()):.3g}.\nnumerical:\n{numerical}\nanalytical:\n{a}"
                )


def _analytical(output: Any, inputs: Sequence) -> list:
    """J for each input, (input size, output size): one backward per output element."""
    import minitorch
    from minitorch.ops.rearrange import stack

    columns: list[list] = [[] for _ in inputs]
    for i in range(output.numel()):
        v = minitorch.zeros(output.numel(), dtype=output.dtype, device=output.device)
        v[i] = 1.0
        grads = minitorch.autograd.grad(output, inputs, v.reshape(output.shape), retain_graph=True, allow_unused=True)
        for column, g, x in zip(columns, grads, inputs):
            column.append((minitorch.zeros_like(x) if g is None else g).reshape(-1).detach())
    return [
        stack(c, dim=1) if c else minitorch.zeros((x.numel(), 0), dtype=x.dtype, device=x.device)
        for c, x in zip(columns, inputs)
    ]


def _numerical(f: Callable, x: Any, eps: float) -> Any:
    """The same by central differences: x is moved in place, one element at a time."""
    import minitorch
    from minitorch.ops.rearrange import stack

    flat = x._array.reshape(-1)
    if not x._array.flags.c_contiguous:
        raise ValueError("gradcheck moves its inputs element by element and needs them contiguous: call .contiguous()")
    rows = []
    for i in range(flat.size):
        before = flat[i].copy()
        flat[i] = before + eps
        above = f().detach().clone()
        flat[i] = before - eps
        below = f().detach().clone()
        flat[i] = before
        rows.append(((above - below) / (2 * eps)).reshape(-1))
    return stack(rows, dim=0) if rows else minitorch.zeros((0, f().numel()), dtype=x.dtype, device=x.device)


def _differentiable(outputs: Any) -> list:
    return [o for o in _as_tuple(outputs) if getattr(o, "requires_grad", False)]


def _wants_grad(x: Any) -> bool:
    return getattr(x, "requires_grad", False)


def _as_tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)
