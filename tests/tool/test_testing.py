"""The runtime of generated tests: actions, concrete examples, counting, and what a failing test says."""

from __future__ import annotations

import contextlib
import re
import sys
import types
from typing import Any

import numpy as np
import pytest
import torch
from albor_contracts import testing
from albor_contracts.runtime.actions import independent
from albor_contracts.runtime.bounded import Bounded
from albor_contracts.runtime.called_with import called_with
from albor_contracts.runtime.claims import Falsified, approx, claim, truth, watching
from albor_contracts.runtime.grid import grid
from albor_contracts.runtime.kernel import Kernel
from albor_contracts.runtime.missing import NotOffered
from albor_contracts.runtime.poison import poisoned
from albor_contracts.runtime.session import ObligationFailed
from albor_contracts.runtime.target import Target
from albor_contracts.runtime.truth import Truth
from albor_contracts.testing import example, supposing, uses_at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.vendor.pretty import pretty
from toys import HEAD, Toy, load


@pytest.fixture
def layer(monkeypatch):
    """An instrumented kernel layer whose logs the test fills."""
    logs: dict[str, list[Any]] = {"launches": [], "allocations": []}

    @contextlib.contextmanager
    def recording(name):
        logs[name] = []
        yield logs[name]

    module = types.ModuleType("albor_impl._triton")
    module.record_launches = lambda: recording("launches")
    module.record_allocations = lambda: recording("allocations")
    monkeypatch.setitem(sys.modules, "albor_impl._triton", module)

    def call(launches: int, sizes: tuple[int, ...] = (), mode: str = "interpreted") -> Any:
        def run():
            logs["launches"] += [types.SimpleNamespace(mode=mode)] * launches
            logs["allocations"] += [types.SimpleNamespace(nbytes=n) for n in sizes]

        return run

    return call


def test_cases_that_cost_more_are_fewer():
    text = (
        HEAD
        + """
dims: {N: 1..4}
equations:
  f: {signature: "f(x: float[N]) -> y: float[N]", define: "y[i] = 2 * x[i]"}
proof_obligations:
  - {id: TY-A, equation: f, type: conservation, property: A law, check: "approx(f(x), spec.f(x))", cost: 10}
  - {id: TY-B, equation: f, type: conservation, property: A law, check: "approx(f(x), spec.f(x))", cost: 1000}
  - {id: TY-C, equation: f, type: conservation, property: A law, check: "approx(f(x), spec.f(x))"}
"""
    )
    toy = Toy(text, cases=30)
    assert 'type="conservation", cost=10)' in toy.module.source
    for identifier, cases in (("TY-A", 3), ("TY-B", 1), ("TY-C", 30)):
        calls: list[int] = []
        assert toy.judge(identifier, f=lambda x, calls=calls: (calls.append(1), 2 * x)[1]) == "passed"
        assert len(calls) == cases
    assert toy.judge("TY-B", f=lambda x: 3 * x + 1) != "passed"


def test_whole_numbers_of_one_kernel_are_indices_for_another():
    text = (
        HEAD
        + """
dims: {N: 1..4, M: 1..5, R: 2 * N}
equations:
  choose: {signature: "choose(x: float[N]) -> ids: i64[N]", formula: "0, 1, 0, 1, ..."}
  pick:
    signature: "pick(t: float[M], ids: i64[N]) -> y: float[N]"
    domain: {ids: "in [0, M)"}
    define: "y[i] = t[ids[i]]"
proof_obligations:
  - id: TY-PICK
    equation: pick
    type: equivalence
    property: A law
    forall: {x: "float[N] in [0, 1]"}
    let: |
      ids2 = choose(x)
      back[i: N] = ids2[N - 1 - i]
      twice[r: R] = t[0]
    check: "approx(pick(t, back), spec.pick(t, back)) and all[r](twice[r] == t[0])"
"""
    )
    toy = Toy(text)
    assert toy.judge("TY-PICK", choose=lambda x: np.zeros(len(x), np.int64), pick=lambda t, ids: t[ids]) == "passed"
    assert toy.judge("TY-PICK", choose=lambda x: np.zeros(len(x), np.int64), pick=lambda t, ids: t[ids] + 1) != "passed"


def test_whole_numbers_of_a_kernel_can_be_divided_and_taken_apart():
    text = (
        HEAD
        + """
dims: {N: 1..9}
equations:
  number: {signature: "number(x: float[N], k: int) -> n: i64[N]", domain: {k: "in [1, 9]"}, formula: "7 i + k"}
proof_obligations:
  - id: TY-PARTS
    equation: number
    type: conservation
    property: A law
    let: |
      n = number(x, k)
      half[i] = n[i] // 2
    check: >-
      all[i](half[i] * 2 + n[i] % 2 == n[i] and (n[i] & 1) == n[i] % 2 and (7 * i + k) // n[i] == 1
      and (n[i] >> 1) == half[i] and ((n[i] ^ 1) | 1) == (n[i] | 1) and 100 % n[i] < n[i] and (n[i] << 1) == 2 * n[i])
"""
    )
    toy = Toy(text)
    assert toy.judge("TY-PARTS", number=lambda x, k: 7 * np.arange(len(x)) + k) == "passed"
    told = toy.judge("TY-PARTS", number=lambda x, k: 7 * np.arange(len(x)) + k + (len(x) > 1))
    assert told.startswith("the claim is false: number gave n = [")


def test_resources_are_counted(layer):
    uses_at_most(2, "launches", layer(2))
    uses_at_most(2, "allocations", layer(1, (100, 200)))
    uses_at_most(300, "bytes", layer(1, (100, 200)))
    uses_at_most(np.int64(0), "bytes", layer(1))
    too_much = [
        (1, "launches", layer(2)),
        (1, "allocations", layer(1, (1, 1))),
        (299, "bytes", layer(1, (100, 200))),
    ]
    for limit, what, run in too_much:
        with pytest.raises(Falsified, match=what):
            uses_at_most(limit, what, run)


def test_a_kernel_that_nobody_counts_is_not_judged(layer, monkeypatch):
    for what in ("launches", "allocations", "bytes"):
        with pytest.raises(NotOffered):
            uses_at_most(1, what, layer(0))
    monkeypatch.delitem(sys.modules, "albor_impl._triton")
    with pytest.raises(NotOffered):
        uses_at_most(1, "launches", lambda: None)


def test_of_a_kernel_of_users_launches_are_counted_and_buffers_are_not(layer):
    uses_at_most(1, "launches", layer(1, mode="plain"))
    with pytest.raises(Falsified, match="2 launches"):
        uses_at_most(1, "launches", layer(2, mode="plain"))
    for what in ("allocations", "bytes"):
        with pytest.raises(NotOffered, match=f"nothing here counts {what}"):
            uses_at_most(9, what, layer(1, mode="plain"))


def test_a_call_of_a_kernel_that_is_not_there_is_noted():
    """Also where nothing is claimed of its output: what is counted, say, is counted without it."""
    text = "equations:\n  f: {signature: 'f(x: float[N]) -> y: float[N]', define: 'y[i] = x[i]'}\n"
    kernel = Toy(HEAD + "\ndims: {N: 1..4}\n" + text).kernel()
    with watching() as seen:
        y = kernel.f(np.ones(3))
    assert seen.missing == "toy has no kernel for f" and not seen.judged
    for use in (lambda: y + 1, lambda: y[0], lambda: bool(y <= 0), lambda: kernel.run("f", [np.ones(3)], judged=False)):
        with pytest.raises(NotOffered, match="no kernel for f"):
            use()


def test_a_resource_obligation_from_yaml(layer):
    toy = Toy(
        HEAD
        + """
dims: {N: 1..9}
equations:
  f: {signature: "f(x: float[N]) -> y: float[N]", define: "y[i] = x[i]"}
proof_obligations:
  - {id: TY-ONE, equation: f, type: resource, property: One launch, call: f(x), count: launches, at_most: 1}
  - {id: TY-BYTES, equation: f, type: resource, property: No copies, call: f(x), count: bytes, at_most: 8 * N}
""",
        cases=10,
    )
    assert toy.judge("TY-ONE", f=lambda x: layer(1)() or x + 0) == "passed"
    assert "2 launches, at most 1" in toy.judge("TY-ONE", f=lambda x: layer(2)() or x + 0)
    assert toy.judge("TY-BYTES", f=lambda x: layer(1, (8 * x.size,))() or x + 0) == "passed"
    assert "bytes, at most" in toy.judge("TY-BYTES", f=lambda x: layer(1, (8 * x.size + 1,))() or x + 0)
    import _pytest.outcomes

    with pytest.raises(_pytest.outcomes.Skipped):
        toy.judge("TY-ONE", f=lambda x: x + 0)


def test_examples():
    case = example(
        {"x": "float[N, M]", "ids": "i64[N]", "q": "u8[M]", "m": "bool[N]"}
        | {"a": "real", "k": "int", "s": "text", "z": "float[]"},
        dims={"G": 2},
        x=[[1, 2.5, float("inf")]], ids=[3], q=[1, 2, 255], m=[True], a=1, k=4, s="a", z=3,
    )  # fmt: skip
    assert dict(case.dims) == {"G": 2, "N": 1, "M": 3}
    assert (
        case.x.dtype == np.float64 and case.ids.dtype == np.int64 and case.q.dtype == np.uint8 and case.m.dtype == bool
    )
    assert case.z.shape == () and isinstance(case.a, float) and case.k == 4 and case.s == "a"


def test_suppositions_hold_for_the_rounded_values():
    hold = supposing(lambda case: testing.truth(case.x != 1.0))
    near = example({"x": "float[N]"}, x=[1 + 1e-10])
    assert not hold(near)  # float32 makes it 1
    assert hold(example({"x": "float[N]"}, x=[1.5]))


class Bare:
    stream = 5


def at(stream: int) -> Any:
    return types.SimpleNamespace(stream=stream)


def changes(function, when, output, input_, shape, case=Bare):
    """Runs an independence on a function of one array."""
    rng = np.random.default_rng(0)
    seen = []

    def run(x):
        seen.append(np.array(x))
        return function(x)

    independent(run, rng.normal(size=shape), rng.normal(size=shape), when=when, output=output, input=input_, case=case)
    return seen[0] != seen[1]


def test_only_what_must_not_matter_is_replaced():
    b, i, j = grid(3, 5, 5)
    for stream in range(20):
        case = at(stream)
        changed = changes(lambda x: np.cumsum(x, axis=1), j > i, (b, i), (b, j), (3, 5), case)
        rows = np.flatnonzero(changed.any(axis=1))
        assert len(rows) == 1, "the shared index is one place"
        (row,) = rows
        assert changed[row].any() and not changed[row, 0]
        first = np.argmax(changed[row])
        assert changed[row, first:].all()


def test_axes_in_any_order_and_without_a_shared_index():
    c, j, b, i = grid(3, 5, 3, 5)  # the input's indices come first
    changes(lambda x: np.cumsum(x, axis=1), (b != c) | (j > i), (b, i), (c, j), (3, 5))
    for stream in range(5):
        with pytest.raises(Falsified):
            changes(lambda x: x - x.mean(), (b != c) | (j > i), (b, i), (c, j), (3, 5), at(stream))
    changes(lambda x: x.T + 0, c != b, (j, b), (c, i), (3, 5))


def test_all_other_elements_that_must_not_change_are_compared():
    """The chosen place alone would miss a fault of another row in most cases."""
    b, i, j = grid(1, 8, 8)
    missed = 0

    def leaky(x):
        return np.cumsum(x, axis=1) + np.where(np.arange(8) == 0, 1e-9 * x[:, -1:], 0)

    for stream in range(30):
        try:
            changes(leaky, j > i, (b, i), (b, j), (1, 8), at(stream))
        except Falsified:
            continue
        missed += 1
    assert missed == 0


@pytest.mark.parametrize("when", [False, np.zeros((1, 1, 1), dtype=bool)])
def test_nothing_to_replace_is_no_pass(when):
    b, i, j = grid(2, 3, 3)
    x = np.ones((2, 3))

    @settings(max_examples=1, database=None)
    @given(st.none())  # elsewhere Hypothesis has no case to throw away
    def thrown_away(_):
        with pytest.raises(UnsatisfiedAssumption):
            changes(np.cumsum, when, (b, i), (b, j), (2, 3))
        with pytest.raises(UnsatisfiedAssumption):
            independent(lambda y: y, x, x, when=True, output=(b, i), input=(b, j), case=Bare)

    thrown_away()


def test_everything_may_be_replaced():
    i, j = grid(3, 4)
    changed = changes(lambda x: np.zeros(3), True, (i,), (j,), (4,))
    assert changed.all()
    with pytest.raises(Falsified):
        changes(lambda x: np.full(3, x[3]), True, (i,), (j,), (4,))


def test_not_a_number_and_signed_zeros_are_compared_bitwise():
    i, j = grid(2, 2)
    changes(lambda x: np.array([np.nan, -0.0]), True, (i,), (j,), (2,))
    i, j = grid(6, 6)
    with pytest.raises(Falsified, match="bitwise"):
        changes(lambda x: np.copysign(0.0, x), True, (i,), (j,), (6,))


@pytest.mark.parametrize(
    ("x", "factor", "right"),
    [
        (40000, 1, True),  # twice that is beyond float16: infinity
        (-40000, 1, True),
        (40000, -1, False),  # an infinity of the other sign
        (20000, np.inf, False),  # 40000 is no reason for an infinity
        (32752, 1, True),  # the largest float16
        (32752, np.inf, True),  # as good as beyond, after one rounding up
        (40000, 0.8, False),  # nor is the largest number one
        (20000, 1.001, False),
        (np.inf, 1, True),
        (np.inf, -1, False),
        (np.inf, 0, False),
    ],
)
def test_what_lies_beyond_the_format_overflows(x, factor, right):
    module = load(
        HEAD + 'equations: {double: {signature: "double(x: float[N]) -> y: float[N]", formula: 2 x, '
        'define: "y[i] = x[i] + x[i]"}}\ndims: {N: 1..4}\n'
    )

    def double(x):
        with np.errstate(all="ignore"):
            return (np.float32(2 * factor) * x.astype(np.float32)).astype(np.float16)

    kernel = Kernel("core/toy", "t", "numpy", "f16", "cpu", {"double": Target(double, "double")}, module.spec)
    near = kernel.receives(example({"x": "float[N]"}, x=[x, 1]), "x")
    held = testing.approx(kernel.double(near), module.spec.double(near))
    assert bool(held.value[0]) == right


def test_a_kernel_that_is_wrong_in_two_ways_gets_one_message():
    toy = Toy(
        HEAD
        + """
dims: {N: 2..5, L: "1, 6"}
equations:
  add: {signature: "add(x: float[N], w: float[N]) -> y: float[N]", formula: x + w, define: "y[i] = x[i] + w[i]"}
proof_obligations:
  - id: TY-SHAPE
    equation: add
    type: rejection
    property: Lengths must agree
    forall: {wrong: "float[L] in [-2, 2]"}
    call: "add(x, wrong)"
    raises: ValueError
"""
    )

    def add(x, w):
        if len(w) > 1:
            raise OSError("this is not the error that was promised")
        return x + w  # broadcast

    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests["TY-SHAPE"](toy.kernel(add=add))
    failure = failed.value.failure
    # Input and message belong together.
    wanted = "accepted inputs" if "L = 1" in failure.case else "OSError: this is not"
    assert wanted in failure.message and "L = " in failure.case and "ExceptionGroup" not in failure.message


@pytest.mark.parametrize("output", ["x2", "y"])
def test_a_law_about_two_kernels_names_the_one_whose_output_is_wrong(output):
    """Whether the outputs of the two have one name or not."""
    toy = Toy(
        HEAD
        + f"""
dims: {{N: 2..5}}
equations:
  there: {{signature: "there(x: float[N]) -> y: float[N]", formula: 2 x, define: "y[i] = 2 * x[i]"}}
  back: {{signature: "back(x: float[N]) -> {output}: float[N]", formula: x / 2, define: "{output}[i] = x[i] / 2"}}
proof_obligations:
  - id: TY-BOTH
    equation: there
    type: equivalence
    property: There and back
    let: |
      y = there(x)
      z = back(x)
      z2 = spec.back(x)
      y2 = spec.there(x)
    check: "approx(y, y2) and approx(z, z2)"
"""
    )

    def right(x):
        return 2 * x

    def wrong(y):
        return y / 2 + 1

    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests["TY-BOTH"](toy.kernel(there=right, back=wrong))
    assert failed.value.failure.kernel.endswith(f":{wrong.__code__.co_firstlineno}")
    with pytest.raises(ObligationFailed) as failed:
        toy.module.tests["TY-BOTH"](toy.kernel(there=wrong, back=lambda y: y / 2))
    assert failed.value.failure.kernel.endswith(f":{wrong.__code__.co_firstlineno}")


def test_a_choice_between_whole_numbers_is_exact_beyond_int64():
    """NumPy has 64 bits for them: 2^63 is -2^63 there or an error, and products wrap."""
    for condition, chosen in ((True, -1), (False, 2**63), (np.bool_(False), 2**63), (np.array(False), 2**63)):
        assert testing.where(condition, -1, 2**63) == chosen
        assert testing.where(condition, 2**64, -1) == (2**64 if condition else -1)
    chosen = testing.where(True, 2**62, 7)
    assert chosen * 4 == 2**64 and testing.int(np.True_) * 2**70 == 2**70  # what is made of them does not wrap


def test_a_claim_without_a_comparison_shows_what_came_back():
    toy = Toy(
        HEAD
        + """
dims: {N: 1..3}
equations:
  rank: {signature: "rank(x: float[N], k: int) -> r: i64[N], all_of_it: bool", domain: {k: "in [0, 9]"}, formula: ranks}
proof_obligations:
  - {id: TY-ALL, equation: rank, type: boundary, property: All, let: "r, ok = rank(x, k)", check: ok}
"""
    )
    found = toy.judge("TY-ALL", rank=lambda x, k: (np.arange(len(x)), False))
    assert found == "the claim is false: rank gave r = [0], all_of_it = False"


def test_every_way_to_new_memory_gives_poison():
    x = torch.zeros(2, 3)
    before = dict(vars(torch.Tensor))
    with poisoned("torch", 0):
        new = [
            torch.empty(4),
            torch.empty_like(x),
            torch.empty_strided((2,), (1,)),
            torch.empty_permuted((2, 3), (1, 0)),
        ]
        new += [x.new_empty(3), x.new_empty_strided((2,), (1,)), x.new_empty((2, 2), dtype=torch.float64)]
        assert all(t.isnan().all() for t in new)
        assert x.new_empty(2, dtype=torch.int32).tolist() == [2**31 - 1] * 2
    assert dict(vars(torch.Tensor)) == before
    with poisoned("numpy", 1):
        assert (np.empty(3) == 6e4).all() and (np.empty_like(np.ones(2, dtype=np.float16)) == 6e4).all()


NOTHING = """
dims: {N: 1..9}
equations:
  f: {signature: "f(x: float[N]) -> y: float[N]", domain: {x: "in [-8, 8]"}, define: "y[i] = 2 * x[i]"}
proof_obligations:
  - {id: TY-LAW, equation: f, property: A law, PARAMETERS}
"""
SAME = "type: conservation, check: 'exact(f(x), f(x))'"


@pytest.mark.parametrize("checked", [False, True], ids=["judged", "with Hypothesis' own checks"])
@pytest.mark.parametrize(
    ("law", "told"),
    [
        (f"assume: ['N > 20'], {SAME}", "no case satisfies"),
        (f"assume: ['all[i](x[i] > 9)'], {SAME}", "satisf"),
        ("type: independence, output: 'y[i]', input: 'x[j]', when: 1 == 2", "satisf"),
        ("type: protocol, assume: ['N > 20'], state: {a: 0}, steps: 2, step: \"y = f(x)\\nnext_a = a + 1\", "
         "check: a >= 0", "satisf"),
        (f"domain: {{x: 'in [1e6, 1e7]'}}, {SAME}", "has no f16 value"),
    ],
)  # fmt: skip
def test_a_law_without_cases_says_so_in_words_about_the_contract(law, told, checked):
    toy = Toy(HEAD + NOTHING.replace("PARAMETERS", law))
    kernel = toy.kernel("f16", f=lambda x: x + x)
    if checked:
        with pytest.raises(ObligationFailed) as caught:
            toy.module.tests["TY-LAW"](kernel)
        message = caught.value.failure.message
    else:
        message = toy.judge("TY-LAW", "f16", f=lambda x: x + x)
    assert message.startswith("NoCase: ") and told in message
    assert "suppress_health_check" not in message and "<text>" not in message


def test_a_kernel_prints_its_name_and_not_all_that_it_was_called_with():
    """Hypothesis writes down the arguments of every case that fails."""
    toy = Toy(
        HEAD + 'equations: {f: {signature: "f(x: float[N]) -> y: float[N]", define: "y[i] = x[i]"}}\ndims: {N: 1..4}\n'
    )
    kernel = toy.kernel(f=lambda x: x)
    kernel.f(np.arange(1000.0))
    assert pretty(kernel) == repr(kernel) == "toy-f64"


def test_whole_numbers_of_a_kernel_are_compared_exactly():
    """No rounding leaves a product undecided where it is at its limit."""
    text = (
        HEAD
        + """
dims: {N: 2..4}
equations: {places: {signature: "places(x: float[N]) -> k: i64[N]"}}
proof_obligations:
  - id: TY-BELOW
    equation: places
    type: bound
    property: "Every place is below N."
    let: "k = places(x)"
    check: "all[i](8 * k[i] < 8 * N and 0 - k[i] > -N and N + 8 * k[i] * k[i] < N + 8 * N * N)"
"""
    )
    toy = Toy(text)
    assert toy.judge("TY-BELOW", places=lambda x: np.arange(len(x))) == "passed"
    assert "32 < 32 does not hold" in Toy(text.replace("2..4", "4")).judge("TY-BELOW", places=lambda x: np.full(4, 4))


@pytest.mark.parametrize(("least", "off"), [(2**53, 1), (2**60, 200), (10**19, 1000), (2**70, 1), (5, 1)])
def test_whole_numbers_are_equal_or_not_however_large(least, off):
    claim(approx(least, least))
    claim(approx(-least, -least))
    words = f"{least} == {least + off} does not hold: they are {off:.3g} apart, the bound is 0"
    with pytest.raises(Falsified, match=re.escape(words)):
        claim(approx(least, least + off))


def test_a_comparison_that_holds_is_not_shown_as_the_one_that_fails():
    holds, fails = approx(np.array([0.5]), np.array([0.5])), truth(np.array([False]))
    with pytest.raises(Falsified, match="the claim is false"):
        claim(holds & fails)


def bounded(*values: float) -> Bounded:
    return Bounded(np.array(values))


def shown(statement: Any) -> str:
    with pytest.raises(Falsified) as caught:
        claim(statement)
    return str(caught.value)


def test_what_the_other_side_of_an_or_excuses_is_not_shown():
    """`all[i, j](not (i < j) or x[i] > x[j] or x[i] == x[j] and n[i] < n[j])`: a list by falling x, then by number."""
    i, j = grid(3, 3)
    x, n = bounded(1, 3, 3), np.array([0, 2, 1])
    ordered = (x[i] > x[j]) | ((x[i] == x[j]) & Truth.of(n[i] < n[j]))
    words = shown((~Truth.of(i < j) | ordered).all((0, 1)))
    assert words.startswith("1 > 3 does not hold at [0, 1]")  # not where i < j is false


def test_a_comparison_that_is_denied_is_not_shown_where_it_fails():
    x, y = bounded(1, 2), bounded(2, 1)
    near = approx(x, bounded(1, 5))
    words = shown(((~(x < y)) | near).all((0,)) & (x < bounded(9, 1.5)).all((0,)))
    assert words.startswith("2 < 1.5 does not hold at [1]")


def test_an_excuse_in_another_layout_excuses_nothing():
    i, j = grid(2, 2)
    x = bounded(1, 2)
    turned = testing.array[j, i](approx(x[i] + 0 * j, bounded(1, 7)[i] + 0 * j))
    assert "2 == 7 does not hold at [1" in shown((turned | np.array([[True, False], [True, True]])).all((0, 1)))


def test_a_failure_tells_what_a_law_had_the_kernel_called_with():
    """What the law makes of the case is not what stands there: `keep = 0` says nothing where it calls with N."""
    toy = Toy(
        HEAD
        + """
dims: {N: 1..20}
equations:
  cut:
    signature: "cut(x: float[N], keep: int) -> y: float[N]"
    domain: {x: "in [1, 4]", keep: "in [0, 0]"}
    formula: cut
proof_obligations:
  - {id: TY-WHOLE, equation: cut, type: boundary, property: All, let: "y = cut(x, N)", check: "exact(y, x)"}
  - {id: TY-AS-IS, equation: cut, type: boundary, property: All, let: "y = cut(x, keep)", check: "all[i](y[i] == 0)"}
  - {id: TY-NONE, equation: cut, type: rejection, property: No, call: "cut(x, -1)", raises: ValueError}
"""
    )

    def case(identifier: str, cut: Any) -> list[str]:
        with pytest.raises(ObligationFailed) as failed:
            toy.module.tests[identifier](toy.kernel(cut=cut))
        return failed.value.failure.case.splitlines()

    def nothing(x: Any, keep: int) -> Any:
        return np.zeros_like(x)

    def broken(x: Any, keep: int) -> Any:
        raise KeyError("keep")

    assert case("TY-WHOLE", nothing)[-1] == "called  cut(keep = 1)"
    assert case("TY-WHOLE", broken)[-1] == "called  cut(keep = 1)"  # nothing came back
    assert case("TY-NONE", nothing)[-1] == "called  cut(keep = -1)"
    assert not any(line.startswith("called") for line in case("TY-AS-IS", lambda x, keep: x))


def test_what_a_kernel_was_given_is_told_where_it_differs():
    case = {"x": np.array([0.0, np.nan]), "k": 3, "name": "a"}
    assert called_with([("f", dict(case))], case) == ""
    assert called_with([("f", {**case, "k": 4}), ("f", {"k": 4}), ("g", {"z": "b"})], case) == "f(k = 4); g(z = 'b')"
    assert called_with([("f", {"x": np.array([-0.0, np.nan])})], case) == "f(x = [-0.0, nan])"
    assert called_with([("f", {"x": np.zeros((9, 9))})], case) == "f(x = array[9, 9] [0.0, 0.0, 0.0, 0.0, ...])"
    assert called_with([("f", {"k": n}) for n in range(9)], case) == "f(k = 0); f(k = 1); f(k = 2); f(k = 4); ..."
