"""`minitorch.backends.mkl`: matrix products are NumPy's BLAS's affair."""


def is_available() -> bool:
    """False: minitorch itself uses no MKL, whatever NumPy was built with."""
    return False
