"""`minitorch.backends.openmp`: threads here are Python's."""


def is_available() -> bool:
    """False: `set_num_threads` says how many threads compute."""
    return False
