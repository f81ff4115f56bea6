"""`minitorch.ao.nn.intrinsic.quantized`: quantized layers with a ReLU in them, which costs nothing: integers below that of 0 are cut off.

Read next: `dynamic/__init__.py`.
"""

from . import dynamic
from .modules import *
