"""`minitorch.version`: of minitorch, and of what it was built for, which is nothing: CuPy brings CUDA when a GPU is used."""

from __future__ import annotations

__version__ = "0.1.0"
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False
