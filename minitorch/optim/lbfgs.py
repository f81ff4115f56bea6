"""L-BFGS: Newton's method with a Hessian guessed from the last steps. For full batches: it compares losses of one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch.autograd import enable_grad, no_grad
from minitorch.ops.rearrange import cat
from minitorch.optim.line_search import Point, strong_wolfe
from minitorch.optim.optimizer import Optimizer
from minitorch.tensor import Tensor


class LBFGS(Optimizer):
    """θ ← θ + t d,   d = −H g,   H an estimate of the inverse Hessian from the last `history_size` pairs s = Δθ, y = Δg

    A call of `step` makes up to `max_iter` iterations and calls `closure`, which computes loss and gradients anew, about as often
    (`max_eval` at most). t is `lr`, in the very first iteration smaller, or found by a line search (`line_search_fn="strong_wolfe"`).
    It ends early where no gradient is above `tolerance_grad`, or steps and losses change by less than `tolerance_change`.
    One group of parameters only. Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4, 3.5 and 3.6.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Iterate; the loss of the first call of `closure` is returned."""
        closure = enable_grad()(closure)
        group = self.param_groups[0]
        state = self.state[self._params[0]]  # of all parameters; kept with the first, so that loading casts it
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        state["func_evals"] += 1
        loss, g = float(first), self._gradient()
        if _largest(g) <= group["tolerance_grad"]:
            return first
        self._iterate(closure, group, state, loss, g)
        return first

    def _iterate(
        self, closure: Callable[[], Any], group: dict[str, Any], state: dict[str, Any], loss: float, g: Tensor
    ) -> None:
        lr, evals = group["lr"], 1
        if isinstance(lr, Tensor):
            lr = lr.squeeze()
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, g, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = g.clone(), loss
            state["t"] = t = lr * min(1.0, 1.0 / g.abs().sum()) if state["n_iter"] == 1 else lr
            slope = g.dot(d)
            if slope > -group["tolerance_change"]:
                break
            last = iteration == group["max_iter"]
            before = loss
            if group["line_search_fn"] is not None:
                start, most = Point(0.0, loss, g, slope), group["max_eval"] - evals
                loss, g, t, called = self._search(closure, group, start, t, d, most)
                state["t"] = t
                self._move(t, d)
            else:
                self._move(t, d)
                called = 0
                if not last:  # after the last step nobody asks
                    loss, g, called = float(closure()), self._gradient(), 1
            evals += called
            state["func_evals"] += called
            if last or evals >= group["max_eval"] or _largest(g) <= group["tolerance_grad"]:
                break
            if _largest(d * t) <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break

    def _direction(self, state: dict[str, Any], g: Tensor, history_size: int) -> Tensor:
        """d = −H g by the two loops of the algorithm, which never make H: with the pairs s, y and ρ = 1/⟨y, s⟩, newest first,
        H = (I − ρ s yᵀ) H′ (I − ρ y sᵀ) + ρ s sᵀ, and at the end of the chain H′ = ⟨y, s⟩ / ⟨y, y⟩ · I."""
        if state["n_iter"] == 1:
            state.update(d=-g, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return state["d"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        Y, S, ρ = state["old_dirs"], state["old_stps"], state["ro"]
        if ys > 1e-10:  # else the function is not convex along s, and the pair would spoil H
            if len(Y) == history_size:
                for memory in (Y, S, ρ):
                    memory.pop(0)
            Y.append(y)
            S.append(s)
            ρ.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        α = state.setdefault("al", [None] * history_size)
        q = -g
        for i in reversed(range(len(Y))):
            α[i] = S[i].dot(q) * ρ[i]
            q = q - α[i] * Y[i]
        r = q * state["H_diag"]
        for i in range(len(Y)):
            β = Y[i].dot(r) * ρ[i]
            r = r + (α[i] - β) * S[i]
        state["d"] = r
        return r

    def _search(
        self, closure: Callable[[], Any], group: dict[str, Any], start: Point, t: Any, d: Tensor, most: int
    ) -> tuple[float, Tensor, Any, int]:
        """(Loss, gradient, t, calls of closure) where the line search ends; the parameters are where they were."""
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError(f"only 'strong_wolfe' is supported, got line_search_fn={group['line_search_fn']!r}")
        here = [param.clone() for param in self._params]

        def at(t: Any) -> Point:
            self._move(t, d)
            loss, g = float(closure()), self._gradient()
            for param, value in zip(self._params, here, strict=True):
                param.copy_(value)
            return Point(t, loss, g, g.dot(d))

        point, called = strong_wolfe(at, start, t, _largest(d), most)
        return point.loss, point.g, point.t, called

    def _gradient(self) -> Tensor:
        """All gradients in a row; zeros for those that are None."""
        grads = [param.new_zeros(param.numel()) if param.grad is None else param.grad.reshape(-1) for param in self._params]
        return cat(grads, 0)

    def _move(self, t: Any, d: Tensor) -> None:
        """θ ← θ + t d"""
        for param, part in zip(self._params, d.split([param.numel() for param in self._params]), strict=True):
            param.add_(part.view_as(param), alpha=float(t))


def _largest(x: Tensor) -> Tensor:
    """max |xᵢ|"""
    return x.abs().max()
