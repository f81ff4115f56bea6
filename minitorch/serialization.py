"""`save` and `load`: a checkpoint is a zip of one JSON text, the structure, and one `.npy` file per tensor.

The idea: pickle, the usual format, runs code from the file when it is loaded. Here the file can only name the few
kinds in `_CONTAINERS` and below, so loading a stranger's checkpoint builds data and nothing else.
Read next: `cli/commands.py`, which saves and loads one.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .arrays import dtypes
from .arrays.device import as_device, device, to_numpy
from .nn.parameter import Parameter
from .tensor import Size, Tensor

if TYPE_CHECKING:
    import zipfile  # imported where it is used: it and json are a tenth of the time that `import minitorch` takes

_STRUCTURE = "structure.json"
_FORMAT = "minitorch checkpoint 1"
_CONTAINERS: dict[str, Any] = {
    "list": list, "tuple": tuple, "Size": Size, "dict": dict, "OrderedDict": OrderedDict, "Counter": Counter
}  # fmt: skip


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write `obj` to a path or a binary file: tensors, numbers, strings, None, and lists, tuples and dicts of them.

    A path is replaced only once everything is written, so a failed save leaves the old file whole. Tensors that are
    the same memory (tied weights) are stored once and are the same memory again after `load`.

    >>> import io
    >>> file = io.BytesIO()  # or the path of a file
    >>> minitorch.save({"weight": minitorch.ones(2), "epoch": 3}, file)
    >>> minitorch.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    import json
    import zipfile

    writer = _Writer()
    structure = json.dumps({"format": _FORMAT, "content": writer.encode(obj)})
    with _replacing(f) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_STRUCTURE), structure)  # ZipInfo: no clock time, same object gives same bytes
        for number, array in enumerate(writer.arrays):
            with archive.open(zipfile.ZipInfo(f"{number}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _as_plain(to_numpy(array)), allow_pickle=False)


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: device | str | int | dict[str, Any] | Callable[[Tensor, str], Tensor | None] | None = None,
    *,
    weights_only: bool = True,
) -> Any:
    """What `save` wrote to `f`; RuntimeError if `f` is something else. Never runs code from the file.

    Tensors go to the device they were saved from, or all to `map_location`: a device; a dict from where they were saved to where
    they are to be; or a function of the tensor (on the CPU) and the name of the device it was saved from, which returns it where
    it is to be, or None for the latter.
    """
    import json
    import zipfile

    if not weights_only:
        raise ValueError("load: weights_only=False would run code from the file, which minitorch never does; leave it out")
    place = map_location
    if not callable(place) and not isinstance(place, dict) and place is not None:
        place = as_device(place)  # raises before anything is read
    with contextlib.ExitStack() as stack:
        file = f if hasattr(f, "read") else stack.enter_context(open(f, "rb"))
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
            structure = json.loads(archive.read(_STRUCTURE))
            if structure["format"] != _FORMAT:
                raise ValueError(f"its format is {structure['format']!r}, not {_FORMAT!r}")
            return _Reader(archive, place).decode(structure["content"])
        except RuntimeError:  # a device that is not there, in words of its own
            raise
        except Exception as error:  # damage shows as any error of zipfile, json or NumPy
            name = getattr(file, "name", "the given file")
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, zipfile.BadZipFile):
                reason = "it is not a zip archive, or a damaged one"
            elif isinstance(error, KeyError):
                reason = "a part is missing (a file of torch.save? load it in torch and save its tensors from there)"
            raise RuntimeError(f"load: {name!r} is not a checkpoint of minitorch.save: {reason}") from None


class _Writer:
    """Turns an object into JSON and a list of arrays."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self._numbers: dict[Any, int] = {}  # which memory, seen how -> its place in `arrays`

    def encode(self, obj: Any) -> Any:
        """Numbers, strings and None as they are, everything else as a list that starts with its kind."""
        if isinstance(obj, np.generic):
            obj = obj.item()
        if obj is None or isinstance(obj, (bool, int, float, str)):
            return obj
        if isinstance(obj, Tensor):
            kind = "Parameter" if isinstance(obj, Parameter) else "Tensor"
            return [kind, self._number(obj._array), obj.dtype.name, str(obj.device), obj.requires_grad]
        if isinstance(obj, dtypes.dtype):
            return ["dtype", obj.name]
        if isinstance(obj, device):
            return ["device", str(obj)]
        for kind, container in _CONTAINERS.items():
            if type(obj) is container or (container is OrderedDict and isinstance(obj, OrderedDict)):
                items = [list(pair) for pair in obj.items()] if isinstance(obj, dict) else obj
                return [kind, *map(self.encode, items)]
        raise TypeError(
            f"save: cannot save a {type(obj).__module__}.{type(obj).__qualname__}; for a module or an optimizer save its "
            "state_dict(), otherwise make it a tensor, number, string, None, or a list, tuple or dict of these"
        )

    def _number(self, array: Any) -> int:
        address = array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
        key = (address, array.shape, array.strides, array.dtype)
        if key not in self._numbers:
            self._numbers[key] = len(self.arrays)
            self.arrays.append(array)
        return self._numbers[key]


class _Reader:
    """Turns JSON and the arrays beside it back into the object."""

    def __init__(self, archive: zipfile.ZipFile, place: Any) -> None:
        self._archive = archive
        self._place = place
        self._tensors: dict[int, Tensor] = {}

    def decode(self, code: Any) -> Any:
        """The object that `_Writer.encode` turned into `code`."""
        if not isinstance(code, list):
            return code
        kind, *content = code
        if kind in ("Tensor", "Parameter"):
            return self._tensor(kind, *content)
        if kind == "dtype":
            return _dtype(*content)
        if kind == "device":
            return device(*content)
        items = map(self.decode, content)
        return _CONTAINERS[kind](dict(items) if issubclass(_CONTAINERS[kind], dict) else items)

    def _tensor(self, kind: str, number: int, dtype_name: str, saved_on: str, requires_grad: bool) -> Tensor:
        if number in self._tensors:
            tensor = self._tensors[number].detach()  # the same memory again
        else:
            with self._archive.open(f"{number}.npy") as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
            self._tensors[number] = tensor = self._placed(Tensor._wrap(array.view(_dtype(dtype_name).numpy)), saved_on)
        return Parameter(tensor, requires_grad) if kind == "Parameter" else tensor.requires_grad_(requires_grad)

    def _placed(self, tensor: Tensor, saved_on: str) -> Tensor:
        """The tensor where `map_location` wants it."""
        if callable(self._place):
            placed = self._place(tensor, saved_on)
            return tensor.to(as_device(saved_on)) if placed is None else placed
        place = self._place.get(saved_on, saved_on) if isinstance(self._place, dict) else self._place
        return tensor.to(as_device(saved_on if place is None else place))


def _as_plain(array: np.ndarray) -> np.ndarray:
    """bfloat16, which the .npy format does not know, as the integers of the same bits."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _dtype(name: str) -> dtypes.dtype:
    return next(d for d in dtypes.ALL if d.name == name)


@contextlib.contextmanager
def _replacing(f: Any) -> Iterator[Any]:
    """A file to write to that takes the place of the path `f` only once it is complete."""
    if hasattr(f, "write"):
        yield f
        return
    path = os.path.realpath(f)
    if os.path.exists(path) and not os.path.isfile(path):  # a device such as /dev/null is written to, not replaced
        buffer = io.BytesIO()  # because zipfile wants to look back
        yield buffer
        with open(path, "wb") as file:
            file.write(buffer.getvalue())
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
