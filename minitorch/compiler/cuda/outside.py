"""A captured function that is differentiated outside: its backward is a graph of its own, which a node of autograd's replays.

Both graphs share memory: what forward leaves for backward lies there until the next forward. If that comes before this backward has, it runs
as it is, in memory of its own. Read next: `captured.py`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ...arrays.capturing import Capture
from ...arrays.device import page_locked, replay
from ...arrays.layout import copied
from ...autograd import Function, grad
from ...autograd.function import once_differentiable
from ...tensor import Tensor
from ..graph import mapped

if TYPE_CHECKING:
    from .captured import CapturedStep


class Token:
    """One forward, which is waiting for its backward."""

    was_here = False


class Outside:
    """The graph backward of a step, and how its results get their node."""

    def __init__(self, step: CapturedStep) -> None:
        self.step, xp, wanted = step, step.xp, wanted_of(step)
        self.params = [t for t in wanted if id(t) in step.state.tensors]
        places = ", ".join(place for place, t, _ in step.inputs if t._requires_grad)
        self.arguments = eval(f"lambda args, kwargs: [{places}]", step.guard.things)
        self.upstream = [copied(xp, t._array) for t in step.alive]
        self.backward = Capture(xp, step.pool, page_locked, step)
        self.backward.begin(step.stream)
        try:
            # (retain_graph: what forward has left is used again, if backward is called again.)
            found = gradients(step.alive, wanted, self.upstream)
        finally:
            self.backward.end()
        self.gradients = [None if g is None else g._array for g in found]
        self.latest: Any = lambda: None  # the token of the last forward, as long as anybody holds its node
        step.alive = []

        class CompiledFunction(Function):
            """Both graphs as one node."""

            @staticmethod
            def forward(ctx: Any, args: tuple, kwargs: dict, *inputs: Any) -> Any:
                step.launch(args, kwargs)
                ctx.token = Token()
                self.latest = weakref.ref(ctx.token)
                return tuple(Tensor._wrap(copied(xp, step.results[k])) for k in self.places)

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, *grads: Any) -> Any:
                return None, None, *self.replayed(ctx.token, grads)

        self.node = CompiledFunction
        alive: list[Any] = []
        mapped(lambda v: alive.append(v) if getattr(v, "alive", -1) >= 0 else None, step.structure)
        self.places = [result.number for result in alive]

    def call(self, args: tuple, kwargs: dict) -> Any:
        """Forward, and the results on a node; as it is, if the forward before waits for its backward still."""
        waiting = self.latest()
        if waiting is not None and not waiting.was_here:
            return self.step.function(*args, **kwargs)
        del waiting
        results = self.node.apply(args, kwargs, *self.params, *self.arguments(args, kwargs))
        return self.step.arranged(results if isinstance(results, tuple) else (results,))

    def replayed(self, token: Token, grads: Any) -> list[Tensor | None]:
        """The gradients of what was wanted, in memory of their own."""
        if self.latest() is not token:
            raise RuntimeError(
                "the compiled function has been called again since, and what this backward needs has been overwritten; call backward "
                "before the next forward"
            )
        token.was_here = True
        for fixed, given in zip(self.upstream, grads):
            self.step.xp.copyto(fixed, given._array)
        replay(self.backward)
        return [None if g is None else Tensor._wrap(copied(self.step.xp, g)) for g in self.gradients]


def wanted_of(step: CapturedStep) -> list[Tensor]:
    """The tensors that gradients are wanted of: parameters, then arguments."""
    return [t for t in [*step.state.tensors.values(), *(t for _, t, _ in step.inputs)] if t._requires_grad]


def warm_up(step: CapturedStep, result: Any) -> None:
    """Once backward through what a run has returned, for the kernels of backward to be there; nothing comes of it."""
    alive: list[Tensor] = []
    mapped(lambda v: alive.append(v) if isinstance(v, Tensor) and v._grad_fn is not None else None, result)
    alive = [t for t in alive if t._array.dtype.kind in "fV" and not step.is_over(t)]
    if alive and (wanted := wanted_of(step)):
        gradients(alive, wanted, [copied(step.xp, t._array) for t in alive])


def gradients(alive: list[Tensor], wanted: list[Tensor], upstream: list[Any]) -> Any:
    """∂(alive · upstream)/∂wanted, None where nothing leads there."""
    return grad(alive, wanted, [Tensor._wrap(g) for g in upstream], retain_graph=True, allow_unused=True)
