"""Random rules: the kernel's interpreter agrees with Python's own evaluation, bit for bit."""

from __future__ import annotations

import ast
import math
import struct

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from models.definitions.postfix import compile_rule
from models.definitions.program import assemble
from models.definitions.variables import VARIABLES
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


def by_python(text: str, x: list[float]) -> object:
    """What Python's own eval makes of the text."""
    tree = ast.fix_missing_locations(Figures().visit(ast.parse(text, mode="eval")))
    names = {name: Figure(value) for name, value in zip(VARIABLES, x, strict=True)}
    functions = {"figure": Figure, "abs": abs, "min": smaller, "max": larger, "log1p": log1p, "known": lambda a: a == a}
    # The tests' own expressions, from the strategies below.
    return eval(compile(tree, "rule", "eval"), {"__builtins__": {}, **functions, **names, "always": True})  # noqa: S307


variables = st.sampled_from(VARIABLES[:6] + VARIABLES[-3:])
literals = st.one_of(
    st.integers(0, 10_000).map(str),
    st.floats(0, 1e15, allow_nan=False).map(repr),
    st.sampled_from(["0", "0.0", "1", "1e-300", "1e300", "0.1", "5e-324"]),
)


def numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        inner.map(lambda a: f"abs({a})"),
        inner.map(lambda a: f"log1p({a})"),
        inner.map(lambda a: f"(-{a})"),
    )


a_number = st.recursive(variables | literals, numbers, max_leaves=12)
operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
simple = st.tuples(variables, operators, variables | literals).map(" ".join)
scaled = st.tuples(variables, operators, literals, variables).map(lambda t: f"{t[0]} {t[1]} {t[2]} * {t[3]}")
mixed = st.tuples(a_number, operators, a_number).map(" ".join)
chained = st.tuples(a_number, operators, variables, operators, a_number).map(" ".join)
comparisons = simple | scaled | mixed | chained | a_number.map(lambda a: f"known({a})") | st.just("always")


def conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    junction = st.tuples(st.sampled_from([" and ", " or "]), st.lists(inner, min_size=2, max_size=4))
    return junction.map(lambda t: "(" + t[0].join(t[1]) + ")") | inner.map(lambda a: f"not ({a})")


a_condition = st.recursive(comparisons, conditions, max_leaves=10)
values = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324, 1e308]),
    st.integers(-3, 3).map(float),
    st.floats(0, 4000),
    st.floats(),
)
customers = st.lists(values, min_size=len(VARIABLES), max_size=len(VARIABLES))


def by_kernel(text: str, x: list[float]) -> tuple[float, float]:
    """The outcome, and the lowest number of the stack."""
    # Random literals overflow and cancel out; long texts are too long. Nothing else may be refused.
    allowed = ("finite", "divides by zero", "characters; at most", "nested too deeply")
    faults = faults_of(text)
    assert all(any(word in fault for word in allowed) for fault in faults), faults
    if faults:
        reject()
    assembly = assemble([compile_rule(text, "test")])
    (start, stop), stack = assembly.spans[0], np.full(32, 7.0)
    outcome = evaluate(assembly.code, assembly.consts, start, stop, np.array(x), stack)
    return outcome, float(stack[0])


def faults_of(text: str) -> tuple[str, ...]:
    try:
        compile_rule(text, "test")
    except DefinitionsError as error:
        return error.faults
    return ()


def bits(value: float) -> bytes:
    return struct.pack("<d", math.nan if math.isnan(value) else value)


@settings(max_examples=600)
@given(a_condition, customers)
def test_conditions_agree_with_python(text: str, x: list[float]) -> None:
    outcome, _ = by_kernel(text, x)
    assert outcome == (1.0 if by_python(text, x) else 0.0)


@settings(max_examples=600)
@given(a_number, customers)
def test_numbers_agree_with_python_bit_for_bit(text: str, x: list[float]) -> None:
    # A comparison with a function goes over the stack, whose lowest place then still holds the left side.
    _, number = by_kernel(f"{text} < log1p(events)", x)
    expected = by_python(text, x)
    assert isinstance(expected, Figure)
    assert bits(number) == bits(expected)


@settings(max_examples=200)
@given(a_condition, customers)
def test_the_compiler_measures_the_stack_that_a_rule_needs(text: str, x: list[float]) -> None:
    outcome, _ = by_kernel(text, x)
    rule = compile_rule(text, "test")
    assembly = assemble([rule])
    guarded = np.full(40, 123.0)
    (start, stop) = assembly.spans[0]
    assert evaluate(assembly.code, assembly.consts, start, stop, np.array(x), guarded[: rule.stack + 1]) == outcome
    assert (guarded[rule.stack :] == 123.0).all()


@settings(max_examples=300)
@given(st.text(alphabet="orders cdhun_9.<>=()+-*/,andotkwm1", max_size=60) | st.text(max_size=60))
def test_any_text_compiles_or_is_refused_with_sentences(text: str) -> None:
    assert all(len(fault) > 20 for fault in faults_of(text))
