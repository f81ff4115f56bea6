"""torchvision's blocks of layers that several networks are built of."""

from .misc import Conv2dNormActivation, Conv3dNormActivation

__all__ = ["Conv2dNormActivation", "Conv3dNormActivation"]
