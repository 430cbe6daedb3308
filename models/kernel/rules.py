"""Runs a compiled rule over a customer's variables: the hot loop's interpreter of `models.definitions.opcodes`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.definitions.opcodes import (
    ABS,
    ADD,
    COMPARE_CONST,
    COMPARE_SCALED,
    COMPARE_STACK,
    CONSTANT,
    DIVIDE,
    FAIL,
    MIN,
    MULTIPLY,
    NEGATE,
    SUBTRACT,
    VARIABLE,
)
from models.kernel.jit import flat


@flat
def evaluate(
    code: NDArray[np.int32],
    consts: NDArray[np.float64],
    start: int,
    stop: int,
    x: NDArray[np.float64],
    stack: NDArray[np.float64],
) -> float:
    """1.0 if the rule in code[start:stop] is true of the variables x [VARIABLES], else 0.0.

    code [n, 2] and consts [m] are those of a `Program`; stack is scratch room of at least `Program.stack` (32 always
    suffices). Nothing is checked here: the compiler vouches for the code.
    """
    at = start
    top = 0
    while at < stop:
        word = code[np.uint32(at), 0]
        operand = code[np.uint32(at), 1]
        operation = word & 0xFF
        if operation <= COMPARE_STACK:
            if operation == COMPARE_CONST:
                a = x[np.uint32((word >> 16) & 0xFF)]
                b = consts[np.uint32(operand & 0xFFFF)]
            elif operation == COMPARE_SCALED:
                a = x[np.uint32((word >> 16) & 0xFF)]
                b = x[np.uint32(word >> 24)] * consts[np.uint32(operand & 0xFFFF)]
            else:
                top -= 2
                a = stack[np.uint32(top)]
                b = stack[np.uint32(top + 1)]
            order = np.int32(a < b) | (np.int32(a == b) << 1) | (np.int32(a > b) << 2)
            satisfied = np.int32(((word >> 8) & order) != 0)
            if satisfied == (word >> 11) & 1:
                jump = operand >> 16
                if jump == FAIL:
                    return 0.0
                at += jump
            else:
                at += 1
            continue
        at += 1
        if operation == VARIABLE:
            stack[np.uint32(top)] = x[np.uint32((word >> 16) & 0xFF)]
            top += 1
        elif operation == CONSTANT:
            stack[np.uint32(top)] = consts[np.uint32(operand & 0xFFFF)]
            top += 1
        elif operation >= NEGATE:
            a = stack[np.uint32(top - 1)]
            if operation == NEGATE:
                a = -a
            elif operation == ABS:
                a = abs(a)
            else:
                a = math.log1p(a) if a > -1.0 else math.nan
            stack[np.uint32(top - 1)] = a
        else:
            top -= 1
            a, b = stack[np.uint32(top - 1)], stack[np.uint32(top)]
            if operation == ADD:
                a += b
            elif operation == SUBTRACT:
                a -= b
            elif operation == MULTIPLY:
                a *= b
            elif operation == DIVIDE:
                a = a / b if b != 0.0 else math.nan
            elif math.isnan(a) or math.isnan(b):
                a = math.nan
            elif operation == MIN:
                if b < a:
                    a = b
            elif b > a:
                a = b
            stack[np.uint32(top - 1)] = a
    return 1.0
