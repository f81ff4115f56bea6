"""`minitorch.backends.cuda`: whether there is CUDA, and `matmul.allow_tf32`, `set_float32_matmul_precision` by its older name.

Read next: `minitorch/arrays/blas.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from ..arrays import blas
from .switches import check_bool


class _Matmul:
    """The switches of matrix products on a GPU."""

    __slots__ = ()

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 on a GPU may keep 10 bits of each factor: precision "high" or "medium"."""
        return blas.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        if not isinstance(allow, bool):
            raise RuntimeError(f"set_allow_tf32_cublas expects a bool, but got {type(allow).__name__}")
        blas.set_float32_matmul_precision("high" if allow else "highest")


matmul = _Matmul()


def is_built() -> bool:
    """Whether CuPy is installed; `cuda.is_available()` says whether it finds a GPU."""
    return find_spec("cupy") is not None


# ---- which way attention is computed: switches that scripts set, where there is one way for all ----


def _switch(name: str) -> tuple[Callable[[], bool], Callable[[bool], None]]:
    state = {"on": True}

    def enabled() -> bool:
        return state["on"]

    def enable(enabled: bool) -> None:
        check_bool(f"set_sdp_use_{name}", enabled)
        state["on"] = enabled

    enabled.__doc__ = f"What `enable_{name}_sdp` set; True at first."
    enable.__doc__ = "Remembered, and nothing else: there is one way to compute attention here."
    return enabled, enable


flash_sdp_enabled, enable_flash_sdp = _switch("flash")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _switch("mem_efficient")
math_sdp_enabled, enable_math_sdp = _switch("math")
cudnn_sdp_enabled, enable_cudnn_sdp = _switch("cudnn")
