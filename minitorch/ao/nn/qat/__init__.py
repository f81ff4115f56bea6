"""`minitorch.ao.nn.qat`: float layers that round their weight, so that it learns to stand that. Read next: `modules/layers.py`."""

from .modules.layers import *
