"""torchvision's names: networks for images, the data sets they learn from, and what changes a picture or makes one of many.

The extra `vision` (pillow) is needed where files of images are read or written, and imported there. Read next: `models/resnet.py`,
`transforms/transforms.py`.
"""

from . import datasets, models, ops, transforms, utils
