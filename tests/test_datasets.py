"""The data that ships with the package is what its source has, to the byte, and can be read by nothing that runs code."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import minitorch
from minitorch.datasets import load_digits, load_names

FOLDER = Path(minitorch.datasets.__file__).parent


def test_the_bytes_are_those_of_uci() -> None:
    images, labels = load_digits()
    raw = images.numpy().astype(np.uint8).tobytes() + labels.numpy().astype(np.uint8).tobytes()
    assert hashlib.sha256(raw).hexdigest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_shapes_and_kinds() -> None:
    images, labels = load_digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype is minitorch.float32
    assert labels.shape == (1797,)
    assert labels.dtype is minitorch.int64
    assert (images.min().item(), images.max().item()) == (0.0, 16.0)
    assert np.bincount(labels.numpy()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images[0].tolist() == [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
        [0, 3, 15, 2, 0, 11, 8, 0],
        [0, 4, 12, 0, 0, 8, 8, 0],
        [0, 5, 8, 0, 0, 9, 8, 0],
        [0, 4, 11, 0, 1, 12, 7, 0],
        [0, 2, 14, 5, 10, 12, 0, 0],
        [0, 0, 6, 13, 10, 0, 0, 0],
    ]


def test_train_and_test_part_the_whole() -> None:
    images, labels = load_digits()
    train, test = load_digits("train"), load_digits("test")
    assert (len(train[1]), len(test[1])) == (1438, 359)
    assert test[1].tolist() == labels[4::5].tolist()
    assert np.array_equal(test[0].numpy(), images.numpy()[4::5])
    together = np.concatenate([train[0].numpy(), test[0].numpy()]).reshape(1797, -1)
    assert np.array_equal(np.sort(together, axis=0), np.sort(images.numpy().reshape(1797, -1), axis=0))


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'train' or 'test', got 'valid'"):
        load_digits("valid")


def test_small_and_with_its_licence() -> None:
    assert (FOLDER / "digits.npz").stat().st_size < 50_000
    text = (FOLDER / "digits_LICENSE.txt").read_text()
    assert "10.24432/C50P49" in text
    assert "CC BY 4.0" in text


# ---- names ----


def test_the_names_are_those_of_the_census() -> None:
    names = load_names()
    assert (len(names), names[0], names[-1]) == (5163, "aaron", "zulma")
    assert (
        hashlib.sha256("\n".join(names).encode()).hexdigest()
        == "9323f70f58aca13b8f04cd2f85c9c84384de118a16b28b978971f1ce5aec5126"
    )
    assert names == sorted(set(names)) and all(name.isalpha() and name.islower() for name in names)


def test_every_tenth_name_is_held_out() -> None:
    train, test = load_names("train"), load_names("test")
    assert (len(train), len(test)) == (4647, 516)
    assert sorted(train + test) == load_names()
    with pytest.raises(ValueError, match="'train' or 'test', got 'valid'"):
        load_names("valid")


def test_names_are_small_and_say_where_they_come_from() -> None:
    assert (FOLDER / "names.txt.xz").stat().st_size < 11_000
    assert "public domain" in (FOLDER / "names_SOURCE.txt").read_text()
