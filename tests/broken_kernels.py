"""Faults in the text of a generated kernel: which of them a call does not notice.

Read next: `reference/kernels.py#mutants`, which makes the faults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minitorch.compiler.cuda import launching
from reference.kernels import in_a_child, mutants
from reference.strict_cupy.kernels import RawKernel


def hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new memory of a launch be nan: what was used before might hold the answer."""
    empty = launching.empty

    def holding_nothing(*args: Any) -> Any:
        made = empty(*args)
        made.fill(np.nan)
        return made

    monkeypatch.setattr(launching, "empty", holding_nothing)


def faults(source: str) -> list[tuple[str, str]]:
    """Faults in what is printed of this formula, not in what all kernels begin with."""
    start = source.index("// ", source.index("struct alignas"))
    return [(what, source[:start] + text) for what, text in mutants(source[start:])]


def survivors(source: str, is_right: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The faults with which `is_right`, which launches the kernel, still says yes: what was changed, and the broken source."""
    run = RawKernel.__call__

    def noticed(broken: str) -> bool:
        def launch(self: RawKernel, *args: Any) -> None:
            run(RawKernel(broken, self.name) if self.code == source else self, *args)

        monkeypatch.setattr(RawKernel, "__call__", launch)
        try:
            return not is_right()
        except (IndexError, RuntimeError):  # it writes outside of an array, or is no C++
            return True

    assert not noticed(source)
    planted = faults(source)
    assert len(planted) > 4
    return [(what, broken) for what, broken in planted if not in_a_child(lambda broken=broken: noticed(broken))]
