"""The mathematics: every op with its derivative beside it, in families of one sitting each.

Start with `elementwise.py` (one line an op), then `reduce.py`, `activation.py`, `matmul.py`.
"""

import importlib.util as _u
from importlib import import_module as _i

for _m in ("elementwise", "reduce", "shape", "index", "matmul", "activation", "normalize", "loss", "sort", "embedding"):
    if _u.find_spec(f"minitorch.ops.{_m}"):
        _i(f"minitorch.ops.{_m}")
