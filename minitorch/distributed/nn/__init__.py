"""Collective calls that have derivatives. Read next: `functional.py`."""

from __future__ import annotations

from .functional import *
from .functional import __all__ as __all__
