"""A learning rate with warmup, then along a cosine

For the steps 0, 1, ..., total - 1:

    the first `warmup` steps     lr * (step + 1) / warmup                      lr / warmup, ..., lr
    the others                   lr * (1 + cos(pi * r)) / 2                    r goes from 0 towards 1

where r is the share of the steps after the warmup that lie before this one. warmup may be 0.

Given step, warmup, total (more than warmup) and lr, return the rate, a float. Python's math alone.
"""

import math

HINTS = (
    "How many steps are there after the warmup? How many of these lie before this one?",
    "r = (step - warmup) / (total - warmup).",
    "With warmup 0 the first formula would divide by 0; it is for step < warmup alone.",
)


def inputs(s):
    def total(case, source):
        return case["warmup"] + source.integer(1, 8)

    return {
        "warmup": s.given(lambda case, source: source.integer(0, 4)),
        "total": s.given(total),
        "step": s.given(lambda case, source: source.integer(0, case["total"] - 1)),
        "lr": s.of(1.0, 0.1),
    }


def warmup_cosine(step: int, warmup: int, total: int, lr: float) -> float:
    """The learning rate of this step."""
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def expected(step, warmup, total, lr):
    import minitorch
    from minitorch.optim import SGD
    from minitorch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

    optimizer = SGD([minitorch.zeros(1, requires_grad=True)], lr=lr)
    schedule: LinearLR | CosineAnnealingLR
    if step < warmup:
        schedule = LinearLR(optimizer, start_factor=1 / warmup, total_iters=max(warmup - 1, 1))
    else:
        schedule, step = CosineAnnealingLR(optimizer, T_max=total - warmup), step - warmup
    for _ in range(step):
        optimizer.step()
        schedule.step()
    return float(schedule.get_last_lr()[0])


def wrong_from_zero(step, warmup, total, lr):
    """The warmup begins at 0 here, so the first step does nothing: step + 1, not step."""
    return lr * step / warmup if step < warmup else warmup_cosine(step, warmup, total, lr)


def wrong_whole_cosine(step, warmup, total, lr):
    """The cosine counts from step 0: it begins after the warmup, so that the rate does not jump there."""
    return lr * (step + 1) / warmup if step < warmup else lr * (1 + math.cos(math.pi * step / total)) / 2


def wrong_whole_period(step, warmup, total, lr):
    """The cosine goes through a whole period here, and the rate comes up again: half a period, pi * r, ends at 0."""
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr * (1 + math.cos(2 * math.pi * (step - warmup) / (total - warmup))) / 2
