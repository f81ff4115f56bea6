"""`minitorch.backends.cuda.matmul.allow_tf32`: `set_float32_matmul_precision` by its older name. Read next: `minitorch/arrays/blas.py`."""

from __future__ import annotations

from ..arrays import blas


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
