"""Pictures: what changes them, and how many become one (torchvision's names and paths).

Read next: `transforms/transforms.py`, then `transforms/functional.py`, which says what each does to an image.
"""

from __future__ import annotations

from . import transforms, utils
