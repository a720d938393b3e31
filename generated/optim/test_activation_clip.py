"""optim/activation-clip: Clip of an activation gradient.

Compiled from contracts/optim/activation-clip-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 3638c9f26adbf43ccba48c527efd305d1a31dc8072ea9b549dce21786d9cd8f4
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, exact, example, given, grid, isfinite, max, obligation,
    rejects, single, sqrt, where,
)

CONTRACT = "optim/activation-clip"


@defines("activation_clip(a: float[R, N], limit: real, chosen: bool) -> out: float[R, N]")
def activation_clip(a, limit, chosen):
    """out = a min(1, limit / |a|), with a limit of 1 where none is given"""
    R, N = a.shape
    r, i = grid(R, N)
    most = single(where(chosen, limit, 1))
    norm = single(sqrt(dot[r, i](a[r, i], a[r, i])))
    c = single(where(norm > most, most / max(norm, 1e-300), 1))
    out = array[r, i](where(isfinite(norm), c * a[r, i], 0))
    return out


spec = definitions(CONTRACT, activation_clip)

activation_clip_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    a="float[R, N] in [-4, 4]",
    limit="real in [0.1, 20]",
    chosen="bool",
)
ac_unset_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    a="float[R, N] in [-4, 4]",
    limit="real in [0.1, 20]",
    chosen="bool",
    other="real in [0.1, 20]",
)
ac_small_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    a="float[R, N] in [-0.01, 0.01]",
    limit="real in [1, 20]",
    chosen="bool",
)
ac_huge_inputs = cases(
    dims={"R": "1..3", "N": "1..9"},
    a="float[R, N] in [1e25, 1e30]",
    limit="real in [0.5, 2]",
    chosen="bool",
)
ac_nan_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    a="float[R, N] in [-4, 4]",
    limit="real in [0.1, 20]",
    chosen="bool",
    row="int in [0, R - 1]",
    place="int in [0, N - 1]",
    bad="real in {nan, inf, -inf}",
)
ac_limit_inputs = cases(
    dims={"R": "1..8", "N": "1..257"},
    a="float[R, N] in [-4, 4]",
    limit="real in [0.1, 20]",
    chosen="bool",
    wrong="real in {0, -1, nan}",
)
ac_tiles_inputs = cases(
    dims={"R": "1, 65", "N": "131, 8193"},
    assume=("R * N <= 9000",),
    a="float[R, N] in [-4, 4]",
    limit="real in [0.1, 20]",
    chosen="bool",
)


@obligation("AC-NORM", equation="activation_clip", type="bound")
@given(case=activation_clip_inputs)
def test_ac_norm(kernel, case):
    """The norm is at most the limit, and 1 where none is given."""
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    R, N = case.R, case.N
    r, i = grid(R, N)
    out = kernel.activation_clip(a, limit, chosen)
    claim(sqrt(dot[r, i](out[r, i], out[r, i])) <= where(chosen, limit, 1))


@obligation("AC-UNSET", equation="activation_clip", type="invariance")
@given(case=ac_unset_inputs)
def test_ac_unset(kernel, case):
    """Without a setting, whatever number stands in its place has no effect, and 1 is the limit."""
    a, limit, other = kernel.receives(case, "a limit other")
    unset = kernel.activation_clip(a, limit, False)
    again = kernel.activation_clip(a, other, False)
    one = kernel.activation_clip(a, 1.0, True)
    claim(exact(unset, again))
    claim(exact(unset, one))


@obligation("AC-DIRECTION", equation="activation_clip", type="equivalence")
@given(case=activation_clip_inputs)
def test_ac_direction(kernel, case):
    """All elements are scaled by one number."""
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    R, N = case.R, case.N
    r, i = grid(R, N)
    out = kernel.activation_clip(a, limit, chosen)
    norm = single(sqrt(dot[r, i](a[r, i], a[r, i])))
    claim(all[r, i](approx(out[r, i] * max(norm, where(chosen, limit, 1)), where(chosen, limit, 1) * a[r, i])))


@obligation("AC-SMALL", equation="activation_clip", type="boundary")
@given(case=ac_small_inputs)
def test_ac_small(kernel, case):
    """Below the limit nothing changes, not by one bit."""
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    out = kernel.activation_clip(a, limit, chosen)
    claim(exact(out, a))


@obligation("AC-HUGE", equation="activation_clip", type="bound")
@given(case=ac_huge_inputs)
def test_ac_huge(kernel, case):
    """Elements of 1e30 are scaled like any others: the result has the norm of the limit."""
    a, limit = kernel.receives(case, "a limit")
    R, N = case.R, case.N
    r, i = grid(R, N)
    out = kernel.activation_clip(a, limit, True)
    claim(approx(sqrt(dot[r, i](out[r, i], out[r, i])), limit))


@obligation("AC-NAN", equation="activation_clip", type="boundary")
@given(case=ac_nan_inputs)
def test_ac_nan(kernel, case):
    """One element that is not finite makes everything zero."""
    a, limit, chosen, row, place, bad = kernel.receives(case, "a limit chosen row place bad")
    R, N = case.R, case.N
    r, i = grid(R, N)
    spoiled = array[r, i](where((r == row) & (i == place), bad, a[r, i]))
    out = kernel.activation_clip(spoiled, limit, chosen)
    claim(all[r, i](out[r, i] == 0))


@obligation("AC-LIMIT", equation="activation_clip", type="rejection")
@given(case=ac_limit_inputs)
def test_ac_limit(kernel, case):
    """A limit that is given and not positive is refused."""
    a, wrong = kernel.receives(case, "a wrong")
    rejects(kernel, "activation_clip", (a, wrong, True), ValueError, mentions=["limit"])


@obligation("AC-TILES", equation="activation_clip", type="equivalence")
@given(case=ac_tiles_inputs)
def test_ac_tiles(kernel, case):
    """Arrays of several blocks are clipped by the norm of all their elements, and scaled to the last one."""
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    out = kernel.activation_clip(a, limit, chosen)
    expected = spec.activation_clip(a, limit, chosen)
    claim(approx(out, expected))


@obligation("AC-DEF-ACTIVATION_CLIP", equation="activation_clip", type="definition")
@given(case=activation_clip_inputs)
def test_ac_def_activation_clip(kernel, case):
    """activation_clip computes its definition."""
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    out = kernel.activation_clip(a, limit, chosen)
    expected_out = spec.activation_clip(a, limit, chosen)
    claim(approx(out, expected_out))


@obligation("AC-FT-345", rule="AC-NORM", type="falsification")
def test_ac_ft_345(kernel):
    """(3, 4) without a setting becomes (0.6, 0.8)."""
    case = example({"a": "float[R, N]", "limit": "real", "chosen": "bool"}, a=[[3, 4]], limit=20.0, chosen=False)
    a, limit, chosen = kernel.receives(case, "a limit chosen")
    out = kernel.activation_clip(a, limit, chosen)
    claim(approx(out[0, 0], 0.6))
    claim(approx(out[0, 1], 0.8))
