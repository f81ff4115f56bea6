"""A derivative of your own: autograd.Function

Write the class custom_function, a minitorch.autograd.Function that computes swish(x) = x * sigmoid(x) and its derivative:

    forward(ctx, x)    returns the result, and keeps what backward needs with ctx.save_for_backward(...)
    backward(ctx, g)   returns dL/dx for g = dL/dout; ctx.saved_tensors is the tuple that was saved

The judge calls custom_function.apply(x) and runs backward. minitorch's ready silu may not be used; sigmoid may.
"""

import minitorch

from ..truth import gradients, value

HINTS = (
    "The product rule: d(x * s)/dx = s + x * ds/dx, with s = sigmoid(x).",
    "ds/dx = s * (1 - s).",
    "Save x (and s, if you like), not g: forward does not know g yet.",
)
RETURNS = ("the value", "the gradient")
FORBIDDEN = ("silu", "SiLU")


def inputs(s):
    return {"x": s.floats("*"), "g": s.floats("*")}


def call(f, x, g):
    made = minitorch.from_numpy(x.copy()).requires_grad_()
    out = f.apply(made)
    out.backward(minitorch.from_numpy(g.copy()))
    return out.detach().numpy(), None if made.grad is None else made.grad.numpy()


class custom_function(minitorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s = minitorch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, g):
        x, s = ctx.saved_tensors
        return g * (s + x * s * (1 - s))


class start(minitorch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        raise NotImplementedError("write forward here")

    @staticmethod
    def backward(ctx, g):
        raise NotImplementedError("write backward here")


def expected(x, g):
    return value(minitorch.nn.functional.silu, x), gradients(minitorch.nn.functional.silu, g, x)


class wrong_half_the_product_rule(minitorch.autograd.Function):
    """Half of the product rule is missing: sigmoid(x) depends on x too, which adds x * s * (1 - s)."""

    @staticmethod
    def forward(ctx, x):
        s = minitorch.sigmoid(x)
        ctx.save_for_backward(s)
        return x * s

    @staticmethod
    def backward(ctx, g):
        (s,) = ctx.saved_tensors
        return g * s


class wrong_no_upstream(minitorch.autograd.Function):
    """backward leaves g out: what it returns is dL/dx = g * dout/dx."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * minitorch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = minitorch.sigmoid(x)
        return s + x * s * (1 - s)
