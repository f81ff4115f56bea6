"""Plain deep networks: 3×3 convolutions in rows, a pooling that halves the sides after each row, three linear layers.

"Very Deep Convolutional Networks for Large-Scale Image Recognition", Simonyan and Zisserman, 2014. Nine in ten of the parameters are
in the first linear layer. Read next: `alexnet.py`, which came before; `resnet.py`, which came after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import nn
from ...ops.shape import flatten
from ...tensor import Tensor
from ._api import WeightsEnum, imagenet, model

# What a convolution has of channels, row after row; "M" is a pooling.
cfgs: dict[str, list[str | int]] = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
}


class VGG(nn.Module):
    """(N, 3, H, W) → (N, num_classes), H and W at least 32: `features`, a mean over 7 × 7 fields, three linear layers.

    init_weights: weights drawn as the paper says, else as each layer draws its own. dropout: before the last two linear layers.
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        for m in self.modules() if init_weights else ():
            _initialise(m)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def _initialise(m: nn.Module) -> None:
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)
    elif isinstance(m, nn.BatchNorm2d):
        nn.init.constant_(m.weight, 1)
        nn.init.constant_(m.bias, 0)
    elif isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, 0, 0.01)
        nn.init.constant_(m.bias, 0)


def make_layers(cfg: Sequence[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The layers that a row of `cfgs` stands for."""
    layers: list[nn.Module] = []
    channels = 3
    for width in cfg:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        norm = [nn.BatchNorm2d(width)] if batch_norm else []
        layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), *norm, nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers)


# ---- the sizes ----


def _weights(file: str, num_params: int, acc1: float, acc5: float) -> Any:
    return imagenet(file, num_params, acc1, acc5, min_size=32)


class VGG11_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg11-8a719046.pth", 132863336, 69.020, 88.628)
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg11_bn-6002323d.pth", 132868840, 70.370, 89.810)
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg13-19584684.pth", 133047848, 69.928, 89.246)
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg13_bn-abd245e5.pth", 133053736, 71.586, 90.374)
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg16-397923af.pth", 138357544, 71.592, 90.382)
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg16_bn-6c64b313.pth", 138365992, 73.360, 91.516)
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg19-dcbb9e9d.pth", 143667240, 72.376, 90.876)
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = _weights("vgg19_bn-c79401a0.pth", 143678248, 74.218, 91.842)
    DEFAULT = IMAGENET1K_V1


@model(VGG11_Weights, init_weights=False)
def vgg11(**kwargs: Any) -> VGG:
    """8 convolutions. weights: a member of VGG11_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["A"]), **kwargs)


@model(VGG11_BN_Weights, init_weights=False)
def vgg11_bn(**kwargs: Any) -> VGG:
    """The same with batch normalisation. weights: a member of VGG11_BN_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["A"], batch_norm=True), **kwargs)


@model(VGG13_Weights, init_weights=False)
def vgg13(**kwargs: Any) -> VGG:
    """10 convolutions. weights: a member of VGG13_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["B"]), **kwargs)


@model(VGG13_BN_Weights, init_weights=False)
def vgg13_bn(**kwargs: Any) -> VGG:
    """The same with batch normalisation. weights: a member of VGG13_BN_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["B"], batch_norm=True), **kwargs)


@model(VGG16_Weights, init_weights=False)
def vgg16(**kwargs: Any) -> VGG:
    """13 convolutions. weights: a member of VGG16_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["D"]), **kwargs)


@model(VGG16_BN_Weights, init_weights=False)
def vgg16_bn(**kwargs: Any) -> VGG:
    """The same with batch normalisation. weights: a member of VGG16_BN_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["D"], batch_norm=True), **kwargs)


@model(VGG19_Weights, init_weights=False)
def vgg19(**kwargs: Any) -> VGG:
    """16 convolutions. weights: a member of VGG19_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["E"]), **kwargs)


@model(VGG19_BN_Weights, init_weights=False)
def vgg19_bn(**kwargs: Any) -> VGG:
    """The same with batch normalisation. weights: a member of VGG19_BN_Weights, its name, or None; kwargs go to `VGG`."""
    return VGG(make_layers(cfgs["E"], batch_norm=True), **kwargs)
