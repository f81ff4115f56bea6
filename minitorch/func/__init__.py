"""Transforms of functions: `grad(f)` is the function x ↦ ∇f(x), and can be transformed again (torch.func).

Read next: `transforms.py`, `mapping.py` for many samples at once, then `functional_call.py` for modules as functions of their parameters.
"""

from __future__ import annotations

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from .functional_call import functional_call
from .mapping import linearize, stack_module_state, vmap
from .transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state", "vjp", "vmap",
]  # fmt: skip

_answer_for_what_is_missing(__name__)
