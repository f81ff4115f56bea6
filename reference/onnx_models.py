"""The models that are exported to ONNX with sizes that may differ: nets, every kind of layer, and functions of many ops.

A row: how it is built, its inputs for some sizes, which sizes may differ, and the sizes it is tried with. Read next: `exported.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minitorch
from minitorch import nn
from minitorch.nn import functional as F

from .exported import Model
from .programs.running import module_of

randn, randint = minitorch.randn, minitorch.randint
ROWS_OF, SEQUENCE, PLANES = ({0: "n"},), ({0: "n", 1: "t"},), ({0: "n", 2: "h", 3: "w"},)
BATCHES, LENGTHS, SIDES = ((2,), (5,), (1,)), ((2, 5), (3, 7), (1, 1)), ((2, 8), (3, 12))


class Decoder(nn.Module):
    """Letters, a causal mask made of the length, a net on the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.letter, self.place, self.norm = nn.Embedding(10, 6), nn.Embedding(64, 6), nn.LayerNorm(6)

    def forward(self, letters: Any) -> Any:
        n, t = letters.shape
        x = self.letter(letters) + self.place(minitorch.arange(t))
        hidden = minitorch.tril(minitorch.ones(t, t)) == 0
        weights = (x @ x.transpose(-2, -1) / 6**0.5).masked_fill(hidden, float("-inf")).softmax(-1)
        return self.norm(weights @ x).view(n, t * 6), x[:, -1], x[:, :2].mean((1, 2))


class Reconstruction(nn.Module):
    """What a variational autoencoder makes of the mean of a code: nothing is drawn."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Any) -> Any:
        return self.vae.decode(self.vae.encode(x)[0])


def rows(*widths: int) -> Callable:
    return lambda n: tuple(randn(n, w) for w in widths)


def sequence(width: int) -> Callable:
    return lambda n, t: (randn(n, t, width),)


def planes(n: int, side: int) -> tuple:
    return (randn(n, 4, side, side),)


def net(name: str, build: Callable, inputs: Callable, dynamic: tuple, sizes: tuple) -> Model:
    return Model(name, build, inputs, dynamic, sizes)


NETS = [
    net("perceptron", lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), rows(4), ROWS_OF, BATCHES),
    net(
        "convolutional net",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
        ),
        lambda n, h: (randn(n, 1, h, h),), PLANES, ((2, 12), (3, 9)),
    ),
    net("LSTM", lambda: nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True), sequence(3), SEQUENCE, LENGTHS),
    net("GRU", lambda: nn.GRU(3, 4, 2, bidirectional=True), sequence(3), SEQUENCE, LENGTHS),
    net("RNN", lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False), sequence(3), SEQUENCE, LENGTHS),
    net("RNN of tanh, with its first state", lambda: nn.RNN(3, 4), lambda n, t: (randn(t, n, 3), randn(1, n, 4)),
        ({0: "t", 1: "n"}, {1: "n"}), LENGTHS),
    *(net(f"{cell}Cell", lambda cell=cell: getattr(nn, f"{cell}Cell")(3, 4), rows(3), ROWS_OF, BATCHES) for cell in ("LSTM", "GRU", "RNN")),
    net("MultiheadAttention", lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        lambda n, t: (randn(n, t, 8), *(randn(n, t + 1, 8) for _ in range(2))), ({0: "n", 1: "t"}, {0: "n", 1: "s"}, {0: "n", 1: "s"}), LENGTHS),
    net("TransformerEncoder", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), 2),
        sequence(8), SEQUENCE, LENGTHS),
    net("TransformerEncoder with masks", lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False),
        lambda n, t: (randn(t, n, 8), randn(t, t), randn(n, t)), ({0: "t", 1: "n"}, {0: "t", 1: "t"}, {0: "n", 1: "t"}), LENGTHS),
    net("Transformer", lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True), lambda n, t: (randn(n, t, 8), randn(n, t + 2, 8)),
        ({0: "n", 1: "t"}, {0: "n", 1: "s"}), LENGTHS),
    net("decoder of letters", Decoder, lambda n, t: (randint(0, 10, (n, t)),), SEQUENCE, LENGTHS),
]  # fmt: skip


def of_stranger(program: str, build: Callable, inputs: Callable, dynamic: tuple, sizes: tuple, name: str = "") -> Model:
    """A net of a program that was written for torch (`programs/strangers/`), of which nothing changes but the imports."""
    return Model(
        f"{program}.py ({name})" if name else f"{program}.py",
        lambda: build(module_of(program, minitorch)),
        inputs,
        dynamic,
        sizes,
    )


STRANGERS = [
    of_stranger("gpt", lambda m: m.GPT(m.Config()), lambda n, t: (randint(0, 12, (n, t)),), SEQUENCE, ((2, 4), (3, 7), (1, 1))),
    of_stranger("char_rnn", lambda m: m.RNNModel("LSTM", 27, 8, 8, 2, 0.2, True),
                lambda n, t: (randint(0, 27, (t, n)), (randn(2, n, 8), randn(2, n, 8))), ({0: "t", 1: "n"}, ({1: "n"}, {1: "n"})), LENGTHS),
    of_stranger("dcgan", lambda m: m.Generator(1), lambda n: (randn(n, vars(module_of("dcgan", minitorch))["NZ"], 1, 1),), ROWS_OF, BATCHES),
    of_stranger("dcgan", lambda m: m.Discriminator(1), lambda n: (randn(n, 1, 8, 8),), ROWS_OF, BATCHES, "discriminator"),
    of_stranger("time_sequence", lambda m: m.Sequence(), lambda n: (randn(n, 5),), ROWS_OF, BATCHES),
    of_stranger("vae", lambda m: Reconstruction(m.VAE()), lambda n: (randn(n, 64),), ROWS_OF, BATCHES),
]  # fmt: skip


def layer(build: Callable, inputs: Callable, dynamic: tuple, sizes: tuple) -> Model:
    return Model(str(build()).replace("\n", ""), build, inputs, dynamic, sizes)


OF_PLANES = [
    lambda: nn.MaxPool2d(3, 2, 1), lambda: nn.MaxPool2d(2, ceil_mode=True), lambda: nn.AvgPool2d(3, 2, 1),
    lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    lambda: nn.AvgPool2d(2, divisor_override=3), lambda: nn.LPPool2d(2, 2), lambda: nn.LPPool2d(3, 2), lambda: nn.AdaptiveMaxPool2d(1),
    lambda: nn.InstanceNorm2d(4, affine=True), lambda: nn.GroupNorm(2, 4), lambda: nn.LocalResponseNorm(3),
    lambda: nn.BatchNorm2d(4, track_running_stats=False), lambda: nn.InstanceNorm2d(4, track_running_stats=True),
    lambda: nn.ConvTranspose2d(4, 2, 3, 2, 1, 1), lambda: nn.ConvTranspose2d(4, 2, 3, 2, 1, dilation=2, groups=2),
    lambda: nn.Conv2d(4, 4, 3, padding="same", groups=2), lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
    lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), lambda: nn.ReflectionPad2d(2),
    lambda: nn.ReplicationPad2d((1, 2, 3, 0)), lambda: nn.ZeroPad2d((1, -1, 2, 0)), lambda: nn.CircularPad2d((1, 2, 0, 3)),
    lambda: nn.ConstantPad2d(1, 3.0), lambda: nn.PixelShuffle(2), lambda: nn.ChannelShuffle(2), lambda: nn.Unfold(3, padding=1),
    lambda: nn.Upsample(scale_factor=2), lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), lambda: nn.Upsample(scale_factor=1.5, mode="bicubic"),
    lambda: nn.Upsample(size=(5, 7), mode="bilinear"), lambda: nn.Upsample(size=(5, 7)), lambda: nn.Upsample(size=(5, 7), mode="nearest-exact"),
    lambda: nn.Upsample(size=(11, 13), mode="bicubic", align_corners=True), lambda: nn.PReLU(4), lambda: nn.Softmax2d(), lambda: nn.Flatten(),
    lambda: nn.GLU(1),
]  # fmt: skip
OF_ONE_SIZE = [
    lambda: nn.AdaptiveAvgPool2d((3, 5)), lambda: nn.AdaptiveMaxPool2d((3, None)), lambda: nn.AdaptiveAvgPool2d(4), lambda: nn.PixelUnshuffle(2),
    lambda: nn.LayerNorm(8), lambda: nn.LayerNorm([8, 8]), lambda: nn.RMSNorm(8),
]  # fmt: skip
ACTIVATIONS = """ReLU ReLU6 Sigmoid Tanh ELU CELU SELU GELU SiLU Mish Hardswish Hardsigmoid Hardtanh LeakyReLU Softplus Softsign Tanhshrink
    Softshrink Hardshrink LogSigmoid RReLU PReLU Identity Dropout AlphaDropout"""
OF_ROWS = [
    *(getattr(nn, name) for name in ACTIVATIONS.split()), lambda: nn.Threshold(0.1, 2.0), lambda: nn.Softmax(-1), lambda: nn.LogSoftmax(1),
    lambda: nn.Softmin(1), lambda: nn.GELU("tanh"), lambda: nn.Softplus(2.0, 3.0), lambda: nn.Hardtanh(-2, 3), lambda: nn.CELU(0.5),
]  # fmt: skip


def of_dimensions(k: int) -> list[Model]:
    """Layers in one and three dimensions."""

    def inputs(n: int, side: int) -> tuple:
        return (randn(n, 4, *(side,) * k),)

    dynamic = ({0: "n", **{2 + d: f"size{d}" for d in range(k)}},)
    build = [
        lambda: getattr(nn, f"Conv{k}d")(4, 3, 3, 2, 1), lambda: getattr(nn, f"ConvTranspose{k}d")(4, 3, 3, 2),
        lambda: getattr(nn, f"MaxPool{k}d")(2), lambda: getattr(nn, f"AvgPool{k}d")(2), lambda: getattr(nn, f"AdaptiveAvgPool{k}d")(1),
        lambda: getattr(nn, f"BatchNorm{k}d")(4), lambda: getattr(nn, f"InstanceNorm{k}d")(4), lambda: getattr(nn, f"LPPool{k}d")(2, 2),
        lambda: getattr(nn, f"ReplicationPad{k}d")(1), lambda: nn.Upsample(scale_factor=2, mode={1: "linear", 3: "trilinear"}[k]),
    ]  # fmt: skip
    return [layer(each, inputs, dynamic, SIDES) for each in build]


LAYERS = [
    *(layer(build, planes, PLANES, SIDES) for build in OF_PLANES),
    *(layer(build, planes, ROWS_OF, ((2, 8), (3, 8))) for build in OF_ONE_SIZE),
    *(layer(build, lambda n: (randn(n, 4) * 3,), ROWS_OF, BATCHES) for build in OF_ROWS),
    *of_dimensions(1), *of_dimensions(3),
    layer(lambda: nn.Fold((6, 6), 3), lambda n: (randn(n, 18, 16),), ROWS_OF, BATCHES),
    layer(lambda: nn.Bilinear(3, 4, 5), rows(3, 4), ROWS_OF * 2, BATCHES),
    layer(nn.CosineSimilarity, rows(4, 4), ROWS_OF * 2, BATCHES),
    layer(nn.PairwiseDistance, rows(4, 4), ROWS_OF * 2, BATCHES),
    layer(lambda: nn.EmbeddingBag(10, 3), lambda n: (randint(0, 10, (n, 4)),), ROWS_OF, BATCHES),
    *(layer(build, rows(4, 4), ROWS_OF * 2, BATCHES) for build in (
        nn.MSELoss, nn.L1Loss, lambda: nn.HuberLoss(delta=0.5), lambda: nn.SmoothL1Loss(beta=0.3), nn.BCEWithLogitsLoss,
        lambda: nn.MSELoss(reduction="none"),
    )),
    layer(lambda: nn.BCELoss(reduction="sum"), lambda n: (minitorch.rand(n, 4), minitorch.rand(n, 4)), ROWS_OF * 2, BATCHES),
    layer(nn.CrossEntropyLoss, lambda n: (randn(n, 4), randint(0, 4, (n,))), ROWS_OF * 2, BATCHES),
    layer(lambda: nn.NLLLoss(weight=minitorch.tensor([1.0, 2, 3, 4])), lambda n: (randn(n, 4), randint(0, 4, (n,))), ROWS_OF * 2, BATCHES),
]  # fmt: skip

FUNCTIONS: dict[str, Callable] = {
    "sums": lambda x: (x.sum(), x.sum(1), x.mean((0, 2), keepdim=True), x.amax(1), x.max(), x.std(2), x.var((0, 1), unbiased=False), x.prod(2),
                       x.logsumexp(-1)),
    "places": lambda x: (*x.max(1), *x.min(2, keepdim=True), x.argmax(1), x.argmin(), *x.topk(2, 2), x.cumsum(1), *x.sort(1), *x.sort(0, True)),
    "norms": lambda x: (x.norm(), x.norm(1, dim=1), F.normalize(x, dim=1), x.norm(3.0, dim=2), minitorch.linalg.vector_norm(x, dim=1)),
    "comparisons": lambda x: ((x > 0), (x <= 0.5) & (x > -1), ~(x > 0), (x == x), (x != 0), minitorch.where(x > 0, x, 0.0), (x > 0).any(),
                              x.masked_fill(x > 0, -1.0), (x > 0).all(1), (x > 0) | (x < -1)),
    "arithmetic": lambda x: (x * 2 + 1, 1 - x, 2 / x, x**2, x // 0.5, x % 0.7, -x, x.abs().sqrt(), x.exp().log1p(), x.clamp(-0.5, 0.5),
                             x.clamp(min=0), minitorch.maximum(x, x * x), x.to(minitorch.int64) * 2.5, x.long() // 2, x.add(x, alpha=2),
                             minitorch.div(x, 0.3, rounding_mode="trunc"), x * x.shape[0] + x.numel(), x.square(), x.sign(), x.round()),
    "shapes": lambda x: (x.permute(2, 0, 1), x.transpose(1, 2), x.flatten(), x.flatten(1), x.reshape(x.shape[0], -1), x.view(-1, 4), x.mT,
                         x.unsqueeze(1), x.unsqueeze(0).squeeze(0), x.unflatten(2, (2, 2)), x.movedim(0, -1)),
    "joining": lambda x: (minitorch.cat([x, x * 2], 1), minitorch.stack([x, x], 1), *x.chunk(2, 2), *x.split(3, 2), *x.unbind(2),
                          x.repeat(1, 2, 1), x.unsqueeze(0).expand(3, -1, -1, -1), x.expand(2, *x.shape), x.flip(1), x.roll(-5, 2),
                          x.narrow(2, 1, 2), x.select(1, -1)),
    "indexing": lambda x: (x[0], x[:, 1:], x[..., 0], x[:, :, ::2], x[-1, :, None], x[:, -2:, 1:3], x[:, [0, 0]], x[:, : x.shape[1] - 1],
                           x[minitorch.tensor([0, 0]), minitorch.tensor([0, 0])], x.index_select(2, minitorch.tensor([3, 1])),
                           x.gather(2, x.topk(4, 2)[1]), x[1:, 0], x[None], x[:, :, minitorch.tensor([[0, 1], [1, 0]])]),
    "making": lambda x: (minitorch.zeros(x.shape[0], 3) + x[:, 0, :3], x.new_ones(x.shape), minitorch.ones_like(x), x.triu(1),
                         minitorch.full((x.shape[1], 2), 7.0), minitorch.arange(x.shape[1]) * 1.0, x.new_zeros(2, x.size(1)),
                         minitorch.tril(minitorch.ones(x.shape[1], x.shape[1], dtype=minitorch.bool))),
    "products": lambda x: (x @ x.mT, minitorch.einsum("bij,bkj->bik", x, x), minitorch.bmm(x, x.mT), minitorch.baddbmm(x @ x.mT, x, x.mT, alpha=0.5),
                           F.scaled_dot_product_attention(x, x, x, is_causal=True),
                           F.scaled_dot_product_attention(x, x, x, attn_mask=(x @ x.mT) > 1, scale=0.3)),
    "in place": lambda x: ((x * 2).add_(1).relu_(), F.relu(x * 1, inplace=True), (x * 1).mul_(2)),
    "classes": lambda x: (F.one_hot(x.argmax(2), 4), x.double().sum()),
}  # fmt: skip
OF_TWO = [
    Model("to the size of another", lambda: lambda x, y: F.interpolate(x, size=y.shape[2:], mode="bilinear"),
          lambda n, h: (randn(n, 4, h, h), randn(n, 4, h + 3, h + 1)), (PLANES[0], {0: "n", 2: "h2", 3: "w2"}), SIDES),
    Model("to areas", lambda: lambda x: F.interpolate(x, size=(3, 4), mode="area"), planes, ROWS_OF, ((2, 8), (3, 8))),
    Model("samples of a grid", lambda: lambda x, g: F.grid_sample(x, g, align_corners=False),
          lambda n, h: (randn(n, 2, h, h), minitorch.rand(n, 3, 3, 2) * 2 - 1), (PLANES[0], {0: "n"}), SIDES),
]  # fmt: skip

MODELS = [
    *NETS, *STRANGERS, *LAYERS, *OF_TWO,
    *(Model(name, lambda f=f: f, sequence(4), SEQUENCE, LENGTHS) for name, f in FUNCTIONS.items()),
]  # fmt: skip
