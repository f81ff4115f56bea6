"""5,163 first names: a language small enough to learn in a minute.

`names.txt.xz` is text, so that reading it cannot run code. Source: `names_SOURCE.txt`. Read next: `minitorch/examples/names.py`,
which trains on it.
"""

from __future__ import annotations

import os

_FILE = os.path.join(os.path.dirname(__file__), "names.txt.xz")


def load_names(split: str = "all") -> list[str]:
    """First names in lower case, in alphabetical order, of 2 to 11 letters from a to z.

    Every tenth is held out: `split="train"` is the other 4,647, `split="test"` the 516 held out, `"all"` both.

    >>> minitorch.datasets.load_names()[:3]
    ['aaron', 'abbey', 'abbie']
    """
    import lzma  # which a program that reads no names can do without

    with lzma.open(_FILE, "rt", encoding="ascii") as file:
        names = file.read().split()
    held_out = names[9::10]
    parts = {"all": names, "train": [name for k, name in enumerate(names) if k % 10 != 9], "test": held_out}
    if split not in parts:
        raise ValueError(f"load_names: split must be 'all', 'train' or 'test', got {split!r}")
    return parts[split]
