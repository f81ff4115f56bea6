"""torchvision's data sets, as far as their files can be had without a download: folders of images, MNIST, and images made up.

Read next: `folder.py`.
"""

from .folder import DatasetFolder, ImageFolder
from .vision import VisionDataset
