"""CUDA kernels made of formulas: what an elementwise op does to each number, and its derivative, as one launch.

On a GPU each NumPy call of a formula is a pass over memory, and memory is what takes the time. A kernel reads each number once, computes
the whole formula in registers, and writes the result once. Nobody writes these kernels: the recorder of `compile` follows the op's own
forward, or its derivative, and what it wrote down is printed as CUDA C++. Half precision is read and written as such, and computed in float.
Read next: `formula.py`, what is recorded; `source.py` and `sums.py`, how it is printed; `launching.py`, when it runs; `twins.py`, for whom.
"""
