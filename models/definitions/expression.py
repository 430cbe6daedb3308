"""Reads the text of a rule into a checked syntax tree: a strict whitelist, and every fault told with its position.

A rule is a condition. Conditions are comparisons of numbers (chained too), `and`, `or`, `not`, `known(number)` and
`always`; numbers are variables, finite literals, + - * /, unary -, and the functions abs, log1p, min and max. The two
kinds do not mix, so that nothing depends on how a truth value counts or whether a number is "truthy".
"""

from __future__ import annotations

import ast
import math
import re
from difflib import get_close_matches
from typing import Final

from models.definitions.variables import INDEX, VARIABLES
from models.errors import DefinitionsError

MOST_CHARACTERS: Final = 2000
MOST_DEPTH: Final = 40

ALWAYS: Final = "always"
KNOWN: Final = "known"
FUNCTIONS: Final[dict[str, int]] = {"abs": 1, "log1p": 1, "max": 2, "min": 2}
"""Functions of numbers and how many they take."""

_TOKEN: Final = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<symbol><=|>=|==|!=|[-+*/<>(),])|(?P<other>.)",
    re.ASCII | re.DOTALL,
)
_INSTEAD: Final = {
    "=": "compare with ==",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != to compare",
    "^": "multiply instead",
    "%": "write a share as a number between 0 and 1",
    "#": "put remarks into the description",
    "'": "a rule has no texts",
    '"': "a rule has no texts",
}
_WORDS: Final[dict[type[ast.AST], str]] = {
    ast.Pow: "the power **",
    ast.FloorDiv: "the division //",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.UAdd: "the sign +",
    ast.Tuple: "a list with commas",
    ast.IfExp: "if ... else",
    ast.GeneratorExp: "a loop",
    ast.Starred: "*",
    ast.Lambda: "lambda",
}
COMPARISONS: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def parse_expression(text: str, where: str) -> ast.expr:
    """The checked tree of a rule, which holds only what the module's docstring lists. `where` names the rule in errors.

    Raises DefinitionsError with every fault, each with the character (from 1) at which it stands.
    """
    text = " ".join(text.split())
    faults = _spell(text)
    if not faults:
        tree, faults = _parse(text)
        if tree is not None:
            checker = _Checker(text)
            checker.condition(tree)
            faults = checker.faults
            if not faults:
                return tree
    raise DefinitionsError(where, faults)


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The known names that look most like this one, for an error message."""
    return ", ".join(get_close_matches(name, known, 3, 0.5) or get_close_matches(name, known, 1, 0.0) or ["none"])


def _spell(text: str) -> list[str]:
    """Faults of characters, before Python's own parser sees the text."""
    if not text:
        return ["the rule is empty; write a condition, such as orders > 0, or always"]
    if len(text) > MOST_CHARACTERS:
        return [f"the rule has {len(text)} characters; at most {MOST_CHARACTERS} are read"]
    faults = []
    number_ends = -1
    for token in _TOKEN.finditer(text):
        at, word = token.start() + 1, token.group()
        if token.lastgroup == "other":
            faults.append(f"{word!r} at character {at} has no meaning in a rule: {_INSTEAD.get(word, 'take it out')}")
        elif token.lastgroup in ("name", "number") and token.start() == number_ends:
            faults.append(f"{word!r} at character {at} follows a number without a space or an operator")
        if token.lastgroup == "number":
            number_ends = token.end()
    return faults


def _parse(text: str) -> tuple[ast.expr | None, list[str]]:
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        return None, [f"not a condition: {error.msg} at character {error.offset or 1} of {text!r}"]
    except (RecursionError, MemoryError, ValueError):
        return None, [f"nested too deeply, or a number too long; nest at most {MOST_DEPTH} levels"]
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            return None, [f"nested too deeply; nest at most {MOST_DEPTH} levels"]
        level = [
            child
            for node in level
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.expr | ast.keyword | ast.comprehension)
        ]
    return tree, []


class _Checker:
    """Walks a tree, first as a condition, and notes what does not belong."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[str] = []

    def condition(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self.condition(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.condition(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for operand in (left, *comparators):
                    self.number(operand)
                for op in ops:
                    if not isinstance(op, COMPARISONS):
                        self._refuse(node, op)
            case ast.Call(func=ast.Name(id=name)) if name == KNOWN:
                self._arguments(node, name, 1)
            case ast.Name(id=name) if name == ALWAYS:
                pass
            case _:
                before = len(self.faults)
                self.number(node)
                if len(self.faults) == before:
                    part = ast.get_source_segment(self.text, node)
                    self._note(node, f"{part!r} is a number where a condition is needed: compare it, as in {part} > 0")

    def number(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=value):
                self._literal(node, value)
            case ast.Name(id=name) if name != ALWAYS:
                if name in FUNCTIONS or name == KNOWN:
                    self._note(node, f"{name} is a function: write {name}(...)")
                elif name not in INDEX:
                    self._note(node, f"unknown name {name!r}; the nearest known: {nearest(name, VARIABLES)}")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self.number(operand)
            case ast.BinOp(left=left, op=op, right=right):
                if not isinstance(op, _ARITHMETIC):
                    self._refuse(node, op)
                self.number(left)
                self.number(right)
                if isinstance(op, ast.Div) and constant(right) == 0.0:
                    self._note(node, f"{ast.get_source_segment(self.text, node)!r} divides by zero")
                    return
                value = constant(node) if isinstance(op, _ARITHMETIC) else None
                if value is not None and not math.isfinite(value):
                    self._note(node, f"{ast.get_source_segment(self.text, node)!r} is not a finite number")
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                self._arguments(node, name, FUNCTIONS[name])
            case ast.Call(func=ast.Name(id=name)) if name != KNOWN:
                self._note(node, f"unknown function {name!r}; known are {', '.join((*FUNCTIONS, KNOWN))}")
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Name() | ast.Call(func=ast.Name()):
                part = ast.get_source_segment(self.text, node)
                self._note(node, f"{part!r} is a condition where a number is needed")
            case ast.UnaryOp(op=op):
                self._refuse(node, op)
            case _:
                self._refuse(node, node)

    def _arguments(self, node: ast.Call, name: str, count: int) -> None:
        if node.keywords or len(node.args) != count:
            self._note(node, f"{name} takes {count} number{'s' if count > 1 else ''} in brackets")
        for argument in node.args:
            self.number(argument)

    def _literal(self, node: ast.Constant, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._note(node, f"{value!r} is not a number; a rule that is true for everyone is: {ALWAYS}")
        elif _figure(value) is None:
            self._note(node, "a number too large, or with more digits than can be kept")

    def _refuse(self, node: ast.expr, what: ast.AST) -> None:
        word = _WORDS.get(type(what), type(what).__name__)
        self._note(node, f"{word} is not allowed; allowed are + - * / < <= > >= == != and or not, and functions")

    def _note(self, node: ast.expr, fault: str) -> None:
        self.faults.append(f"{fault} (at character {node.col_offset + 1} of {self.text!r})")


def _figure(value: int | float) -> float | None:
    """A literal as float64, None if it is not finite or would silently lose digits."""
    try:
        figure = float(value)
    except OverflowError:
        return None
    return figure if math.isfinite(figure) and figure == value else None


def constant(node: ast.expr) -> float | None:
    """The value, folded as float64, of a part that names no variable and calls no function; None of another part."""
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float):
            return _figure(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = constant(operand)
            return None if inner is None else -inner
        case ast.BinOp(left=left, op=op, right=right):
            a, b = constant(left), constant(right)
            if a is None or b is None:
                return None
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b if b != 0.0 else math.nan
    return None
