"""The arithmetic of random numbers, bit for bit as torch does it on the CPU.

`generator.py` makes words, and uniform numbers from words; `uniform.py`, `normal.py` and `discrete.py` make everything else
from those, as flat arrays in the order of the draws; `layout.py` says where in a tensor they go; `exact.py` has the
rounding tricks. What users call is in `minitorch/random.py` and `minitorch/ops/sampling.py`. Read next: `generator.py`.
"""
