"""What `use_deterministic_algorithms` switches: what may differ from run to run is refused, and new memory is filled.

Read next: `minitorch/backends/process.py`, which switches it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .warning import warn


class _State:
    enabled = False
    warn_only = False


state = _State()


def alert(name: str) -> None:
    """Called by what may give other numbers on another run: an error, a warning, or nothing."""
    if not state.enabled:
        return
    if not state.warn_only:
        raise RuntimeError(
            f"{name} does not have a deterministic implementation, but you set 'minitorch.use_deterministic_algorithms(True)'. "
            "You can turn off determinism just for this operation, or you can use the 'warn_only=True' option."
        )
    warn(
        f"{name} does not have a deterministic implementation, but you set "
        "'minitorch.use_deterministic_algorithms(True, warn_only=True)'."
    )


def filled(array: Any) -> Any:
    """New memory, of nan or the largest number of its dtype while the mode is on: nobody uses by chance what lay there."""
    if state.enabled:
        kind = array.dtype.kind
        array[...] = True if kind == "b" else np.iinfo(array.dtype).max if kind in "iu" else np.nan
    return array
