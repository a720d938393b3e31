"""Every obligation type, from YAML to a verdict: a correct kernel passes, each wrong kernel fails for its reason."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
import pytest
from toys import HEAD, Toy, problems

ROWS = """
dims: {B: 1..4, N: 1..9}
equations:
  double:
    signature: "double(x: float[B, N]) -> y: float[B, N]"
    domain: {x: "in [-8, 8]"}
    define: "y[b, i] = 2 * x[b, i]"
  softmax:
    signature: "softmax(x: float[B, N]) -> p: float[B, N]"
    domain: {x: "in [-8, 8]"}
    define: |
      e[b, i] = exp(x[b, i] - max[j](x[b, j]))
      p[b, i] = e[b, i] / sum[j](e[b, j])
  softmax_backward:
    signature: "softmax_backward(g: float[B, N], x: float[B, N]) -> dx: float[B, N]"
    domain: {x: "in [-8, 8]", g: "in [-8, 8]"}
    define: |
      e[b, i] = exp(x[b, i] - max[j](x[b, j]))
      p[b, i] = e[b, i] / sum[j](e[b, j])
      dx[b, i] = p[b, i] * (g[b, i] - sum[j](p[b, j] * g[b, j]))
  shifted:
    signature: "shifted(x: float[B, N], k: float[N]) -> y: float[B, N]"
    domain: {x: "in [-8, 8]", k: "in [-8, 8]"}
    define: "y[b, i] = x[b, i] * x[b, i] + k[i]"
  shifted_backward:
    signature: "shifted_backward(g: float[B, N], x: float[B, N]) -> dx: float[B, N], dk: float[N]"
    domain: {x: "in [-8, 8]", g: "in [-8, 8]"}
    define: |
      dx[b, i] = 2 * g[b, i] * x[b, i]
      dk[i] = sum[b](g[b, i])
  matmul:
    signature: "matmul(a: float[B, N], c: float[N, B]) -> m: float[B, B], t: float[B]"
    domain: {a: "in [-4, 4]", c: "in [-4, 4]"}
    define: |
      m[b, d] = sum[n](a[b, n] * c[n, d])
      t[b] = sum[n](a[b, n] * c[n, b])
  clamp:
    signature: "clamp(x: float[B, N], low: real) -> y: float[B, N], s: real"
    domain: {x: "in [-8, 8]", low: "in [-4, 4]"}
    define: |
      y[b, i] = max(x[b, i], low)
      s = low
  flip:
    signature: "flip(x: float[B, N]) -> y: float[B, N]"
    domain: {x: "in [-8, 8]"}
    define: "y[b, i] = -x[b, i]"
  cumulate:
    signature: "cumulate(x: float[B, N]) -> y: float[B, N]"
    domain: {x: "in [-8, 8]"}
    define: "y[b, i] = sum[j](x[b, j], where=j <= i)"
  square:
    signature: "square(x: float[B, N]) -> y: float[B, N]"
    domain: {x: "in [-8, 8]"}
    define: "y[b, i] = x[b, i] * x[b, i]"
  echo:
    signature: "echo(s: text, n: int) -> r: text"
    domain: {s: "length 0..8", n: "in [0, 3]"}
  draw:
    signature: "draw(x: float[N], seed: int, q: real) -> y: float[N], kept: bool[N]"
    domain: {seed: "in [0, 1000000]", q: "in [0.3, 0.7]", x: "in [1, 2]"}
  ema:
    signature: "ema(m: accum[N], g: float[N], beta: real) -> m2: accum[N]"
    domain: {m: "in [-1, 1]", g: "in [-4, 4]", beta: "in [0.5, 0.9]"}
    define: "m2[i] = beta * m[i] + (1 - beta) * g[i]"
"""


def double(x):
    return 2 * x


def softmax(x):
    x = np.ascontiguousarray(x)  # NumPy adds in the order in which elements lie
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(g, x):
    p = softmax(x)
    return p * (g - (p * g).sum(axis=1, keepdims=True))


def matmul(a, c):
    return a @ c, np.einsum("bn,nb->b", a, c)


def clamp(x, low):
    return np.maximum(x, low), low


def flip(x):
    return -x


def cumulate(x):
    return np.cumsum(x, axis=1)


def echo(s, n):
    return s * n


def draw(x, seed, q):
    kept = np.random.default_rng(seed).random(x.shape) < q
    return np.where(kept, x / q, 0.0), kept


def ema(m, g, beta):
    return beta * m + (1 - beta) * g


def spoilt(function: Any, place: Any = (0, 0), by: float = 1e-3):
    """The function, wrong in one element."""

    def wrong(*arguments):
        result = function(*arguments)
        changed = (result[0] if isinstance(result, tuple) else result).copy()
        if changed.size:
            changed[place] += by
        return (changed, *result[1:]) if isinstance(result, tuple) else changed

    return wrong


def remembering(function: Any):
    """Another answer at every second call."""
    calls = []

    def wrong(*arguments):
        calls.append(0)
        result = function(*arguments)
        if len(calls) % 2:
            return result
        return result + "!" if isinstance(result, str) else result * (1 + 1e-15)

    return wrong


def writing(function: Any):
    def wrong(x, *rest):
        result = function(x, *rest)
        x += 1
        return result

    return wrong


def raising(error: type[Exception], message: str, when: Any = lambda *a: True, spoil: bool = False):
    def refuse(x, *rest):
        if when(x, *rest):
            if spoil:
                x[...] = 0
            raise error(message)
        return np.maximum(x, rest[0]), rest[0]

    return refuse


# id, type, equation, parameters, right kernels, wrong kernels
LAWS: list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "definition",
        "equation: double",
        {"double": double},
        [{"double": spoilt(double)}, {"double": lambda x: -2 * x}, {"double": np.zeros_like}],
    ),
    (
        "definition",
        "equation: matmul",
        {"matmul": matmul},
        [{"matmul": spoilt(matmul)}, {"matmul": lambda a, c: (a @ c, np.ones(len(a)))}],
    ),
    ("definition", "equation: double, exact: true", {"double": double}, [{"double": spoilt(double, by=1e-15)}]),
    (
        "gradient",
        "equation: softmax_backward, of: softmax, wrt: [x], gives: [dx], cotangent: {p: g}",
        {"softmax_backward": softmax_backward},
        [{"softmax_backward": lambda g, x: softmax(x) * g}, {"softmax_backward": spoilt(softmax_backward)}],
    ),
    (
        "gradient",
        "equation: softmax_backward, of: softmax, wrt: [x], gives: [dx]",
        {"softmax_backward": softmax_backward},
        [{"softmax_backward": lambda g, x: -softmax_backward(g, x)}],
    ),
    (
        "gradient",
        "equation: shifted_backward, forall: {k: 'float[N] in [-2, 2]'}, of: shifted, wrt: [x, k], gives: [dx, dk]",
        {"shifted_backward": lambda g, x: (2 * g * x, g.sum(axis=0))},
        [{"shifted_backward": lambda g, x: (2 * g * x, 1.001 * g.sum(axis=0))}],
    ),
    (
        "equivalence",
        "equation: flip, left: 'flip(x)', right: 'spec.double(x)', exact: false",
        {"flip": double},
        [{"flip": flip}],
    ),
    ("equivalence", "equation: double, left: 'double(x)[0, 0]', right: '2'", {}, []),
    (
        "roundtrip",
        "equation: flip, left: 'flip(flip(x))', right: x",
        {"flip": flip},
        [{"flip": lambda x: -1.001 * x}, {"flip": double}],
    ),
    (
        "invariance",
        (
            "equation: softmax, forall: {c: 'real in [-3, 3]'}, let: 'z[b, i] = x[b, i] + c', left: softmax(z), "
            "right: softmax(x)"
        ),
        {"softmax": softmax},
        [{"softmax": double}, {"softmax": lambda x: np.exp(x) / 9}],
    ),
    (
        "bound",
        "equation: softmax, of: softmax, lower: 0, upper: 1",
        {"softmax": softmax},
        [{"softmax": lambda x: softmax(x) * 1.01}, {"softmax": lambda x: softmax(x) - 1e-3}],
    ),
    (
        "bound",
        "equation: clamp, of: clamp, lower: low",
        {"clamp": clamp},
        [{"clamp": lambda x, low: (x, low)}, {"clamp": lambda x, low: (np.maximum(x, low), low - 1)}],
    ),
    (
        "monotonicity",
        "equation: softmax, of: softmax, in: x, direction: increasing, axis: N",
        {"softmax": softmax},
        [{"softmax": lambda x: softmax(-x)}, {"softmax": lambda x: np.sort(softmax(x))}],
    ),
    (
        "monotonicity",
        "equation: flip, of: flip, in: x, direction: decreasing, axis: N",
        {"flip": flip},
        [{"flip": double}],
    ),
    (
        "monotonicity",
        "equation: clamp, of: clamp, in: low, direction: increasing",
        {"clamp": clamp},
        [{"clamp": lambda x, low: (np.maximum(x, -low), low)}],
    ),
    (
        "idempotency",
        "equation: clamp, of: clamp, in: x, exact: true",
        {"clamp": clamp},
        [{"clamp": lambda x, low: (np.maximum(x, low) + 1, low)}],
    ),
    (
        "idempotency",
        "equation: softmax, of: softmax, in: x",
        {"softmax": np.ones_like},
        [{"softmax": lambda x: 1 + x}],
    ),
    ("involution", "equation: flip, of: flip, in: x", {"flip": flip}, [{"flip": double}, {"flip": np.abs}]),
    (
        "linearity",
        "equation: matmul, of: matmul, in: a",
        {"matmul": matmul},
        [
            {"matmul": lambda a, c: (a @ c + 1, matmul(a, c)[1])},
            {"matmul": lambda a, c: (a @ c, np.abs(matmul(a, c)[1]))},
        ],
    ),
    (
        "homogeneity",
        "equation: matmul, of: matmul, in: c, degree: 1",
        {"matmul": matmul},
        [{"matmul": lambda a, c: (a @ c, matmul(a, c)[1] ** 2)}],
    ),
    (
        "homogeneity",
        "equation: square, of: square, in: x, degree: 2",
        {"square": lambda x: x * x},
        [{"square": double}],
    ),
    (
        "symmetry",
        "equation: softmax, of: softmax, permute: {x: N}, permutes: {p: N}",
        {"softmax": softmax},
        [{"softmax": cumulate}, {"softmax": lambda x: np.sort(softmax(x))}],
    ),
    (
        "symmetry",
        "equation: softmax, of: softmax, permute: {x: B}, permutes: {p: B}, exact: true",
        {"softmax": softmax},
        [{"softmax": lambda x: np.cumsum(x, axis=0)}],
    ),
    (
        "symmetry",
        "equation: matmul, of: matmul, permute: {a: N, c: N}",
        {"matmul": matmul},
        [{"matmul": lambda a, c: (a[:, :1] @ c[:1], matmul(a, c)[1])}],
    ),
    (
        "conservation",
        "equation: softmax, let: 'p = softmax(x)', check: 'all[b](approx(sum[i](p[b, i]), 1))'",
        {"softmax": softmax},
        [{"softmax": double}],
    ),
    (
        "ordering",
        (
            "equation: softmax, let: 'p = softmax(x)', check: 'all[b, i, j](not (x[b, i] < x[b, j]) or p[b, "
            "i] <= p[b, j])'"
        ),
        {"softmax": softmax},
        [{"softmax": flip}],
    ),
    (
        "boundary",
        "equation: softmax, dims: {N: 1}, check: 'approx(sum[b, i](one[b, i]), B)', let: 'one = softmax(x)'",
        {"softmax": softmax},
        [{"softmax": double}],
    ),
    ("determinism", "equation: softmax, call: softmax(x)", {"softmax": softmax}, [{"softmax": remembering(softmax)}]),
    ("determinism", "equation: matmul, call: 'matmul(a, c)'", {"matmul": matmul}, []),
    ("determinism", "equation: echo, call: 'echo(s, n)'", {"echo": echo}, [{"echo": remembering(echo)}]),
    (
        "independence",
        "equation: cumulate, output: 'y[b, i]', input: 'x[b, j]', when: j > i",
        {"cumulate": cumulate},
        [
            {"cumulate": lambda x: np.cumsum(x, axis=1) + 1e-12 * x.sum(axis=1, keepdims=True)},
            {"cumulate": lambda x: x - x.mean(axis=1, keepdims=True)},
        ],
    ),
    (
        "independence",
        "equation: cumulate, output: 'y[b, i]', input: 'x[c, j]', when: b != c",
        {"cumulate": cumulate},
        [{"cumulate": lambda x: np.cumsum(x, axis=0)}],
    ),
    (
        "independence",
        "equation: cumulate, output: 'y[b, i]', input: 'x[c, j]', when: 'b != c or j > i'",
        {"cumulate": cumulate},
        [{"cumulate": lambda x: x / np.abs(x).max()}],
    ),
    (
        "independence",
        "equation: double, output: 'y[b, i]', input: 'x[b, i]', when: 'i % 2 == 1'",
        {"double": lambda x: np.where(np.arange(x.shape[1]) % 2 == 1, 0.0, x)},
        [{"double": double}],
    ),
    (
        "independence",
        "equation: matmul, output: 'm[b, d]', input: 'a[e, n]', when: 'e != b'",
        {"matmul": matmul},
        [{"matmul": lambda a, c: (np.cumsum(a, axis=0) @ c, matmul(a, c)[1])}],
    ),
    (
        "rejection",
        (
            "equation: clamp, forall: {bad: 'real in {nan, 9}'}, call: 'clamp(x, bad)', raises: ValueError, "
            "mentions: ['low']"
        ),
        {"clamp": raising(ValueError, "low is 9")},
        [
            {"clamp": clamp},
            {"clamp": raising(TypeError, "low")},
            {"clamp": raising(ValueError, "bad")},
            {"clamp": raising(ValueError, "low", spoil=True)},
            {"clamp": raising(SystemError, "low")},
        ],
    ),
    (
        "rejection",
        (
            "equation: softmax, dims: {C: 2..3}, forall: {wide: 'float[B, N, C]'}, call: 'softmax(wide)', "
            "raises: IndexError"
        ),
        {"softmax": raising(IndexError, "")},
        [{"softmax": softmax}],
    ),
    (
        "statistical",
        (
            "equation: draw, dims: {N: 16000}, trials: 20, let: 'y, kept = draw(x, seed, q)', "
            "statistic: 'mean[i](int(kept[i]))', expect: q, variance: 'q * (1 - q)', observations: N, detects: 0.05"
        ),
        {"draw": draw},
        [
            {"draw": lambda x, seed, q: draw(x, seed, 1 - q)},
            {"draw": lambda x, seed, q: draw(x, seed, q + 0.06)},
            {"draw": lambda x, seed, q: draw(x, seed, 0 * q)},
        ],
    ),
    (
        "protocol",
        (
            'equation: ema, state: {a: m, b: m, n: 0}, steps: 2..5, step: "c = ema(a, g, '
            'beta)\\nd = spec.ema(b, g, beta)\\nnext_a[i] = c[i]\\nnext_b[i] = d[i]\\nnext_n = n + 1", '
            "check: 'approx(c, d) and n < 5'"
        ),
        {"ema": ema},
        [{"ema": lambda m, g, beta: beta * m + g}, {"ema": lambda m, g, beta: ema(m, g, 0.9)}],
    ),
]


def contract(kind: str, parameters: str) -> str:
    return f"{HEAD}{ROWS}proof_obligations:\n  - {{id: TY-LAW, type: {kind}, property: A law, {parameters}}}\n"


RUNS = [(kind, text, right, wrong) for kind, text, right, wrong in LAWS if right]


@pytest.mark.parametrize(("kind", "parameters", "right", "wrong"), RUNS, ids=[f"{k}: {t[:60]}" for k, t, _, _ in RUNS])
def test_right_kernels_pass_and_wrong_ones_fail(kind, parameters, right, wrong):
    toy = Toy(contract(kind, parameters))
    assert toy.judge("TY-LAW", **right) == "passed"
    for functions in wrong:
        message = toy.judge("TY-LAW", **functions)
        assert message != "passed"


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.parametrize("kind", ["bound", "linearity", "homogeneity", "monotonicity", "symmetry", "invariance"])
def test_laws_hold_within_the_bounds_of_narrow_dtypes(kind, dtype):
    """A kernel that computes in its dtype passes the laws its definition obeys."""
    numpy = {"f32": np.float32, "f16": np.float16}[dtype]

    def rounded(function):
        def run(*arguments):
            wide = [np.asarray(a, np.float32) if isinstance(a, np.ndarray) else a for a in arguments]
            result = function(*wide)
            return tuple(r.astype(numpy) for r in result) if isinstance(result, tuple) else result.astype(numpy)

        return run

    for law, parameters, right, _ in RUNS:
        if law == kind and set(right) <= {"softmax", "matmul", "flip"} and "exact: true" not in parameters:
            toy = Toy(contract(kind, parameters), cases=25)
            assert toy.judge("TY-LAW", dtype, **{n: rounded(f) for n, f in right.items()}) == "passed", parameters


def judged(kind: str, parameters: str, cases: int = 40, **functions: Any) -> str:
    return Toy(contract(kind, parameters), cases).judge("TY-LAW", **functions)


def test_a_wrong_error_and_changed_inputs_are_told_apart():
    text = "equation: clamp, call: 'clamp(x, low)', raises: ValueError, mentions: ['low']"
    assert "accepted inputs" in judged("rejection", text, clamp=clamp)
    assert "expected ValueError, got TypeError" in judged("rejection", text, clamp=raising(TypeError, "low"))
    assert "does not mention low" in judged("rejection", text, clamp=raising(ValueError, "bad"))
    assert "changed its input x" in judged("rejection", text, clamp=raising(ValueError, "low", spoil=True))


def test_a_short_name_is_a_word_of_its_own():
    text = "equation: clamp, call: 'clamp(x, low)', raises: ValueError, mentions: [lo]"
    assert "does not mention lo" in judged("rejection", text, clamp=raising(ValueError, "too low"))
    assert judged("rejection", text, clamp=raising(ValueError, "lo: too low")) == "passed"
    assert judged("rejection", text, clamp=raising(ValueError, "`clip_lo` is 3")) == "passed"


def refusing(kinds: str) -> Any:
    """double, but for elements of these kinds (letters of NumPy)."""

    def run(x):
        if x.dtype.kind in kinds:
            raise TypeError(f"x has elements of {x.dtype}")
        return double(x)

    return run


KINDS = [
    ("i", "forall: {k: 'i64[B, N] in [0, 4]'}, mentions: [int64]"),
    ("b", "forall: {k: 'bool[B, N]'}, mentions: [bool]"),
    ("b", "let: 'k[b, i] = x[b, i] > 0', mentions: [bool]"),
    ("f", "forall: {k: 'f64[B, N] in [0, 4]'}, mentions: [float32]"),  # all floating: as the equation wants it
]


@pytest.mark.parametrize(("kind", "text"), KINDS)
def test_an_array_with_elements_of_another_kind_is_passed_as_it_is(kind, text):
    toy = Toy(contract("rejection", f"equation: double, call: double(k), raises: TypeError, {text}"), 40)
    assert toy.judge("TY-LAW", "f32", double=refusing(kind)) == "passed"
    assert "accepted inputs" in toy.judge("TY-LAW", "f32", double=refusing("fib".replace(kind, "")))

    def spoiling(x):
        x.fill(1)
        return refusing(kind)(x)

    assert "changed its input x" in toy.judge("TY-LAW", "f32", double=spoiling)


def test_an_independence_that_can_show_nothing_is_no_pass():
    text = "equation: cumulate, dims: {N: 1}, output: 'y[b, i]', input: 'x[b, j]', when: j > i"
    message = judged("independence", text, cumulate=cumulate)
    assert "no case satisfies" in message
    constant = "equation: cumulate, domain: {x: 'in {2}'}, output: 'y[b, i]', input: 'x[b, j]', when: j > i"
    assert judged("independence", constant, cumulate=cumulate) != "passed"


MASKED = f"""{HEAD}
dims: {{N: 1..4}}
equations:
  masked_sums:
    signature: "masked_sums(x: float[N], label: i64[N]) -> y: float[N]"
    domain: {{x: "in [-8, 8]", label: "in {{0, 1, 2, 3, 4, 5, 6, 7}}"}}
    define: "y[i] = x[i] + sum[j](x[j], where=label[j] != 7)"
proof_obligations:
  - id: TY-LAW
    type: independence
    equation: masked_sums
    property: Masked elements change nothing
    LET
    output: "y[i]"
    input: "x[j]"
    when: "WHEN"
"""
ON_LABELS = MASKED.replace("    LET\n", "").replace("WHEN", "label[j] == 7 and j != i")
ON_A_COUNT = MASKED.replace("    LET\n", "").replace("WHEN", "count[k](label[k] == 7) > 1 and label[j] == 7 and j != i")
ON_A_STATEMENT = MASKED.replace("LET", 'let: "masked[j] = label[j] == 7"').replace("WHEN", "masked[j] and j != i")


def masked_sums(x, label):
    return x + np.where(label != 7, x, 0.0).sum()


@pytest.mark.parametrize("text", [ON_LABELS, ON_A_COUNT, ON_A_STATEMENT], ids=["input", "count", "statement"])
def test_independence_may_depend_on_values(text):
    toy = Toy(text)
    assert toy.judge("TY-LAW", masked_sums=masked_sums) == "passed"
    assert "not bitwise equal" in toy.judge(
        "TY-LAW", masked_sums=lambda x, label: x + np.where(label != 6, x, 0.0).sum()
    )


@pytest.mark.parametrize("number", range(6))
def test_cases_have_elements_that_an_independence_can_replace(number):
    """Labels that leave something to replace are rare here: they are drawn until they do, and no run is refused."""
    toy = Toy(ON_LABELS)
    cases = [v for v in toy.module.names.values() if isinstance(v, hypothesis.strategies.SearchStrategy)]
    kept = []

    @hypothesis.seed(number)
    @hypothesis.settings(max_examples=50, database=None, deadline=None)
    @hypothesis.given(cases[0])
    def run(case):
        kept.append(any(case.label[j] == 7 for j in range(case.N)) and case.N > 1)

    run()
    assert all(kept) and len(kept) >= 50


def test_cases_that_show_nothing_are_not_counted():
    from albor_contracts.events import ObligationFinished
    from albor_contracts.runtime.session import session

    toy = Toy(
        contract(
            "independence", "equation: cumulate, dims: {N: 1..2}, output: 'y[b, i]', input: 'x[b, j]', when: j > i"
        )
    )
    seen: list[Any] = []
    session.tell = seen.append
    try:
        assert toy.judge("TY-LAW", cumulate=cumulate) == "passed"
    finally:
        session.tell = None
    (done,) = [e for e in seen if isinstance(e, ObligationFinished)]
    assert 1 <= done.cases <= toy.cases


def test_a_run_is_one_case_and_its_failure_shows_every_step():
    from albor_contracts.events import ObligationFinished
    from albor_contracts.runtime.session import session

    parameters = next(t for k, t, _, _ in LAWS if k == "protocol")
    toy = Toy(contract("protocol", parameters), cases=10)
    seen: list[Any] = []
    session.tell = seen.append
    calls: list[tuple[Any, float]] = []

    def watched(m, g, beta):
        calls.append((g.copy(), beta))
        return ema(m, g, beta)

    try:
        assert toy.judge("TY-LAW", ema=watched) == "passed"
        toy.judge("TY-LAW", ema=lambda m, g, beta: ema(m, g, beta) * 1.001)
    finally:
        session.tell = None
    passed, failed = [e for e in seen if isinstance(e, ObligationFinished)]
    assert passed.cases == 10
    assert len(calls) == 50  # five steps a run
    runs = [calls[k : k + 5] for k in range(0, 50, 5)]
    assert all(len({beta for _, beta in run}) == 1 for run in runs), "scalars stay"
    assert any(not np.array_equal(run[0][0], run[1][0]) for run in runs), "arrays are drawn anew"
    assert all(g.shape == run[0][0].shape for run in runs for g, _ in run), "sizes stay"
    assert failed.outcome == "failed" and "step 1" in failed.failure.case


MANY = [f"g{k}" for k in range(20)]
LONG = (
    "equation: ema, forall: {{"
    + ", ".join(f"{name}: 'float[N] in [-1, 1]'" for name in MANY)
    + "}}, state: {{a: m, n: 0}}, steps: 50, "
    'step: "x[i] = {mentioned}\\nc = ema(a, x, beta)\\nnext_a[i] = c[i]\\nnext_n = n + 1", '
    'check: "all[i](isfinite(c[i]))"'
)


def test_a_run_that_ends_early_is_no_run():
    """Hypothesis stops when steps have drawn too much; where a step mentions no array, nothing is drawn."""
    many = " + ".join(f"{name}[i]" for name in MANY)
    for mentioned, wanted in ((many, "no run took all of its 50 steps, the longest "), ("0.5 * a[i]", "passed")):
        toy = Toy(contract("protocol", LONG.format(mentioned=mentioned)), cases=2)
        assert toy.judge("TY-LAW", ema=ema).startswith(wanted)


def test_the_class_of_a_protocol_is_readable():
    parameters = next(t for k, t, _, _ in LAWS if k == "protocol")
    source = Toy(contract("protocol", parameters)).module.source
    assert CLASS in source


CLASS = '''
class TyLawRun(Steps):
    """A law"""

    @initialize(case=ema_inputs)
    def begin(self, case):
        m = self.receives(case, "m")
        self.holds(a=m, b=m, n=0)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        g, beta = self.receives(draw, "g beta")
        a, b, n = self.held("a b n")
        N = self.case.N
        i = grid(N)
        c = kernel.ema(a, g, beta)
        d = spec.ema(b, g, beta)
        next_a = array[i](c[i])
        next_b = array[i](d[i])
        next_n = n + 1
        claim(approx(c, d))
        claim(n < 5)
        self.holds(a=next_a, b=next_b, n=next_n)


@obligation("TY-LAW", equation="ema", type="protocol")
def test_ty_law(kernel):
    """A law"""
    run_steps(TyLawRun, ema_inputs, kernel, steps=5)
'''


STATISTIC = (
    "equation: draw, dims: {{N: {n}}}, trials: 1, let: 'y, kept = draw(x, seed, q)', "
    "statistic: 'mean[i](int(kept[i]))', expect: q, variance: 'q * (1 - q)', observations: N, "
    "detects: {shift}"
)


def test_a_statistic_without_the_power_it_promises_is_refused():
    message = judged("statistical", STATISTIC.format(n=1000, shift=0.01), draw=draw)
    assert "1000 observations cannot detect a shift of 0.01" in message and "are needed" in message
    needed = int(message.split(": ")[-1].split()[0])
    assert "cannot detect" not in judged("statistical", STATISTIC.format(n=20000, shift=0.2), draw=draw)
    assert needed > 1000


def test_power_and_false_alarms_are_what_is_stated():
    """Over many samples of a law: how often a correct and a shifted kernel fail."""
    from albor_contracts.runtime.statistics import finds, needed, threshold

    rng = np.random.default_rng(0)
    for p in (0.05, 0.5):
        shift, false_alarm = 0.1, 0.02
        n = needed(shift, p * (1 - p), false_alarm)
        assert finds(shift, p * (1 - p), n, false_alarm) and not finds(shift, p * (1 - p), n - 1, false_alarm)
        limit = threshold(p * (1 - p), n, false_alarm)
        right = rng.binomial(n, p, 20_000) / n
        wrong = rng.binomial(n, p + shift, 20_000) / n
        assert np.mean(np.abs(right - p) > limit) <= false_alarm
        assert np.mean(np.abs(wrong - p) > limit) >= 0.99


def test_undefined_statistics_fail():
    nothing = (
        "equation: draw, dims: {N: 16000}, trials: 1, let: 'y, kept = draw(x, seed, q)', "
        "statistic: 'mean[i](0 * y[i]) / (q - q)', expect: q, variance: 'q * (1 - q)', observations: N, "
        "detects: 0.1"
    )
    assert "the statistic is nan" in judged("statistical", nothing, draw=draw)


# Claims that numbers differ, of which one comes from a kernel with a definition: whatever it returns, none fails.
NEVER = [
    "let: 'y = double(x)', check: 'all[b, i](x[b, i] == 0 or y[b, i] != x[b, i])'",
    "let: 'y = double(x)', check: 'all[b, i](x[b, i] == 0 or not y[b, i] == x[b, i])'",
    "let: 'y = double(x)', check: 'not approx(y, x)'",
    "check: 'not equal(double(x), x)'",
    "let: \"y = double(x)\\nz[b, i] = y[b, i] - x[b, i]\\nu = z[0, 0] + 1\", check: 'u != 1'",
    "let: 'y = double(x)', check: 'max[b, i](y[b, i]) != max[b, i](x[b, i])'",
]
# These can fail: bit by bit, by a distance, of whole numbers, of definitions, of what no definition bounds.
SOMETIMES = [
    "let: 'y = double(x)', check: 'not exact(y, x)'",
    "let: 'y = double(x)', check: 'any[b, i](not exact(y[b, i], x[b, i])) or all[b, i](x[b, i] == 0)'",
    "let: 'y = double(x)', check: 'any[b, i](abs(y[b, i] - x[b, i]) > 0.01)'",
    "let: 'y = double(x)', check: 'argmax[i](y[0, i]) != argmax[i](x[0, i]) or B > 0'",
    "let: 'y = spec.double(x)', check: 'all[b, i](x[b, i] == 0 or y[b, i] != x[b, i]) and exact(double(x), y)'",
    "forall: {w: 'float[N] in [1, 2]', n: 'int in [0, 3]', q: 'real in [0.3, 0.7]'}, let: 'y, _ = draw(w, n, q)', "
    "check: 'y[0] != w[0]'",
]


@pytest.mark.parametrize("text", NEVER)
def test_a_claim_that_numbers_differ_is_refused_where_it_cannot_fail(text):
    found = problems(contract("conservation", f"equation: double, {text}"))
    assert [d.code for d in found] == ["E434"]
    assert "not exact(a[i], b[i])" in found[0].hint


@pytest.mark.parametrize("text", SOMETIMES)
def test_other_claims_that_something_differs_are_claims(text):
    assert not [d for d in problems(contract("conservation", f"equation: double, {text}")) if d.severity == "error"]


PARAMETERS = [
    ("E301", "linearity", "equation: double, of: duble, in: x"),
    ("E303", "gradient", "equation: softmax_backward, of: echo, wrt: [s], gives: [dx]"),
    ("E303", "gradient", "equation: softmax_backward, of: softmax, wrt: [x], gives: [dz]"),
    ("E404", "gradient", "equation: softmax_backward, of: softmax, wrt: [z], gives: [dx]"),
    ("E303", "gradient", "equation: softmax_backward, of: softmax, wrt: [x], gives: [dx], cotangent: {z: g}"),
    ("E303", "gradient", "equation: softmax_backward, of: softmax, wrt: [x], gives: [dx], cotangent: {p: h}"),
    ("E303", "gradient", "equation: double, of: softmax, wrt: [x], gives: [y]"),
    ("E303", "gradient", "equation: double, of: matmul, wrt: [a], gives: [y]"),
    ("E303", "gradient", "equation: shifted_backward, of: shifted, wrt: [x], gives: [dx]"),
    ("E309", "gradient", "equation: softmax_backward, of: softmax, wrt: [x, x], gives: [dx]"),
    ("E309", "gradient", "equation: softmax_backward, of: softmax, wrt: [x], gives: []"),
    ("E309", "gradient", "equation: softmax_backward, of: softmax, wrt: [], gives: [dx]"),
    ("E309", "gradient", "equation: softmax_backward, of: softmax, wrt: [], gives: []"),
    ("E427", "gradient", ("equation: shifted_backward, of: shifted, wrt: [x], gives: [dx], cotangent: {y: g}, "
                          "forall: {k: 'float[B, N]'}")),
    ("E427", "gradient", ("equation: shifted_backward, of: shifted, wrt: [x], gives: [dx], cotangent: {y: g}, "
                          "forall: {k: 'permutation[B]'}")),
    ("E404", "linearity", "equation: double, of: double, in: z"),
    ("E303", "monotonicity", "equation: softmax, of: softmax, in: x, direction: increasing"),
    ("E303", "monotonicity", "equation: softmax, of: softmax, in: x, direction: increasing, axis: M"),
    ("E303", "monotonicity", "equation: clamp, of: clamp, in: low, direction: increasing, axis: N"),
    ("E303", "symmetry", "equation: softmax, of: softmax, permute: {x: N}, permutes: {p: B}"),
    ("E303", "symmetry", "equation: clamp, of: clamp, permute: {low: N}"),
    ("E404", "symmetry", "equation: softmax, of: softmax, permute: {z: N}"),
    ("E303", "symmetry", "equation: softmax, of: softmax, permute: {x: N}, permutes: {q: N}"),
    ("E303", "bound", "equation: echo, of: echo, lower: 0"),
    ("E420", "bound", "equation: softmax, of: softmax, lower: zero"),
    ("E410", "bound", "equation: softmax, of: softmax, lower: '0) or (1'"),
    ("E412", "equivalence", "equation: double, left: 'x, x', right: x"),
    ("E410", "equivalence", "equation: double, left: 'x) or approx(x', right: x"),
    ("E424", "equivalence", "equation: double, left: 'double(x)', right: 1"),
    ("E427", "determinism", "equation: double, call: spec.double(x)"),
    ("E427", "determinism", "equation: double, call: 'double(x, x)'"),
    ("E427", "determinism", "equation: double, call: x"),
    ("E427", "rejection", "equation: double, call: 'double(x, x)', raises: ValueError"),
    ("E427", "rejection", "equation: echo, call: 'echo(n, n)', raises: ValueError"),
    ("E303", "rejection", "equation: double, call: double(x), raises: os.system"),
    ("E420", "rejection", "equation: double, call: double(z), raises: ValueError"),
    ("E303", "independence", "equation: double, output: 'x[b, i]', input: 'x[b, j]', when: j > i"),
    ("E303", "independence", "equation: double, output: 'y[b, i]', input: 'x[b, 0]', when: i > 0"),
    ("E303", "independence", "equation: double, output: 'y[b]', input: 'x[b, j]', when: j > 0"),
    ("E303", "independence", "equation: double, output: 'y[b, b]', input: 'x[b, j]', when: j > 0"),
    ("E303", "independence", "equation: double, output: 'y[b, i]', input: 'x[b, j]', when: 'x[b, j] > 0'"),
    ("E425", "independence", "equation: double, output: 'y[b, i]', input: 'x[i, b]', when: b > i"),
    ("E421", "independence", "equation: double, output: 'y[B, i]', input: 'x[b, j]', when: j > i"),
    ("E426", "independence", "equation: double, output: 'y[b, i]', input: 'x[b, j]', when: j - i"),
    ("E420", "independence", "equation: double, output: 'y[b, i]', input: 'x[b, j]', when: z > i"),
    ("E426", "resource", "equation: double, call: double(x), count: launches, at_most: 1 > 0"),
    ("E420", "resource", "equation: double, call: double(x), count: launches, at_most: n_launches"),
    ("E426", "statistical", ("equation: double, trials: 1, statistic: 'x[0, 0] > 0', expect: 0, variance: 1, "
                             "observations: N, detects: 1")),
    ("E303", "statistical", ("equation: draw, trials: 1, let: 'y, _ = draw(x, seed, q)', statistic: 'y[0]', expect: 0, "
                             "variance: inf, observations: N, detects: 1")),
    ("E303", "statistical", ("equation: draw, trials: 1, let: 'y, _ = draw(x, seed, q)', statistic: 'y[0]', expect: 0, "
                             "variance: 1, observations: N, detects: '1e308 * 10'")),
    ("E403", "protocol", "equation: ema, state: {a: m}, steps: many, step: 'next_a = ema(a, g, beta)', check: 'True'"),
    ("E403", "protocol", "equation: ema, state: {a: m}, steps: 0, step: 'next_a = ema(a, g, beta)', check: 'True'"),
    ("E403", "protocol", "equation: ema, state: {a: m}, steps: 5..2, step: 'next_a = ema(a, g, beta)', check: 'True'"),
    ("E403", "protocol", ("equation: ema, state: {a: m}, steps: 1..9999, step: 'next_a = ema(a, g, beta)', "
                          "check: 'True'")),
    ("E421", "protocol", "equation: ema, state: {m: m}, steps: 3, step: 'next_m = ema(m, g, beta)', check: 'True'"),
    ("E413", "protocol", "equation: ema, state: {sum: m}, steps: 3, step: 'next_sum = ema(m, g, beta)', check: 'True'"),
    ("E303", "protocol", "equation: ema, state: {a: m}, steps: 3, step: 'c = ema(a, g, beta)', check: 'True'"),
    ("E426", "protocol", "equation: ema, state: {a: 0}, steps: 3, step: 'next_a = ema(m, g, beta)', check: 'True'"),
    ("E426", "protocol", "equation: ema, state: {a: m}, steps: 3, step: 'next_a = ema(a, g, beta)', check: '1'"),
    ("E428", "equivalence", "equation: echo, left: 'spec.echo(s, n)', right: s"),
    ("E421", "conservation", "equation: double, forall: {x: real}, check: 'True'"),
    ("E413", "conservation", "equation: double, forall: {case: real}, check: 'True'"),
    ("E413", "conservation", "equation: double, forall: {gradient: real}, check: 'True'"),
    ("E401", "conservation", "equation: double, forall: {r: record}, check: 'True'"),
    ("E407", "conservation", "equation: double, forall: {r: 'permutation[M]'}, check: 'True'"),
    ("E401", "conservation", "equation: double, forall: {r: 'permutation[N + 1]'}, check: 'True'"),
    ("E402", "conservation", ("equation: double, forall: {r: 'permutation[N]'}, domain: {r: 'in [0, 1]'}, "
                              "check: 'True'")),
    ("E402", "conservation", "equation: double, domain: {x: 'permutation of N'}, check: 'True'"),
    ("E404", "conservation", "equation: double, domain: {z: 'in [0, 1]'}, check: 'True'"),
    ("E404", "conservation", "equation: double, forall: {r: 'real in [0, r]'}, check: 'True'"),
    ("E404", "conservation", "equation: double, forall: {r: 'real in [0, t]', t: 'real in [r, 1]'}, check: 'True'"),
    ("E405", "conservation", "equation: double, forall: {r: 'real in [1, 0]'}, check: 'True'"),
    ("E402", "conservation", "equation: double, forall: {r: 'bool in [0, 1]'}, check: 'True'"),
    ("E402", "conservation", "equation: double, forall: {r: 'real length 0..3'}, check: 'True'"),
    ("E426", "conservation", "equation: double, assume: ['N + 1'], check: 'True'"),
    ("E413", "conservation", "equation: double, dims: {sum: 1..3}, check: 'True'"),
    ("E421", "conservation", "equation: double, dims: {x: 0}, check: 'True'"),
    ("E421", "conservation", "equation: double, dims: {y: 1..3}, check: 'True'"),
    *[("E413", "conservation", f"equation: double, forall: {{{name}: int}}, check: 'True'")
      for name in ("assume", "elements", "inputs", "such_that", "work")],
    *[("E404", "conservation", f"equation: double, assume: ['{text}'], check: 'True'")
      for text in ("1 < 2", "approx(1, 1)", "2 ** 3 == 8", "abs(1) == 1", "isfinite(1)", "True")],
    *[("E405", "conservation", f"equation: double, assume: ['{text}'], check: 'True'")
      for text in ("1 == 2", "N < 1", "N >= 2 and B < 1", "N + B <= 1")],
    *[("E405", "conservation", f"equation: double, domain: {{x: '{text}'}}, check: 'True'")
      for text in ("in (0, 0)", "in (0, 0]", "in (1, 1 + 1e-18)", "in [N, 0]", "in [N + 1, N]", "in (N, N]",
                   "in [0, N / 0]", "in [0, N % (2 - 2)]", "in {1 // 0}", "in [0.1, 0.1]", "in (0, 1e-320)",
                   "in [1e39, 1e40]", "in [0, 1e400 * 0]", "in [0, 10.0 ** 400]")],
    *[("E405", "conservation", f"equation: double, forall: {{r: '{text}'}}, check: 'True'")
      for text in ("int in {inf}", "int in {0.5}", "int in {nan}", "int in (0, 1)", "int in [0.2, 0.8]",
                   "i8[N] in {300}", "u8[N] in [-5, -1]", "real in (0, 5e-324)", "f16[N] in [1e5, 1e6]",
                   "accum[N] in [0.1, 0.1]")],
    ("E435", "bound", "equation: softmax, of: softmax, lower: 0, upper: inf"),
    ("E435", "bound", "equation: softmax, of: softmax, lower: -inf, upper: 1"),
    ("E435", "bound", "equation: softmax, of: softmax, lower: 0, upper: '2.0 ** 1000 * 2.0 ** 1000'"),
    ("E435", "invariance", "equation: double, left: x, right: x"),
    ("E435", "invariance", "equation: double, left: '1', right: '1'"),
    ("E435", "conservation", "equation: double, check: 'N >= 1'"),
    ("E435", "conservation", "equation: double, check: 'approx(spec.double(x), spec.double(x))'"),
    ("E435", "conservation", "equation: double, let: 'y = double(x)', check: 'approx(y, y)'"),
    ("E435", "conservation", "equation: double, let: 'y = double(x)', check: 'all[b, i](exact(y[b, i], y[b, i]))'"),
    ("E435", "protocol", "equation: ema, state: {a: 5}, steps: 3, step: next_a = a + 1, check: a >= 5"),
    ("E435", "statistical", ("equation: draw, trials: 1, statistic: '1', expect: 1, variance: 1, observations: N, "
                             "detects: 1")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "parameters"), PARAMETERS, ids=[f"{c} {t[:70]}" for c, _, t in PARAMETERS])
def test_wrong_parameters(code, kind, parameters):
    text = contract(kind, parameters)
    found = problems(text)
    assert [d.code for d in found] == [code], found
    line = text.count("\n")  # obligations stand on the last line
    assert found[0].position.line == line and found[0].position.column > 1


def test_a_prediction_calls_a_kernel():
    text = contract("conservation", "equation: double, check: 'exact(double(x), double(x))'")
    test = "rule: TY-LAW, prediction: p, if_fails: f, given: {x: [[1, 2]]}"
    for said, wanted in (("N == 2", ["E435"]), ("double(x)[0, 1] == 4", [])):
        law = f"falsification_tests:\n  - {{id: TY-F, {test}, let: 'y = double(x)', check: 'y[0, 1] == 4'}}\n"
        law = law.replace("let: 'y = double(x)', check: 'y[0, 1] == 4'", f"check: '{said}'") if wanted else law
        assert [d.code for d in problems(text + law)] == wanted


FITTING = [
    "domain: {x: 'in [-inf, inf]'}", "domain: {x: 'in {0.1}'}", "domain: {x: 'in [0, 0]'}",
    "domain: {x: 'in [1e5, 1e6]'}", "domain: {x: 'in (0, 1e-30)'}", "domain: {x: 'in [0, N]'}",
    "forall: {r: 'int in (0, 2)'}", "forall: {r: 'i8[N] in [100, 300]'}",
    "forall: {r: 'real in {inf, nan}'}", "forall: {r: 'f64[N] in [0.1, 0.1]'}", "forall: {r: 'int in {2 ** 40}'}",
    "assume: ['N > pi']", "assume: ['N ** 2 > 4']", "assume: ['N < 2 or N > 3']", "assume: ['2 * B <= N']",
]  # fmt: skip


@pytest.mark.parametrize("text", FITTING)
def test_domains_and_assumptions_that_leave_cases_over_are_drawn_from(text):
    assert (
        judged("conservation", f"equation: double, {text}, check: 'exact(double(x), double(x))'", double=double)
        == "passed"
    )


def test_no_problem_is_reported_twice():
    for kind, parameters in [
        ("linearity", "equation: double, of: nothing, in: x"),
        ("gradient", "equation: softmax_backward, of: nothing, wrt: [x], gives: [dx]"),
        ("bound", "equation: softmax, of: softmax"),
        ("determinism", "equation: double"),
    ]:
        assert len(problems(contract(kind, parameters))) == 1
