"""`minitorch.ao.nn`: the layers of quantized models, and of models on the way there.

`intrinsic` are pairs of layers that become one; `qat` and `intrinsic/qat` are layers that round their weights while they are trained;
`quantized` and `intrinsic/quantized` compute with integers; `quantized/dynamic` choose a scale for each input.
"""

from . import intrinsic, qat, quantized
