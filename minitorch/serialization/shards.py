"""`load_sharded`: a state dict that lies in several files of one folder, with an index that says which tensor is in which.

Large models are published so: `model.safetensors.index.json` or `pytorch_model.bin.index.json` has {"weight_map": {name: file}}. A file is
opened when one of its tensors is wanted. Read next: `safetensors.py`.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

import minitorch

from ..tensor import Tensor

_ENDING = ".index.json"


def load_sharded(
    folder: str | os.PathLike[str],
    names: Collection[str] | None = None,
    map_location: Any = None,
    *,
    mmap: bool | None = None,
) -> dict[str, Tensor]:
    """The tensors of a folder by their names, or those of `names`, in the order of the index.

    FileNotFoundError if the folder has no index, KeyError if it lacks a name, RuntimeError for an index that is damaged or that names
    files outside of the folder. map_location and mmap are as in `load`.
    """
    places = _weight_map(folder)
    if missing := set(names or ()) - set(places):
        raise KeyError(f"load_sharded: {os.fspath(folder)!r} has no tensor {min(missing)!r}")
    wanted = {name: file for name, file in places.items() if names is None or name in names}
    found: dict[str, Tensor] = {}
    for file in dict.fromkeys(wanted.values()):
        path = os.path.join(folder, file)
        content = minitorch.load(path, map_location, mmap=mmap)
        for name in (name for name, place in wanted.items() if place == file):
            if not isinstance(content, dict) or not isinstance(content.get(name), Tensor):
                raise RuntimeError(f"load_sharded: {path!r} does not have the tensor {name!r} that the index promises")
            found[name] = content[name]
    return {name: found[name] for name in wanted}


def _weight_map(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Which file of the folder has which tensor."""
    import json

    indices = sorted(name for name in os.listdir(folder) if name.endswith(_ENDING))
    if len(indices) != 1:
        raise FileNotFoundError(
            f"load_sharded: expected one file *{_ENDING} in {os.fspath(folder)!r}, found {indices or 'none'}"
        )
    path = os.path.join(folder, indices[0])
    try:
        with open(path, encoding="utf-8") as file:
            places = json.load(file)["weight_map"]
        bad = [name for name in places.values() if os.path.basename(name) != name or name in ("", ".", "..")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RuntimeError(f"load_sharded: {path!r} is no index of shards: {type(error).__name__}: {error}") from None
    if bad:
        raise RuntimeError(f"load_sharded: {path!r} names {bad[0]!r}, which is no file of the folder")
    return places
