"""Class activation maps in plain torch, by the papers' formulas: the oracle of `vision/torchcam/methods/core.py`.

A network is cut in two at the target layer: `before` makes the feature map A, `after` the scores of it. So A can be a leaf and ∂y/∂A needs no
hook, which is what the code under test uses. Sums over places are written as einsums.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Half = Callable[[Tensor], Tensor]


def gradient(A: Tensor, after: Half, classes: list[int]) -> Tensor:
    """∂y_c/∂A, of the class c of each picture; (N, C, H, W)."""
    A = A.detach().requires_grad_()
    scores = after(A)
    y = sum(scores[n, c] for n, c in enumerate(classes))
    assert isinstance(y, Tensor)
    return torch.autograd.grad(y, A)[0]


def grad_cam(A: Tensor, g: Tensor) -> Tensor:
    """Selvaraju et al. (2017), equations 1 and 2."""
    alpha = torch.einsum("nkij->nk", g) / (A.shape[2] * A.shape[3])
    return torch.relu(torch.einsum("nk,nkij->nij", alpha, A))


def grad_cam_pp(A: Tensor, g: Tensor, g2: Tensor | None = None, g3: Tensor | None = None) -> Tensor:
    """Chattopadhay et al. (2018), equations 5 and 19, for scores y = exp(S): all orders of derivatives are powers of g."""
    g2, g3 = g**2 if g2 is None else g2, g**3 if g3 is None else g3
    below = 2 * g2 + torch.einsum("nkab->nk", A)[:, :, None, None] * g3
    alpha = torch.where(g2 == 0, 0.0, g2 / (below + 1e-8))
    return torch.relu(torch.einsum("nkij,nkij,nkxy->nxy", alpha, torch.relu(g), A))


def x_grad_cam(A: Tensor, g: Tensor) -> Tensor:
    """Fu et al. (2020), equation 8."""
    w = torch.einsum("nkij,nkij->nk", g, A) / (torch.einsum("nkij->nk", A) + 1e-8)
    return torch.relu(torch.einsum("nk,nkij->nij", w, A))


def layer_cam(A: Tensor, g: Tensor) -> Tensor:
    """Jiang et al. (2021), equations 5 to 7."""
    return torch.relu(torch.einsum("nkij,nkij->nij", torch.relu(g), A))


METHODS = {"GradCAM": grad_cam, "GradCAMpp": grad_cam_pp, "XGradCAM": x_grad_cam, "LayerCAM": layer_cam}


def from_0_to_1(maps: Tensor) -> Tensor:
    """Each map brought to 0…1, as torchcam does it: with 1e-8 added to the largest."""
    out = []
    for one in maps:
        one = one - one.min()
        out.append(one / (one.max() + 1e-8))
    return torch.stack(out)


def network(lib, inplace: bool = False):
    """A small CNN of either library, in evaluation mode: 8×8 pictures to 5 scores. Its weights are those of the generator."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=inplace), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5),
    ).to(lib.float64).eval()  # fmt: skip
