"""The prover: true laws are proved, faults are refuted and replayed, and nothing empty counts as a proof."""

import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from albor_contracts import prove
from albor_contracts.prove import (
    AXIOMS,
    HarnessError,
    ProverMissing,
    RealProblem,
    Table,
    Verdict,
    all_of,
    argmax_over,
    argmin_over,
    both,
    ceil,
    check_harness,
    clip,
    cos,
    count_of,
    erf,
    exact,
    exp,
    floor,
    given,
    ieee,
    implies,
    log,
    max_over,
    mean_over,
    min_over,
    negate,
    over,
    prod_over,
    read_harness,
    real,
    run_harness,
    sign,
    sin,
    sqrt,
    sum_over,
    tanh,
    where,
    worker,
)
from albor_contracts.prove.run import _answer
from albor_contracts.prove.terms import term, variable

EXAMPLES = Path(__file__).parent / "data" / "prove_examples.py"


@pytest.fixture(scope="module")
def verdicts():
    heard = []
    result = run_harness(EXAMPLES, jobs=2, on_verdict=heard.append)
    assert sorted(heard, key=str) == sorted(result, key=str)
    return {v.obligation: v for v in result}


@pytest.mark.parametrize("obligation", read_harness(EXAMPLES), ids=lambda o: o.id)
def test_every_example_gets_its_verdict(obligation, verdicts):
    verdict = verdicts[obligation.id]
    assert verdict.status == obligation.id.rsplit("-", 1)[1].lower(), verdict
    assert verdict.statement == obligation.statement
    assert verdict.engine == obligation.engine
    assert verdict.proved is (verdict.status == "proved")
    if verdict.status == "proved":
        assert verdict.canary
        assert not verdict.counterexample
    if verdict.status == "refuted":
        assert verdict.replayed
        assert verdict.counterexample
    else:
        assert not verdict.replayed
    if verdict.status in ("undecided", "vacuous"):
        assert verdict.reason


def test_a_verdict_names_its_semantics(verdicts):
    assert verdicts["STEPS-COMPOSE-PROVED"].semantics == "integers"
    assert verdicts["CLIP-NORM-PROVED"].semantics == "reals, axioms: sqrt_squared"
    assert verdicts["REAL-EMPTY-VACUOUS"].semantics == "reals"
    assert verdicts["RELU-IDEMPOTENT-PROVED"].semantics == "IEEE float16, exhaustive"


def test_a_verdict_lists_what_was_assumed(verdicts):
    assert verdicts["STEPS-COMPOSE-PROVED"].assumptions == ("n >= 1", "b >= 1", "a >= 1")
    assert verdicts["RMS-SCALE-PROVED"].assumptions[0] == "c in (0, inf)"


def test_a_counterexample_can_be_read(verdicts):
    assert verdicts["STEPS-COVER-REFUTED"].counterexample == "n = 1, b = 2: `assert steps * b >= n` fails"
    assert "left side 3/2, right side 1" in verdicts["SM-DROPPED-REFUTED"].counterexample
    assert "not defined" in verdicts["RMS-UNDEFINED-REFUTED"].counterexample
    assert "0x0001" in verdicts["HALF-DOUBLE-REFUTED"].counterexample


def test_verdicts_survive_json(verdicts):
    for verdict in verdicts.values():
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


# Traps: harness files that CrossHair alone would confirm, or skip in silence


HEAD = "from albor_contracts.prove import proof\n\n"


def crosshair_harness(body, *, assumptions=("n >= 0",), parameters="n: int", head="", doc="A law.", tail=""):
    asserts = [f"    assert {a}" for a in assumptions]
    lines = [head, HEAD, '@proof("T-1", "crosshair", seconds=5)', f"def prove_t({parameters}) -> None:"]
    lines += [f'    """{doc}"""', *asserts, textwrap.indent(textwrap.dedent(body).strip(), "    ")]
    lines += ["", f"def canary_t({parameters}) -> None:", '    """Canary."""', *asserts, "    pass", "    assert False"]
    return "\n".join([*lines, tail, ""])


TRAPS = {
    "only asserts": (crosshair_harness("assert n < 5\nassert n < 10"), "only asserts"),
    "a text is no statement": (crosshair_harness('"now"\nassert n < 5\nassert n < 10'), "bare constant"),
    "no assumption": (crosshair_harness("m = n\nassert m < 5", assumptions=()), "no leading assert"),
    "no claim": (crosshair_harness("m = n\nm += 1"), "does not end in an assert"),
    "constant claim": (crosshair_harness("m = n\nassert True"), "depends on nothing"),
    "early return": (crosshair_harness("if n < 10**9:\n    return\nassert n < 0"), "`return`"),
    "swallowed": (
        crosshair_harness("try:\n    assert n < 0\nexcept AssertionError:\n    pass\nassert n == n"),
        "`try`",
    ),
    "suppressed": (
        crosshair_harness(
            "with suppress(AssertionError):\n    assert n < 0\nassert n == n", head="from contextlib import suppress"
        ),
        "`with`",
    ),
    "generator": (crosshair_harness("m = yield n\nassert n < 0"), "generator"),
    "raise": (crosshair_harness("if n == 3:\n    raise KeyError\nassert n != 3"), "`raise`"),
    "excused": (
        crosshair_harness("m = 1 // n\nassert m >= 0", doc="A law.\n\n    :raises ZeroDivisionError: sometimes\n    "),
        "excuses exceptions",
    ),
    "options": (crosshair_harness("m = n  # crosshair: off\nassert m < 0"), "`crosshair:` comment"),
    "float": (crosshair_harness("m = n\nassert m >= 0", parameters="n: float"), "type float"),
    "fraction": (
        crosshair_harness("m = n\nassert m >= 0", parameters="n: Fraction", head="from fractions import Fraction"),
        "type Fraction",
    ),
    "no type": (crosshair_harness("m = n\nassert m >= 0", parameters="n"), "has no type"),
    "default": (crosshair_harness("m = n\nassert m >= 0", parameters="n: int = 3"), "defaults"),
    "nothing quantified": (
        crosshair_harness("m = f()\nassert m >= 0", assumptions=("True",), parameters=""),
        "no parameter",
    ),
    "nested": (crosshair_harness("def f():\n    assert n < 0\nassert n >= 0"), "nested function"),
    "coroutine": (crosshair_harness("m = n\nassert m < 0").replace("def prove_t", "async def prove_t"), "coroutine"),
    "second decorator": (
        crosshair_harness("m = n\nassert m < 0").replace("@proof", "@cache\n@proof"),
        "another decorator",
    ),
    "no mark": (
        crosshair_harness("m = n\nassert m < 0").replace('@proof("T-1", "crosshair", seconds=5)', ""),
        "skipped silently",
    ),
    "no canary": (crosshair_harness("m = n\nassert m < 0").replace("canary_t", "canary_u"), "no canary"),
    "weaker canary": (
        crosshair_harness("m = n\nassert m < 0", assumptions=("n > 0", "n < 0")).replace(
            "n < 0\n    pass", "n < 9\n    pass"
        ),
        "must make the assumptions",
    ),
    "other parameters": (
        crosshair_harness("m = n\nassert m < 0").replace("canary_t(n: int", "canary_t(n: bool"),
        "must have the parameters",
    ),
    "tame canary": (crosshair_harness("m = n\nassert m < 0").replace("assert False", "assert n < 0"), "`assert False`"),
    "defined twice": (crosshair_harness("m = n\nassert m < 0", tail="def prove_t(n: int) -> None:\n    pass"), "twice"),
    "proved twice": (
        crosshair_harness("m = n\nassert m >= 0", tail='@proof("T-1", "z3")\ndef prove_u(p):\n    "A law."\n'),
        "also proved by",
    ),
    "computed mark": (crosshair_harness("m = n\nassert m < 0").replace('"crosshair"', "ENGINE"), "literals"),
    "unknown engine": (crosshair_harness("m = n\nassert m < 0").replace('"crosshair"', '"hope"'), "one of crosshair"),
    "no budget": (crosshair_harness("m = n\nassert m < 0").replace("seconds=5", "seconds=0"), "positive number"),
    "no words": (crosshair_harness("m = n\nassert m >= 0").replace('    """A law."""\n', ""), "no docstring"),
    "two problems": (HEAD + '@proof("T-1", "z3")\ndef prove_t(p, q):\n    "A law."\n', "exactly one parameter"),
    "not Python": ("def prove_t(:\n", "cannot read the harness"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_harness_that_would_be_wrongly_confirmed_is_refused(name, tmp_path):
    source, words = TRAPS[name]
    path = tmp_path / "prove_trap.py"
    path.write_text(source)
    _, faults = check_harness(path)
    assert any(words in f.message for f in faults), [f.message for f in faults]
    assert all(f.code == "P001" and f.position.file == str(path) and f.position.line for f in faults)
    with pytest.raises(HarnessError):
        run_harness(path)


def test_the_frame_of_the_traps_is_sound(tmp_path):
    path = tmp_path / "prove_frame.py"
    path.write_text(crosshair_harness("m = n\nassert m >= 0"))
    assert check_harness(path)[1] == []
    assert [v.status for v in run_harness(path)] == ["proved"]


SHIP = """
import math, os, sys, time
from fractions import Fraction
def guarded(n, b):
    assert b > 5
    return n // b
def divided(n, b):
    return n // b
def thirds(n):
    return Fraction(n, 3) * 3
def rounded_up(n, b):
    return math.ceil(n / b)
def loud(n):
    print("noise on standard output")
    return n
"""

DYNAMIC = {
    # the claim is refuted by an assertion or an exception inside the code that ships
    "asserts inside": ("r = guarded(n, 3)\nassert r >= 0", "refuted"),
    "raises inside": ("r = divided(5, n)\nassert r >= 0", "refuted"),
    # floating point inside: over the reals this is a law, in IEEE arithmetic it is not
    "floats inside": ("r = rounded_up(n, 3)\nassert r == -(-n // 3)", "undecided"),
    "float at hand": ("r = n / 2\nassert r * 2 == n", "undecided"),
    "prints": ("r = loud(n)\nassert r >= 0", "proved"),
    "leaves": ("r = os._exit(3)\nassert r == n", "undecided"),
    "exits": ("r = sys.exit(0)\nassert r == n", "undecided"),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_what_the_code_under_proof_does(name, tmp_path):
    body, expected = DYNAMIC[name]
    path = tmp_path / "prove_dynamic.py"
    path.write_text(crosshair_harness(body, head=SHIP))
    verdict = run_harness(path, seconds=1)[0]
    assert verdict.status == expected, verdict
    assert verdict.replayed is (expected == "refuted")
    assert expected != "undecided" or verdict.reason


def test_code_that_is_not_on_disk_is_not_believed(tmp_path):
    path = tmp_path / "prove_string.py"
    law = "def prove_t(n: int) -> None:\n    assert n >= 0\n    m = n\n    assert m < 0\n"
    path.write_text(crosshair_harness("m = n\nassert m >= 0", tail=f"exec({law!r})"))
    verdict = run_harness(path)[0]
    assert verdict.status == "undecided"
    assert "not the function written" in verdict.reason


def test_a_vacuous_canary_is_found_even_when_the_claim_is_true(tmp_path):
    path = tmp_path / "prove_empty.py"
    path.write_text(crosshair_harness("m = n\nassert m > 0 or m <= 0", assumptions=("n > 5", "n * n < 9")))
    assert run_harness(path)[0].status == "vacuous"


def test_workers_that_hang_or_die_are_undecided(tmp_path, monkeypatch):
    monkeypatch.setattr("albor_contracts.prove.run._GRACE", 1.0)
    hang = tmp_path / "prove_hang.py"
    hang.write_text(crosshair_harness("m = n\nassert m >= 0", head="import time\ntime.sleep(600)"))
    verdict = run_harness(hang, seconds=0.5)[0]
    assert (verdict.status, verdict.engine) == ("undecided", "crosshair")
    assert "stopped after 2 s" in verdict.reason
    broken = tmp_path / "prove_broken.py"
    broken.write_text(crosshair_harness("m = n\nassert m >= 0", head="import no_such_module_anywhere"))
    verdict = run_harness(broken)[0]
    assert verdict.status == "undecided"
    assert "no_such_module_anywhere" in verdict.reason


def test_redundant_assumptions_and_axioms_are_named(tmp_path):
    path = tmp_path / "prove_redundant.py"
    source = crosshair_harness("m = n + 1\nassert m > 0", assumptions=("n >= 0", "n < 1000", "True"))
    source += textwrap.dedent('''
        from albor_contracts.prove import exp
        @proof("T-2", "z3")
        def prove_u(p):
            """A law."""
            x = p.real("x", within="[0, 1]")
            p.axiom("exp_positive")
            p.axiom("exp_at_least_one_plus_x")
            p.claim(exp(x) > -1)
    ''')
    path.write_text(source)
    first, second = run_harness(path, redundant=True)
    assert first.redundant == ("n < 1000",)
    # Either axiom alone suffices on [0, 1]; without the interval the tangent alone does not.
    assert second.redundant == ("x in [0, 1]", "exp_positive", "exp_at_least_one_plus_x")
    assert run_harness(path)[0].redundant is None


def test_selection(tmp_path):
    assert [v.obligation for v in run_harness(EXAMPLES, select=["SM-SUM-PROVED"])] == ["SM-SUM-PROVED"]
    assert [v.function for v in run_harness(EXAMPLES, select=["prove_sm_sum"])] == ["prove_sm_sum"]
    with pytest.raises(HarnessError, match="no proof named NONE"):
        run_harness(EXAMPLES, select=["NONE"])
    with pytest.raises(HarnessError, match="cannot read"):
        run_harness(tmp_path / "absent.py")


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_python_without_asserts_is_refused():
    for flags, environment in ((["-O"], {}), ([], {"PYTHONOPTIMIZE": "1"})):
        done = python(*flags, "-m", "albor_contracts.prove.worker", str(EXAMPLES), "prove_sm_sum", **environment)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["code"] == "P002"
        done = python(
            *flags, "-c", f"from albor_contracts import prove; prove.run_harness({str(EXAMPLES)!r})", **environment
        )
        assert done.returncode == 1
        assert "asserts are stripped" in done.stderr
        done = python(*flags, str(EXAMPLES), **environment)
        assert "asserts are stripped" in done.stderr


def test_the_worker_answers_with_one_json_object():
    done = python("-m", "albor_contracts.prove.worker", str(EXAMPLES), "prove_rope_norm", "--seconds", "5")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "proved"
    done = python("-m", "albor_contracts.prove.worker", str(EXAMPLES), "prove_nothing")
    assert done.returncode == 2
    assert "no proof named" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(("function", "package"), [("prove_sm_sum", "z3-solver"), ("prove_mask_two", "crosshair-tool")])
def test_a_missing_prover_is_an_error_and_never_a_proof(function, package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ProverMissing, match=package):
        worker.judge(str(EXAMPLES), function)
    answer = json.dumps({"error": {"code": "P003", "message": "x", "hint": ""}}).encode()
    with pytest.raises(ProverMissing):
        _answer(read_harness(EXAMPLES)[0], 2, answer, b"")


def test_provers_are_not_imported_to_read_a_harness():
    code = f"import sys; from albor_contracts import prove; prove.read_harness({str(EXAMPLES)!r}); print(*sys.modules)"
    loaded = set(python("-c", code).stdout.split())
    assert "albor_contracts.prove.harness" in loaded
    assert not loaded & {"z3", "crosshair", "torch", "hypothesis"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("AssertionError:  when calling f(1, 2)", {"a": 1, "b": 2}),
        ("AssertionError: x) when calling f(1, b=-2) (which returns 3)", {"a": 1, "b": -2}),
        ("false when calling f([1, 2], ')') (which returns ())", {"a": [1, 2], "b": ")"}),
        ("AssertionError: when calling f(1, Thing())", None),
        ("AssertionError: when calling f(1)", None),
        ("AssertionError: when calling f(1, 2, 3)", None),
        ("Not confirmed.", None),
    ],
)
def test_calls_are_read_from_messages(message, expected):
    from albor_contracts.prove.integers import called_with

    assert called_with(message, ["a", "b"]) == expected


# Statements over the reals


def judged(write, seconds=10.0):
    problem = RealProblem()
    write(problem)
    return real.prove(problem, seconds)


def test_a_quotient_must_be_shown_to_be_defined():
    def unguarded(p):
        x, s = p.real("x"), p.real("s")
        p.claim((x / s) * 0 == 0)

    def guarded(p):
        x, s = p.real("x"), p.real("s")
        p.claim(where(s == 0, 0, x / s) * s == where(s == 0, 0, x))

    assert judged(unguarded)["status"] == "refuted"
    assert judged(guarded)["status"] == "proved"


def test_conditions_guard_what_follows_them():
    def good(p):
        x = p.real("x")
        p.claim(implies(x > 0, both(x > 0, 1 / x > 0)))

    def bad(p):
        x = p.real("x")
        p.claim(implies(1 / x > 0, x > 0))

    assert judged(good)["status"] == "proved"
    assert judged(bad)["status"] == "refuted"


def test_masked_extremes_need_a_member():
    def always(p):
        x = p.reals("x", 3)
        p.assume(sum_over(x) > 0)
        mean = mean_over(given(v > 0, v) for v in x)
        p.claim(mean <= max_over(given(v > 0, v) for v in x))

    def perhaps_none(p):
        x = p.reals("x", 3)
        p.claim(max_over(given(v > 0, v) for v in x) > 0)

    assert judged(always)["status"] == "proved"
    failed = judged(perhaps_none)
    assert failed["status"] == "refuted"
    assert "largest or smallest of nothing" in failed["counterexample"]


def test_whole_numbers_and_floor():
    def rounding(p):
        x, d = p.real("x"), p.real("d", within="(0, inf)")
        p.claim(abs(x - d * floor(x / d + 0.5)) <= d / 2)

    def half(p):
        n = p.integer("n", within="[0, 9]")
        p.claim(2 * (n // 2) == n)

    assert judged(rounding)["status"] == "proved"
    failed = judged(half)
    assert failed["status"] == "refuted"
    assert failed["replayed"]


def test_a_false_lemma_supports_nothing():
    def write(p):
        x = p.real("x")
        p.lemma(x > 0)
        p.claim(x > -1)

    verdict = judged(write)
    assert verdict["status"] == "refuted"

    def harmless(p):
        x = p.real("x")
        p.lemma(x > 0)
        p.claim(x * x >= 0)

    verdict = judged(harmless)
    assert verdict["status"] == "undecided"
    assert "lemma" in verdict["reason"]


def test_every_claim_counts():
    def write(p):
        x = p.reals("x", 2)
        p.claim(x[0] * x[0] >= 0)
        p.claim(x[1] * x[1] > 0)

    assert judged(write)["status"] == "refuted"
    assert judged(lambda p: p.real("x"))["status"] == "undecided"


def test_an_irrational_counterexample_still_counts():
    def write(p):
        x, y = p.reals("x", 2)
        p.assume(x > 0, y > 0)
        p.axiom("sqrt_squared")
        p.claim(sqrt(x + y) == sqrt(x) + sqrt(y))

    verdict = judged(write)
    assert verdict["status"] == "refuted"
    assert verdict["replayed"]


def test_hypotheses_on_functions_need_a_witness():
    def true_somewhere(p):
        x = p.real("x")
        p.axiom("exp_positive")
        p.assume(exp(x) < 2)
        p.claim(exp(x) + 1 > 0)

    assert judged(true_somewhere)["status"] == "proved"


def test_mistakes_in_a_harness_are_named():
    p = RealProblem()
    x = p.real("x")
    with pytest.raises(ValueError, match="twice"):
        p.real("x")
    with pytest.raises(ValueError, match="did you mean exp_positive"):
        p.axiom("exp_postive")
    with pytest.raises(ValueError, match="stated at 2 terms"):
        p.axiom("exp_add", x)
    for wrong in ("0, 1", "[0; 1]", "[a, 1]", "[0, 1] ]"):
        with pytest.raises(ValueError):
            p.assume_in(x, wrong)
    with pytest.raises(ValueError, match="does not depend on any variable"):
        p.claim(True)
    with pytest.raises(ValueError, match="does not depend on any variable"):
        p.claim(term(1) == 1)
    with pytest.raises(TypeError, match="expected a condition"):
        p.claim(x + 1)
    p.claim(x >= x - 1)
    with pytest.raises(ValueError, match="assumptions first"):
        p.assume(x > 0)


def test_a_mistake_in_a_real_harness_is_undecided_with_the_reason(tmp_path):
    path = tmp_path / "prove_mistake.py"
    path.write_text(HEAD + '@proof("T-1", "z3")\ndef prove_t(p):\n    "A law."\n    p.axiom("exp_add", 1)\n')
    verdict = run_harness(path)[0]
    assert verdict.status == "undecided"
    assert "stated at 2 terms" in verdict.reason


def test_symbolic_values_refuse_what_python_would_get_wrong():
    x = variable("x")
    for use in (lambda: bool(x > 0), lambda: 0 < x < 1, lambda: max(x, 1), lambda: x > 1 and x, lambda: not x):
        with pytest.raises(TypeError, match="no truth value"):
            use()
    with pytest.raises(TypeError, match="write sqrt"):
        x**0.5
    with pytest.raises(ZeroDivisionError):
        x / 0
    with pytest.raises(ValueError, match="not a real number"):
        x + float("nan")
    with pytest.raises(TypeError):
        x + "1"
    with pytest.raises(TypeError, match="cannot compare"):
        assert x == "1"


def test_tables_are_written_once_and_indexed_inside():
    y = Table("y", 2, 3)
    y[1, 2] = 5
    assert exact.value(y[1, 2], {}).lo == 5
    for index, error in (((1, 3), IndexError), ((-1, 0), IndexError), (0, IndexError), ((0, 1), LookupError)):
        with pytest.raises(error):
            y[index]
    with pytest.raises(TypeError):
        y[0, 1.0]
    with pytest.raises(LookupError, match="twice"):
        y[1, 2] = 6
    assert list(over(2, 2)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(over(2)) == [0, 1]


# Evaluation


def test_terms_evaluate_like_python():
    draw = random.Random(1)
    for _ in range(200):
        numbers = [Fraction(draw.randrange(-6, 7), draw.choice((1, 2, 3))) for _ in range(4)]
        mask = [draw.random() < 0.6 for _ in numbers]
        point = {f"x{i}": n for i, n in enumerate(numbers)}
        x = [variable(name) for name in point]
        a, b = numbers[0], numbers[1]
        pairs = [
            (sum_over(x), sum(numbers)),
            (prod_over(x), math.prod(numbers)),
            (mean_over(x), sum(numbers) / 4),
            (max_over(x), max(numbers)),
            (min_over(x), min(numbers)),
            (argmax_over(x), numbers.index(max(numbers))),
            (argmin_over(x), numbers.index(min(numbers))),
            (count_of(v > 0 for v in x), sum(n > 0 for n in numbers)),
            (sum_over(given(v > 0, v) for v in x), sum(n for n in numbers if n > 0)),
            (
                sum_over(given(m, v) for m, v in zip(mask, x, strict=True)),
                sum(n for m, n in zip(mask, numbers, strict=True) if m),
            ),
            (x[0] - x[1] * x[2] + 1, a - b * numbers[2] + 1),
            (2 - x[0], 2 - a),
            (abs(x[0]), abs(a)),
            (sign(x[0]), (a > 0) - (a < 0)),
            (x[0] ** 3, a**3),
            (floor(x[0]), math.floor(a)),
            (ceil(x[0]), math.ceil(a)),
            (clip(x[0], -1, 1), min(max(a, -1), 1)),
            (where(both(x[0] > 0, negate(x[1] > 0)), 1, 2), 1 if a > 0 and not b > 0 else 2),
        ]
        if b:
            pairs += [(x[0] / x[1], a / b), (x[0] // x[1], a // b), (x[0] % x[1], a % b), (x[1] ** -2, b**-2)]
        if any(n > 0 for n in numbers):
            positive = [n for n in numbers if n > 0]
            pairs += [
                (max_over(given(v > 0, v) for v in x), max(positive)),
                (min_over(given(v > 0, v) for v in x), min(positive)),
                (mean_over(given(v > 0, v) for v in x), sum(positive) / len(positive)),
                (argmin_over(given(v > 0, v) for v in x), numbers.index(min(positive))),
            ]
        for symbolic, expected in pairs:
            found = exact.value(symbolic, point)
            assert found.exact
            assert found.lo == expected, f"{symbolic} at {point}"


@pytest.mark.parametrize("function", [exp, log, sqrt, cos, sin, erf, tanh])
def test_functions_are_enclosed_tightly(function):
    draw = random.Random(2)
    plain = getattr(math, function.__name__)
    for _ in range(60):
        x = Fraction(draw.randrange(1, 2**20), 2 ** draw.randrange(12, 22)) * (
            1 if function in (log, sqrt) else draw.choice((1, -1))
        )
        x = x if function is not erf else x / 64
        if abs(x) > 60:
            continue
        found = exact.value(function(term(x)), {})
        assert found.lo <= found.hi
        assert found.hi - found.lo <= Fraction(1, 10**30) * max(1, abs(found.hi))
        assert float(found.lo) == pytest.approx(plain(float(x)), rel=1e-13, abs=1e-300)


def test_functions_are_exact_where_they_are_rational():
    for symbolic, expected in (
        (exp(0), 1),
        (log(1), 0),
        (cos(0), 1),
        (sin(0), 0),
        (sqrt(Fraction(9, 4)), Fraction(3, 2)),
        (erf(0), 0),
    ):
        found = exact.value(symbolic, {})
        assert found.exact
        assert found.lo == expected


def test_what_is_not_defined_is_said():
    x = variable("x")
    for broken in (1 / x, log(x), log(x - 1), sqrt(x - 1)):
        with pytest.raises(exact.NotDefined):
            exact.value(broken, {"x": Fraction(0)})
    assert exact.holds(both(x > 0, 1 / x > 0), {"x": Fraction(0)}) is False
    # sqrt(2)^2 = 2 is true, and no enclosure can show it; a claim that is off by 10^-40 is seen to be false.
    assert exact.holds(sqrt(2) * sqrt(2) == 2, {}) is None
    assert exact.holds(sqrt(2) * sqrt(2) == 2 + Fraction(1, 10**40), {}) is False


# Axioms


def instances_of(axiom, draw):
    """Instances at variables and simple terms of them, with a point inside the functions' domains."""
    names = [f"v{i}" for i in range(3)]
    v = [variable(n) for n in names]
    arguments = [v[0], v[1], v[0] + v[1], v[0] * v[2] + Fraction(1, 2), v[0] / v[2], v[0] * v[1]]
    positive = axiom.function in ("log", "sqrt")
    point = {n: Fraction(draw.randrange(1 if positive else -30, 31), 10) or Fraction(1) for n in names}
    if axiom.arity == 2:
        arguments = draw.sample(arguments, 2)
    return list(axiom.instances(arguments)), point


@pytest.mark.parametrize("axiom", AXIOMS.values(), ids=lambda a: a.name)
def test_axioms_are_true_of_the_true_functions(axiom):
    draw = random.Random(axiom.name)
    seen = 0
    for _ in range(25):
        for instance in instances_of(axiom, draw)[0]:
            point = instances_of(axiom, draw)[1]
            assert exact.holds(instance, point) is not False, f"{instance} at {point}"
            seen += 1
    assert seen >= 25
    assert axiom.statement
    assert axiom.why


def test_the_axiom_test_can_fail():
    x = variable("x")
    points = [{"x": Fraction(n, 10)} for n in range(-30, 31)]
    for false in (exp(x) > 1, log(exp(x)) == x + Fraction(1, 10**9), cos(x) * cos(x) + sin(x) == 1, erf(x) > 0):
        assert any(exact.holds(false, p) is False for p in points)


def test_axioms_apply_to_the_terms_that_occur():
    p = RealProblem()
    x, c = p.reals("x", 2), p.real("c")
    p.axiom("exp_positive")
    p.axiom("exp_add")
    p.axiom("log_one")
    p.claim(all_of(exp(x[i] + c) == exp(x[i]) * exp(c) for i in range(2)))
    found = p.instances()
    # At the five places of the claim, and at x[0] - x[1], the difference of two pairs of places.
    assert len(found["exp_positive"]) == 6
    assert all(
        exact.holds(i, {"x[0]": Fraction(1), "x[1]": Fraction(2), "c": Fraction(3)}) is not False
        for i in found["exp_add"]
    )
    assert found["log_one"] == []
    assert real.prove(p, 10.0)["axioms"] == ("exp_positive", "exp_add")


# float16


def test_all_finite_float16_values_are_tried():
    x = ieee.finite_float16()
    assert x.size == 63_488 == len({int(b) for b in x.view(np.uint16)})
    assert np.isfinite(x).all()
    assert np.signbit(x[x == 0]).tolist() == [False, True]


@pytest.mark.parametrize(
    "law",
    [
        lambda x: True,
        lambda x: np.True_,
        lambda x: np.isfinite(x)[:10],
        lambda x: np.ones(x.shape),
        lambda x: (np.isfinite(x),) * 3,
        lambda x: np.isfinite(x).all(),
    ],
)
def test_a_law_must_answer_for_every_value(law):
    verdict = ieee.prove(law)
    assert verdict["status"] == "undecided"
    assert "the law must return" in verdict["reason"]


def test_a_law_may_not_write_to_its_input():
    def writes(x):
        x[:] = 0
        return x == 0

    with pytest.raises(ValueError, match="read-only"):
        ieee.prove(writes)


def test_a_single_wrong_value_is_found():
    target = np.float16(-1.5)
    verdict = ieee.prove(lambda x: x != target)
    assert verdict["status"] == "refuted"
    assert verdict["counterexample"].startswith("x = -1.5 ")
    assert "one of 1 values" in verdict["counterexample"]


def test_the_package_exports_what_it_documents():
    for name in prove.__all__:
        assert hasattr(prove, name)
