"""Several processes that compute together, with torch's names.

Every process runs the same script, joins the run with `init_process_group`, and then calls the same functions in the same order.
Read in this order: `groups.py` (joining), `collectives.py` (what processes do together), `process_group.py` (what a backend is),
`gloo.py` (one).
"""

import sys as _sys

from ..utils import names as _names
from . import distributed_c10d
from .distributed_c10d import *

_names.answer_for_what_is_missing(_sys.modules[__name__])
