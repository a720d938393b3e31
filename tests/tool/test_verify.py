"""Whatever a kernel does, `verify` gives a verdict, goes on, and leaves valid evidence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from albor_contracts.errors import ContractError
from albor_contracts.events import ObligationFinished
from albor_contracts.evidence.store import read
from albor_contracts.verify.plan import named
from albor_contracts.verify.probe import probe
from sample_project import make_project

HERE = Path(__file__).parent


def run(*arguments: str, evidence: Path, stall: float = 60.0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "albor_contracts", "verify", "core/rmsnorm", *arguments]
    command += ["--seed", "3", "--stall", str(stall), "--evidence", str(evidence), "-n", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=HERE / "kernels", capture_output=True, text=True, env=environment, check=False)


def verdicts(evidence: Path) -> list[ObligationFinished]:
    reading = read([evidence])
    assert not reading.warnings
    return [r.verdict for r in reading.records if isinstance(r.verdict, ObligationFinished)]


def verified(contract: str, binding: Path | str, tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A run of the project, whose evidence and modules lie in `tmp_path`."""
    command = [sys.executable, "-m", "albor_contracts", "verify", contract, "--binding", str(binding)]
    command += ["--seed", "0", "-n", "1", "--cases", "4", "--evidence", str(tmp_path / "e.jsonl"), *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False, env=environment)


def test_a_right_kernel_passes(tmp_path: Path) -> None:
    done = run("--binding", "hostile:right", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    found = verdicts(tmp_path / "e.jsonl")
    assert {v.outcome for v in found} <= {"passed", "partial", "not_applicable"}
    (tiles,) = (v for v in found if v.outcome == "partial")  # a law about the gradient as well
    assert tiles.reason == "hostile:right has no kernel for rmsnorm_backward; +reference after it lends the project's"
    assert all(v.kernel_hash and v.contract_hash for v in found if v.outcome == "passed")


def test_obligations_are_chosen_by_any_of_several_words() -> None:
    ids = ("RN-UNIT", "RN-GRAD", "RN-LONG", "RN-LONG-BACKWARD")
    chosen = {match: [i for i in ids if named(i, match)] for match in ((), ("unit",), ("GRAD", "long"))}
    assert list(chosen.values()) == [list(ids), ["RN-UNIT"], ["RN-GRAD", "RN-LONG", "RN-LONG-BACKWARD"]]


LONE = """
import math

def rungs(configurations, reduction):
    return math.ceil(math.log(configurations) / math.log(reduction))
"""


def test_a_lone_function_is_judged_with_what_the_project_lends(tmp_path: Path) -> None:
    (tmp_path / "lone.py").write_text(LONE)
    done = verified("schedule/successive-halving", "lone:rungs+reference", tmp_path)
    assert done.returncode == 1
    found = {v.obligation: v for v in verdicts(tmp_path / "e.jsonl")}
    assert "SHV-COMPOSE" not in found  # about what is lent alone
    failed = found["SHV-LAST-RUNG"]
    assert failed.outcome == "failed" and failed.failure is not None and "lone.py:4" in failed.failure.kernel
    assert "lone:rungs" in failed.kernel.split()


LIMITED = """
import numpy as np

def softmax(x):
    if x.shape[1] % 8:
        raise ValueError(f"{x.shape[1]} columns: a multiple of 8 is needed")
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""


def test_a_kernel_of_some_sizes_is_judged_on_these(tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(LIMITED)
    target = "{call: limited:softmax%s}"
    text = "name: mine\nframework: numpy\nkernels: {core/softmax: {softmax: " + target + "}}\n"
    chosen = (tmp_path / "mine.yaml", tmp_path, "-k", "SM-")
    (tmp_path / "mine.yaml").write_text(text % "")
    assert "raised ValueError" in verified("core/softmax", *chosen).stdout
    (tmp_path / "mine.yaml").write_text(text % ', sizes: {N: "8, 24, 1024"}')
    (tmp_path / "e.jsonl").unlink()
    done = verified("core/softmax", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nmine: core/softmax was judged for N of 8, 24, 1024 alone, as the binding says" in done.stdout
    found = {v.obligation: v for v in verdicts(tmp_path / "e.jsonl")}
    assert found["SM-SUM"].outcome == found["SM-DEF-SOFTMAX"].outcome == "passed"
    reasons = {v.reason for v in found.values() if v.outcome == "not_applicable"}
    assert "limited:softmax takes N of 8, 24, 1024, here it is 4" in reasons  # a prediction about four columns


NOT_INTERPRETED = """
import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

@triton.jit
def _kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y + at, libdevice.mul_rz(tl.load(x + at, mask=at < n), 0.5), mask=at < n)

def silu(x):
    x = x.contiguous()
    y = torch.empty_like(x)
    _kernel[(1,)](x, y, x.numel(), BLOCK=triton.next_power_of_2(x.numel()))
    return y
"""


def test_what_the_interpreter_lacks_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    (tmp_path / "lacking.py").write_text(NOT_INTERPRETED)
    done = verified("core/silu", "lacking:silu", tmp_path, "-k", "SI-DEF-SILU")
    assert done.returncode == 1  # nothing was judged
    found = verdicts(tmp_path / "e.jsonl")
    assert {v.outcome for v in found} == {"not_applicable"}
    assert found[0].reason.startswith("lacking:silu: libdevice.mul_rz has no counterpart in Triton's interpreter")


NOT_COMPILED = (
    NOT_INTERPRETED.replace("libdevice.mul_rz(", "(")
    .replace(", 0.5)", ")")
    .replace("at = ", "at = 0\n    for k in range(n):\n        at = ")
)


def test_what_no_gpu_would_run_fails_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(NOT_COMPILED)
    done = verified("core/silu", "typed:silu", tmp_path, "-k", "SI-DEF-SILU")
    assert done.returncode == 1
    found = {v.obligation: v for v in verdicts(tmp_path / "e.jsonl")}["SI-DEF-SILU"]
    assert found.failure is not None
    assert found.failure.message.startswith("typed:silu launches a kernel that no GPU takes: Loop-carried variable at")
    assert found.failure.message.endswith("typed.py:10)")


@pytest.mark.parametrize(
    ("kernel", "outcome", "words"),
    [
        ("raises", "failed", "raised RuntimeError: boom"),
        ("exits", "failed", "raised SystemExit"),
        ("writes", "failed", "changed its input x"),
        ("returns_nothing", "failed", "returned NoneType for y"),
        ("returns_two", "failed", "returned 2 values (ndarray, ndarray), expected 1: y"),
        ("wrong_shape", "failed", "of shape"),
        ("wrong_dtype", "failed", "as float64, expected float32"),
        ("partly_written", "failed", "never written"),
        ("nan_for_zero", "failed", "nan"),
        ("zeros", "failed", "does not hold"),
        ("skips", "failed", "raised Skipped: not today"),
        ("raises_unspeakable", "failed", "raised Unspeakable: its message cannot be made (ValueError)"),
        ("endless", "failed", "of shape (10000000, 10000000), expected"),
    ],
)
def test_a_wrong_kernel_is_told_what_is_wrong(kernel: str, outcome: str, words: str, tmp_path: Path) -> None:
    done = run("--binding", f"hostile:{kernel}", "-k", "DEF-RMSNORM", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 1, done.stdout + done.stderr
    (verdict,) = verdicts(tmp_path / "e.jsonl")
    assert verdict.outcome == outcome
    assert verdict.failure is not None and words in verdict.failure.message
    assert words in done.stdout
    assert "replay RN-DEF-RMSNORM --binding hostile" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.endswith("judged in f32 alone: --dtype bf16 (or f16, f64) judges others\n")


@pytest.mark.parametrize(
    ("kernel", "outcome", "words"),
    [
        ("dies", "crashed", "SIGKILL"),
        ("dies_inside", "crashed", "SIGSEGV"),
        ("leaves", "crashed", "ended with exit status 0"),
        ("hangs", "timeout", "no sign of life"),
    ],
)
def test_a_kernel_that_takes_its_process_along(kernel: str, outcome: str, words: str, tmp_path: Path) -> None:
    done = run("--binding", f"hostile:{kernel}", "-k", "RN-DEF", evidence=tmp_path / "e.jsonl", stall=4)
    assert done.returncode == 1
    found = verdicts(tmp_path / "e.jsonl")
    assert {v.outcome for v in found} == {outcome}
    assert words in done.stdout
    # The input it was given, which it can no longer tell: sizes, how arrays were made and laid out.
    assert all(v.failure is not None and re.match(r"dims  R = \d+, N = \d+\nx = float", v.failure.case) for v in found)
    assert re.search(r"input:\s+dims  R = \d", done.stdout)
    # Where it was: its own lines, not those of this tool that led there.
    assert (f"in {kernel}\n" in done.stdout) == (kernel in ("dies_inside", "hangs"))
    assert "runtime/kernel.py" not in done.stdout


@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ("hostile:missing", "E507"),
        ("hostile:not_callable", "E507"),
        ("hostile:takes_too_few", "E508"),
        ("no_such_module:f", "E506"),
        ("hostile:", "E505"),
        ("no-such-binding", "E503"),
    ],
)
def test_a_binding_that_cannot_be_used(binding: str, code: str, tmp_path: Path) -> None:
    done = run("--binding", binding, evidence=tmp_path / "e.jsonl")
    assert done.returncode == 2, done.stdout
    assert f"error[{code}]" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "e.jsonl").exists()


PROBED = "def scale(x, a):\n    return (a * x).astype(x.dtype)\n"


def probed(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What importing a kernel of this source finds out."""
    monkeypatch.chdir(make_project(tmp_path))
    (tmp_path / "probed.py").write_text(source + PROBED, encoding="utf-8")
    return probe(tmp_path, "cpu", "probed:scale", ["core/scale"])


def test_what_a_module_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = (
        "import atexit, os\nprint('{\"offers\": 1}', end='')\nos.write(1, b'\\xff\\n')\nos.write(2, b'\\xff')\n"
        "atexit.register(print, '{oops')\n"
    )
    assert list(probed(noise, tmp_path, monkeypatch)["core/scale"]["equations"]) == ["scale"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os; os._exit(0)", "the process that imported probed:scale ended with exit status 0"),
        (
            "import os, signal, warnings\nwarnings.warn('of no matter')\nos.kill(os.getpid(), signal.SIGSEGV)",
            "the process that imported probed:scale was killed by SIGSEGV",
        ),
        (
            "import os\nos.write(2, b'cannot allocate\\n  at startup\\n')\nos._exit(3)",
            "the process that imported probed:scale ended with exit status 3: cannot allocate",
        ),
        ("import sys; sys.exit('not here')", "importing 'probed' raised SystemExit: not here"),
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
            "importing 'probed' raised E: its message cannot be made (ValueError)",
        ),
    ],
)
def test_a_module_that_ends_the_process_that_imports_it(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ContractError) as caught:
        probed(f"{source}\n", tmp_path, monkeypatch)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [("E506", words)]


def test_cuda_without_a_gpu_is_an_error(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = run("--device", "cuda", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 2
    assert "E510" in done.stderr


def test_a_kernel_that_forks_is_counted_once(tmp_path: Path) -> None:
    done = run("--binding", "hostile:forks", "-k", "DEF-RMSNORM", "--cases", "8", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 0 and "1 obligations: 1 passed; 8 cases" in done.stdout
    assert len(verdicts(tmp_path / "e.jsonl")) == 1


@pytest.mark.parametrize(("kernel", "told"), [("returns_two", False), ("wrong_dtype", False), ("zeros", True)])
def test_what_a_law_makes_suspect_is_told_of_failures_that_it_is_about(kernel: str, told: bool, tmp_path: Path) -> None:
    done = run("--binding", f"hostile:{kernel}", "-k", "DEF-RMSNORM", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 1 and ("if this fails:" in done.stdout) == told


def test_of_many_failures_the_first_are_made_small(tmp_path: Path) -> None:
    done = run("--binding", "hostile:zeros", evidence=tmp_path / "e.jsonl")
    assert done.returncode == 1
    found = [v for v in verdicts(tmp_path / "e.jsonl") if v.outcome == "failed" and v.case_budget > 1]
    assert found[0].obligation == "RN-DEF-RMSNORM"  # which says most
    assert len(found) > 4 and min(v.cases for v in found[:3]) > max(v.cases for v in found[3:])
    run("--binding", "hostile:zeros", "-k", found[-1].obligation, evidence=tmp_path / "one.jsonl")
    assert verdicts(tmp_path / "one.jsonl")[0].cases > found[-1].cases  # alone it is made small


def test_events_as_json_lines(tmp_path: Path) -> None:
    done = run("--binding", "hostile:zeros", "-k", "DEF-RMSNORM", "--format", "json", evidence=tmp_path / "e.jsonl")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"run_started", "obligation_started", "obligation_finished", "run_finished"} <= {e["event"] for e in events}


def test_a_known_fault_is_named(tmp_path: Path) -> None:
    root = HERE.parents[1]
    command = [sys.executable, "-m", "albor_contracts", "verify", "core/rmsnorm", "--seed", "0", "-k", "RN-GRAD"]
    command += ["--binding", "examples.wrong_rmsnorm:rmsnorm_backward", "--evidence", str(tmp_path / "e.jsonl")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "your kernel behaves like F27: dx without the weight in the inner mean" in done.stdout


AS_WRITTEN = """
import torch

def rmsnorm(x, w, eps):
    h = x.float()
    h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps)
    return w * h.to(x.dtype)

def swiglu(gate, up):
    return torch.nn.functional.silu(gate) * up

def rope(x, offset, base):
    t, d = x.shape[-2:]
    turn = (torch.arange(t).double() + offset)[:, None] * base ** -(torch.arange(0, d, 2).double() / d)
    cos, sin = (f(torch.cat([turn, turn], -1)).to(x.dtype) for f in (torch.cos, torch.sin))
    return x * cos + torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1) * sin
"""


@pytest.mark.parametrize(
    ("contract", "kernel", "fault"),
    [
        ("core/rmsnorm", "rmsnorm", "RN-EARLY-CAST"),
        ("core/swiglu", "swiglu", "SG-ROUND-TWICE"),
        ("core/rope", "rope", "RP-NARROW"),
    ],
)
def test_roundings_of_models_as_they_are_written_are_named(
    contract: str, kernel: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "written.py").write_text(AS_WRITTEN)
    words = ("-k", f"DEF-{kernel.upper()}", "--dtype", "bf16")
    done = verified(contract, f"written:{kernel}", tmp_path, *words)
    assert done.returncode == 1 and f"your kernel behaves like {fault}: " in done.stdout


BY_STRIDES = """
import torch

def silu(x):
    x = torch.as_strided(x, x.shape, (x.shape[1], 1))
    return x * torch.sigmoid(x)

def half(x):
    return silu(x.contiguous()) / 2

def asserting(x):
    assert x.is_contiguous()
    return silu(x)
"""


@pytest.mark.parametrize(
    ("kernel", "told"),
    [("silu", "a stride is not taken into account"), ("half", ""), ("asserting", "these strides are refused")],
)
def test_a_kernel_that_holds_where_inputs_are_contiguous_is_told_so(kernel: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "strided.py").write_text(BY_STRIDES)
    done = verified("core/silu", f"strided:{kernel}", tmp_path, "-k", "SI-DEF-SILU", "--cases", "25")
    words = "; where all inputs are contiguous it holds, so "
    assert done.returncode == 1 and (words + told in done.stdout) == bool(told)
    raised = f"strided:asserting raised AssertionError without a message (at {tmp_path / 'strided.py'}:"
    assert (raised in done.stdout) == (kernel == "asserting")


def test_a_dtype_that_a_binding_file_does_not_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nframework: torch\nkernels:\n  core/silu:\n    silu: {call: 'torch.nn.functional:silu'}\n"
    )
    done = verified("core/silu", tmp_path / "mine.yaml", tmp_path, "-k", "SI-DEF-SILU", "--dtype", "bf16")
    assert done.returncode == 2
    assert "mine.yaml has its kernels judged in f32, not in bf16; `dtypes` in a binding file says" in done.stderr


def test_a_failure_names_the_lines_of_the_law_and_of_the_kernel(tmp_path: Path) -> None:
    run("--binding", "hostile:zeros", evidence=tmp_path / "e.jsonl")
    source = (HERE / "kernels" / "hostile.py").read_text().splitlines()
    contract = HERE.parents[1] / "contracts" / "core" / "rmsnorm-v1.yaml"
    law, definition, prediction = "RN-UNIT", "RN-DEF-RMSNORM", "RN-FT-TINY"
    starts = {law: law, definition: "y[r, i] = ", prediction: prediction}
    failures = {v.obligation: v.failure for v in verdicts(tmp_path / "e.jsonl") if v.failure is not None}
    assert set(starts) <= set(failures)
    for identifier, words in starts.items():
        file, line = failures[identifier].kernel.split(":")
        assert file == "hostile.py"
        assert source[int(line) - 1].startswith("def zeros")
        file, line, column = failures[identifier].stated.split(":")
        assert (HERE / "kernels" / file).resolve() == contract.resolve()
        assert contract.read_text().splitlines()[int(line) - 1][int(column) - 1 :].startswith(words)


def test_a_prediction_names_the_kernel_that_raised(tmp_path: Path) -> None:
    run("--binding", "hostile:raises", "-k", "RN-FT-TINY", evidence=tmp_path / "e.jsonl")
    (verdict,) = verdicts(tmp_path / "e.jsonl")
    source = (HERE / "kernels" / "hostile.py").read_text().splitlines()
    assert verdict.failure is not None
    assert source[int(verdict.failure.kernel.rpartition(":")[2]) - 1].startswith("def raises")


def test_runs_with_distinct_seeds_and_the_same_seed(tmp_path: Path) -> None:
    """The same seed gives the same shrunk failure; that is what `replay` relies on."""
    first = run("--binding", "hostile:zeros", "-k", "DEF-RMSNORM", evidence=tmp_path / "a.jsonl")
    second = run("--binding", "hostile:zeros", "-k", "DEF-RMSNORM", evidence=tmp_path / "b.jsonl")
    (a,), (b,) = verdicts(tmp_path / "a.jsonl"), verdicts(tmp_path / "b.jsonl")
    assert first.returncode == second.returncode == 1
    assert a.failure == b.failure


def test_what_a_binding_declines_is_counted_with_its_contract(tmp_path: Path) -> None:
    """The line of a contract comes when its last verdict is in, and its total agrees with that of the run."""
    done = verified("core/rmsnorm", "torch", tmp_path, "--cases", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (text for text in done.stdout.splitlines() if text.startswith("ok "))
    total = done.stdout.splitlines()[-1].split(" obligations")[0]
    counts = Counter(v.outcome for v in verdicts(tmp_path / "e.jsonl"))
    assert counts["declined"] and counts["not_applicable"] and counts.total() == int(total)
    told = f"{counts['declined']} declined, {counts['not_applicable']} not applicable"
    assert f"{counts['passed']} of {total} passed ({told})" in line


def test_a_law_about_two_kernels_is_judged_on_the_one_that_is_offered(tmp_path: Path) -> None:
    """PyTorch's softmax is judged in bfloat16, its backward pass in float32 only."""
    done = verified("core/softmax", "torch", tmp_path, "-k", "SM-TILES")
    found = {v.dtype: v for v in verdicts(tmp_path / "e.jsonl")}
    assert done.returncode == 0, done.stdout + done.stderr
    assert {d: v.outcome for d, v in found.items()} == {
        "f32": "passed",
        "bf16": "partial",
        "f16": "partial",
    }
    assert found["bf16"].reason == "torch offers softmax_backward in f32 only"


def page(tmp_path: Path, function: str | None = None) -> Path:
    """The binding file and the function of docs/bindings.md, the latter changed or not."""
    text = (HERE.parents[1] / "docs" / "bindings.md").read_text(encoding="utf-8")
    (binding,) = re.findall(r"```yaml\n(name: mine\n.*?)```", text, re.DOTALL)
    shown = next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def nll" in code)
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "losses.py").write_text(function or shown, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(binding, encoding="utf-8")
    return tmp_path / "mine.yaml"


def test_a_function_without_a_gradient_is_judged_on_its_loss(tmp_path: Path) -> None:
    """And what could not be judged does not count."""
    binding = page(tmp_path)
    done = verified("loss/cross-entropy", binding, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = {v.obligation: v.outcome for v in verdicts(tmp_path / "e.jsonl")}
    assert outcomes["CE-DEF-CROSS_ENTROPY"] == outcomes["CE-WIDE"] == outcomes["CE-SHIFT"] == "partial"
    assert outcomes["CE-GRAD"] == "not_applicable" and outcomes["CE-LABEL"] == "declined"
    assert f" partial: {binding} does not return dz" in done.stdout
    assert all(v.binding == str(binding) for v in verdicts(tmp_path / "e.jsonl"))


def test_a_function_without_a_gradient_fails_by_its_loss(tmp_path: Path) -> None:
    binding = page(tmp_path, "def nll(labels, scores, ignore):\n    return scores.sum(), None\n")
    done = verified("loss/cross-entropy", binding, tmp_path, "-k", "DEF-CROSS_ENTROPY")
    assert done.returncode == 1, done.stdout + done.stderr
    (verdict,) = verdicts(tmp_path / "e.jsonl")
    assert verdict.outcome == "failed" and verdict.failure is not None and " in loss" in verdict.failure.got
    assert f"--binding {binding}" in verdict.failure.replay


def test_what_breaks_every_obligation_is_told_in_full_once(tmp_path: Path) -> None:
    page(tmp_path, "import numpy as np\ndef cross_entropy(z, y, ignore):\n    return np.float32(1)\n")
    done = verified("loss/cross-entropy", "mypackage.losses:cross_entropy", tmp_path, "-k", "CE-S")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("returned 1 value (float32), expected 2: loss, dz; `returns` in a binding file") == 1
    assert done.stdout.count("replay: ") == done.stdout.count("FAILED") > 1
    assert "CE-SHIFT [mypackage.losses:cross_entropy, f32, cpu]: the same as loss/cross-entropy CE-SIGN" in done.stdout


def test_one_function_is_not_blamed_for_the_kernels_it_is_not(tmp_path: Path) -> None:
    """SM-TILES is about the gradient too: a function without one is judged on the forward pass."""
    (tmp_path / "ops.py").write_text("import torch\ndef softmax(x):\n    return torch.softmax(x.detach(), -1)\n")
    done = verified("core/softmax", "ops:softmax", tmp_path, "-k", "SM-TILES")
    assert done.returncode == 0, done.stdout + done.stderr
    (tiles,) = verdicts(tmp_path / "e.jsonl")
    assert (tiles.outcome, tiles.reason) == (
        "partial",
        "ops:softmax is not differentiable: for autograd, what it returns does not depend on its inputs",
    )


def test_a_plain_triton_kernel_needs_no_gpu(tmp_path: Path) -> None:
    """In bfloat16, where the stock interpreter truncates."""
    evidence = ("-k", "SI-DEF-SILU", "--evidence", str(tmp_path / "e.jsonl"))
    done = verified("core/silu", "plain_triton:silu", HERE / "kernels", "--dtype", "bf16", *evidence)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict, gradient = sorted(verdicts(tmp_path / "e.jsonl"), key=lambda v: v.obligation)
    assert (verdict.outcome, verdict.dtype) == ("passed", "bf16")
    assert gradient.outcome == "not_applicable" and "plain_triton:silu is not differentiable" in gradient.reason


def test_what_is_loaded_without_other_is_told_where_it_matters(tmp_path: Path) -> None:
    text = (HERE / "kernels" / "plain_triton.py").read_text().replace("mask=at < n, other=0.0)", "mask=at < n)")
    (tmp_path / "careless.py").write_text(text)
    done = verified("core/rmsnorm", "careless:RMSNorm.apply", tmp_path, "-k", "RN-DEF-RMSNORM")
    verdict = next(v for v in verdicts(tmp_path / "e.jsonl") if v.obligation == "RN-DEF-RMSNORM")
    assert verdict.failure is not None, done.stdout
    first, second = (k for k, line in enumerate(text.splitlines(), 1) if "mask=at < n)" in line and "tl.load(" in line)
    words = "what is loaded under a mask without `other` is NaN here and undefined on a GPU: "
    assert verdict.failure.message.endswith(f"{words}{tmp_path}/careless.py:{first}, {second}")


def test_offsets_that_do_not_fit_fail_where_every_case_holds(tmp_path: Path) -> None:
    text = (HERE / "kernels" / "plain_triton.py").read_text()
    (tmp_path / "narrow.py").write_text(text.replace("(0).to(tl.int64) * BLOCK", "(0) * BLOCK"))
    done = verified("core/silu", "narrow:silu", tmp_path, "-k", "SI-DEF-SILU")
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = next(v for v in verdicts(tmp_path / "e.jsonl") if v.obligation == "SI-DEF-SILU")
    assert verdict.outcome == "failed" and verdict.cases == 4 and verdict.failure is not None
    assert "int32 overflow detected for operation mul" in verdict.failure.message and not verdict.failure.case


def test_a_wrong_plain_triton_kernel_fails(tmp_path: Path) -> None:
    evidence = ("--evidence", str(tmp_path / "e.jsonl"))
    done = verified("core/silu", "plain_triton:unfinished_silu", HERE / "kernels", "-k", "SI-DEF-SILU", *evidence)
    assert done.returncode == 1, done.stdout + done.stderr
    verdict, _ = sorted(verdicts(tmp_path / "e.jsonl"), key=lambda v: v.obligation)
    assert verdict.failure is not None and "never written" in verdict.failure.message
    assert "plain_triton.py:" in verdict.failure.kernel
