"""torchvision's data sets, as far as their files can be had without a download: folders of images, MNIST, and images made up.

Read next: `folder.py`.
"""

from .fakedata import FakeData
from .folder import DatasetFolder, ImageFolder
from .mnist import MNIST, FashionMNIST
from .vision import VisionDataset
