"""Texts and single values in laws: what may be written, what it compiles to, and what it computes."""

from __future__ import annotations

import numpy as np
import pytest
from albor_contracts.errors import ContractError, Text
from albor_contracts.inputs import Case
from albor_contracts.lang.check import check_block, check_expression
from albor_contracts.lang.dims import Dims
from albor_contracts.lang.scope import Scope
from albor_contracts.lang.signature import parse_signature
from albor_contracts.lang.syntax import parse_block, parse_expression
from albor_contracts.lang.to_python import Emitter
from albor_contracts.lang.types import Type
from albor_contracts.links import check_links
from albor_contracts.model import FalsificationTest
from albor_contracts.runtime.claims import Falsified, claim, exact
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.functions import ratio, where
from albor_contracts.runtime.kernel import Kernel
from albor_contracts.runtime.kernel_fault import KernelFault
from albor_contracts.runtime.target import Target
from albor_contracts.runtime.texts import join, length, occurrences, on_grid
from contract_builder import make, softmax

SIGNATURES = {
    s.name: s
    for s in map(
        parse_signature,
        (
            "turned(words: text, seed: int) -> result: text",
            "ok(number: int) -> fine: bool",
            "twice(x: float[N], c: int) -> y: float[N]",
            "check(number: int) -> verdict: nothing",
            "bits(codes: u8[N]) -> high: u8[N]",
        ),
    )
}


def scope() -> Scope:
    values = {
        "words": Type("text"),
        "number": Type("int"),
        "raw": Type("bytes"),
        "flag": Type("bool"),
        "order": Type("i64", ("N",)),
        "x": Type("float", ("N",)),
        "rate": Type("real"),
    }
    return Scope(Dims({}, {"N": 1}), values, {}, SIGNATURES, {}, frozenset({"N"}))


def compiled(text: str) -> str:
    node, source = parse_expression(Text(text))
    inside = scope()
    check_expression(node, source, inside)
    return Emitter(inside).text(node)


def refused(text: str) -> str:
    node, source = parse_expression(Text(text))
    with pytest.raises(ContractError) as caught:
        check_expression(node, source, scope())
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('"<a>"', Type("text")),
        ('join("<a>", words)', Type("text")),
        ("length(words)", "int"),
        ('occurrences(words, "b")', "int"),
        ("join(raw, raw)", Type("bytes")),
        ("occurrences(raw, raw)", "int"),
        ('where(number > 1, words, "b")', Type("text")),
        ('words == "b"', "bool"),
        ("exact(turned(words, number), words)", "bool"),
        ("all[s](turned(words, order[s]) != words)", "bool"),
    ],
)
def test_texts_have_kinds(text, kind):
    node, source = parse_expression(Text(text))
    assert check_expression(node, source, scope()) == kind


@pytest.mark.parametrize(
    "text",
    [
        "words + 1",
        "words < words",
        "words == 1",
        "approx(words, words)",
        "exact(words, 1)",
        "length(number)",
        "join(words, 1)",
        "join(raw, words)",
        "occurrences(words, raw)",
        "where(number > 1, words, 2)",
    ],
)
def test_texts_are_no_numbers(text):
    assert refused(text) in ("E424", "E426")


def test_a_call_that_varies_gives_single_values_only():
    assert refused("all[s](exact(twice(x, order[s]), x))") == "E427"


def test_a_literal_cannot_become_code():
    hostile = "'); import os; os.abort() #\n\"\\"
    node, _ = parse_expression(Text(repr(hostile)))
    emitted = Emitter(scope()).text(node)
    assert eval(emitted, {"__builtins__": {}}) == hostile


@pytest.mark.parametrize("text", ['"' + "a" * 201 + '"', '"\\ud800"'])
def test_literals_are_short_and_can_be_written(text):
    with pytest.raises(ContractError, match="E414"):
        parse_expression(Text(text))


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("not flag", "~truth(flag)"),
        ("not ok(number)", "~truth(kernel.ok(number))"),
        ("not rate > 1", "~truth(rate > 1)"),
        ("not words == words", "~truth(words == words)"),
        ("all[i](not x[i] > 1)", "all[i](~(x[i] > 1))"),
        ("(number - 1) / max(1, number)", "ratio(number - 1, max(1, number))"),
        ("rate / max(1, number)", "rate / max(1, number)"),
    ],
)
def test_python_bools_and_whole_numbers_are_seen(text, python):
    assert compiled(text) == python


def test_functions_of_texts():
    assert (length("a\x00"), occurrences("abab", "ab"), join("a", "", "b")) == (2, 2, "ab")
    several = on_grid(["a\x00", "", "aa"], (3,))
    assert length(several).tolist() == [2, 0, 2]
    assert occurrences(several, "a").tolist() == [1, 0, 2]
    assert (several != "a\x00").tolist() == [False, True, True]  # NumPy's own texts lose the NUL
    assert (join("<", several) == "<aa").tolist() == [False, False, True]
    assert where(np.bool_(True), "a", "b") == "a"
    assert where(False, "a", "b") == "b"


def test_a_failure_shows_both_texts():
    with pytest.raises(Falsified, match=r"not the same: 'a\\x00' and 'a'"):
        claim(exact("a\x00", "a"))


def kernel(**functions) -> Kernel:
    targets = {name: Target(function, name) for name, function in functions.items()}
    return Kernel("data/words", "mine", "numpy", "f64", "cpu", targets, Definitions("data/words", {}, SIGNATURES))


def test_one_call_for_each_value_of_an_index():
    under_test = kernel(turned=lambda words, seed: words if seed % 2 else words[::-1], ok=lambda number: number > 1)
    assert under_test.turned("ab", np.arange(3)).tolist() == ["ba", "ab", "ba"]
    assert under_test.ok(np.array([[1], [2]])).tolist() == [[False], [True]]
    with pytest.raises(KernelFault, match="returned int"):
        kernel(turned=lambda words, seed: 1).turned("ab", np.arange(2))


def test_nothing_is_none():
    assert kernel(check=lambda number: None).check(1) is None
    with pytest.raises(KernelFault, match="expected nothing"):
        kernel(check=lambda number: True).check(1)


def test_a_definition_takes_bits_from_bytes():
    def bits(codes):
        return codes >> 4

    spec = Definitions("data/words", {"bits": bits}, SIGNATURES)
    under_test = Kernel("data/words", "mine", "numpy", "f64", "cpu", {"bits": Target(bits, "bits")}, spec)
    once = under_test.bits(np.array([255, 16], dtype=np.uint8))
    assert spec.bits(once).tolist() == [0, 0]  # what the kernel returned is whole again
    assert (spec.bits(np.array([255], dtype=np.uint8)) + 256).tolist() == [271]  # no byte overflows


def test_whole_numbers_come_in_the_layout_of_the_case():
    seen = []

    def bits(codes):
        seen.append((codes.dtype, codes.flags.c_contiguous))
        return codes >> 4

    under_test = Kernel(
        "data/words",
        "mine",
        "numpy",
        "f64",
        "cpu",
        {"bits": Target(bits, "bits")},
        Definitions("data/words", {}, SIGNATURES),
    )
    case = Case({"N": 4}, {"codes": np.arange(4, dtype=np.uint8)}, {"codes": "sliced"}, {}, {"codes": "u8"})
    codes = under_test.receives(case, "codes")
    assert (codes * 256).tolist() == [0, 256, 512, 768]
    under_test.bits(codes)
    assert seen == [(np.dtype(np.uint8), False)]


def test_the_ratio_of_whole_numbers_is_rounded_by_a_kernel():
    from albor_contracts.runtime.functions import carrying_bounds

    with carrying_bounds():
        assert float(ratio(1, 3).error) > 0


def test_a_let_may_name_a_text():
    statements, source = parse_block(Text('holding = join("<a>", words)\nn = length(holding)'))
    inside = scope()
    check_block(statements, source, inside)
    assert (inside.values["holding"], inside.values["n"]) == (Type("text"), Type("int"))
    assert [Emitter(inside).statement(s) for s in statements] == [
        "holding = single(join('<a>', words))",
        "n = single(length(holding))",
    ]


@pytest.mark.parametrize(
    "parts", [{"call": "softmax(x)", "raises": "ValueError"}, {"check": "1 > 0", "raises": "ValueError"}, {}]
)
def test_a_prediction_is_a_claim_or_a_refusal(parts):
    prediction = make(FalsificationTest, id="SM-T-NEW", rule="SM-SUM", prediction="p", given={}, if_fails="f", **parts)
    found = check_links({"core/softmax": softmax(falsification_tests=(prediction,))})
    assert "E306" in [d.code for d in found]
