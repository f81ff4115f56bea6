"""Complete small programs; `digits` is what `minitorch train` runs."""
