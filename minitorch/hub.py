"""The folder where files of trained weights lie, and how one is read from it: what `torch.hub` has of this.

It is torch's own folder, `$TORCH_HOME/hub/checkpoints`, so what torch has downloaded is found. Nothing is downloaded here: an error says
which file is missing, where it is handed out and where to put it. The names of such files end in a hyphen and the beginning of their
SHA-256, by which a wrong or damaged file is noticed before it is read.
Read next: `vision/models/_api.py`, which asks for files by their names.
"""

from __future__ import annotations

import os
import re
from typing import Any

from .serialization import load

__all__ = ["get_dir", "load_state_dict_from_url", "set_dir"]

_chosen: str | None = None  # what `set_dir` was told
_HASH = re.compile(r"-([a-f0-9]*)\.")  # resnet18-f37072fd.pth


def get_dir() -> str:
    """The folder above `checkpoints`: what `set_dir` was given, else `$TORCH_HOME/hub`.

    TORCH_HOME is `$XDG_CACHE_HOME/torch` unless it is set, and XDG_CACHE_HOME `~/.cache`.
    """
    if _chosen is not None:
        return _chosen
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Let `get_dir` answer `d` from now on."""
    global _chosen
    _chosen = os.path.expanduser(d)


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """What the file holds that `url` names by its last part: it is looked for in `model_dir`, `get_dir()/checkpoints` unless told.

    FileNotFoundError if it is not there, and says what to do. check_hash: RuntimeError if its SHA-256 does not begin as its name says.
    The file is read by `minitorch.load`, which never runs code from it. progress is there for programs that give it: nothing is
    downloaded, so there is nothing to show.
    """
    name = file_name or os.path.basename(url.partition("?")[0])
    path = os.path.join(os.path.expanduser(model_dir or os.path.join(get_dir(), "checkpoints")), name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{path} is not there, and minitorch downloads nothing: download {url} and put it there as {name!r} "
            "(or name another folder: the environment variable TORCH_HOME says where hub/checkpoints is)"
        )
    if check_hash:
        _check(path, name)
    return load(path, map_location, weights_only=weights_only)


def _check(path: str, name: str) -> None:
    """RuntimeError unless the file's SHA-256 begins as its name says; a name that says nothing is let pass."""
    import hashlib  # not at the start: `import minitorch` is to be quick

    said = _HASH.search(name)
    if said is None:
        return
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(said[1]):
        raise RuntimeError(
            f'invalid hash value (expected "{said[1]}", got "{digest}"): {path} is damaged or another file; download it again'
        )
