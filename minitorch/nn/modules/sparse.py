"""`Embedding`, a table whose rows are looked up by number, and `EmbeddingBag`, which adds them up, averages or compares them.

The lookup is `embedding` in `minitorch/ops/gather.py`; what happens within bags is in `minitorch/ops/embedding_bag.py`.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.autograd import no_grad
from minitorch.nn import functional as F
from minitorch.nn import init
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter
from minitorch.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """Row i of the weight (num_embeddings, embedding_dim) for each index i; drawn from N(0, 1).

    The row `padding_idx` starts at 0 and gets no gradient. With `max_norm`, rows that are looked up are first scaled
    down to that norm, in place; `scale_grad_by_freq` divides each row's gradient by how often the row was looked up.

    >>> minitorch.nn.Embedding(10, 3)(minitorch.tensor([[1, 2], [4, 5]])).shape
    minitorch.Size([2, 2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _refuse_sparse(sparse)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _padding_row(padding_idx, num_embeddings, "Padding_idx must be within num_embeddings")
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(minitorch.empty(shape, device=device, dtype=dtype), requires_grad=not _freeze)
            self.reset_parameters()
        else:
            assert tuple(_weight.shape) == shape, "Shape of weight does not match num_embeddings and embedding_dim"
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table; the padding row is 0."""
        _draw(self.weight, self.padding_idx)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding on a given table, not trained unless `freeze=False`."""
        assert embeddings.ndim == 2, "Embeddings parameter is expected to be 2-dimensional"
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        unusual = {
            "padding_idx": (self.padding_idx, None),
            "max_norm": (self.max_norm, None),
            "norm_type": (self.norm_type, 2),
            "scale_grad_by_freq": (self.scale_grad_by_freq, False),
        }
        parts += [f"{name}={value}" for name, (value, usual) in unusual.items() if value != usual]
        return ", ".join(parts)


class EmbeddingBag(Module):
    """The mean (mode "sum": sum, "max": maximum) of the rows that a bag numbers: input (B, n), or (N) with offsets (B) → (B, D).

    The weight (num_embeddings, embedding_dim) is from N(0, 1). The row `padding_idx` does not count. `max_norm`, `norm_type` and
    `scale_grad_by_freq` as in `Embedding`; per_sample_weights, in the shape of the input, are factors, for sums.

    >>> bag = minitorch.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(minitorch.tensor([1, 2, 4, 5, 4]), minitorch.tensor([0, 3])).shape
    minitorch.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = _padding_row(padding_idx, num_embeddings, "padding_idx must be within num_embeddings")
        _refuse_sparse(sparse)
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(minitorch.empty(shape, device=device, dtype=dtype))
            self.reset_parameters()
        else:
            assert tuple(_weight.shape) == shape, "Shape of weight does not match num_embeddings and embedding_dim"
            self.weight = Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    def reset_parameters(self) -> None:
        """Draw the table; the padding row is 0."""
        _draw(self.weight, self.padding_idx)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag on a given table, not trained unless `freeze=False`."""
        assert embeddings.ndim == 2, "Embeddings parameter is expected to be 2-dimensional"
        options = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset, padding_idx)
        rows, columns = embeddings.shape
        made = cls(rows, columns, *options)
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        unusual = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": "", "padding_idx": None}
        given = [f"{name}={getattr(self, name)!r}" for name, usual in unusual.items() if getattr(self, name) != usual]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *given])


def _padding_row(padding_idx: int | None, rows: int, words: str) -> int | None:
    """The row's number, counted from the front."""
    if padding_idx is None:
        return None
    assert -rows <= padding_idx < rows, words
    return padding_idx + rows if padding_idx < 0 else padding_idx


def _refuse_sparse(sparse: bool) -> None:
    if sparse:
        raise NotImplementedError("minitorch has no sparse gradients; use sparse=False")


def _draw(weight: Tensor, padding_idx: int | None) -> None:
    init.normal_(weight)
    if padding_idx is not None:
        with no_grad():
            weight[padding_idx].fill_(0)
