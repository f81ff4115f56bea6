"""Small programs for `minitorch explain`, in the order in which they teach.

Those of NAMES leave a variable `loss`; those of COMPILED a function `step`, for `minitorch explain --compiled`.
"""

NAMES = ("chain", "shared", "broadcast", "linear", "softmax", "mlp", "inplace", "double", "step")
COMPILED = ("training",)
