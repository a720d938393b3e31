"""Names, kinds, ranges and fitting indices: each mistake with its code and its place in the file."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from albor_contracts.errors import ContractError
from albor_contracts.lang.check import check_block, check_expression
from albor_contracts.lang.dims import Dims, Poly
from albor_contracts.lang.scope import Index, Scope
from albor_contracts.lang.syntax import Source, parse_block, parse_expression
from albor_contracts.lang.types import parse_domain, parse_type
from loops import Loops
from toys import HEAD, problems

CONTRACT = (
    HEAD
    + """
dims: {B: 1..4, N: 1..9, M: 1..9, G: 1..3, K: 1..3, H: G * K, V: 2..9, S: 1..4}
equations:
  other:
    signature: "other(z: float[N]) -> t: float[N], c: real"
    define: |
      t[i] = 2 * z[i]
      c = sum[i](z[i])
  prose:
    signature: "prose(z: float[N]) -> t: float[N], c: real"
  f:
    signature: >-
      f(x: float[B, N], w: float[M], q: float[B, H, N], k: float[B, K, N], ids: i64[B], s: text, n: int, a: real,
      m: bool[N]) -> y: float[B, N]
    domain: {ids: "in [0, V) or {-100}", n: "in [0, M - 1]"}
    define: DEFINE
  g:
    signature: "g(x: float[B, N], table: float[V, S]) -> y: float[B, N]"
    define: "y[b, i] = x[b, i]"
proof_obligations:
  - {id: TY-LAW, equation: g, type: conservation, property: A law, check: "approx(g(x, table), spec.g(x, table))"}
"""
)

DEFINES = [
    ("E420", "y[b, i] = §z[b, i]"),
    ("E420", "y[b, i] = x[b, i] + §c"),
    ("E420", "y[b, i] = x[b, i] * §y[b, i]"),
    ("E420", "y[b, i] = x[b, i] + §j"),
    ("E420", "c = sum[j](w[j])\ny[b, i] = x[b, i] + §j"),
    ("E421", "§x[b, i] = 3"),
    ("E421", "c = 1\n§c = 2\ny[b, i] = x[b, i]"),
    ("E421", "c[j] = w[j]\n§j = 2\ny[b, i] = x[b, i]"),
    ("E421", "§y[b, a] = x[b, 0]"),
    ("E421", "§y[b, N] = x[b, 0]"),
    ("E421", "y[b, i] = x[b, i] - §max[i](x[b, i])"),
    ("E421", "y[b, i] = x[b, i] - §max[N](w[N])"),
    ("E421", "§c, c = other(w)\ny[b, i] = x[b, i]"),
    ("E422", "y[b, i] = §x[i]"),
    ("E422", "y[b, i] = §a[i]"),
    ("E422", "§y[b] = x[b, 0]"),
    ("E422", "y[b, i] = x[b, i] + §s[0]"),
    ("E423", "§c[j] = 3\ny[b, i] = x[b, i]"),
    ("E423", "y[b, i] = x[b, i] + §sum[j](2)"),
    ("E423", "y[b, i] = x[b, i] + §sum[j](w[j + 1 - 1])"),
    ("E420", "§c[j: T] = 3\ny[b, i] = x[b, i]"),
    ("E425", "c[j: N] = §w[j]\ny[b, i] = x[b, i]"),
    ("E412", "c[j: §N + 1] = 3\ny[b, i] = x[b, i]"),
    ("E412", "c[j: §0] = 3\ny[b, i] = x[b, i]"),
    ("E430", "c[j: M] = x[0, §j + 0]\ny[b, i] = x[b, i]"),
    ("E424", "y[b, i] = x[b, i] + §w"),
    ("E424", "y[b, i] = exp(§x)"),
    ("E424", "§c = w\ny[b, i] = x[b, i]"),
    ("E416", "y[b, i] = x[b, i] + 5 // §n"),
    ("E416", "y[b, i] = x[b, i] + where(n > 0, 5 % §n, 0)"),  # both branches are evaluated
    ("E416", "y[b, i] = x[b, i] + N // §i"),
    ("E408", "§c[j: 99999999] = 3\ny[b, i] = x[b, i]"),
    ("E408", "§c[j: 99999, l: 99999] = 3\ny[b, i] = x[b, i]"),
    ("E425", "y[b, i] = x[b, i] + §w[i]"),
    ("E425", "y[b, i] = x[b, i] + sum[j](x[b, j] * §w[j])"),
    ("E426", "y[b, i] = x[b, i] + §m[i]"),
    ("E426", "y[b, i] = where(§x[b, i], 1, 2)"),
    ("E426", "y[b, i] = §where(m[i], 1, m[i])"),
    ("E426", "y[b, i] = x[b, i] + sum[j](w[j], where=§w[j])"),
    ("E426", "y[b, i] = §x[b, i] & 3"),
    ("E426", "y[b, i] = 3 % §x[b, i]"),
    ("E426", "y[b, i] = -§m[i]"),
    ("E426", "y[b, i] = int(not §n) + x[b, i]"),
    ("E426", "y[b, i] = int(m[i] and §n) + x[b, i]"),
    ("E426", "y[b, i] = int(§m[i] == n) + x[b, i]"),
    ("E426", "y[b, i] = int(§s == n) + x[b, i]"),
    ("E426", "y[b, i] = int(§a) + x[b, i]"),
    ("E426", "y[b, i] = x[b, i] + count[j](§w[j])"),
    ("E426", "y[b, i] = x[b, i] + §argmax[j, l](w[j] + w[l])"),
    ("E427", "c = §other(w, w)\ny[b, i] = x[b, i]"),
    ("E427", "§c = other(w)\ny[b, i] = x[b, i]"),
    ("E427", "c, d = other(§a)\ny[b, i] = x[b, i]"),
    ("E427", "c, d = other(§x)\ny[b, i] = x[b, i]"),
    ("E427", "c, d = other(§m)\ny[b, i] = x[b, i]"),
    ("E428", "y[b, i] = §foo(x[b, i])"),
    ("E428", "y[b, i] = x[b, i] + §f(x)"),
    ("E428", "c, d = §prose(w)\ny[b, i] = x[b, i]"),
    ("E430", "y[b, i] = x[b, §i + 1]"),
    ("E430", "y[b, i] = x[b, §i - 1]"),
    ("E430", "y[b, i] = x[b, §N]"),
    ("E430", "y[b, i] = x[b, i] * w[§ids[b]]"),
    ("E430", "y[b, i] = x[b, i] + w[§n + 1]"),
    ("E430", "y[b, i] = x[b, i] + w[§2 * i]"),
    ("E430", "y[b, i] = x[b, i] + w[§floor(a)]"),
    ("E430", "y[b, i] = where(i < 5, x[b, §i + 1], 0)"),
    ("E430", "y[b, i] = where(i > 0, x[b, §i + 1], 0)"),
    ("E430", "y[b, i] = where(i > 0, 0, x[b, §i - 1])"),
    ("E430", "y[b, i] = where(i > 0 or i < 3, x[b, §i - 1], 0)"),
    ("E430", "y[b, i] = x[b, i] + sum[j](w[j] * x[b, §i - j], where=j > i)"),
    ("E430", "y[b, i] = x[b, i] + sum[h](q[b, h, i] * k[b, §h % G, i])"),
    ("E430", "y[b, i] = x[b, i] + sum[h](q[b, h, i] * k[b, §h // K, i])"),
    ("E430", "y[b, i] = x[b, §(i & -1) + 1]"),
]


def place_in(text: str, style: str) -> tuple[str, str]:
    """The define as YAML in this style, with its mark."""
    if style == "block":
        return "|\n" + "\n".join("      " + line for line in text.split("\n")), text
    return f'"{text}"', text


STYLED = [
    (code, text, style) for code, text in DEFINES for style in (["block"] if "\n" in text else ["block", "quoted"])
]


@pytest.mark.parametrize(("code", "text", "style"), STYLED, ids=[f"{text[:50]}-{style}" for _, text, style in STYLED])
def test_mistakes_in_definitions(code, text, style):
    yaml, _ = place_in(text, style)
    marked = CONTRACT.replace("DEFINE", yaml)
    before = marked.partition("§")[0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems(marked.replace("§", ""))
    assert [d.code for d in found] == [code], found
    (d,) = found
    assert (d.position.line, d.position.column) == (line, column), d
    assert "toy-v1.yaml" in d.position.file


def test_a_conflict_of_ranges_shows_both_places():
    text = "c[j] = w[j]\n      y[b, i] = x[b, i] + sum[j](x[b, j])"
    (d,) = problems(CONTRACT.replace("DEFINE", "|\n      " + text))
    assert d.code == "E425" and "M" in d.message and "N" in d.message
    ((place, words),) = d.related
    assert place.line == d.position.line - 1
    assert "ranges over M here" in words


def test_a_range_that_nothing_shows_is_stated():
    text = "c[j: M, l: 3] = n\n      y[b, i] = x[b, i] + c[0, 0] + w[c[M - 1, 2] % M]"
    assert problems(CONTRACT.replace("DEFINE", "|\n      " + text)) == []


@pytest.mark.parametrize("divisor", ["N", "max(n, 1)", "(i + 1)", "(n * n + 1)", "ids[b]", "2"])
def test_what_is_divided_by_is_not_zero(divisor):
    """`ids` lies in [0, V) or is -100: a condition keeps elements from 0."""
    text = f"where({divisor} > 0, 7 // {divisor} + 7 % {divisor}, 0)" if "ids" in divisor else f"7 // {divisor}"
    assert problems(CONTRACT.replace("DEFINE", f'"y[b, i] = x[b, i] + {text}"')) == []


def test_hints_know_near_misses():
    (d,) = problems(CONTRACT.replace("DEFINE", '"y[b, i] = x[b, i] + cuont[j](w[j] > 0)"'))
    assert d.code == "E415" and "`count`" in d.hint
    (d,) = problems(CONTRACT.replace("DEFINE", '"y[b, i] = sqrtt(x[b, i])"'))
    assert d.code == "E428" and "`sqrt`" in d.hint
    (d,) = problems(CONTRACT.replace("DEFINE", '"y[b, i] = xx[b, i]"'))
    assert d.code == "E420" and "`x`" in d.hint


def test_more_indices_than_axes():
    names = [f"i{k}" for k in range(30)]
    statements = "\n".join(f"      c{n}[{n}] = w[{n}]" for n in names)
    found = problems(CONTRACT.replace("DEFINE", f"|\n{statements}\n      y[b, i] = x[b, i]"))
    assert [d.code for d in found] == ["E411"]


# Indices: whatever is accepted never leaves the array, whatever the sizes and inputs; what can be shown is accepted.

SIZES = {"B": (1, 2), "N": (1, 2, 4), "G": (1, 2, 3), "K": (1, 2), "D": (1, 2)}
TYPES = {
    "x": "float[B, N]", "k": "float[K]", "q": "float[H]", "z": "float[D2]", "wide": "float[N2]", "byte": "float[256]",
    "ids": "i64[B] in [0, N)", "far": "i64[B] in [-3, 6]", "n": "int in [0, 2]", "code": "u8[B]", "raw": "i64[B]",
}  # fmt: skip
PROOFS = [
    "k[h // G]", "k[h % K]", "q[g * K + c]", "q[h]", "q[H - 1 - h]", "z[(d + D) % D2]", "z[d + D]", "wide[2 * i]",
    "wide[2 * i + 1]", "wide[i + l]", "x[b, ids[b]]", "x[b, N - 1 - ids[b]]", "x[b, clip(far[b], 0, N - 1)]",
    "x[b, max(min(far[b], N - 1), 0)]", "x[b, far[b] % N]", "x[b, abs(far[b]) % N]", "byte[code[b] & 255]",
    "byte[raw[b] & 127]", "byte[(raw[b] & 255) >> 4]", "x[b, (i + n) % N]", "x[b, N // 1 - 1]", "k[q_at // G]",
    "x[b, argmax[l](x[b, l])]", "x[b, i // 2]", "wide[i + 0]", "x[0, 0]", "x[b, int(x[b, 0] > 0) * (N - 1)]",
    "x[b, where(i > 0, i - 1, 0)]", "wide[count[l](x[b, l] > 0)]", "x[b, min(i + 1, N - 1, i)]",
]  # fmt: skip
GUARDED = [
    "where(i > 0, x[b, i - 1], 0)", "where(i >= 1, x[b, i - 1], 0)", "where(0 < i, x[b, i - 1], 0)",
    "where(i < N - 1, x[b, i + 1], 0)", "where(i + 1 < N, x[b, i + 1], 0)", "where(i == N - 1, 0, x[b, i + 1])",
    "where(i != 0, x[b, i - 1], 0)", "where(not (i < 1), x[b, i - 1], 0)",
    "where(i == 0 or x[b, i] > 0, 0, x[b, i - 1])", "where(far[b] >= 0 and far[b] < N, x[b, far[b]], 0)",
    "where(0 <= far[b] <= N - 1, x[b, far[b]], 0)", "where(raw[b] < 0 or N <= raw[b], 0, x[b, raw[b]])",
    "sum[l](x[b, l] * x[b, i - l], where=l <= i)", "sum[l](x[b, l] * x[b, l - i], where=i <= l)",
    "sum[l](x[b, l - 1], where=l > 0 and x[b, l] > 0)",
    "where(i > 0, where(i < N - 1, x[b, i + 1] + x[b, i - 1], 0), 0)", "where(i >= n, x[b, i - n], 0)",
    "where(i + n < N, x[b, i + n], 0)", "where(2 * i < N, x[b, 2 * i], 0)", "int(i > 0 and x[b, i - 1] > 0)",
    "int(i == 0 or x[b, i - 1] > 0)", "where(far[b] == 1, wide[far[b]], 0)",
]  # fmt: skip
REFUSED = [
    "x[b, i + 1]", "x[b, i - 1]", "x[b, N]", "k[h % G]", "q[g * K + c + 1]", "z[d + D2]", "wide[2 * i + 2]",
    "x[b, far[b]]", "x[b, raw[b]]", "byte[code[b]]", "x[b, n]", "byte[raw[b] & -1]", "byte[raw[b] >> 4]",
    "x[b, l - i]", "k[h // K]", "x[b, 0 - n]", "x[b, count[l](x[b, l] > 0)]", "x[b, clip(far[b], 0 - 1, N - 1)]",
    "x[b, clip(far[b], 0, N)]", "x[b, max(far[b], 0)]", "x[b, min(far[b], N - 1)]", "where(i >= 0, x[b, i - 1], 0)",
    "where(i > 0, x[b, i + 1], 0)", "where(i > 0 or n > 0, x[b, i - 1], 0)", "where(i > 0, 0, x[b, i - 1])",
    "where(x[b, i] > 0, x[b, i - 1], 0)", "sum[l](x[b, l] * x[b, i - l], where=l >= i)",
    "where(i != 1, x[b, i - 1], 0)", "where(raw[b] >= 0, x[b, raw[b]], 0)", "where(i < N, x[b, i + 1], 0)",
    "where(0.5 < x[b, 0], x[b, floor(x[b, 0])], 0)",
]  # fmt: skip


def scope_of() -> Scope:
    one = Poly.name
    dims = Dims(
        {"H": one("G") * one("K"), "D2": one("D") + one("D"), "N2": one("N") + one("N")},
        {n: v[0] for n, v in SIZES.items()},
    )
    types, domains = {}, {}
    for name, text in TYPES.items():
        types[name], rest = parse_type(text)
        domains[name] = parse_domain(rest)
    return Scope(dims, types, domains, dim_names=frozenset([*SIZES, "H", "D2", "N2"]))


def block_of(text: str):
    free = ["b", "i", "l", "h", "c", "d", "g"]
    scope = scope_of()
    ranges = {"b": "B", "i": "N", "l": "N", "h": "H", "c": "K", "d": "D", "g": "G", "q_at": "H"}
    words = re.findall(r"\w+", text)
    used = [n for n in [*free, "q_at"] if n in words]
    inner = [n for n in used if f"[{n}](" in text]
    outer = [n for n in used if n not in inner]
    for n in used:
        scope.indices[n] = Index(ranges[n], (0, 0), Source(""), "given")
    statements, source = parse_block(f"y[{', '.join(outer)}] = {text}" if outer else f"y = {text}")
    check_block(statements, source, scope)
    return statements, scope


@pytest.mark.parametrize("text", [*PROOFS, *GUARDED])
def test_indices_that_fit_are_accepted_and_do_fit(text):
    statements, scope = block_of(text)
    rng = np.random.default_rng(0)
    for sizes in itertools.product(*SIZES.values()):
        dims = dict(zip(SIZES, sizes, strict=True))
        dims |= {"H": dims["G"] * dims["K"], "D2": 2 * dims["D"], "N2": 2 * dims["N"]}
        values = {
            n: rng.normal(size=[d if isinstance(d, int) else dims[d] for d in scope.values[n].shape or ()])
            for n in ("x", "k", "q", "z", "wide", "byte")
        }
        b = dims["B"]
        values |= {"ids": rng.integers(0, dims["N"], b), "far": rng.integers(-3, 7, b), "n": int(rng.integers(0, 3))}
        values |= {"code": rng.integers(0, 256, b), "raw": rng.integers(-1000, 1000, b)}
        Loops(scope, values, dims).run(statements)  # asserts that every element it reads exists


@pytest.mark.parametrize("text", REFUSED)
def test_indices_that_may_not_fit_are_refused(text):
    with pytest.raises(ContractError, match="E430"):
        block_of(text)


@pytest.mark.parametrize("text", GUARDED)
def test_only_guarded_subscripts_are_kept_inside(text):
    _, scope = block_of(text)
    assert scope.guarded
    for plain in PROOFS:
        assert not block_of(plain)[1].guarded, plain


def test_kinds():
    scope = scope_of()
    for text, kind in [
        ("1", "int"), ("1.0", "real"), ("n + 1", "int"), ("n / 2", "real"), ("n // 2", "int"), ("n ** 2", "int"),
        ("n ** -2", "real"), ("2 ** n", "real"), ("n > 1", "bool"), ("floor(n / 2)", "int"),
        ("where(n > 1, 1, 2)", "int"), ("where(n > 1, 1, 2.0)", "real"), ("max(n, 1)", "int"),
        ("max(n, 1.5)", "real"), ("exp(n)", "real"), ("sum[b](ids[b])", "int"), ("mean[b](ids[b])", "real"),
        ("count[b](ids[b] > 0)", "int"), ("all[b](ids[b] > 0)", "bool"), ("argmax[b](ids[b])", "int"),
        ("real(n)", "real"), ("int(n > 1)", "int"), ("isfinite(n)", "bool"), ("N", "int"), ("pi", "real"),
        ("True", "bool"), ("approx(n, 1)", "bool"),
    ]:  # fmt: skip
        node, source = parse_expression(text)
        assert check_expression(node, source, scope) == kind, text
