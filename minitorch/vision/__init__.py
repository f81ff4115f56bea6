"""Pictures, with torchvision's names and paths: data sets of them, what changes them, and networks that learn from them.

The extra `vision` (pillow) is needed where files of pictures are read, and imported there.
Read next: `models/resnet.py`, a network; `transforms/functional.py`, which says what each transform does to an image.
"""

from __future__ import annotations

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from . import datasets, models, ops, torchcam, transforms, utils

for _module in (datasets, models, transforms, utils):
    _answer_for_what_is_missing(_module.__name__)
