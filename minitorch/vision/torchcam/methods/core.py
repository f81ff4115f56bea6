"""What all class activation maps share: hooks on the target layers, and the weighted sum of their channels.

A convolution's channel is a picture of where one pattern is. A class activation map adds these pictures up, each weighted by how much
the class cares for its pattern: L = Σ_k w_k A_k. A method is how it finds w_k: `_get_weights`. Read next: `gradient.py`.
"""

from __future__ import annotations

import difflib
import logging
from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import minitorch
from minitorch import nn
from minitorch.autograd.graph import GradientEdge, get_gradient_edge
from minitorch.nn import functional as F
from minitorch.tensor import Tensor
from minitorch.utils.hooks import RemovableHandle

from ._utils import locate_candidate_layer

__all__ = ["_CAM"]


class _CAM(ABC):
    """Listens to the target layers of a model; called with a class after a forward, it returns a map for each of them.

    target_layer: a layer, its name, or a list of these; None: the last one that puts out a map, for which the model runs once on zeros of
    `input_shape` (of one picture, without the batch). As a context manager it takes its hooks away at the end.
    """

    _relu = False  # whether what speaks against the class is left out
    _score_used = False  # whether a call needs the scores

    def __init__(
        self,
        model: nn.Module,
        target_layer: nn.Module | str | list[nn.Module | str] | None = None,
        input_shape: tuple[int, ...] = (3, 224, 224),
        enable_hooks: bool = True,
    ) -> None:
        self.submodule_dict = dict(model.named_modules())
        self.model = model
        if target_layer is None:
            name = locate_candidate_layer(model, input_shape)
            if name is None:
                raise ValueError(
                    "unable to resolve `target_layer` automatically: no layer puts out a map of "
                    f"{len(input_shape) + 1} dimensions for an input of {(1, *input_shape)}; specify `target_layer`"
                )
            logging.warning(f"no value was provided for `target_layer`, thus set to '{name}'.")
            target_layer = name
        layers = target_layer if isinstance(target_layer, list) else [target_layer]
        self.target_names = [self._resolve_layer_name(layer) for layer in layers]
        self._hooks_enabled = enable_hooks
        self.reset_hooks()
        self.hook_handles: list[RemovableHandle] = [
            self.submodule_dict[name].register_forward_hook(partial(self._hook_a, idx=idx))
            for idx, name in enumerate(self.target_names)
        ]

    def __enter__(self) -> _CAM:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove_hooks()
        self.reset_hooks()

    def _resolve_layer_name(self, layer: nn.Module | str) -> str:
        if isinstance(layer, nn.Module):
            for name, module in self.submodule_dict.items():
                if module is layer:
                    return name
            raise ValueError(
                f"unable to locate the {type(layer).__name__} inside the specified model: pass one of its layers"
            )
        if not isinstance(layer, str):
            raise TypeError(
                f"invalid argument type for `target_layer`: expected layers or their names, got {type(layer).__name__}"
            )
        if layer not in self.submodule_dict:
            near = difflib.get_close_matches(layer, self.submodule_dict, 3, 0.4) or list(self.submodule_dict)[1:12]
            raise ValueError(
                f"Unable to find all submodules: the model has no layer {layer!r}; it has {', '.join(map(repr, near))}"
            )
        return layer

    def _hook_a(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor, idx: int = 0) -> None:
        """Keep what the layer puts out, and the place in the graph where its gradient will come: a ReLU may write over the output."""
        if not self._hooks_enabled:
            return
        if not isinstance(output, Tensor) or output.dim() < 3:
            came = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"{type(self).__name__}: the layer {self.target_names[idx]!r} puts out no map (N, C, …, places), but {came}; "
                "take a layer before flattening"
            )
        self.hook_a[idx] = output.detach().clone()
        self._edges[idx] = get_gradient_edge(output) if output.requires_grad else None

    def reset_hooks(self) -> None:
        """Forget what was put out, and its gradients: None for each layer."""
        self.hook_a: list[Any] = [None] * len(self.target_names)
        self.hook_g: list[Any] = [None] * len(self.target_names)
        self._edges: list[GradientEdge | None] = [None] * len(self.target_names)

    def remove_hooks(self) -> None:
        """Take the hooks off the model."""
        for handle in self.hook_handles:
            handle.remove()
        self.hook_handles.clear()

    @staticmethod
    @minitorch.no_grad()
    def _normalize(cams: Tensor, spatial_dims: int | None = None, eps: float = 1e-8) -> Tensor:
        """(L − min L) / (max + eps), for each picture by itself: 0 to 1."""
        places = tuple(range(-(cams.dim() - 1 if spatial_dims is None else spatial_dims), 0))
        cams = cams - cams.amin(places, keepdim=True)
        return cams / (cams.amax(places, keepdim=True) + eps)

    @abstractmethod
    def _get_weights(self, class_idx: int | list[int], scores: Any = None, **kwargs: Any) -> list[Tensor]:
        """The weight of each channel for each target layer: (N, C), or (N, C, places) if it differs from place to place."""

    def _precheck(self, class_idx: int | list[int], scores: Tensor | None = None) -> None:
        for fmap in self.hook_a:
            if fmap is None:
                raise AssertionError(
                    "Inputs need to be forwarded in the model for the conv features to be hooked: call model(x) after "
                    f"{type(self).__name__}(model)"
                )
            if isinstance(class_idx, list) and len(fmap) != len(class_idx):
                raise ValueError(
                    f"expected batch size and length of `class_idx` to be the same, got {len(fmap)} and {len(class_idx)}"
                )
        classes = class_idx if isinstance(class_idx, list) else [class_idx]
        if not all(isinstance(each, int) and each >= 0 for each in classes):
            raise ValueError(
                f"Incorrect `class_idx` argument value: expected an int ≥ 0, or a list of them, got {class_idx!r}"
            )
        if self._score_used and not isinstance(scores, Tensor):
            raise ValueError(f"model output scores is required to be passed to compute CAMs, got {type(scores).__name__}")

    def __call__(
        self, class_idx: int | list[int], scores: Tensor | None = None, normalized: bool = True, **kwargs: Any
    ) -> list[Tensor]:
        """A map (N, H, W) for each target layer. class_idx: one for all pictures of the batch, or a list, one for each.

        scores: what the model put out, (N, classes). normalized: each map from 0 to 1. kwargs: `retain_graph=True`, to call again.
        """
        self._precheck(class_idx, scores)
        return self.compute_cams(class_idx, scores, normalized, **kwargs)

    def compute_cams(
        self, class_idx: int | list[int], scores: Tensor | None = None, normalized: bool = True, **kwargs: Any
    ) -> list[Tensor]:
        """L = Σ_k w_k A_k for each target layer, through a ReLU in the methods that only show what speaks for the class."""
        weights, cams = self._get_weights(class_idx, scores, **kwargs), []
        with minitorch.no_grad():
            for weight, activation in zip(weights, self.hook_a):
                cam = (weight[(...,) + (None,) * (activation.dim() - weight.dim())] * activation).nansum(dim=1)
                cam = F.relu(cam) if self._relu else cam
                cams.append(self._normalize(cam) if normalized else cam)
        return cams

    def extra_repr(self) -> str:
        return f"target_layer={self.target_names}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    @classmethod
    def fuse_cams(cls, cams: list[Tensor], target_shape: tuple[int, int] | None = None) -> Tensor:
        """One map of several layers' maps: each is resized (to the largest of them, unless told), and the maximum taken."""
        if not isinstance(cams, list) or not all(isinstance(cam, Tensor) for cam in cams):
            raise TypeError("invalid argument type for `cams`: expected a list of tensors")
        if not cams:
            raise ValueError("argument `cams` cannot be an empty list")
        if len(cams) == 1:
            return cams[0]
        shape = target_shape or tuple(map(max, zip(*(cam.shape[1:] for cam in cams))))
        mode = {3: "bilinear", 4: "trilinear"}.get(cams[0].dim())
        same = [
            F.interpolate(cam.unsqueeze(1), shape, mode=mode or "nearest", align_corners=False if mode else None)
            for cam in cls._scale_cams(cams)
        ]
        return minitorch.stack(same).amax(0).squeeze(1)

    @staticmethod
    def _scale_cams(cams: list[Tensor]) -> list[Tensor]:
        return cams
