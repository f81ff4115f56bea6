"""The classes of `minitorch.ao.nn.intrinsic`."""
