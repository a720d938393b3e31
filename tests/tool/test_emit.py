"""Generated files: readable, current with the language, and never code that a contract smuggled in."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import albor_contracts.testing as runtime
import numpy as np
import pytest
import yaml
from albor_contracts.checked import check_contracts
from albor_contracts.emit.module import test_module as module_text
from albor_contracts.emit.texts import (
    call_lines,
    doc_lines,
    import_lines,
    literal,
    quoted_doc,
    signature_lines,
    value_text,
)
from albor_contracts.emit.write import write_generated
from albor_contracts.errors import ContractError
from albor_contracts.inputs.case import RESERVED as OF_CASES
from albor_contracts.lang.names import GENERATED, OF_STRATEGIES, TAKEN, why_not
from albor_contracts.lang.names import OF_CASES as LISTED_OF_CASES
from albor_contracts.lang.names import OF_KERNELS as LISTED_OF_KERNELS
from albor_contracts.links import check_links
from albor_contracts.load import load_contract
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.kernel import Kernel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_templates import LAWS, ROWS
from toys import HEAD, Toy, generate, load, problems

ALL = (
    HEAD
    + ROWS
    + "proof_obligations:\n"
    + "".join(
        f"  - {{id: TY-L{k}, type: {kind}, property: A law, if_fails: A slip, {text}}}\n"
        for k, (kind, text, right, _) in enumerate(LAWS)
        if right
    )
    + """
falsification_tests:
  - {id: TY-F1, rule: TY-DEF-SQUARE, prediction: Squares, given: {x: [[1, -2.5, .inf]]}, let: "y = square(x)",
     check: "all[b, i](y[b, i] == x[b, i] * x[b, i])", if_fails: Halves}
  - {id: TY-F2, rule: TY-DEF-CLAMP, prediction: Clamps, given: {x: [[1], [2]], low: 1},
     let: "y, _ = clamp(x, low)", check: "all[b](y[b, 0] >= low)", if_fails: Does not}
faults:
  - {id: TY-X, title: Tripled, origin: A slip, define: {double: "y[b, i] = 3 * x[b, i]"}, killed_by: [TY-L0]}
qa_gate: {id: TY-GATE, name: Gate, checks: [TY-L0]}
"""
)
TREE = yaml.safe_load(ALL)


def judged(text: str) -> str | None:
    """The generated file of a contract, or None where it is refused with messages that have places."""
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "core" / "toy-v1.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            contract = load_contract(path)
        except ContractError:
            return None
        linked = [d for d in check_links({contract.name: contract}) if d.severity == "error"]
        checked, wrong = check_contracts({contract.name: contract})
        for d in wrong:
            assert d.message and re.fullmatch(r"E[1-4]\d\d", d.code)
            assert d.position.file == str(path) and d.position.line >= 1 and d.position.column >= 1, d
        assert bool(checked) or linked or wrong
        result = module_text(checked[contract.name], checked, "0" * 64) if checked else None
    assert time.process_time() - begin < 3.0
    return result


ALLOWED = {*runtime.__all__, "CONTRACT", "spec", "dict", "float"}


def innocent(source: str) -> ast.Module:
    """Whether the file parses and holds nothing but the imports, names and calls that generated files have."""
    tree = ast.parse(source)
    compile(source, "<generated>", "exec")
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert [(n.module, n.level) for n in imports if isinstance(n, ast.ImportFrom)] == [("albor_contracts.testing", 0)]
    assert len(imports) == 1
    defined = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined |= {a.arg for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda) for a in n.args.args}
    defined |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id in defined | ALLOWED | {"ValueError", "IndexError", "TypeError", "KeyError"}, node.id
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
        assert not isinstance(node, ast.Global | ast.Nonlocal | ast.With | ast.Try | ast.While | ast.For | ast.Await)
    return tree


def test_the_whole_contract_is_sound():
    source = judged(ALL)
    assert source is not None
    innocent(source)


HOSTILE = [
    '"""', "'''", '"', "'", "\\", "\\\\\"", "\n", "\r", "\t", "{x}", "%s", "${x}", "#", "# ",
    "__import__('os').system('id')", '"""\nimport os\nos.system("id")\n"""', "'); import os; ('", "\\N{BULLET}",
    "\\x41", "\u202e", "\u0430", "\uff58", "\u2028", "\U0001f600", "x" * 5000, "(" * 500, "None", "lambda: 0",
    "eval(x)", "a b", "1" * 400, "nan", "inf", "-inf", "$(id)", "`id`", "coding: utf-7", "\x7f", "\ud800",
]  # fmt: skip


def texts(node: Any, path: tuple = ()) -> Any:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, (*path, key))
    elif isinstance(node, list):
        for k, value in enumerate(node):
            yield from texts(value, (*path, k))
    elif isinstance(node, str):
        yield path


def with_text(path: tuple, change: Any) -> dict:
    def walk(node: Any, rest: tuple) -> Any:
        if not rest:
            return change(node)
        copy = dict(node) if isinstance(node, dict) else list(node)
        copy[rest[0]] = walk(node[rest[0]], rest[1:])
        return copy

    return walk(TREE, path)


PATHS = list(texts(TREE))


def trimmed(tree: dict, path: tuple) -> str:
    """Only what the changed text is about, so that a file is judged quickly."""
    if path[0] == "proof_obligations":
        kept = {k: v for k, v in tree.items() if k in ("metadata", "dims", "equations")}
        tree = {**kept, "proof_obligations": [tree["proof_obligations"][path[1]]]}
    else:
        tree = {**tree, "proof_obligations": tree["proof_obligations"][:4]}
    return yaml.safe_dump(tree, allow_unicode=True, default_style='"', width=10**9)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: ascii(h[:16]))
def test_text_that_tries_to_become_code(hostile):
    turn = HOSTILE.index(hostile)
    changes = (lambda _: hostile, lambda old: f"{old}{hostile}", lambda old: f"{hostile}{old}")
    for count, path in enumerate(PATHS[turn % 17 :: 17]):
        source = judged(trimmed(with_text(path, changes[count % 3]), path))
        if source is not None:
            innocent(source)


@pytest.mark.parametrize("hostile", [h for h in HOSTILE if h.strip()], ids=lambda h: ascii(h[:16]))
@pytest.mark.parametrize("field", ["title", "property", "prediction", "formula"])
def test_prose_changes_no_code(hostile, field):
    """Every statement of the file stays the same: the text is in a docstring, as far as it can be printed."""
    spots = {
        "title": ("metadata", "title"),
        "property": ("proof_obligations", 0, "property"),
        "prediction": ("falsification_tests", 0, "prediction"),
        "formula": ("equations", "double", "formula"),
    }
    tree = with_text(spots[field][:-1], lambda old: {**old, field: f"A {hostile} b"})
    tree["proof_obligations"] = tree["proof_obligations"][:4]
    source = judged(yaml.safe_dump(tree, allow_unicode=True, default_style='"', width=10**9))
    if source is None:
        return
    plain = judged(yaml.safe_dump({**TREE, "proof_obligations": TREE["proof_obligations"][:4]}))
    assert plain is not None

    def code(text: str) -> str:
        parsed = ast.parse(text)
        for node in ast.walk(parsed):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
        return ast.dump(parsed)

    assert code(source) == code(plain)


MUTATIONS = [
    "",
    " ",
    "(",
    ")",
    "[",
    "]",
    ",",
    "0",
    "-1",
    "2 ** 70",
    "x",
    "y",
    "i",
    "j",
    "N",
    "B",
    "sum",
    "spec.",
    "1e999",
    "'",
    '"',
    "#",
    "\n",
    ":",
    "/ 0",
    "and",
    "not ",
    " = ",
    "_",
    "*",
    "**",
    "&",
    "in",
    "or {1}",
    ".",
    "..",
    "where(",
    "\u0430",
]


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_mutated_contracts_end_in_messages_or_in_a_file(data):
    """Good contracts with small slips: nothing but diagnostics with a place, or a file that compiles."""
    path = data.draw(st.sampled_from(PATHS))

    def change(old: str) -> str:
        for _ in range(data.draw(st.integers(1, 2))):
            start = data.draw(st.integers(0, len(old)))
            end = min(len(old), start + data.draw(st.integers(0, 4)))
            old = old[:start] + data.draw(st.sampled_from(MUTATIONS)) + old[end:]
        return old

    source = judged(trimmed(with_text(path, change), path))
    if source is not None:
        innocent(source)


BUILTINS = [
    "int", "list", "print", "len", "range", "type", "id", "input", "open", "exec", "eval", "object", "super", "zip",
    "map", "iter", "next", "all", "bytes", "bool",
]  # fmt: skip
OTHERS = [
    "exp",
    "True",
    "lambda",
    "x",
    "y",
    "N",
    "b",
    "f_inputs",
    "TyCRun",
    "np",
    "albor_contracts",
    "match",
    "case",
    "type",
    "test_x",
    "supposed_1",
    "_",
    "__x",
]
WORDS = sorted({*GENERATED, *LISTED_OF_CASES, *LISTED_OF_KERNELS, *OF_STRATEGIES, *BUILTINS, *OTHERS})
ROLES = ["input", "output", "dimension", "index", "local", "equation", "forall", "state"]


def rename(role: str, word: str) -> str:
    """A contract with this word as an input, an output, a dimension, an index, a local, an equation or a variable."""
    n = {
        "input": "u",
        "output": "v",
        "dimension": "L",
        "index": "k",
        "local": "t",
        "equation": "f",
        "forall": "w",
        "state": "s",
    } | {role: word}
    return f"""{HEAD}
dims: {{{n["dimension"]}: 1..3}}
equations:
  "{n["equation"]}":
    signature: "{n["equation"]}({n["input"]}: float[{n["dimension"]}], r: real) ->
      {n["output"]}: float[{n["dimension"]}]"
    domain: {{"{n["input"]}": "in [-4, 4]", r: "in [0, 1]"}}
    define: |
      {n["local"]}[{n["index"]}] = exp({n["input"]}[{n["index"]}] * r)
      {n["output"]}[{n["index"]}] = {n["local"]}[{n["index"]}] / sum[q]({n["local"]}[q])
proof_obligations:
  - id: TY-A
    equation: "{n["equation"]}"
    type: bound
    property: A law
    forall: {{"{n["forall"]}": "real in [2, 3]"}}
    let: |
      {n["output"]} = {n["equation"]}({n["input"]}, r)
      {n["local"]}[{n["index"]}] = {n["output"]}[{n["index"]}] - {n["forall"]}
    check: "all[{n["index"]}]({n["local"]}[{n["index"]}] < 0)"
  - id: TY-B
    equation: "{n["equation"]}"
    type: symmetry
    property: A law
    of: "{n["equation"]}"
    permute: {{"{n["input"]}": {n["dimension"]}}}
    permutes: {{"{n["output"]}": {n["dimension"]}}}
  - id: TY-C
    equation: "{n["equation"]}"
    type: protocol
    property: A law
    state: {{"{n["state"]}": "{n["input"]}"}}
    steps: 2
    step: |
      d = {n["equation"]}({n["state"]}, r)
      next_{n["state"]}[{n["index"]}] = d[{n["index"]}]
    check: "all[{n["index"]}](d[{n["index"]}] <= 1)"
"""


def softened(u, r):
    e = np.exp(u * r)
    return e / e.sum()


@pytest.mark.parametrize("role", ROLES)
def test_names_that_collide(role):
    """Whatever name an author chooses: it is refused with a place, or the tests work."""
    accepted = []
    for word in WORDS[ROLES.index(role) % 3 :: 3]:
        text = rename(role, word)
        found = problems(text)
        if found:
            assert all(d.position.line >= 1 and d.position.column >= 1 for d in found), word
            continue
        accepted.append(word)
        toy = Toy(text, cases=2)
        innocent_source = toy.module.source
        ast.parse(innocent_source)
        equation = word if role == "equation" else "f"
        for identifier in toy.module.tests:
            assert toy.judge(identifier, **{equation: softened}) == "passed", (role, word, identifier)
    assert accepted


def test_lists_of_names_are_those_of_the_modules():
    assert set(runtime.__all__) <= TAKEN
    assert set(OF_CASES) == LISTED_OF_CASES
    keywords = {p.name for p in inspect.signature(runtime.cases).parameters.values() if p.kind is not p.VAR_KEYWORD}
    assert keywords <= OF_STRATEGIES | LISTED_OF_CASES
    kernel = Kernel("c", "b", "numpy", "f64", "cpu", {}, Definitions("c", {}, {}))
    public = {n for owner in (kernel, kernel.spec) for n in [*dir(owner), *vars(owner)] if not n.startswith("_")}
    assert public <= LISTED_OF_KERNELS, public - LISTED_OF_KERNELS
    assert {"float", "dict", "self", "spec", "case"} <= TAKEN and "Steps" in GENERATED
    assert not why_not("weights") and why_not("weights\u0430") and why_not("a b") and why_not("lambda")


def test_ids_that_name_one_test():
    laws = [
        f"  - {{id: {i}, equation: double, type: conservation, property: A law, check: 'approx(double(x), x)'}}\n"
        for i in ("TY-A_B", "TY-A-B")
    ]
    (d,) = problems(HEAD + ROWS + "proof_obligations:\n" + "".join(laws))
    assert d.code == "E302" and "TY-A_B and TY-A-B" in d.message


def test_definitions_that_call_each_other():
    text = (
        HEAD
        + """
dims: {N: 1..3}
equations:
  f: {signature: "f(x: float[N]) -> y: float[N]", define: "y = g(x)"}
  g: {signature: "g(x: float[N]) -> y: float[N]", define: "y = spec.f(x)"}
"""
    )
    (d,) = problems(text)
    assert d.code == "E431" and "f, g" in d.message
    toy = Toy(text.replace('"y = g(x)"', '"y[i] = 2 * x[i]"'), cases=5)
    assert toy.judge("TY-DEF-G", f=lambda x: 2 * x, g=lambda x: 2 * x) == "passed"
    assert toy.judge("TY-DEF-G", f=lambda x: 2 * x, g=lambda x: 3 * x) != "passed"


def test_sizes_that_no_shape_shows():
    text = (
        HEAD
        + """
dims: {G: 2..3, K: 1..2, H: G * K, N: 1..4}
equations:
  f:
    signature: "f(x: float[H, N], k: float[K]) -> y: float[H, N]"
    define: "y[h, i] = x[h, i] * k[h // G] + 0 * G"
falsification_tests:
  - {id: TY-T, rule: TY-DEF-F, prediction: A group, given: {x: [[1], [2], [3], [4]], k: [5, 6]},
     check: "all[h, i](f(x, k)[h, i] > 0)", if_fails: x}
"""
    )
    (d,) = problems(text)
    assert d.code == "E412"
    text = text.replace(
        '"all[h, i](f(x, k)[h, i] > 0)"', '"all[h, i](y[h, i] == x[h, i] * k[h // G])", let: "y = f(x, k)"'
    )
    assert problems(text) == []
    module = load(text)
    assert "G = H // K" in module.source
    assert 'dims={"G": 2}' in module.source
    toy = Toy(text, cases=5)
    f = lambda x, k: x * np.repeat(k, len(x) // len(k))[:, None]  # noqa: E731
    assert toy.judge("TY-T", f=f) == "passed" and toy.judge("TY-DEF-F", f=f) == "passed"
    assert toy.judge("TY-T", f=lambda x, k: x) != "passed"
    (d,) = problems(text.replace("k: [5, 6]", "k: [5, 6, 7]"))
    assert d.code == "E303" and "no G satisfies" in d.message
    (d,) = problems(
        text.replace("x: float[H, N], k: float[K]", "x: float[H, N], k: float[N]")
        .replace("k[h // G]", "k[i] * G")
        .replace("k[h // G]", "1")
        .replace("k: [5, 6]", "k: [5]")
    )
    assert d.code == "E407" and "G cannot be found" in d.message


GIVEN = [
    ("x: [[1, 2], [3]], low: 1", "different lengths"),
    ("x: [1, 2], low: 1", "1 axes"),
    ("x: 3, low: 1", "0 axes"),
    ("x: [[a]], low: 1", "another kind"),
    ("x: [[true]], low: 1", "another kind"),
    ("x: [[null]], low: 1", "another kind"),
    ("x: [[1]], low: [1]", "another kind"),
    ("x: [[1]], low: text", "another kind"),
    ("x: [[1]]", "no value for low"),
    ("x: [[1]], low: 1, z: 1", "no input 'z'"),
]


@pytest.mark.parametrize(("values", "words"), GIVEN)
def test_given_values_are_checked(values, words):
    test = f"  - {{id: TY-T, rule: TY-DEF-CLAMP, prediction: p, given: {{{values}}}, check: 'low < 9', if_fails: x}}\n"
    (d,) = problems(HEAD + ROWS + "falsification_tests:\n" + test)
    assert words in d.message
    assert d.position.line == (HEAD + ROWS).count("\n") + 2


def test_given_values_reach_the_kernel():
    test = (
        "  - {id: TY-T, rule: TY-DEF-CLAMP, prediction: p, given: {x: [[-inf, nan, 1e-5, 3]], low: 0.5}, "
        "let: 'y, s = clamp(x, low)', check: 'y[0, 3] == 3 and s == 0.5', if_fails: x}\n"
    )
    text = HEAD + ROWS + "falsification_tests:\n" + test
    seen = []

    def clamp(x, low):
        seen.append((x.copy(), low))
        return np.maximum(x, low), low

    toy = Toy(text)
    assert toy.judge("TY-T", clamp=clamp) == "passed"
    np.testing.assert_array_equal(seen[0][0], [[-np.inf, np.nan, 1e-5, 3]])


def test_assumptions_reach_the_inputs():
    base = (
        HEAD
        + """
dims: {N: 1..9, M: 1..9}
equations:
  f:
    signature: "f(x: float[N], w: float[M], k: int, flag: bool) -> y: float[N]"
    domain: {x: "in [-4, 4]", k: "in [0, 9]"}
    assume: [ASSUME]
    define: "y[i] = x[i]"
"""
    )
    seen: list[Any] = []

    def f(x, w, k, flag):
        seen.append((x.copy(), w.copy(), k, flag))
        return x + 0

    for assume, holds in [
        ("'N < M'", lambda x, w, k, flag: len(x) < len(w)),
        ("'k <= N and not (k == 0)'", lambda x, w, k, flag: 0 < k <= len(x)),
        ("'2 * k <= N + M or k == 0'", lambda x, w, k, flag: 2 * k <= len(x) + len(w) or k == 0),
        ("'min(k, N) >= 2'", lambda x, w, k, flag: min(k, len(x)) >= 2),
        ("'flag'", lambda x, w, k, flag: flag),
        ("'any[i](x[i] > 0)'", lambda x, w, k, flag: (x > 0).any()),
        ('"k < N  # a comment"', lambda x, w, k, flag: k < len(x)),
    ]:
        seen.clear()
        assert Toy(base.replace("ASSUME", assume), cases=15).judge("TY-DEF-F", f=f) == "passed"
        assert len(seen) >= 15 and all(holds(*case) for case in seen), assume


def test_pieces():
    for text in HOSTILE:
        assert ast.literal_eval(literal(text)) == text
        assert literal(text).isascii()
        doc = ast.parse("\n".join(["def f():", *doc_lines(f"a {text} b"), "    return 1"]))
        assert isinstance(doc.body[0], ast.FunctionDef) and len(doc.body[0].body) == 2
        assert isinstance(ast.literal_eval(quoted_doc(text)), str)
    for value in ([1, 2.5, [True, None]], float("inf"), -0.0, "a\"'b", 10**18):
        assert eval(value_text(value), {"float": float}) == value
    assert call_lines("f", ["a", "b"], before="x = ") == ["x = f(a, b)"]
    assert call_lines("f", ["a" * 70, "b" * 70]) == ["f(", f"    {'a' * 70},", f"    {'b' * 70},", ")"]
    assert import_lines("m", ["b", "A", "C"]) == ["from m import A, C, b"]
    signature = "f(" + ", ".join(f"x{k}: float[B, N]" for k in range(12)) + ") -> y: float[B, N]"
    lines = signature_lines(signature)
    assert max(map(len, lines)) <= 120
    assert eval("\n".join(lines).removeprefix("@"), {"defines": lambda text: text}) == signature


def test_generated_files_pass_the_linter(tmp_path):
    """With the project's rules, except for lines that hold a long text."""
    file = tmp_path / "test_toy.py"
    file.write_text(generate(ALL), encoding="utf-8")
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--config",
        str(root / "pyproject.toml"),
        "--ignore",
        "E501,I001",
        "--output-format",
        "concise",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, file.read_text().splitlines())) <= 200


def test_writing_stays_inside_and_keeps_what_others_wrote(tmp_path):
    out = tmp_path / "out"
    mark = '"""x\n\nrun `albor-contracts generate`, never this file.\n"""\n'
    changes, wrong = write_generated(
        {Path("core/test_a.py"): mark, Path("../escape.py"): mark, Path("/tmp/absolute.py"): mark}, out
    )
    assert [c.kind for c in changes] == ["new"] and [d.code for d in wrong] == ["E601", "E601"]
    assert not (tmp_path / "escape.py").exists()
    (out / "core" / "test_b.py").write_text("# by hand\n")
    changes, wrong = write_generated({Path("core/test_a.py"): mark, Path("core/test_b.py"): mark}, out)
    assert [d.code for d in wrong] == ["E602"] and (out / "core" / "test_b.py").read_text() == "# by hand\n"
    assert [c.kind for c in changes] == ["current"]
    changes, _ = write_generated({Path("core/test_c.py"): mark}, out, check=True)
    assert {c.kind for c in changes} == {"new", "stale"} and not (out / "core" / "test_c.py").exists()
    changes, _ = write_generated({Path("core/test_c.py"): mark}, out)
    assert not (out / "core" / "test_a.py").exists() and (out / "core" / "test_b.py").exists()
    target = tmp_path / "target.py"
    target.write_text("# precious\n")
    (out / "core" / "test_d.py").symlink_to(target)
    _, wrong = write_generated({Path("core/test_d.py"): mark}, out)
    assert wrong and target.read_text() == "# precious\n"


def test_a_contract_is_judged_alike_with_its_dependencies_alone():
    """Its module, its harness and the hashes of its verdicts do not depend on contracts it has nothing to do with."""
    from albor_contracts.emit.files import generated_files, harness_path, harness_text, module_path, module_text
    from albor_contracts.evidence.hashing import fault_hash
    from albor_contracts.library import open_library, read_closure

    root = Path(__file__).parents[2]
    library = open_library(root=root)
    files = generated_files(library)
    for name, contract in library.checked.items():
        alone = open_library([c.path for c in read_closure(root, name).values()], root)
        assert files.get(module_path(name)) == module_text(alone, name), name
        if harness_path(name) in files:
            assert files[harness_path(name)] == harness_text(alone, name), name
        for fault in contract.faults:
            pairs = [(given.checked[name].model, given.contracts) for given in (library, alone)]
            one, other = (
                fault_hash(model, str(fault.model.id), str(fault.model.killed_by[0]), contracts)
                for model, contracts in pairs
            )
            assert one == other, fault.model.id
