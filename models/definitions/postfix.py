"""Turns a checked rule into the kernel's instructions: one for a plain comparison, jumps for and, or, not."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.definitions import opcodes
from models.definitions.expression import ALWAYS, KNOWN, constant, parse_expression
from models.definitions.variables import INDEX
from models.errors import DefinitionsError

MOST_STACK: Final = 32

_ORDERS: Final[dict[type[ast.cmpop], int]] = {
    ast.Lt: opcodes.LESS,
    ast.LtE: opcodes.LESS | opcodes.EQUAL,
    ast.Gt: opcodes.GREATER,
    ast.GtE: opcodes.GREATER | opcodes.EQUAL,
    ast.Eq: opcodes.EQUAL,
    ast.NotEq: opcodes.LESS | opcodes.GREATER,
}
_MIRRORED: Final = {1: 4, 2: 2, 3: 6, 4: 1, 5: 5, 6: 3}
"""The orders that hold of (b, a) where the given ones hold of (a, b)."""

_BINARY: Final[dict[type[ast.operator], int]] = {
    ast.Add: opcodes.ADD,
    ast.Sub: opcodes.SUBTRACT,
    ast.Mult: opcodes.MULTIPLY,
    ast.Div: opcodes.DIVIDE,
}
_CALLS: Final = {"abs": opcodes.ABS, "log1p": opcodes.LOG1P, "max": opcodes.MAX, "min": opcodes.MIN}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction before its constant has a place in the program's pool; see `models.definitions.opcodes`."""

    operation: int
    flags: int = 0
    i: int = 0
    j: int = 0
    constant: float = 0.0
    jump: int = opcodes.FAIL


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `variables`: indices of those it names, in order of appearance; `stack`: room that it needs."""

    instructions: tuple[Instruction, ...]
    variables: tuple[int, ...]
    stack: int


def compile_rule(text: str, where: str) -> Rule:
    """Compiles the text of a rule; `where` names it in errors. Raises DefinitionsError with every fault."""
    tree = parse_expression(text, where)
    assembler = _Assembler()
    assembler.branch(tree, False, None)
    if assembler.deepest > MOST_STACK:
        raise DefinitionsError(where, [f"needs {assembler.deepest} numbers at once; at most {MOST_STACK}: simplify it"])
    names = sorted(
        (node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in INDEX),
        key=lambda node: node.col_offset,
    )
    variables = tuple(dict.fromkeys(INDEX[node.id] for node in names))
    return Rule(tuple(assembler.instructions), variables, assembler.deepest)


class _Label:
    """A place further on, not yet known; `sources` are the instructions that jump there."""

    def __init__(self) -> None:
        self.sources: list[int] = []


class _Assembler:
    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.height = 0
        self.deepest = 0

    def branch(self, node: ast.expr, sense: bool, label: _Label | None) -> None:
        """Jumps to the label (None: the rule is false) if the condition's outcome is `sense`, else goes on."""
        match node:
            case ast.BoolOp(op=op, values=values):
                self._junction(values, isinstance(op, ast.Or), sense, label)
            case ast.UnaryOp(operand=operand):
                self.branch(operand, not sense, label)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                self._compare(left, _ORDERS[type(op)], right, sense, label)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                links = [ast.Compare(a, [op], [b]) for a, op, b in zip([left, *comparators[:-1]], ops, comparators, strict=True)]
                self._junction(links, False, sense, label)
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name == KNOWN:
                self._compare(argument, opcodes.EQUAL, argument, sense, label)
            case ast.Name(id=name) if name == ALWAYS:
                if sense:
                    self._jump(Instruction(opcodes.COMPARE_CONST), False, label)  # satisfied by no order: always jumps
            case _:
                raise AssertionError(f"not a condition: {ast.dump(node)}")

    def _junction(self, parts: Sequence[ast.expr], deciding: bool, sense: bool, label: _Label | None) -> None:
        """`deciding`: the outcome of one part that settles the whole: true for or, false for and."""
        if sense == deciding:
            for part in parts:
                self.branch(part, sense, label)
            return
        past = _Label()
        for part in parts[:-1]:
            self.branch(part, deciding, past)
        self.branch(parts[-1], sense, label)
        for source in past.sources:
            jump = len(self.instructions) - source
            self.instructions[source] = replace(self.instructions[source], jump=jump)

    def _compare(self, left: ast.expr, orders: int, right: ast.expr, sense: bool, label: _Label | None) -> None:
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            left, orders, right = right, _MIRRORED[orders], left
        if isinstance(left, ast.Name):
            i = INDEX[left.id]
            value = constant(right)
            if value is not None:
                self._jump(Instruction(opcodes.COMPARE_CONST, orders, i, constant=value), sense, label)
                return
            scaled = _scaled(right)
            if scaled is not None:
                self._jump(Instruction(opcodes.COMPARE_SCALED, orders, i, *scaled), sense, label)
                return
        self.number(left)
        self.number(right)
        self.height -= 2
        self._jump(Instruction(opcodes.COMPARE_STACK, orders), sense, label)

    def number(self, node: ast.expr) -> None:
        """Leaves the number on the stack."""
        value = constant(node)
        if value is not None:
            self._put(Instruction(opcodes.CONSTANT, constant=value), 1)
            return
        match node:
            case ast.Name(id=name):
                self._put(Instruction(opcodes.VARIABLE, i=INDEX[name]), 1)
            case ast.UnaryOp(operand=operand):
                self.number(operand)
                self._put(Instruction(opcodes.NEGATE), 0)
            case ast.BinOp(left=left, op=op, right=right):
                self.number(left)
                self.number(right)
                self._put(Instruction(_BINARY[type(op)]), -1)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                for argument in arguments:
                    self.number(argument)
                self._put(Instruction(_CALLS[name]), 1 - len(arguments))
            case _:
                raise AssertionError(f"not a number: {ast.dump(node)}")

    def _put(self, instruction: Instruction, growth: int) -> None:
        self.instructions.append(instruction)
        self.height += growth
        self.deepest = max(self.deepest, self.height)

    def _jump(self, instruction: Instruction, sense: bool, label: _Label | None) -> None:
        if label is not None:
            label.sources.append(len(self.instructions))
        self.instructions.append(replace(instruction, flags=instruction.flags | (opcodes.SENSE if sense else 0)))


def _scaled(node: ast.expr) -> tuple[int, float] | None:
    """(variable, factor) of `variable` or `variable * constant`; multiplication by 1 changes no bit."""
    match node:
        case ast.Name(id=name):
            return INDEX[name], 1.0
        case (
            ast.BinOp(left=ast.Name(id=name), op=ast.Mult(), right=other)
            | ast.BinOp(left=other, op=ast.Mult(), right=ast.Name(id=name))
        ):
            value = constant(other)
            return None if value is None else (INDEX[name], value)
    return None
