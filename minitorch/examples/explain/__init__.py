"""Small programs for `minitorch explain`, in the order in which they teach; each leaves a variable `loss`."""

NAMES = ("chain", "shared", "broadcast", "linear", "softmax", "mlp", "inplace", "double")
