"""Which kernels `scaled_dot_product_attention` may use; `bias.py` has causal masks by name.

Here there is one way to compute attention. It goes by the name of torch's fused kernel where torch would take that, and by MATH
elsewhere; to allow neither is refused as in torch.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator

from minitorch.nn.attention import bias
from minitorch.ops import attention as _attention

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.Enum):
    """The kernels that torch chooses from."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """Within it, `scaled_dot_product_attention` may use these kernels alone.

    >>> from minitorch.nn.attention import SDPBackend, sdpa_kernel
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     out = minitorch.nn.functional.scaled_dot_product_attention(*[minitorch.ones(1, 1, 2, 2)] * 3)
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got {type(backends).__name__}"
        )
    before = _attention.kernels
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    _attention.kernels = frozenset(backend.name for backend in chosen)
    try:
        yield {}
    finally:
        _attention.kernels = before
