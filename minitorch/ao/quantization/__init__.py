"""`minitorch.ao.quantization`: eager-mode quantization under torch's names. Read next: `quantize.py`; `docs/quantization.md`."""

from .fake_quantize import *
from .fuse_modules import *
from .fuse_modules import fuse_convtranspose_bn as fuse_convtranspose_bn
from .fuse_modules import get_fuser_method as get_fuser_method
from .observer import *
from .qconfig import *
from .quantization_mappings import *
from .quantize import *
from .stubs import *
