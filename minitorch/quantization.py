"""`minitorch.quantization`: the old name of `minitorch.ao.quantization`. Read there: `ao/quantization/quantize.py`."""

from .ao.quantization import *  # noqa: F403
