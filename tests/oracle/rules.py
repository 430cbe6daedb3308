"""Definitions from their source: a rule is evaluated as Python's syntax tree says, with None for what is unknown.

The documents are silent here, and the rule was read from the code:

- What overflows to no number at all (infinity less infinity) is unknown too, and so is log1p of -1 and below.
- A rule leans on churn, or else on purchase, if one of the first eight figures that `when` names is that score.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from models.definitions.segments import RULED, Definitions
from models.definitions.variables import VARIABLES
from tests.oracle.scores import Figures

MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """One segment's rule. Segment ids are places in the file, from 1; of a micro-segment, its own."""

    segment: int
    when: str
    hold: str | None
    confirmations: int


def rules_of(definitions: Definitions, segmentation: str) -> list[Rule]:
    """The rules of a segmentation, in the order of the file."""
    if segmentation == "micro":
        return [Rule(segment.id, segment.when, segment.hold, 1) for segment in definitions.micro.segments]
    if segmentation not in RULED:
        return []
    ruled = definitions.ruled(segmentation)
    return [
        Rule(place, segment.when, segment.hold, segment.confirmations or ruled.confirmations)
        for place, segment in enumerate(ruled.segments, 1)
    ]


def place_of(definitions: Definitions, selector: str) -> tuple[str, int | None]:
    """Segmentation and segment id that a selector means; None: any."""
    segmentation, key = selector.split(":")
    if key == "*":
        return segmentation, None
    if segmentation == "micro":
        return segmentation, next(segment.id for segment in definitions.micro.segments if segment.key == key)
    keys = [segment.key for segment in definitions.ruled(segmentation).segments]
    return segmentation, keys.index(key) + 1


@cache
def _tree(rule: str) -> ast.expr:
    return ast.parse(" ".join(rule.split()), mode="eval").body


@cache
def named(rule: str) -> tuple[str, ...]:
    """The first figures that a rule names, in order of appearance."""
    names = sorted((n.col_offset, n.id) for n in ast.walk(_tree(rule)) if isinstance(n, ast.Name) and n.id in VARIABLES)
    return tuple(dict.fromkeys(name for _, name in names))[:MOST_NAMED]


def true(rule: str, figures: Figures) -> bool:
    """Whether the rule is true of these figures."""
    return _condition(_tree(rule), figures)


def _condition(node: ast.expr, x: Figures) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_condition(part, x) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_condition(part, x) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _condition(part, x)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            numbers = [_number(part, x) for part in (left, *rights)]
            return all(_holds(op, a, b) for op, a, b in zip(ops, numbers[:-1], numbers[1:], strict=True))
        case ast.Call(func=ast.Name(id="known"), args=[part]):
            return _number(part, x) is not None
        case ast.Name(id="always"):
            return True
    raise AssertionError(f"not a condition: {ast.dump(node)}")


def _holds(op: ast.cmpop, a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return False
    match op:
        case ast.Lt():
            return a < b
        case ast.LtE():
            return a <= b
        case ast.Gt():
            return a > b
        case ast.GtE():
            return a >= b
        case ast.Eq():
            return a == b
        case ast.NotEq():
            return a != b
    raise AssertionError(f"not a comparison: {op}")


def _number(node: ast.expr, x: Figures) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return x[name]
    operands = [_number(part, x) for part in _operands(node)]
    numbers = [number for number in operands if number is not None]
    if len(numbers) < len(operands):
        return None
    result = _computed(node, numbers)
    return None if math.isnan(result) else result


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BinOp(left=left, right=right):
            yield left
            yield right
        case ast.Call(args=arguments):
            yield from arguments


def _computed(node: ast.expr, numbers: list[float]) -> float:
    a, b = numbers[0], numbers[-1]
    match node:
        case ast.UnaryOp(op=ast.USub()):
            return -a
        case ast.BinOp(op=ast.Add()):
            return a + b
        case ast.BinOp(op=ast.Sub()):
            return a - b
        case ast.BinOp(op=ast.Mult()):
            return a * b
        case ast.BinOp(op=ast.Div()):
            return a / b if b != 0.0 else math.nan
        case ast.Call(func=ast.Name(id="abs")):
            return abs(a)
        case ast.Call(func=ast.Name(id="log1p")):
            return math.log1p(a) if a > -1.0 else math.nan
        case ast.Call(func=ast.Name(id="min")):
            return min(a, b)
        case ast.Call(func=ast.Name(id="max")):
            return max(a, b)
    raise AssertionError(f"not a number: {ast.dump(node)}")
