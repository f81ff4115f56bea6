"""Changes to images, drawn at random or not: classes to put into a `Compose`, and their functions in `functional.py`."""

from __future__ import annotations

from . import functional, transforms
from .transforms import *
