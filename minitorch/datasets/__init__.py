"""Small real data that ships inside the package, each file with its source and licence beside it; and MNIST from a folder."""

from __future__ import annotations

from .digits import load_digits
from .idx import load_fashion_mnist, load_mnist, read_idx
from .names import load_names

__all__ = ["load_digits", "load_fashion_mnist", "load_mnist", "load_names", "read_idx"]
