"""Binding files: read with positions, judged without importing anything they name."""

from __future__ import annotations

import sys

import pytest
from albor_contracts.binding_file import check_binding_links, load_binding
from albor_contracts.errors import ContractError, Text
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


def test_links_to_contracts_and_equations(tmp_path):
    contracts = {"core/softmax": load_contract(GOOD_PATH)}
    (unknown,) = check_binding_links(load_binding(PATH), contracts)
    assert (unknown.code, unknown.position.line) == ("E503", 16)
    assert not list(check_binding_links(load_binding(PATH), contracts, {"core/other"}))
    path = write(tmp_path, GOOD.replace("    softmax_backward", "    softmax_bakward"), "library.yaml")
    found = [d for d in check_binding_links(load_binding(path), contracts) if d.code == "E504"]
    assert found[0].position.line == 14 and "`softmax_backward`" in found[0].hint
