"""`minitorch.ao.nn.quantized.dynamic`: layers with weights of 8 bits, floats before and after. Read next: `modules/linear.py`."""

from .modules.linear import *
from .modules.rnn import *
