"""The rows, one file a family of `minitorch/ops/`."""
