"""`save` and `load`, in the format of torch's files.

The idea: a file is a stranger's. Pickle, the usual format, runs code from the file when it is loaded; here the file can only name what
stands in a short table, so loading one builds data and nothing else. And what it declares of sizes is compared with the size of the
file before memory is taken.
Read next: `torch_files.py`, what is in a file; `utils/files.py`, how a file is replaced; `cli/checkpoints.py`, which saves and loads one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import warnings
from collections.abc import Callable
from typing import IO, Any

from ..arrays.device import as_device, device
from ..tensor import Tensor
from ..utils.files import replacing
from . import safetensors
from .classes import Classes, add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .shards import load_sharded

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "load_sharded",
    "safe_globals",
    "safetensors",
    "save",
]


def save(
    obj: Any,
    f: str | os.PathLike[str] | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to a path or a binary file, as `torch.save` does: tensors, numbers, strings, None, and lists, tuples, sets and dicts.

    torch.load reads the file, with `weights_only=True` too. A path is replaced only once everything is written, so a failed save
    leaves the old file whole. Whole modules are written by the names of their classes. What is one object (tied weights) is one object
    after `load`, and tensors that share memory (views) share it again.
    RuntimeError if the path cannot be written to; TypeError names what cannot be saved.

    The pickle in the file is always of protocol 2, written by minitorch itself: pickle_module and pickle_protocol change nothing.

    >>> import io
    >>> file = io.BytesIO()  # or the path of a file
    >>> minitorch.save({"weight": minitorch.ones(2), "epoch": 3}, file)
    >>> minitorch.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if not isinstance(f, (str, os.PathLike)) and not hasattr(f, "write"):
        raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
    from .writing import TorchWriter  # imports zipfile, which takes long, and most programs save no file

    writer = TorchWriter()
    target: Any = replacing(f) if isinstance(f, (str, os.PathLike)) else contextlib.nullcontext(f)
    with target as file:
        (writer.write if _use_new_zipfile_serialization else writer.write_legacy)(obj, file)


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: device | str | int | dict[str, Any] | Callable[[Tensor, str], Tensor | None] | None = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What `save` or `torch.save` wrote to `f`; a dict of tensors from a file of safetensors or of numpy.savez. It never runs code.

    RuntimeError if `f` is something else or damaged; pickle.UnpicklingError names what it holds that is neither tensor, number,
    string, nor a container of these, nor allowed by `serialization.add_safe_globals`. weights_only=False also makes modules again
    whose classes the program has imported, from their class and attributes alone: no other function or class is called.

    Tensors go to the device they were saved from, or all to `map_location`: a device; a dict from where they were saved to where
    they are to be; or a function of the tensor (on the CPU) and the name of the device it was saved from, which returns it where
    it is to be, or None for the latter. (Of tensors that share memory it gets the memory, in one dimension.)

    mmap: tensors are pages of the file, read when they are first looked at; a write to one does not reach the file. `f` is a path.
    Of `pickle_load_args` only `encoding` means something, for texts that Python 2 wrote; pickle_module must be Python's.
    """
    weights_only = pickle_module is None if weights_only is None else bool(weights_only)
    _check_options(f, weights_only, pickle_module, mmap, pickle_load_args)
    place = map_location
    if not callable(place) and not isinstance(place, dict) and place is not None:
        place = as_device(place)  # raises before anything is read
    if isinstance(f, (str, os.PathLike)) and os.fspath(f).endswith(".safetensors"):
        return safetensors.load_file(f, "cpu" if place is None else _one_place(place))
    from .opening import Options, opened, refusal  # imports zipfile, which takes long, and most programs load no file

    with contextlib.ExitStack() as stack:
        source = opened(f, stack)
        options = Options(Classes(weights_only), pickle_load_args.get("encoding", "utf-8"), bool(mmap))
        try:
            reader = source.reader(stack, options)
            obj = reader.read()
        except MemoryError:
            raise
        except Exception as error:  # damage shows as any error of zipfile, json, struct or NumPy
            raise refusal(source, error) from None
    reader.blocks.move(place)
    return obj


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike[str] | IO[bytes]) -> list[str]:
    """The names for which `load(f)` refuses a file of `save` or `torch.save`: what `add_safe_globals` would have to be told of.

    ValueError if it is no such file.
    """
    from .opening import Options, opened
    from .torch_files import TorchReader

    with contextlib.ExitStack() as stack:
        try:
            reader = opened(f, stack).reader(stack, Options(Classes(weights_only=True)))
            if isinstance(reader, TorchReader):
                return reader.refused_names()
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"get_unsafe_globals_in_checkpoint: {type(error).__name__}: {error}") from None
    raise ValueError("Expected input to be a checkpoint returned by torch.save")


def _one_place(place: Any) -> Any:
    if isinstance(place, dict) or callable(place):
        raise RuntimeError(
            f"Loading safetensors file with {'dict' if isinstance(place, dict) else 'callable'} map_location is not supported. "
            "Use a device string or minitorch.device instead."
        )
    return place


def _check_options(f: Any, weights_only: bool, pickle_module: Any, mmap: bool | None, pickle_load_args: dict) -> None:
    """Refuse what cannot be done, before anything is read."""
    if pickle_module is not None and weights_only:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if pickle_module is not None and pickle_module is not pickle:
        raise ValueError(
            f"load: minitorch reads pickles by itself and cannot use {pickle_module!r}; leave pickle_module out"
        )
    if pickle_load_args and weights_only:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=3)
    if unknown := set(pickle_load_args) - {"encoding", "errors", "fix_imports"}:
        raise TypeError(f"load() got an unexpected keyword argument {min(unknown)!r}")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("f must be a file path in order to use the mmap argument")
