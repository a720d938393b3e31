"""Binding files: read with positions, judged without importing anything they name."""

from __future__ import annotations

import sys

import pytest
from albor_contracts.arguments import NoValue, check_names, evaluate_argument, parse_argument
from albor_contracts.binding_file import check_binding_links, load_binding
from albor_contracts.errors import ContractError, Position, Text
from albor_contracts.load import load_contract
from contract_samples import DATA, GOOD_PATH, write

PATH = DATA / "bindings" / "library.yaml"
GOOD = PATH.read_text(encoding="utf-8")


def test_good_binding():
    binding = load_binding(PATH)
    assert (binding.name, binding.framework, binding.devices, binding.dtypes) == (
        "library", "torch", ("cpu", "cuda"), ("f32", "bf16"),
    )  # fmt: skip
    target = binding.kernels["core/softmax"]["softmax"]
    assert target.call == "torch:softmax"
    assert target.args == {"input": "x", "dim": "1"}
    assert isinstance(target.args["input"], Text) and target.args["input"].position.line == 10
    assert target.deviates["SM-SHIFT"].startswith("documented")
    assert binding.kernels["core/softmax"]["softmax_backward"].declines
    short = binding.kernels["core/other"]["other"]
    assert short.call == "some.library:other" and short.call.position.line == 17
    assert binding.extensions == {"x-source": "https://example.org"}
    assert "some" not in sys.modules


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("name: library", "name: other", "E501", 1),
        ("      call: torch:softmax\n", "", "E502", 9),
        ("declines: the", "call: a:b\n      declines: the", "E502", 15),
        ("framework: torch", "framework: jax", "E205", 3),
        ("devices: [cpu, cuda]", "devices: [tpu]", "E205", 4),
        ("dtypes: [f32, bf16]", "dtypes: [f32, int8]", "E205", 5),
        ("call: torch:softmax", "call: torch.softmax", "E204", 9),
        ("call: torch:softmax", "call: \"os:system('id')\"", "E204", 9),
        ("some.library:other", "some library", "E204", 17),
        ("some.library:other", "[a]", "E203", 17),
        ("core/softmax:", "softmax:", "E207", 7),
        ("core/softmax:", "core/softmax-V1:", "E207", 7),
        ("    softmax:\n", "    soft max:\n", "E207", 8),
        ("args: {input: x", "args: {in put: x", "E207", 10),
        ("returns:", "retruns:", "E201", 11),
        ("framework: torch\n", "", "E202", 1),
    ],
)
def test_slips(tmp_path, old, new, code, line):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1), "library.yaml")
    with pytest.raises(ContractError) as caught:
        load_binding(path)
    assert [(d.code, d.position.line) for d in caught.value.diagnostics] == [(code, line)]
    assert caught.value.diagnostics[0].source == path.read_text().split("\n")[line - 1]


def test_positions_may_be_named_in_quotes(tmp_path):
    path = write(tmp_path, GOOD.replace("{input: x, dim: 1}", "{'0': x, '1': \"N - 1\"}"), "library.yaml")
    assert load_binding(path).kernels["core/softmax"]["softmax"].args == {"0": "x", "1": "N - 1"}


@pytest.mark.parametrize(
    ("new", "code", "words", "at"),
    [
        ('args: {input: "x % 2"}', "E509", "Mod is not allowed", "x % 2"),
        ('args: {input: "x + x ** 2"}', "E509", "Pow is not allowed", "x ** 2"),
        ('args: {input: "x @ x"}', "E509", "MatMult is not allowed", "x @ x"),
        ('args: {input: "~x"}', "E509", "Invert is not allowed", "~x"),
        ('args: {input: "not x"}', "E509", "Not is not allowed", "not x"),
        ('args: {input: "+x"}', "E509", "UAdd is not allowed", "+x"),
        ('args: {input: "1 << 9"}', "E509", "LShift is not allowed", "1 << 9"),
        ('args: {input: "1is x"}', "E509", "Compare is not allowed", "1is x"),
        ('args: {input: "x.shape"}', "E509", "Attribute is not allowed", "x.shape"),
        ('args: {input: "x +"}', "E509", "cannot read the argument 'x +'", "x +"),
        ('args: {input: "1 / 0"}', "E509", "ZeroDivisionError: division by zero", "1 / 0"),
        ("args: {input: \"-'a'\"}", "E509", "TypeError: bad operand type", "-'a'"),
        ('args: {input: "[1] * 999999999999"}', "E509", "a list of 999,999,999,999 items", "[1] *"),
        ('args: {"1": x}', "E509", "position 1 and no position 0", "1"),
        ('args: {"0": x, "5": x}', "E509", "position 5 and no position 1", "5"),
        ("returns: [p, p]", "E504", "`returns` has p twice", "p]"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_a_callable_is_called_with_and_returns(tmp_path, new, code, words, at):
    old = "returns: [p]" if new.startswith("returns") else "args: {input: x, dim: 1}"
    path = write(tmp_path, GOOD.replace(old, new, 1), "library.yaml")
    with pytest.raises(ContractError) as caught:
        load_binding(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.source) == (code, next(t for t in path.read_text().split("\n") if new in t))
    assert words in found.message and found.source[found.position.column - 1 :].startswith(at)


def test_an_argument_is_computed_from_inputs_and_dims():
    text = Text("[N, -2 * x, 1 + N // 2, True, 'a']", (Position("b.yaml", 3, 7),))
    node = parse_argument(text)
    assert evaluate_argument(node, text, {"N": 5, "x": 1.5}) == [5, -3.0, 3, True, "a"]
    with pytest.raises(ContractError, match=r"b.yaml:3:8: error.E509.: unknown name 'N'"):
        check_names(node, text, ["x"])


def test_an_argument_without_a_value_says_where_it_stands():
    text = Text("N // R", (Position("b.yaml", 3, 7),))
    with pytest.raises(NoValue, match=r"b.yaml:3:7: the argument 'N // R' cannot be computed: ZeroDivisionError"):
        evaluate_argument(parse_argument(text), text, {"N": 5, "R": 0})


def test_returns_are_outputs_of_the_equation(tmp_path):
    contracts = {"core/softmax": load_contract(GOOD_PATH)}
    path = write(tmp_path, GOOD.replace("returns: [p]", "returns: [_, q]", 1), "library.yaml")
    found, _ = check_binding_links(load_binding(path), contracts)
    assert (found.code, found.position.line) == ("E504", 11)
    assert "`returns` names q" in found.message and "p" in found.hint


def test_links_to_contracts_and_equations(tmp_path):
    contracts = {"core/softmax": load_contract(GOOD_PATH)}
    (unknown,) = check_binding_links(load_binding(PATH), contracts)
    assert (unknown.code, unknown.position.line) == ("E503", 16)
    assert not list(check_binding_links(load_binding(PATH), contracts, {"core/other"}))
    path = write(tmp_path, GOOD.replace("    softmax_backward", "    softmax_bakward"), "library.yaml")
    found = [d for d in check_binding_links(load_binding(path), contracts) if d.code == "E504"]
    assert found[0].position.line == 14 and "`softmax_backward`" in found[0].hint
