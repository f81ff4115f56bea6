"""The layers, one file a family. Start with `linear.py`; what all of them share is in `module.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .activation import *
from .adaptive import *
from .batchnorm import *
from .channelshuffle import *
from .container import *
from .conv import *
from .distance import *
from .dropout import *
from .flatten import *
from .fold import *
from .instancenorm import *
from .linear import *
from .linear_cross_entropy_options import *
from .loss import *
from .module import *
from .normalization import *
from .padding import *
from .pixelshuffle import *
from .pooling import *
from .rnn import *
from .sparse import *
from .transformer import *
from .upsampling import *

if not TYPE_CHECKING:  # type checkers follow the imports
    __all__ = [name for name, thing in globals().items() if isinstance(thing, type)]
