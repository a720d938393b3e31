"""merge/slerp: SLERP merging.

Compiled from contracts/merge/slerp-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 4db53e12245b45f664e46a4453eff38949c9f4a2a12e06dc950f7e2aceef1d5f
"""

from albor_contracts.testing import (
    abs, all, any, approx, array, atan2, cases, claim, cos, defines, definitions, dot, exact, example, exp, given, grid,
    obligation, rejects, sin, single, sqrt, sum, supposing, truth, where,
)

CONTRACT = "merge/slerp"


@defines("slerp(a: float[N], b: float[N], t: real) -> c: float[N]")
def slerp(a, b, t):
    """c = sin((1 - t) omega) / sin(omega) a + sin(t omega) / sin(omega) b, cos(omega) = <a, b> / (|a| |b|)"""
    (N,) = a.shape
    i = grid(N)
    length_a = single(sqrt(dot[i](a[i], a[i])))
    length_b = single(sqrt(dot[i](b[i], b[i])))
    apart = single(sqrt(sum[i]((a[i] / length_a - b[i] / length_b) ** 2)))
    together = single(sqrt(sum[i]((a[i] / length_a + b[i] / length_b) ** 2)))
    omega = single(2 * atan2(apart, together))
    near = single(truth(apart < together) & truth(sin(omega) ** 2 < 1e-06))
    weight_a = single(where(near, 1 - t, sin((1 - t) * omega) / sin(omega)))
    weight_b = single(where(near, t, sin(t * omega) / sin(omega)))
    c = array[i](where(t == 0, a[i], where(t == 1, b[i], weight_a * a[i] + weight_b * b[i])))
    return c


spec = definitions(CONTRACT, slerp)


def supposed_1(case):
    """sum[i](a[i] * b[i]) > -0.999 * sqrt(sum[i](a[i] * a[i]) * sum[i](b[i] * b[i]))"""
    a, b, N = case.a, case.b, case.N
    i = grid(N)
    return dot[i](a[i], b[i]) > -0.999 * sqrt(dot[i](a[i], a[i]) * dot[i](b[i], b[i]))


def supposed_2(case):
    """any[i](abs(a[i]) > 0.001)"""
    a, N = case.a, case.N
    i = grid(N)
    return any[i](abs(a[i]) > 0.001)


slerp_inputs = cases(
    dims={"N": "2..4097"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
)
sl_reverse_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
)
sl_arc_inputs = cases(
    dims={"N": "2 * H", "H": "1..129"},
    such_that=supposing(supposed_1, supposed_2),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    theta="real in [0, 3.13] or [0, 0.002] or [3.11, 3.13]",
)
sl_small_angles_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0.3, 0.7]",
    k="real in [0, 6.8] or [3.46, 3.9] or [4.61, 5.3]",
    axis="int in [0, N)",
    size="real in {0.25, 1, 3}",
)
sl_lengths_inputs = cases(
    dims={"N": "2 * H", "H": "1..129"},
    such_that=supposing(supposed_1, supposed_2),
    a="float[N] in [-16, 16]",
    b="float[N] in [-64, 64]",
    t="real in [0.05, 0.95]",
    p="real in [0.25, 4]",
    q="real in [0.25, 4]",
)
sl_parallel_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1, supposed_2),
    a="float[N] in [-16, 16]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    s="real in [0.25, 4] or {1}",
)
sl_scale_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, -0.01] or [0.01, 64]",
    b="float[N] in [-64, -0.01] or [0.01, 64]",
    t="real in [0, 1]",
    s="real in {2**-12, 0.25, 2, 256}",
)
sl_opposite_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1, supposed_2),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    s="real in {0.5, 1, 2}",
)
sl_zero_inputs = cases(
    dims={"N": "2..257"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    side="int in [0, 1]",
)
sl_range_inputs = cases(
    dims={"N": "2..4097"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    beyond="real in [-2, -0.001] or [1.001, 30]",
)
sl_shapes_inputs = cases(
    dims={"N": "2..129", "M": "1..129"},
    assume=("M != N",),
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    other="float[M] in [-64, 64]",
)
sl_tiny_inputs = cases(
    dims={"N": "2, 3"},
    such_that=supposing(supposed_1),
    a="float[N] in [2**-34, 2**-24]",
    b="float[N] in [2**-34, 2**-24]",
    t="real in [0, 1]",
)
sl_near_ends_inputs = cases(
    dims={"N": "2..17"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in {1e-6, 1e-5, 1e-4, 0.0009, 0.9991, 0.9999, 0.99999}",
    axis="int in [0, N)",
    size="real in {0.25, 1, 4}",
)
sl_no_number_inputs = cases(
    dims={"N": "2..17"},
    such_that=supposing(supposed_1),
    a="float[N] in [-64, 64]",
    b="float[N] in [-64, 64]",
    t="real in [0, 1]",
    wrong="real in {nan, inf, -inf}",
)


@obligation("SL-ENDS", equation="slerp", type="boundary")
@given(case=slerp_inputs)
def test_sl_ends(kernel, case):
    """t = 0 gives a and t = 1 gives b, bit for bit."""
    a, b = kernel.receives(case, "a b")
    first = kernel.slerp(a, b, 0)
    last = kernel.slerp(a, b, 1)
    claim(exact(first, a))
    claim(exact(last, b))


@obligation("SL-REVERSE", equation="slerp", type="symmetry")
@given(case=sl_reverse_inputs)
def test_sl_reverse(kernel, case):
    """From a to b by t is from b to a by 1 - t."""
    a, b, t = kernel.receives(case, "a b t")
    there = kernel.slerp(a, b, t)
    back = kernel.slerp(b, a, 1 - t)
    claim(approx(there, back))


@obligation("SL-ARC", equation="slerp", type="conservation")
@given(case=sl_arc_inputs)
def test_sl_arc(kernel, case):
    """Between vectors of one length the result lies at the angle t theta on the arc, at that length, for every
    theta."""
    a, t, theta = kernel.receives(case, "a t theta")
    N, H = case.N, case.H
    i = grid(N)
    along = array[i](cos(theta) * a[i])
    turned = array[i](where(i < H, -a[(i + H) % N], a[(i + H) % N]))
    far = array[i](along[i] + sin(theta) * turned[i])
    c = kernel.slerp(a, far, t)
    chord = single(where(theta <= 0.001001, 0.065 * theta * theta, 0))
    claim(all[i](abs(c[i] - (cos(t * theta) * a[i] + sin(t * theta) * turned[i])) <= chord * (abs(a[i]) + abs(far[i]))))


@obligation("SL-SMALL-ANGLES", equation="slerp", type="conservation")
@given(case=sl_small_angles_inputs)
def test_sl_small_angles(kernel, case):
    """Between a vector along one axis and another at an angle of 0.0011 to 1, on a logarithmic scale, the way is along
    the arc, too: there rounding disturbs the angle least."""
    a, t, k, axis, size = kernel.receives(case, "a t k axis size")
    N = case.N
    i = grid(N)
    theta = single(exp(-k))
    first = array[i](where(i == axis, size, 0 * a[i]))
    turned = array[i](where(i == (axis + 1) % N, size, 0 * a[i]))
    second = array[i](cos(theta) * first[i] + sin(theta) * turned[i])
    c = kernel.slerp(first, second, t)
    claim(all[i](approx(c[i], cos(t * theta) * first[i] + sin(t * theta) * turned[i])))


@obligation("SL-LENGTHS", equation="slerp", type="conservation")
@given(case=sl_lengths_inputs)
def test_sl_lengths(kernel, case):
    """At a right angle the vectors enter with their own lengths: cos(t pi / 2) p a + sin(t pi / 2) q a', for a' across
    a."""
    a, t, p, q = kernel.receives(case, "a t p q")
    N, H = case.N, case.H
    i = grid(N)
    first = array[i](p * a[i])
    turned = array[i](where(i < H, -a[(i + H) % N], a[(i + H) % N]))
    second = array[i](q * turned[i])
    c = kernel.slerp(first, second, t)
    claim(all[i](approx(c[i], cos(t * 3.141592653589793 / 2) * first[i] + sin(t * 3.141592653589793 / 2) * second[i])))


@obligation("SL-PARALLEL", equation="slerp", type="boundary")
@given(case=sl_parallel_inputs)
def test_sl_parallel(kernel, case):
    """Vectors of one direction are interpolated along it: a and s a give (1 - t + t s) a, identical ones a."""
    a, t, s = kernel.receives(case, "a t s")
    N = case.N
    i = grid(N)
    second = array[i](s * a[i])
    c = kernel.slerp(a, second, t)
    same = kernel.slerp(a, a, t)
    claim(all[i](approx(c[i], (1 - t) * a[i] + t * second[i])))
    claim(approx(same, a))


@obligation("SL-SCALE", equation="slerp", type="homogeneity")
@given(case=sl_scale_inputs)
def test_sl_scale(kernel, case):
    """Scaling both vectors scales the result."""
    a, b, t, s = kernel.receives(case, "a b t s")
    N = case.N
    i = grid(N)
    small_a = array[i](s * a[i])
    small_b = array[i](s * b[i])
    c = kernel.slerp(a, b, t)
    scaled = kernel.slerp(small_a, small_b, t)
    claim(all[i](approx(scaled[i], s * c[i])))


@obligation("SL-OPPOSITE", equation="slerp", type="rejection")
@given(case=sl_opposite_inputs)
def test_sl_opposite(kernel, case):
    """Opposite vectors are refused: infinitely many great circles join them."""
    a, t, s = kernel.receives(case, "a t s")
    N = case.N
    i = grid(N)
    opposite = array[i](-s * a[i])
    rejects(kernel, "slerp", (a, opposite, t), ValueError, mentions=["opposite"])


@obligation("SL-ZERO", equation="slerp", type="rejection")
@given(case=sl_zero_inputs)
def test_sl_zero(kernel, case):
    """A zero vector is refused on either side: it has no direction."""
    a, b, t, side = kernel.receives(case, "a b t side")
    N = case.N
    i = grid(N)
    first = array[i](side * a[i])
    second = array[i]((1 - side) * b[i])
    rejects(kernel, "slerp", (first, second, t), ValueError, mentions=["zero"])


@obligation("SL-RANGE", equation="slerp", type="rejection")
@given(case=sl_range_inputs)
def test_sl_range(kernel, case):
    """t outside [0, 1] is refused: beyond the ends the arc leaves the two models behind."""
    a, b, beyond = kernel.receives(case, "a b beyond")
    rejects(kernel, "slerp", (a, b, beyond), ValueError, mentions=["[0, 1]"])


@obligation("SL-SHAPES", equation="slerp", type="rejection")
@given(case=sl_shapes_inputs)
def test_sl_shapes(kernel, case):
    """Vectors of different lengths are refused."""
    a, t, other = kernel.receives(case, "a t other")
    rejects(kernel, "slerp", (a, other, t), ValueError, mentions=["length"])


@obligation("SL-TINY", equation="slerp", type="homogeneity")
@given(case=sl_tiny_inputs)
def test_sl_tiny(kernel, case):
    """Vectors as short as 1e-9 have directions as others have: scaled up, they give the same, scaled up."""
    a, b, t = kernel.receives(case, "a b t")
    N = case.N
    i = grid(N)
    tiny_a = array[i](2 ** 48 * a[i] ** 3)
    tiny_b = array[i](2 ** 48 * b[i] ** 3)
    large_a = array[i](2 ** 24 * tiny_a[i])
    large_b = array[i](2 ** 24 * tiny_b[i])
    c = kernel.slerp(tiny_a, tiny_b, t)
    scaled = kernel.slerp(large_a, large_b, t)
    claim(all[i](approx(2 ** 24 * c[i], scaled[i])))


@obligation("SL-NEAR-ENDS", equation="slerp", type="conservation")
@given(case=sl_near_ends_inputs)
def test_sl_near_ends(kernel, case):
    """Between two axes a small share t of the way is an angle of t pi / 2, however small t, or 1 - t, is: only the ends
    are ends."""
    a, b, t, axis, size = kernel.receives(case, "a b t axis size")
    N = case.N
    i = grid(N)
    first = array[i](where(i == axis, size, 0 * a[i]))
    second = array[i](where(i == (axis + 1) % N, size, 0 * b[i]))
    c = kernel.slerp(first, second, t)
    claim(all[i](approx(c[i], cos(t * 3.141592653589793 / 2) * first[i] + sin(t * 3.141592653589793 / 2) * second[i])))


@obligation("SL-NO-NUMBER", equation="slerp", type="rejection")
@given(case=sl_no_number_inputs)
def test_sl_no_number(kernel, case):
    """A t that is not a number, or is infinite, is refused."""
    a, b, wrong = kernel.receives(case, "a b wrong")
    rejects(kernel, "slerp", (a, b, wrong), ValueError, mentions=["[0, 1]"])


@obligation("SL-DEF-SLERP", equation="slerp", type="definition")
@given(case=slerp_inputs)
def test_sl_def_slerp(kernel, case):
    """slerp computes its definition."""
    a, b, t = kernel.receives(case, "a b t")
    c = kernel.slerp(a, b, t)
    expected_c = spec.slerp(a, b, t)
    claim(approx(c, expected_c))


@obligation("SL-FT-QUARTER", rule="SL-ARC", type="falsification")
def test_sl_ft_quarter(kernel):
    """A third of the way through a right angle is 30 degrees: (sqrt(3) / 2, 1 / 2)."""
    case = example(
        {"a": "float[N]", "b": "float[N]", "t": "real", "theta": "real"},
        a=[1, 0],
        b=[0, 1],
        t=0.3333333333333333,
        theta=1.5707963267948966,
    )
    a, b, t = kernel.receives(case, "a b t")
    c = kernel.slerp(a, b, t)
    claim(abs(c[0] - 0.866025) < 0.005)
    claim(abs(c[1] - 0.5) < 0.005)


@obligation("SL-FT-LENGTHS", rule="SL-LENGTHS", type="falsification")
def test_sl_ft_lengths(kernel):
    """Norms 1 and 10 at a right angle give the norm 7.106 halfway."""
    case = example(
        {"a": "float[N]", "b": "float[N]", "t": "real", "p": "real", "q": "real"},
        a=[1, 0],
        b=[0, 10],
        t=0.5,
        p=1,
        q=10,
    )
    a, b, t = kernel.receives(case, "a b t")
    c = kernel.slerp(a, b, t)
    claim(abs(sqrt(c[0] * c[0] + c[1] * c[1]) - 7.1063) < 0.05)


@obligation("SL-FT-BEYOND", rule="SL-RANGE", type="falsification")
def test_sl_ft_beyond(kernel):
    """t = 1.5 is refused: half as far again is extrapolation."""
    case = example(
        {"a": "float[N]", "b": "float[N]", "t": "real", "beyond": "real"},
        a=[1, 0],
        b=[0, 1],
        t=0.5,
        beyond=1.5,
    )
    a, b, beyond = kernel.receives(case, "a b beyond")
    rejects(kernel, "slerp", (a, b, beyond), ValueError, mentions=["[0, 1]"])


@obligation("SL-FT-ALMOST-OPPOSITE", rule="SL-OPPOSITE", type="falsification")
def test_sl_ft_almost_opposite(kernel):
    """Within 0.001 of opposite, at a cosine of -1 + 4e-7, two vectors are refused."""
    case = example({"a": "float[N]", "b": "float[N]", "t": "real", "s": "real"}, a=[1, 0], b=[-1, 0.0009], t=0.5, s=1)
    a, b, t = kernel.receives(case, "a b t")
    rejects(kernel, "slerp", (a, b, t), ValueError, mentions=["opposite"])


@obligation("SL-FT-NOT-OPPOSITE", rule="SL-ARC", type="falsification")
def test_sl_ft_not_opposite(kernel):
    """At 0.0011 from opposite the great circle is distinguished: halfway lies at a right angle to both."""
    case = example(
        {"a": "float[N]", "b": "float[N]", "t": "real", "theta": "real"},
        a=[1, 0],
        b=[-1, 0.0011],
        t=0.5,
        theta=3.140492653589793,
    )
    a, b, t = kernel.receives(case, "a b t")
    c = kernel.slerp(a, b, t)
    claim(abs(c[0]) < 0.1)
    claim(abs(c[1] - 1) < 0.1)
