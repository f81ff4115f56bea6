"""Whether what somebody typed is what was printed: by its numbers and words, not by how it is dressed.

`tensor(4., grad_fn=<MulBackward0>)` is answered by `4`, `4.0` or the whole line; `torch.Size([2, 3])` by `2 3` or `(2, 3)`; an error by its
class. Read next: `quiz.py`.
"""

from __future__ import annotations

import math
import re
import unicodedata

ENOUGH = 1e-3  # so far, relatively, a number may be from what was printed
DRESS = re.compile(
    r"grad_fn=<\w+>|requires_grad=\w+|dtype=[\w.]+|device=\S+?(?=[,)]|$)|parameter containing:|\b(?:mini)?torch\.|\bsize\b|\btensor\b|\barray\b"
)
TOKEN = re.compile(r"[-+]?(?:inf\b|nan\b|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?!\w))|[^\W\d][\w.]*")
SAME = {
    "true": {"yes", "y", "t", "是", "对", "真"},
    "false": {"no", "n", "f", "否", "不是", "假"},
    "none": {"nothing", "无", "空"},
}
AN_ERROR = {"error", "exception", "raises", "fails", "报错", "错误", "异常", "出错"}


def agrees(answer: str, output: str) -> bool:
    """Whether the answer is the output."""
    error = re.match(r"'?(?:\w+\.)*(\w+(?:Error|Exception|Interrupt|Warning))(?:[:']|$)", output)
    given = tokens(answer)
    if error is not None:
        return any(word.rpartition(".")[2] == error[1].lower() or word in AN_ERROR for word in given)
    expected = tokens(output)
    return bool(given) and len(given) == len(expected) and all(map(_alike, given, expected))


def tokens(text: str) -> list[str]:
    """The numbers and words in a text, without what only says of which type they are."""
    text = unicodedata.normalize("NFKC", text).replace("−", "-").lower()
    return [token.rstrip(".") if token[0].isalpha() else token for token in TOKEN.findall(DRESS.sub(" ", text))]


def _alike(given: str, expected: str) -> bool:
    wanted, number = _number(expected), _number(given)
    if wanted is not None and number is not None:
        if math.isnan(wanted):
            return math.isnan(number)
        tolerance = 1e-6 if wanted == _whole(wanted) else ENOUGH
        return math.isclose(number, wanted, rel_tol=tolerance, abs_tol=1e-9)
    return _name(given) == _name(expected) or given in SAME.get(expected, ())


def _whole(number: float) -> float | None:
    """The nearest whole number; infinity has none."""
    return round(number) if math.isfinite(number) else None


def _number(token: str) -> float | None:
    try:
        return float(token)
    except ValueError:
        return None


def _name(word: str) -> str:
    """A word; the 0 that ends the names of nodes may be left out."""
    return re.sub(r"backward0$", "backward", word)
