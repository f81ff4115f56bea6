"""Weights from the network itself, without a gradient: CAM.

torchcam's ScoreCAM, SSCAM and ISCAM are not here: they weigh each channel by a forward of its own.
"""

from __future__ import annotations

import logging
from typing import Any

import minitorch
from minitorch import nn
from minitorch.tensor import Tensor

from ._utils import locate_linear_layer
from .core import _CAM

__all__ = ["CAM"]


class CAM(_CAM):
    """L = Σ_k w_k A_k, w the row of the class in the last Linear (Zhou et al. 2016, "Learning deep features …").

    For networks that average each channel of the target layer over all places and then have one Linear, `fc_layer`: a layer or its
    name; None: the first Linear. There it shows what GradCAM shows, but for the ReLU and a factor.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: nn.Module | str | list[nn.Module | str] | None = None,
        fc_layer: nn.Module | str | None = None,
        input_shape: tuple[int, ...] = (3, 224, 224),
        **kwargs: Any,
    ) -> None:
        if isinstance(target_layer, list) and len(target_layer) > 1:
            raise ValueError("base CAM does not support multiple target layers")
        super().__init__(model, target_layer, input_shape, **kwargs)
        try:
            weight = self._classifier(fc_layer).weight
        except (TypeError, ValueError):
            self.remove_hooks()
            raise
        self._fc_weights = weight.detach().flatten(1)  # of a 1×1 convolution, too

    def _classifier(self, layer: nn.Module | str | None) -> Any:
        if layer is None:
            layer = locate_linear_layer(self.model)
            if layer is None:
                raise ValueError("unable to resolve `fc_layer` automatically: the model has no Linear; specify `fc_layer`")
            logging.warning(f"no value was provided for `fc_layer`, thus set to '{layer}'.")
        return self.submodule_dict[self._resolve_layer_name(layer)]

    def _get_weights(self, class_idx: int | list[int], scores: Any = None, **kwargs: Any) -> list[Tensor]:
        rows = [class_idx] if isinstance(class_idx, int) else class_idx
        return [self._fc_weights[minitorch.tensor(rows, device=self._fc_weights.device)]]
