"""What a convolution looks for, and what it finds: filters as small pictures, feature maps of one picture, Grad-CAM over pictures.

`filter_images` and `feature_maps_of` and `heat_maps` give the numbers; the other functions draw them. Grad-CAM itself is in
`vision/torchcam/methods/gradient.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import minitorch
from minitorch import nn
from minitorch.nn import functional as F
from minitorch.nn.utils.unchanged import unchanged
from minitorch.tensor import Tensor

from .looking import activations, as_model, host, layer_names, mode_note
from .style import INK, as_picture, empty, grid_of, heading, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def first_convolution(model: nn.Module, who: str) -> str:
    """The name of the first convolution; ValueError if there is none."""
    for name, module in as_model(model, who).named_modules():
        if isinstance(module, CONVOLUTIONS):
            return name
    raise ValueError(f"{who}: {type(model).__name__} has no convolution: name a layer with layer=")


# ---- filters ----


def filter_images(
    model: nn.Module,
    layer: str | nn.Module | None = None,
    *,
    channel: int | None = None,
    shape: tuple[int, int] | None = None,
) -> np.ndarray:
    """The filters of a layer (the first convolution) as pictures: (out, h, w), or (out, h, w, 3) of a layer that sees colours.

    A filter for three channels is one colour picture, its numbers brought to 0…1 all together. Of another number of channels `channel`
    says which to take (0). A Conv1d's are (in, length); of a Linear, `shape` tells how its inputs lie in a picture.
    """
    name = first_convolution(model, "filters") if layer is None else layer_names(model, layer, "filters")[0]
    module = model.get_submodule(name)
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() not in (2, 3, 4):
        raise ValueError(f"filters: the weights of {_called(model, name)} are no pictures: name a Conv1d, Conv2d or Linear")
    w = host(weight)
    if w.ndim == 2:
        if shape is None or shape[0] * shape[1] != w.shape[1]:
            raise ValueError(
                f"filters: {name!r} has {w.shape[1]} inputs: pass shape=(height, width) of so many, got {shape}"
            )
        return w.reshape(-1, *shape)
    if w.ndim == 3:
        return w
    if channel is None and w.shape[1] == 3:
        low, high = w.min(), w.max()
        return (w.transpose(0, 2, 3, 1) - low) / (high - low or 1.0)
    if not 0 <= (channel or 0) < w.shape[1]:
        raise ValueError(f"filters: {name!r} sees {w.shape[1]} channels, there is no channel {channel}")
    return w[:, channel or 0]


def filters(
    model: nn.Module,
    layer: str | nn.Module | None = None,
    *,
    channel: int | None = None,
    shape: tuple[int, int] | None = None,
    most: int = 32,
    columns: int = 8,
    title: str = "",
) -> Figure:
    """The filters of a layer: red is where a pixel raises the output, blue where it lowers it, all on one scale. See `filter_images`."""
    pictures = filter_images(model, layer, channel=channel, shape=shape)
    name = first_convolution(model, "filters") if layer is None else layer_names(model, layer, "filters")[0]
    sees, title = model.get_submodule(name).weight.shape[1], title or f"Filters of {_called(model, name)}"
    note = (
        f"channel {channel or 0} of {sees}"
        if pictures.ndim == 3 and sees > 1 and shape is None and pictures.shape[1] != sees
        else ""
    )
    if pictures.ndim == 4:
        return _tiles(pictures, title, "colours scaled together to 0…1", most, columns, limits=(0, 1))
    top = float(np.nanmax(np.abs(np.where(np.isfinite(pictures), pictures, 0.0)))) or 1.0
    return _tiles(pictures, title, note, most, columns, limits=(-top, top), colours="RdBu_r", bar="weight")


def _tiles(
    pictures: np.ndarray,
    title: str,
    note: str,
    most: int,
    columns: int,
    *,
    limits: tuple[float, float],
    colours: str = "viridis",
    bar: str = "",
    seen: np.ndarray | None = None,
) -> Figure:
    """Pictures side by side, with their numbers above, on one scale, which a colour bar tells; before them what was `seen`, in grey."""
    shown = pictures[:most]
    rows, columns = grid_of(len(shown), columns)
    figure, axes = new_figure(rows, columns + (seen is not None), panel=(1.05, 1.2))
    panels = axes
    if seen is not None:  # a column of its own, so that the others stand under one another as the filters do
        axes[0, 0].imshow(seen, cmap="gray_r")
        axes[0, 0].set_title("input", fontsize=8, color=INK, pad=3)
        as_picture(axes[0, 0])
        empty(axes[1:, 0])
        panels = axes[:, 1:]
    for i, (ax, picture) in enumerate(zip(panels.flat, shown)):
        image = ax.imshow(picture, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
        ax.set_title(str(i), fontsize=8, color=INK, pad=3)
        as_picture(ax)
    empty(panels.flat[len(shown) :])
    if bar:
        figure.colorbar(image, ax=axes, label=bar, shrink=0.9, pad=0.02, aspect=12 * rows).ax.tick_params(labelsize=8)
    wild = int((~np.isfinite(shown)).sum())
    heading(
        figure,
        title,
        note,
        f"the first {len(shown)} of {len(pictures)}" if len(shown) < len(pictures) else "",
        f"{wild} numbers are not finite: white" if wild else "",
    )
    return figure


# ---- feature maps ----


def feature_maps_of(model: nn.Module, inputs: Tensor, layer: str | nn.Module | None = None, *, index: int = 0) -> np.ndarray:
    """What a layer (the first convolution) puts out for picture `index` of the batch: (channels, h, w)."""
    name = first_convolution(model, "feature_maps") if layer is None else layer_names(model, layer, "feature_maps")[0]
    (found, *_) = activations(model, inputs, layers=name).values() or [None]
    if found is None or found.dim() != 4:
        came = "no tensor" if found is None else f"shape {tuple(found.shape)}"
        raise ValueError(
            f"feature_maps: {_called(model, name)} puts out {came}; expected (N, C, H, W): inputs with a batch, a layer before flattening"
        )
    if not -len(found) <= index < len(found):
        raise IndexError(f"feature_maps: index {index} of a batch of {len(found)}")
    return host(found[index])


def feature_maps(
    model: nn.Module,
    inputs: Tensor,
    layer: str | nn.Module | None = None,
    *,
    index: int = 0,
    images: Tensor | None = None,
    most: int = 32,
    columns: int = 8,
    title: str = "",
) -> Figure:
    """What each channel of a layer makes of one picture of the batch `inputs`, all on one scale.

    Where outputs may be negative, red is above 0 and blue below; else bright is much. images: what to show as the input, as in `grad_cam`;
    without them the inputs, if these are pictures.
    """
    maps = feature_maps_of(model, inputs, layer, index=index)
    name = first_convolution(model, "feature_maps") if layer is None else layer_names(model, layer, "feature_maps")[0]
    shown = inputs if images is None and inputs.dim() == 4 and inputs.shape[1] in (1, 3) else images
    seen = None if shown is None else _as_pictures(shown[index : index + 1 or None])[0]
    finite = np.where(np.isfinite(maps), maps, 0.0)
    low, high = float(finite.min()), float(finite.max())
    limits, colours = ((low, high), "viridis") if low >= 0 else ((-max(high, -low), max(high, -low)), "RdBu_r")
    title = title or f"Feature maps of {_called(model, name)}"
    return _tiles(maps, title, mode_note(model), most, columns, limits=limits, colours=colours, bar="output", seen=seen)


def _called(model: nn.Module, name: str) -> str:
    """A layer's class and name, for titles."""
    return f"{type(model.get_submodule(name)).__name__} {name!r}" if name else type(model).__name__


# ---- Grad-CAM ----


class HeatMaps(NamedTuple):
    """maps (N, H, W), each from 0 to 1, of the classes `classes` with the scores' softmax `shares`, at the layer `layer`."""

    maps: np.ndarray
    classes: list[int]
    shares: np.ndarray
    layer: str


def heat_maps(
    model: nn.Module,
    inputs: Tensor,
    target_layer: str | nn.Module | None = None,
    *,
    class_idx: int | Sequence[int] | None = None,
    size: tuple[int, int] | None = None,
) -> HeatMaps:
    """Grad-CAM of a batch, in the model's mode, for the classes that it predicts or for those that are named.

    target_layer: the last that puts out maps (N, C, H, W) with more than one place. size: the maps are resized to it, bilinearly.
    """
    from minitorch.vision.torchcam.methods import GradCAM  # here: only who draws a heat map needs that room
    from minitorch.vision.torchcam.methods._utils import last_map

    name = last_map(model, inputs, 4) if target_layer is None else layer_names(model, target_layer, "grad_cam")[0]
    if name is None:
        raise ValueError("grad_cam: no layer puts out maps (N, C, H, W): is there a convolution in the model?")
    with minitorch.inference_mode(False), minitorch.enable_grad(), unchanged(model), GradCAM(model, name) as cam:
        scores = model(inputs.detach().clone().requires_grad_())  # whose parameters may all be frozen
        if scores.dim() != 2:
            raise ValueError(f"grad_cam: expected scores (N, classes), the model put out {tuple(scores.shape)}")
        wanted = scores.argmax(1).tolist() if class_idx is None else class_idx
        classes = [wanted] * len(scores) if isinstance(wanted, int) else [int(each) for each in wanted]
        (found,) = cam(classes, scores)
    if size is not None:
        found = F.interpolate(found.unsqueeze(1), size, mode="bilinear", align_corners=False).squeeze(1)
    shares = host(scores.softmax(1))[np.arange(len(classes)), classes]
    return HeatMaps(host(found), classes, shares, name)


def grad_cam(
    model: nn.Module,
    inputs: Tensor,
    target_layer: str | nn.Module | None = None,
    *,
    class_idx: int | Sequence[int] | None = None,
    images: Tensor | None = None,
    classes: Sequence[str] | None = None,
    most: int = 8,
    title: str = "Grad-CAM",
) -> Figure:
    """Where the model saw a class: above each picture, below the same picture under its heat map, where dark red counts most.

    images: what to show, (N, H, W), (N, 1, H, W) or (N, 3, H, W); without them the inputs. classes: the names of the classes.
    """
    pictures = _as_pictures(inputs if images is None else images)[:most]
    if not len(pictures):
        raise ValueError("grad_cam: there is nothing to draw: no picture, or most=0")
    wanted = class_idx if class_idx is None or isinstance(class_idx, int) else class_idx[:most]
    found = heat_maps(model, inputs[:most], target_layer, class_idx=wanted, size=pictures.shape[1:3])
    figure, axes = new_figure(2, len(pictures), panel=(1.35, 1.5))
    for i, picture in enumerate(pictures):
        name = str(found.classes[i]) if classes is None else classes[found.classes[i]]
        axes[0, i].imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        axes[0, i].set_title(f"{name}\n{100 * found.shares[i]:.1f} %", fontsize=8, color=INK, pad=3)
        axes[1, i].imshow(picture, cmap="gray_r", vmin=0, vmax=2)  # paler, beneath the heat
        image = axes[1, i].imshow(found.maps[i], cmap="YlOrRd", vmin=0, vmax=1, alpha=0.65)
        as_picture(axes[0, i])
        as_picture(axes[1, i])
    figure.colorbar(image, ax=axes, label="heat", shrink=0.8, pad=0.02, aspect=30).ax.tick_params(labelsize=8)
    wild = int((~np.isfinite(found.shares)).sum())  # the sum over channels passes over nan, so a map is always finite
    heading(
        figure,
        title,
        f"at layer {found.layer!r}; {'predicted' if class_idx is None else 'chosen'} class and its probability",
        f"{wild} of the predictions are not finite: their maps mean nothing" if wild else "",
        mode_note(model),
    )
    return figure


def _as_pictures(images: Tensor) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3) between 0 and 1, each picture from its smallest to its largest number."""
    pictures = host(images).astype(np.float64)
    if pictures.ndim == 4 and pictures.shape[1] in (1, 3):
        pictures = pictures[:, 0] if pictures.shape[1] == 1 else pictures.transpose(0, 2, 3, 1)
    if pictures.ndim != 3 and not (pictures.ndim == 4 and pictures.shape[3] == 3):
        raise ValueError(
            f"grad_cam: {tuple(images.shape)} are no pictures: pass images= of shape (N, H, W) or (N, 1 or 3, H, W)"
        )
    places = tuple(range(1, pictures.ndim))
    low, high = pictures.min(places, keepdims=True), pictures.max(places, keepdims=True)
    return (pictures - low) / np.where(high > low, high - low, 1.0)
