"""Faster twins of what `ops/` and `optim/` write plainly: `cpu/` for NumPy arrays, `c/` for the loops in C that these call where
there is a compiler, `cuda/` for a GPU.

A twin computes what its op's formula says, in fewer passes over memory. Nobody needs to read one to know what an op computes.
"""
