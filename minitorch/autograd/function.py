"""`Function`: a derivative of your own, by torch's contract of `forward`, `backward` and `ctx`.

`apply` runs `forward` unrecorded, then leaves one node in the graph; when the walk reaches it, `backward` is called with
one gradient per output and returns one per input. Save tensors with `ctx.save_for_backward`, not on `ctx`: saved tensors
are checked for later writes and freed after use.
Read next: `engine.py`, whose walk treats this node as any other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..arrays.device import xp_of
from ..arrays.warning import warn
from ..op.listening import active, recorder
from . import hooks
from .grad_mode import grad_mode, users_code
from .hooks import as_carried, as_tensor, as_tensors, type_name
from .leaves import STALE, gradient_edge
from .node import Node, announce, birth, watchers


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, and whatever else is set on it. One is made per `apply`."""

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep these input or output tensors; `ctx.saved_tensors` gives them back, unless they were overwritten."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Taken as torch takes it, for a `jvp`: there is no forward mode here that would call one."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Declare inputs that `forward` wrote to in place."""
        self._dirty = _only_tensors(tensors, "mark_dirty can only accept variables")

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Declare outputs that have no gradient (indices, masks)."""
        self._non_differentiable = _only_tensors(tensors, "mark_non_differentiable only accepts variable arguments")

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a missing gradient reaches `backward` as zeros (the default) or as None."""
        self._materialize = value

    _to_save: Sequence = ()
    _dirty: Sequence = ()
    _non_differentiable: Sequence = ()
    _materialize = True
    needs_input_grad: tuple[bool, ...] = ()

    @property
    def saved_tensors(self) -> tuple:
        """In `backward`: the tensors given to `save_for_backward`; RuntimeError if they were freed or overwritten."""
        return self._node.saved_tensors if self._node is not None else ()

    @property
    def saved_variables(self) -> tuple:
        """The old name of `saved_tensors`."""
        warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning)
        return self.saved_tensors

    _node: Any = None


class FunctionNode(Node):
    """The node of a `Function`: the user's `backward` is its derivative, what was set on `ctx` its attributes.

    Each Function has a class of nodes of its own, `<its name>Backward`.
    """

    function: type[Function]

    edges: list
    differentiable: set[int]  # the numbers of the outputs that have a gradient
    runs_on_nothing = True
    apply = Node.__call__
    __call__: Any = None  # (torch's cannot be called, only applied)
    may_share = True  # a user's backward may return any tensor, so leaves copy what they get

    def __init__(self, ctx: FunctionCtx, inputs: tuple, outputs: list):
        self.ctx = ctx
        self.are_tensors = [_is_tensor(x) for x in inputs]
        self.inputs_edges = [gradient_edge(x) for x in inputs]
        self.edges = [edge for edge in self.inputs_edges if edge is not None]
        self.output_specs = tuple((out._array.shape, out._array.dtype) if _is_tensor(out) else () for out in outputs)
        self.libraries = [xp_of(out._array) if _is_tensor(out) else None for out in outputs]
        self.hooks = None
        self._save(ctx, outputs)
        self.birth = birth()
        if watchers:
            announce(self, inputs, outputs)

    def _save(self, ctx: FunctionCtx, outputs: list) -> None:
        """Keep what `save_for_backward` was given; outputs without their history, which will lead back here."""
        number = {id(out): nr for nr, out in enumerate(outputs)}
        self._saved_outputs = [(k, number[id(t)]) for k, t in enumerate(ctx._to_save) if id(t) in number]
        self.saved = [t.detach() if id(t) in number else t for t in ctx._to_save]
        self.versions = [-1 if t is None else t._version for t in ctx._to_save]
        ctx._to_save = ()

    def name(self) -> str:
        """`<class name>Backward`, as torch prints it."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple:
        """One edge per argument of `apply` that is a tensor; (None, 0) where no gradient is wanted."""
        return tuple(edge or (None, 0) for edge, is_tensor in zip(self.inputs_edges, self.are_tensors) if is_tensor)

    @property
    def places(self) -> list[int]:
        return [i for i, (node, _) in enumerate(self.next_functions) if node is not None]

    @property
    def saved_outputs(self) -> list[tuple[int, int]]:
        return [(k, nr) for k, nr in self._saved_outputs if nr in self.differentiable]

    def saved_name(self, k: int) -> str:
        return f"saved_tensors[{k}]"

    @property
    def saved_tensors(self) -> tuple:
        """What `save_for_backward` kept."""
        return tuple(self.unpack(grad_mode.enabled))

    def __getattr__(self, name: str) -> Any:
        if name == "ctx":
            raise AttributeError(name)
        return getattr(self.ctx, name)

    def _check_detached(self, values: Any) -> None:
        """What was saved and has been detached since is the user's own affair."""

    def run(self, grads: list, recorded: bool) -> list:
        """Call the user's backward, and keep the gradients that somebody wants."""
        grads = as_tensors(grads)
        with users_code():
            results = self._backward(grads)
        return as_carried(results)

    def _backward(self, grads: list) -> list:
        if self.ctx._materialize:
            of_outputs = zip(grads, self.libraries, self.output_specs)
            grads = [as_tensor(xp.zeros(*spec)) if g is None and xp is not None else g for g, xp, spec in of_outputs]
        self.ctx._node = self  # for the call only: a lasting reference would be a cycle
        try:
            results = self.function._derivative()(self.ctx, *grads)
        finally:
            self.ctx._node = None
        results = results if isinstance(results, tuple) else (results,)
        expected = len(self.inputs_edges)
        if len(results) > expected and all(r is None for r in results[expected:]):
            results = results[:expected]
        if len(results) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {expected}, got {len(results)})"
            )
        for i, (edge, result) in enumerate(zip(self.inputs_edges, results)):
            if result is not None:
                self._check_gradient(i, edge, result)
        return [r for edge, r in zip(self.inputs_edges, results) if edge is not None]

    def _check_gradient(self, i: int, edge: Any, g: Any) -> None:
        """Refuse what cannot be the gradient of the i-th argument."""
        if not _is_tensor(g):
            raise RuntimeError(f"expected Variable or None (got {type_name(g)}): {self.name()} returned it as gradient {i}")
        shape = edge and edge[0].output_specs[edge[1]][0]
        fits = edge is None or all(n in (1, m) for n, m in zip(reversed(shape), reversed(g.shape)))
        if not fits or (edge and g.ndim < len(shape)):
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got {list(g.shape)} but expected shape "
                f"compatible with {list(shape)}"
            )

    def release(self) -> None:
        """Drop the saved tensors after use."""
        if self.saved:
            self.saved = None


BackwardCFunction = FunctionNode  # torch's name


class FunctionMeta(type):
    """Gives each Function its class of nodes."""

    def __init__(cls, name: str, bases: tuple, attributes: dict) -> None:
        super().__init__(name, bases, attributes)
        cls._backward_cls = type(f"{name}Backward", (FunctionNode,), {"function": cls})


class Function(metaclass=FunctionMeta):
    """Subclass with static `forward(ctx, *args)` and `backward(ctx, *grads)`, and call `apply`.

    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * g
    >>> x = minitorch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: `forward(ctx, *args)`, or `forward(*args)` beside a `setup_context`."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """With this defined, `forward` takes no ctx; save for backward here."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient per argument of forward, None where there is none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward  # another name that a subclass may define it by
    generate_vmap_rule = False
    _backward_cls: Any

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """There is no forward mode here that would call it."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def _derivative(cls) -> Callable:
        """What the subclass has defined: `backward`, or `vjp`."""
        if cls.vjp is Function.vjp:
            return cls.backward
        if cls.backward is not Function.backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of "
                "them."
            )
        return cls.vjp

    def __init__(self) -> None:
        warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on "
            "the class itself. Instantiating an autograd function will raise an error in a future version.",
            DeprecationWarning,
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and leave a node if an argument requires grad and ops are being recorded."""
        if active and (trace := recorder()) is not None:
            return trace.write("prim::PythonOp", cls.apply, args, kwargs, {"name": cls.__name__, "function": cls})
        separate = cls.setup_context is not Function.setup_context
        if separate:
            bound = _signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(_is_tensor(x) and x._requires_grad for x in args)
        record = grad_mode.enabled and any(ctx.needs_input_grad)
        if record:
            for x, wanted in zip(args, ctx.needs_input_grad):
                if wanted and x._grad_fn is STALE:
                    x._make_history()  # which may be lost: refused before forward has written to anything
        before, grad_mode.enabled = grad_mode.enabled, False
        try:
            if separate:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        finally:
            grad_mode.enabled = before
        single = not isinstance(result, tuple)
        results = [result] if single else list(result)
        cls._check_dirty(ctx, args, results, record)
        outputs = [_own(out, args, ctx, record) for out in results]
        for tensor in ctx._dirty:
            tensor._bump()
        if record:
            cls._record(ctx, args, results, outputs)
        return outputs[0] if single else tuple(outputs)

    @classmethod
    def _record(cls, ctx: FunctionCtx, args: tuple, results: list, outputs: list) -> None:
        """Make the node, and make it the history of the differentiable outputs."""
        for t in ctx._to_save:
            if t is not None and not _is_tensor(t):
                raise TypeError(f"save_for_backward can only save variables, but argument is of type {type(t).__name__}")
        inputs = args
        if ctx._dirty:
            inputs = tuple(x._before_write() if any(x is t for t in ctx._dirty) else x for x in args)
        node = cls._backward_cls(ctx, inputs, outputs)
        constant = [_swap(t, results, outputs) for t in ctx._non_differentiable]
        node.differentiable = {
            nr
            for nr, out in enumerate(outputs)
            if _is_tensor(out) and out.dtype.is_floating_point and not any(out is t for t in constant)
        }
        for nr in node.differentiable:
            written = any(outputs[nr] is t for t in ctx._dirty)
            out = outputs[nr].detach() if written else outputs[nr]
            out._output_nr, out._requires_grad, out._grad_fn = nr, True, node
            if out._base is not None:
                out._counter.watch(out)
            if written:  # a view hands the change on to its base
                outputs[nr]._grad = None  # which was that of what it has been
                outputs[nr]._take_history(out)

    @classmethod
    def _check_dirty(cls, ctx: FunctionCtx, args: tuple, outputs: list, record: bool) -> None:
        """What forward wrote to must be an output, and, if that is recorded, not a leaf or a view of one."""
        for t in ctx._dirty:
            if not any(t is a for a in args):
                warn(
                    "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated should be "
                    "passed to ctx.mark_dirty()."
                )
            elif record and t._base is not None and t.requires_grad:
                try:
                    t._check_history()
                except RuntimeError:
                    t._bump()  # it has been written to, whatever comes of it
                    raise
            elif record and t.requires_grad and t.is_leaf:
                t._bump()
                raise RuntimeError(
                    "a leaf Variable that requires grad has been used in an in-place operation: "
                    f"{cls.__name__}.forward marked it dirty; give it a clone()"
                )
            if not any(t is out for out in outputs):
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs that "
                    f"are modified inplace must all be outputs of the Function ({cls.__name__})."
                )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"Legacy autograd function with non-static forward method is deprecated: call {type(self).__name__}.apply(...), "
            "with forward and backward as static methods"
        )


class InplaceFunction(Function):
    """Kept for old programs: a Function that is told whether to work in place."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


_signature = functools.lru_cache(maxsize=256)(inspect.signature)


def once_differentiable(backward: Callable) -> Callable:
    """Decorator for a `backward` made of operations that are not recorded: differentiating it again raises."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        recording = grad_mode.enabled and any(getattr(g, "requires_grad", False) for g in grads)
        before, grad_mode.enabled = grad_mode.enabled, False
        try:
            results = backward(ctx, *grads)
        finally:
            grad_mode.enabled = before
        if not recording:
            return results
        many = results if isinstance(results, tuple) else (results,)
        raisers = tuple(None if r is None else _Refuse.apply(r.detach().requires_grad_()) for r in many)
        return raisers if isinstance(results, tuple) else raisers[0]

    return wrapper


class _Refuse(Function):
    """The identity, whose derivative is an error."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def _own(out: Any, args: tuple, ctx: FunctionCtx, record: bool) -> Any:
    """An input that forward returned unchanged becomes a view of itself, so that it can have another history."""
    if not any(out is a for a in args) or not _is_tensor(out):
        return out
    if not record and out._requires_grad:
        return out.detach()
    if any(out is d for d in ctx._dirty):
        return out
    view = out.detach()
    out._adopt_view(view)
    view._refusal = "was created inside a custom Function (or because an input was returned as-is)"
    return view


def _swap(tensor: Any, results: list, outputs: list) -> Any:
    """The output that stands for what forward returned."""
    for result, output in zip(results, outputs):
        if tensor is result and tensor is not None:
            return output
    return tensor


def _only_tensors(values: tuple, refusal: str) -> tuple:
    for i, value in enumerate(values):
        if not _is_tensor(value):
            raise RuntimeError(f"{refusal}, but argument {i} is of type {type(value).__name__}")
    return values


def _is_tensor(x: Any) -> bool:
    return isinstance(x, hooks.Tensor)
