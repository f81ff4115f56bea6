"""Folders of images, MNIST's files, images made up: beside the same written in plain torch, and what torchvision's were seen to say."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from planting import plant

import minitorch
from minitorch.utils.data import DataLoader
from minitorch.vision import datasets, transforms
from minitorch.vision.datasets import MNIST, DatasetFolder, FakeData, FashionMNIST, ImageFolder, VisionDataset
from minitorch.vision.datasets.folder import default_loader, find_classes, is_image_file, make_dataset
from minitorch.vision.datasets.vision import StandardTransform

pytestmark = pytest.mark.outside


class Named:
    """A transform that shows what it did"""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, x: Any) -> tuple[str, Any]:
        return self.name, x

    def __repr__(self) -> str:
        return f"{self.name}(\n)"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes; images in three formats and a text among them, one of them deeper, one link."""
    for name, mode in (("dog/b.PNG", "L"), ("dog/a.bmp", "RGBA"), ("cat/deep/z.jpeg", "RGB"), ("cat/y.png", "P")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, (3, 2), 7).save(tmp_path / name)
    (tmp_path / "dog" / "notes.txt").write_text("good dog")
    (tmp_path / "README").write_text("not a class")
    (tmp_path / "dog" / "linked").symlink_to(tmp_path / "cat" / "deep")
    return tmp_path


def found(dataset: DatasetFolder, root: Path) -> list[tuple[str, int]]:
    return [(str(Path(path).relative_to(root)), number) for path, number in dataset.samples]


# ---- folders ----


def test_a_folder_of_images_is_numbered_by_its_folders_names(pets: Path) -> None:
    data = ImageFolder(pets, transform=Named("t"), target_transform=Named("u"))
    assert (data.classes, data.class_to_idx, len(data)) == (["cat", "dog"], {"cat": 0, "dog": 1}, 5)
    assert found(data, pets) == [
        ("cat/y.png", 0), ("cat/deep/z.jpeg", 0), ("dog/a.bmp", 1), ("dog/b.PNG", 1), ("dog/linked/z.jpeg", 1),
    ]  # fmt: skip
    assert (data.targets, data.imgs) == ([0, 0, 1, 1, 1], data.samples)
    (name, image), label = data[3]
    assert (name, image.mode, image.size, label) == ("t", "RGB", (3, 2), ("u", 1))
    assert repr(data) == (
        f"Dataset ImageFolder\n    Number of datapoints: 5\n    Root location: {pets}\n    StandardTransform\n"
        "Transform: t(\n           )\nTarget transform: u(\n                  )"
    )


def test_files_are_chosen_by_their_ends_or_by_a_function(pets: Path) -> None:
    texts = DatasetFolder(str(pets), lambda path: Path(path).read_text(), extensions=(".txt",), allow_empty=True)
    assert (texts[0], texts.classes, texts.extensions) == (("good dog", 1), ["cat", "dog"], (".txt",))
    small = ImageFolder(pets, is_valid_file=lambda path: "y.png" in path or "b.PNG" in path, loader=str)
    assert (found(small, pets), small[0][0]) == ([("cat/y.png", 0), ("dog/b.PNG", 1)], str(pets / "cat" / "y.png"))
    assert make_dataset(pets, extensions=".bmp", allow_empty=True) == [(str(pets / "dog" / "a.bmp"), 1)]
    assert make_dataset(pets, {"dog": 5, "none": 6}, ".bmp", allow_empty=True) == [(str(pets / "dog" / "a.bmp"), 5)]
    assert [is_image_file(name) for name in ("a.JPG", "a.webp", "a.gif", "png")] == [True, True, False, False]


def test_classes_can_be_found_otherwise(pets: Path) -> None:
    class Dogs(ImageFolder):
        def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
            return ["dog"], {"dog": 0}

    assert Dogs(pets).targets == [0, 0, 0]


def test_what_a_folder_lacks_is_said(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in "):
        ImageFolder(empty)
    with pytest.raises(FileNotFoundError):
        ImageFolder(empty / "nowhere")
    (pets / "emu").mkdir()
    (pets / "ant").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        ImageFolder(pets)
    assert str(caught.value) == (
        "Found no valid file for the classes ant, emu. Supported extensions are: .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp"
    )
    assert ImageFolder(pets, allow_empty=True).classes == ["ant", "cat", "dog", "emu"]
    for arguments in ({}, {"extensions": ".png", "is_valid_file": bool}):
        with pytest.raises(ValueError, match="Both extensions and is_valid_file cannot be None or not None"):
            make_dataset(pets, **arguments)
    with pytest.raises(ValueError, match="at least one entry"):
        make_dataset(pets, {}, ".png")
    with pytest.raises(ValueError, match="class_to_idx parameter cannot be None"):
        DatasetFolder.make_dataset(pets, None, (".png",))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"classes ant, emu\. $"):
        ImageFolder(pets, is_valid_file=is_image_file)


def test_a_file_that_is_no_image_is_named(pets: Path) -> None:
    (pets / "dog" / "bad.png").write_bytes(b"no image")
    data = ImageFolder(pets)
    with pytest.raises(OSError, match=r"bad\.png"):
        data[data.samples.index((str(pets / "dog" / "bad.png"), 1))]


def test_a_loader_makes_batches_of_a_folder(pets: Path) -> None:
    images, labels = next(iter(DataLoader(ImageFolder(pets, transforms.ToTensor()), batch_size=5)))
    assert (images.shape, labels.tolist()) == ((5, 3, 2, 3), [0, 0, 1, 1, 1])
    expected = torch.tensor(np.array(default_loader(pets / "cat" / "y.png"))).permute(2, 0, 1) / 255
    assert np.array_equal(images[0].numpy(), expected.numpy())


# ---- what data sets share ----


def test_transforms_of_both_or_of_each() -> None:
    class Pairs(VisionDataset):
        def __getitem__(self, index: int) -> Any:
            return self.transforms(index, -index) if self.transforms else (index, -index)

        def __len__(self) -> int:
            return 3

    both = Pairs("~/x", transforms=lambda image, label: (label, image))
    assert (both[2], both.transform, both.root) == ((-2, 2), None, str(Path.home() / "x"))
    assert Pairs(transform=Named("t"))[2] == (("t", 2), -2)
    assert repr(Pairs(target_transform=Named("u"))) == (
        "Dataset Pairs\n    Number of datapoints: 3\n    StandardTransform\nTarget transform: u(\n                  )"
    )
    assert repr(StandardTransform()) == "StandardTransform"
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        Pairs(transforms=Named("t"), target_transform=Named("u"))
    for call in (len, repr):
        with pytest.raises(NotImplementedError, match="VisionDataset has no __len__"):
            call(VisionDataset())


# ---- MNIST ----


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, pack: Callable[[bytes], bytes], end: str, seed: int) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    drawn, made = np.random.default_rng(seed), {}
    for beginning, n in (("train", 5), ("t10k", 3)):
        made[beginning] = drawn.integers(0, 256, (n, 28, 28)), drawn.integers(0, 10, n)
        for array, name in zip(made[beginning], ("images-idx3-ubyte", "labels-idx1-ubyte")):
            (folder / f"{beginning}-{name}{end}").write_bytes(pack(idx(array)))
    return made


def test_mnist_is_read_from_torchvisions_folder_or_from_one_with_the_files(tmp_path: Path) -> None:
    plainly = write_mnist(tmp_path / "MNIST" / "raw", bytes, "", 0)
    clothes = write_mnist(tmp_path / "FashionMNIST" / "raw", gzip.compress, ".gz", 1)
    beside = write_mnist(tmp_path / "files", gzip.compress, ".gz", 2)
    for data, (images, labels) in (
        (MNIST(tmp_path), plainly["train"]),
        (MNIST(str(tmp_path), train=False, download=True), plainly["t10k"]),
        (FashionMNIST(tmp_path, False), clothes["t10k"]),
        (MNIST(tmp_path / "files"), beside["train"]),
    ):
        assert np.array_equal(data.data.numpy(), images)
        assert (data.data.dtype, data.targets.dtype, len(data)) == (minitorch.uint8, minitorch.int64, len(labels))
        assert data.targets.tolist() == labels.tolist()
        image, label = data[2]
        assert (image.mode, type(label), label) == ("L", int, labels[2])
        assert np.array_equal(np.asarray(image), images[2])
    data = MNIST(tmp_path, False, transforms.ToTensor(), Named("u"))
    assert np.array_equal(data[0][0].numpy(), (plainly["t10k"][0][:1] / 255).astype(np.float32))
    assert data[0][1] == ("u", plainly["t10k"][1][0])
    assert repr(data).startswith(
        f"Dataset MNIST\n    Number of datapoints: 3\n    Root location: {tmp_path}\n    Split: Test\n"
    )
    assert (data.classes[0], data.class_to_idx["9 - nine"], FashionMNIST.classes[9]) == ("0 - zero", 9, "Ankle boot")
    with pytest.warns(UserWarning, match="train_labels has been renamed targets"):
        assert data.train_labels is data.targets


def test_files_of_mnist_that_are_missing_are_named(tmp_path: Path) -> None:
    for download in (False, True):
        with pytest.raises(RuntimeError) as caught:
            FashionMNIST(tmp_path, download=download)
        for said in (
            "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz",
            str(tmp_path / "FashionMNIST" / "raw"), "handed out at http", "downloads nothing",
        ):  # fmt: skip
            assert said in str(caught.value)
    write_mnist(tmp_path, bytes, "", 0)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x09")
    with pytest.raises(ValueError, match="holds fewer bytes than an array of shape"):
        MNIST(tmp_path)


# ---- made up ----


def drawn_by_torch(index: int, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, int]:
    generator = torch.Generator().manual_seed(index)
    image = torch.randn(*shape, generator=generator)
    label = torch.randint(0, classes, (1,), generator=generator).item()
    return image.mul(255).byte().permute(1, 2, 0).numpy(), label


def test_fake_data_is_torchvisions() -> None:
    data = FakeData(3, (3, 9, 8), 1000, random_offset=7)
    minitorch.manual_seed(1)
    before = minitorch.get_rng_state()
    for i in range(3):
        image, label = data[i]
        expected = drawn_by_torch(7 + i, (3, 9, 8), 1000)
        assert (image.mode, label) == ("RGB", expected[1])
        assert np.array_equal(np.asarray(image), expected[0])
    assert (minitorch.get_rng_state() == before).all()
    with pytest.raises(IndexError, match="FakeData index out of range: 3 of 3"):
        data[3]
    shown = FakeData(2, (1, 4, 4), transform=transforms.ToTensor(), target_transform=lambda label: label + 10)
    assert (shown[1][0].shape, shown[1][1] >= 10, repr(shown).splitlines()[1]) == (
        (1, 4, 4),
        True,
        "    Number of datapoints: 2",
    )
    with pytest.raises(RuntimeError):
        FakeData(1, (3, -1, 2))[0]
    assert (minitorch.get_rng_state() == before).all()


FAULTS = [
    ("folder", "_files", "sorted(names)", "sorted(names, reverse=True)", test_a_folder_of_images_is_numbered_by_its_folders_names, True),
    ("folder", "_files", "followlinks=True", "followlinks=False", test_a_folder_of_images_is_numbered_by_its_folders_names, True),
    ("folder", "has_file_allowed_extension", ".lower()", "", test_files_are_chosen_by_their_ends_or_by_a_function, True),
    ("fakedata", "FakeData._drawn", "set_rng_state(before)", "pass", test_fake_data_is_torchvisions, False),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name", "piece", "broken", "test", "of_pets"), FAULTS, ids=lambda x: str(x)[:20])
def test_a_planted_fault_is_noticed(
    pets: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, piece: str, broken: str, test: Any, of_pets: bool
) -> None:
    plant(monkeypatch, f"vision.datasets.{module}", name, piece, broken)
    with pytest.raises(AssertionError):
        test(*([pets] if of_pets else []))


def test_a_class_is_a_folder_or_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "also").symlink_to(tmp_path / "real")
    assert find_classes(tmp_path) == (["also", "real"], {"also": 0, "real": 1})
    assert datasets.ImageFolder is ImageFolder
