"""Rows of normalisations."""

from __future__ import annotations

from .drawing import flags, one_of, optional, required, shaped
from .run import Row

affine = {"eps": one_of([1e-5, 1e-3]), "bias": flags}
batch_norm = required(
    {"num_features": 4}, momentum=one_of([0.1, 0.5, None]), affine=flags, track_running_stats=flags, **affine
)
instance_norm = required(
    {"num_features": 4}, momentum=one_of([0.1, 0.5, None]), affine=flags, track_running_stats=flags, **affine
)
response = {"alpha": one_of([1e-4, 1.0]), "beta": one_of([0.75, 2]), "k": one_of([1, 0.5])}
response_norm = required({"size": one_of([0, 1, 2, 3, 4, 5, 8])}, **response)
cross_map_norm = required({"size": one_of([2, 3, 4, 5, 8])}, **response)  # torch's has no derivative for size 1


def lazy(name: str, n: int) -> Row:
    """The lazy layer of that name, for n spatial dimensions."""
    options = optional(momentum=one_of([0.1, None]), affine=flags, track_running_stats=flags, **affine)
    return Row(f"Lazy{name}", options, shaped((3, 4, 5, 2, 2)[: n + 2], (4, 5, 2, 2)[: n + 1], (3, 4)))


ROWS = [
    Row("BatchNorm1d", batch_norm, shaped((5, 4), (3, 4, 2), (1, 4), (1, 4, 3), (4,), (5, 3))),
    Row("BatchNorm2d", batch_norm, shaped((3, 4, 2, 2), (1, 4, 1, 1), (5, 4))),
    Row("BatchNorm3d", batch_norm, shaped((2, 4, 2, 1, 2), (5, 4))),
    Row("SyncBatchNorm", batch_norm, shaped((5, 4), (3, 4, 2), (2, 4, 1, 3), (4,), (5, 0), (5, 3))),
    Row(
        "InstanceNorm1d",
        instance_norm,
        shaped((3, 4, 5), (4, 5), (3, 4, 1), (4, 1), (3, 3, 5), (3, 5), (5,), (0, 4, 3), (2, 4, 0)),
    ),
    Row("InstanceNorm2d", instance_norm, shaped((3, 4, 5, 2), (4, 5, 2), (3, 4, 1, 1), (3, 3, 5, 2), (3, 5))),
    Row("InstanceNorm3d", instance_norm, shaped((3, 4, 5, 2, 2), (4, 5, 2, 2), (3, 4, 1, 1, 1), (3, 5))),
    *(lazy(f"BatchNorm{n}d", n) for n in (1, 2, 3)),
    *(lazy(f"InstanceNorm{n}d", n) for n in (1, 2, 3)),
    Row("LocalResponseNorm", response_norm, shaped((3, 4, 2), (2, 5, 2, 3), (1, 4, 2, 1, 2), (3, 4), (0, 3, 4))),
    Row("CrossMapLRN2d", cross_map_norm, shaped((2, 5, 2, 3), (1, 1, 2, 2), (1, 9, 1, 1), (3, 4, 2))),
    Row(
        "LayerNorm",
        required({"normalized_shape": one_of([4, (3, 4)])}, elementwise_affine=flags, **affine),
        shaped((2, 3, 4), (3, 4), (2, 4), (5,)),
    ),
    Row(
        "GroupNorm",
        required({"num_groups": one_of([1, 2, 4, 3]), "num_channels": 4}, affine=flags, **affine),
        shaped((2, 4, 3), (3, 4, 2, 2), (5, 3, 2)),
    ),
    Row(
        "RMSNorm",
        required({"normalized_shape": one_of([4, (3, 4)])}, elementwise_affine=flags, eps=one_of([None, 1e-3])),
        shaped((2, 3, 4), (3, 4), (5,)),
    ),
]
