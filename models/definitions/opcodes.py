"""The instructions of compiled rules, as the compiler writes and the kernel reads them.

An instruction is two int32 words, in bytes from the lowest:

    word 0   operation | flags | variable i | variable j
    word 1   index of a constant (16 bits) | jump (15 bits)

Comparisons (`operation <= COMPARE_STACK`) jump when their outcome equals the SENSE flag, else go on: a jump of 0 ends
the rule with 0.0 (false), any other is that many instructions forward. Running off the end is 1.0 (true), so a rule
that is one comparison is one instruction. A comparison's three low flags say which orders of the operands satisfy it;
operands without an order (one is not a number) satisfy none.
"""

from __future__ import annotations

from typing import Final

COMPARE_CONST: Final = 0  # x[i] with a constant
COMPARE_SCALED: Final = 1  # x[i] with a constant times x[j]
COMPARE_STACK: Final = 2  # the two uppermost of the stack; takes both
VARIABLE: Final = 3  # puts x[i] on the stack
CONSTANT: Final = 4
ADD: Final = 5  # these take two of the stack and leave one
SUBTRACT: Final = 6
MULTIPLY: Final = 7
DIVIDE: Final = 8  # by zero: not a number
MIN: Final = 9  # not a number if either is not
MAX: Final = 10
NEGATE: Final = 11  # these change the uppermost
ABS: Final = 12
LOG1P: Final = 13  # of -1 and below: not a number

LESS: Final = 1
EQUAL: Final = 2
GREATER: Final = 4
SENSE: Final = 8

FAIL: Final = 0
MOST_CONSTANTS: Final = 0x10000
