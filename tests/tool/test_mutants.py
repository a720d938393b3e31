"""Mutants: which edits are made, that each is one edit of the source, and what becomes of them."""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest
from albor_contracts.cli import main
from albor_contracts.errors import ContractError
from albor_contracts.mutate import equivalents, known_mutants, mutants_of, shared_modules
from albor_contracts.mutate.run import MEMORY, Limits, _Copy, _verdict, sample
from sample_project import KERNEL, make_project, write

SOURCE = textwrap.dedent('''\
    """A module."""
    import triton.language as tl

    LIMIT = 8


    @kernel(example("x=*fp32", BLOCK=64, num_warps=4))
    def _sum_kernel(x, y, rows, n, stride, BLOCK: tl.constexpr):
        """Row sums: 1 + 1 in a docstring is no code."""
        row = tl.program_id(0).to(tl.int64) * stride
        cols = tl.arange(0, BLOCK)[None, :]
        total = tl.zeros([1, BLOCK], dtype=tl.float32)
        for start in range(BLOCK, n, BLOCK):
            total += tl.load(x + row + start + cols, mask=start + cols < n, other=0.0).to(tl.float32)
        tl.store(y + row, tl.sum(total, axis=1), mask=row < rows)


    class Function:
        def forward(self, a: int, b: float = 1.0) -> int:
            if a is None:
                raise ValueError(f"{a + 1} is wrong")
            return -a if a > b and b else swap(a, b)
    ''')  # fmt: skip


@pytest.fixture(scope="module")
def mutants():
    return mutants_of(SOURCE)


def test_every_mutant_is_one_edit_that_parses_and_changes_the_program(mutants):
    original = ast.dump(ast.parse(SOURCE))
    seen = set()
    for m in mutants:
        changed = m.applied(SOURCE)
        assert ast.dump(ast.parse(changed)) != original
        assert changed.startswith(SOURCE[: m.start]) and changed.endswith(SOURCE[m.end :])
        assert SOURCE.split("\n")[m.line - 1].strip() == m.find.split("\n")[0]
        assert m.put in "\n".join(line.strip() for line in changed.split("\n"))
        seen.add(changed)
    assert len(seen) == len(mutants) > 40


@pytest.mark.parametrize(
    ("operator", "put"),
    [
        ("index width", "row = tl.program_id(0) * stride"),
        ("arithmetic", "row = tl.program_id(0).to(tl.int64) + stride"),
        ("arithmetic", "total = tl.load(x + row + start + cols, mask=start + cols < n, other=0.0).to(tl.float32)"),
        ("axis", "cols = tl.arange(0, BLOCK)[:, None]"),
        ("accumulator", "total = tl.zeros([1, BLOCK], dtype=x.dtype.element_ty)"),
        ("start", "for start in range(0, n, BLOCK):"),
        ("start", "for start in range(BLOCK + BLOCK, n, BLOCK):"),
        ("other", "total += tl.load(x + row + start + cols, mask=start + cols < n).to(tl.float32)"),
        ("mask", "total += tl.load(x + row + start + cols).to(tl.float32)"),
        ("comparison", "total += tl.load(x + row + start + cols, mask=start + cols <= n, other=0.0).to(tl.float32)"),
        ("bound", "total += tl.load(x + row + start + cols, mask=start + cols < n - 1, other=0.0).to(tl.float32)"),
        ("function", "tl.store(y + row, tl.max(total, axis=1), mask=row < rows)"),
        ("constant", "tl.store(y + row, tl.sum(total, axis=0), mask=row < rows)"),
        ("mask", "tl.store(y + row, tl.sum(total, axis=1))"),
        ("statement", "pass"),
        ("sign", "return a if a > b and b else swap(a, b)"),
        ("comparison", "return -a if a > b or b else swap(a, b)"),
        ("argument", "return -a if a > b and b else swap(b, a)"),
        ("argument", "return swap(a, b) if a > b and b else -a"),
        ("condition", "if not (a is None):"),
    ],
)
def test_operators(operator, put, mutants):
    assert [m for m in mutants if (m.operator, m.put) == (operator, put)]


def test_what_no_result_depends_on_is_left_alone(mutants):
    touched = {m.find for m in mutants}
    assert not {line for line in touched if "docstring" in line or "@kernel" in line or "LIMIT" in line}
    assert {m.put for m in mutants if "is wrong" in m.find} == {"pass"}
    assert {m.function for m in mutants} == {"_sum_kernel", "Function.forward"}


def test_equal_lines_of_a_function_are_told_apart():
    found = mutants_of(
        "def f(x):\n    x = x + 1\n    x = x + 1\n    return x\n\n\ndef g(x):\n    x = x + 1\n    return x\n"
    )
    assert [(m.function, m.nth) for m in found if m.put == "x = x - 1"] == [("f", 1), ("f", 2), ("g", 1)]


def test_functions_inside_functions_are_changed_as_well():
    found = mutants_of("def f(x):\n    def g(y):\n        return y + 1\n\n    return g(x)\n")
    assert ("f", "return y - 1") in {(m.function, m.put) for m in found}


def test_columns_of_lines_that_are_not_ascii():
    found = mutants_of('def f(x):\n    return "ä" * x + 1\n')
    assert "return \"ä\" * x - 1" in {m.put for m in found}  # fmt: skip


def test_a_sample_is_decided_by_its_seed(mutants):
    every = [("m", m) for m in mutants]
    assert sample(every, None, 0) == every and sample(every, 10**6, 0) == every
    drawn = sample(every, 9, 3)
    assert len(drawn) == 9 and drawn == sample(every, 9, 3) != sample(every, 9, 4)
    assert [m.start for _, m in drawn] == sorted(m.start for _, m in drawn)


def listed(tmp_path: Path, text: str):
    write(tmp_path, "mutants/core/sum.yaml", textwrap.dedent(text))
    known = known_mutants(tmp_path, "core/sum")
    assert known is not None
    return known


def test_equivalents_are_matched_by_their_lines(tmp_path, mutants):
    known = listed(tmp_path, """\
        equivalent:
          - reason: it is
            mutants:
              - {function: Function.forward, find: "if a is None:", put: "if a is not None:"}
              - {function: _sum_kernel, find: "cols = tl.arange(0, BLOCK)[None, :]"}
        """)  # fmt: skip
    found = equivalents(known, mutants)
    assert set(found.values()) == {"it is"}
    assert {m.find for m in found} == {"if a is None:", "cols = tl.arange(0, BLOCK)[None, :]"}
    assert [m.put for m in found if m.function == "Function.forward"] == ["if a is not None:"]
    assert known_mutants(tmp_path, "core/other") is None and equivalents(None, mutants) == {}


@pytest.mark.parametrize(
    "entry",
    [
        '{function: _sum_kernel, find: "cols = tl.arange(1, BLOCK)[None, :]"}',
        '{function: _sum_kernel, find: "cols = tl.arange(0, BLOCK)[None, :]", nth: 2}',
        '{function: _sum_kernel, find: "cols = tl.arange(0, BLOCK)[None, :]", put: "cols = 3"}',
        '{function: f, find: "cols = tl.arange(0, BLOCK)[None, :]"}',
    ],
)
def test_an_entry_that_matches_no_mutant_is_an_error(entry, tmp_path, mutants):
    known = listed(tmp_path, f"equivalent: [{{reason: r, mutants: [{entry}]}}]\n")
    with pytest.raises(ContractError) as error:
        equivalents(known, mutants)
    (d,) = error.value.diagnostics
    assert d.code == "E511" and d.position.line == 1 and d.position.file.endswith("mutants/core/sum.yaml")


def test_a_key_that_nobody_knows_is_an_error(tmp_path):
    with pytest.raises(ContractError) as error:
        listed(tmp_path, "equivalents: []\n")
    assert error.value.diagnostics[0].code == "E201" and "equivalent" in error.value.diagnostics[0].hint


# The command, on a kernel of which every line is known

WEAK = KERNEL.replace(
    "    return (a * x)",
    """\
    if x.shape[1] > 9:  # larger than any case
        x = x + 1
    spare = x.size + 1
    return (a * x)""",
)


def test_mutants_of_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(make_project(tmp_path, kernel=WEAK))
    write(tmp_path, "mutants/core/scale.yaml", """\
equivalent:
  - reason: nothing reads it
    mutants: [{function: scale, find: "spare = x.size + 1"}]
""")  # fmt: skip
    assert main(["mutate", "core/scale", "--format", "json", "-n", "2"]) == 1
    answer = json.loads(capsys.readouterr().out)["contracts"][0]
    outcomes = {v["put"]: v["outcome"] for v in answer["verdicts"]}
    assert outcomes["return (a + x).astype(x.dtype)"] == "killed"
    assert outcomes["spare = x.size - 1"] == "equivalent"
    assert outcomes["if x.shape[1] > 10:  # larger than any case"] == "survived"
    assert outcomes["x = x - 1"] == "unreached"
    assert answer["problem"] == "" and answer["tried"] == answer["killed"] + answer["equivalent"] + answer["survived"]


def test_what_is_listed_and_killed_was_listed_wrongly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(make_project(tmp_path, kernel=KERNEL.replace("    return", "    spare = x.size + 1\n    return")))
    write(tmp_path, "mutants/core/scale.yaml", """\
equivalent:
  - reason: a mistake
    mutants: [{function: scale, find: "return (a * x).astype(x.dtype)"}]
""")  # fmt: skip
    assert main(["mutate", "core/scale"]) == 1
    out = capsys.readouterr().out
    assert "4 mutants tried, 1 killed, 0 equivalent, 3 survived" in out
    assert "scale.py:8:20: survived: arithmetic, in scale\n    - spare = x.size + 1\n    + spare = x.size - 1\n" in out
    assert "listed as equivalent, but killed: SC-" in out


def _sharing(root):
    """The sample, with a multiplication that its kernels import."""
    kernel = KERNEL.replace("import numpy as np", "import numpy as np\n\nfrom ._times import times")
    project = make_project(root, kernel=kernel.replace("a * x", "times(a, x)"))
    for core in project.glob("*/kernels_*/core"):
        write(core, "_times.py", "def times(a, x):\n    spare = 7\n    return a * x\n")
    (file,) = project.glob("impl/kernels_*/core/_times.py")
    return project, ".".join(file.relative_to(project).with_suffix("").parts)


def test_mutants_of_a_module_that_kernels_share(tmp_path, monkeypatch, capsys):
    project, module = _sharing(tmp_path)
    monkeypatch.chdir(project)
    write(project, "mutants/core/_times.yaml", """\
equivalent:
  - reason: nothing reads it
    mutants: [{function: times, find: "spare = 7", put: "spare = 6"}]
""")  # fmt: skip
    assert main(["mutate", "core/scale", "--list"]) == 0
    assert "_times" not in capsys.readouterr().out
    assert main(["mutate", "--list"]) == 0
    assert "_times.py:2:13: constant, listed as equivalent, in times" in capsys.readouterr().out
    assert main(["mutate", "--module", module, "--format", "json"]) == 1
    (answer,) = json.loads(capsys.readouterr().out)["contracts"]
    assert answer["contract"] == module and answer["problem"] == ""
    outcomes = {v["put"]: v["outcome"] for v in answer["verdicts"]}
    assert outcomes == {"return a + x": "killed", "spare = 6": "equivalent", "spare = 8": "survived"}


def test_a_module_that_no_kernels_share_is_named(tmp_path, monkeypatch, capsys):
    project, module = _sharing(tmp_path)
    monkeypatch.chdir(project)
    assert main(["mutate", "--module", module + "s"]) == 2
    assert f"did you mean `{module}`?" in capsys.readouterr().err
    assert main(["mutate", "--module", "json"]) == 2
    assert f"shared are {module}" in capsys.readouterr().err


def test_what_kernels_stand_on_is_not_what_they_share():
    assert shared_modules({"core/gelu": ["albor_impl.core.gelu"], "core/silu": ["albor_impl.core.silu"]}) == {
        "albor_impl.core._rows": ["core/gelu", "core/silu"]
    }
    with pytest.raises(LookupError, match="no_such_module"):
        shared_modules({"core/softmax": ["no_such_module"]})


def test_an_original_that_fails_proves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(make_project(tmp_path, kernel=KERNEL.replace("a * x", "a * x + 1")))
    assert main(["mutate", "core/scale"]) == 1
    assert "the unchanged implementation does not hold, so nothing was tried: SC-" in capsys.readouterr().out
    assert main(["mutate", "core/scale", "--list"]) == 0  # which runs nothing
    assert "+ return (a + x + 1).astype(x.dtype)" in capsys.readouterr().out


def test_a_list_of_mutants_as_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(make_project(tmp_path, kernel=KERNEL.replace("    return", "    spare = x.size + 1\n    return")))
    write(tmp_path, "mutants/core/scale.yaml", """\
equivalent:
  - reason: a guess
    mutants: [{function: scale, find: "return (a * x).astype(x.dtype)", put: "return (a + x).astype(x.dtype)"}]
""")  # fmt: skip
    assert main(["mutate", "core/scale", "--list", "--format", "json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["contracts"]
    assert answer["contract"] == "core/scale"
    reasons = {m["put"]: m["reason"] for m in answer["mutants"]}
    assert reasons["return (a + x).astype(x.dtype)"] == "a guess"
    assert reasons["spare = x.size - 1"] == ""


TESTED = (
    KERNEL
    + """

class Layer:
    def forward(self, x):
        kept = 5
        return x - 3
"""
)


def _with_tests(root, claim):
    project = make_project(root, kernel=TESTED)
    (file,) = project.glob("impl/kernels_*/core/scale.py")
    module = ".".join(file.relative_to(project).with_suffix("").parts)
    write(
        project,
        "test_layer.py",
        f"""\
from {module} import Layer


def test_forward():
    assert {claim}


def test_nothing():
    pass
""",
    )
    return project


def test_what_no_obligation_reaches_is_for_tests(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(_with_tests(tmp_path, "Layer().forward(10) == 7"))
    assert main(["mutate", "core/scale", "--function", "Layer.forward"]) == 0
    assert "no obligation reaches 5 more: Layer.forward 5" in capsys.readouterr().out
    arguments = ["mutate", "core/scale", "--function", "Layer.forward", "--tests", "test_layer.py"]
    assert main([*arguments, "--format", "json"]) == 1
    (answer,) = json.loads(capsys.readouterr().out)["contracts"]
    outcomes = {v["put"]: (v["outcome"], v["by"]) for v in answer["verdicts"]}
    assert outcomes["return x + 3"] == ("killed", "test_layer.py::test_forward")
    assert outcomes["return x - 4"] == ("killed", "test_layer.py::test_forward")
    assert outcomes["kept = 6"] == ("survived", "")
    assert answer["unreached"] == 0 and answer["tried"] == 5


def _with_sizes(root, claim):
    """A kernel that notes sizes, which no obligation asks for."""
    kept = KERNEL.replace("def scale", "SIZES = []\n\n\ndef scale")
    project = make_project(root, kernel=kept.replace("    return", "    SIZES.append(x.size * 3)\n    return"))
    (file,) = project.glob("impl/kernels_*/core/scale.py")
    module = ".".join(file.relative_to(project).with_suffix("").parts)
    write(project, "test_scale.py", f"""\
import numpy as np
from {module} import SIZES, scale


def test_sizes():
    scale(np.ones(5), 2.0)
    assert {claim}
""")  # fmt: skip
    write(project, "mutants/core/scale.yaml", """\
equivalent:
  - reason: no obligation asks for sizes
    mutants: [{function: scale, find: "SIZES.append(x.size * 3)", put: "SIZES.append(x.size * 2)"}]
""")  # fmt: skip
    return project


def test_what_no_obligation_notices_is_for_tests_too(tmp_path, monkeypatch, capsys):
    """Also of what is listed: the list says what obligations cannot see."""
    monkeypatch.chdir(_with_sizes(tmp_path, "SIZES[-1] == 15"))
    assert main(["mutate", "core/scale", "--format", "json"]) == 1
    (answer,) = json.loads(capsys.readouterr().out)["contracts"]
    assert (answer["by_tests"], answer["equivalent"], answer["survived"]) == (0, 1, 3)
    assert main(["mutate", "core/scale", "--tests", "test_scale.py"]) == 0
    assert "4 by tests alone), 0 equivalent, 0 survived" in capsys.readouterr().out
    write(tmp_path, "mutants/core/scale.yaml", "tests: [test_scale.py]\n")
    assert main(["mutate", "core/scale"]) == 0
    assert "4 by tests alone), 0 equivalent, 0 survived" in capsys.readouterr().out
    write(tmp_path, "mutants/core/scale.yaml", "tests:\n  - test_gone.py\n")
    assert main(["mutate", "core/scale"]) == 2
    said = capsys.readouterr().err
    assert "error[E506]: there are no tests 'test_gone.py'" in said and "core/scale.yaml:2:5" in said


def test_tests_may_take_memory(tmp_path, monkeypatch, capsys):
    """More than a mutant may beyond them: that they run out of it kills nothing."""
    monkeypatch.chdir(_with_sizes(tmp_path, f"np.empty({MEMORY + 2**30}, np.uint8).size"))
    assert main(["mutate", "core/scale", "--tests", "test_scale.py", "--format", "json"]) == 1
    (answer,) = json.loads(capsys.readouterr().out)["contracts"]
    assert (answer["by_tests"], answer["equivalent"], answer["survived"]) == (0, 1, 3)


@pytest.mark.parametrize(("claim", "file", "message"), [
    ("Layer().forward(10) == 8", "test_layer.py", "test_layer.py::test_forward"),
    ("True", "test_there_is_none.py", "pytest found no test there"),
    ("(", "test_layer.py", "SyntaxError"),
])  # fmt: skip
def test_tests_that_fail_on_the_original_prove_nothing(claim, file, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(_with_tests(tmp_path, claim))
    assert main(["mutate", "core/scale", "--tests", file]) == 1
    out = capsys.readouterr().out
    assert "the unchanged implementation does not hold, so nothing was tried" in out and message in out


def _loops():
    while True:
        pass


def _asks_for_everything():
    import numpy as np

    return np.ones(1 << 40).sum()


@pytest.mark.parametrize(
    ("work", "outcome"), [(_loops, "timeout"), (_asks_for_everything, "crashed"), (partial(os._exit, 3), "crashed")]
)
def test_what_a_mutant_does_to_its_process_stays_there(work, outcome, mutants):
    copy = _Copy(work, Limits(0.1))
    copy.process.join(120)
    assert copy.done()
    verdict = _verdict("module", mutants[0], copy)
    assert verdict.outcome == outcome and verdict.message


def test_a_mutant_that_waits_for_ever_is_given_up(mutants):
    copy = _Copy(partial(time.sleep, 3600), Limits(0.05))
    while not copy.done():
        time.sleep(0.05)
    assert _verdict("module", mutants[0], copy).outcome == "timeout"


def test_before_the_first_mutant_everything_is_imported_and_no_kernel_runs(tmp_path, monkeypatch):
    """`warm` imports what the control needed, the impossible included, and goes on."""
    from albor_contracts.mutate.bench import warm

    write(tmp_path, "needed_by_a_kernel.py", "LOADED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "needed_by_a_kernel", raising=False)
    try:
        warm(["needed_by_a_kernel", "a_module_that_is_gone"])
    finally:
        gc.unfreeze()
    assert sys.modules["needed_by_a_kernel"].LOADED


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("contract", sorted(p.relative_to(ROOT / "mutants").with_suffix("").as_posix()
                                            for p in (ROOT / "mutants").glob("*/*.yaml")))  # fmt: skip
def test_what_is_listed_is_still_in_the_source(contract, monkeypatch, capsys):
    """An entry that matches nothing any more would be found by the next run only, which takes hours."""
    monkeypatch.chdir(ROOT)
    shared = "/_" in contract  # a module that kernels share, and no contract names
    named = ["--module", f"albor_impl.{contract.replace('/', '.')}"] if shared else [contract]
    assert main(["mutate", *named, "--list"]) == 0
    known = known_mutants(ROOT, contract)
    assert known is not None
    assert ("listed as equivalent" in capsys.readouterr().out) == bool(known.equivalent)


def test_the_lists_are_of_one_implementation(monkeypatch, capsys):
    """The sources of another binding have other mutants, of which nothing is known."""
    monkeypatch.chdir(ROOT)
    assert main(["mutate", "data/fim", "--list", "--binding", "reference"]) == 0
    assert "listed as equivalent" not in capsys.readouterr().out
