"""`grad`, `vjp`, `jvp`, `jacrev`, `jacfwd`, `hessian`: functions from functions (torch.func).

Each runs the function on fresh tensors, at a level of its own, and asks `autograd.grad` for the derivative by those. Levels
nest: an inner one's results keep the graph to what lives outside (the outer level's tensors, leaves of the user's), so they
can be differentiated again; what leads only to the level's own tensors is cut when it ends.
Read next: `../autograd/functional.py` for the double-backward trick, `tree.py` for nested arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import autograd
from ..autograd.functional import stacked, stacked_columns, unit_vectors
from ..autograd.grad_mode import enable_grad, is_grad_enabled
from ..autograd.leaves import AccumulateGrad, gradient_edge
from ..tensor import Tensor
from ..tensor.creation import zeros_like
from .tree import leaves, mapped, rebuilt, structure

ArgNums = int | tuple[int, ...] | None  # None: all arguments


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """x ↦ ∂func/∂x for a function with a 0-d result; with `has_aux`, of one that returns (result, aux), also aux.

    >>> cube = lambda x: x**3
    >>> grad(grad(cube))(minitorch.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapper


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """x ↦ (∂func/∂x, func(x)); with `has_aux`, (∂func/∂x, (func(x), aux))."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _check_argnums(argnums)
        with _Level() as level:
            run = _Run(level, func, args, kwargs, argnums, has_aux)
            out = run.output
            if not isinstance(out, Tensor):
                raise RuntimeError(f"grad: expected the function to return a Tensor, got {type(out).__name__}")
            if out.ndim:
                raise RuntimeError(
                    f"grad: expected the function to return a scalar Tensor, got shape {tuple(out.shape)}; vjp and jacrev take "
                    "functions of any shape"
                )
            gradients = run.pull([None], run.reaches_outside())
        result, value = run.like_inputs(level.leave(gradients)), level.leave_tree(out)
        return (result, (value, level.leave_tree(run.aux))) if has_aux else (result, value)

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(func(*primals), v ↦ vᵀJ as a tuple with a gradient for each primal[, aux]).

    >>> out, pull = vjp(lambda x: x**2, minitorch.tensor([1.0, 2.0]))
    >>> pull(minitorch.ones(2))
    (tensor([2., 4.]),)
    """
    level, run = _recorded(func, primals, None, has_aux)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        _check_structure("cotangents", cotangents, "the function's outputs", run.output)
        create_graph = is_grad_enabled() if create_graph is None else create_graph
        vs = leaves(cotangents)
        gradients = run.pull(vs, create_graph and run.reaches_outside(vs), retain_graph)
        return run.like_inputs(level.leave(gradients))

    value = level.leave_tree(run.output)
    return (value, pull, level.leave_tree(run.aux)) if has_aux else (value, pull)


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(func(*primals), J·tangents[, aux]); `tangents` is nested like `primals`. By double backward.

    strict: refuse an output that does not depend on the primals, rather than give zeros.

    >>> x, v = minitorch.tensor([1.0, 2.0]), minitorch.tensor([1.0, 0.0])
    >>> jvp(lambda x: x**2, (x,), (v,))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"jvp: expected primals to be a tuple, so that f(*primals) is valid; got {type(primals).__name__}"
        )
    _check_structure("tangents", tangents, "primals", primals)
    _check_tangents(leaves(primals), leaves(tangents))
    with _Level() as level:
        run = _Run(level, func, primals, {}, None, has_aux)
        run.check_outputs("jvp", floating=False)
        if strict and not all(run.depends(out) for out in run.outputs):
            raise RuntimeError("jvp: an output of f is independent of the inputs. This is not allowed with strict=True.")
        results = run.pusher()(leaves(tangents))
    value, pushed = level.leave_tree(run.output), rebuilt(run.output, level.leave(results))
    return (value, pushed, level.leave_tree(run.aux)) if has_aux else (value, pushed)


def jacrev(func: Callable, argnums: ArgNums = 0, *, has_aux: bool = False, chunk_size: int | None = None) -> Callable:
    """x ↦ J[output index, input index], row by row: one walk for each element of the output.

    The result is nested like the outputs, and within like the inputs. chunk_size: accepted; rows come one by one anyway.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        level, run = _recorded(func, args, argnums, has_aux)
        _check_argnums(argnums)
        create_graph = is_grad_enabled() and run.reaches_outside()
        blocks = []
        for k, out in enumerate(run.outputs):
            rows = [
                run.pull([e if j == k else None for j in range(len(run.outputs))], create_graph, True, only=k)
                for e in unit_vectors(out)
            ]
            columns = zip(*rows) if rows else [()] * len(run.xs)
            blocks.append(run.like_inputs(level.leave([stacked(c, out, x) for c, x in zip(columns, run.xs)])))
        result = rebuilt(run.output, blocks)
        return (result, level.leave_tree(run.aux)) if has_aux else result

    return wrapper


def jacfwd(func: Callable, argnums: ArgNums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """x ↦ J, column by column: one `jvp` for each element of the input.

    Each column is a walk through the backward graph (see `jvp`), not a forward pass with dual numbers: for tall Jacobians it
    still saves walks, for one of few rows `jacrev` is the faster. randomness: accepted ("error", "different" or "same");
    the function runs once, so all columns are of the same numbers.
    """

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _check_points("jacfwd", args, argnums)
        if randomness not in ("error", "different", "same"):
            raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
        with _Level() as level:
            run = _Run(level, func, args, {}, argnums, has_aux)
            run.check_outputs("jacfwd", floating=False)
            push, zeros = run.pusher(), [zeros_like(x) for x in run.xs]
            blocks: list[list] = [[] for _ in run.outputs]
            for k, x in enumerate(run.xs):
                columns = list(zip(*(push([*zeros[:k], e, *zeros[k + 1 :]]) for e in unit_vectors(x))))
                for i, out in enumerate(run.outputs):
                    blocks[i].append(stacked_columns(columns[i] if columns else (), out, x))
        result = rebuilt(run.output, [run.like_inputs(level.leave(block)) for block in blocks])
        return (result, level.leave_tree(run.aux)) if has_aux else result

    return wrapper


def hessian(func: Callable, argnums: ArgNums = 0) -> Callable:
    """x ↦ ∂²func/∂x²: the Jacobian of the Jacobian (torch's is jacfwd(jacrev); here a second jacrev is the shorter way).

    >>> hessian(lambda x: (x**3).sum())(minitorch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    rows = jacrev(jacrev(func, argnums), argnums)

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        _check_points("hessian", args, argnums)
        return rows(*args)

    return wrapper


class _Level:
    """One transform at work: while it is open, its tensors are leaves like any other; afterwards they are nobody's."""

    def __enter__(self) -> _Level:
        self.open, self.outer = True, is_grad_enabled()  # whether the code around the transform records
        self.given: dict[int, tuple] = {}  # by id: each fresh tensor and the one it stands for
        self.mode = enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.open = False
        self.mode.__exit__(*exc)

    def fresh(self, x: Any) -> Tensor:
        """A new tensor of x's values to differentiate by, connected to x if that is being differentiated outside."""
        if not isinstance(x, Tensor):
            raise ValueError(
                f"what is differentiated by must be a Tensor, got {type(x).__name__}; choose others with argnums"
            )
        fresh = x.view_as(x) if self.outer and gradient_edge(x) is not None else self.leaf(x.detach())
        self.given[id(fresh)] = fresh, x
        return fresh

    def leaf(self, x: Tensor) -> Tensor:
        """x, made a leaf of this level."""
        x.requires_grad_()._level = self  # type: ignore[attr-defined]
        return x

    def leave(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """The tensors as the code around sees them: with their graph if it leads to anything that lives there."""
        return [self.given[id(x)][1] if id(x) in self.given else self._left(x) for x in tensors]

    def _left(self, x: Tensor) -> Tensor:
        if not (self.outer and x.requires_grad):
            return x.detach()
        nodes = _nodes([x])
        outside = {edge[0] for _, given in self.given.values() if (edge := gradient_edge(given)) is not None}
        return x if outside & nodes or _leads_outside(nodes) else x.detach()

    def leave_tree(self, tree: Any) -> Any:
        for x in leaves(tree):
            if not isinstance(x, Tensor):
                raise RuntimeError(f"Expected tensors, got unsupported type {type(x).__name__}")
        return rebuilt(tree, self.leave(leaves(tree)))


class _Run:
    """`func` at one point: `xs`, the tensors to differentiate by, and `outputs`, what it made of them."""

    def __init__(self, level: _Level, func: Callable, args: tuple, kwargs: dict, argnums: ArgNums, has_aux: bool) -> None:
        self.level = level
        places = _places(argnums, len(args))
        fresh = {i: mapped(level.fresh, args[i]) for i in places}
        self.inputs = fresh[places[0]] if isinstance(argnums, int) else tuple(fresh[i] for i in places)
        self.xs = leaves(self.inputs)
        self.output, self.aux = func(*(fresh.get(i, arg) for i, arg in enumerate(args)), **kwargs), None
        if has_aux:
            if not (isinstance(self.output, tuple) and len(self.output) == 2):
                raise RuntimeError("output of function f should be a tuple: (output, aux) if has_aux is True")
            self.output, self.aux = self.output
        self.outputs = leaves(self.output)

    def like_inputs(self, tensors: Sequence[Tensor]) -> Any:
        return rebuilt(self.inputs, tensors)

    def check_outputs(self, name: str, floating: bool) -> None:
        if not self.outputs or self.output is None:
            raise RuntimeError(f"{name}: expected f to be a function with a non-empty output, got {self.output}")
        for out in self.outputs:
            if not isinstance(out, Tensor):
                raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got {type(out).__name__}")
            if floating and not out.is_floating_point():
                raise RuntimeError(f"{name}: all outputs of f must be floating-point Tensors, got dtype {out.dtype}")

    def reaches_outside(self, others: Sequence = ()) -> bool:
        """Whether a derivative could itself be differentiated, by something that lives outside this level."""
        own = {gradient_edge(x)[0] for x in self.xs if not x.is_leaf}  # type: ignore[index]
        nodes = _nodes([*self.outputs, *others])
        return bool(own & nodes) or _leads_outside(nodes, besides=self.level)

    def depends(self, out: Tensor) -> bool:
        return not _nodes([out]).isdisjoint(gradient_edge(x)[0] for x in self.xs)  # type: ignore[index]

    def pull(self, vs: Sequence, create_graph: bool, retain_graph: bool | None = None, only: int | None = None) -> list:
        """vᵀJ for each of `xs`; of output number `only` alone, if given."""
        chosen = range(len(vs)) if only is None else [only]
        roots = [(self.outputs[k], vs[k]) for k in chosen if self.outputs[k].requires_grad]
        return _derivative(roots, self.xs, create_graph, retain_graph)

    def pusher(self) -> Callable[[Sequence], list]:
        """v ↦ J v: u ↦ uᵀJ is linear, and its own backward is J."""
        us = [self.level.leaf(zeros_like(out)) if out.requires_grad else out for out in self.outputs]
        rows = _derivative([(out, u) for out, u in zip(self.outputs, us) if out.requires_grad], self.xs, True)
        by = [u for u, out in zip(us, self.outputs) if out.requires_grad]

        def push(vs: Sequence) -> list:
            create_graph = self.reaches_outside(vs)
            roots = [(row, v) for row, v in zip(rows, vs) if row.requires_grad]
            found = iter(_derivative(roots, by, create_graph, True))
            return [next(found) if out.requires_grad else zeros_like(out) for out in self.outputs]

        return push


def _recorded(func: Callable, args: tuple, argnums: ArgNums, has_aux: bool) -> tuple[_Level, _Run]:
    """The function run for reverse mode; its level is closed, and the graph is kept by the outputs."""
    with _Level() as level:
        run = _Run(level, func, args, {}, argnums, has_aux)
        run.check_outputs("vjp", floating=True)
    return level, run


def _derivative(roots: Sequence[tuple], xs: Sequence, create_graph: bool, retain_graph: bool | None = None) -> list[Tensor]:
    """Σ vᵀ ∂out/∂x for each x, over the (out, v) of `roots`; zeros where there is no path."""
    if not roots or not xs:
        return [zeros_like(x) for x in xs]
    outs, vs = zip(*roots)
    found = autograd.grad(outs, xs, vs, retain_graph, create_graph, materialize_grads=True)
    return list(found)


def _nodes(tensors: Iterable) -> set:
    """The nodes of the graph that made these tensors."""
    edges = [gradient_edge(x) for x in tensors]
    stack = [edge[0] for edge in edges if edge is not None]
    found = set(stack)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[0] not in found:
                found.add(edge[0])
                stack.append(edge[0])
    return found


def _leads_outside(nodes: set, besides: _Level | None = None) -> bool:
    """Whether among the nodes is a leaf that lives: the user's, or one of a level still open (`besides` apart)."""
    levels = [getattr(n.variable, "_level", None) for n in nodes if isinstance(n, AccumulateGrad)]
    return any(level is None or (level.open and level is not besides) for level in levels)


def _places(argnums: ArgNums, n: int) -> list[int]:
    """The arguments that `argnums` chooses among n."""
    if argnums is None:
        return list(range(n))
    _check_argnums(argnums)
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)
    if not chosen or len(set(chosen)) < len(chosen):
        raise RuntimeError(f"argnums must be non-empty and its elements unique, got {argnums}")
    for i in chosen:
        if not isinstance(i, int):
            raise RuntimeError(f"argnum must be int, got: {type(i)}")
        if not -n <= i < n:
            raise RuntimeError(f"Got argnum={i}, but only {n} positional inputs")
    return [i % n for i in chosen]


def _check_argnums(argnums: Any) -> None:
    if not isinstance(argnums, int | tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")


def _check_points(name: str, args: tuple, argnums: ArgNums) -> None:
    """What the function is to be differentiated by, before it runs."""
    points = leaves(tuple(args[i] for i in _places(argnums, len(args))))
    if not points:
        raise AssertionError(f"{name}: expected at least one Tensor to differentiate by")
    for x in points:
        if not isinstance(x, Tensor):
            raise AttributeError(
                f"{name}: expected Tensors to differentiate by, got {type(x).__name__}, which has no elements"
            )
    for x in points:
        if not x.is_floating_point():
            raise ValueError(f"{name}: expected inputs to be floating point, but got {x.dtype}")


def _check_structure(what: str, tree: Any, other: str, like: Any) -> None:
    if structure(tree) != structure(like):
        raise RuntimeError(
            f"expected {what} to be nested like {other}: got {mapped(lambda _: '*', tree)}, expected {mapped(lambda _: '*', like)}"
        )


def _check_tangents(primals: list, tangents: list) -> None:
    for name, tensors in (("primals", primals), ("tangents", tangents)):
        if not tensors:
            raise RuntimeError(f"jvp: expected {name} to contain at least one Tensor.")
        for x in tensors:
            if not isinstance(x, Tensor):
                raise RuntimeError(f"jvp: expected {name} to contain only Tensors, got {type(x).__name__}")
    for x, v in zip(primals, tangents):
        if not x.is_floating_point():
            raise ValueError(f"jvp: expected primals to be floating point, but got {x.dtype}")
        if not v.is_floating_point():
            raise ValueError(f"jvp: expected tangents to be floating point, but got {v.dtype}")
        if x.shape != v.shape:
            raise RuntimeError(f"jvp: a tangent has shape {tuple(v.shape)}, its primal {tuple(x.shape)}; they must be equal")
