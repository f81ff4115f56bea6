"""The network whose victory at ImageNet in 2012 began all this: five convolutions, three linear layers.

Here as in "One weird trick for parallelizing convolutional neural networks", Krizhevsky, 2014, which has no groups and no local
response normalisation. Read next: `vgg.py`.
"""

from __future__ import annotations

from typing import Any

from ... import nn
from ...ops.shape import flatten
from ...tensor import Tensor
from ._api import WeightsEnum, imagenet, model


class AlexNet(nn.Module):
    """(N, 3, H, W) → (N, num_classes), H and W at least 63. dropout: before the first two linear layers."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


class AlexNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("alexnet-owt-7be5be79.pth", 61100840, 56.522, 79.066, min_size=63)
    DEFAULT = IMAGENET1K_V1


@model(AlexNet_Weights)
def alexnet(**kwargs: Any) -> AlexNet:
    """8 layers, 61 million parameters. weights: a member of AlexNet_Weights, its name, or None; kwargs go to `AlexNet`."""
    return AlexNet(**kwargs)
