"""Where torch has no derivative: the result has a node, and the walk that comes to it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..op import Array, Op, op

if TYPE_CHECKING:
    from ..tensor import Tensor


def has_no_derivative(of: Op, *inputs: str, why: str = "") -> None:
    """Declare that no derivative of the op by these inputs is known."""

    words = f"the derivative for '{of.__name__}' is not implemented{why}; detach() what needs none"

    def missing(g: Tensor) -> Tensor:
        """None is known"""
        raise NotImplementedError(words)

    for name in inputs:
        of.grad(name)(missing)


@op(promote=None, public=False, grad_fn="Error")
def not_again(xp: Any, x: Array, why: str) -> Array:
    """x, a derivative that must not be differentiated: the formula it comes of holds at this point only."""
    return x.copy()


@not_again.grad
def not_again_grad(g: Tensor, why: str) -> Tensor:
    """None is right"""
    raise RuntimeError(why)
