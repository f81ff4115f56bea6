"""Arrays, the ground floor: what NumPy and CuPy do differently is known here, and nowhere above.

`device.py` names where an array lives and which library works there; `dtypes.py` has torch's dtypes and their promotion;
`blas.py` the matrix products, `memory.py` who shares memory with whom. Read next: `device.py`.
"""
