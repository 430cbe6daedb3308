"""Random rules: the kernel's interpreter agrees with Python's own evaluation, bit for bit."""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from models.definitions.postfix import compile_rule
from models.definitions.program import assemble
from models.definitions.variables import INDEX, VARIABLES
from models.errors import DefinitionsError
from models.kernel.rules import evaluate


class Figure(float):
    """A float by the rules' terms: division by zero is not a number, and what is not a number differs from nothing."""

    def __add__(self, other: float) -> Figure:
        return Figure(float(self) + float(other))

    def __sub__(self, other: float) -> Figure:
        return Figure(float(self) - float(other))

    def __mul__(self, other: float) -> Figure:
        return Figure(float(self) * float(other))

    def __truediv__(self, other: float) -> Figure:
        return Figure(float(self) / float(other)) if other != 0.0 else Figure(math.nan)

    def __neg__(self) -> Figure:
        return Figure(-float(self))

    def __abs__(self) -> Figure:
        return Figure(abs(float(self)))

    def __ne__(self, other: object) -> bool:
        assert isinstance(other, float)
        return float(self) < other or float(self) > other


def smaller(a: Figure, b: Figure) -> Figure:
    return Figure(math.nan) if math.isnan(a) or math.isnan(b) else min(a, b)


def larger(a: Figure, b: Figure) -> Figure:
    return Figure(math.nan) if math.isnan(a) or math.isnan(b) else max(a, b)


def log1p(a: Figure) -> Figure:
    return Figure(math.log1p(a)) if a > -1.0 else Figure(math.nan)


class Figures(ast.NodeTransformer):
    """Wraps every literal, so that Python computes with figures only."""

    def visit_Constant(self, node: ast.Constant) -> ast.Call:
        return ast.Call(ast.Name("figure", ast.Load()), [node], [])


def by_python(text: str) -> Callable[[list[float]], object]:
    """What Python's own eval makes of the text, given the variables."""
    tree = ast.fix_missing_locations(Figures().visit(ast.parse(text, mode="eval")))
    code = compile(tree, "rule", "eval")
    functions = {"figure": Figure, "abs": abs, "min": smaller, "max": larger, "log1p": log1p, "known": lambda a: a == a}

    def run(x: list[float]) -> object:
        names = {name: Figure(x[INDEX[name]]) for name in NAMED}
        # The text is the test's own, from the writer below.
        return eval(code, {"__builtins__": {}, **functions, **names, "always": True})  # noqa: S307

    return run


# Few variables and mostly small whole numbers, so that ties, zeros and opposite signs are frequent.
NAMED = (*VARIABLES[:2], VARIABLES[-1])
VALUES = (0.0, -0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.1, math.nan, math.nan, math.inf, -math.inf, 5e-324, 1e308)
LITERALS = ("0", "1", "2", "3", "0.1", "1.0", "4000", "1e308", "5e-324", "2.5e-3")
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")


@dataclass
class Writer:
    """Writes random rules: every form of the language, nested up to `depth`."""

    random: Random

    def leaf(self) -> str:
        return self.random.choice(NAMED if self.random.random() < 0.6 else LITERALS)

    def number(self, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.2:
            return self.leaf()
        a, b = self.number(depth - 1), self.number(depth - 1)
        form = self.random.choice("+-*/mMaln")
        forms = {"m": f"min({a}, {b})", "M": f"max({a}, {b})", "a": f"abs({a})", "l": f"log1p({a})", "n": f"-{a}"}
        return f"({forms.get(form, f'{a} {form} {b}')})"

    def comparison(self) -> str:
        a, b, c = self.number(self.random.randrange(3)), self.number(self.random.randrange(3)), self.leaf()
        first, second = self.random.choices(OPERATORS, k=2)
        pair = [self.random.choice(LITERALS), self.random.choice(NAMED)]
        self.random.shuffle(pair)
        scaled = f" {self.random.choice('***+-/')} ".join(pair)
        forms = (
            f"{a} {first} {b}",
            f"{c} {first} {self.leaf()}",
            f"{c} {first} {scaled}",
            f"{scaled} {first} {c}",
            f"{a} {first} {c} {second} {b}",
            f"known({a})",
            "always",
        )
        return self.random.choices(forms, (6, 6, 3, 3, 3, 1, 1))[0]

    def condition(self, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.2:
            return self.comparison()
        if self.random.random() < 0.25:
            return f"not ({self.condition(depth - 1)})"
        joint = self.random.choice((" and ", " or "))
        return "(" + joint.join(self.condition(depth - 1) for _ in range(self.random.randint(2, 4))) + ")"

    def customer(self) -> list[float]:
        """Variables [VARIABLES]."""
        return [self.random.choice(VALUES) for _ in VARIABLES]


# A seed makes each example another rule; drawing the rule itself would mostly vary the one before.
writers = st.integers(0, 2**64).map(lambda seed: Writer(Random(seed)))


def by_kernel(text: str) -> Callable[[list[float]], tuple[float, float]]:
    """The outcome, and the lowest number of the stack, given the variables."""
    # Literals overflow and cancel out. Nothing else may be refused.
    faults = faults_of(text)
    assert all("finite" in fault or "divides by zero" in fault for fault in faults), faults
    if faults:
        reject()
    assembly = assemble([compile_rule(text, "test")])
    (start, stop), stack = assembly.spans[0], np.full(32, 7.0)

    def run(x: list[float]) -> tuple[float, float]:
        return evaluate(assembly.code, assembly.consts, start, stop, np.array(x), stack), float(stack[0])

    return run


def faults_of(text: str) -> tuple[str, ...]:
    try:
        compile_rule(text, "test")
    except DefinitionsError as error:
        return error.faults
    return ()


def bits(value: float) -> bytes:
    return struct.pack("<d", math.nan if math.isnan(value) else value)


@settings(max_examples=400)
@given(writers)
def test_conditions_agree_with_python(write: Writer) -> None:
    text = write.condition(3)
    kernel, python = by_kernel(text), by_python(text)
    for _ in range(20):
        x = write.customer()
        assert kernel(x)[0] == (1.0 if python(x) else 0.0), (text, x)


@settings(max_examples=400)
@given(writers)
def test_numbers_agree_with_python_bit_for_bit(write: Writer) -> None:
    text = write.number(4)
    # A comparison with a function goes over the stack, whose lowest place then still holds the left side.
    kernel, python = by_kernel(f"{text} < log1p({NAMED[0]})"), by_python(text)
    for _ in range(20):
        x = write.customer()
        expected = python(x)
        assert isinstance(expected, Figure)
        assert bits(kernel(x)[1]) == bits(expected), (text, x)


@settings(max_examples=200)
@given(writers)
def test_the_compiler_measures_the_stack_that_a_rule_needs(write: Writer) -> None:
    text, x = write.condition(3), write.customer()
    outcome, _ = by_kernel(text)(x)
    rule = compile_rule(text, "test")
    assembly = assemble([rule])
    guarded = np.full(40, 123.0)
    (start, stop) = assembly.spans[0]
    assert evaluate(assembly.code, assembly.consts, start, stop, np.array(x), guarded) == outcome
    assert (guarded[rule.stack :] == 123.0).all()


@settings(max_examples=300)
@given(st.text(alphabet="orders cdhun_9.<>=()+-*/,andotkwm1", max_size=60) | st.text(max_size=60))
def test_any_text_compiles_or_is_refused_with_sentences(text: str) -> None:
    assert all(len(fault) > 20 for fault in faults_of(text))
