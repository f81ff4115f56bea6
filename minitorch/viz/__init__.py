"""Look inside: pictures of a training and of a network, each a matplotlib Figure that nothing else holds.

    viz.curves({"train_loss": […], "val_loss": […]}).savefig("curves.png")

Loss curves and learning rates (`histories.py`), gradient flow (`gradients.py`), histograms of weights and activations (`histograms.py`), filters,
feature maps and Grad-CAM (`filters.py`), the confusion matrix, PCA and t-SNE (`classes.py`), the loss around the weights (`landscape.py`). What is drawn is computed by a function of
its own, so that the numbers can be had without the picture. matplotlib is imported when a picture is made: extra `viz`.
Read next: `looking.py`, how a model is looked at without being changed; `docs/look-inside.md`, what the pictures teach.
"""

from __future__ import annotations

from .classes import confusion_counts, confusion_matrix, embedding, pca, tsne
from .filters import feature_maps, feature_maps_of, filter_images, filters, grad_cam, heat_maps
from .gradients import gradient_flow, gradient_magnitudes
from .histograms import activation_histograms, histogram, weight_histograms
from .histories import curves, histories, learning_rate, learning_rates
from .landscape import landscape, loss_landscape
from .looking import activations

__all__ = [
    "activation_histograms",
    "activations",
    "confusion_counts",
    "confusion_matrix",
    "curves",
    "embedding",
    "feature_maps",
    "feature_maps_of",
    "filter_images",
    "filters",
    "grad_cam",
    "gradient_flow",
    "gradient_magnitudes",
    "heat_maps",
    "histogram",
    "histories",
    "landscape",
    "learning_rate",
    "learning_rates",
    "loss_landscape",
    "pca",
    "tsne",
    "weight_histograms",
]
