"""A function of torch tensors is judged with its gradients, which autograd computes through whatever it recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from albor_contracts.binding_file import load_binding
from albor_contracts.bindings import bind
from albor_contracts.cli._project import targets_of
from albor_contracts.errors import ContractError
from albor_contracts.events import Failure
from albor_contracts.falsify import matrix
from albor_contracts.runtime.missing import NotOffered
from albor_contracts.runtime.session import ObligationFailed, session

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(autouse=True)
def kernels_at_hand(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(HERE / "kernels"), *sys.path])
    monkeypatch.setattr(session, "profile", "quick")
    monkeypatch.setattr(session, "seed", 0)


def bound(contract: str, binding: str):
    family, name = contract.split("/")
    module = matrix.load_generated(ROOT / "generated" / family / f"test_{name.replace('-', '_')}.py")
    return module, bind(binding, contract, module.spec.signatures, ROOT)


def judged(contract: str, binding: str, obligation: str) -> str:
    """How one obligation ends: passed, not applicable with the reason, or the first line of the failure."""
    ended = end_of(contract, binding, obligation)
    return ended if isinstance(ended, str) else ended.message.split("\n")[0]


def end_of(contract: str, binding: str, obligation: str) -> str | Failure:
    module, found = bound(contract, binding)
    told: list = []
    session.tell = told.append
    try:
        matrix.tests_of(module)[obligation](found.kernels(module.spec, "cpu", ("f32",))[0])
    except ObligationFailed as failed:
        return failed.failure
    except pytest.skip.Exception as why:
        return f"not applicable: {why}"
    finally:
        session.tell = None
    return told[-1].outcome


@pytest.mark.parametrize("obligation", ["RN-GRAD", "RN-DEF-RMSNORM_BACKWARD", "RN-DEF-RMSNORM"])
def test_a_function_is_judged_with_its_own_backward_pass(obligation):
    assert judged("core/rmsnorm", "differentiable:rmsnorm", obligation) == "passed"
    assert judged("core/rmsnorm", "differentiable:RMSNorm.apply", obligation) == "passed"


def test_a_wrong_backward_pass_fails():
    assert "does not hold in dx" in judged("core/rmsnorm", "differentiable:unweighted", "RN-GRAD")
    assert judged("core/rmsnorm", "differentiable:unweighted", "RN-DEF-RMSNORM") == "passed"


def test_one_input_may_be_all_that_requires_a_gradient():
    """Weights are frozen: what a backward pass computes for them it may leave out, and not what x needs of it."""
    for law in ("RN-GRAD", "RN-DEF-RMSNORM_BACKWARD"):
        assert "does not hold in dx" in judged("core/rmsnorm", "differentiable:frozen", law)


def test_that_an_input_alone_required_a_gradient_is_said_of_its_gradient_alone():
    failure = end_of("core/rmsnorm", "differentiable:frozen", "RN-GRAD")
    assert failure.judged_as == "rmsnorm_backward, for dx where x alone requires a gradient"
    failure = end_of("core/rmsnorm", "differentiable:unweighted", "RN-GRAD")
    assert "dims  R = 2, N = 1" in failure.case  # where w is what alone requires one
    assert "does not hold in dx" in failure.message and failure.judged_as == "rmsnorm_backward"


def test_a_gradient_that_is_forgotten_fails():
    found = judged("core/rmsnorm", "differentiable:forgotten", "RN-GRAD")
    assert found == "differentiable:forgotten gives no gradient for w: for autograd, y does not depend on it"


def test_what_is_not_differentiable_is_judged_without():
    found = judged("core/rmsnorm", "differentiable:through_numpy", "RN-GRAD")
    assert found.startswith("not applicable: differentiable:through_numpy is not differentiable: Can't call numpy()")
    assert judged("core/rmsnorm", "differentiable:through_numpy", "RN-DEF-RMSNORM") == "passed"


def test_what_is_written_into_a_copy_is_judged_without():
    found = judged("core/swiglu", "differentiable:in_a_copy", "SG-GRAD")
    words = "autograd saw a copy of an input, and nothing of what was written into it"
    assert found == f"not applicable: differentiable:in_a_copy is not differentiable: {words}"
    assert judged("core/swiglu", "differentiable:in_a_copy", "SG-DEF-SWIGLU") == "passed"


def test_an_input_that_the_gradients_do_not_depend_on():
    """The bias is no input of the backward equation."""
    assert judged("core/layernorm", "differentiable:layernorm", "LN-GRAD") == "passed"


@pytest.mark.parametrize(
    ("contract", "binding"),
    [("core/residual-add", "residual_add"), ("core/bias-add", "bias_add"), ("core/rope", "rope")],
)
def test_a_right_function_passes_every_law(contract, binding):
    """Though the backward equation takes none of the forward's arrays, or gives its gradient the name of the output."""
    module, _ = bound(contract, f"differentiable:{binding}")
    found = {i: judged(contract, f"differentiable:{binding}", i) for i in matrix.tests_of(module)}
    assert {words for words in found.values() if not words.startswith("not applicable")} == {"passed"}, found
    assert sum(words == "passed" for words in found.values()) > len(found) / 2


def test_a_backward_pass_that_needs_the_last_forward_pass_fails():
    assert judged("core/rmsnorm", "differentiable:kept", "RN-DEF-RMSNORM") == "passed"
    assert "does not hold in dx" in judged("core/rmsnorm", "differentiable:kept", "RN-GRAD")


def test_a_loss_and_its_gradient_are_one_equation():
    assert judged("loss/cross-entropy", "differentiable:cross_entropy", "CE-GRAD") == "passed"
    assert judged("loss/cross-entropy", "differentiable:cross_entropy", "CE-T-IGNORED") == "passed"
    _, found = bound("loss/cross-entropy", "differentiable:cross_entropy")
    z = torch.tensor([[1.0, 2.0, 4.0]])
    loss, dz = found.targets["cross_entropy"].call(z, torch.tensor([1]), -100)
    torch.testing.assert_close(dz, torch.softmax(z, 1) - torch.tensor([[0.0, 1.0, 0.0]]))
    assert loss.shape == () and not z.requires_grad


@pytest.mark.parametrize("obligation", ["CE-GRAD", "CE-DEF-CROSS_ENTROPY"])
def test_a_backward_pass_that_takes_no_notice_of_the_weight_of_its_loss(obligation):
    found = judged("loss/cross-entropy", "differentiable:OfOnes.apply", obligation)
    assert found == (
        "differentiable:OfOnes.apply gives the same gradient for z when its outputs are weighted with 1 and with 2: "
        "the backward pass takes no notice of the gradient that it is given"
    )
    assert judged("loss/cross-entropy", "differentiable:Weighted.apply", obligation) == "passed"


def test_in_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("""\
name: mine
framework: torch
kernels:
  loss/cross-entropy:
    cross_entropy: {autograd: "differentiable:swapped", args: {labels: y, scores: z, ignore: ignore}}
  core/rmsnorm:
    rmsnorm_backward: {autograd: "differentiable:rmsnorm", args: {x: x, w: w, eps: eps}}
""")
    assert judged("loss/cross-entropy", str(path), "CE-GRAD") == "passed"
    assert judged("core/rmsnorm", str(path), "RN-GRAD") == "passed"


def test_what_is_differentiated_is_not_declined():
    found = targets_of({"torch": load_binding(ROOT / "bindings" / "torch.yaml")})
    assert found["core/gemm", "gemm_backward"] == {"torch": "torch:matmul"}


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("rmsnorm_backward: {autograd", "rmsnorm: {autograd", "E504", "whose gradients rmsnorm holds"),
        ("autograd:", "call: a:b, autograd:", "E502", "this has `call` and `autograd`"),
        ("framework: torch", "framework: numpy", "E502", "`autograd` needs `framework: torch`, not numpy"),
        ("args: {x: x}", "args: {x: g}", "E509", "unknown name 'g'"),
    ],
)
def test_slips_in_a_file(tmp_path, old, new, code, words):
    text = """\
name: mine
framework: torch
kernels:
  core/rmsnorm:
    rmsnorm_backward: {autograd: "differentiable:rmsnorm", args: {x: x}}
"""
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ContractError) as caught:
        bound("core/rmsnorm", str(path))
    (found,) = caught.value.diagnostics
    assert found.code == code and words in found.message


@pytest.mark.parametrize(
    ("binding", "hint"),
    [
        ("differentiable:RMSNorm", "name differentiable:RMSNorm.apply"),
        ("torch.nn:RMSNorm", "name a function that takes the equation's inputs, makes an object of it and calls that"),
    ],
)
def test_a_class_is_no_kernel(binding, hint):
    with pytest.raises(ContractError) as caught:
        bound("core/rmsnorm", binding)
    (found,) = caught.value.diagnostics
    assert (found.code, found.hint) == ("E507", hint)


def test_where_it_stands():
    _, found = bound("core/rmsnorm", "differentiable:RMSNorm.apply")
    lines = (HERE / "kernels" / "differentiable.py").read_text().splitlines()
    for target in found.targets.values():
        file, _, line = target.place().rpartition(":")
        assert file.endswith("differentiable.py") and lines[int(line)].strip().startswith("def forward(")


@pytest.mark.parametrize("obligation", ["RN-GRAD", "RN-LAUNCH", "RN-LAUNCH-BACKWARD", "RN-DEF-RMSNORM"])
def test_the_forward_pass_does_not_count_where_the_backward_pass_is_meant(obligation):
    """One launch each: together they would be two."""
    assert judged("core/rmsnorm", "plain_triton:RMSNorm.apply", obligation) == "passed"


def test_a_gradient_of_another_shape_never_reaches_the_function():
    _, found = bound("core/rmsnorm", "differentiable:rmsnorm")
    with pytest.raises(NotOffered, match="autograd refuses a gradient of another shape"):
        found.targets["rmsnorm_backward"].call(torch.ones(2, 3), torch.ones(2, 2), torch.ones(2), 1e-5)
