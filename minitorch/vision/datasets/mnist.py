"""MNIST and Fashion-MNIST as data sets of PIL images, from the four files that they are handed out in.

Nothing is downloaded: the files are looked for where torchvision puts them, root/MNIST/raw, and in `root` itself, gzipped or not; an
error says which are missing. Read next: `minitorch/datasets/idx.py`, which reads them, and returns all images as one tensor.
"""

from __future__ import annotations

import os
from typing import Any

from ...arrays.warning import warn
from ...datasets.idx import CLASSES, load_mnist
from ...utils.optional import needed
from .vision import Transform, VisionDataset

__all__ = ["MNIST", "FashionMNIST"]


def _renamed(old: str, new: str) -> Any:
    """An attribute that is called otherwise now"""

    def get(self: MNIST) -> Any:
        warn(f"{old} has been renamed {new}")
        return getattr(self, new)

    return property(get, doc=f"`{new}`, as it was called before")


class MNIST(VisionDataset[tuple[Any, Any]]):
    """Sample i is (PIL image of 28 × 28 grey pixels through `transform`, int from 0 to 9 through `target_transform`).

    root: the folder that has `MNIST/raw`, or the one with the files. train: the 60,000 to learn from, or the 10,000 held out.
    `data` (N, 28, 28), uint8, and `targets` (N,), int64, hold all of them.
    download=True changes nothing where the files are; RuntimeError where they are not: it says what to put where.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/"]
    resources = [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    train_data = _renamed("train_data", "data")
    test_data = _renamed("test_data", "data")
    train_labels = _renamed("train_labels", "targets")
    test_labels = _renamed("test_labels", "targets")

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.data, self.targets = self._read("train" if train else "test")

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def _read(self, split: str) -> Any:
        for folder in (self.raw_folder, self.root):
            try:
                return load_mnist(folder, split)
            except FileNotFoundError:
                continue
        raise RuntimeError(
            f"Dataset not found, and minitorch downloads nothing: put {', '.join(self.resources)}, gzipped or not, "
            f"into {self.raw_folder} or {self.root}; they are handed out at {self.mirrors[0]}"
        )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        Image = needed("PIL.Image", "vision", by="minitorch.vision.datasets")
        return self._both(Image.fromarray(self.data[index].numpy()), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """The same of clothes (Xiao, Rasul, Vollgraf, 2017), from root/FashionMNIST/raw."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    classes = list(CLASSES)
