"""Formulas where only plain letters can be written: `∂L/∂x = p · (g − ⟨g, p⟩)` becomes `dL/dx = p * (g - <g, p>)`.

An error handler for an output's encoding: what the encoding lacks is written in letters that it has. Read next: `ends.py`.
"""

from __future__ import annotations

import codecs
import unicodedata

NAME = "minitorch.plain_letters"
WORDS = {
    "∂": "d", "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "⋆": "*", "∘": "o", "√": "sqrt", "Σ": "sum", "Π": "prod", "∫": "int",
    "‖": "||", "←": "<-", "→": "->", "↦": "->", "∞": "inf", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "⟨": "<", "⟩": ">",
    "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")", "′": "'", "½": "1/2", "∇": "grad ", "ᵀ": "^T", "…": "...", "␣": "_", "°": " deg", "⁻": "^-",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "ε": "eps", "ζ": "zeta", "η": "eta", "θ": "theta",
    "λ": "lambda", "μ": "mu", "µ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "Φ": "Phi", "ψ": "psi", "Γ": "Gamma",
}  # fmt: skip


def plain(letter: str) -> str:
    """The letter in ASCII; "?" if there is no word for it.

    >>> "".join(map(plain, "σ²"))
    'sigma^2'
    """
    if letter.isascii() or letter in WORDS:
        return WORDS.get(letter, letter)
    if unicodedata.combining(letter):
        return ""
    kind, _, code = unicodedata.decomposition(letter).rpartition("> ")
    base = "".join(chr(int(c, 16)) for c in code.split() if not unicodedata.combining(chr(int(c, 16))))
    sign = {"<super": "^", "<sub": "_"}.get(kind, "")
    return sign + "".join(c if c.isascii() else WORDS.get(c, "?") for c in base) if base else "?"


def _handled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end


codecs.register_error(NAME, _handled)
