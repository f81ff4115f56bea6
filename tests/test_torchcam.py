"""Class activation maps: against the papers' formulas in plain torch, and what is refused."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planting import plant
from torch.testing import assert_close

import minitorch
from minitorch import nn
from minitorch.vision.torchcam import methods
from reference.vision import cams

pytestmark = pytest.mark.outside


def both(inplace: bool = False) -> tuple[Any, Any, Any, Any]:
    """The same network and pictures in minitorch and in torch."""
    made = []
    for lib in (minitorch, torch):
        lib.manual_seed(0)
        made += [cams.network(lib, inplace), lib.randn(3, 2, 8, 8, dtype=lib.float64)]
    return made[0], made[1], made[2], made[3]


def halves(model: Any, layer: int) -> tuple[Any, Any]:
    """The torch network before and after a layer; its in-place layers made ordinary ones."""
    for module in model:
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    return model[: layer + 1], model[layer + 1 :]


def maps_differ(name: str, layer: int, classes: Any, normalized: bool, inplace: bool) -> None:
    """AssertionError unless minitorch's map is that of the formula."""
    model, x, theirs, images = both(inplace)
    with getattr(methods, name)(model, str(layer)) as cam:
        (found,) = cam(classes, model(x), normalized)
    before, after = halves(theirs, layer)
    A = before(images)
    g = cams.gradient(A, after, [classes] * 3 if isinstance(classes, int) else classes)
    wanted = cams.METHODS[name](A.detach(), g)
    assert wanted.abs().max() > 1e-3
    assert_close(torch.tensor(found.numpy()), cams.from_0_to_1(wanted) if normalized else wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", cams.METHODS)
@given(
    layer=st.sampled_from([0, 1, 2, 3, 4, 5]),
    classes=st.one_of(st.integers(0, 4), st.lists(st.integers(0, 4), min_size=3, max_size=3)),
    normalized=st.booleans(),
    inplace=st.booleans(),
)
def test_maps_are_those_of_the_papers(name: str, layer: int, classes: Any, normalized: bool, inplace: bool) -> None:
    maps_differ(name, layer, classes, normalized, inplace)


FAULTS = (
    ("gradient", "GradCAM._get_weights", "mean(-1)", "amax(-1)"),
    ("gradient", "_plus_plus", "2 * g2 +", "g2 +"),
    ("gradient", "_GradCAM._backprop", "scores[:, class_idx].sum()", "scores.sum()"),
    ("core", "_CAM._hook_a", "output.detach().clone()", "output.detach()"),
    ("core", "_CAM.compute_cams", "F.relu(cam)", "cam"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]} {fault[3]}")
def test_a_fault_is_noticed(fault: tuple[str, str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    file, name, piece, broken = fault
    plant(monkeypatch, f"vision.torchcam.methods.{file}", name, piece, broken)
    with pytest.raises(AssertionError):
        for method in cams.METHODS:
            for layer in (1, 5):
                maps_differ(method, layer, 2, True, True)
                maps_differ(method, layer, 2, False, True)


def test_noise_is_averaged() -> None:
    model, x, theirs, images = both()
    before, after = halves(theirs, 5)
    with methods.SmoothGradCAMpp(model, "5", num_samples=3, std=0.2) as cam:
        with minitorch.no_grad():
            model(x)
        minitorch.manual_seed(7)
        (found,) = cam([1, 2, 3], normalized=False)
        assert (cam.hook_a[0] == model[:6](x)).all() and repr(cam).endswith("num_samples=3, std=0.2)")
    torch.manual_seed(7)
    noisy = [before(images + 0.2 * torch.randn_like(images)) for _ in range(3)]
    g = torch.stack([cams.gradient(A, after, [1, 2, 3]) for A in noisy])
    wanted = cams.grad_cam_pp(before(images).detach(), g.mean(0), (g**2).mean(0), (g**3).mean(0))
    assert_close(torch.tensor(found.numpy()), wanted, rtol=1e-9, atol=1e-12)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@given(seed=st.integers(0, 1000), index=st.integers(0, 4))
def test_cam_is_gradcam_where_the_maps_are_averaged(seed: int, index: int) -> None:
    minitorch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).double()
    with methods.CAM(model, "0", "3") as cam, methods.GradCAM(model, "0") as gradcam:
        scores = model(minitorch.randn(2, 1, 6, 6, dtype=minitorch.float64))
        (plain,), (from_gradients,) = cam([index, 1], normalized=False), gradcam([index, 1], scores, normalized=False)
    # y = w · mean(A): ∂y/∂A is w divided by the number of places. Only the ReLU is GradCAM's own.
    assert_close(torch.tensor(from_gradients.numpy()), torch.tensor(plain.numpy()).relu() / 16, rtol=1e-9, atol=1e-12)


def test_layers_are_named_found_and_several() -> None:
    model, x, *_ = both()
    model.train()
    with unittest.TestCase().assertLogs(level="WARNING") as logged:
        cam = methods.GradCAM(model, input_shape=(2, 8, 8))
    assert cam.target_names == ["5"] and "thus set to '5'" in logged.output[0]
    assert all(module.training for module in model.modules())
    assert cam.extra_repr() == "target_layer=['5']" and repr(cam) == "GradCAM(target_layer=['5'])"
    cam.remove_hooks()
    with methods.LayerCAM(model, [model[2], "5"]) as several:
        found = several(1, model(x), normalized=False)
    assert several.target_names == ["2", "5"] and [m.shape for m in found] == [(3, 8, 8), (3, 4, 4)]
    small = torch.nn.functional.interpolate(torch.tensor(found[1].numpy())[:, None], (8, 8), mode="bilinear")[:, 0]
    wanted = torch.maximum((2 * torch.tensor(found[0].numpy())).tanh(), (2 * small).tanh())
    fused = torch.tensor(methods.LayerCAM.fuse_cams(found).numpy())
    plain = torch.tensor(methods.GradCAM.fuse_cams(found, (8, 8)).numpy())
    assert_close(plain, torch.maximum(torch.tensor(found[0].numpy()), small), rtol=1e-9, atol=1e-12)
    assert fused.shape == wanted.shape and (fused >= 0).all() and (fused <= 1).all()
    assert methods.GradCAM.fuse_cams(found[:1]) is found[0]


def test_the_model_stays_as_it_is() -> None:
    model, x, *_ = both()
    model(x).sum().backward()
    before = [(p.grad, p.grad.clone()) for p in model.parameters()]
    with pytest.raises(ZeroDivisionError), methods.GradCAM(model, "5") as cam:
        scores = model(x)
        first = cam(1, scores, retain_graph=True)[0]
        assert (cam(1, scores)[0] == first).all()
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in model.modules()) and cam.hook_a == [None]
    assert all(p.grad is grad and (grad == value).all() for p, (grad, value) in zip(model.parameters(), before))
    model(x)
    assert cam.hook_a == [None]


def test_a_frozen_model_and_hooks_that_are_off() -> None:
    model, x, *_ = both()
    model.requires_grad_(False)
    with methods.GradCAM(model, "0") as cam:
        maps = cam(1, model(x.requires_grad_()))
        assert maps[0].shape == (3, 8, 8) and x.grad is None
        cam.reset_hooks()
        cam._hooks_enabled = False
        model(x)
        assert cam.hook_a == [None]


def bad_calls() -> dict[str, tuple[Any, type[Exception], str]]:
    model, x, *_ = both()
    cam = methods.GradCAM(model, "5")

    def after_forward(*args: Any, **options: Any) -> Any:
        return lambda: cam(*args, **{"scores": model(x), **options})

    def without_graph() -> Any:
        with minitorch.no_grad():
            scores = model(x)
        return cam(1, scores)

    return {
        "an unknown layer": (lambda: methods.GradCAM(model, "55"), ValueError, "'5'"),
        "another model's layer": (lambda: methods.GradCAM(model, nn.ReLU()), ValueError, "unable to locate the ReLU"),
        "a number for a layer": (lambda: methods.GradCAM(model, [4]), TypeError, "invalid argument type for `target_layer`"),
        "no layer has a map": (lambda: methods.GradCAM(nn.Linear(3, 2), input_shape=(3,)), ValueError, "specify `target_layer`"),
        "before a forward": (lambda: methods.GradCAM(model, "5")(1, x), AssertionError, "call model"),
        "as many classes as pictures": (after_forward([1]), ValueError, "got 3 and 1"),
        "a negative class": (after_forward(-1), ValueError, "Incorrect `class_idx`"),
        "a class that is a tensor": (after_forward(minitorch.tensor(1)), ValueError, "expected an int"),
        "too large a class": (after_forward(5), IndexError, "5"),
        "without scores": (after_forward(1, scores=None), ValueError, "model output scores"),
        "without a graph": (without_graph, RuntimeError, "outside no_grad"),
        "other scores": (after_forward(1, scores=minitorch.ones(3, 5, requires_grad=True)), RuntimeError, "last forward of '5'"),
        "a flat layer": (lambda: (methods.GradCAM(model, "7"), model(x)), ValueError, "before flattening"),
        "CAM of two layers": (lambda: methods.CAM(model, ["0", "5"]), ValueError, "multiple target layers"),
        "CAM without a Linear": (lambda: methods.CAM(nn.Sequential(nn.Conv2d(1, 1, 1)), "0"), ValueError, "no Linear"),
        "nothing to fuse": (lambda: methods.GradCAM.fuse_cams([]), ValueError, "empty list"),
        "no list to fuse": (lambda: methods.GradCAM.fuse_cams(x), TypeError, "expected a list"),
    }  # fmt: skip


@pytest.mark.parametrize("name", bad_calls())
def test_refused_in_words(name: str) -> None:
    call, kind, words = bad_calls()[name]
    with pytest.raises(kind, match=words):
        call()


def test_overlay() -> None:
    image = pytest.importorskip("PIL.Image")
    colormaps = pytest.importorskip("matplotlib").colormaps
    from minitorch.vision.torchcam.utils import overlay_mask

    draw = np.random.default_rng(0)
    picture = image.fromarray(draw.integers(0, 255, (16, 12, 3), dtype=np.uint8))
    mask = image.fromarray(draw.random((4, 3), dtype=np.float32))
    found = np.asarray(overlay_mask(picture, mask, alpha=0.6))
    large = np.asarray(mask.resize((12, 16), resample=image.Resampling.BICUBIC))
    colours = (255 * colormaps["jet"](large**2)[..., :3]).astype(np.uint8)
    assert (found == (0.6 * np.asarray(picture) + 0.4 * colours).astype(np.uint8)).all()
    grey = overlay_mask(picture.convert("L"), image.fromarray((255 * np.asarray(mask)).astype(np.uint8)), "viridis")
    assert grey.size == (12, 16) and grey.mode == "RGB"
    with pytest.raises(TypeError, match="PIL"):
        overlay_mask(picture, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="alpha"):
        overlay_mask(picture, mask, alpha=1.0)


@pytest.mark.slow
def test_the_layer_of_a_resnet() -> None:
    from minitorch.vision.models import resnet18

    minitorch.manual_seed(0)
    model = resnet18().eval()
    with methods.GradCAM(model, input_shape=(3, 64, 64)) as cam:
        assert cam.target_names == ["layer4"]
        scores = model(minitorch.randn(1, 3, 64, 64))
        (found,) = cam(scores.squeeze(0).argmax().item(), scores)
    assert found.shape == (1, 2, 2) and 0 <= found.min() <= found.max() <= 1
