"""`gradcheck`: is the derivative the derivative? Compare backward with central differences.

    (f(x + h·e_j) − f(x − h·e_j)) / 2h   against   J_ij = ∂f_i/∂x_j

built row by row with one backward per output. Errors are O(h²) plus rounding/h, hence float64 and h = 1e-6. It lies at
kinks (|x| at 0), in float32, and when the function is not deterministic. `gradgradcheck` checks the derivative of the
derivative by giving this checker the function x, v ↦ vᵀJ(x).
Read next: `engine.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..arrays.warning import warn

__all__ = [
    "GradcheckError", "get_analytical_jacobian", "get_numerical_jacobian", "get_numerical_jacobian_wrt_specific_input",
    "gradcheck", "gradgradcheck",
]  # fmt: skip


class GradcheckError(RuntimeError):
    """What gradcheck raises when a derivative is found wrong."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """True if backward agrees with central differences: |analytical − numerical| ≤ atol + rtol·|numerical|.

    func: takes `inputs`, returns a tensor or tensors. inputs: tensors (those to be checked are float64 and require grad)
    and other arguments. What is checked besides: an output without a history does not depend on the inputs; two backwards
    differ by at most `nondet_tol`; a gradient of zeros gives zeros (nearly, with `masked`); with `check_undefined_grad`, so
    does no gradient at all (None), which Functions and hooks must take.
    fast_mode: compare one number, vᵀJu for random u and v, instead of J.
    check_grad_dtypes: accepted; every walk gives gradients their input's dtype. There is no forward mode, and no vmap whose
    batches might fail: `check_forward_ad` and the checks of batches are refused with NotImplementedError.
    Errors: GradcheckError naming input, output and both Jacobians, or what else is wrong, unless raise_exception=False;
    ValueError if no input requires grad.

    >>> x = minitorch.tensor([0.5, 2.0], dtype=minitorch.float64, requires_grad=True)
    >>> gradcheck(minitorch.exp, x)
    True
    """
    for condition, message in (
        (check_forward_ad or check_backward_ad, "Expected at least one of check_forward_ad or check_backward_ad to be True"),
        (check_backward_ad or not check_batched_grad, "check_batched_grad=True requires check_backward_ad to be True"),
        (
            check_forward_ad or not check_batched_forward_grad,
            "check_batched_forward_grad=True requires check_forward_ad=True",
        ),
    ):
        if not condition:
            raise AssertionError(message)
    if check_forward_ad:
        raise NotImplementedError("check_forward_ad: there is no forward mode to check; leave it out")
    if check_batched_grad:
        raise NotImplementedError("check_batched_grad: there is no vmap to compute batches of gradients with; leave it out")
    try:
        _check(func, _as_tuple(inputs), _Options(eps, atol, rtol, nondet_tol, check_undefined_grad, fast_mode, bool(masked)))
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
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of x, v ↦ vᵀJ(x): the second derivative through `create_graph=True`.

    grad_outputs: v for each output that requires grad; by default uniform numbers in [−1, 1), not contiguous with
    `gen_non_contig_grad_outputs`. The other options are gradcheck's; check_fwd_over_rev is its check_forward_ad.
    """
    for condition, message in (
        (
            check_fwd_over_rev or check_rev_over_rev,
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True",
        ),
        (check_rev_over_rev or not check_undefined_grad, "check_undefined_grad=True requires check_rev_over_rev to be True"),
        (check_rev_over_rev or not check_batched_grad, "check_batched_grad=True requires check_rev_over_rev to be True"),
    ):
        if not condition:
            raise AssertionError(message)
    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        grad_outputs = [_random(o, gen_non_contig_grad_outputs) for o in _differentiable(func(*inputs))]
    upstream = _tensors(grad_outputs, "grad_outputs must be")

    def first_derivative(*arguments: Any) -> tuple:
        from . import grad

        if not upstream:
            raise TypeError("gradgradcheck: func must return an output that requires grad, or grad_outputs be given")
        points, vs = arguments[: len(inputs)], arguments[len(inputs) :]
        outputs = _differentiable(func(*points))
        grads = grad(outputs, _requiring_grad(points), vs, create_graph=True, allow_unused=True)
        return tuple(g for g in grads if g is not None)

    return gradcheck(
        first_derivative,
        (*inputs, *upstream),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


class _Options(NamedTuple):
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    undefined: bool
    fast: bool
    masked: bool


def _check(func: Callable, inputs: tuple, options: _Options) -> None:
    _check_inputs(inputs)
    results = _as_tuple(func(*inputs))
    outputs = _differentiable(results)
    (_check_products if options.fast else _check_jacobians)(func, inputs, results, options)
    _check_zeros(outputs, _requiring_grad(inputs), options.masked)
    if options.undefined:
        _check_undefined(func, inputs, len(outputs))


def _check_inputs(inputs: tuple) -> None:
    for i, x in enumerate(inputs):
        if _requires_grad(x):
            if x.dtype.name != "float64":
                warn(
                    f"Input #{i} requires gradient and is not a double precision floating point. This check will likely fail "
                    "if all the inputs are not of double precision floating point.",
                )
            if x.numel() and any(step == 0 and size > 1 for step, size in zip(x.stride(), x.shape)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0: some of its elements are one number, which cannot be moved "
                    "for each of them. Call .contiguous() on it before passing it to gradcheck."
                )
    if not _requiring_grad(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )


# ---- the comparison ----


def _check_jacobians(func: Callable, inputs: tuple, results: tuple, options: _Options) -> None:
    """Compare the Jacobians of all outputs by all inputs, element by element."""
    from .functional import unit_vectors

    xs, by_input = _requiring_grad(inputs), _numerical_jacobians(func, inputs, results, options.eps)
    if not _differentiable(results):
        _check_no_change(by_input, 0.0)
    for i, (output, by_x) in enumerate(_of_differentiable(results, by_input)):
        analytical = _same_twice(output, xs, list(unit_vectors(output)), options.nondet_tol)
        for j, (a, n) in enumerate(zip(analytical, by_x)):
            if not _close(a, n, options.rtol, options.atol):
                raise GradcheckError(_mismatch(i, j, a, n))


def _check_products(func: Callable, inputs: tuple, results: tuple, options: _Options) -> None:
    """Compare vᵀJu alone: one difference along u for each input, one backward from v for each output."""
    import minitorch

    generator = minitorch.Generator()  # a new one: that of the user's random numbers is left alone
    xs, outputs = _requiring_grad(inputs), _differentiable(results)
    us, vs = ([_direction(t, generator) for t in tensors] for tensors in (xs, outputs))
    by_input = [_floating(results, _slopes(func, inputs, x, u, options.eps)) for x, u in zip(xs, us)]
    if not outputs:
        _check_no_change(by_input, options.nondet_tol)
    for i, ((output, by_x), v) in enumerate(zip(_of_differentiable(results, by_input), vs)):
        pulled = _same_twice(output, xs, [v], options.nondet_tol)
        for j, (u, vj, ju) in enumerate(zip(us, pulled, by_x)):
            a, n = (vj.reshape(-1) * u.reshape(-1)).sum(), (v.reshape(-1) * ju).sum()
            # Each element of J may be off by atol: vᵀJu by the sum of that.
            if not _close(a, n, options.rtol, options.atol * float(u.sum()) * float(v.sum())):
                raise GradcheckError(
                    _mismatch(i, j, a, n) + "of the Jacobians multiplied with vectors; fast_mode=False shows them."
                )


def _check_no_change(by_input: list, tolerance: float) -> None:
    """Outputs without a history must not depend on the inputs."""
    if any(bool((change.abs() > tolerance).any()) for changes in by_input for change in changes):
        raise GradcheckError(
            "Numerical gradient for function expected to be zero: no output requires grad, yet one changes with the inputs "
            "(computed under no_grad, detached, or outside this library?)"
        )


def _close(a: Any, n: Any, rtol: float, atol: float) -> bool:
    import minitorch

    common = minitorch.promote_types(a.dtype, n.dtype)
    return minitorch.allclose(a.to(common), n.to(device=a.device, dtype=common), rtol, atol)


def _mismatch(i: int, j: int, a: Any, n: Any) -> str:
    return f"Jacobian mismatch for output {i} with respect to input {j},\nnumerical:{n}\nanalytical:{a}\n"


# ---- by backward ----


def _same_twice(output: Any, xs: list, vs: list, nondet_tol: float) -> list:
    """The rows vᵀJ for each x, as columns; computed twice, for the second time must give the same."""
    found, again = _rows(output, xs, vs), _rows(output, xs, vs)
    if _differ(found, again, nondet_tol):
        raise GradcheckError(
            "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
            f"values, although analytical gradient matches numerical gradient. The tolerance for nondeterminism was {nondet_tol}."
        )
    return found


def _rows(output: Any, xs: list, vs: Iterable) -> list:
    """For each x a matrix (size of x, number of v's), whose columns are vᵀJ."""
    from ..ops.rearrange import stack
    from . import grad

    rows: list[list] = [[] for _ in xs]
    for v in vs:
        grads = grad(output, xs, v.reshape(output.shape), retain_graph=True, allow_unused=True)
        for column, x, g in zip(rows, xs, grads):
            column.append(x.new_zeros((x.numel(),)) if g is None else g.detach().clone().reshape(-1))
    return [stack(column, dim=1) if column else x.new_zeros((x.numel(), 0)) for column, x in zip(rows, xs)]


def _differ(found: list, again: list, tolerance: float) -> bool:
    return any(bool(((a - b).abs() > tolerance).any()) for a, b in zip(found, again))


def _check_zeros(outputs: list, xs: list, masked: bool) -> None:
    """A derivative is linear: of zeros it makes zeros."""
    from ..tensor.creation import zeros_like
    from . import grad

    for g in grad(outputs, xs, [zeros_like(o) for o in outputs], allow_unused=True):
        if g is not None and not bool(((g.abs() <= 1e-8) if masked else (g == 0)).all()):
            raise GradcheckError("backward not multiplied by grad_output: its result is not zero for a gradient of zeros")


def _check_undefined(func: Callable, inputs: tuple, n: int) -> None:
    """What backward makes of no gradient at all: for all outputs, and for one after the other if there are several."""
    from ..tensor.creation import zeros_like
    from . import grad

    for missing in [set(range(n)), *({k} for k in range(n) if n > 1)]:
        outputs = [_nothing(o) if k in missing else o for k, o in enumerate(_differentiable(func(*inputs)))]
        try:
            grads = grad(outputs, _requiring_grad(inputs), [zeros_like(o) for o in outputs], allow_unused=True)
        except RuntimeError as error:
            _say_how_to_disable()
            raise GradcheckError(
                "Expected backward function to handle undefined output grads (None), but it raised"
            ) from error
        if any(g is not None and not bool((g == 0).all()) for g in grads):
            _say_how_to_disable()
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined (None) or zero"
            )


def _nothing(output: Any) -> Any:
    """The output, from which no gradient comes back."""
    from .function import Function

    class UndefinedGrad(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.view_as(x)

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            return None

    return UndefinedGrad.apply(output)


def _say_how_to_disable() -> None:
    warn(
        "Backwards compatibility: the check that backward takes undefined gradients is on by default; "
        "check_undefined_grad=False disables it",
    )


# ---- by differences ----


def get_numerical_jacobian_wrt_specific_input(
    fn: Callable,
    input_idx: int,
    inputs: Any,
    outputs: Sequence,
    eps: float,
    input: Any = None,
    is_forward_ad: bool = False,
) -> tuple:
    """Jᵀ by central differences for each floating-point output of `fn(*inputs)`, as (size of the input, size of the output).

    The input's numbers are moved in place, one after another, and put back.
    """
    from .functional import unit_vectors

    x = inputs[input_idx] if input is None else input
    if not x.requires_grad:
        raise AssertionError("Expected input to have requires_grad=True")
    jacobians = [o.new_zeros((x.numel(), o.numel())) for o in outputs if o.is_floating_point()]
    for k, e in enumerate(unit_vectors(x)):
        for jacobian, slope in zip(jacobians, _floating(outputs, _slopes(fn, inputs, x, e, eps))):
            jacobian[k] = slope
    return tuple(jacobians)


def _numerical_jacobians(func: Callable, inputs: tuple, results: tuple, eps: float) -> list:
    places = [i for i, x in enumerate(inputs) if _requires_grad(x)]
    return [get_numerical_jacobian_wrt_specific_input(func, i, inputs, results, eps) for i in places]


def _slopes(func: Callable, inputs: Any, x: Any, direction: Any, eps: float) -> list:
    """(f(x + eps·direction) − f(x − eps·direction)) / 2eps for each output, flat. x is moved in place and put back."""
    before, step = x._array.copy(), (direction * eps)._array
    try:
        x._array[...] = before - step
        below = [o.detach().clone() for o in _as_tuple(func(*inputs))]
        x._array[...] = before + step
        above = [o.detach().clone() for o in _as_tuple(func(*inputs))]
    finally:
        x._array[...] = before
    for a, b in zip(below, above):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise AssertionError(
                f"Expected `func` to return outputs with the same shape and dtype when inputs are perturbed by {eps}, but got: "
                f"{tuple(a.shape)}, {a.dtype} and {tuple(b.shape)}, {b.dtype}."
            )
    return [((b - a) / (2 * eps)).reshape(-1) for a, b in zip(below, above)]


# ---- torch's old names ----


def get_numerical_jacobian(fn: Callable, inputs: Any, target: Any = None, eps: float = 1e-3, grad_out: float = 1.0) -> tuple:
    """Deprecated: Jᵀ by central differences of the first output of `fn(inputs)`, for each of `inputs` (or `target`)."""
    _deprecated("get_numerical_jacobian", grad_out)
    function = lambda *inputs: fn(inputs)
    outputs = _as_tuple(function(*_as_tuple(inputs)))
    targets = _as_tuple(inputs if target is None else target)
    return tuple(
        get_numerical_jacobian_wrt_specific_input(function, i, _as_tuple(inputs), outputs, eps, x)[0]
        for i, x in enumerate(targets)
        if _requires_grad(x)
    )


def get_analytical_jacobian(inputs: Any, output: Any, nondet_tol: float = 0.0, grad_out: float = 1.0) -> tuple:
    """Deprecated: Jᵀ by backward for each of `inputs`; and whether a second backward agrees, and sizes and dtypes are right."""
    from .functional import unit_vectors

    _deprecated("get_analytical_jacobian", grad_out)
    xs = _requiring_grad(_as_tuple(inputs))
    found, again = _rows(output, xs, unit_vectors(output)), _rows(output, xs, unit_vectors(output))
    return tuple(found), not _differ(found, again, nondet_tol), True, True


def _deprecated(name: str, grad_out: float) -> None:
    warn(
        f"`{name}` was part of PyTorch's private API and not meant to be exposed; it is kept for old programs",
        FutureWarning,
    )
    if grad_out != 1.0:
        raise ValueError(f"Expected grad_out to be 1.0, got {grad_out}. {name} no longer supports other values.")


# ---- tensors among others ----


def _as_tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _requires_grad(x: Any) -> bool:
    return getattr(x, "requires_grad", False)


def _requiring_grad(inputs: Iterable) -> list:
    return [x for x in inputs if _requires_grad(x)]


def _differentiable(results: Any) -> list:
    """The outputs that require grad."""
    return _requiring_grad(_tensors(results, "func must return"))


def _tensors(x: Any, must: str) -> tuple:
    """A tensor or tensors, as a tuple. AttributeError for anything else, as in torch."""
    for each in _as_tuple(x):
        if not hasattr(each, "requires_grad"):
            raise AttributeError(
                f"'{type(each).__name__}' object has no attribute 'requires_grad': {must} a tensor or tensors"
            )
    return _as_tuple(x)


def _floating(results: Sequence, of_each: Sequence) -> list:
    """What belongs to the outputs that are floating-point."""
    return [value for o, value in zip(results, of_each) if o.is_floating_point()]


def _of_differentiable(results: tuple, by_input: list) -> list:
    """Each output that requires grad, with what `by_input` holds for it: a list for each input, an item for each floating output."""
    floating = [o for o in results if o.is_floating_point()]
    return [(o, [items[k] for items in by_input]) for k, o in enumerate(floating) if o.requires_grad]


def _direction(x: Any, generator: Any) -> Any:
    """Random numbers in [0, 1) of x's shape, dtype and device, together of length 1."""
    import minitorch

    numbers = minitorch.rand(x.numel(), generator=generator).to(device=x.device, dtype=x.dtype)
    return (numbers / numbers.norm()).reshape(x.shape)


def _random(x: Any, with_gaps: bool) -> Any:
    """Uniform numbers in [−1, 1) of x's shape, dtype and device, that require grad."""
    gaps = with_gaps and x.ndim > 0
    numbers = x.new_empty((*x.shape[:-1], 2 * x.shape[-1]) if gaps else x.shape).uniform_(-1, 1)
    return (numbers[..., 1::2] if gaps else numbers).requires_grad_()
