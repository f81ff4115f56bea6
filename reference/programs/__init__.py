"""Whole training programs on both libraries from the same seed: their losses, step by step, must be the same up to rounding.

`learners.py` has small ones, written once for a library that they are handed. `strangers/` has programs as people write them, of the
size of nanoGPT or of the examples beside torch: nothing is changed but their imports. Run `python -m reference train` to see how far
the losses are apart. Read next: `running.py`.
"""

from .running import PROGRAMS, Program, difference, report, run
