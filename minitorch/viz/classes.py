"""What a classifier mixes up, and how its features lie: the confusion matrix, and many dimensions drawn in two.

PCA is the projection that keeps the most variance: the first two right singular vectors of the centred features. t-SNE keeps neighbours
together and says nothing by its distances (van der Maaten & Hinton 2008); it is scikit-learn's, if that is installed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import minitorch
from minitorch.tensor import Tensor

from .looking import host
from .style import COLOURS, INK, as_picture, heading, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_counts(y_true: Any, y_pred: Any, classes: int | None = None) -> np.ndarray:
    """counts[i, j]: how often the class i was taken for j.

    >>> confusion_counts([0, 1, 1], [0, 1, 0])
    array([[1, 0],
           [1, 1]])
    """
    true, predicted = host(y_true), host(y_pred)
    for name, labels in (("y_true", true), ("y_pred", predicted)):
        if labels.ndim != 1 or labels.dtype.kind not in "iub":
            raise ValueError(
                f"confusion_matrix: expected {name} as one class number each, got {labels.dtype} of shape {labels.shape}"
                + ("; of scores take argmax(1)" if labels.ndim == 2 else "")
            )
    if len(true) != len(predicted) or not len(true):
        raise ValueError(f"confusion_matrix: expected as many predictions as labels, got {len(predicted)} and {len(true)}")
    there = int(max(true.max(), predicted.max())) + 1
    classes = there if classes is None else classes
    if min(true.min(), predicted.min()) < 0 or there > classes:
        raise ValueError(
            f"confusion_matrix: expected classes from 0 to {classes - 1}, got {min(true.min(), predicted.min())} to {there - 1}"
        )
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (true.astype(int), predicted.astype(int)), 1)
    return counts


def confusion_matrix(
    y_true: Any,
    y_pred: Any,
    *,
    classes: Sequence[str] | None = None,
    normalize: bool = False,
    title: str = "Confusion matrix",
) -> Figure:
    """A row for each true class, a column for each predicted one; dark is a large share of the row.

    The numbers are counts, or with `normalize` shares of the row in percent; a zero is left out. classes: their names.
    """
    counts = confusion_counts(y_true, y_pred, None if classes is None else len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [str(i) for i in range(len(counts))] if classes is None else list(classes)
    side = max(3.6, 0.42 * len(counts) + 1.6)
    figure, axes = new_figure(1, 1, panel=(side + 0.8, side))
    ax = axes[0, 0]
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts)):
        text = f"{100 * shares[i, j]:.0f}" if normalize else str(counts[i, j])
        ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else INK)
    as_picture(ax)
    long = max(map(len, names)) > 3
    ax.set_xticks(range(len(names)), names, fontsize=8, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, ax=ax, label="share of the row", shrink=0.8).ax.tick_params(labelsize=8)
    right = int(np.trace(counts))
    heading(
        figure,
        title,
        f"{right} of {counts.sum()} right, {100 * right / counts.sum():.2f} %"
        + ("; in percent of a row" if normalize else ""),
    )
    return figure


def _rows(features: Any, who: str) -> np.ndarray:
    """(N, D): the features of each of N points, flat; TypeError of what is no rows of numbers."""
    values = host(features)
    if values.ndim == 0 or values.dtype.kind not in "biuf":
        raise TypeError(f"{who}: expected features (N, D) as a tensor, an array or a list, got {type(features).__name__}")
    return values.reshape(len(values), math.prod(values.shape[1:]))


def pca(features: Any, dims: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(N, dims) coordinates along the directions of most variance, and the share of all variance that each has.

    The sign of a direction is free: its largest component is made positive. Rows that are not finite become nan.
    """
    values = _rows(features, "pca").astype(np.float64)
    good = np.isfinite(values).all(1)
    if good.sum() < 2 or values.shape[1] < dims:
        raise ValueError(
            f"pca: expected at least 2 finite rows of at least {dims} features, got {good.sum()} rows of {values.shape[1]}"
        )
    centred = values[good] - values[good].mean(0)
    _, S, Vh = (host(part) for part in minitorch.linalg.svd(minitorch.tensor(centred), full_matrices=False))
    signs = np.sign(Vh[np.arange(len(Vh)), np.abs(Vh).argmax(1)])
    directions = (Vh * np.where(signs == 0, 1, signs)[:, None])[:dims]
    coordinates = np.full((len(values), dims), np.nan)
    coordinates[good] = centred @ directions.T
    return coordinates, S[:dims] ** 2 / max((S**2).sum(), np.finfo(float).tiny)


def tsne(features: Any, *, seed: int = 0, perplexity: float = 30.0) -> np.ndarray:
    """(N, 2) coordinates by scikit-learn's t-SNE. perplexity: about how many neighbours a point keeps near."""
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError(
            "viz.tsne needs the package scikit-learn: pip install scikit-learn; method='pca' needs none"
        ) from error
    values = _rows(features, "tsne")
    if not np.isfinite(values).all():
        raise ValueError("tsne: expected finite features, got inf or nan")
    if perplexity >= len(values):
        raise ValueError(f"tsne: perplexity must be less than the number of rows, got {perplexity} and {len(values)}")
    return TSNE(2, perplexity=perplexity, random_state=seed, init="pca").fit_transform(values)


def embedding(
    features: Tensor | np.ndarray,
    labels: Any = None,
    *,
    method: str = "pca",
    classes: Sequence[str] | None = None,
    seed: int = 0,
    perplexity: float = 30.0,
    title: str = "",
) -> Figure:
    """Features (N, D) as points in the plane, by "pca" or "tsne"; labels (N): class numbers, each with a colour and a sign of its own.

    A class number of one digit is its own sign, so that colours are not needed to read the picture.
    """
    if method not in ("pca", "tsne"):
        raise ValueError(f'embedding: expected method "pca" or "tsne", got {method!r}')
    features = _rows(features, "embedding")
    if len(features) == 0 or (labels is not None and len(labels) != len(features)):
        raise ValueError(
            f"embedding: expected a label for each row of features, got {len(features)} rows"
            + ("" if labels is None else f", {len(labels)} labels")
        )
    notes = ["distances mean little, neighbours much"] if method == "tsne" else []
    axis_names = ["", ""]
    if method == "pca":
        points, shares = pca(features)
        axis_names = [f"component {i + 1} ({100 * share:.0f} % of the variance)" for i, share in enumerate(shares)]
        lost = int(np.isnan(points[:, 0]).sum())
        notes = [f"{lost} rows are not finite and left out"] if lost else []
    else:
        points = tsne(features, seed=seed, perplexity=perplexity)
    kinds = np.zeros(len(points), int) if labels is None else host(labels).astype(int)
    figure, axes = new_figure(1, 1, panel=(6.0, 5.0))
    ax = axes[0, 0]
    for i, kind in enumerate(np.unique(kinds)):
        mine, name = points[kinds == kind], str(kind) if classes is None else classes[kind]
        sign = (
            f"${kind}$" if labels is not None and classes is None and 0 <= kind <= 9 else "osD^vP*X"[i // len(COLOURS) % 8]
        )
        ax.scatter(*mine.T, s=28, marker=sign, color=COLOURS[i % len(COLOURS)], linewidths=0, alpha=0.85, label=name)
    ax.set(xlabel=axis_names[0], ylabel=axis_names[1])
    if method == "tsne":
        as_picture(ax)
    if labels is not None:
        ax.legend(
            fontsize=8,
            frameon=False,
            labelcolor=INK,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            title="class",
            title_fontsize=8,
        )
    heading(figure, title or {"pca": "PCA", "tsne": "t-SNE"}[method], *notes)
    return figure
