"""Complete small programs; `digits` and `names` are what `minitorch train` runs."""
