"""`Backend`: the names of the backends, and where each is.

Read next: `process_group.py`, what a backend is.
"""

from __future__ import annotations

import importlib
import importlib.util
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any

_MODULES = {"gloo": "gloo", "mpi": "mpi", "nccl": "nccl"}  # of this room: each has a function `connect`
_FOR = {"gloo": ["cpu"], "mpi": ["cpu", "cuda"], "nccl": ["cuda"]}  # kinds of devices


class Backend(str):
    """The name of a backend in lower case: `Backend("GLOO")` is "gloo"; `Backend.GLOO`, `Backend.MPI`, `Backend.NCCL`.

    "cpu:gloo,cuda:nccl" is one for each kind of device, and what no name means.
    """

    __module__ = "minitorch.distributed"
    __slots__ = ()

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    MPI = "mpi"
    backend_list = [UNDEFINED, GLOO, NCCL, MPI]

    def __new__(cls, name: str) -> Any:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return name.lower()


def devices_of(backend: str) -> dict[str, str]:
    """The backend for each kind of device: {"cpu": "gloo", "cuda": "nccl"}."""
    if backend == Backend.UNDEFINED:
        return {"cpu": Backend.GLOO, "cuda": Backend.NCCL}
    devices = {}
    for part in backend.split(","):
        device, colon, name = part.strip().partition(":")
        if not colon:
            devices.update(dict.fromkeys(_FOR.get(device, []), device))
            name = device
        elif device in devices:
            raise ValueError(f"Duplicate device type {device} in backend string: {backend}")
        else:
            devices[device] = name
        if name not in _MODULES:
            raise ValueError(f"Unknown backend {name!r}: there are {', '.join(_MODULES)}")
    return devices


def connector(backend: str) -> Callable[..., Any]:
    """The backend's function `connect`; RuntimeError if what it needs is not installed."""
    if not is_backend_available(backend):
        raise RuntimeError(f"Distributed package doesn't have {backend.upper()} built in: {_MISSING[backend]}")
    return importlib.import_module(f"minitorch.distributed.{_MODULES[backend]}").connect


_MISSING = {
    "gloo": "it needs Unix sockets",
    "mpi": "install mpi4py and an MPI library: pip install 'minitorch[mpi]'",
    "nccl": "it needs a GPU and CuPy with NCCL",
}


def is_available() -> bool:
    """Whether there is this room: always."""
    return True


def is_gloo_available() -> bool:
    """Whether the system has what the backend gloo needs: Unix sockets."""
    return hasattr(socket, "AF_UNIX") and hasattr(select, "poll")


def is_mpi_available() -> bool:
    """Whether mpi4py is installed."""
    return importlib.util.find_spec("mpi4py") is not None


def is_nccl_available() -> bool:
    """Whether CuPy has NCCL."""
    return importlib.util.find_spec("cupy_backends") is not None and importlib.util.find_spec("cupy") is not None


def is_ucc_available() -> bool:
    """False: there is no such backend here."""
    return False


def is_xccl_available() -> bool:
    """False: there is no such backend here."""
    return False


def is_backend_available(backend: str) -> bool:
    """Whether a backend of that name can be used."""
    available = {"gloo": is_gloo_available, "mpi": is_mpi_available, "nccl": is_nccl_available}.get(backend.lower())
    return available is not None and available()


def get_default_backend_for_device(device: Any) -> str:
    """The backend for a kind of device: gloo for the CPU, nccl for GPUs."""
    kind = device if isinstance(device, str) else device.type
    defaults = devices_of(Backend.UNDEFINED)
    if kind.split(":")[0] not in defaults:
        raise ValueError(f"Default backend not registered for device : {device}")
    return defaults[kind.split(":")[0]]


def backends_of(devices: dict[str, str]) -> Sequence[str]:
    """The names, each once."""
    return list(dict.fromkeys(devices.values()))
