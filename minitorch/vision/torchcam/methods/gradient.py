"""Weights from gradients: how much the score y of the class changes with each place of a channel, g = ∂y/∂A.

The methods differ only in how they make one weight of a channel's gradients. The derivatives go from the scores back to the target layer,
no further, so the gradients of the model's parameters stay as they are.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch import nn
from minitorch.nn import functional as F
from minitorch.tensor import Tensor

from .core import _CAM

__all__ = ["GradCAM", "GradCAMpp", "LayerCAM", "SmoothGradCAMpp", "XGradCAM"]


class _GradCAM(_CAM):
    """A method that weighs channels by `hook_g`, the gradients at the target layers."""

    _relu = True
    _score_used = True

    def _backprop(self, scores: Tensor, class_idx: int | list[int], retain_graph: bool = False) -> None:
        """Fill `hook_g` with ∂(Σ_n y_n)/∂A: pictures of a batch have scores of their own, unless batch norm mixes them."""
        if not all(edge is not None for edge in self._edges):
            raise RuntimeError(
                f"{type(self).__name__} needs the graph of the forward, and there is none: call model(x) outside no_grad, "
                "and with x.requires_grad_() if every parameter is frozen"
            )
        if isinstance(class_idx, int):
            loss = scores[:, class_idx].sum()
        else:
            loss = scores.gather(1, minitorch.tensor(class_idx, device=scores.device).view(-1, 1)).sum()
        grads = minitorch.autograd.grad(loss, self._edges, retain_graph=retain_graph, allow_unused=True)
        for name, grad in zip(self.target_names, grads):
            if grad is None:
                raise RuntimeError(f"{type(self).__name__}: these scores do not come from the last forward of {name!r}")
        self.hook_g = list(grads)


class GradCAM(_GradCAM):
    """L = ReLU(Σ_k w_k A_k), w_k = the mean over all places of ∂y/∂A_k (Selvaraju et al. 2017, "Grad-CAM").

    >>> _ = minitorch.manual_seed(0)
    >>> nn = minitorch.nn
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    >>> with GradCAM(model, "1") as cam:
    ...     scores = model(minitorch.rand(1, 1, 4, 4))
    ...     maps = cam(scores.squeeze(0).argmax().item(), scores)
    >>> maps[0].shape
    minitorch.Size([1, 4, 4])
    """

    def _get_weights(self, class_idx: int | list[int], scores: Tensor, **kwargs: Any) -> list[Tensor]:  # type: ignore[override]
        self._backprop(scores, class_idx, **kwargs)
        return [g.flatten(2).mean(-1) for g in self.hook_g]


def _plus_plus(a: Tensor, g: Tensor, g2: Tensor, g3: Tensor, eps: float) -> Tensor:
    """w_k = Σ α_k ReLU(g_k), α_k = g² / (2 g² + ΣA_k · g³) where g² is not 0."""
    total = a.flatten(2).sum(-1)[(...,) + (None,) * (a.dim() - 2)]
    alpha = minitorch.where(g2 == 0, 0.0, g2 / (2 * g2 + total * g3 + eps))
    return (alpha * F.relu(g)).flatten(2).sum(-1)


class GradCAMpp(_GradCAM):
    """w_k = Σ α_k ReLU(g_k), α_k = g² / (2 g² + ΣA_k · g³) where g is not 0 (Chattopadhay et al. 2018, "Grad-CAM++").

    (torchcam 0.4.0 forgets the denominator: it divides a copy.)
    """

    def _get_weights(self, class_idx: int | list[int], scores: Tensor, eps: float = 1e-8, **kwargs: Any) -> list[Tensor]:  # type: ignore[override]
        self._backprop(scores, class_idx, **kwargs)
        return [_plus_plus(a, g, g**2, g**3, eps) for a, g in zip(self.hook_a, self.hook_g)]


class SmoothGradCAMpp(_GradCAM):
    """Grad-CAM++ with g, g² and g³ each the mean over `num_samples` inputs with noise of `std` (Omeiza et al. 2019).

    The model runs once more for each sample, so no scores are asked for. The numerator of α is the mean of g², as in torchcam and unlike the
    paper. The map is that of the input itself: torchcam 0.4.0 takes the features and the first derivative of the last sample alone.
    """

    _score_used = False

    def __init__(
        self,
        model: nn.Module,
        target_layer: nn.Module | str | list[nn.Module | str] | None = None,
        num_samples: int = 4,
        std: float = 0.3,
        input_shape: tuple[int, ...] = (3, 224, 224),
        **kwargs: Any,
    ) -> None:
        super().__init__(model, target_layer, input_shape, **kwargs)
        self.num_samples, self.std = num_samples, std
        self._listens = True
        self.hook_handles.append(model.register_forward_pre_hook(self._store_input))

    def _store_input(self, module: nn.Module, input: tuple[Tensor, ...]) -> None:
        if self._listens and self._hooks_enabled:
            self._input = input[0].detach().clone()

    def _get_weights(self, class_idx: int | list[int], scores: Any = None, eps: float = 1e-8, **kwargs: Any) -> list[Tensor]:
        features = list(self.hook_a)
        powers = [[minitorch.zeros_like(a) for _ in range(3)] for a in features]
        self._listens = False
        try:
            for _ in range(self.num_samples):
                noise = minitorch.randn(self._input.shape, dtype=self._input.dtype).to(self._input.device)
                with minitorch.enable_grad():
                    self._backprop(self.model((self._input + self.std * noise).requires_grad_()), class_idx, **kwargs)
                for sums, g in zip(powers, self.hook_g):
                    for k in range(3):
                        sums[k] = sums[k] + g ** (k + 1) / self.num_samples
        finally:
            self._listens, self.hook_a = True, features
        return [_plus_plus(a, g, g2, g3, eps) for a, (g, g2, g3) in zip(features, powers)]

    def extra_repr(self) -> str:
        return f"target_layer={self.target_names}, num_samples={self.num_samples}, std={self.std}"


class XGradCAM(_GradCAM):
    """w_k = Σ g_k A_k / Σ A_k: gradients weighted by where the pattern is (Fu et al. 2020, "Axiom-based Grad-CAM")."""

    def _get_weights(self, class_idx: int | list[int], scores: Tensor, eps: float = 1e-8, **kwargs: Any) -> list[Tensor]:  # type: ignore[override]
        self._backprop(scores, class_idx, **kwargs)
        return [(g * a).flatten(2).sum(-1) / (a.flatten(2).sum(-1) + eps) for g, a in zip(self.hook_g, self.hook_a)]


class LayerCAM(_GradCAM):
    """A weight for each place, w_k = ReLU(g_k): maps of early layers, too, mean something (Jiang et al. 2021, "LayerCAM")."""

    def _get_weights(self, class_idx: int | list[int], scores: Tensor, **kwargs: Any) -> list[Tensor]:  # type: ignore[override]
        self._backprop(scores, class_idx, **kwargs)
        return [F.relu(g) for g in self.hook_g]

    @staticmethod
    def _scale_cams(cams: list[Tensor], gamma: float = 2.0) -> list[Tensor]:
        """tanh(γ L), before maps of several layers are fused: equation 9 of the paper."""
        return [(gamma * cam).tanh() for cam in cams]
