"""Arrays, the ground floor: what NumPy and CuPy do differently is known here, and nowhere above.

`device.py` names where an array lives and which library works there; `dtypes.py` has torch's dtypes and their promotion;
`blas.py` the matrix products; `memory.py` tells who shares memory with whom, `layout.py` in which order it lies, `allocator.py`
where it comes from.
Read next: `device.py`.
"""
