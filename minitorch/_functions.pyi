# fmt: off
"""The public functions, written by `python -m reference stubs`: only type checkers and editors read this file."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .arrays import dtypes
from .arrays.layout import memory_format
from .random import Generator
from .tensor import Tensor

Number: TypeAlias = float | Tensor  # a tensor of one element and no dimensions stands for a number
Dims: TypeAlias = int | Sequence[int]
Sizes: TypeAlias = Sequence[int]
Flag: TypeAlias = bool
FlagByPosition: TypeAlias = bool
Reduction: TypeAlias = str

__all__ = [
    "abs", "abs_", "absolute", "acos", "acos_", "acosh", "acosh_", "adaptive_avg_pool1d", "adaptive_max_pool1d", "add",
    "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addmv_", "addr", "adjoint", "affine_grid_generator", "alias_copy",
    "all", "allclose", "alpha_dropout", "amax", "amin", "aminmax", "angle", "any", "arccos", "arccos_", "arccosh",
    "arccosh_", "arcsin", "arcsin_", "arcsinh", "arcsinh_", "arctan", "arctan2", "arctan_", "arctanh", "arctanh_", "argmax",
    "argmin", "argsort", "argwhere", "as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter", "asin", "asin_",
    "asinh", "asinh_", "atan", "atan2", "atan_", "atanh", "atanh_", "atleast_1d", "atleast_2d", "atleast_3d", "avg_pool1d",
    "baddbmm", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "bincount",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "block_diag",
    "bmm", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "bucketize", "cartesian_prod", "cat", "cdist", "ceil",
    "ceil_", "celu", "chain_matmul", "channel_shuffle", "cholesky", "cholesky_inverse", "cholesky_solve", "chunk", "clamp",
    "clamp_", "clamp_max", "clamp_max_", "clamp_min", "clamp_min_", "clip", "clip_", "clone", "column_stack", "combinations",
    "concat", "concatenate", "conj", "conj_physical", "conj_physical_", "constant_pad_nd", "contiguous", "conv1d", "conv2d",
    "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "copysign", "corrcoef",
    "cos", "cos_", "cosh", "cosh_", "cosine_embedding_loss", "cosine_similarity", "count_nonzero", "cov", "cross",
    "cross_entropy", "ctc_loss", "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "deg2rad", "deg2rad_",
    "det", "detach_", "detach_copy", "diag", "diag_embed", "diagflat", "diagonal", "diagonal_copy", "diagonal_scatter",
    "diff", "digamma", "dist", "div", "divide", "dot", "dropout", "dsplit", "dstack", "einsum", "elu", "embedding",
    "embedding_bag", "eq", "equal", "erf", "erf_", "erfc", "erfc_", "erfinv", "exp", "exp2", "exp2_", "exp_", "expand",
    "expand_copy", "expm1", "expm1_", "fake_quantize_per_channel_affine", "fake_quantize_per_tensor_affine",
    "feature_alpha_dropout", "feature_dropout", "fill", "fill_", "fix", "fix_", "flatten", "flip", "fliplr", "flipud",
    "float_power", "floor", "floor_", "floor_divide", "fmax", "fmin", "fmod", "frac", "frac_", "frexp", "frobenius_norm",
    "gather", "gaussian_nll_loss", "gcd", "gcd_", "ge", "gelu", "geqrf", "ger", "glu", "gradient", "greater",
    "greater_equal", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "group_norm", "gru", "gru_cell", "gt",
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "heaviside", "hinge_embedding_loss", "histc", "histogram",
    "hsplit", "hstack", "huber_loss", "hypot", "i0", "i0_", "igamma", "igammac", "index_add", "index_copy", "index_fill",
    "index_put", "index_put_", "index_reduce", "index_select", "inner", "instance_norm", "inverse", "is_complex",
    "is_floating_point", "is_inference", "isclose", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal",
    "kl_div", "kron", "kthvalue", "l1_loss", "layer_norm", "lcm", "lcm_", "ldexp", "ldexp_", "le", "leaky_relu", "lerp",
    "less", "less_equal", "lgamma", "linear", "linear_cross_entropy", "log", "log10", "log10_", "log1p", "log1p_", "log2",
    "log2_", "log_", "log_softmax", "logaddexp", "logaddexp2", "logcumsumexp", "logdet", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "logit_", "logsigmoid", "logsumexp", "lstm", "lstm_cell", "lt", "lu", "lu_solve",
    "lu_unpack", "margin_ranking_loss", "masked_fill", "masked_scatter", "masked_select", "matmul", "matrix_exp",
    "matrix_power", "max", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "maximum", "mean", "median",
    "meshgrid", "min", "minimum", "mish", "mm", "mode", "moveaxis", "movedim", "mse_loss", "msort", "mul",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "multiply", "mv", "mvlgamma", "nan_to_num",
    "nan_to_num_", "nanmean", "nanmedian", "nanquantile", "nansum", "narrow", "narrow_copy", "native_channel_shuffle", "ne",
    "neg", "neg_", "negative", "negative_", "nextafter", "nll_loss", "nonzero", "nonzero_static", "norm", "norm_except_dim",
    "normalize", "not_equal", "nuclear_norm", "numel", "one_hot", "orgqr", "ormqr", "outer", "pairwise_distance", "pdist",
    "permute", "permute_copy", "pinverse", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "polygamma", "positive",
    "pow", "prelu", "prod", "put", "qr", "quantile", "rad2deg", "rad2deg_", "ravel", "real", "reciprocal", "reciprocal_",
    "relu", "relu6", "relu_", "remainder", "renorm", "repeat", "repeat_interleave", "reshape", "resize_as_", "resolve_conj",
    "resolve_neg", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell", "roll", "rot90", "round", "round_",
    "row_stack", "rrelu", "rsqrt", "rsqrt_", "rsub", "scaled_dot_product_attention", "scatter", "scatter_add",
    "scatter_reduce", "searchsorted", "select", "select_copy", "select_scatter", "selu", "sgn", "sigmoid", "sigmoid_",
    "sign", "signbit", "silu", "sin", "sin_", "sinc", "sinc_", "sinh", "sinh_", "slice_copy", "slice_scatter", "slogdet",
    "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "sort", "split",
    "split_copy", "split_with_sizes", "split_with_sizes_copy", "sqrt", "sqrt_", "square", "square_", "squeeze",
    "squeeze_copy", "stack", "std", "std_mean", "sub", "subtract", "sum", "svd", "swapaxes", "swapdims", "t", "t_copy",
    "take", "take_along_dim", "tan", "tan_", "tanh", "tanh_", "tanhshrink", "tensor_split", "tensordot", "threshold", "tile",
    "topk", "trace", "transpose", "transpose_copy", "trapezoid", "trapz", "triangular_solve", "tril", "triplet_margin_loss",
    "triplet_margin_with_distance_loss", "triu", "true_divide", "trunc", "trunc_", "trunc_divide", "unbind", "unbind_copy",
    "unflatten", "unfold_copy", "unique", "unique_consecutive", "unravel_index", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "unsqueeze", "unsqueeze_copy", "vander", "var", "var_mean", "vdot", "view", "view_copy",
    "vsplit", "vstack", "where", "xlogy", "xlogy_", "zero_"
]

def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """|x|"""

def abs_(input: Tensor) -> Tensor:
    """|x|"""

def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """arccos x"""

def acos_(input: Tensor) -> Tensor:
    """arccos x"""

def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """arcosh x"""

def acosh_(input: Tensor) -> Tensor:
    """arcosh x"""

def adaptive_avg_pool1d(input: Tensor, output_size: Dims) -> Tensor:
    """The mean of each of `output_size` windows that cover x (N, C, L) or (C, L)."""

def adaptive_max_pool1d(input: Tensor, output_size: Dims) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each of `output_size` windows that cover x (N, C, L) or (C, L), and its number in L."""

def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """a + α·b"""

def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """β · input + α · Σ_n batch1_n batch2_n"""

def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None) -> Tensor:
    """input + value · tensor1 / tensor2"""

def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None) -> Tensor:
    """input + value · tensor1 · tensor2"""

def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """β · input + α · mat1 mat2"""

def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """β · input + α · mat vec"""

def addmv_(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """β · input + α · mat vec"""

def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """β · input + α · vec1 vec2ᵀ; of bools alone: whether either is true."""

def adjoint(input: Tensor) -> Tensor:
    """mT; complex numbers would be conjugated, and there are none here."""

def affine_grid_generator(theta: Tensor, size: Sizes, align_corners: bool, *, out: Tensor | None = None) -> Tensor:
    """grid[n, i, j] = θₙ · (x_j, y_i, 1): where the affine map θₙ (2, 3) takes each place of an image (N, C, H, W); volumes alike"""

def alias_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `alias` would show."""

def all(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether all over `dim` are true (not 0)."""

def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see `isclose`)."""

def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """a · (x where kept, SELU's saturation −1.758 where dropped) + b: keeps the mean 0 and variance 1 of SELU networks."""

def amax(input: Tensor, dim: Dims | None = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The largest over `dim` (an int, several, or () for all); ties share the gradient equally."""

def amin(input: Tensor, dim: Dims | None = (), keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The smallest over `dim` (an int, several, or () for all); ties share the gradient equally."""

class _aminmax(NamedTuple):
    min: Tensor
    max: Tensor

def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: tuple[Tensor, Tensor] | None = None) -> _aminmax:
    """(smallest, largest) over `dim`."""

def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 where x ≥ 0, π where x < 0"""

def any(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether any over `dim` is true (not 0)."""

def arccos_(input: Tensor) -> Tensor:
    """arccos x"""

def arccosh_(input: Tensor) -> Tensor:
    """arcosh x"""

def arcsin_(input: Tensor) -> Tensor:
    """arcsin x"""

def arcsinh_(input: Tensor) -> Tensor:
    """arsinh x"""

def arctan_(input: Tensor) -> Tensor:
    """arctan x"""

def arctanh_(input: Tensor) -> Tensor:
    """artanh x"""

def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The index of the (first) largest over `dim`, or in the flattened tensor."""

def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The index of the (first) smallest over `dim`, or in the flattened tensor."""

def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False, out: Tensor | None = None) -> Tensor:
    """The indices that put x in order along `dim`."""

def argwhere(input: Tensor) -> Tensor:
    """The index of each element that is not 0, one per row: (K, ndim)."""

def as_strided(input: Tensor, size: Sizes, stride: Sizes, storage_offset: int | None = None) -> Tensor:
    """out[i, j, …] = memory[storage_offset + i·stride[0] + j·stride[1] + …]: a view of the memory that x is a part of."""

def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """out[i, j, …] = memory[storage_offset + i·stride[0] + j·stride[1] + …]: a view of the memory that x is a part of."""

def as_strided_copy(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `as_strided` would show."""

def as_strided_scatter(input: Tensor, src: Tensor, size: Sizes, stride: Sizes, storage_offset: int | None = None) -> Tensor:
    """x with src in place of x.as_strided(size, stride, storage_offset)."""

def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """arcsin x"""

def asin_(input: Tensor) -> Tensor:
    """arcsin x"""

def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """arsinh x"""

def asinh_(input: Tensor) -> Tensor:
    """arsinh x"""

def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """arctan x"""

def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the angle of the point (b, a)"""

def atan_(input: Tensor) -> Tensor:
    """arctan x"""

def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """artanh x"""

def atanh_(input: Tensor) -> Tensor:
    """artanh x"""

def atleast_1d(*tensors: Tensor) -> Any:
    """0-d tensors made 1-d; others as they are. One tensor gives one, several give a tuple."""

def atleast_2d(*tensors: Tensor) -> Any:
    """Vectors made rows, 0-d tensors 1×1; others as they are."""

def atleast_3d(*tensors: Tensor) -> Any:
    """As `atleast_2d`, and matrices get a last dimension of size 1."""

def avg_pool1d(input: Tensor, kernel_size: Dims, stride: Dims | None = (), padding: Dims = 0, ceil_mode: bool = False, count_include_pad: bool = True) -> Tensor:
    """The mean of each window of `kernel_size` elements of x (N, C, L) or (C, L); padding counts as zeros, unless told."""

def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """β · input + α · batch1_n batch2_n"""

def batch_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool = True) -> Tensor:
    """Each channel (dimension 1) standardized over the batch, or with the running statistics; then · w + b."""

def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x₁ᵀ W_k x₂ + b_k: x₁ (…, I), x₂ (…, J), W (K, I, J), y (…, K)."""

def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """−w (y ln p + (1 − y) ln(1 − p)), with each logarithm at least −100, so that no loss is infinite."""

def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: int = 0) -> Tensor:
    """−w (v y ln σ(x) + (1 − y) ln(1 − σ(x))) for logits x, without computing σ: finite for every finite x. The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, … occurs in a vector, or the sum of the weights there."""

def bitwise_and(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """bits set in a and in b"""

def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a · 2ᵇ"""

def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the bits of x, flipped"""

def bitwise_or(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """bits set in a or in b"""

def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """⌊a / 2ᵇ⌋"""

def bitwise_xor(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """bits set in one of a and b"""

def block_diag(*tensors: Tensor) -> Tensor:
    """The matrices along the diagonal of a larger one, 0 elsewhere; vectors count as rows."""

def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """C_n = a_n b_n for batches of matrices a (B, N, K) and b (B, K, M)."""

def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that tensors of these shapes have together; RuntimeError if they have none."""

def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each tensor expanded to the shape they have together; one that has it comes back itself."""

def broadcast_to(input: Tensor, size: Sizes) -> Tensor:
    """`expand` under NumPy's name."""

def bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Tensor | None = None) -> Tensor:
    """The number of the bucket of each value: `searchsorted` of it among the boundaries."""

def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element of each vector, a row each, the last changing fastest. Of one vector: itself."""

def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after the other along `dim`. Empty 1-d tensors are skipped, as ever in torch."""

def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: Any = 'use_mm_for_euclid_dist_if_necessary') -> Tensor:
    """‖a_i − b_j‖_p of every row of a (…, N, D) and every row of b (…, M, D): (…, N, M). Batches broadcast."""

def ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """⌈x⌉"""

def ceil_(input: Tensor) -> Tensor:
    """⌈x⌉"""

def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x for x > 0, α (e^(x/α) − 1) otherwise"""

def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """`linalg.multi_dot` of matrices, in its old form."""

def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """out[:, k groups + i] = x[:, i C / groups + k]: the channels of x (N, C, …) dealt from groups in turn (Zhang et al., 2018)"""

def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The old form of `linalg.cholesky`."""

def cholesky_inverse(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """A⁻¹, where A = L Lᵀ (`upper`: Lᵀ L) and L is given"""

def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with A X = B, where A = L Lᵀ (`upper`: Lᵀ L) and L is `input2`"""

def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`; the last may be smaller."""

def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None, *, out: Tensor | None = None) -> Tensor:
    """min(max(x, lower), upper): x moved into [lower, upper]; each bound is a number, a tensor or None."""

def clamp_(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, lower), upper): x moved into [lower, upper]; each bound is a number, a tensor or None."""

def clamp_max(input: Tensor, max: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """min(x, max)"""

def clamp_max_(input: Tensor, max: Any) -> Tensor:
    """min(x, max)"""

def clamp_min(input: Tensor, min: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """max(x, min)"""

def clamp_min_(input: Tensor, min: Any) -> Tensor:
    """max(x, min)"""

def clip_(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, lower), upper): x moved into [lower, upper]; each bound is a number, a tensor or None."""

def clone(input: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """x, in memory of its own"""

def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors beside each other, vectors as columns."""

def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector in its order, a row each; with_replacement: one may be chosen again."""

def conj(input: Tensor) -> Tensor:
    """x itself: the conjugate of a real number."""

def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x itself: the conjugate of a real number."""

def conj_physical_(input: Tensor) -> Tensor:
    """x itself: the conjugate of a real number."""

def constant_pad_nd(input: Tensor, pad: Sizes, value: Number = 0, *, out: Tensor | None = None) -> Tensor:
    """`value` around x"""

def contiguous(input: Tensor, *, memory_format: memory_format = ...) -> Tensor:
    """x itself if it lies in memory in row-major order, or in the format that is told, else a copy that does."""

def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0, dilation: Dims = 1, groups: int = 1) -> Tensor:
    """y_o = Σ_c w_oc ⋆ x_c + b_o, a kernel that slides over x (N, C, L), or (C, L); w (O, C / groups, *kernel)."""

def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0, dilation: Dims = 1, groups: int = 1) -> Tensor:
    """y_o = Σ_c w_oc ⋆ x_c + b_o, a kernel that slides over x (N, C, H, W), or (C, H, W); w (O, C / groups, *kernel)."""

def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0, dilation: Dims = 1, groups: int = 1) -> Tensor:
    """y_o = Σ_c w_oc ⋆ x_c + b_o, a kernel that slides over x (N, C, D, H, W), or (C, D, H, W); w (O, C / groups, *kernel)."""

def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """`conv1d` of x (time, batch, channels) with w (kernel, in, out) and b: the time comes first."""

def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0, output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """The derivative of `conv1d` by its input: each pixel of x lays down w (C, O / groups, *kernel) times itself; they add up."""

def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0, output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """The derivative of `conv2d` by its input: each pixel of x lays down w (C, O / groups, *kernel) times itself; they add up."""

def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0, output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """The derivative of `conv3d` by its input: each pixel of x lays down w (C, O / groups, *kernel) times itself; they add up."""

def convolution(input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes, padding: Sizes, dilation: Sizes, transposed: bool, output_padding: Sizes, groups: int) -> Tensor:
    """x (N, C, *size) with w (O, C / groups, *kernel), or transposed with w (C, O / groups, *kernel) → (N, O, *size'), plus b."""

def copysign(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """|a| with the sign of b (of −0 too)."""

def corrcoef(input: Tensor) -> Tensor:
    """C_ij / √(C_ii C_jj), C being the covariances: how far the variables are linear functions of each other, from −1 to 1."""

def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """cos x"""

def cos_(input: Tensor) -> Tensor:
    """cos x"""

def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """cosh x"""

def cosh_(input: Tensor) -> Tensor:
    """cosh x"""

def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: int = 0) -> Tensor:
    """1 − cos(x₁, x₂) where y is 1, max(0, cos(x₁, x₂) − margin) where it is −1, for rows (N, D) and y (N), or (D) and y (). The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08) -> Tensor:
    """⟨x₁, x₂⟩ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`"""

def count_nonzero(input: Tensor, dim: Dims | None = None) -> Tensor:
    """How many over `dim` are not 0."""

def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """C_ij = Σ_k w_k (x_ik − x̄_i) (x_jk − x̄_j) / (Σ w − correction), where x̄_i = Σ_k w_k x_ik / Σ w"""

def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """a × b of the vectors along `dim`, of three elements; by default along the first dimension that has three."""

def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Flag | None = None, ignore_index: int = -100, reduce: Flag | None = None, reduction: Reduction = 'mean', label_smoothing: float = 0.0) -> Tensor:
    """−ln softmax(x)_y of logits x (N, C, …) at classes y (N, …) (int64), or −Σ_c q_c ln p_c for probabilities q like x."""

def ctc_loss(log_probs: Tensor, targets: Tensor, input_lengths: Tensor | Sizes, target_lengths: Tensor | Sizes, blank: int = 0, reduction: int = 0, zero_infinity: bool = False) -> Tensor:
    """−ln Σ of the probabilities of all alignments of each target with its input (Graves et al., 2006); `log_probs` (T, N, C) or (T, C). The reduction is a number: 0 none, 1 the mean, 2 the sum."""

class _cummax(NamedTuple):
    values: Tensor
    indices: Tensor

def cummax(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> _cummax:
    """The largest so far along `dim`, and the index of its last occurrence so far."""

class _cummin(NamedTuple):
    values: Tensor
    indices: Tensor

def cummin(input: Tensor, dim: int, *, out: tuple[Tensor, Tensor] | None = None) -> _cummin:
    """The smallest so far along `dim`, and the index of its last occurrence so far."""

def cumprod(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """out_i = x_0 · … · x_i along `dim`; integers and bools multiply to int64."""

def cumsum(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """out_i = x_0 + … + x_i along `dim`; integers and bools sum to int64."""

def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """out_k = Σ_{i≤k} (x_{i+1} − x_i) (y_i + y_{i+1}) / 2 along `dim`. Without x the steps are all dx, or 1."""

def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x · π / 180"""

def deg2rad_(input: Tensor) -> Tensor:
    """x · π / 180"""

def det(input: Tensor) -> Tensor:
    """`linalg.det`: the determinant of matrices (*, N, N)"""

def detach_(input: Tensor) -> Tensor:
    """Cut this tensor itself out of the graph. (Where there is none, in inference mode, it stays as it is.)"""

def detach_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `detach` would show."""

def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A vector's diagonal matrix, or a copy of a matrix's diagonal."""

def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices that are zero but for a diagonal, which is the last dimension of x."""

def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A square matrix with all elements of x on a diagonal, 0 elsewhere."""

def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements x[…, i, i + offset] of the matrices that dim1 and dim2 span, as the last dimension."""

def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `diagonal` would show."""

def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Tensor | None = None) -> Tensor:
    """x with src in place of x.diagonal(offset, dim1, dim2)."""

def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """out_i = x_{i+1} − x_i along `dim`, n times over; `prepend` and `append` are joined to x before. Bools: whether they differ."""

def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ψ(x) = d/dx ln Γ(x)"""

def dist(input: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """‖input − other‖_p"""

def div(input: Tensor | float, other: Tensor | float, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """a / b; rounded down with rounding_mode=\"floor\", towards zero with \"trunc\". Integers divide to floats."""

def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Σ a_i b_i of two vectors."""

def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """x with each element zeroed with probability p and the others divided by 1 − p, so that the mean stays."""

def dsplit(input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 2: so many of one size, or cut at the indices."""

def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors behind each other, along dimension 2."""

def einsum(equation: Any = '', *operands: Any) -> Tensor:
    """Einstein's sum: `einsum(\"ij,jk->ik\", a, b)` multiplies, and sums over the letters missing on the right."""

def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x for x > 0, α (eˣ − 1) otherwise"""

def embedding(weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of `weight` that `indices` name: (*indices, D). The row padding_idx gets no gradient."""

def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0, sparse: bool = False, per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum (mode 0), mean (1) or maximum (2) of the rows of `weight` (V, D) in each bag: (B, D). Empty bags give 0."""

def eq(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a = b"""

def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and the same elements."""

def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2/√π ∫₀ˣ e^(−t²) dt"""

def erf_(input: Tensor) -> Tensor:
    """2/√π ∫₀ˣ e^(−t²) dt"""

def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 − erf(x)"""

def erfc_(input: Tensor) -> Tensor:
    """1 − erf(x)"""

def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the x whose erf is given"""

def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """eˣ"""

def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2ˣ"""

def exp2_(input: Tensor) -> Tensor:
    """2ˣ"""

def exp_(input: Tensor) -> Tensor:
    """eˣ"""

def expand(input: Tensor, size: Sizes) -> Tensor:
    """x repeated along dimensions of size 1 and new ones in front, without a copy (stride 0). −1 keeps a size."""

def expand_copy(input: Tensor, *sizes: Any, out: Tensor | None = None) -> Tensor:
    """A copy of what `expand` would show."""

def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """eˣ − 1"""

def expm1_(input: Tensor) -> Tensor:
    """eˣ − 1"""

def fake_quantize_per_channel_affine(input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int) -> Tensor:
    """The same with a scale and a zero point for each index of the dimension `axis`; zero points are int32, or floats."""

def fake_quantize_per_tensor_affine(input: Tensor, scale: Tensor | float, zero_point: Tensor | int, quant_min: int, quant_max: int) -> Tensor:
    """x rounded to the numbers (q − z) · s of the integers q from quant_min to quant_max, all with one scale."""

def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Alpha dropout of whole channels."""

def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels: one draw for each of the first two dimensions (N, C)."""

def fill(input: Tensor, value: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """x_i ← value, a number or a 0-d tensor."""

def fill_(input: Tensor, value: Any) -> Tensor:
    """x_i ← value, a number or a 0-d tensor."""

def fix_(input: Tensor) -> Tensor:
    """x without its fraction"""

def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from start_dim to end_dim made one."""

def flip(input: Tensor, dims: Sizes) -> Tensor:
    """x backwards along `dims`: a copy, unlike NumPy's."""

def fliplr(input: Tensor) -> Tensor:
    """x backwards along dimension 1."""

def flipud(input: Tensor) -> Tensor:
    """x backwards along dimension 0."""

def float_power(input: Tensor | float, exponent: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """aᵇ in float64, whatever the dtypes."""

def floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """⌊x⌋"""

def floor_(input: Tensor) -> Tensor:
    """⌊x⌋"""

def floor_divide(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """⌊a / b⌋"""

def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the larger of a and b; of nan and a number, the number"""

def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the smaller of a and b; of nan and a number, the number"""

def fmod(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a − b·trunc(a / b), with the sign of a"""

def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x − trunc(x)"""

def frac_(input: Tensor) -> Tensor:
    """x − trunc(x)"""

class _frexp(NamedTuple):
    mantissa: Tensor
    exponent: Tensor

def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> _frexp:
    """(m, e) with x = m · 2ᵉ and ½ ≤ |m| < 1; e is an int32."""

def frobenius_norm(input: Tensor, dim: Dims, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`linalg.vector_norm`, in its old form: √Σ x² over `dim`"""

def gather(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """out[i][j] = x[index[i][j]][j] for dim = 0, and so on: one element of x per element of index."""

def gaussian_nll_loss(input: Tensor, target: Tensor | float, var: Tensor | float, full: Flag = False, eps: float = 1e-06, reduction: Reduction = 'mean') -> Tensor:
    """½ (ln v + (x − y)² / v) for a normal distribution with mean x and variance v (Nix and Weigend, 1994); `full` adds ½ ln 2π."""

def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the greatest common divisor"""

def gcd_(input: Tensor, other: Tensor) -> Tensor:
    """the greatest common divisor"""

def ge(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a ≥ b"""

def gelu(input: Tensor, *, approximate: str = 'none') -> Tensor:
    """x · Φ(x), Φ the normal distribution function; \"tanh\" approximates it (Hendrycks and Gimpel, 2016)."""

class _geqrf(NamedTuple):
    a: Tensor
    tau: Tensor

def geqrf(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> _geqrf:
    """(R above the diagonal and the reflections below it, τ): what `linalg.householder_product` makes Q of, as LAPACK leaves it"""

def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`outer` by its BLAS name."""

def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · σ(b), for the two halves a, b of x along `dim` (Dauphin et al., 2016)"""

def gradient(input: Tensor, *, spacing: Any = None, dim: Dims | None = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The slopes (x_{i+1} − x_{i−1}) / 2h along each of the dimensions `dim`, all of them unless told."""

def grid_sampler(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """out[n, :, i, j] = the image input[n] at the place grid[n, i, j] = (across, down), both from −1 to 1; volumes alike"""

def grid_sampler_2d(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sampler` of images (N, C, H, W)"""

def grid_sampler_3d(input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Tensor:
    """`grid_sampler` of volumes (N, C, D, H, W), whose grid has (across, down, deep)"""

def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05) -> Tensor:
    """Each sample's channels (dimension 1) in `num_groups` groups, each standardized (Wu and He, 2018); w, b per channel."""

def gru(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `gru_cell` over a sequence: (output, h_n). Arguments as of `lstm`, but hx is one tensor (layers · directions, N, H)."""

def gru_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """h′ = (1 − z) u + z h with r, z = σ(a + m), u = tanh(a + r m), where a = x W_ihᵀ + b_ih and m = h W_hhᵀ + b_hh (Cho et al., 2014)."""

def gt(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a > b"""

def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > λ, 0 otherwise"""

def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(x + 3, 0), 6) / 6"""

def hardswish(input: Tensor) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6"""

def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x moved into [min_val, max_val]"""

def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 below 0, 1 above 0, and b at a = 0"""

def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """x where y is 1, max(0, margin − x) where it is −1, and their sum elsewhere. The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max], the end included; if they are equal, of x's own range."""

def histogram(input: Tensor, bins: Tensor | int = 100, *, range: tuple | None = None, weight: Tensor | None = None, density: bool = False, out: Any | None = None) -> Any:
    """(how many elements lie in each bin, the edges of the bins). A bin holds its lower edge, the last one its upper edge too."""

def hsplit(input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 1, of a vector along 0: so many of one size, or cut at the indices."""

def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors beside each other: along dimension 1, or 0 for vectors."""

def huber_loss(input: Tensor, target: Tensor, reduction: Reduction = 'mean', delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """w · (d² / 2 where d = |x − y| ≤ δ, and δ (d − δ/2) beyond) (Huber, 1964); the mean divides by the number of losses."""

def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """√(a² + b²)"""

def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """I₀(x), the modified Bessel function of order 0"""

def i0_(input: Tensor) -> Tensor:
    """I₀(x), the modified Bessel function of order 0"""

def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / Γ(a) ∫₀ᵇ t^(a − 1) e^(−t) dt"""

def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / Γ(a) ∫_b^∞ t^(a − 1) e^(−t) dt, which is 1 − igamma(a, b)"""

def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """x with alpha · (slice k of source) added to slice index[k] of `dim`; repeated indices add up."""

def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x with slice index[k] of `dim` replaced by slice k of source."""

def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """x with the slices that `index` names filled with `value`, a number or a 0-d tensor."""

def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values` at `indices` (one index tensor a dimension), or, to accumulate, added there."""

def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with `values` at `indices` (one index tensor a dimension), or, to accumulate, added there."""

def index_reduce(input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True, out: Tensor | None = None) -> Tensor:
    """x, where slice index[k] of `dim` becomes the product, mean … of itself and of all slices k of source that are sent there."""

def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of `dim` that the vector `index` names."""

def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Σ_k a_…k b_…k over the last dimension of both."""

def instance_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool = True) -> Tensor:
    """Each channel of each sample standardized on its own; running statistics are the samples' averages."""

def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`linalg.inv`: A⁻¹"""

def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex: no dtype here is."""

def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float."""

def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in `inference_mode`."""

def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """|input − other| ≤ atol + rtol·|other|, elementwise; infinities are close to themselves only."""

def isfinite(input: Tensor) -> Tensor:
    """x is a finite number"""

def isin(elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False, out: Tensor | None = None) -> Tensor:
    """Whether each element is among the test elements (or, to invert, is not). nan is not."""

def isinf(input: Tensor) -> Tensor:
    """x is ∞ or −∞"""

def isnan(input: Tensor) -> Tensor:
    """x is nan"""

def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x is −∞"""

def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x is +∞"""

def isreal(input: Tensor) -> Tensor:
    """true everywhere: there are no complex numbers"""

def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """q (ln q − x) for log-probabilities x and probabilities q (their logarithms with log_target). The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of a times all of b, as blocks."""

class _kthvalue(NamedTuple):
    values: Tensor
    indices: Tensor

def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None) -> _kthvalue:
    """The k-th smallest along `dim` (counted from 1), and its index."""

def l1_loss(input: Tensor, target: Tensor, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean', weight: Tensor | None = None) -> Tensor:
    """w |x − y|; the mean divides by Σ w."""

def layer_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05) -> Tensor:
    """(x − mean) / √(var + ε) · w + b over the last dimensions, whose sizes are `normalized_shape` (Ba et al., 2016)."""

def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the least common multiple"""

def lcm_(input: Tensor, other: Tensor) -> Tensor:
    """the least common multiple"""

def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """a · 2ᵇ"""

def ldexp_(input: Tensor, other: Tensor) -> Tensor:
    """a · 2ᵇ"""

def le(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a ≤ b"""

def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x for x > 0, slope · x otherwise"""

def lerp(input: Tensor, end: Tensor, weight: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """start + weight · (end − start), computed from the nearer end."""

def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ln |Γ(x)|"""

def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b: x (…, in), W (out, in), b (out), y (…, out)."""

def linear_cross_entropy(input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None, weight: Tensor | None = None, reduction: Reduction = 'mean', ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None) -> Tensor:
    """cross_entropy of x Wᵀ + b, for x (N, F) or (F), W (C, F) or (C, d₁, …, F), b and the scores of a sample of W's other sizes."""

def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ln x"""

def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log₁₀ x"""

def log10_(input: Tensor) -> Tensor:
    """log₁₀ x"""

def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ln(1 + x)"""

def log1p_(input: Tensor) -> Tensor:
    """ln(1 + x)"""

def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log₂ x"""

def log2_(input: Tensor) -> Tensor:
    """log₂ x"""

def log_(input: Tensor) -> Tensor:
    """ln x"""

def log_softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """ln softmax(x) along `dim`, computed without taking the logarithm of a small number."""

def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ln(eᵃ + eᵇ), without overflow."""

def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log₂(2ᵃ + 2ᵇ), without overflow."""

def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """out_i = ln(e^x_0 + … + e^x_i) along `dim`; carried on in float64, as by torch."""

def logdet(input: Tensor) -> Tensor:
    """ln det A; nan where det A < 0"""

def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """a and b"""

def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """not x"""

def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """a or b"""

def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """either a or b"""

def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """ln(x / (1 − x)), of x clamped to [eps, 1 − eps] if eps is given."""

def logit_(input: Tensor, eps: float | None = None) -> Tensor:
    """ln(x / (1 − x)), of x clamped to [eps, 1 − eps] if eps is given."""

def logsigmoid(input: Tensor) -> Tensor:
    """ln σ(x) = min(x, 0) − ln(1 + e^−|x|)"""

def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """ln Σ eˣ over `dim`, shifted by the largest x so that nothing overflows."""

def lstm(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Layers of `lstm_cell` over a sequence: (output, h_n, c_n). `nn.LSTM` keeps the weights, and explains the arguments."""

def lstm_cell(input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """c′ = f c + i u, h′ = o tanh c′, with i, f, u, o = σ, σ, tanh, σ of x W_ihᵀ + b_ih + h W_hhᵀ + b_hh (Hochreiter and Schmidhuber, 1997)."""

def lt(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a < b"""

def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """(L and U in one, the rows exchanged, counted from 1): the old form of `linalg.lu_factor_ex`; get_infos: with info"""

def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The old form of `linalg.lu_solve`."""

def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any | None = None) -> Any:
    """(P, L, U) of what `linalg.lu_factor` has found; what is not asked for is empty."""

def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: int = 0) -> Tensor:
    """max(0, −y (x₁ − x₂) + margin): x₁ should be larger where y is 1, x₂ where it is −1. The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """x with `value` (a number or 0-d tensor) where the mask is True; x and mask broadcast."""

def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """x with the first elements of `source`, in order, where the mask is True."""

def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of x where the mask is True, as a vector; x and mask broadcast."""

def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """a @ b: dot for vectors, mm for matrices, batched and broadcast for more dimensions."""

def matrix_exp(input: Tensor) -> Tensor:
    """e^A = Σ_k Aᵏ / k!, as (e^(A / 2ˢ))^(2ˢ), s so large that few terms of the series are enough"""

def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """`linalg.matrix_power`: Aⁿ"""

def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any | None = None) -> Any:
    """The largest: `max(x)` of all, `max(x, dim)` as (values, indices), `max(x, other)` elementwise."""

def max_pool1d(input: Tensor, kernel_size: Dims, stride: Dims | None = (), padding: Dims = 0, dilation: Dims = 1, ceil_mode: bool = False) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, L) or (C, L), every `stride` elements."""

def max_pool1d_with_indices(input: Tensor, kernel_size: Dims, stride: Dims | None = (), padding: Dims = 0, dilation: Dims = 1, ceil_mode: bool = False) -> tuple[Tensor, Tensor]:
    """(out, indices): the largest of each window of x (N, C, L) or (C, L), and its number in L."""

def max_pool2d(input: Tensor, kernel_size: Dims, stride: Dims | None = (), padding: Dims = 0, dilation: Dims = 1, ceil_mode: bool = False) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, H, W) or (C, H, W), every `stride` elements."""

def max_pool3d(input: Tensor, kernel_size: Dims, stride: Dims | None = (), padding: Dims = 0, dilation: Dims = 1, ceil_mode: bool = False) -> Tensor:
    """The largest of each window of `kernel_size` elements of x (N, C, D, H, W) or (C, D, H, W), every `stride` elements."""

def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the larger of a and b"""

def mean(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """(1/n) Σ x over `dim`; of floats only."""

def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any | None = None) -> Any:
    """The lower of the two middle elements, of all or along `dim` (with its index)."""

def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids from vectors: the k-th varies along dimension k only (\"ij\"); \"xy\" exchanges the first two dimensions."""

def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any | None = None) -> Any:
    """The smallest: `min(x)` of all, `min(x, dim)` as (values, indices), `min(x, other)` elementwise."""

def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the smaller of a and b"""

def mish(input: Tensor) -> Tensor:
    """x · tanh(ln(1 + eˣ)) (Misra, 2019)"""

def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """C_ij = Σ_k a_ik b_kj for matrices a (N, K) and b (K, M)."""

class _mode(NamedTuple):
    values: Tensor
    indices: Tensor

def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: tuple[Tensor, Tensor] | None = None) -> _mode:
    """The commonest number along `dim` (of equally common ones the smallest), and the index where it stands last."""

def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Dimensions moved from their places `source` to the places `destination`; the others keep their order."""

def mse_loss(input: Tensor, target: Tensor, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean', weight: Tensor | None = None) -> Tensor:
    """w (x − y)²; the mean divides by Σ w."""

def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x in order along dimension 0."""

def mul(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a · b"""

def multi_margin_loss(input: Tensor, target: Tensor, p: Any = 1, margin: float = 1.0, weight: Tensor | None = None, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """w_y Σ_{c≠y} max(0, margin − x_y + x_c)^p / C for scores x (N, C) or (C) and classes y (N); p is 1 or 2."""

def multilabel_margin_loss(input: Tensor, target: Tensor, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """Σ_y Σ_c max(0, 1 − x_y + x_c) / C over the classes y that are right and all c that are not, for scores x (N, C) or (C)."""

def multilabel_soft_margin_loss(input: Tensor, target: Tensor | float, weight: Tensor | float | None = None, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """−Σ_c w_c (y_c ln σ(x_c) + (1 − y_c) ln σ(−x_c)) / C along the last dimension: a mean of binary cross-entropies of logits."""

def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """a v for a matrix (N, K) and a vector (K)."""

def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """ln Γ_p(x) = p (p − 1) / 4 · ln π + Σ_j ln Γ(x − j / 2), j from 0 to p − 1: what Γ is for p × p matrices."""

def nan_to_num(input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """x with nan, ∞ and −∞ replaced by numbers (by the dtype's largest and smallest where none is given)."""

def nan_to_num_(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with nan, ∞ and −∞ replaced by numbers (by the dtype's largest and smallest where none is given)."""

def nanmean(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """The mean over `dim` of what is not nan."""

def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any | None = None) -> Any:
    """`median` of the numbers that are not nan, of all or along `dim` (with its index)."""

def nanquantile(input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = 'linear', out: Tensor | None = None) -> Tensor:
    """`quantile` of the numbers that are not nan; nan if there is none."""

def nansum(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Σ x over `dim`, nan counting as 0."""

def narrow(input: Tensor, dim: int, start: Tensor | int, length: int) -> Tensor:
    """`length` slices of `dim`, from `start`: a view."""

def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `length` slices of x along `dim`, from `start` on."""

def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`channel_shuffle` without a derivative, as torch has it"""

def ne(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a ≠ b"""

def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−x"""

def neg_(input: Tensor) -> Tensor:
    """−x"""

def negative_(input: Tensor) -> Tensor:
    """−x"""

def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the float that follows a in the direction of b"""

def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Flag | None = None, ignore_index: int = -100, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """−w_y x_y of log-probabilities x (N, C, …) at the classes y (N, …); the mean divides by Σ w_y."""

def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any | None = None) -> Any:
    """The indices of what is not 0: (K, ndim), or with as_tuple one vector a dimension."""

def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """The indices of the first `size` elements that are not 0, (size, ndim); rows of fill_value if there are fewer."""

def norm(input: Tensor, p: float | str | None = 'fro', dim: Dims | None = None, keepdim: bool = False, dtype: dtypes.dtype | None = None, *, out: Tensor | None = None) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over `dim`; p may be 0 (how many are not 0), ∞ (the largest |x|), −∞, \"fro\", which is 2, and \"nuc\": Σ s of"""

def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms ‖v‖ over all dimensions but `dim`, which are kept with size 1; one norm of all if `dim` is −1"""

def normalize(input: Tensor, p: float | str | None = 2.0, dim: Dims | None = 1, eps: float = 1e-12, *, out: Tensor | None = None) -> Tensor:
    """x / max(‖x‖_p, ε) along `dim`."""

def nuclear_norm(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`linalg.matrix_norm` of the order \"nuc\", in its old form."""

def numel(input: Tensor) -> int:
    """The number of elements."""

def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the class number, 0 elsewhere, in a new last dimension; by default as many classes as the largest needs."""

def orgqr(input: Tensor, input2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`linalg.householder_product` by its LAPACK name."""

def ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Q C, Qᵀ C with `transpose`; C Q, C Qᵀ without `left`: Q is what `geqrf` has found, `input` and τ = `input2`; C = `input3`"""

def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """C_ij = a_i b_j of two vectors."""

def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-06, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖_p along the last dimension"""

def pdist(input: Tensor, p: float = 2.0, *, out: Tensor | None = None) -> Tensor:
    """‖x_i − x_j‖_p of every two rows i < j of x (N, D): N (N − 1) / 2 numbers, those of the first row first."""

def permute(input: Tensor, dims: Sizes) -> Tensor:
    """x with its dimensions in the order `dims`."""

def permute_copy(input: Tensor, *dims: Any, out: Tensor | None = None) -> Tensor:
    """A copy of what `permute` would show."""

def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` with another tolerance."""

def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """out[c, h r + i, w r + j] = x[c r² + i r + j, h, w]: (…, C r², H, W) → (…, C, H r, W r), r = upscale_factor (Shi et al., 2016)"""

def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """out[c r² + i r + j, h, w] = x[c, h r + i, w r + j]: (…, C, H r, W r) → (…, C r², H, W), r = downscale_factor"""

def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """eˣ − y x for the logarithm x of an expected count, or x − y ln(x + ε) for the count itself (`log_input=False`). The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """ψ⁽ⁿ⁾(x), the n-th derivative of digamma."""

def positive(input: Tensor) -> Tensor:
    """x itself, not a copy; a bool tensor is refused."""

def pow(input: Tensor | Number, exponent: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """aᵇ; the base or the exponent may be a number."""

def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, w · x otherwise; w has one element, or one per channel (dimension 1)."""

def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Π x over `dim`; integers and bools multiply to int64."""

def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """x with the elements of `source` at the indices into the flattened x, or, to accumulate, added there."""

def qr(input: Tensor, some: bool = True, *, out: Any | None = None) -> Any:
    """The old form of `linalg.qr`: reduced, or complete without `some`."""

def quantile(input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = 'linear', out: Tensor | None = None) -> Tensor:
    """The number below which the part q of x lies, along `dim` or of all: q = 0.5 is the median. Several q: one row each."""

def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x · 180 / π"""

def rad2deg_(input: Tensor) -> Tensor:
    """x · 180 / π"""

def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension: a view where they lie in memory in that order."""

def real(input: Tensor) -> Tensor:
    """x itself: the real part of a real number."""

def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / x"""

def reciprocal_(input: Tensor) -> Tensor:
    """1 / x"""

def relu(input: Tensor) -> Tensor:
    """max(x, 0)"""

def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)"""

def relu_(input: Tensor) -> Tensor:
    """max(x, 0)"""

def remainder(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a − b·⌊a / b⌋, with the sign of b"""

def renorm(input: Tensor, p: Number, dim: int, maxnorm: Number, *, out: Tensor | None = None) -> Tensor:
    """x, with each slice of `dim` whose p-norm is larger than maxnorm scaled down to it"""

def repeat(input: Tensor, repeats: Dims) -> Tensor:
    """x laid out `repeats` times along each dimension; more repeats than dimensions add dimensions in front."""

def repeat_interleave(input: Tensor, repeats: Tensor | int | None = None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element `repeats` times in a row (a tensor: its own number for each), along `dim` or over all of x."""

def reshape(input: Tensor, shape: Sizes) -> Tensor:
    """x with another shape: a view where the strides allow it, else a copy. One size may be −1."""

def resize_as_(input: Tensor, other: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """`resize_` to the shape of another tensor; preserve_format: and to its format."""

def resolve_conj(input: Tensor) -> Tensor:
    """x itself: nothing is left to be conjugated."""

def resolve_neg(input: Tensor) -> Tensor:
    """x itself: nothing is left to be negated."""

def rms_norm(input: Tensor, normalized_shape: Sizes, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / √(⟨x²⟩ + ε) · w over the last dimensions (Zhang and Sennrich, 2019); ε is the dtype's epsilon unless given."""

def rnn_relu(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `rnn_relu_cell` over a sequence: (output, h_n). Arguments as of `gru`."""

def rnn_relu_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """h′ = max(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, 0). x (N, in), h (N, H)."""

def rnn_tanh(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Layers of `rnn_tanh_cell` over a sequence: (output, h_n). Arguments as of `gru`."""

def rnn_tanh_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None) -> Tensor:
    """h′ = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh) (Elman, 1990). x (N, in), h (N, H)."""

def roll(input: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """x moved on by `shifts` along `dims`; what leaves at the end comes in at the start. Without dims, x is one row."""

def rot90(input: Tensor, k: int = 1, dims: Sizes = ...) -> Tensor:
    """x turned k times by 90° from the first towards the second of `dims`."""

def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """x to the nearest number of `decimals` digits, halves to even."""

def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """x to the nearest number of `decimals` digits, halves to even."""

def rrelu(input: Tensor, lower: float = 0.125, upper: float = 0.3333333333333333, training: bool = False, generator: Generator | None = None) -> Tensor:
    """x for x > 0, a · x otherwise; in training each a is drawn from U(lower, upper), else it is their mean (Xu et al., 2015)"""

def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1 / √x"""

def rsqrt_(input: Tensor) -> Tensor:
    """1 / √x"""

def rsub(input: Tensor, other: Tensor | Number, alpha: Number = 1) -> Tensor:
    """b − α·a: `sub` the other way round."""

def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False) -> Tensor:
    """softmax(s · Q Kᵀ + M) V: each query's mean of the values, weighted by its products with the keys; s = 1/√E unless given."""

def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | float | None = None, *, value: float | None = None, reduce: str | None = None, out: Tensor | None = None) -> Tensor:
    """x with src[i][j] (or a number) put at x[index[i][j]][j] for dim = 0, and so on; or added or multiplied there."""

def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x with src[i][j] added at x[index[i][j]][j] for dim = 0, and so on; repeated indices add up."""

def scatter_reduce(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True, out: Tensor | None = None) -> Tensor:
    """x, where x[index[i][j]][j] (for dim = 0) becomes the sum, product … of itself and of all src[i][j] that are sent there."""

def searchsorted(sorted_sequence: Tensor, input: Tensor | Number, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """How many of a sorted row are < the value (≤ it, if right): where it would go. Rows (…, n) and values (…, k), or one row for all."""

def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice number `index` of `dim`, without that dimension: a view."""

def select_copy(input: Tensor, dim: int, index: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `select` would show."""

def select_scatter(input: Tensor, src: Tensor, dim: int, index: int, *, out: Tensor | None = None) -> Tensor:
    """x with src in place of x.select(dim, index)."""

def selu(input: Tensor) -> Tensor:
    """s · elu(x, α) with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""

def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−1, 0 or 1"""

def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """σ(x) = 1 / (1 + e⁻ˣ)"""

def sigmoid_(input: Tensor) -> Tensor:
    """σ(x) = 1 / (1 + e⁻ˣ)"""

def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """−1, 0 or 1"""

def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """the sign bit of x is set (of −0 too)"""

def silu(input: Tensor) -> Tensor:
    """x · σ(x)"""

def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin x"""

def sin_(input: Tensor) -> Tensor:
    """sin x"""

def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sin(πx) / (πx), and 1 at 0."""

def sinc_(input: Tensor) -> Tensor:
    """sin(πx) / (πx), and 1 at 0."""

def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sinh x"""

def sinh_(input: Tensor) -> Tensor:
    """sinh x"""

def slice_copy(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `slice` would show."""

def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *, out: Tensor | None = None) -> Tensor:
    """x with src in place of x[start:end:step] along `dim`."""

def slogdet(input: Tensor, *, out: Any | None = None) -> Any:
    """`linalg.slogdet`: (the sign of det A, ln |det A|)"""

def smooth_l1_loss(input: Tensor, target: Tensor, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean', beta: float = 1.0) -> Tensor:
    """d² / 2β where d = |x − y| < β, and d − β/2 beyond: quadratic near 0, linear far away."""

def soft_margin_loss(input: Tensor, target: Tensor, size_average: Flag | None = None, reduce: Flag | None = None, reduction: Reduction = 'mean') -> Tensor:
    """ln(1 + e^(−y x)) for scores x and targets y of −1 or 1, which broadcast to x's shape."""

def softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """p_i = exp(x_i) / Σ_j exp(x_j) along `dim`: positive numbers that sum to 1."""

def softmin(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """softmax(−x)"""

def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """ln(1 + e^(β x)) / β, and x itself where β x > threshold"""

def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by λ, and 0 where |x| ≤ λ"""

def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)"""

class _sort(NamedTuple):
    values: Tensor
    indices: Tensor

def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False, out: tuple[Tensor, Tensor] | None = None) -> _sort:
    """x in order along `dim`, and the indices that put it so; if stable, equal elements keep their order."""

def split(tensor: Tensor, split_size_or_sections: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the parts of x along `dim`: of one size each (the last may be smaller), or of the given sizes."""

def split_copy(input: Tensor, split_size: Any, dim: int = 0, *, out: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
    """A copy of what `split` would show."""

def split_with_sizes(input: Tensor, split_sizes: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the parts of x along `dim`, of the given sizes."""

def split_with_sizes_copy(input: Tensor, split_sizes: Any, dim: int = 0, *, out: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
    """A copy of what `split_with_sizes` would show."""

def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """√x"""

def sqrt_(input: Tensor) -> Tensor:
    """√x"""

def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x²"""

def square_(input: Tensor) -> Tensor:
    """x²"""

def squeeze(input: Tensor, dim: Dims | None = None) -> Tensor:
    """x without the dimensions of size 1: all of them, or those given."""

def squeeze_copy(input: Tensor, dim: Any = None, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `squeeze` would show."""

def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors, of one shape, side by side along a new dimension."""

def std(input: Tensor, dim: Dims | FlagByPosition | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = None, out: Tensor | None = None) -> Tensor:
    """√var over `dim`; its derivative for constant x is 0."""

def std_mean(input: Tensor, dim: Dims | FlagByPosition | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = None) -> tuple[Tensor, Tensor]:
    """(std, mean) over `dim`."""

def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """a − α·b"""

def sum(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Σ x over `dim` (an int, several, or None for all); integers and bools sum to int64."""

def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any | None = None) -> Any:
    """A = U diag(S) Vᵀ: (U, S, V), the old form of `linalg.svd`, which gives Vᵀ; without `compute_uv` U and V are zeros."""

def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """x with two dimensions exchanged: `transpose` by NumPy's name."""

def t(input: Tensor) -> Tensor:
    """xᵀ of a matrix; vectors and 0-d tensors stay as they are."""

def t_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `t` would show."""

def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of the flattened x at the indices, in index's shape."""

def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """`gather` with broadcasting: x[indices] along `dim`, or of the flattened x. Along `dim`, indices count modulo its size."""

def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """tan x"""

def tan_(input: Tensor) -> Tensor:
    """tan x"""

def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """tanh x"""

def tanh_(input: Tensor) -> Tensor:
    """tanh x"""

def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh x"""

def tensor_split(input: Tensor, indices_or_sections: Dims | Tensor | np.ndarray | None = None, dim: int = 0, *, indices: Dims | Tensor | None = None, sections: int | None = None, tensor_indices_or_sections: Tensor | None = None) -> tuple[Tensor, ...]:
    """Views along `dim`: as many as `indices_or_sections` says, sizes differing by at most one, or cut at the indices."""

def tensordot(a: Tensor, b: Tensor, dims: Any = 2, *, out: Tensor | None = None) -> Tensor:
    """Σ over pairs of dimensions: the last `dims` of a with the first of b, or the two lists in `dims`."""

def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where x > threshold, `value` otherwise"""

def tile(input: Tensor, dims: Sizes) -> Tensor:
    """`repeat`, where missing repeats in front count as 1."""

class _topk(NamedTuple):
    values: Tensor
    indices: Tensor

def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: tuple[Tensor, Tensor] | None = None) -> _topk:
    """The k largest (or smallest) along `dim`, in order, and their indices."""

def trace(input: Tensor) -> Tensor:
    """Σᵢ x[i, i]"""

def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with two dimensions exchanged."""

def transpose_copy(input: Tensor, dim0: int, dim1: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `transpose` would show."""

def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Σ (x_{i+1} − x_i) (y_i + y_{i+1}) / 2 along `dim`: the area below y. Without x the steps are all dx, or 1."""

def triangular_solve(input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any | None = None) -> Any:
    """(X with A X = B, a copy of A): the old form of `linalg.solve_triangular`, which torch advises to use."""

def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of x: elements above the `diagonal`-th diagonal become 0."""

def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-06, swap: bool = False, reduction: int = 0) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) for rows (N, D) or (D) and d(x, y) = ‖x − y + ε‖_p. The reduction is a number: 0 none, 1 the mean, 2 the sum."""

def triplet_margin_with_distance_loss(anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Any = None, margin: float = 1.0, swap: Flag = False, reduction: Reduction = 'mean') -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) with a distance d that is given: a function of two Tensors."""

def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of x: elements below the `diagonal`-th diagonal become 0."""

def true_divide(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a / b"""

def trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x without its fraction"""

def trunc_(input: Tensor) -> Tensor:
    """x without its fraction"""

def trunc_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """trunc(a / b)"""

def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views x[0], x[1], … along `dim`."""

def unbind_copy(input: Tensor, dim: int = 0, *, out: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
    """A copy of what `unbind` would show."""

def unflatten(input: Tensor, dim: int, sizes: Sizes) -> Tensor:
    """Dimension `dim` split into several; one of `sizes` may be −1."""

def unfold_copy(input: Tensor, dimension: int, size: int, step: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `unfold` would show."""

def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The different elements in order, or, along `dim`, the different slices: [and where each came to][and how often it comes]."""

def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """Every element (or slice of `dim`) that differs from the one before it: [and where each came to][and how often in a row]."""

def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor as indices into the tensor of that shape, one tensor a dimension."""

def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` into parts that may be written to in place: copies."""

def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` into parts that may be written to in place: copies."""

def unsafe_split_with_sizes(input: Tensor, split_sizes: Sizes, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` into parts that may be written to in place: copies."""

def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """x with a new dimension of size 1 at `dim`."""

def unsqueeze_copy(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of what `unsqueeze` would show."""

def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers x⁰ … xᴺ⁻¹ of each element of a vector, a row each, the highest first unless `increasing`."""

def var(input: Tensor, dim: Dims | FlagByPosition | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = None, out: Tensor | None = None) -> Tensor:
    """Σ (x − x̄)² / (n − correction) over `dim`; correction is 1 unless given (the unbiased estimate)."""

def var_mean(input: Tensor, dim: Dims | FlagByPosition | None = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Number | None = None) -> tuple[Tensor, Tensor]:
    """(var, mean) over `dim`."""

def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`dot`, for real numbers."""

def view(input: Tensor, size: Sizes) -> Tensor:
    """x with another shape and the same memory; RuntimeError if the strides of x do not allow that."""

def view_copy(input: Tensor, *shape: Any, out: Tensor | None = None) -> Tensor:
    """A copy of what `view` would show."""

def vsplit(input: Tensor, indices_or_sections: Dims | None = None, *, indices: Dims | None = None, sections: int | None = None) -> tuple[Tensor, ...]:
    """Views of the parts of x along dimension 0: so many of one size, or cut at the indices."""

def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors below each other, vectors as rows."""

def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any | None = None) -> Any:
    """input where the condition holds, other elsewhere; with the condition alone, the indices where it holds."""

def xlogy(input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """a · ln b, and 0 where a = 0 (unless b is nan)."""

def xlogy_(input: Tensor, other: Any) -> Tensor:
    """a · ln b, and 0 where a = 0 (unless b is nan)."""

def zero_(input: Tensor) -> Tensor:
    """`input.zero_()`: written into `input`, which is returned."""

absolute = abs

arccos = acos

arccosh = acosh

arcsin = asin

arcsinh = asinh

arctan = atan

arctan2 = atan2

arctanh = atanh

clip = clamp

concat = cat

concatenate = cat

divide = div

fix = trunc

greater = gt

greater_equal = ge

less = lt

less_equal = le

moveaxis = movedim

multiply = mul

negative = neg

not_equal = ne

row_stack = vstack

subtract = sub

swapdims = transpose

trapz = trapezoid
