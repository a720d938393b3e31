"""A kernel that leaves the device unusable fails its obligation, with the input that did it, and no other."""

from __future__ import annotations

import hypothesis
import pytest
from albor_contracts.events import ObligationFinished, RunStarted
from albor_contracts.runtime import device
from albor_contracts.runtime import kernel as kernels
from albor_contracts.runtime.kernel_fault import KernelFault
from albor_contracts.runtime.promised import fetched
from albor_contracts.runtime.session import ObligationFailed, session
from albor_contracts.verify import worker
from test_pytest_plugin import gate
from test_verify import run, verdicts
from toys import HEAD, Toy

CONTRACT = (
    HEAD
    + """
dims: {N: 1..40}
equations:
  twice:
    signature: "twice(x: float[N]) -> y: float[N]"
    formula: "y = 2 x"
    domain: {x: "in [1, 2]"}
    define: "y[n] = 2 * x[n]"
proof_obligations:
  - id: TY-POSITIVE
    equation: twice
    type: boundary
    property: "Positive."
    if_fails: "A sign is lost."
    let: "y = twice(x)"
    check: "all[n](y[n] > 0)"
falsification_tests:
  - id: TY-FT-THREE
    rule: TY-POSITIVE
    prediction: "Twice three is positive."
    given: {x: [3]}
    let: "y = twice(x)"
    check: "all[n](y[n] > 0)"
    if_fails: "A sign is lost."
"""
)
WHY = "device-side assert triggered"


class Device:
    """What stands for the GPU."""

    lost = False

    def unusable(self, _: str) -> str:
        return WHY if self.lost else ""


@pytest.fixture
def gpu(monkeypatch):
    simulated = Device()
    monkeypatch.setattr(device, "unusable", simulated.unusable)
    monkeypatch.setattr(session, "lost", "")
    monkeypatch.setattr(
        session, "override", hypothesis.settings(max_examples=20, derandomize=True, database=None, deadline=None)
    )
    return simulated


@pytest.fixture
def told(monkeypatch):
    heard: list[ObligationFinished] = []
    monkeypatch.setattr(session, "tell", lambda e: heard.append(e) if isinstance(e, ObligationFinished) else None)
    return heard


@pytest.mark.parametrize("identifier", ["TY-POSITIVE", "TY-DEF-TWICE", "TY-FT-THREE"])
def test_nothing_is_called_after_it_and_the_first_input_is_shown(gpu, told, identifier):
    calls = []

    def twice(x):
        assert not gpu.lost, "called again"
        calls.append(x.copy())
        gpu.lost = len(calls) == (1 if identifier == "TY-FT-THREE" else 5)
        if gpu.lost:
            raise RuntimeError(f"CUDA error: {WHY}\nand more lines")
        return 2 * x

    toy = Toy(CONTRACT)
    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests[identifier](toy.kernel(twice=twice))
    (verdict,) = told
    # Under a definition a case has two calls, and a third where there is more than one element.
    cases = {"TY-POSITIVE": (5,), "TY-DEF-TWICE": (2, 3), "TY-FT-THREE": (1,)}[identifier]
    assert verdict.outcome == "failed" and verdict.cases in cases
    failure = failed.value.failure
    assert f"twice left the GPU unusable: {WHY}. " in failure.message and "CUDA_LAUNCH_BLOCKING=1" in failure.message
    assert f"float[{len(calls[-1])}]" in failure.case or identifier == "TY-FT-THREE"
    assert not failure.traceback and session.lost == WHY


def test_an_error_that_nobody_waited_for_fails_the_obligation_that_made_it(gpu, told):
    def twice(x):
        gpu.lost = True  # in the queue: the call itself returns, with the right result
        return 2 * x

    toy = Toy(CONTRACT)
    with pytest.raises(ObligationFailed, match="left the GPU unusable"):
        toy.module.tests["TY-FT-THREE"](toy.kernel(twice=twice))
    assert [v.outcome for v in told] == ["failed"]


def test_while_the_device_works_failures_are_shrunk_as_ever(gpu, told):
    def twice(x):
        raise RuntimeError("boom")

    toy = Toy(CONTRACT)
    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests["TY-POSITIVE"](toy.kernel(twice=twice))
    assert "raised RuntimeError: boom" in failed.value.failure.message and "N = 1" in failed.value.failure.case
    assert not session.lost


def test_an_input_that_cannot_be_made_is_no_failure_of_the_kernel(gpu, told, monkeypatch):
    def full(*_: object):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(kernels, "present", full)
    toy = Toy(CONTRACT)
    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests["TY-FT-THREE"](toy.kernel(twice=lambda x: 2 * x))
    assert [v.outcome for v in told] == ["error"]
    assert "the input x cannot be made as f64 on cpu, so nothing was called: RuntimeError: CUDA out of memory" in (
        failed.value.failure.message
    )


def test_an_error_that_comes_with_the_output_is_the_kernels():
    def late():
        raise RuntimeError("CUDA error: misaligned address")

    with pytest.raises(KernelFault, match="twice: after the call its output y cannot be read: Runti"):
        fetched(late, "its output y", "twice")


def test_the_cpu_is_never_asked():
    assert device.unusable("cpu") == ""


def test_a_device_that_is_unusable_from_the_start_fails_no_kernel(gpu, tmp_path):
    gpu.lost = True
    heard = []
    options = {"profile": "quick", "seed": 0, "cases": 1, "root": str(tmp_path), "device": "cuda"}
    saved = {name: getattr(session, name) for name in vars(session)}
    try:
        with pytest.raises(SystemExit, match="before any kernel was called: device-side assert"):
            worker.run_tests([], heard.append, options)
    finally:
        vars(session).update(saved)
    assert not any(isinstance(e, RunStarted) for e in heard)


@pytest.mark.parametrize("kernel", ["asserts", "asserts_late"])
def test_the_other_obligations_are_judged_in_new_processes(tmp_path, kernel):
    """As many fail as where the same inputs merely raise."""
    done = run("--binding", f"poisoning:{kernel}", "--cases", "8", evidence=tmp_path / "lost.jsonl")
    plain = run("--binding", "poisoning:only_raises", "--cases", "8", evidence=tmp_path / "plain.jsonl")
    assert done.returncode == plain.returncode == 1, done.stdout + done.stderr
    lost, expected = verdicts(tmp_path / "lost.jsonl"), verdicts(tmp_path / "plain.jsonl")
    outcomes = {v.obligation: v.outcome for v in lost}
    assert outcomes == {v.obligation: v.outcome for v in expected}
    assert set(outcomes.values()) >= {"passed", "failed"}
    for verdict in lost:
        if verdict.outcome == "failed":
            assert verdict.failure is not None and "left the GPU unusable" in verdict.failure.message
            assert verdict.cases <= 8  # not shrunk


def test_pytest_stops_there():
    done = gate("--binding", "poisoning:asserts", "-k", "rn_zero or rn_def_rmsnorm or rn_ft")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the GPU cannot be used any more in this process: device-side assert triggered" in done.stdout
    assert "1 failed" in done.stdout and "error" not in done.stdout.splitlines()[-1]
