"""What an op is: how it is declared, and what happens when it is called.

Read in this order: `door.py`, the door every op passes; `plan.py`, what a derivative makes a call keep. What the door asks has a file
each: `signature.py` (what a function takes), `promotion.py` (one dtype for its inputs), `half_precision.py`, `out.py`.
"""

from .declaration import Array, Index, Indices, Operand
from .declaring import composite, elementwise, named, op, ops, register, registry, row
from .door import Op
from .lanes import Row, plain
