"""Pictures, with torchvision's names and paths: data sets of them, what changes them, and networks that learn from them.

The extra `vision` (pillow) is needed where files of pictures are read, and imported there.
Read next: `models/resnet.py`, a network; `transforms/functional.py`, which says what each transform does to an image.
"""

from __future__ import annotations

from ..utils import names as _names
from . import datasets, models, ops, torchcam, transforms, utils

for _module in (datasets, models, transforms, utils):
    _names.answer_for_what_is_missing(_module)
