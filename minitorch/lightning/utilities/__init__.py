"""Small things beside the Trainer: errors, messages, seeds."""

from minitorch.lightning.utilities.combined_loader import CombinedLoader
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.grads import grad_norm
from minitorch.lightning.utilities.rank_zero import rank_zero_deprecation, rank_zero_info, rank_zero_only, rank_zero_warn

__all__ = ["CombinedLoader", "grad_norm", "rank_zero_deprecation", "rank_zero_info", "rank_zero_only", "rank_zero_warn"]
