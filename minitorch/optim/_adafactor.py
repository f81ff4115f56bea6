"""Adafactor: Adagrad's second moments at the price of a row and a column of each matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, scalar
from minitorch.optim.optimizer import xp_for as xp_of
from minitorch.tensor import Tensor


class Adafactor(Optimizer):
    """θ ← θ − α / max(1, ‖u‖/(√n d)) · u,   u = g / √V,   V = r cᵀ / mean(r),   α = max(ε₂, ‖θ‖/√n) · min(lr, 1/√t)

    r and c are running averages of the means of g² along the rows and the columns (last two dimensions), with weight t^β₂ for the
    newest: an n × m matrix takes n + m numbers to remember instead of n · m. Steps are relative to the size of θ (at least ε₂), and no
    longer than d in root mean square. V is at least ε₁², the dtype's epsilon unless given. Of a vector all g² are remembered.
    Shazeer & Stern (2018); `weight_decay` λ: θ ← (1 − lr λ) θ first.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for i in (0, 1):
            if eps[i] is not None and not eps[i] >= 0.0:  # type: ignore[operator]
                raise ValueError(f"epsilon{i + 1} should be >= 0 but is: {eps[i]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        options = {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay}
        super().__init__(params, {**options, "foreach": foreach, "maximize": maximize})

    def _update(self, param: Tensor, group: Group) -> None:
        t = self._begin(param, group)
        state = self.state[param]
        memory = [state[name]._array for name in ("row_var", "col_var", "variance") if name in state]
        self._rule(group, t, param._array, param.grad._array, *memory)  # type: ignore[union-attr]
        param._bump()

    def _rule(self, group: Group, t: float, θ: Any, g: Any, *memory: Any) -> None:
        lr, (ε1, ε2), xp = float(group["lr"]), group["eps"], xp_of(θ)
        ε1 = xp.finfo(θ.dtype).eps if ε1 is None else ε1
        g = -g if group["maximize"] else g
        newest = t ** group["beta2_decay"]
        α = max(ε2, _size(xp, θ)) * min(lr, t**-0.5)
        θ *= 1 - lr * group["weight_decay"]
        if g.ndim > 1:
            r, c = memory
            r += newest * ((g * g).mean(-1, keepdims=True) - r)
            c += newest * ((g * g).mean(-2, keepdims=True) - c)
            V = r @ c / xp.maximum(r.mean(-2, keepdims=True), ε1)
        else:
            (V,) = memory
            V += newest * (g * g - V)
        u = g / xp.sqrt(xp.maximum(V, ε1 * ε1))
        θ -= α / max(1.0, _size(xp, u) / group["d"]) * u

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        state, g = {"step": scalar(0.0, group)}, param.grad._array  # type: ignore[union-attr]
        zeros = xp_of(g).zeros
        if g.ndim > 1:
            state["row_var"] = Tensor._wrap(zeros((*g.shape[:-1], 1), g.dtype))
            state["col_var"] = Tensor._wrap(zeros((*g.shape[:-2], 1, g.shape[-1]), g.dtype))
        else:
            state["variance"] = Tensor._wrap(xp_of(g).zeros_like(g))
        return state

    def _remembers(self, group: Group) -> Sequence[str]:
        raise NotImplementedError("of a matrix something else is remembered than of a vector")


def _size(xp: Any, x: Any) -> float:
    """√⟨x²⟩"""
    return float(xp.linalg.norm(x.reshape(-1))) / x.size**0.5
