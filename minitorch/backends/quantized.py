"""`minitorch.backends.quantized`: which of torch's kernels the numbers of quantized layers are those of.

All are computed by the same code (`../ops/quantized.py`): x86 and fbgemm add the bias as a float, qnnpack as an integer. onednn's numbers are
computed as x86's are, and in torch its kernel differs from them by one in a few integers of a thousand.
"""

from __future__ import annotations

from typing import Any

from ..arrays.quantized import ENGINES, state
from .switches import with_attributes


class _Engine:
    """The attribute `engine`."""

    def __get__(self, module: Any, kind: type) -> Any:
        return self if module is None else state.engine

    def __set__(self, module: Any, value: Any) -> None:
        if value not in ENGINES:
            raise RuntimeError(f"{value} is not a valid value for quantized engine: choose one of {', '.join(ENGINES)}")
        state.engine = value


class _Supported:
    """The attribute `supported_engines`."""

    def __get__(self, module: Any, kind: type) -> Any:
        return list(ENGINES)

    def __set__(self, module: Any, value: Any) -> None:
        raise RuntimeError("Assignment not supported")


with_attributes(__name__, engine=_Engine(), supported_engines=_Supported())
