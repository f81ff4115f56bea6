"""`minitorch.ao`: what makes a model smaller and faster: quantization. (In torch "ao" is architecture optimization.)

Read next: `quantization/quantize.py`.
"""

from . import nn, quantization
