"""`minitorch.ao.nn.quantized`: layers of integers. `convert` makes them of float layers. Read next: `modules/linear.py`."""

from . import dynamic, functional
from .modules import *
