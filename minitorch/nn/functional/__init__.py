"""Layers as functions: torch's names and signatures on top of `minitorch/ops/`, where the mathematics is.

Most names are the ops themselves. Written out here, a file a family, is only what torch adds at this level: `inplace`, a `dim` that
may be left out, checks of batch sizes, and functions made of several ops.
"""

from __future__ import annotations

from minitorch.nn.functional.activations import *
from minitorch.nn.functional.attention import *
from minitorch.nn.functional.convolutions import *
from minitorch.nn.functional.distances import *
from minitorch.nn.functional.dropouts import *
from minitorch.nn.functional.losses import *
from minitorch.nn.functional.normalization import *
from minitorch.nn.functional.padding import *
from minitorch.nn.functional.pooling import *
from minitorch.nn.functional.products import *
from minitorch.nn.functional.resampling import *
from minitorch.nn.functional.shuffles import *
from minitorch.nn.functional.tables import *
