"""core/rope: Rotary position embedding.

Compiled from contracts/core/rope-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d1005b247c35ad4d10c1772dac9aea4633839295d226f2116f3d7489164c571c
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, clip, cos, defines, definitions, dot, example, given, gradient, grid,
    independent, obligation, ratio, rejects, sin, uses_at_most, where,
)

CONTRACT = "core/rope"


@defines("rope(x: float[B, H, T, D], offset: int, base: real) -> y: float[B, H, T, D]")
def rope(x, offset, base):
    """y_k = x_k cos a - x_{k+D/2} sin a, y_{k+D/2} = x_k sin a + x_{k+D/2} cos a, a = (t + offset) base^(-2k/D)"""
    B, H, T, D = x.shape
    D2 = D // 2
    b, h, t, d = grid(B, H, T, D)
    y = array[b, h, t, d](x[b, h, t, d] * cos((t + offset) * base ** ratio(-2 * (d % D2), D)) + where(d < D2, -x[b, h, t, (d + D2) % D], x[b, h, t, (d + D2) % D]) * sin((t + offset) * base ** ratio(-2 * (d % D2), D)))
    return y


@defines("rope_inverse(x: float[B, H, T, D], offset: int, base: real) -> y: float[B, H, T, D]")
def rope_inverse(x, offset, base):
    """y_k = x_k cos a + x_{k+D/2} sin a, y_{k+D/2} = x_{k+D/2} cos a - x_k sin a"""
    B, H, T, D = x.shape
    D2 = D // 2
    b, h, t, d = grid(B, H, T, D)
    y = array[b, h, t, d](x[b, h, t, d] * cos((t + offset) * base ** ratio(-2 * (d % D2), D)) + where(d < D2, x[b, h, t, (d + D2) % D], -x[b, h, t, (d + D2) % D]) * sin((t + offset) * base ** ratio(-2 * (d % D2), D)))
    return y


spec = definitions(CONTRACT, rope, rope_inverse)

rope_inverse_inputs = cases(
    dims={"B": "1..2", "H": "1..3", "T": "1..33", "D2": "1..33", "D": "2 * D2"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rp_inverse_inputs = cases(
    dims={"B": "1..2", "H": "1..3", "T": "1..33", "D2": "1..33", "D": "2 * D2"},
    x="float[B, H, T, D] in [-1000, 1000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rope_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..70", "D2": "1..65", "D": "2 * D2"},
    x="float[B, H, T, D] in [-1000, 1000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rp_relative_inputs = cases(
    dims={"B": "1..2", "H": "1..3", "T": "1..17", "D2": "1..17", "D": "2 * D2"},
    work={"B * H * T * D * T": 2**18},
    x="float[B, H, T, D] in [-30, 30]",
    offset="int in [0, 5000]",
    base="real in [100, 1000000]",
    key="float[B, H, T, D] in [-30, 30]",
    shift="int in [1, 5000]",
)
rp_places_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..8", "D2": "2..8", "D": "2 * D2"},
    work={"T * D * T * D": 2**18},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
    other_x="float[B, H, T, D] in [-40000, 40000]",
)
rp_continued_inputs = cases(
    dims={"B": "1..2", "H": "1..5", "T": "P + S", "D2": "1..65", "D": "2 * D2", "P": "1..40", "S": "1..30"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
    tail="float[B, H, S, D] in [-40000, 40000]",
)
rp_tiles_inputs = cases(
    dims={"B": "1..2", "H": "1..2", "T": "33, 49, 67", "D2": "33, 65", "D": "2 * D2"},
    x="float[B, H, T, D] in [-1000, 1000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rp_launch_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..20", "D2": "1..9", "D": "2 * D2"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rp_even_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..9", "D2": "1..9", "D": "2 * D2", "D1": "2 * D2 + 1"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
    wrong="float[B, H, T, D1] in [-1, 1]",
)
rp_base_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..9", "D2": "1..9", "D": "2 * D2"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
    wrong="real in {0, -10000, nan}",
)
rp_long_inputs = cases(
    dims={"B": "1", "H": "1..2", "T": "129, 257, 1025, 4097", "D2": "1..2", "D": "2 * D2"},
    x="float[B, H, T, D] in [-1000, 1000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)
rp_def_rope_inputs = cases(
    dims={"B": "1..3", "H": "1..5", "T": "1..70", "D2": "1..65", "D": "2 * D2"},
    x="float[B, H, T, D] in [-40000, 40000]",
    offset="int in [0, 4096] or {131072, 1000000}",
    base="real in [100, 1000000]",
)


@obligation("RP-GRAD", equation="rope_inverse", type="gradient")
@given(case=rope_inverse_inputs)
def test_rp_grad(kernel, case):
    """The inverse is the vector-Jacobian product of the rotation."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope_inverse(x, offset, base)
    (expected_y,) = gradient(spec, "rope", {"x": x, "offset": offset, "base": base}, wrt="x", cotangents=(x,))
    claim(approx(y, expected_y))


@obligation("RP-INVERSE", equation="rope_inverse", type="roundtrip")
@given(case=rp_inverse_inputs)
def test_rp_inverse(kernel, case):
    """Turning there and back leaves everything in place."""
    x, offset, base = kernel.receives(case, "x offset base")
    turned = kernel.rope(x, offset, base)
    back = kernel.rope_inverse(turned, offset, base)
    claim(approx(back, x))


@obligation("RP-NORM", equation="rope", type="conservation")
@given(case=rope_inputs)
def test_rp_norm(kernel, case):
    """The length of every pair is kept."""
    x, offset, base = kernel.receives(case, "x offset base")
    B, H, T, D2, D = case.B, case.H, case.T, case.D2, case.D
    b, h, t, d = grid(B, H, T, D)
    y = kernel.rope(x, offset, base)
    claim(all[b, h, t, d](approx(y[b, h, t, d] ** 2 + y[b, h, t, (d + D2) % D] ** 2, x[b, h, t, d] ** 2 + x[b, h, t, (d + D2) % D] ** 2)))


@obligation("RP-RELATIVE", equation="rope", type="invariance")
@given(case=rp_relative_inputs)
def test_rp_relative(kernel, case):
    """The product of a turned query and a turned key does not change when both move on by the same distance."""
    x, offset, base, key, shift = kernel.receives(case, "x offset base key shift")
    B, H, T, D = case.B, case.H, case.T, case.D
    b, h, i, d, j = grid(B, H, T, D, T)
    p = kernel.rope(x, offset, base)
    r = kernel.rope(key, offset, base)
    p2 = kernel.rope(x, offset + shift, base)
    r2 = kernel.rope(key, offset + shift, base)
    claim(all[b, h, i, j](approx(dot[d](p2[b, h, i, d], r2[b, h, j, d]), dot[d](p[b, h, i, d], r[b, h, j, d]))))


@obligation("RP-PLACES", equation="rope", type="independence")
@given(case=rp_places_inputs)
def test_rp_places(kernel, case):
    """An element depends on its own pair at its own position alone."""
    x, offset, base, other_x = kernel.receives(case, "x offset base other_x")
    B, H, T, D2, D = case.B, case.H, case.T, case.D2, case.D
    b, h, t, d, u, e = grid(B, H, T, D, T, D)
    independent(
        lambda x: kernel.rope(x, offset, base),
        x,
        other_x,
        when=(u != t) | (e % D2 != d % D2),
        output=(b, h, t, d),
        input=(b, h, u, e),
        case=case,
    )


@obligation("RP-CONTINUED", equation="rope", type="equivalence")
@given(case=rp_continued_inputs)
def test_rp_continued(kernel, case):
    """Turning the tail of a sequence at its own offset gives the tail of the turned sequence: decoding agrees with
    prefill."""
    x, offset, base, tail = kernel.receives(case, "x offset base tail")
    B, H, T, D, P, S = case.B, case.H, case.T, case.D, case.P, case.S
    b, h, t, d, s = grid(B, H, T, D, S)
    joined = array[b, h, t, d](where(t < P, x[b, h, t, d], tail[b, h, clip(t - P, 0, S - 1), d]))
    y = kernel.rope(joined, offset, base)
    z = kernel.rope(tail, offset + P, base)
    claim(all[b, h, s, d](approx(z[b, h, s, d], y[b, h, s + P, d])))


@obligation("RP-TILES", equation="rope", type="equivalence")
@given(case=rp_tiles_inputs)
def test_rp_tiles(kernel, case):
    """Sequences longer than one program turns are turned to the last position of the last head, there and back."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope(x, offset, base)
    z = kernel.rope_inverse(x, offset, base)
    turned = spec.rope(x, offset, base)
    turned_back = spec.rope_inverse(x, offset, base)
    claim(approx(y, turned))
    claim(approx(z, turned_back))


@obligation("RP-LAUNCH", equation="rope", type="resource")
@given(case=rp_launch_inputs)
def test_rp_launch(kernel, case):
    """One launch turns all positions of all heads."""
    x, offset, base = kernel.receives(case, "x offset base")
    uses_at_most(1, "launches", lambda: kernel.rope(x, offset, base))


@obligation("RP-EVEN", equation="rope", type="rejection")
@given(case=rp_even_inputs)
def test_rp_even(kernel, case):
    """A head of odd width has no pairs and is refused."""
    offset, base, wrong = kernel.receives(case, "offset base wrong")
    rejects(kernel, "rope", (wrong, offset, base), ValueError, mentions=["even"])


@obligation("RP-BASE", equation="rope", type="rejection")
@given(case=rp_base_inputs)
def test_rp_base(kernel, case):
    """A base that is not positive has no powers to turn by, and is refused."""
    x, offset, wrong = kernel.receives(case, "x offset wrong")
    rejects(kernel, "rope", (x, offset, wrong), ValueError, mentions=["base"])


@obligation("RP-LONG", equation="rope", type="equivalence", cost=3)
@given(case=rp_long_inputs)
def test_rp_long(kernel, case):
    """Sequences of hundreds and thousands of positions are turned by their own angles to the last position."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope(x, offset, base)
    turned = spec.rope(x, offset, base)
    claim(approx(y, turned))


@obligation("RP-LONG-INVERSE", equation="rope_inverse", type="equivalence", cost=3)
@given(case=rp_long_inputs)
def test_rp_long_inverse(kernel, case):
    """Sequences of hundreds and thousands of positions are turned back by their own angles to the last position."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope_inverse(x, offset, base)
    turned_back = spec.rope_inverse(x, offset, base)
    claim(approx(y, turned_back))


@obligation("RP-DEF-ROPE", equation="rope", type="definition")
@given(case=rp_def_rope_inputs)
def test_rp_def_rope(kernel, case):
    """rope computes its definition."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope(x, offset, base)
    expected_y = spec.rope(x, offset, base)
    claim(approx(y, expected_y))


@obligation("RP-DEF-ROPE_INVERSE", equation="rope_inverse", type="definition")
@given(case=rp_def_rope_inputs)
def test_rp_def_rope_inverse(kernel, case):
    """rope_inverse computes its definition."""
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope_inverse(x, offset, base)
    expected_y = spec.rope_inverse(x, offset, base)
    claim(approx(y, expected_y))


@obligation("RP-FT-ZERO", rule="RP-DEF-ROPE", type="falsification")
def test_rp_ft_zero(kernel):
    """Position 0 is not turned at all."""
    case = example(
        {"x": "float[B, H, T, D]", "offset": "int", "base": "real"},
        x=[[[[1, 2, 3, 4]]]],
        offset=0,
        base=10000,
    )
    x, offset, base = kernel.receives(case, "x offset base")
    y = kernel.rope(x, offset, base)
    claim(approx(y, x))


@obligation("RP-FT-PAIR", rule="RP-DEF-ROPE", type="falsification")
def test_rp_ft_pair(kernel):
    """At position 1 the first element turns by one radian into its partner half a width away: (cos 1, 0, sin 1, 0)."""
    case = example(
        {"x": "float[B, H, T, D]", "offset": "int", "base": "real"},
        x=[[[[1, 0, 0, 0]]]],
        offset=1,
        base=10000,
    )
    x, offset, base = kernel.receives(case, "x offset base")
    B, H, T, D = case.B, case.H, case.T, case.D
    b, h, t, d = grid(B, H, T, D)
    y = kernel.rope(x, offset, base)
    claim(all[b, h, t]((abs(dot[d](y[b, h, t, d], d) - 2 * sin(1)) <= 0.02) & (abs(y[b, h, t, 0] - cos(1)) <= 0.01)))
