"""`HistogramObserver`: a histogram of all numbers seen, and the range for which quantizing them errs least.

A few numbers far out would make the scale large for all others. So the ends are moved inwards as long as the mean square error falls: what
the many gain is more than what the few lose that are cut off. Read next: `observer_base.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch
from minitorch.arrays.warning import warn
from minitorch.tensor import Tensor

from .observer_base import EPS, PER_TENSOR, UniformQuantizationObserverBase

STEP = 1e-5  # what part of the numbers is cut off at once
FINER = 16  # a histogram is split so finely before its bins are assigned to wider ones


class HistogramObserver(UniformQuantizationObserverBase):
    """Remembers how many numbers fell into each of `bins` bins between the smallest and the largest."""

    schemes = PER_TENSOR
    histogram: Tensor

    def __init__(
        self,
        bins: int = 2048,
        dtype: Any = minitorch.quint8,
        qscheme: Any = minitorch.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict | None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError("HistogramObserver doesn't support dynamic quantization")
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self.bins = bins
        self.register_buffer("histogram", minitorch.zeros(bins, **(factory_kwargs or {})))
        self.register_buffer("min_val", minitorch.tensor(float("inf"), **(factory_kwargs or {})))
        self.register_buffer("max_val", minitorch.tensor(float("-inf"), **(factory_kwargs or {})))
        self.dst_nbins = 2 ** minitorch.iinfo(dtype).bits
        self.upsample_rate = FINER

    # ---- what is remembered ----

    def forward(self, x_orig: Tensor) -> Tensor:
        """Count the numbers of x into the bins, which are made wider if x reaches further."""
        x = x_orig.detach()
        if x.isinf().any():
            warn("torch.inf detected in input tensor, ignoring input")
            x = x[~x.isinf()]
        if not x.numel():
            return x_orig
        low, high = minitorch.aminmax(x)
        if self._is_new():
            self._remember(low, high, self._counted(x, low, high))
            return x_orig
        low, high = minitorch.min(self.min_val, low), minitorch.max(self.max_val, high)
        counted = self._counted(x, low, high)
        self._remember(low, high, counted + self._spread(low, high))
        return x_orig

    def _is_new(self) -> bool:
        return self.min_val.item() == float("inf") or self.max_val.item() == float("-inf")

    def _counted(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return minitorch.histc(x, self.bins, low.item(), high.item())

    def _remember(self, low: Tensor, high: Tensor, histogram: Tensor) -> None:
        self.min_val.resize_as_(low).copy_(low)
        self.max_val.resize_as_(high).copy_(high)
        self.histogram.resize_as_(histogram).copy_(histogram)

    def _spread(self, low: Tensor, high: Tensor) -> Tensor:
        """What was counted so far, in bins from `low` to `high`: each old bin is split finely, and each part goes where its middle lies."""
        if low.item() == self.min_val.item() and high.item() == self.max_val.item():
            return self.histogram
        if self.min_val.item() == self.max_val.item():
            return minitorch.histc(self.min_val, self.bins, low.item(), high.item()) * self.histogram.sum()
        parts = self.bins * FINER
        width = (self.max_val - self.min_val) / parts
        middles = minitorch.linspace(self.min_val.item(), self.max_val.item(), parts + 1)[:-1] + 0.5 * width
        ends = minitorch.linspace(low.item(), high.item(), self.bins + 1)
        bin_of = (minitorch.bucketize(middles, ends, right=True) - 1).clamp(0, self.bins - 1)
        counts = self.histogram.repeat_interleave(FINER) / FINER
        return minitorch.bincount(bin_of, weights=counts, minlength=self.bins)

    # ---- the range ----

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero point) for the range that errs least."""
        if self._is_new():
            return self._calculate_qparams(self.min_val, self.max_val)  # which warns
        if self.bins != len(self.histogram):
            raise AssertionError(
                f"The number of bins in histogram should be equal to the number of bins supplied while making this observer: "
                f"{len(self.histogram)} and {self.bins}"
            )
        return self._calculate_qparams(*self._best_range())

    def _best_range(self) -> tuple[Tensor, Tensor]:
        """Cut off one small part of the numbers after another, at the end where more bins go with it, until the error grows."""
        below = minitorch.cumsum(self.histogram, dim=0)._array
        total = self.histogram.sum().item()
        first, last = 0, self.bins - 1
        cut_below, cut_above, least = 0.0, 1.0, float("inf")
        while cut_below < cut_above:
            next_below, next_above = cut_below + STEP, cut_above - STEP
            # Where so many numbers lie below; and the last bin where not more than so many do.
            left = first + int(np.searchsorted(below[first:last], np.float32(next_below * total), "left"))
            right = first + max(
                int(np.searchsorted(below[first : last + 1], np.float32(next_above * total), "right")) - 1, 0
            )
            if left - first > last - right:
                candidate, cut_below = (left, last), next_below
            else:
                candidate, cut_above = (first, right), next_above
            if candidate == (first, last):
                continue
            error = self._error(*candidate)
            if error > least:
                break
            least, (first, last) = error, candidate
        width = (self.max_val - self.min_val) / self.bins
        return self.min_val + width * first, self.min_val + width * (last + 1)

    def _error(self, first: int, last: int) -> float:
        """Σ (x − quantized x)² over the histogram, if the integers are spread over the bins from `first` to `last`.

        Within a bin the numbers are taken to lie evenly, so that each part of it between two integers' borders is an integral of x².
        """
        width = (self.max_val.item() - self.min_val.item()) / self.bins
        step = width * (last - first + 1) / self.dst_nbins
        if step == 0.0:
            return 0.0
        begin = (minitorch.arange(self.bins) - first) * width
        end = begin + width
        of_begin = minitorch.div(begin, step, rounding_mode="floor").clamp(0, self.dst_nbins - 1)
        of_end = minitorch.div(end, step, rounding_mode="floor").clamp(0, self.dst_nbins - 1)
        density = self.histogram / width
        half = step / 2
        error = density * _third_of_cubes(begin - (of_begin + 0.5) * step, minitorch.ones(self.bins) * half)
        error = error + (of_end - of_begin - 1) * (
            density * _third_of_cubes(minitorch.tensor(-half), minitorch.tensor(half))
        )
        error = error + density * _third_of_cubes(minitorch.tensor(-half), end - (of_end * step + half))
        return error.sum().item()


def _third_of_cubes(begin: Tensor, end: Tensor) -> Tensor:
    """∫ x² dx from begin to end."""
    return (end * end * end - begin * begin * begin) / 3
