"""Good calls of what has no row of its own, or that users write in another style: `bad_calls.py` spoils their arguments.

A line is a call as a user writes it. Names of tensors stand for those of `TENSORS`, fresh for each call; `torch` is either
library. What a line calls may be an expression: `nn.Linear(3, 4)(x)` spoils x, `nn.Linear(3, 4)` the numbers.
"""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import minitorch

TENSORS: dict[str, np.ndarray] = {
    "x": np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]),
    "y": np.array([[1.0, 0.0, 1.0], [0.5, 1.0, 0.0]]),
    "f": np.array([[0.5, 0.25, 1.0]], np.float32),
    "v": np.array([0.5, 1.5, -2.0]),
    "u": np.array([0.1, 0.2, 0.7]),  # probabilities
    "m": np.array([[2.0, 1.0], [0.0, 3.0]]),
    "s": np.array(1.5),
    "n": np.array([[3, 1, 2], [0, 5, 4]]),
    "k": np.array([0, 2, 1]),
    "c": np.array([0, 2]),
    "b": np.array([[True, False, True], [False, False, True]]),
    "r": np.arange(24.0).reshape(2, 3, 4),
}

# Written for every float tensor method and function alike; `sort` and others by position, as users do.
METHODS = """
x.sum() | x.sum(0) | x.sum((0, 1), True) | x.sum(dim=0, keepdim=True, dtype=torch.float32) | x.mean(1) | x.mean(1, True) | x.prod(0) | x.prod(0, True)
x.max(0) | x.max(1, True) | x.min(0) | x.max(y) | x.argmax(0) | x.argmin(1, True) | x.amax(0) | x.amin((0, 1)) | x.aminmax(dim=0)
x.var(0) | x.std(1) | x.all(0) | b.any(1) | x.cumsum(0) | x.cumprod(1) | x.logsumexp(0) | x.logcumsumexp(0) | x.norm() | x.norm(2) | x.norm(2, 0)
x.nansum(0) | x.nanmean(0) | x.median(0) | x.count_nonzero(0) | x.softmax(0) | x.softmax(-1, torch.float32) | x.log_softmax(1)
x.reshape(3, 2) | x.reshape((3, 2)) | x.reshape(-1) | x.view(6) | x.view(3, 2) | x.view((3, 2)) | x.view(-1, 2) | x.permute(1, 0) | x.permute((1, 0))
x.transpose(0, 1) | x.t() | x.swapaxes(0, 1) | x.swapdims(0, 1) | x.movedim(0, 1) | x.flip(0) | x.flip(0, 1) | x.flip((0, 1)) | x.roll(1) | x.roll(1, 0)
x.roll((1, 1), (0, 1)) | x.squeeze() | x.squeeze(0) | x.unsqueeze(0) | x.unsqueeze(-1) | x.flatten() | x.flatten(0, 1) | x.unflatten(1, (3, 1)) | x.repeat(2, 1)
x.repeat((2, 1)) | x.expand(2, 2, 3) | x.expand(2, -1, 3) | x.expand_as(y) | x.tile((2, 2)) | x.narrow(1, 0, 2) | x.select(0, 1) | x.split(1) | x.split([1, 1], 0)
x.chunk(2) | x.chunk(2, 1) | x.unbind() | x.unbind(1) | x.tril() | x.triu(1) | x.diag() | x.diagonal() | x.diagonal(0, 0, 1) | x.rot90(1, (0, 1)) | x.tensor_split(2, 1)
x.repeat_interleave(2) | x.repeat_interleave(2, 1) | x.index_select(1, k) | x.gather(1, n.clamp(max=2)) | x.scatter(1, n.clamp(max=2), y) | x.scatter(1, n.clamp(max=2), 1.0)
x.scatter_add(1, n.clamp(max=2), y) | x.index_add(1, k, y) | x.index_fill(1, k, 2.0) | x.masked_fill(b, 0.0) | x.masked_fill(b, s) | x.masked_select(b)
x.take_along_dim(n.clamp(max=2), 1) | x.where(b, y) | x.where(b, 0.0) | x.sort() | x.sort(0) | x.sort(0, True) | x.sort(dim=0, descending=True) | x.argsort() | x.argsort(1, True)
x.topk(2) | x.topk(2, 1, True, True) | x.kthvalue(1) | x.kthvalue(1, 0) | x.nonzero() | x.clamp(0, 1) | x.clamp(min=0) | x.clamp(v, s) | x.clip(0.0, 1.0) | x.clamp_min(0) | x.clamp_max(1.0)
x.add(1) | x.add(y) | x.add(y, alpha=2) | x.sub(y) | x.sub(2.0, alpha=0.5) | x.mul(y) | x.mul(2) | x.div(y) | x.div(2, rounding_mode='floor') | x.pow(2) | x.pow(y) | x.fmod(2) | x.remainder(2)
x.floor_divide(2) | x.maximum(y) | x.minimum(y) | x.atan2(y) | x.lerp(y, 0.5) | x.addcmul(x, y) | x.addcmul(x, y, value=2) | x.addcdiv(x, y + 1) | x.eq(y) | x.ne(1) | x.lt(0) | x.ge(y) | x.equal(y)
x.allclose(y) | x.allclose(y, 1e-5, 1e-8, True) | x.isclose(y) | x.logical_and(y) | x.logical_not() | n.bitwise_and(n) | n.bitwise_or(1) | x.exp() | x.abs() | x.round() | x.round(decimals=1)
x.nan_to_num(0.0) | x.logit() | x.logit(1e-6) | x.sigmoid() | x.relu() | x.tanh() | x.matmul(v) | x.mm(m.new_ones(3, 2)) | m.mv(u[:2]) | v.dot(u) | v.outer(u) | x.addmm(m, x) | m.trace()
x.add_(1) | x.mul_(y) | x.clamp_(0, 1) | x.zero_() | x.fill_(2.0) | x.copy_(y) | x.masked_fill_(b, 0.0) | x.index_fill_(1, k, 0.0) | x.scatter_(1, n.clamp(max=2), 0.0) | x.index_add_(1, k, y)
x.index_copy(1, k, y) | x.unsqueeze_(0) | x.transpose_(0, 1) | x.relu_() | x.pow_(2) | x.lerp_(y, 0.5) | x.addcmul_(x, y) | x.sub_(1, alpha=2) | x.index_put_((c[:1],), s) | x.index_put((c[:1],), s)
x.normal_(0.0, 1.0) | x.uniform_(0.0, 1.0) | x.bernoulli_(0.5) | x.exponential_(1.0) | x.random_(0, 5) | x.random_(5) | x.geometric_(0.5) | x.cauchy_() | x.log_normal_(1.0, 2.0) | u.bernoulli() | u.multinomial(2)
u.multinomial(2, True) | x.to(torch.float32) | x.to('cpu') | x.to(f) | x.to('cpu', torch.float32) | x.to(dtype=torch.float32, copy=True) | x.type_as(f) | x.float() | x.double() | x.int() | x.bool() | x.half() | x.cpu()
x.new_zeros(2) | x.new_zeros((2, 3)) | x.new_ones(2, 3, dtype=torch.int64) | x.new_empty((2,)).shape | x.new_full((2,), 1.0) | x.new_tensor([1, 2]) | x.clone() | x.contiguous() | x.detach() | x.detach_()
x.requires_grad_() | x.requires_grad_(False) | x.size() | x.size(0) | x.stride() | x.stride(0) | x.dim() | x.numel() | x.element_size() | x.tolist() | x.numpy() | s.item() | x.reshape_as(y) | x.view_as(y)
x.is_contiguous() | x.broadcast_to((2, 2, 3)) | x.ravel() | n.float() | n.sum(0) | n.div(2) | n.add(1) | n.max(1) | n.cumsum(0) | n.clamp(1, 3) | n.pow(2) | n.eq(3) | r.bmm(r.transpose(1, 2)) | r.swapaxes(0, 2)
p.register_hook(print) | (p * 2).register_hook(print) | p.register_post_accumulate_grad_hook(print) | (p * 2).retain_grad() | p.sum().backward() | (p * 2).backward(x)
(p * 2).backward(gradient=x, retain_graph=True) | p.sum().backward(inputs=[p]) | p.sum().backward(None, True, False) | x.dist(y) | x.take(c) | x.hypot(y) | x.cross(y, 1)
x.__getitem__((0, 1)) | x.__getitem__(0) | x.__setitem__(0, 1.0) | x.__setitem__((0, 1), 2.0) | x.__setitem__(b, 0) | x.__contains__(1.0)
x.__add__(1) | x.__radd__(1) | x.__sub__(y) | x.__rsub__(1) | x.__mul__(2) | x.__rmul__(2.0) | x.__truediv__(2) | x.__rtruediv__(1) | x.__pow__(2) | x.__matmul__(v) | x.__eq__(1) | x.__lt__(y) | n.__and__(1)
x.fill_diagonal_(1.0) | x.new_empty_strided((2, 3), (1, 2)).stride() | x.split_with_sizes((1, 2), 1) | x.conj().real.isreal() | x.resolve_conj().conj_physical_() | x.angle() | x.imag
x.map_(y, max) | x.apply_(abs) | x.map2_(y, y, max)
x.__iadd__(1) | x.__imul__(y) | n.__floordiv__(2) | n.__mod__(2) | b.__or__(b)
"""

FUNCTIONS = """
torch.tensor([1.0, 2.0]) | torch.tensor([[1, 2], [3, 4]]) | torch.tensor(3) | torch.tensor([1], dtype=torch.float32) | torch.tensor([1.0], requires_grad=True) | torch.tensor([1.0], device='cpu')
torch.as_tensor([1, 2]) | torch.as_tensor([1, 2], torch.float32) | torch.as_tensor(x, dtype=torch.float32) | torch.asarray([1, 2]) | torch.from_numpy(array)
torch.zeros(2) | torch.zeros(2, 3) | torch.zeros((2, 3)) | torch.zeros(2, dtype=torch.int64) | torch.zeros(2, device='cpu', requires_grad=True) | torch.ones(2, 3) | torch.ones([2]) | torch.empty(0)
torch.zeros(size=(2,)) | torch.ones(2, out=torch.empty(2)) | torch.full((2,), 1.0) | torch.full((2, 3), 7) | torch.full((2,), True, dtype=torch.float32) | torch.zeros_like(x) | torch.ones_like(x, dtype=torch.int64)
torch.full_like(x, 2.0) | torch.empty_like(x).shape | torch.arange(5) | torch.arange(1, 5) | torch.arange(0, 1, 0.25) | torch.arange(0, 5, 2, dtype=torch.float32) | torch.arange(end=3) | torch.linspace(0, 1, 5)
torch.linspace(0.0, 1.0, steps=3, dtype=torch.float64) | torch.logspace(0, 1, 3) | torch.logspace(0, 1, 3, 2.0) | torch.eye(3) | torch.eye(2, 3) | torch.tril_indices(3, 3) | torch.triu_indices(2, 3, 1)
torch.rand(2) | torch.rand(2, 3) | torch.rand((2,)) | torch.rand(2, generator=torch.Generator().manual_seed(0)) | torch.randn(3) | torch.randn((2, 3), dtype=torch.float64) | torch.rand_like(x) | torch.randn_like(x)
torch.randint(5, (2,)) | torch.randint(0, 5, (2, 3)) | torch.randint(high=5, size=(2,)) | torch.randint_like(n, 5) | torch.randint_like(n, 0, 5) | torch.randperm(4) | torch.normal(0.0, 1.0, (2,)) | torch.normal(x, 1.0) | torch.normal(v, u)
torch.bernoulli(u) | torch.multinomial(u, 2) | torch.multinomial(u, 2, replacement=True) | torch.manual_seed(3) | torch.initial_seed() | torch.set_rng_state(torch.get_rng_state()) | torch.can_cast(torch.int64, torch.float32)
torch.promote_types(torch.int64, torch.float32) | torch.finfo(torch.float32) | torch.iinfo(torch.int64) | torch.set_grad_enabled(True) | torch.device('cpu') | torch.Generator() | torch.Generator().manual_seed(4) | torch.Generator('cpu')
torch.Generator().set_state(torch.Generator().get_state()) | torch.Size((2, 3)) | torch.Size([2]) | torch.Size((2, 3)).count(2) | torch.Tensor([1, 2]) | torch.set_default_dtype(torch.float32) | torch.set_num_threads(1)
torch.range(1, 4) | torch.range(0, 1, 0.25) | torch.scalar_tensor(2) | torch.scalar_tensor(2.5, dtype=torch.int64) | torch.empty_strided((2, 3), (1, 2)).stride() | torch.empty_permuted((2, 3), (1, 0)).stride()
torch.hann_window(5) | torch.hamming_window(5, False, 0.5, 0.4) | torch.blackman_window(6, dtype=torch.float64) | torch.bartlett_window(7) | torch.bartlett_window(6, periodic=False) | torch.kaiser_window(5, False, 8.0)
torch.frombuffer(bytearray(8), dtype=torch.float32) | torch.gradient(x, spacing=2.0, dim=1) | torch.is_conj(x) | torch.is_neg(x) | torch.imag(x)
torch.poisson(v.abs()) | torch.binomial(v.abs().ceil(), v.sigmoid()) | torch.t_copy(x) | torch.view_copy(x, (6,)) | torch.split_copy(x, 1) | torch.slice_copy(x, 1, 0, 2) | torch.expand_copy(v, (2, 3))
torch.relu(x) | torch.relu_(x) | torch.sigmoid(x) | torch.exp(x) | torch.abs(x) | torch.add(x, y) | torch.add(x, 1, alpha=2) | torch.sub(x, y) | torch.mul(x, y) | torch.div(x, 2, rounding_mode='trunc') | torch.pow(x, 2) | torch.pow(2, x)
torch.sum(x) | torch.sum(x, 0) | torch.sum(x, (0,), True) | torch.sum(x, dim=1, dtype=torch.float32) | torch.mean(x, 0) | torch.prod(x, 0) | torch.max(x) | torch.max(x, 0) | torch.max(x, y) | torch.min(x, 1, True) | torch.argmax(x, 0)
torch.cat([x, y]) | torch.cat((x, y), 1) | torch.cat([x, y], dim=0) | torch.concat([x, y]) | torch.stack([x, y]) | torch.stack((x, y), 1) | torch.vstack([x, y]) | torch.hstack((x, y)) | torch.dstack([x]) | torch.block_diag(x, y)
torch.where(b, x, y) | torch.where(b, x, 0.0) | torch.where(b, 1.0, 0.0) | torch.where(b) | torch.einsum('ij,ij->i', x, y) | torch.einsum('ij,j', x, v) | torch.einsum('ij->ji', [x]) | torch.einsum(x, [0, 1], y, [0, 1], [0])
torch.matmul(x, v) | torch.mm(x, x.t()) | torch.bmm(r, r.transpose(1, 2)) | torch.dot(v, u) | torch.outer(v, u) | torch.addmm(m, x, x.t()) | torch.baddbmm(m, r[:, :2, :2], r[:, :2, :2]) | torch.tensordot(x, y, 2) | torch.tensordot(x, y, ([0], [0]))
torch.split(x, 1) | torch.split(x, [1, 2], 1) | torch.split(tensor=x, split_size_or_sections=1) | torch.chunk(x, 2) | torch.transpose(x, 0, 1) | torch.permute(x, (1, 0)) | torch.reshape(x, (3, 2)) | torch.flatten(x, 0) | torch.flip(x, (0,)) | torch.flip(x, [0, 1])
torch.squeeze(x, 0) | torch.unsqueeze(x, 1) | torch.movedim(x, 0, 1) | torch.roll(x, 1, 0) | torch.tile(x, (2,)) | torch.gather(x, 1, n.clamp(max=2)) | torch.index_select(x, 0, c[:1]) | torch.take_along_dim(x, n.clamp(max=2), 1)
torch.masked_fill(x, b, 0.0) | torch.masked_select(x, b) | torch.sort(x) | torch.sort(x, 1, True) | torch.argsort(x, 0) | torch.topk(x, 1) | torch.topk(x, 2, dim=1, largest=False) | torch.clamp(x, 0, 1) | torch.clamp(x, max=1.0) | torch.softmax(x, 1)
torch.log_softmax(x, 0) | torch.cumsum(x, 0) | torch.std(x, 0) | torch.var(x) | torch.norm(x) | torch.norm(x, 2, 0) | torch.allclose(x, y) | torch.isclose(x, y, 0.1) | torch.equal(x, y) | torch.nonzero(x) | torch.diag(v) | torch.tril(x, 1) | torch.triu(x)
torch.broadcast_to(v, (2, 3)) | torch.broadcast_tensors(x, v) | torch.meshgrid(v, u, indexing='ij') | torch.cartesian_prod(v, u) | torch.repeat_interleave(x, 2, 0) | torch.repeat_interleave(v, k) | torch.lerp(x, y, 0.5) | torch.addcmul(x, x, y, value=0.5)
torch.numel(x) | torch.is_tensor(x) | torch.result_type(x, n) | torch.zeros(2).add(torch.ones(2)) | torch.kron(m, m) | torch.trapezoid(x) | torch.diff(x, 1, 0) | torch.bucketize(x, v) | torch.searchsorted(u, x) | torch.bincount(c) | torch.histc(x, 3)
torch.exp(x, out=torch.empty(2, 3, dtype=torch.float64)) | torch.add(x, y, out=torch.empty(0, dtype=torch.float64)) | torch.relu(input=x) | torch.sum(input=x, dim=0) | torch.mm(input=x, mat2=x.t()) | torch.pow(input=x, exponent=2)
torch.no_grad()(len)('ab') | torch.linalg.norm(x) | torch.special.expit(x) | torch.is_grad_enabled() | torch.inference_mode(False)
"""

FUNCTIONAL = """
F.relu(x) | F.relu(x, True) | F.relu(x, inplace=False) | F.relu6(x) | F.leaky_relu(x, 0.1) | F.elu(x, 1.0) | F.selu(x) | F.celu(x, 1.0) | F.gelu(x) | F.gelu(x, approximate='tanh') | F.silu(x) | F.mish(x) | F.softplus(x, 1, 20)
F.hardtanh(x, -1.0, 1.0) | F.hardsigmoid(x) | F.hardswish(x) | F.threshold(x, 0.1, 20) | F.softshrink(x, 0.5) | F.hardshrink(x) | F.tanhshrink(x) | F.softsign(x) | F.logsigmoid(x) | F.glu(r, 2) | F.prelu(x, v) | F.sigmoid(x) | F.tanh(x)
F.softmax(x, 1) | F.softmax(x, dim=-1, dtype=torch.float32) | F.log_softmax(x, 0) | F.softmin(x, 0) | F.gumbel_softmax(x, 1.0, True) | F.dropout(x, 0.5, True) | F.dropout(x, p=0.2, training=False) | F.dropout1d(r, 0.5) | F.dropout2d(r[None], 0.5)
F.alpha_dropout(x, 0.5, True) | F.feature_alpha_dropout(x, 0.2, True) | F.linear(x, y) | F.linear(x, y, u[:2]) | F.bilinear(x, y, r.new_ones(2, 3, 3)) | F.layer_norm(x, (3,)) | F.layer_norm(x, [3], v, u, 1e-5) | F.rms_norm(x, (3,), v)
F.batch_norm(x, v, u) | F.batch_norm(x, None, None, v, u, True, 0.1, 1e-5) | F.group_norm(r, 3) | F.group_norm(r, 3, v, u, 1e-5) | F.instance_norm(r) | F.normalize(x) | F.normalize(x, p=2.0, dim=0, eps=1e-12)
F.embedding(c, x.t()) | F.embedding(c, r[0], 1, 1.0, 2.0, False) | F.one_hot(c) | F.one_hot(c, 3) | F.one_hot(c, num_classes=4) | F.pad(x, (1, 1)) | F.pad(x, [1, 0], 'constant', 2.0) | F.cosine_similarity(x, y) | F.cosine_similarity(x, y, 0, 1e-8)
F.pairwise_distance(x, y) | F.pairwise_distance(x, y, 2.0, 1e-6, True)
F.mse_loss(x, y) | F.mse_loss(x, y, reduction='sum') | F.mse_loss(x, y, None, None, 'none') | F.mse_loss(x, y, weight=y) | F.l1_loss(x, y) | F.l1_loss(x, y, reduction='none') | F.smooth_l1_loss(x, y, beta=0.5) | F.huber_loss(x, y, 'mean', 1.0)
F.huber_loss(x, y, delta=2.0, weight=y) | F.cross_entropy(x, c) | F.cross_entropy(x, c, v.abs()) | F.cross_entropy(x, c, weight=u, ignore_index=0, reduction='none', label_smoothing=0.1) | F.cross_entropy(x, y.softmax(1))
F.nll_loss(x, c) | F.nll_loss(x, c, u, ignore_index=1, reduction='sum') | F.binary_cross_entropy(y, y) | F.binary_cross_entropy(y, y, weight=v.abs()) | F.binary_cross_entropy_with_logits(x, y)
F.binary_cross_entropy_with_logits(x, y, u, reduction='sum', pos_weight=u) | F.kl_div(x, y) | F.kl_div(x, y, reduction='batchmean', log_target=True) | F.l1_loss(x, y, size_average=False) | F.nll_loss(x, c, reduce=False)
F.gaussian_nll_loss(x, y, y + 1) | F.gaussian_nll_loss(x, y, 2.0, True, 1e-3, 'sum') | F.gaussian_nll_loss(x, y, x[:, 0].abs(), eps=0.5) | F.poisson_nll_loss(x, y) | F.poisson_nll_loss(y, y, False, True, None, 1e-3, None, 'sum')
F.soft_margin_loss(x, y) | F.soft_margin_loss(x, n, reduction='none') | F.multilabel_soft_margin_loss(x, y, u) | F.multilabel_soft_margin_loss(x, y, reduction='none') | F.margin_ranking_loss(x, y, y, 0.5) | F.margin_ranking_loss(v, u, k, reduction='sum')
F.hinge_embedding_loss(x, y) | F.hinge_embedding_loss(x, y, 2.0, reduction='none') | F.cosine_embedding_loss(x, y, v[:2]) | F.cosine_embedding_loss(v, u, s, margin=0.5, reduction='sum') | F.multi_margin_loss(x, c) | F.multi_margin_loss(x, c, 2, 0.5, u)
F.multi_margin_loss(v, k[0], weight=u, reduction='none') | F.multilabel_margin_loss(x, n.clamp(max=2)) | F.multilabel_margin_loss(v, k, reduction='sum') | F.triplet_margin_loss(x, y, y) | F.triplet_margin_loss(x, y, y, 2.0, 1, 1e-3, True, reduction='none')
F.triplet_margin_with_distance_loss(x, y, y) | F.triplet_margin_with_distance_loss(x, y, y, distance_function=torch.mul, margin=2.0, swap=True, reduction='sum') | F.linear_cross_entropy(x, y, c.clamp(max=1)) | F.linear_cross_entropy(x, y, c.clamp(max=1), linear_bias=v[:2], weight=u[:2], ignore_index=1)
F.ctc_loss(r.log_softmax(2), torch.tensor([[1, 2], [3, 1], [2, 2]]), (2, 2, 1), (2, 1, 0)) | F.ctc_loss(r.log_softmax(2), k.clamp(min=1), torch.tensor([2, 2, 2]), torch.tensor([1, 1, 1]), 0, 'sum', True) | F.ctc_loss(x.log_softmax(1), c.clamp(min=1), (2,), (2,), blank=0)
"""

MODULES = """
nn.Linear(3, 4) | nn.Linear(3, 4, False) | nn.Linear(3, 4, bias=True, dtype=torch.float64) | nn.Linear(in_features=3, out_features=2) | nn.Linear(3, 2, dtype=torch.float64)(x) | nn.Bilinear(3, 3, 2) | nn.Bilinear(3, 3, 2, dtype=torch.float64)(x, y)
nn.Embedding(5, 3) | nn.Embedding(5, 3, padding_idx=0, max_norm=1.0) | nn.Embedding(5, 3)(c) | nn.Embedding.from_pretrained(x) | nn.Dropout(0.5) | nn.Dropout(p=0.2, inplace=True) | nn.Dropout()(x) | nn.Dropout2d(0.3) | nn.AlphaDropout(0.1)
nn.LayerNorm(3) | nn.LayerNorm((2, 3), 1e-6, False) | nn.LayerNorm(3, dtype=torch.float64)(x) | nn.RMSNorm(3) | nn.GroupNorm(3, 6) | nn.GroupNorm(3, 3, dtype=torch.float64)(r) | nn.BatchNorm1d(3) | nn.BatchNorm1d(3, 1e-5, 0.1, True, True)
nn.BatchNorm1d(3, dtype=torch.float64)(x) | nn.BatchNorm2d(3, affine=False) | nn.ReLU() | nn.ReLU(True) | nn.ReLU()(x) | nn.LeakyReLU(0.1) | nn.ELU(1.0)(x) | nn.GELU('tanh') | nn.GELU()(x) | nn.Softplus(1.0, 20)(x) | nn.Hardtanh(-1.0, 1.0) | nn.PReLU(3)
nn.PReLU(1, 0.25) | nn.Softmax(1) | nn.Softmax(dim=1)(x) | nn.LogSoftmax(0)(x) | nn.Softmin(1)(x) | nn.Threshold(0.1, 2.0)(x) | nn.GLU(2)(r) | nn.Softshrink(0.5)(x) | nn.Tanh()(x) | nn.Sigmoid()(x) | nn.Flatten() | nn.Flatten(0, 1)(r) | nn.Unflatten(1, (3, 1))
nn.Unflatten(1, (3, 1))(x) | nn.Identity(3)(x) | nn.MSELoss() | nn.MSELoss(None, None, 'sum') | nn.MSELoss(reduction='none')(x, y) | nn.L1Loss()(x, y) | nn.SmoothL1Loss('mean', 1.0) | nn.HuberLoss(delta=2.0)(x, y) | nn.BCELoss()(y, y)
nn.BCEWithLogitsLoss(pos_weight=u)(x, y) | nn.CrossEntropyLoss() | nn.CrossEntropyLoss(weight=u, ignore_index=0, label_smoothing=0.1)(x, c) | nn.CrossEntropyLoss()(x, c) | nn.NLLLoss(u) | nn.NLLLoss()(x, c) | nn.KLDivLoss(reduction='batchmean')(x, y)
nn.PoissonNLLLoss(False, True, None, 1e-3)(y, y) | nn.GaussianNLLLoss(full=True)(x, y, y + 1) | nn.SoftMarginLoss()(x, y) | nn.MultiLabelSoftMarginLoss(u)(x, y) | nn.HingeEmbeddingLoss(2.0)(x, y) | nn.MarginRankingLoss(0.5)(x, y, y)
nn.CosineEmbeddingLoss(0.5)(x, y, v[:2]) | nn.MultiMarginLoss(2, 0.5, u)(x, c) | nn.MultiLabelMarginLoss()(x, n.clamp(max=2)) | nn.TripletMarginLoss(2.0, 1, 1e-3, True)(x, y, y) | nn.TripletMarginWithDistanceLoss(margin=2.0, swap=True)(x, y, y)
nn.CTCLoss(0, 'sum', True)(r.log_softmax(2), k.clamp(min=1), torch.tensor([2, 2, 2]), torch.tensor([1, 1, 1])) | nn.AdaptiveLogSoftmaxWithLoss(3, 10, [2, 5], 2.0, True) | nn.AdaptiveLogSoftmaxWithLoss(3, 10, (2, 5), dtype=torch.float64)(x, c)
nn.LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True) | nn.LinearCrossEntropyLoss(3, 4, dtype=torch.float64)(x, c) | nn.LinearCrossEntropyOptions(batch_chunk_size=2) | nn.LinearCrossEntropyOptions(True, None, 'aspect_ratio:2', 'accurate', torch.float32)
nn.Sequential(nn.ReLU(), nn.Tanh()) | nn.Sequential(nn.ReLU())(x) | nn.Sequential(nn.ReLU()).append(nn.Tanh()) | nn.Sequential(nn.ReLU()).insert(0, nn.Tanh()) | nn.Sequential(nn.ReLU()).__getitem__(0) | nn.ModuleList([nn.ReLU()]) | nn.ModuleList([nn.ReLU()]).append(nn.Tanh())
nn.ModuleList([nn.ReLU()]).extend([nn.Tanh()]) | nn.ModuleList([nn.ReLU()]).__getitem__(0) | nn.ModuleDict({'a': nn.ReLU()}) | nn.ModuleDict({'a': nn.ReLU()}).__getitem__('a') | nn.ParameterList([p]) | nn.ParameterDict({'a': p}) | nn.Parameter(x) | nn.Parameter(x, False)
nn.Parameter(data=x, requires_grad=True) | nn.Buffer(x) | net.to(torch.float32) | net.to('cpu') | net.to(dtype=torch.float64) | net.load_state_dict(net.state_dict()) | net.load_state_dict(net.state_dict(), strict=False) | net.train() | net.train(False) | net.eval()
net.requires_grad_(False) | net.zero_grad(True) | net.apply(print) | net.register_buffer('a', x) | net.register_buffer('a', x, False) | net.register_parameter('a', p) | net.add_module('a', nn.ReLU()) | net.get_submodule('0') | net.get_parameter('0.weight')
net.register_forward_hook(print) | net.register_forward_pre_hook(print) | net.register_full_backward_hook(print) | net.state_dict() | net.state_dict(prefix='a.') | net.named_parameters('a', True) | net.parameters(True) | net.float() | net(x) | net.__setattr__('a', p) | net.__getattr__('training')
nn.init.zeros_(x) | nn.init.ones_(x) | nn.init.constant_(x, 0.5) | nn.init.uniform_(x, 0.0, 1.0) | nn.init.normal_(x, 0.0, 1.0) | nn.init.trunc_normal_(x, 0.0, 1.0, -2.0, 2.0) | nn.init.eye_(x) | nn.init.xavier_uniform_(x, 1.0) | nn.init.xavier_normal_(x, gain=2.0)
nn.init.kaiming_uniform_(x, 0, 'fan_in', 'relu') | nn.init.kaiming_normal_(x, a=0.1, mode='fan_out', nonlinearity='leaky_relu') | nn.init.orthogonal_(x, gain=1.0) | nn.init.sparse_(x, 0.5, 0.01) | nn.init.dirac_(r) | nn.init.calculate_gain('relu') | nn.init.calculate_gain('leaky_relu', 0.1)
nn.utils.clip_grad_norm_([q], 1.0) | nn.utils.clip_grad_norm_(q, 1.0, 2.0) | nn.utils.clip_grad_norm_([q], max_norm=1.0, norm_type=1, error_if_nonfinite=True) | nn.utils.clip_grad_value_([q], 0.5) | nn.utils.parameters_to_vector([p]) | nn.utils.vector_to_parameters(n.view(-1).double(), [x])
nn.utils.get_total_norm([x, y]) | nn.utils.get_total_norm([x], 2.0, False) | nn.utils.clip_grads_with_norm_([q], 1.0, s)
"""

TRAINING = """
torch.autograd.grad(p.sum(), p) | torch.autograd.grad((p * 2).sum(), [p]) | torch.autograd.grad(p * 2, p, x) | torch.autograd.grad([p.sum()], [p], [s], True, False) | torch.autograd.grad(p.sum(), [p, x.requires_grad_()], allow_unused=True)
torch.autograd.grad(outputs=p.sum(), inputs=p, create_graph=True) | torch.autograd.backward(p.sum()) | torch.autograd.backward([p.sum()], [s]) | torch.autograd.backward(p * 2, x, True) | torch.autograd.backward(p.sum(), inputs=[p])
torch.autograd.gradcheck(torch.sin, p) | torch.autograd.gradcheck(torch.sin, (p,), 1e-6, 1e-4) | torch.autograd.gradgradcheck(torch.sin, (p,)) | torch.autograd.set_detect_anomaly(False) | torch.autograd.functional.jacobian(torch.sin, x)
torch.autograd.functional.hessian(torch.sum, x) | torch.autograd.functional.vjp(torch.sin, x, y) | torch.autograd.functional.jvp(torch.sin, x, y) | torch.autograd.functional.vhp(torch.sum, x, y) | torch.autograd.functional.hvp(torch.sum, x, y)
torch.func.grad(torch.sum)(x) | torch.func.grad(torch.sum, 0) | torch.func.grad_and_value(torch.sum)(x) | torch.func.jacrev(torch.sin)(x) | torch.func.jacfwd(torch.sin)(x) | torch.func.hessian(torch.sum)(x) | torch.func.vjp(torch.sin, x)
torch.func.jvp(torch.sin, (x,), (y,)) | torch.func.functional_call(net, dict(net.named_parameters()), (x,)) | torch.autograd.graph.saved_tensors_hooks(print, print) | torch.autograd.graph.increment_version(x) | torch.autograd.graph.get_gradient_edge(p)
torch.utils.checkpoint.checkpoint(torch.sin, p, use_reentrant=False) | torch.utils.checkpoint.checkpoint_sequential([torch.sin, torch.cos], 2, p, use_reentrant=False) | torch.random.fork_rng() | torch.random.manual_seed(1)
torch.optim.SGD([p], 0.1) | torch.optim.SGD([p], lr=0.1, momentum=0.9, nesterov=True) | torch.optim.SGD([p], 0.1, 0.9, 0.0, 0.01) | torch.optim.SGD([{'params': [p], 'lr': 0.1}]) | torch.optim.Adam([p]) | torch.optim.Adam([p], 0.1, (0.9, 0.99), 1e-8, 0.01, True)
torch.optim.Adam(params=[p], lr=0.01, betas=(0.5, 0.9)) | torch.optim.AdamW([p], lr=0.1, weight_decay=0.1) | sgd.step() | sgd.step(lambda: 1.0) | sgd.zero_grad() | sgd.zero_grad(set_to_none=False) | sgd.add_param_group({'params': [q]}) | sgd.load_state_dict(sgd.state_dict())
sgd.register_step_pre_hook(print) | adam.load_state_dict(adam.state_dict()) | adam.step() | torch.optim.lr_scheduler.StepLR(sgd, 2) | torch.optim.lr_scheduler.StepLR(sgd, step_size=2, gamma=0.5) | torch.optim.lr_scheduler.CosineAnnealingLR(sgd, 5)
torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=5, eta_min=0.0) | torch.optim.lr_scheduler.StepLR(sgd, 2).step() | torch.optim.lr_scheduler.StepLR(sgd, 2).load_state_dict({})
data.TensorDataset(x, y) | data.TensorDataset(x, y).__getitem__(0) | list(data.DataLoader(data.TensorDataset(x), 1)) | data.DataLoader([1, 2, 3], 2) | data.DataLoader([1, 2, 3], batch_size=2, shuffle=True) | data.DataLoader([1, 2, 3], 2, False, None, None, 0, None, False, True)
data.DataLoader([1, 2], sampler=[0, 1], drop_last=True) | data.DataLoader([1, 2], batch_sampler=[[0], [1]]) | data.Subset([1, 2, 3], [0, 2]) | data.random_split([1, 2, 3], [1, 2]) | data.random_split([1, 2, 3], [0.5, 0.5]) | data.ConcatDataset([[1], [2]])
data.DistributedSampler([1, 2, 3], 2, 0) | data.DistributedSampler([1, 2, 3], num_replicas=2, rank=1, seed=4)
data.StackDataset([1, 2], [3, 4]) | data.SequentialSampler([1, 2]) | data.RandomSampler([1, 2]) | data.RandomSampler([1, 2], True, 3) | data.RandomSampler([1, 2], replacement=True, num_samples=4) | data.SubsetRandomSampler([0, 1]) | data.WeightedRandomSampler([0.1, 0.9], 3)
data.WeightedRandomSampler([0.1, 0.9], 3, False) | data.BatchSampler([0, 1, 2], 2, False) | data.default_collate([x, y]) | data.default_collate([1, 2]) | data.default_collate([{'a': 1}]) | data.default_convert([1, array])
"""


class Code(str):
    """An argument that is an expression, evaluated in each library."""

    def __repr__(self) -> str:
        return str(self)


class Line:
    """A good call, in place of a `Row`: what it calls is an expression too."""

    def __init__(self, text: str):
        self.text = text
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call), text
        self.function = ast.unparse(call.func)
        self.positional = [_value(node) for node in call.args]
        self.keywords = {word.arg: _value(word.value) for word in call.keywords if word.arg}
        self.name = self.function

    def theirs(self, *args: Any, **kwargs: Any) -> Any:
        return evaluated(self.function, torch)(*args, **kwargs)

    def ours(self, *args: Any, **kwargs: Any) -> Any:
        return evaluated(self.function, minitorch)(*args, **kwargs)

    def __repr__(self) -> str:
        return self.text


def _value(node: ast.expr) -> Any:
    """A tensor's numbers, a Python value, a list of them, or code."""
    if isinstance(node, ast.Name) and node.id in TENSORS:
        return TENSORS[node.id]
    if isinstance(node, (ast.List, ast.Tuple)):
        return (list if isinstance(node, ast.List) else tuple)(map(_value, node.elts))
    try:
        return ast.literal_eval(node)
    except ValueError:
        return Code(ast.unparse(node))


def evaluated(code: str, library: Any) -> Any:
    """The value of an expression in a library, with fresh tensors, a network and optimizers. What it warns of is looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(code, _Names(library))


class _Names(dict):
    """The names that lines may use; each is made when it is first asked for."""

    def __init__(self, library: Any):
        super().__init__(torch=library, nn=library.nn, F=library.nn.functional, data=library.utils.data)

    def __missing__(self, name: str) -> Any:
        torch = self["torch"]
        if name in TENSORS:
            made = torch.from_numpy(TENSORS[name].copy())
        elif name in MADE:
            made = MADE[name](torch)
        else:
            raise KeyError(name)
        self[name] = made
        return made


def _leaf(torch: Any) -> Any:
    return torch.from_numpy(TENSORS["x"].copy()).requires_grad_()


def _with_grad(torch: Any) -> Any:
    leaf = _leaf(torch)
    leaf.grad = torch.from_numpy(TENSORS["y"].copy())
    return leaf


def _net(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()).double()


MADE: dict[str, Callable[[Any], Any]] = {
    "p": _leaf,
    "q": _with_grad,
    "net": _net,
    "sgd": lambda torch: torch.optim.SGD([_with_grad(torch)], 0.1),
    "adam": lambda torch: torch.optim.Adam([_with_grad(torch)], 0.1),
    "array": lambda torch: np.ones(3),
}


@functools.cache
def lines() -> list[Line]:
    """The good calls of what both libraries have."""
    return [line for line in map(Line, _calls()) if all(_has(library, line.function) for library in (torch, minitorch))]


def _has(library: Any, function: str) -> bool:
    try:
        evaluated(function, library)
    except AttributeError:
        return False
    return True


def _calls() -> Iterator[str]:
    for text in (METHODS, FUNCTIONAL, FUNCTIONS, MODULES, TRAINING):
        for piece in text.replace("\n", "|").split("|"):
            if piece.strip().endswith(")"):
                yield piece.strip()
