"""What an op is: how it is declared, and what happens when it is called.

Read in this order: `declaration.py` and `declaring.py`, an op as data and the words that declare one; `door.py`, the door every op
passes; `recipe.py`, what is decided once for each kind of call; `plan.py`, what a derivative makes a call keep. What these ask has a
file each: `signature.py` (what a function takes), `promotion.py` (one dtype for its inputs), `half_precision.py`, `out.py`, `steps.py`,
`autocast.py` (the dtypes of a region); `lanes.py` has the shorter ways, `source.py` what `help` shows.
"""

from .declaration import Array, Index, Indices, Operand
from .declaring import composite, elementwise, named, op, ops, register, registry, row
from .door import Op
from .lanes import Row, plain
