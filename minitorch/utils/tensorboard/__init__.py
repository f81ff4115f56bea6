"""`SummaryWriter`: what a training tells of itself, in files that TensorBoard shows (torch's `torch.utils.tensorboard`).

One idea: each `add_…` makes one message (an event: a step, a time, a value with its tag) and appends it to a file in the run's folder;
TensorBoard reads whatever folders it is given, again and again. The messages and the file are those of the package `tensorboard`, which
shows them too (`pip install 'minitorch[tensorboard]'`); this room fills them in. Read next: `writer.py`, then `summary.py`.

Not there: `add_video` (torch needs moviepy for it) and `add_onnx_graph` (`add_graph` shows the model itself).
"""

from __future__ import annotations

from minitorch.utils.optional import needed

needed("tensorboard.compat.proto", "tensorboard", by="minitorch.utils.tensorboard")

from .writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
