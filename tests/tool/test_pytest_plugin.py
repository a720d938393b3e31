"""`pytest generated/` as a gate: what a failure looks like there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from sample_project import edit, make_project

HERE = Path(__file__).parent


def gate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "generated/core/test_rmsnorm.py",
        *arguments,
    ]
    places = [str(HERE / "kernels"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False, env=environment)


def test_a_failure_is_told_without_the_way_through_the_tool():
    done = gate("--binding", "differentiable:unweighted", "-k", "rn_ft_weight")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "if this fails: The weight is missing inside the row mean: (0, 2).\n" in done.stdout
    assert "behaves like: F27: dx without the weight in the inner mean\n" in done.stdout
    assert "stated at: contracts/core/rmsnorm-v1.yaml:" in done.stdout
    assert re.search(r"kernel: tests/tool/kernels/differentiable.py:[0-9]+, judged as rmsnorm_backward\b", done.stdout)
    assert "runtime/session.py" not in done.stdout and "Recorder" not in done.stdout


def test_all_of_it_on_request():
    done = gate("--binding", "differentiable:unweighted", "-k", "rn_ft_weight", "--full-trace")
    assert done.returncode == 1 and "runtime/session.py" in done.stdout


def test_tests_of_a_contract_that_has_changed_since_are_not_green(tmp_path):
    root = make_project(tmp_path)
    albor = [sys.executable, "-m", "albor_contracts", "generate"]
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "generated"]

    def run(command):
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert run(albor).returncode == 0
    assert run(tests).returncode == 0
    edit(root, "contracts/core/scale-v1.yaml", "      y[r, i] = a * x[r, i]", "      y[r, i] = a * x[r, i] + 1")
    done = run(tests)
    words = "core/scale has changed since its tests were generated: run `albor-contracts generate core/scale`"
    assert done.returncode != 0 and words in done.stdout
    assert run(albor).returncode == 0
    assert "does not hold in y" in run(tests).stdout
