"""Pictures, with torchvision's names and paths: data sets of them, what changes them, and networks that learn from them.

The extra `vision` (pillow) is needed where files of pictures are read, and imported there.
Read next: `models/resnet.py`, a network; `transforms/functional.py`, which says what each transform does to an image.
"""

from __future__ import annotations

from . import datasets, models, ops, transforms, utils
