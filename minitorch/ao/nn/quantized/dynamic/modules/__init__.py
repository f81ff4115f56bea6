"""The classes of `minitorch.ao.nn.quantized.dynamic`."""
