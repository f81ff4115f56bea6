"""Embeddings of 8 bits: each row has a scale and a zero point of its own, and comes out as floats."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch
from minitorch import nn
from minitorch.arrays.quantized import PerChannel, QArray
from minitorch.nn import functional as F
from minitorch.tensor import Tensor

from .utils import KeepsMore, _quantize_weight, refuse_unless

__all__ = ["Embedding", "EmbeddingBag", "EmbeddingPackedParams"]


class EmbeddingPackedParams(KeepsMore):
    """The weight of a quantized embedding."""

    _version = 1

    def __init__(self, num_embeddings: int, embedding_dim: int, dtype: Any = minitorch.quint8) -> None:
        super().__init__()
        if dtype is not minitorch.quint8:
            raise NotImplementedError(f"Unsupported dtype on quantized embedding! Supports quint8, got {dtype!r}")
        self.dtype = dtype
        rows = np.ones(num_embeddings, np.float32), np.zeros(num_embeddings, np.float32)
        zeros = np.zeros((num_embeddings, embedding_dim), np.uint8)
        self.set_weight(Tensor._wrap(QArray(zeros, PerChannel(*rows, 0), dtype)))

    def set_weight(self, weight: Tensor) -> None:
        """Take another weight: quint8, with a scale and a float zero point for each row."""
        if not weight.is_quantized or weight.dtype is not self.dtype:
            raise RuntimeError(f"Unsupported dtype on quantized embedding! Supports quint8, got {weight.dtype!r}")
        self._packed_weight = weight

    def _weight(self) -> Tensor:
        return self._packed_weight

    def forward(self, x: Tensor) -> Tensor:
        """x itself."""
        return x

    def _more_state(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "_packed_weight": self._packed_weight}

    def _take_state(self, given: dict[str, Any]) -> None:
        self.set_weight(given["_packed_weight"])


class Embedding(nn.Module):
    """Rows of a table, by number: integers in memory, floats when they are read."""

    _version = 1

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
        dtype: Any = minitorch.quint8,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.dtype = num_embeddings, embedding_dim, dtype
        self._packed_params = EmbeddingPackedParams(num_embeddings, embedding_dim, dtype)
        if _weight is not None:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise AssertionError(
                    f"Shape of weight does not match num_embeddings and embedding_dim: expected {[num_embeddings, embedding_dim]}, got "
                    f"{list(_weight.shape)}"
                )
            self._packed_params.set_weight(_weight)

    def forward(self, indices: Tensor) -> Tensor:
        """The rows, as floats."""
        return F.embedding(indices, self.weight().dequantize())

    def set_weight(self, w: Tensor) -> None:
        """Take another table."""
        self._packed_params.set_weight(w)

    def weight(self) -> Tensor:
        """The table, quantized."""
        return self._packed_params._weight()

    def _get_name(self) -> str:
        return "QuantizedEmbedding"

    def extra_repr(self) -> str:
        return (
            f"num_embeddings={self.num_embeddings}, embedding_dim={self.embedding_dim}, dtype={self.dtype}, "
            f"qscheme={self.weight().qscheme()}"
        )

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float one."""
        expected = nn.EmbeddingBag if cls is EmbeddingBag else nn.Embedding
        refuse_unless(
            isinstance(mod, expected),
            f"nnq.{cls.__name__}.from_float only works for {expected.__name__}, got {type(mod).__name__}",
        )
        refuse_unless(hasattr(mod, "qconfig"), "Embedding input float module must have qconfig defined")
        observer = mod.qconfig.weight()
        refuse_unless(
            getattr(observer, "qscheme", None) is minitorch.per_channel_affine_float_qparams,
            "Embedding quantization is only supported with float_qparams_weight_only_qconfig.",
        )
        observer(mod.weight)
        made = cls(mod.num_embeddings, mod.embedding_dim)
        made.set_weight(_quantize_weight(mod.weight.float(), observer))
        if cls is EmbeddingBag:
            made.mode, made.include_last_offset = mod.mode, mod.include_last_offset
        return made


class EmbeddingBag(Embedding):
    """Sums of rows of a table of 8 bits."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "sum",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        dtype: Any = minitorch.quint8,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, _weight=_weight, dtype=dtype)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(  # type: ignore[override]
        self, indices: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """The sums, as floats. (torch's kernel sums whatever the mode is.)"""
        return F.embedding_bag(
            indices,
            self.weight().dequantize(),
            offsets,
            mode="sum",
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
        )

    def _get_name(self) -> str:
        return "QuantizedEmbeddingBag"
