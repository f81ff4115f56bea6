"""Faster twins of what `ops/` and `optim/` write plainly: `cpu/` for NumPy arrays, `cuda/` for a GPU.

A twin computes what its op's formula says, in fewer passes over memory. Nobody needs to read one to know what an op computes.
"""
