"""The methods, which differ in how a channel of the feature map is weighted: `gradient.py`, `activation.py`; what they share: `core.py`."""

from .activation import *
from .gradient import *
