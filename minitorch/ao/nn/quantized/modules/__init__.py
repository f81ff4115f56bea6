"""The classes of `minitorch.ao.nn.quantized`."""

from minitorch.nn.modules.pooling import MaxPool2d as MaxPool2d

from .activation import *
from .conv import *
from .embedding_ops import *
from .functional_modules import *
from .linear import *
from .quantize import *
