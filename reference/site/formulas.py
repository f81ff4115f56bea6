"""Formulas for the site: what docstrings write as plain text, `∂L/∂x = p · (g − ⟨g, p⟩)`, and lambdas as Python, becomes TeX, and KaTeX
(from npm, at build time) makes HTML of it. The Markdown sources keep the plain text, and so does a screen reader's label.

A line of text is cut into words and mathematics first: a letter, a symbol and a function's name are mathematics, other words are words.
"""

from __future__ import annotations

import ast
import html
import json
import re
import subprocess
from itertools import groupby
from operator import itemgetter
from pathlib import Path

WORD = r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*_?"
TOKEN = re.compile(rf"`[^`]+`|∂L/∂{WORD}|'s\b|[A-Za-z0-9]+-[A-Za-z]+|{WORD}|\d+(?:\.\d+)?|\s+|.", re.S)
FUNCTIONS = {
    "exp", "ln", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arsinh", "arcosh", "artanh",
    "erf", "diag", "det", "tril", "triu", "skew",
}  # fmt: skip
ACCENTS = {"\u0302": "\\hat", "\u0304": "\\bar"}
NO_NOUNS = FUNCTIONS | {  # before one of these "a" is a letter, not an article
    "and", "or", "of", "where", "is", "in", "at", "with", "without", "by", "to", "for", "has", "was", "if", "then", "over", "along",
}  # fmt: skip
TIMES, SUMS, BEGINS, ENDS = (*"·/×√<>≤≥",), (*"+−",), (*"([",), (*")]+−",)
LETTERS = {"dt": "\\,dt", "dx": "\\,dx", "dh": "dh", "dpre": "\\mathit{dpre}", "pre": "\\mathit{pre}"}
SYMBOLS = {
    "·": "\\cdot ", "−": "-", "×": "\\times ", "∂": "\\partial ", "Σ": "\\sum ", "Π": "\\prod ", "∫": "\\int ", "∞": "\\infty ", "∘": "\\circ ",
    "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "±": "\\pm ", "∈": "\\in ", "→": "\\to ", "←": "\\gets ", "⋆": "\\star ",
    "⟨": "\\langle ", "⟩": "\\rangle ", "⌊": "\\lfloor ", "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "‖": "\\Vert ", "|": "\\vert ",
    "…": "\\dots ", "½": "\\tfrac12 ", "′": "'", "%": "\\%", "#": "\\#", "&": "\\&", "$": "\\$", "{": "\\{", "}": "\\}", "~": "\\sim ", "^": "\\wedge ",
    "α": "\\alpha ", "β": "\\beta ", "γ": "\\gamma ", "δ": "\\delta ", "ε": "\\varepsilon ", "ζ": "\\zeta ", "λ": "\\lambda ", "μ": "\\mu ",
    "π": "\\pi ", "σ": "\\sigma ", "φ": "\\varphi ", "ψ": "\\psi ", "Γ": "\\Gamma ", "Φ": "\\Phi ", "Δ": "\\Delta ", "θ": "\\theta ", "_": "\\_",
}  # fmt: skip
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀˣʸᵃᵇᶜᵈᵉᵏⁱⁿᵖᵗᵘᵛʰ", "0123456789+-()Txyabcdekinptuvh"))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₓₐₑᵢⱼₖₗₘₙₚₜₛ", "0123456789+-xaeijklmnpts"))


def as_html(text: str, typeset: dict[str, str]) -> str:
    """A line of words and formulas as HTML; `typeset` has the HTML of each formula's TeX, or is filled with what is missing."""
    return "".join(_piece(kind, piece, typeset) for kind, piece in cut(text))


def code_as_html(code: str, typeset: dict[str, str]) -> str:
    """An expression in Python as a formula; as code if it has more than formulas have."""
    tex = tex_of_code(code)
    return f"<code>{html.escape(code)}</code>" if tex is None else _labelled(code, tex, typeset)


def _piece(kind: str, piece: str, typeset: dict[str, str]) -> str:
    if kind == "formula":
        return _labelled(piece, tex_of(piece), typeset)
    return f"<code>{html.escape(piece.strip('`'))}</code>" if kind == "code" else html.escape(piece)


def _labelled(plain: str, tex: str, typeset: dict[str, str]) -> str:
    made = typeset.setdefault(tex, "")
    return f'<span class="formula" role="math" aria-label="{html.escape(plain)}">{made}</span>'


# ---- words or mathematics ----


def cut(text: str) -> list[tuple[str, str]]:
    """The line in pieces: ("words", …), ("code", …) and ("formula", …), in their order."""
    tokens = TOKEN.findall(text)
    kinds = [_kind(tokens, i) for i in range(len(tokens))]
    for i in range(len(kinds)):  # spaces and stops go with what is before them
        if kinds[i] == "after":
            kinds[i] = kinds[i - 1] if i and kinds[i - 1] in ("words", "formula") else "words"
    for i in reversed(range(len(kinds))):  # opening brackets with what is behind them
        if kinds[i] == "before":
            kinds[i] = kinds[i + 1] if kinds[i + 1 :] and kinds[i + 1] != "code" else "words"
    runs = [(kind, "".join(token for _, token in run)) for kind, run in groupby(zip(kinds, tokens), key=itemgetter(0))]
    return [part for kind, piece in runs for part in _trimmed(kind, piece)]


def _kind(tokens: list[str], i: int) -> str:
    token, after = tokens[i], "".join(tokens[i + 1 : i + 3])
    if token.startswith("`"):
        return "code"
    if token.startswith("∂L"):
        return "formula"
    if token in NO_NOUNS - FUNCTIONS or token == "'s" or re.fullmatch("[A-Za-z0-9]+-[A-Za-z]+", token):
        return "words"  # at, 's, 0-d
    if token[0].isascii() and token[0].isalpha():
        if _is_operand("".join(tokens[:i]).rstrip()[-1:], after.strip()[:1]) or (i and tokens[i - 1].isdigit()):
            return "formula"  # slope · x
        if token in ("a", "A") and re.match(r"\s[a-zA-Z]{2}", after) and after.strip() not in NO_NOUNS:
            return "words"  # the article
        math = token in FUNCTIONS or token in LETTERS or re.fullmatch(r"[A-Za-z](_[A-Za-z0-9]+)?|\w*[0-9]\w*", token)
        return "formula" if math or after.startswith("(") or after[:1] in (*RAISED, *LOWERED) else "words"
    if token in "([":
        return "before"
    return "after" if re.fullmatch(r"\s+|[-,.:;?!'\")\]]", token) else "formula"


def _is_operand(before: str, after: str) -> bool:
    """Whether a word between these two is a quantity: `slope` in `slope · x`, `mean` in `(x − mean)`; not `the` in `1 − the share`."""
    return before in TIMES or after in TIMES or (before in SUMS and after in ENDS) or (before in BEGINS and after in SUMS)


def _trimmed(kind: str, piece: str) -> list[tuple[str, str]]:
    """A formula without the spaces and stops around it; brackets whose other half is among the words go there as well."""
    if kind != "formula":
        return [(kind, piece)]
    end = len(piece.rstrip(" ,.:;"))
    while end and piece[end - 1] == ")" and piece[:end].count("(") < piece[:end].count(")"):
        end = len(piece[: end - 1].rstrip(" ,.:;"))
    opened: list[int] = []
    for place, letter in enumerate(piece[:end]):
        if letter == "(":
            opened.append(place)
        elif letter == ")" and opened:
            opened.pop()
    if (opened and piece[: opened[0]].endswith((" ", "("))) or opened == [0]:
        first = opened[0]
        return [*_trimmed(kind, piece[:first]), ("words", "("), *_trimmed(kind, piece[first + 1 :])]
    return [part for part in (("formula", piece[:end]), ("words", piece[end:])) if part[1]]


# ---- plain text to TeX ----


def tex_of(formula: str) -> str:
    """`Σ_j exp(x_j)` as TeX."""
    made, rest = "", formula
    while rest:
        piece, rest = _next(rest)
        made += piece
    return made


def _next(rest: str) -> tuple[str, str]:
    """The TeX of what a formula begins with, and what follows."""
    for letters, mark in ((RAISED, "^"), (LOWERED, "_")):
        if run := re.match(f"[{''.join(letters)}]+", rest):
            return f"{mark}{{{''.join(letters[c] for c in run[0])}}}", rest[run.end() :]
    if slope := re.match(rf"∂L/∂({WORD}[{''.join(LOWERED)}]*)", rest):
        return f"\\frac{{\\partial L}}{{\\partial {tex_of(slope[1])}}}", rest[slope.end() :]
    if rest[0] in "^_√" and rest[1:].strip():
        inside, after = _operand(rest[1:])
        return (f"\\sqrt{{{inside}}}" if rest[0] == "√" else f"{rest[0]}{{{inside}}}"), after
    if rest[1:2] in ACCENTS:
        return f"{ACCENTS[rest[1]]}{{{rest[0]}}}", rest[2:]
    if word := re.match(WORD, rest):
        return _word(word[0], calls=rest[word.end() :].startswith("(")), rest[word.end() :]
    return SYMBOLS.get(rest[0], rest[0]), rest[1:]


def _word(word: str, calls: bool = False) -> str:
    stem, _, below = word.partition("_")
    if len(word) == 1:
        return word
    if below and (len(stem) == 1 or len(below) <= 2):
        return f"{_word(stem)}_{{{below if len(below) <= 2 else _word(below)}}}"
    command = "operatorname" if calls or word in FUNCTIONS else "mathit"
    return LETTERS.get(word) or f"\\{command}{{{word.replace('_', chr(92) + '_')}}}"


def _operand(rest: str) -> tuple[str, str]:
    """What ^, _ or √ takes: a bracket, or one thing with its sign."""
    if rest[:1] in ("(", "{"):
        closing, depth = {"(": ")", "{": "}"}[rest[0]], 0
        for end, letter in enumerate(rest):
            depth += (letter == rest[0]) - (letter == closing)
            if depth == 0:
                return tex_of(rest[1:end]), rest[end + 1 :]
    if bars := re.match(r"[−-]?\|[^|]*\|", rest):
        return tex_of(bars[0]), rest[bars.end() :]
    sign = rest[:1] if rest[:1] in "−-" else ""
    one, after = _next(rest[len(sign) :])
    return ("-" if sign else "") + one, after


# ---- Python to TeX ----

OPERATORS = {ast.Add: " + ", ast.Sub: " - ", ast.Mult: " \\cdot ", ast.MatMult: "\\,"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "\\le", ast.Gt: ">", ast.GtE: "\\ge", ast.Eq: "=", ast.NotEq: "\\ne"}
NAMES = {"alpha": "\\alpha", "math.pi": "\\pi", "beta": "\\beta"}


def tex_of_code(code: str) -> str | None:
    """`g * cos(x)` as TeX; None for what is no formula: bit operators, comparisons in arguments, attributes of objects."""
    try:
        return _expression(ast.parse(code, mode="eval").body)
    except KeyError:
        return None


def _expression(node: ast.expr) -> str:
    """The TeX of an expression. KeyError: it has no form here."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"\\frac{{{_expression(left)}}}{{{_expression(right)}}}"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{_within(left, 3)}^{{{_expression(right)}}}"
        case ast.BinOp(left=left, op=op, right=right):
            level = 1 if isinstance(op, (ast.Add, ast.Sub)) else 2
            return _within(left, level) + OPERATORS[type(op)] + _within(right, level + (not isinstance(op, ast.Add)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return "-" + _within(operand, 2)
        case ast.Call(func=function, args=args, keywords=[]):
            return _call(ast.unparse(function), [_expression(argument) for argument in args])
        case ast.IfExp(test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=other):
            test = f"{_expression(left)} {COMPARISONS[type(op)]} {_expression(right)}"
            return f"{_expression(body)} \\text{{ if }} {test} \\text{{, else }} {_expression(other)}"
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            return NAMES[name] if "." in name else NAMES.get(name, _word(name))
        case ast.Constant(value=int() | float()):
            return ast.unparse(node)
    raise KeyError(type(node))


def _within(node: ast.expr, level: int) -> str:
    """In brackets if it binds less tightly than its place asks for."""
    binds = 4
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Div):
        binds = 1 if isinstance(node.op, (ast.Add, ast.Sub)) else 2
    elif isinstance(node, (ast.UnaryOp, ast.IfExp)):
        binds = 1
    text = _expression(node)
    return f"\\left({text}\\right)" if binds < level else text


def _call(name: str, arguments: list[str]) -> str:
    name = name.removeprefix("math.")
    if name in ("sqrt", "square", "rsqrt", "abs"):
        (x,) = arguments
        return {"sqrt": f"\\sqrt{{{x}}}", "square": f"\\left({x}\\right)^2", "abs": f"\\left\\vert {x}\\right\\vert "}.get(
            name, f"\\frac{{1}}{{\\sqrt{{{x}}}}}"
        )
    shown = (
        name
        if len(name) == 1
        else {"log": "\\ln", "sigmoid": "\\sigma", "digamma": "\\psi"}.get(name, _word(name, calls=True))
    )
    return f"{shown}\\left({', '.join(arguments)}\\right)"


# ---- TeX to HTML ----

SCRIPT = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const html = tex => katex.renderToString(tex, {output: 'html', strict: 'error'});
console.log(JSON.stringify(formulas.map(html)));
"""


def render(formulas: list[str], katex: Path) -> dict[str, str]:
    """The HTML of each formula; RuntimeError with KaTeX's words if it refuses one."""
    command = ["node", "-e", SCRIPT, str(katex / "katex.js")]
    done = subprocess.run(command, input=json.dumps(formulas), capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        refused = re.search(r"^.*ParseError: .*$|^.*Error: .*$", done.stderr, re.M)
        raise RuntimeError(f"KaTeX refuses a formula: {refused[0] if refused else done.stderr}")
    return dict(zip(formulas, json.loads(done.stdout)))
