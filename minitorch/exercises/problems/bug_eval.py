"""Find the bug: the same input, another answer

This function should return what a trained model says to x, and leave the model as it was: in training mode if it was in training mode, with
the same running averages. The model has BatchNorm and Dropout layers. Mend it: minitorch may be used as you like.
"""

import numpy as np

import minitorch
from minitorch import nn

from ..truth import arrays, tensor

HINTS = (
    "no_grad switches off the recording of the graph, and nothing else.",
    "Dropout and BatchNorm do something else in use than in training: model.eval() tells them.",
    "Afterwards: model.train(was), with was = model.training before.",
)
RETURNS = ("the output", "the running mean", "the training flags")


def inputs(s):
    return {"x": s.given(lambda case, source: s.floats(f"{source.integer(2, 4)} 3")(source, case)), "training": s.booleans}


def call(f, x, training):
    minitorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).double().train(training)
    out = f(model, tensor(x).detach())
    return arrays(out), model[1].running_mean.numpy(), [module.training for module in model.modules()]


def bug_eval(model: nn.Module, x: minitorch.Tensor) -> minitorch.Tensor:
    """What the model says to x, in use."""
    was = model.training
    model.eval()
    with minitorch.no_grad():
        out = model(x)
    model.train(was)
    return out


def start(model: nn.Module, x: minitorch.Tensor) -> minitorch.Tensor:
    """What the model says to x, in use."""
    with minitorch.no_grad():
        return model(x)


def expected(x, training):
    minitorch.manual_seed(0)
    linear = nn.Linear(3, 4).double()
    return arrays(linear(tensor(x)) / (1 + 1e-5) ** 0.5), np.zeros(4), [training] * 4


def wrong_not_back(model, x):
    """The model is left in evaluation mode: if it was in training, the training that goes on is without dropout."""
    model.eval()
    with minitorch.no_grad():
        return model(x)


def wrong_always_train(model, x):
    """The model is put into training mode afterwards, whatever it was in before."""
    model.eval()
    with minitorch.no_grad():
        out = model(x)
    model.train()
    return out


def wrong_flag_alone(model, x):
    """BatchNorm and Dropout still do what they do in training: model.eval() sets the flag of every module, not of the outermost alone."""
    was, model.training = model.training, False
    with minitorch.no_grad():
        out = model(x)
    model.training = was
    return out
