"""What torch has and minitorch does not have yet: an AttributeError says so, and which names are near.

A class with `__getattr__` would make every look at a tensor's own attributes slower. So each of the names below is an attribute that
raises when it is looked at; a method of that name, wherever it is defined, comes before it. `hasattr` is False.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

_names = """as_subclass ccol_indices cdouble cfloat chalf coalesce col_indices const_data_ptr crow_indices
dim_order grad_dtype hash_tensor index indices ipu istft module_load mtia record_stream resize_as_sparse_ row_indices
slice_inverse smm sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm stft storage_type to_dense
to_mkldnn to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values xpu"""
NAMES = _names.split()
FEW = 20  # names that are soon read


def not_there_yet(name: str, names: Iterable[str]) -> str:
    """The end of a message about a name that is missing among `names`."""
    known = {each.lower(): each for each in names if not each.startswith("_")}
    import difflib

    near = [known[each] for each in difflib.get_close_matches(name.lower(), known, 3, 0.45)]
    if not near and len(known) <= FEW:
        near = sorted(known.values())
    return ": if torch has it, it is not there yet" + (f"; near names: {', '.join(near)}" if near else "")


class _Absent:
    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, owner: type) -> NoReturn:
        kind = f"type object '{owner.__name__}'" if tensor is None else f"'{owner.__name__}' object"
        hint = not_there_yet(self.name, sorted(set(dir(owner)).difference(NAMES)))
        raise AttributeError(f"{kind} has no attribute '{self.name}'{hint}")


class _Listed(type):
    """The class of tensors' classes: `dir`, `help` and completion list what is there.

    It costs an op nothing; only `isinstance(x, Tensor)` of what is of another class, a number or a Parameter, takes 30 ns more.
    """

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if _is_there(cls, name)]


class NotThereYet(metaclass=_Listed):
    """The last of a tensor's base classes."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name in vars(self) or _is_there(type(self), name)]


def _is_there(cls: type, name: str) -> bool:
    """Whether the first class that has the name is not the one where all names are missing."""
    return not isinstance(next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), None), _Absent)


for _name in NAMES:
    setattr(NotThereYet, _name, _Absent(_name))
