"""Class activation maps, in the names of the package torchcam: which places of a picture a class was seen at.

```python
from minitorch.vision.torchcam.methods import GradCAM

with GradCAM(model.eval(), "layer4") as cam:
    scores = model(image)
    (map,) = cam(scores.squeeze(0).argmax().item(), scores)
```

Only hooks: the model's code is not touched. Read next: `methods/core.py`.
"""

from . import methods, utils
