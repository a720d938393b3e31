"""Trees as plain text, which reads back to the same tree, and as LaTeX, which is well formed and means the same."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest
from albor_contracts.lang import tree
from albor_contracts.lang.functions import FUNCTIONS, REDUCTIONS
from albor_contracts.lang.syntax import parse_block, parse_expression
from albor_contracts.lang.to_latex import (
    escape,
    latex,
    latex_equation,
    latex_name,
    latex_statement,
    text,
    text_equation,
    text_statement,
)
from albor_contracts.library import open_library
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_project import write as put

HERE = (0, 0)


def parsed(words):
    return parse_expression(words)[0]


def bare(node):
    """The tree without places."""
    changes = {}
    for f in dataclasses.fields(node):
        value = getattr(node, f.name)
        if isinstance(value, tree.Node):
            changes[f.name] = bare(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], tree.Node):
            changes[f.name] = tuple(map(bare, value))
    return dataclasses.replace(node, **{"place": HERE, **changes})


def numbers():
    finite = st.floats(0, 1e300, allow_nan=False).filter(lambda v: v != math.pi)
    return st.one_of(
        st.integers(-(2**62), 2**62), finite, st.booleans(), st.sampled_from([math.inf, -math.inf, math.pi, -2.5])
    )


def trees():
    names = st.sampled_from(["a", "b", "beta1", "eps", "dx", "x_2"])
    leaves = st.one_of(numbers().map(lambda v: tree.Number(HERE, v)), names.map(lambda n: tree.Name(HERE, n)))

    def larger(inner):
        def unary(op, operand):
            # The reader folds a minus into a number.
            folds = op == "-" and isinstance(operand, tree.Number) and not isinstance(operand.value, bool)
            return operand if folds else tree.Unary(HERE, op, operand)

        def binary(op, left, right):
            zero = isinstance(right, tree.Number) and right.value == 0  # refused by the reader
            return left if op in ("/", "//", "%") and zero else tree.Binary(HERE, op, left, right)

        def build(node, *parts):
            return st.builds(lambda *values: node(HERE, *values), *parts)

        def words(text):
            return st.sampled_from(text.split())

        one = [f for f, d in FUNCTIONS.items() if d.arity[0] == 1]
        two = [f for f, d in FUNCTIONS.items() if d.arity[0] == 2] + ["approx", "equal", "exact"]
        over = st.sampled_from([("i",), ("i", "j")])
        return st.one_of(
            st.builds(unary, words("- + ~ not"), inner),
            st.builds(binary, words("+ - * / // % ** & | ^ << >>"), inner, inner),
            build(tree.Compare, words("== != < <= > >="), inner, inner),
            build(tree.Logic, words("and or"), inner, inner),
            build(tree.Apply, st.sampled_from(one), st.tuples(inner)),
            build(tree.Apply, st.sampled_from(two), st.tuples(inner, inner)),
            build(tree.Apply, st.just("where"), st.tuples(inner, inner, inner)),
            build(tree.RoundTo, st.just("bf16"), inner),
            build(tree.Element, st.just("m1"), st.tuples(inner, inner)),
            build(tree.Call, st.just("f"), st.tuples(inner), st.booleans()),
            build(tree.Reduce, st.sampled_from(list(REDUCTIONS)), over, inner, st.none() | inner),
        )

    return st.recursive(leaves, larger, max_leaves=12)


@given(trees())
@settings(max_examples=400, deadline=None)
def test_plain_text_reads_back_to_the_same_tree(node):
    assert repr(bare(parsed(text(node)))) == repr(node)  # == would take 1 for True


@given(trees())
@settings(max_examples=400, deadline=None)
def test_latex_is_well_formed(node):
    check(latex(node))


def check(written):
    """Braces, \\left and \\right, and environments pair up; no two signs meet."""
    depth = 0
    for sign in re.findall(r"\\.|[{}]", written):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0, written
    assert depth == 0, written
    assert len(re.findall(r"\\left\b", written)) == len(re.findall(r"\\right\b", written)), written
    assert written.count(r"\begin{cases}") == written.count(r"\end{cases}")
    assert "--" not in written and "+-" not in written and r"\, -" not in written, written


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a - b - c", "a - b - c"),
        ("(a + b) * c", r"\left(a + b\right) \, c"),
        ("a * -b", r"a \, \left(-b\right)"),
        ("2 * 3 * a", r"2 \cdot 3 \, a"),
        ("a / (b + c)", r"\frac{a}{b + c}"),
        ("(a / b) ** 2", r"\left(\frac{a}{b}\right)^{2}"),
        ("-a ** 2", r"-{a}^{2}"),
        ("(-a) ** 2", r"\left(-a\right)^{2}"),
        ("exp(a) ** 2", r"\left(e^{a}\right)^{2}"),
        ("h // G", r"\left\lfloor\frac{h}{G}\right\rfloor"),
        ("a % b + c", r"\left(a \bmod b\right) + c"),
        ("(q >> 4) & 15", r"\left(q \gg 4\right) \mathbin{\&} 15"),
        ("sum[j](x[j]) * y", r"\left(\sum_{j} x_{j}\right) \, y"),
        ("sum[j](x[j] + 1)", r"\sum_{j} \left(x_{j} + 1\right)"),
        ("sum[i, j](x[i] * y[j], where=j <= i)", r"\sum_{\substack{i,j\\ j \le i}} x_{i} \, y_{j}"),
        ("mean[j](x[j] * x[j]) + eps", r"\operatorname*{mean}_{j} \left(x_{j} \, x_{j}\right) + \varepsilon"),
        ("count[j](x[j] > 0)", r"\#\left\{j : x_{j} > 0\right\}"),
        ("all[i](x[i] == 0)", r"\forall i :\ x_{i} = 0"),
        ("where(a < b, 1, 2)", r"\begin{cases}1 & \text{if } a < b\\ 2 & \text{otherwise}\end{cases}"),
        ("int(a < b)", r"\left[a < b\right]"),
        ("real(a) + 1", "a + 1"),
        ("beta1 * m1[i]", r"\beta_{1} \, {m_{1}}_{i}"),
        ("dx[r, 2 * i]", r"\mathit{dx}_{r,2 \, i}"),
        ("1e-5", "10^{-5}"),
        ("2.5e-6 * pi", r"2.5 \times 10^{-6} \cdot \pi"),
        ("1e-5 ** 2", r"\left(10^{-5}\right)^{2}"),
        ("approx(f(x), spec.f(x))", r"\mathrm{f}\left(x\right) \approx \mathrm{f}^{\ast}\left(x\right)"),
        ("round_to(bf16, x)", r"\operatorname{round}_{\mathrm{bf16}}\left(x\right)"),
        ("not (a < b) or c < d", r"\lnot \left(a < b\right) \lor c < d"),
        ("log1p(-x)", r"\log(1+\left(-x\right))"),
        ("max(a, b, -inf)", r"\max\left(a, b, -\infty\right)"),
        ("occurrences(s, 'a_{b}%')", r"\operatorname{occurrences}(s, \text{`a\_\{b\}\%'})"),
    ],
)
def test_latex_reads_as_mathematics(expression, expected):
    assert latex(parsed(expression)) == expected
    check(expected)


def test_texts_are_joined_by_a_function_and_not_by_commas_alone():
    assert latex(parsed("join(a, b)")) == r"\operatorname{join}\left(a, b\right)"


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_has_latex(function):
    low, high = FUNCTIONS[function].arity
    for count in {low, high}:
        arguments = ", ".join("abcdefgh"[:count])
        written = latex(parsed(f"{function}({arguments})"))
        check(written)
        assert all(name in written for name in "abcdefgh"[:count]) and "%s" not in written


@pytest.mark.parametrize(("name", "expected"), [
    ("x", "x"), ("dx", r"\mathit{dx}"), ("alpha", r"\alpha"), ("eps", r"\varepsilon"), ("beta2", r"\beta_{2}"),
    ("expected_y", r"\mathit{expected\_y}"), ("x_2", "x_{2}"), ("_", r"\_"), ("m12", "m_{12}"),
])  # fmt: skip
def test_names(name, expected):
    assert latex_name(name) == expected


def test_what_means_something_to_latex_is_escaped():
    escaped = escape("\\input{x} $&#_%~^\n\x00")
    assert escaped == r"\textbackslash{}input\{x\} \$\&\#\_\%\textasciitilde{}\textasciicircum{}"


def test_statements():
    statements, _ = parse_block("y[r, i] = x[r, i] / n\nc = 2\na, _ = f(x)\ny[t: T, k] = x[t // S, k]")
    assert [text_statement(s) for s in statements] == [
        "y[r, i] = x[r, i] / n", "c = 2", "a, _ = f(x)", "y[t: T, k] = x[t // S, k]",
    ]  # fmt: skip
    assert [latex_statement(s) for s in statements] == [
        r"y_{r,i} = \frac{x_{r,i}}{n}", "c = 2", r"a,\ \_ = \mathrm{f}\left(x\right)",
        r"y_{t,k} = x_{\left\lfloor\frac{t}{S}\right\rfloor,k}",
    ]  # fmt: skip
    assert latex_statement(statements[1], align=True) == "c &= 2"


SOFTMAX = """\
metadata: {version: 1.0.0, title: Softmax, prefix: SM, description: "Rows that sum to one."}
dims: {B: 1..8, N: 1..9}
equations:
  softmax:
    signature: "softmax(x: float[B, N]) -> p: float[B, N]"
    define: |
      e[b, i] = exp(x[b, i] - max[j](x[b, j]))
      p[b, i] = e[b, i] / sum[j](e[b, j])
  shuffle:
    signature: "shuffle(words: text, seed: int) -> out: text"
"""


def test_definitions_of_the_contracts_survive_both():
    root = Path(__file__).parents[2]
    checked = open_library([root / "contracts"], root).checked.values()
    found = [e for c in checked for e in c.equations.values() if e.define is not None]
    assert len(found) >= 2
    for equation in found:
        statements = equation.define.statements
        for s in statements:
            (again,), _ = parse_block(text_statement(s))
            assert repr(bare(again)) == repr(bare(s)), equation.name
        written = latex_equation(equation)
        check(written)
        assert written.count("&=") == len(statements)
        assert text_equation(equation).startswith(str(equation.signature))


def test_ranges_are_stated_and_a_missing_definition_is_said(tmp_path):
    equations = (
        open_library([put(tmp_path, "core/softmax-v1.yaml", SOFTMAX)], tmp_path).checked["core/softmax"].equations
    )
    softmax, shuffle = equations["softmax"], equations["shuffle"]
    assert latex_equation(softmax).endswith(r"&\qquad 0 \le b < B,\quad 0 \le i, j < N" + "\n\\end{aligned}")
    assert text_equation(softmax).endswith("for b in 0..B-1, i in 0..N-1, j in 0..N-1")
    assert latex_equation(shuffle) == r"\mathrm{shuffle}\left(\mathit{words}, \mathit{seed}\right)"
    assert "no definition" in text_equation(shuffle)
