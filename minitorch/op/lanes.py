"""Lanes: shorter ways through the door for the commonest calls, an elementwise op of one or two CPU tensors of one dtype.

A lane follows the same recipe as the door (`door.py`), found under a shorter key; what the key does not tell, it looks at. The first
call of a kind goes through the door, which opens the lane for the next. While somebody listens (`listening.py`) all calls go through
the door. `MINITORCH_PLAIN=1` in the environment, or `with plain():`, closes all lanes. Read next: `ops/elementwise.py`, the table of
these ops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.device import shortcuts
from ..arrays.quiet import quiet, quiet_again
from ..autograd.grad_mode import grad_mode, inference_blocks
from .declaration import Declaration
from .door import Doc, Op, in_torchs_words, new
from .listening import active
from .recipe import Recipe

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut
ndarray = np.ndarray


class Row(Op):
    """An elementwise op, which has lanes."""

    __doc__: Any = Doc(__doc__)

    def __init__(self, declaration: Declaration):
        super().__init__(declaration)
        self.options = tuple(declaration.defaults.values())
        self.lane: dict[tuple, Recipe] = {}  # by the dtypes of the tensors, and whether they want gradients
        _rows.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.lane and not kwargs and not active and len(args) == len(self.inputs) <= 2:
            return self.unary(*args) if len(args) == 1 else self.binary(*args)
        return super().__call__(*args, **kwargs)

    def unary(self, a: Any) -> Any:
        """`op(a)`."""
        if not active and a.__class__ is Tensor:
            x = a._array
            recipe = self.lane.get((x.dtype, a._requires_grad))
            if recipe is not None and type(x) is ndarray:
                try:
                    array = quiet(recipe.forward, np, x)
                except RuntimeError as error:
                    array = quiet_again(error, recipe.forward, np, x)
                return self._finished(array, (a,), recipe)
        return super().__call__(a)

    def binary(self, a: Any, b: Any) -> Any:
        """`op(a, b)`. Tensor's operators come here at once: an object's `__call__` costs more than a method."""
        if not active and a.__class__ is Tensor and b.__class__ is Tensor:
            x, y = a._array, b._array
            recipe = self.lane.get((x.dtype, y.dtype, a._requires_grad, b._requires_grad))
            if recipe is not None and type(x) is type(y) is ndarray:
                try:
                    array = quiet(recipe.forward, np, x, y)
                except (ValueError, TypeError, IndexError) as error:
                    raise in_torchs_words(error, [x, y]) from None
                except RuntimeError as error:
                    array = quiet_again(error, recipe.forward, np, x, y)
                return self._finished(array, (a, b), recipe)
        return super().__call__(a, b)

    def _finished(self, array: Any, args: tuple, recipe: Recipe) -> Any:
        """The result as a Tensor, with a node if the call is recorded."""
        out = new(Tensor)
        out._array = array if type(array) is ndarray else np.asarray(array)
        plan = recipe.plan
        if plan is None or not grad_mode.enabled:
            out._requires_grad = False
            if inference_blocks:
                out._mark_inference()
        else:
            out._requires_grad = True
            out._grad_fn = plan.record(args + self.options if self.options else args, (out,))
        return out

    def _resolve(self, args: tuple) -> tuple[tuple, Recipe]:
        """As everywhere; then open the lane for calls of this kind, if there is nothing to do but forward."""
        args, recipe = super()._resolve(args)
        inputs = args[: len(self.inputs)]
        alone = recipe.xp is np and not recipe.casts and args[len(inputs) :] == self.options
        if alone and shortcuts.enabled and all(x.__class__ is Tensor for x in inputs):
            dtypes = tuple(x._array.dtype for x in inputs)
            if len(set(dtypes)) == 1:
                self.lane[(*dtypes, *(x._requires_grad for x in inputs))] = recipe
        return args, recipe


_rows: list[Row] = []  # all of them, for `plain`


class plain:
    """In this block every op goes through the plain door, and computes by its plain formula: no lanes, no twins.

    `MINITORCH_PLAIN=1` in the environment does it from the start. Values are the same; a breakpoint in `Op.__call__` is hit by each op.

    >>> with minitorch.op.plain():
    ...     minitorch.tensor([1.0, 2.0]) * 3
    tensor([3., 6.])
    """

    def __enter__(self) -> None:
        self.before, shortcuts.enabled = shortcuts.enabled, False
        for row in _rows:
            row.lane.clear()

    def __exit__(self, *exc: Any) -> None:
        shortcuts.enabled = self.before
        for row in _rows:
            row.recipes.clear()  # so that the next call of each kind opens its lane again
