"""torchvision's names: networks for images and the data sets they learn from.

The extra `vision` (pillow) is needed where files of images are read, and imported there. Read next: `models/resnet.py`.
"""

from . import datasets, models, ops
