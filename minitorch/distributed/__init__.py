"""Several processes that compute together, with torch's names.

Every process runs the same script, joins the run with `init_process_group`, and then calls the same functions in the same order.
Read in this order: `groups.py` (joining), `collectives.py` (what processes do together), `process_group.py` (what a backend is),
`gloo.py` (one).
"""

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from . import distributed_c10d
from .distributed_c10d import *

_answer_for_what_is_missing(__name__)
