"""Which ops autocast sends to which dtype: torch 2.13's lists, by the names that torch's kernels have.

A list says what is done to the inputs of a call before the op sees them. What stands in no list computes in the dtypes that it is given,
as ever. The lists differ by device: a GPU has few ops that are safe in half precision and a kernel of float32 for the rest, the CPU has
kernels for most things in bfloat16 too, so that it sends fewer to float32. Names that this library has no function of (complex numbers,
quantization) are left out. Read next: `autocast.py`, which does it.
"""

from __future__ import annotations

LOWER = "lower"  # inputs in float32 and half precision come to the region's dtype: products, which gain from it and sum in float32
FLOAT32 = "float32"  # inputs of half precision come to float32: long sums, logarithms, powers, losses
FLOAT32_RESULT = "float32 result"  # the op's option `dtype` is float32, unless the call gives another
WIDEST = "widest"  # inputs come to float32 if one of them has it, else to the region's dtype

PRODUCTS = """conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution prelu addmm addbmm baddbmm
    matmul mm bmm linalg_vecdot linear scaled_dot_product_attention affine_grid_generator"""
LOSSES = """mse_loss l1_loss smooth_l1_loss huber_loss nll_loss kl_div poisson_nll_loss margin_ranking_loss hinge_embedding_loss
    soft_margin_loss multilabel_margin_loss multi_margin_loss triplet_margin_loss cosine_embedding_loss
    binary_cross_entropy_with_logits"""

CPU = {
    LOWER: PRODUCTS.replace("convolution", ""),
    FLOAT32: f"""{LOSSES} binary_cross_entropy ctc_loss cross_entropy avg_pool3d max_pool3d adaptive_avg_pool3d adaptive_max_pool3d
    fractional_max_pool2d fractional_max_pool3d max_unpool1d max_unpool2d max_unpool3d reflection_pad1d reflection_pad2d replication_pad1d
    replication_pad2d replication_pad3d grid_sampler grid_sampler_2d grid_sampler_3d prod quantile nanquantile cdist trace
    cholesky cholesky_inverse cholesky_solve inverse lu_solve orgqr ormqr pinverse geqrf lu qr svd triangular_solve
    linalg_cholesky linalg_cholesky_ex linalg_cond linalg_eig linalg_eigh linalg_eigvals linalg_eigvalsh linalg_householder_product
    linalg_inv linalg_inv_ex linalg_lstsq linalg_matrix_rank linalg_qr linalg_solve linalg_svd linalg_svdvals linalg_tensorinv
    linalg_tensorsolve""",
    WIDEST: "cat stack index_copy",
}
CUDA = {
    LOWER: f"{PRODUCTS} addmv addr mv einsum chain_matmul linalg_multi_dot lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    FLOAT32: f"""{LOSSES} acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus layer_norm
    native_layer_norm rms_norm group_norm frobenius_norm nuclear_norm cosine_similarity dist pdist cdist renorm logsumexp
    upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d
    upsample_bicubic2d""",
    FLOAT32_RESULT: "prod softmax log_softmax cumprod cumsum linalg_vector_norm linalg_matrix_norm sum norm",
    WIDEST: "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add",
}
LISTS = {"cpu": CPU, "cuda": CUDA}

_words = {device: {name: word for word, names in lists.items() for name in names.split()} for device, lists in LISTS.items()}


def words_for(name: str) -> dict[str, str]:
    """What autocast does to a call of this name, on each device where its lists have it: `{"cpu": FLOAT32}`."""
    return {device: words[name] for device, words in _words.items() if name in words}
