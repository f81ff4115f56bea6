"""Random scripts of what users type: nothing differs that is not explained; a fault is noticed, and told in a few lines.

What is typed and compared: `reference/scripts/`; many more: `python -m reference scripts`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import minitorch
from reference.scripts import run
from reference.scripts.explained import ONE_SIDED, TORCHS_OWN
from shares import by_turns


@pytest.mark.parametrize("first", by_turns(range(0, 2000, 250), 8))
def test_scripts_from_seeds(first: int, capsys: pytest.CaptureFixture) -> None:
    assert run.scripts(250, first) == 0, capsys.readouterr().out


def forgets_to_count(self: Any) -> None:
    """A write that goes uncounted."""


FAULTS = {  # what breaks → the class, its method, the broken one
    "a write goes uncounted": (minitorch.Tensor, "_bump", forgets_to_count),
    "a dtype is not kept": (minitorch.Tensor, "double", lambda self: self.to(minitorch.float32)),
    "a view has another shape": (minitorch.Tensor, "unsqueeze", lambda self, dim: self.view(*self.shape, 1)),
    "an optimizer forgets": (minitorch.optim.SGD, "zero_grad", lambda self, set_to_none=True: None),
    "a layer scales": (minitorch.nn.Linear, "forward", lambda self, x: x @ self.weight.t()),
    "a hook does not run": (minitorch.Tensor, "register_hook", lambda self, hook: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_noticed_and_told_in_a_few_lines(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    found = None
    for seed in range(3000):
        if found := run.write_and_run(seed, 12, Counter()):
            break
    assert found is not None, "no script noticed"
    shrunk = run.shrink(found)
    assert len(shrunk.script) <= 8
    assert run.replay(shrunk.script) is not None, "the script that is shown does not differ"


def test_a_statement_that_one_side_refuses_is_a_difference() -> None:
    with pytest.raises(run.Difference, match="raised"):
        sides = run.Sides()
        sides.names[0]["only_here"] = sides.names[1]["torch"].ones(1)  # a name that torch's side has not
        sides.known.add("only_here")
        sides.do("a = only_here")


def test_what_is_explained_is_said_in_words() -> None:
    assert all(len(why.split()) >= 3 for why in (*ONE_SIDED.values(), *TORCHS_OWN.values()))
