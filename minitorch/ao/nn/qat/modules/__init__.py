"""The classes of `minitorch.ao.nn.qat`."""
