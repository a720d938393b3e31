"""Types, domains, ranges and signatures, and what is wrong with them."""

from __future__ import annotations

import math
import time

import pytest
from albor_contracts.errors import ContractError, Position, Text
from albor_contracts.lang.signature import parse_signature
from albor_contracts.lang.types import (
    DimRange,
    Interval,
    evaluate,
    names_in,
    parse_arithmetic,
    parse_dim,
    parse_domain,
    parse_type,
)

HERE = Position("f", 3, 9)


def code_of(function, text: str) -> str:
    with pytest.raises(ContractError) as caught:
        function(Text(text, (HERE,)))
    (d,) = caught.value.diagnostics
    assert d.position == HERE
    assert d.message
    return d.code


def test_types():
    assert [str(parse_type(t)[0]) for t in ("float[B, N]", "accum[]", " i64[ T ]", "u8[B,144]", "real", "text")] == [
        "float[B, N]", "accum[]", "i64[T]", "u8[B, 144]", "real", "text",
    ]  # fmt: skip
    assert parse_type("float[N] in [0, 1]")[1] == "in [0, 1]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Float[N]",
        "float",
        "real[N]",
        "f65[N]",
        "float[N + 1]",
        "float[N,]",
        "float[-1]",
        "float[\u00b2]",
        "float[\u0661]",
        "float[\u0391]",
        "float[N",
        "3",
        "float[1.5]",
        "float[9999999999]",
    ],
)
def test_what_is_no_type(text):
    assert code_of(parse_type, text) == "E401"


def test_domains():
    assert parse_domain("in [0, V) or {ignore}").values == ("ignore",)
    assert parse_domain("in (0, 1]").intervals == (Interval("0", "1", True, False),)
    assert parse_domain("in {1, 2**-14, -inf}").values == ("1", "2**-14", "-inf")
    assert parse_domain("length 0..64").length == (0, 64)
    assert parse_domain("  ").intervals == ()


@pytest.mark.parametrize(
    "text",
    [
        "[0, 1]", "in 0..1", "in [0]", "in [0, 1", "in {}", "in {1,}", "in [a b, 1]", "in [0, 1] and {2}",
        "in [0, f(1)]", "in [0, x[1]]", "in ['a', 1]", "in [0, 1 if a else 2]", "in [0, a.b]", "in [1 << 2, 8]",
        "in [~1, 8]", "in [not 1, 8]", "in [a @ b, 8]", "in [True, 2]", "in [2 ** a, 8]", "in [a ** 2, 8]",
        "in [2 ** 9999, 8]", "in [0, \uff11]", "in [0, 1 # ]\n]", "in [__import__('os'), 1]",
        "in [" + "(" * 110 + "1" + ")" * 110 + ", 2]", "in {" + "1" * 201 + "}", "in " + "[0, 1] or " * 60 + "{1}",
        "in [lambda: 0, 1]",
    ],
)  # fmt: skip
def test_what_is_no_domain(text):
    assert code_of(parse_domain, text) == "E402"


@pytest.mark.parametrize(
    "text", ["in [" + " " * 400 + ",", "in (" + "a," * 200, "in " + "or" * 200, "in {" + "," * 400]
)
def test_domains_are_read_quickly(text):
    begin = time.process_time()
    with pytest.raises(ContractError):
        parse_domain(text)
    assert time.process_time() - begin < 1  # of the processor; backtracking would take minutes


def test_ranges():
    assert parse_dim("1..8") == DimRange(1, 8)
    assert parse_dim("4, 1, 2") == DimRange(1, 4, (1, 2, 4))
    assert parse_dim(" 8 ") == DimRange(8, 8, (8,))
    assert parse_dim("G * K") == "G * K"


@pytest.mark.parametrize(
    "text",
    ["8..1", "1..", "..8", "1...8", "a..b", "\u0661..8", "1..99999999999999999999", "12345678901234567890", "2 * 3"],
)
def test_what_is_no_range(text):
    assert code_of(parse_dim, text) == "E403"


@pytest.mark.parametrize("text", ["", "G K", "G * 'K'", "f(G)", "G # K", "G * \\\nK", "G\n* K", "lambda"])
def test_what_is_no_size(text):
    assert code_of(parse_dim, text) == "E402"


def test_arithmetic():
    names = {"a": 3.0, "b": 2.0}
    for text, value in [
        ("a + b * 2", 7),
        ("-(a - b) / 4", -0.25),
        ("a // b", 1),
        ("a % b", 1),
        ("2**-3", 0.125),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("+a", 3),
    ]:
        assert evaluate(text, names) == value
    assert math.isnan(evaluate("nan", {}))
    assert names_in("a * b + inf") == {"a", "b"}
    for text, code in [
        ("c", "E404"),
        ("a / (b - 2)", "E405"),
        ("a // 0", "E405"),
        ("10.0**400", "E405"),
        ("0**-1", "E405"),
    ]:
        with pytest.raises(ContractError, match=code):
            evaluate(text, names)
    parse_arithmetic("-" * 150 + "1")


def test_signatures():
    s = parse_signature("f(x: float[B, N], eps: real) -> y: float[B, N], n: accum[]")
    assert (s.name, [p.name for p in s.inputs], [p.name for p in s.outputs], s.dims) == (
        "f",
        ["x", "eps"],
        ["y", "n"],
        ("B", "N"),
    )
    assert str(parse_signature(str(s))) == str(s)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("E406", "f"), ("E406", "f(x: real)"), ("E406", "f() -> y: real"), ("E406", "f(x) -> y: real"),
        ("E406", "f(x: real) -> "), ("E406", "f(x: real, x: real) -> y: real"), ("E406", "f(x: real) -> x: real"),
        ("E406", "f(x: float[y]) -> y: real"), ("E406", "f(x: real in [0, 1]) -> y: real"),
        ("E406", "f(x: real) -> y: real" + " " * 3000), ("E406", "f(\u0445: real) -> y: real"),
        ("E401", "f(x: foo) -> y: real"), ("E413", "f(lambda: real) -> y: real"), ("E413", "f(sum: real) -> y: real"),
        ("E413", "f(case: real) -> y: real"), ("E413", "f(x: float[sum]) -> y: real"),
        ("E413", "f(x: real) -> exp: real"), ("E413", "run(x: real) -> y: real"),
        ("E413", "receives(x: real) -> y: real"), ("E413", "test_f(x: real) -> y: real"),
        ("E413", "given(x: real) -> y: real"), ("E413", "f(values: real) -> y: real"),
        ("E413", "f(x: float[dims]) -> y: real"), ("E413", "f(_x: real) -> y: real"),
        ("E413", "f(x: real) -> _: real"), ("E413", "f(__import__: real) -> y: real"),
        ("E413", "f(x: float[None]) -> y: real"), ("E413", "f(" + "x" * 65 + ": real) -> y: real"),
        ("E413", "f_inputs(x: real) -> y: real"),
    ],
)  # fmt: skip
def test_what_is_no_signature(code, text):
    assert code_of(parse_signature, text) == code
