"""`minitorch.ao.nn.intrinsic`: layers that stand one after another and are to become one. Read next: `modules/fused.py`."""

from .modules.fused import *
from .modules.fused import _FusedModule as _FusedModule
