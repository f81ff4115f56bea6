"""Vision's transforms beside their definitions in plain torch (`reference/vision/plain.py`), the same seed in both; then what must hold of any image."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from planting import plant

import minitorch
from minitorch.vision import transforms as T
from minitorch.vision.transforms import functional as F
from minitorch.vision.utils import make_grid, save_image
from reference.vision import plain

pytestmark = pytest.mark.outside

sides = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
factors = st.floats(0, 2.5)
MODE = {
    "nearest": T.InterpolationMode.NEAREST,
    "bilinear": T.InterpolationMode.BILINEAR,
    "bicubic": T.InterpolationMode.BICUBIC,
}


@st.composite
def images(draw: st.DrawFn, channels: tuple[int, ...] = (1, 3), least: int = 1) -> torch.Tensor:
    """(C, H, W) of float64 in 0 to 1; at times of few values, so that there are ties and greys."""
    shape = draw(st.sampled_from(channels)), draw(st.integers(least, 9)), draw(st.integers(least, 9))
    rng = np.random.RandomState(draw(seeds))
    return torch.from_numpy(rng.uniform(0, 1, shape) if draw(st.booleans()) else rng.randint(0, 4, shape) / 3)


def ours(img: torch.Tensor) -> Any:
    return minitorch.from_numpy(img.numpy())


def same(came: Any, expected: torch.Tensor, tolerance: float = 1e-9) -> None:
    assert tuple(came.shape) == tuple(expected.shape)
    np.testing.assert_allclose(came.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


def seeded(seed: int) -> None:
    torch.manual_seed(seed)
    minitorch.manual_seed(seed)
    random.seed(seed)


def drew_the_same() -> None:
    assert float(minitorch.rand(1)) == float(torch.rand(1)), "one of them drew more often"


# ---- functions ----


@given(images(), st.data())
def test_padding_and_cropping(img: torch.Tensor, data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from(["constant", "edge", "reflect", "symmetric"]))
    most = 9 if mode in ("constant", "edge") else min(img.shape[1:]) - (mode == "reflect")  # a tensor is mirrored once
    left, top, right, bottom = (data.draw(st.integers(0, most)) for _ in range(4))
    fill = data.draw(st.sampled_from([0, 1, 0.5])) if mode == "constant" else 0
    expected = plain.pad(img, left, top, right, bottom, fill, mode)
    same(F.pad(ours(img), [left, top, right, bottom], fill, mode), expected, 0)
    top, left = data.draw(st.integers(-4, 9)), data.draw(st.integers(-4, 9))
    height, width = data.draw(sides), data.draw(sides)
    same(F.crop(ours(img), top, left, height, width), plain.crop(img, top, left, height, width), 0)
    H, W = img.shape[1:]
    middle = F.center_crop(ours(img), [height, width])
    assert tuple(middle.shape) == (len(img), height, width)
    if height <= H and width <= W:
        same(middle, plain.crop(img, round((H - height) / 2), round((W - width) / 2), height, width), 0)


@given(images(), sides, sides, st.sampled_from([*MODE]), st.booleans())
def test_resizing(img: torch.Tensor, h: int, w: int, mode: str, antialias: bool) -> None:
    w = max(w, 2)  # to width 1 with antialiasing torch itself is wrong
    same(F.resize(ours(img), [h, w], MODE[mode], antialias=antialias), plain.resize(img, h, w, mode, antialias))


def test_resizing_to_width_1_is_not_torchs_mistake() -> None:
    column = torch.arange(3.0, dtype=torch.float64).reshape(1, 3, 1)
    two = plain.resize(column.expand(1, 3, 2), 7, 2, "bilinear", antialias=True)
    same(F.resize(ours(column), [7, 1]), two[..., :1])


@given(images(), st.floats(-400, 400), st.sampled_from([None, 0.0, 0.25, 1.0]), st.data())
def test_rotations_and_affine_maps(img: torch.Tensor, angle: float, fill: float | None, data: st.DataObject) -> None:
    fills = None if fill is None else [fill] * len(img)
    same(F.rotate(ours(img), angle, MODE["bilinear"], fill=fills), plain.rotate(img, angle, "bilinear", fills))
    translate = [data.draw(st.integers(-4, 4)) for _ in range(2)]
    scale, shear = data.draw(st.floats(0.3, 2)), [data.draw(st.floats(-40, 40)) for _ in range(2)]
    expected = plain.affine(img, angle, translate, scale, shear, "bilinear", fills)
    same(F.affine(ours(img), angle, translate, scale, shear, MODE["bilinear"], fills), expected, 1e-8)


@given(images(), st.integers(1, 359), st.booleans())
def test_rotating_to_the_nearest_pixel(img: torch.Tensor, angle: int, expand: bool) -> None:
    if angle % 15:  # else places lie on the border of two pixels
        same(F.rotate(ours(img), angle, fill=0.5), plain.rotate(img, angle, "nearest", [0.5]), 0)
    if (img.shape[1] - img.shape[2]) % 2 == 0:  # else the middle would be between pixels
        same(F.rotate(ours(img), 90, expand=True), torch.rot90(img, 1, (1, 2)), 0)
    bigger = F.rotate(ours(torch.ones_like(img)), angle, MODE["bilinear"], expand=True)
    assert float(bigger.sum()) == pytest.approx(img.numel(), rel=0.35), "with expand nothing is cut off"


@given(images(least=4), st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7]), st.floats(0.2, 3), st.floats(0.2, 3))
def test_blurring(img: torch.Tensor, x: int, y: int, sigma_x: float, sigma_y: float) -> None:
    same(F.gaussian_blur(ours(img), [x, y], [sigma_x, sigma_y]), plain.gaussian_blur(img, x, y, sigma_x, sigma_y))


@given(images(), st.sampled_from(["brightness", "contrast", "saturation"]), factors, st.floats(-0.5, 0.5))
def test_colours(img: torch.Tensor, what: str, factor: float, turn: float) -> None:
    same(getattr(F, f"adjust_{what}")(ours(img), factor), plain.adjust(img, what, factor))
    same(F.rgb_to_grayscale(ours(img)), plain.grey(img))
    # hue is computed in float32; where the wheel's sixths meet the colours do too
    same(F.adjust_hue(ours(img), turn), plain.adjust(img, "hue", turn), 2e-6)


@given(images(), seeds)
def test_bytes_are_the_floats_cut_off_or_rounded(img: torch.Tensor, seed: int) -> None:
    whole = (img * 255).to(torch.uint8)
    as_floats = whole.to(torch.float64) / 255
    factor = 0.1 + seed % 20 / 10
    came = F.adjust_brightness(ours(whole), factor)
    assert came.dtype == minitorch.uint8
    expected = (plain.adjust(as_floats, "brightness", factor) * 255).numpy()
    assert np.all((came.numpy() <= expected + 1e-3) & (came.numpy() > expected - 1 - 1e-3))
    h, w = 2 + seed % 7, 2 + seed % 5
    resized = plain.resize(whole.to(torch.float64), h, w, "bilinear", True).numpy()
    assert np.all(abs(F.resize(ours(whole), [h, w]).numpy() - resized) <= 0.5 + 1e-3)


# ---- what is drawn ----


@given(images(), st.data(), seeds)
def test_random_crops(img: torch.Tensor, data: st.DataObject, seed: int) -> None:
    h, w = data.draw(st.integers(1, img.shape[1])), data.draw(st.integers(1, img.shape[2]))
    seeded(seed)
    same(T.RandomCrop((h, w))(ours(img)), plain.crop(img, *plain.random_crop(*img.shape[1:], h, w), h, w), 0)
    drew_the_same()
    scale = data.draw(st.sampled_from([(0.08, 1.0), (0.5, 0.5), (0.0, 0.0), (4.0, 9.0)]))
    ratio = data.draw(st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0), (0.1, 0.2), (5.0, 9.0)]))
    window = plain.random_resized_crop(*img.shape[1:], scale, ratio)
    assert T.RandomResizedCrop.get_params(ours(img), scale, ratio) == window
    drew_the_same()


@given(images(), seeds, st.floats(0, 1))
def test_random_flips_and_greys(img: torch.Tensor, seed: int, p: float) -> None:
    seeded(seed)
    flips = T.Compose([T.RandomHorizontalFlip(p), T.RandomVerticalFlip(p), T.RandomGrayscale(p)])
    across, down, grey = (bool(torch.rand(1) < p) for _ in range(3))
    expected = img.flip(2) if across else img
    expected = expected.flip(1) if down else expected
    same(flips(ours(img)), plain.grey(expected).expand(img.shape) if grey else expected)
    drew_the_same()


@given(images((3,)), seeds, st.tuples(*[st.sampled_from([0, 0.3, 1.5])] * 3), st.sampled_from([0, 0.2, 0.5]))
def test_color_jitter(img: torch.Tensor, seed: int, amounts: tuple[float, ...], hue: float) -> None:
    seeded(seed)
    names = ("brightness", "contrast", "saturation")
    ranges = {name: (max(0.0, 1 - x), 1 + x) if x else None for name, x in zip(names, amounts)}
    expected = plain.color_jitter(img, {**ranges, "hue": (-hue, hue) if hue else None})
    same(T.ColorJitter(*amounts, hue)(ours(img)), expected, 2e-5 if hue else 1e-9)
    drew_the_same()


@given(images(), seeds, st.sampled_from([0, 0.25, "random"]))
def test_random_erasing(img: torch.Tensor, seed: int, value: Any) -> None:
    seeded(seed)
    erasing = T.RandomErasing(0.7, (0.02, 0.9), (0.3, 3.3), value)
    expected = plain.random_erasing(img, 0.7, (0.02, 0.9), (0.3, 3.3), None if value == "random" else value)
    before = ours(img).clone()
    same(erasing(before), expected, 1e-6 if value == "random" else 0)
    same(before, img, 0)
    drew_the_same()


def test_the_rows_of_a_batch_get_the_same_crop_and_the_same_flip() -> None:
    batch = minitorch.arange(2 * 3 * 8 * 8, dtype=minitorch.float32).reshape(2, 3, 8, 8)
    came = T.Compose([T.RandomCrop(5), T.RandomHorizontalFlip(), T.RandomRotation(30)])(batch)
    assert came.shape == (2, 3, 5, 5)
    minitorch.manual_seed(3)
    both = T.RandomResizedCrop(4)(batch)
    minitorch.manual_seed(3)
    first = T.RandomResizedCrop(4)(batch[0])
    assert bool((both[0] == first).all())


# ---- pictures and tensors ----


@given(images((1, 3), least=2), seeds)
def test_pictures_and_tensors_agree(img: torch.Tensor, seed: int) -> None:
    """Exactly where pixels only move, within one step of 255 where Pillow rounds otherwise."""
    whole = ours((img * 255).to(torch.uint8))
    picture = F.to_pil_image(whole)
    for exact in (
        F.hflip,
        F.vflip,
        lambda x: F.crop(x, 1, -2, 5, 6),
        lambda x: F.center_crop(x, [3, 11]),
        lambda x: F.pad(x, [1, 0, 2, 3], 7),
        lambda x: F.pad(x, 1, padding_mode="reflect"),
        lambda x: F.pad(x, 2, padding_mode="symmetric"),
        lambda x: F.rotate(x, 180 * (seed % 2)),
        F.invert,
    ):
        assert np.array_equal(F.pil_to_tensor(exact(picture)).numpy(), exact(whole).numpy())
    for near in (
        lambda x: F.resize(x, [5, 4]),
        lambda x: F.adjust_brightness(x, 0.1 + seed % 20 / 10),
        lambda x: F.rgb_to_grayscale(x),
    ):
        assert abs(F.pil_to_tensor(near(picture)).numpy().astype(int) - near(whole).numpy()).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "1", "I", "F", "I;16"])
def test_there_and_back(mode: str) -> None:
    picture = Image.effect_noise((5, 4), 90)
    picture = picture.convert("RGB").convert(mode) if mode not in ("I;16", "LA") else picture.convert(mode)
    tensor = T.ToTensor()(picture)
    assert tensor.shape == (len(picture.getbands()), 4, 5)
    assert tensor.dtype == {"I": minitorch.int32, "I;16": minitorch.int16}.get(mode, minitorch.float32)
    back = T.ToPILImage(None if mode in ("1", "L", "I;16") else mode)(tensor)
    assert np.array_equal(np.asarray(back, int), np.asarray(picture, int) * (255 if mode == "1" else 1))


def test_gradients_flow_through_tensors() -> None:
    x = minitorch.rand(1, 1, 4, 4, dtype=minitorch.float64, requires_grad=True)

    def changed(x: Any) -> Any:
        x = F.resize(F.pad(x, 1, padding_mode="reflect"), [5, 6], antialias=True)
        x = F.gaussian_blur(F.rotate(x, 20, MODE["bilinear"], fill=[0.1]), 3)
        return F.normalize(F.adjust_contrast(x, 0.8), [0.5], [0.2])

    assert minitorch.autograd.gradcheck(changed, (x,))


# ---- many in one ----


@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1, 3]), sides)
def test_make_grid(n: int, nrow: int, padding: int, channels: int, side: int) -> None:
    batch = torch.rand(n, channels, side, 4)
    expected = batch.expand(-1, 3, -1, -1)
    grid = plain.make_grid(expected, nrow, padding, 0.5) if n > 1 else expected[0]
    same(make_grid(ours(batch), nrow=nrow, padding=padding, pad_value=0.5), grid, 0)
    same(make_grid([ours(image) for image in batch], nrow, padding, pad_value=0.5), grid, 0)
    each = batch if channels == 3 else expected
    low, high = each.amin((1, 2, 3), keepdim=True), each.amax((1, 2, 3), keepdim=True)
    stretched = (each - low) / (high - low).clamp(min=1e-5)
    stretched = plain.make_grid(stretched, nrow, padding, 0.0) if n > 1 else stretched[0]
    same(make_grid(ours(batch), nrow, padding, normalize=True, scale_each=True), stretched, 1e-6)


def test_save_image_writes_what_make_grid_shows(tmp_path: Path) -> None:
    batch = minitorch.rand(5, 3, 6, 7)
    save_image(batch, tmp_path / "grid.png", nrow=3)
    back = np.asarray(Image.open(tmp_path / "grid.png"))
    expected = (make_grid(batch, nrow=3).numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
    assert np.array_equal(back.transpose(2, 0, 1), expected)
    buffer = io.BytesIO()
    save_image(batch, buffer, format="bmp", nrow=3)
    assert np.array_equal(np.asarray(Image.open(buffer)), back)
    save_image(batch, str(tmp_path / "no_ending"), format="png")
    assert sorted(os.listdir(tmp_path)) == ["grid.png", "no_ending"]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "grid.png"
    save_image(minitorch.zeros(3, 4, 4), there)
    before = there.read_bytes()

    def full_disk(self: Any, fp: Any, format: str | None = None) -> None:
        fp.write(b"half of")
        raise OSError("no space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_image(minitorch.ones(3, 4, 4), there)
    assert there.read_bytes() == before
    assert os.listdir(tmp_path) == ["grid.png"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: save_image(minitorch.zeros(3, 4, 4), "x.unknown"), ValueError, "format='png'"),
        (lambda: save_image(minitorch.zeros(3, 4, 4), "no/such/folder/x.png"), FileNotFoundError, "no/such/folder"),
        (lambda: make_grid("x"), TypeError, "expected a tensor or a list of tensors"),
        (lambda: make_grid([1]), TypeError, "got a list with <class 'int'>"),
        (lambda: F.hflip(np.zeros((4, 4, 3))), TypeError, "to_tensor"),
        (lambda: F.normalize(minitorch.zeros(3, 4, 4, dtype=minitorch.uint8), [0.5], [0.5]), TypeError, "convert_image_dtype"),
        (lambda: F.normalize(minitorch.zeros(3, 4, 4), [0.5], [0.0]), ValueError, "std is zero"),
        (lambda: T.RandomCrop(9)(minitorch.zeros(3, 4, 4)), ValueError, "pad_if_needed=True"),
        (lambda: F.to_pil_image(minitorch.zeros(2, 3, 4, 4)), ValueError, "of a batch, take one image"),
        (lambda: F.to_pil_image(minitorch.zeros(5, 4, 4)), ValueError, "a tensor has them first"),
        (lambda: T.ToTensor()(minitorch.zeros(3, 4, 4)), TypeError, "it is one already"),
        (lambda: T.RandomErasing(p=1.0)(Image.new("RGB", (4, 4))), AttributeError, "put it behind ToTensor"),
        (lambda: F.normalize(minitorch.zeros(3, 4, 4), [0.5] * 2, [0.5]), RuntimeError, "mean has 2 numbers, the image 3 channels"),
        (lambda: F.pad(minitorch.zeros(3, 4, 4), 5, padding_mode="symmetric"), IndexError, "no more than its size"),
        (lambda: F.gaussian_blur(minitorch.zeros(3, 4, 4), 9), RuntimeError, "reaches past the whole image"),
        (lambda: F.pil_to_tensor(Image.new("I;16", (2, 2))), TypeError, "uint16"),
        (lambda: F.resize(minitorch.zeros(3, 4, 4), 2, MODE["bilinear"], max_size=2), ValueError, "must be greater"),
        (lambda: F.rotate(minitorch.zeros(3, 4, 4), 3, MODE["bicubic"]), ValueError, "take nearest or bilinear"),
        (lambda: F.resize(minitorch.zeros(3, 4, 4), 2, "bilinear"), TypeError, "InterpolationMode"),
        (lambda: F.convert_image_dtype(minitorch.zeros(3, 4, 4), minitorch.int32), RuntimeError, "too few digits"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_do(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_without_pillow_tensors_work_and_pictures_name_the_extra() -> None:
    program = """
import sys
sys.modules["PIL"] = None
import minitorch
from minitorch.vision import transforms as T, utils
x = T.Compose([T.Resize(8), T.RandomCrop(5), T.ColorJitter(0.1, 0.1, 0.1, 0.1), T.RandomRotation(5)])(minitorch.rand(3, 12, 10))
utils.make_grid([x, x])
for call in (lambda: T.ToPILImage()(x), lambda: utils.save_image(x, "x.png")):
    try:
        call()
    except ImportError as error:
        print(error)
try:
    T.ToTensor()("x")
except TypeError as error:
    print("TypeError")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(minitorch.__file__).parents[1]), *sys.path])}
    came = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120)
    assert came.stdout.splitlines() == [
        "to_pil_image needs the package PIL: pip install 'minitorch[vision]'",
        "save_image needs the package PIL: pip install 'minitorch[vision]'",
        "TypeError",
    ], came.stderr


# ---- faults ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "function", "piece", "broken", "test"),
    [
        ("vision.utils", "_tiled", "n % columns *", "n // columns *", lambda: test_make_grid()),
        ("vision.utils", "_normalized", "max(high - low, 1e-5)", "(high + low)", lambda: test_make_grid()),
        ("vision.transforms._warp", "inverse_affine_matrix", "a = math.cos(rotation - shear_y)", "a = math.cos(rotation + shear_y)", lambda: test_rotations_and_affine_maps()),
        ("vision.transforms._colour", "_rgb", "1.0 - part", "part", lambda: test_colours()),
        ("vision.transforms._functional_tensor", "gaussian_blur", "along_y.view(1, 1, -1, 1)", "along_x.view(1, 1, -1, 1)", lambda: test_blurring()),
        ("vision.transforms._jitter", "RandomErasing.forward", "happens(self.p)", "minitorch.rand(1).item() >= 0", lambda: test_random_erasing()),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value and "." not in value else "",
)  # fmt: skip
def test_a_planted_fault_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: str, function: str, piece: str, broken: str, test: Any
) -> None:
    plant(monkeypatch, module, function, piece, broken)
    with pytest.raises(Exception):  # noqa: B017 — hypothesis groups an AssertionError with others
        test()
