"""`minitorch.ao.nn.intrinsic.qat`: fused layers that are trained with rounded weights. Read next: `modules/conv_fused.py`."""

from .modules.conv_fused import *
from .modules.linear_fused import *
