"""The networks of `minitorch.vision.models` in plain torch, by their papers, as short as they go: the oracle for their tests.

Parameters have torchvision's names and are drawn in its order. Each network is made of one table here: what differs between two sizes
stands in a row, and nothing is shared with minitorch's classes but the names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# ---- He et al., 2015; Xie et al., 2016; Zagoruyko and Komodakis, 2016 ----

RESNETS = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
}


class Block(nn.Module):
    """convolutions: (channels in, out, size of the kernel, stride, groups, dilation) of each, a norm after each; x is added before the last relu."""

    def __init__(self, convolutions: list[tuple[int, ...]], downsample: nn.Module | None, norm: Callable[..., nn.Module]):
        super().__init__()
        self.number = len(convolutions)
        for i, (n, m, k, stride, groups, dilation) in enumerate(convolutions, 1):
            layer = nn.Conv2d(n, m, k, stride, k // 2 * dilation, dilation, groups, bias=False)
            self.add_module(f"conv{i}", layer)
            self.add_module(f"bn{i}", norm(m))
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for i in range(1, self.number + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(torch.relu(y) if i > 1 else y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(
        self,
        narrow: bool,
        layers: tuple[int, ...],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        dilate: tuple[bool, ...] = (False, False, False),
        norm: Callable[..., nn.Module] = nn.BatchNorm2d,
    ):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), norm(64)
        n, dilation = 64, 1
        for i, blocks in enumerate(layers):
            planes, stride, before = 64 << i, min(2, i + 1), dilation
            if i and dilate[i - 1]:
                dilation, stride = 2 * dilation, 1
            row, m, width = [], planes * (4 if narrow else 1), planes * width_per_group // 64 * groups
            for j in range(blocks):
                s, d = (stride, before) if j == 0 else (1, dilation)
                down = nn.Sequential(nn.Conv2d(n, m, 1, s, bias=False), norm(m)) if s != 1 or n != m else None
                narrowing = [(n, width, 1, 1, 1, 1), (width, width, 3, s, groups, d), (width, m, 1, 1, 1, 1)]
                row.append(Block(narrowing if narrow else [(n, m, 3, s, 1, 1), (m, m, 3, 1, 1, 1)], down, norm))
                n = m
            self.add_module(f"layer{i + 1}", nn.Sequential(*row))
        self.fc = nn.Linear(n, num_classes)
        draw(self, "relu")
        if zero_init_residual:
            for block in self.modules():
                if isinstance(block, Block):
                    nn.init.zeros_(getattr(block, f"bn{block.number}").weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in (1, 2, 3, 4):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


def draw(network: nn.Module, gain: str, std: float | None = None) -> None:
    """Kernels from N(0, gain² / fan out) (He et al., 2015), biases 0, norms the identity; linear maps from N(0, std²), unless None."""
    for m in network.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity=gain)
        elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(m.weight)
        elif isinstance(m, nn.Linear) and std is not None:
            nn.init.normal_(m.weight, 0, std)
        else:
            continue
        if m.bias is not None:
            nn.init.zeros_(m.bias)


# ---- Simonyan and Zisserman, 2014; Krizhevsky, 2014 ----

VGGS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


class Plain(nn.Module):
    """`features`, means over size × size fields, `classifier`"""

    def __init__(self, features: nn.Module, size: int, classifier: nn.Module):
        super().__init__()
        self.features, self.classifier, self.size = features, classifier, size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(nn.functional.adaptive_avg_pool2d(self.features(x), self.size).flatten(1))


def vgg_features(rows: tuple[int, ...], norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    n = 3
    for i, times in enumerate(rows):
        m = min(512, 64 << i)
        for _ in range(times):
            layers += [nn.Conv2d(n, m, 3, padding=1), *([nn.BatchNorm2d(m)] if norm else []), nn.ReLU()]
            n = m
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def vgg(name: str, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5) -> Plain:
    name, _, norm = name.partition("_")
    # The convolutions are made, and so drawn, before the linear layers: the order of the draws is part of the answer.
    features = vgg_features(VGGS[name], bool(norm))
    hidden = [
        nn.Linear(512 * 49, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(dropout),
    ]
    made = Plain(features, 7, nn.Sequential(*hidden, nn.Linear(4096, num_classes)))
    if init_weights:
        draw(made, "relu", std=0.01)
    return made


def alexnet(num_classes: int = 1000, dropout: float = 0.5) -> Plain:
    table = [(3, 64, 11, 4, 2, True), (64, 192, 5, 1, 2, True), (192, 384, 3, 1, 1, False), (384, 256, 3, 1, 1, False)]
    layers: list[nn.Module] = []
    for n, m, k, stride, padding, pool in [*table, (256, 256, 3, 1, 1, True)]:
        layers += [nn.Conv2d(n, m, k, stride, padding), nn.ReLU(), *([nn.MaxPool2d(3, 2)] if pool else [])]
    hidden = [nn.Dropout(dropout), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU()]
    return Plain(nn.Sequential(*layers), 6, nn.Sequential(*hidden, nn.Linear(4096, num_classes)))


# ---- Sandler et al., 2018 ----


class Inverted(nn.Module):
    def __init__(self, n: int, m: int, stride: int, expand: float, norm: Callable[..., nn.Module]):
        super().__init__()
        wide = round(n * expand)
        first = [convolution(n, wide, 1, 1, 1, norm)] if expand != 1 else []
        last = [nn.Conv2d(wide, m, 1, bias=False), norm(m)]
        self.conv = nn.Sequential(*first, convolution(wide, wide, 3, stride, wide, norm), *last)
        self.adds = stride == 1 and n == m

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + (x if self.adds else 0)


def convolution(n: int, m: int, k: int, stride: int, groups: int, norm: Callable[..., nn.Module]) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n, m, k, stride, k // 2, groups=groups, bias=False), norm(m), nn.ReLU6())


TABLE_2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(
    num_classes: int = 1000,
    width_mult: float = 1.0,
    round_nearest: int = 8,
    norm: Callable[..., nn.Module] = nn.BatchNorm2d,
    dropout: float = 0.2,
    table: tuple[tuple[int, ...], ...] = TABLE_2,
) -> Plain:
    def rounded(width: float) -> int:
        whole = max(round_nearest, int(width + round_nearest / 2) // round_nearest * round_nearest)
        return whole + round_nearest * (whole < 0.9 * width)

    n, last = rounded(32 * width_mult), rounded(1280 * max(1.0, width_mult))
    layers: list[nn.Module] = [convolution(3, n, 3, 2, 1, norm)]
    for expand, channels, times, stride in table:
        for i in range(times):
            m = rounded(channels * width_mult)
            layers.append(Inverted(n, m, 1 if i else stride, expand, norm))
            n = m
    layers.append(convolution(n, last, 1, 1, 1, norm))
    made = Plain(nn.Sequential(*layers), 1, nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes)))
    draw(made, "leaky_relu", std=0.01)
    return made


def network(name: str, **options: Any) -> nn.Module:
    """The network of that name, newly drawn."""
    if name in RESNETS:
        return ResNet(*RESNETS[name], **options)
    return {"alexnet": alexnet, "mobilenet_v2": mobilenet_v2}[name](**options) if "vgg" not in name else vgg(name, **options)
