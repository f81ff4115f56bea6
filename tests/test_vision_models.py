"""The networks of `vision.models` beside plain torch's (`reference/vision/networks.py`), and beside what torchvision's own were measured to be.

The same seed gives the same weights to the bit; then outputs, gradients and buffers agree within 1e-9 in float64.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from planting import plant

import minitorch
from minitorch import nn
from minitorch.vision import models
from minitorch.vision.models.alexnet import AlexNet
from minitorch.vision.models.mobilenetv2 import InvertedResidual, MobileNetV2
from minitorch.vision.models.resnet import BasicBlock, Bottleneck, ResNet
from minitorch.vision.models.vgg import VGG, cfgs, make_layers
from minitorch.vision.ops import Conv2dNormActivation, Conv3dNormActivation
from minitorch.vision.ops.misc import ConvNormActivation
from reference.vision import networks as plain
from reference.vision.measure_networks import FILE, NETWORKS, facts, weights

pytestmark = pytest.mark.outside

MEASURED = json.loads(FILE.read_text(encoding="utf-8"))


def close(found: Any, expected: Any, what: str = "", least: float = 0.0) -> None:
    """Within 1e-9 of the largest number expected, or of `least`"""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, what
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(least, np.abs(expected).max()), err_msg=what)


# ---- torchvision, measured ----

BY_DEFAULT, IF_SLOW = ("resnet18", "mobilenet_v2"), ("resnet50", "alexnet")
MARKS: dict[str, Any] = {**dict.fromkeys(BY_DEFAULT, ()), **dict.fromkeys(IF_SLOW, pytest.mark.slow)}


@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, pytest.mark.exhaustive)) for n in NETWORKS])
def test_a_network_is_torchvisions(name: str) -> None:
    ours, theirs = facts(minitorch, models, name), MEASURED["networks"][name]
    for exactly in ("names", "parameters", "weights", "after"):
        assert ours[exactly] == theirs[exactly], exactly
    for nearly in ("trained", "gradients", "evaluated"):
        close(ours[nearly], theirs[nearly], nearly)


@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_weights_are_torchvisions(name: str) -> None:
    said = json.loads(json.dumps(weights(models, name)))  # tuples as lists
    assert said == MEASURED["weights"][name]
    assert models.list_models(include=name) == [name]


# ---- plain torch, with options ----


def both(ours: Callable[[], nn.Module], theirs: Callable[[], torch.nn.Module], size: int = 32) -> None:
    """Two networks from one seed: the same weights; a step of training, and evaluation after it, agree."""
    minitorch.manual_seed(5)
    torch.manual_seed(5)
    pair: tuple[Any, Any] = ours(), theirs()
    assert minitorch.rand(1).item() == torch.rand(1).item()
    states = [network.state_dict() for network in pair]
    assert list(states[0]) == list(states[1])
    for key, value in states[1].items():
        assert np.array_equal(states[0][key].numpy(), value.numpy()), key
    images = np.random.default_rng(0).normal(size=(2, 3, size, size))
    for network, library in zip(pair, (minitorch, torch)):
        library.manual_seed(6)  # of dropout
        out = network.double()(library.tensor(images))
        out.backward(library.linspace(-1, 2, out.numel(), dtype=library.float64).view(out.shape))
        network.out, network.evaluated = out, network.eval()(library.tensor(images))
    assert pair[0].out.std().item() > 0
    close(pair[0].out.detach(), pair[1].out.detach(), "trained")
    close(pair[0].evaluated.detach(), pair[1].evaluated.detach(), "evaluated")
    nothing = 1e-10 * max(q.grad.abs().max().item() for q in pair[1].parameters())
    for (name, p), q in zip(pair[0].named_parameters(), pair[1].parameters()):
        if q.grad.abs().max() < nothing:  # of a bias that a norm takes off again: what is left is rounding
            assert p.grad.abs().max() < nothing, name
        else:
            close(p.grad, q.grad, name)
    theirs_buffers = dict(pair[1].named_buffers())
    for name, b in pair[0].named_buffers():
        spread = theirs_buffers[name.replace("running_mean", "running_var")]  # what a mean of nearly 0 is nearly 0 beside
        close(b / spread.max().item(), theirs_buffers[name] / spread.max().item(), name, least=1.0)


def grouped(width: int) -> Any:
    return lambda channels: torch.nn.GroupNorm(width, channels)


def ours_grouped(width: int) -> Any:
    return lambda channels: nn.GroupNorm(width, channels)


SMALL = {
    "basic blocks": (
        lambda: ResNet(BasicBlock, [2, 1, 1, 1], num_classes=3),
        lambda: plain.ResNet(False, (2, 1, 1, 1), num_classes=3),
    ),
    "basic blocks that begin as nothing, with groups of channels": (
        lambda: ResNet(BasicBlock, [1, 1, 1, 1], 3, zero_init_residual=True, norm_layer=ours_grouped(8)),
        lambda: plain.ResNet(False, (1, 1, 1, 1), 3, zero_init_residual=True, norm=grouped(8)),
    ),
    "bottlenecks": (
        lambda: ResNet(Bottleneck, [2, 1, 1, 1], 3, width_per_group=16, zero_init_residual=True),
        lambda: plain.ResNet(True, (2, 1, 1, 1), 3, width_per_group=16, zero_init_residual=True),
    ),
    "groups, and dilation for stride": (
        lambda: ResNet(
            Bottleneck, [1, 1, 2, 2], 3, groups=2, width_per_group=8, replace_stride_with_dilation=(False, True, True)
        ),
        lambda: plain.ResNet(True, (1, 1, 2, 2), 3, groups=2, width_per_group=8, dilate=(False, True, True)),
    ),
    "mobile": (
        lambda: MobileNetV2(num_classes=3, width_mult=0.35, dropout=0.4),
        lambda: plain.mobilenet_v2(num_classes=3, width_mult=0.35, dropout=0.4),
    ),
    "mobile of another table": (
        lambda: MobileNetV2(5, 1.3, [[1, 8, 1, 2], [3, 12, 2, 1]], round_nearest=4, norm_layer=ours_grouped(2), dropout=0.0),
        lambda: plain.mobilenet_v2(5, 1.3, 4, grouped(2), 0.0, ((1, 8, 1, 2), (3, 12, 2, 1))),
    ),
    "the features of vgg11": (
        lambda: make_layers(cfgs["A"]),
        lambda: plain.vgg_features(plain.VGGS["vgg11"], False),
    ),
    "a small vgg's features, normalised": (
        lambda: make_layers([64, "M", 128, 128, "M"], batch_norm=True),
        lambda: plain.vgg_features((1, 2), True),
    ),
}  # fmt: skip

LARGE = {
    "alexnet": (lambda: AlexNet(3, dropout=0.3), lambda: plain.alexnet(3, dropout=0.3), 64),
    "vgg": (lambda: VGG(make_layers(cfgs["B"]), 3, True, 0.3), lambda: plain.vgg("vgg13", 3, True, 0.3), 32),
    "vgg that draws as its layers do": (
        lambda: VGG(make_layers(cfgs["A"], True), 3, False),
        lambda: plain.vgg("vgg11_bn", 3, False),
        32,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SMALL)
def test_a_small_network_is_plain_torchs(what: str) -> None:
    both(*SMALL[what])


@pytest.mark.exhaustive
@pytest.mark.parametrize("what", LARGE)
def test_a_large_network_is_plain_torchs(what: str) -> None:
    both(*LARGE[what])


FAULTS = [
    ("models.resnet", "BasicBlock.forward", "out += x if self", "out += 2 * x if self", "basic blocks"),
    ("models.resnet", "Bottleneck.forward", "self.relu(self.bn2(self.conv2(out)))", "self.bn2(self.conv2(out))", "bottlenecks"),
    ("models.resnet", "ResNet._make_layer", "dilation=before", "dilation=self.dilation", "groups, and dilation for stride"),
    ("models.resnet", "ResNet._initialise", '"fan_out"', '"fan_in"', "basic blocks"),
    ("models.resnet", "ResNet._initialise", "m.bn3 if isinstance(m, Bottleneck)", "None if isinstance(m, Bottleneck)", "bottlenecks"),
    ("models.mobilenetv2", "_make_divisible", "0.9 * v", "0.6 * v", "mobile"),
    ("models.mobilenetv2", "_initialise", "0.01", "0.02", "mobile"),
    ("models.vgg", "make_layers", "nn.MaxPool2d(", "nn.AvgPool2d(", "a small vgg's features, normalised"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("module", "name", "piece", "broken", "what"), FAULTS, ids=lambda text: text[:30])
def test_a_planted_fault_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, piece: str, broken: str, what: str
) -> None:
    plant(monkeypatch, f"vision.{module}", name, piece, broken)
    with pytest.raises(AssertionError):
        both(*SMALL[what])


# ---- what is refused ----


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="groups=1 and base_width=64, got 2 and 64"):
        BasicBlock(8, 8, groups=2)
    with pytest.raises(NotImplementedError, match="Dilation > 1 not supported in BasicBlock"):
        ResNet(BasicBlock, [1, 1, 2, 1], replace_stride_with_dilation=[False, True, False])
    with pytest.raises(ValueError, match="3-element tuple, got"):
        ResNet(BasicBlock, [1, 1, 1, 1], replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="stride should be 1 or 2 instead of 3"):
        InvertedResidual(8, 8, 3, 1)
    for table in ([], [[1, 2, 3]]):
        with pytest.raises(ValueError, match="non-empty or a 4-element list"):
            MobileNetV2(inverted_residual_setting=table)


# ---- the brick ----


def test_a_brick_pads_so_that_the_size_stays_and_has_a_bias_without_a_norm() -> None:
    two, three = Conv2dNormActivation(3, 4, kernel_size=(3, 5), dilation=2), Conv3dNormActivation(3, 4, norm_layer=None)
    assert (two[0].padding, two[0].bias, two.out_channels, len(two)) == ((2, 4), None, 4, 3)
    assert (three[0].padding, three[0].bias is None, [type(m).__name__ for m in three]) == (
        (1, 1, 1),
        False,
        ["Conv3d", "ReLU"],
    )
    assert two(minitorch.ones(1, 3, 9, 9)).shape == (1, 4, 9, 9)
    assert len(Conv2dNormActivation(3, 4, activation_layer=None, bias=True)) == 2
    silent = Conv2dNormActivation(1, 1, padding=0, activation_layer=nn.Sigmoid, inplace=None)
    assert (silent[0].padding, str(silent[2])) == ((0, 0), "Sigmoid()")
    with pytest.warns(UserWarning, match="Don't use ConvNormActivation directly"):
        ConvNormActivation(1, 1)


@pytest.mark.parametrize(("room", "name", "near"), [("models", "resnet_18", "resnet18"), ("datasets", "MNist", "MNIST"), ("transforms", "totensor", "ToTensor"), ("utils", "draw_boxes", "make_grid")])  # fmt: skip
def test_a_name_that_is_not_here_is_answered_with_those_near(room: str, name: str, near: str) -> None:
    with pytest.raises(
        AttributeError, match=f"vision.{room}' has no attribute '{name}'.* not there yet; near names:.* {near}"
    ):
        getattr(getattr(minitorch.vision, room), name)
