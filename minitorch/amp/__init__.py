"""Mixed precision: products in half precision, what needs more in float32, and a loss that is scaled so that gradients survive.

`autocast_mode.py` says where ops choose their dtype (which, is in `../op/autocast_lists.py`), `grad_scaler.py` keeps float16's gradients
from vanishing. The weights stay in float32. `docs/mixed-precision.md` tells why, with numbers.
Source: Micikevicius et al., Mixed Precision Training, 2018.
"""

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_answer_for_what_is_missing(__name__)
