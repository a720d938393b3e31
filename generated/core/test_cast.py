"""core/cast: Casts between float32 and the 16-bit types.

Compiled from contracts/core/cast-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 048ae64f67804aa6d7b2a71fb56c5128dc40258d09ecc937b463f4f603a235aa
"""

from albor_contracts.testing import (
    approx, array, cases, claim, defines, definitions, exact, example, given, grid, inf, max, obligation, round_to,
)

CONTRACT = "core/cast"


@defines("to_bf16(x: f32[N]) -> h: bf16[N]")
def to_bf16(x):
    """h = x to nearest even at 8 significant bits"""
    (N,) = x.shape
    i = grid(N)
    h = array[i](round_to('bf16', x[i]))
    return h


@defines("to_f16(x: f32[N]) -> h: f16[N]")
def to_f16(x):
    """h = x to nearest even at 11 significant bits"""
    (N,) = x.shape
    i = grid(N)
    h = array[i](round_to('f16', x[i]))
    return h


@defines("from_bf16(h: bf16[N]) -> x: f32[N]")
def from_bf16(h):
    """x = h"""
    (N,) = h.shape
    i = grid(N)
    x = array[i](h[i])
    return x


@defines("from_f16(h: f16[N]) -> x: f32[N]")
def from_f16(h):
    """x = h"""
    (N,) = h.shape
    i = grid(N)
    x = array[i](h[i])
    return x


spec = definitions(CONTRACT, to_bf16, to_f16, from_bf16, from_f16)

to_bf16_inputs = cases(
    dims={"N": "1..65"},
    x="f32[N] in [-inf, inf]",
)
ca_nans_inputs = cases(
    dims={"N": "1..65"},
    x="f32[N] in {nan, 1}",
)
ca_ties_inputs = cases(
    dims={"N": "1..65"},
    x="f32[N] in [-inf, inf]",
    k="i64[N] in [-255, 255]",
    s="real in {1, 0.00390625, 6.646139978924579e35, 4.591774807899561e-41, 1.1754943508222875e-38}",
)
to_f16_inputs = cases(
    dims={"N": "1..65"},
    x="f32[N] in [-inf, inf]",
    k="i64[N] in [-2047, 2047]",
    s="real in {1, 16, 0.0009765625, 2.9802322387695312e-08}",
)
from_bf16_inputs = cases(
    dims={"N": "1..65"},
    h="bf16[N] in [-inf, inf]",
)
from_f16_inputs = cases(
    dims={"N": "1..65"},
    h="f16[N] in [-inf, inf]",
)
ca_order_inputs = cases(
    dims={"N": "1..65"},
    x="f32[N] in [-inf, inf]",
    k="i64[N] in [1, 4000] or {14, 30, 62, 126, 254, 510, 1022, 2046}",
    s="real in {1, 0.0009765625, 2.9802322387695312e-08}",
)
ca_tiles_inputs = cases(
    dims={"N": "4095, 4096, 4097, 8192, 8195"},
    h="bf16[N] in [-inf, inf]",
)
ca_tiles_half_inputs = cases(
    dims={"N": "4095, 4096, 4097, 8192, 8195"},
    h="f16[N] in [-inf, inf]",
)
ca_tiles_to_inputs = cases(
    dims={"N": "4095, 4096, 4097, 8192, 8195"},
    x="f32[N] in [-inf, inf]",
)


@obligation("CA-BITS", equation="to_bf16", type="equivalence")
@given(case=to_bf16_inputs)
def test_ca_bits(kernel, case):
    """Every value is rounded to nearest even, bit by bit."""
    x = kernel.receives(case, "x")
    a = kernel.to_bf16(x)
    b = kernel.to_f16(x)
    expected_a = spec.to_bf16(x)
    expected_b = spec.to_f16(x)
    claim(exact(a, expected_a))
    claim(exact(b, expected_b))


@obligation("CA-NANS", equation="to_bf16", type="equivalence")
@given(case=ca_nans_inputs)
def test_ca_nans(kernel, case):
    """NaN of either sign and with any payload stays NaN, and its neighbours what they are."""
    x = kernel.receives(case, "x")
    a = kernel.to_bf16(x)
    b = kernel.to_f16(x)
    expected_a = spec.to_bf16(x)
    expected_b = spec.to_f16(x)
    claim(exact(a, expected_a))
    claim(exact(b, expected_b))


@obligation("CA-TIES", equation="to_bf16", type="boundary")
@given(case=ca_ties_inputs)
def test_ca_ties(kernel, case):
    """Odd multiples of half a step are ties and go to the even neighbour: among normal numbers, subnormals and at the
    overflow."""
    k, s = kernel.receives(case, "k s")
    N = case.N
    i = grid(N)
    tie = array[i]((2 * k[i] + 1) * s)
    h = kernel.to_bf16(tie)
    expected = spec.to_bf16(tie)
    claim(exact(h, expected))


@obligation("CA-TIES-HALF", equation="to_f16", type="boundary")
@given(case=to_f16_inputs)
def test_ca_ties_half(kernel, case):
    """The same for float16: normal numbers, subnormals in steps of 2^-24, and 65520, which becomes infinite."""
    k, s = kernel.receives(case, "k s")
    N = case.N
    i = grid(N)
    tie = array[i]((2 * k[i] + 1) * s)
    h = kernel.to_f16(tie)
    expected = spec.to_f16(tie)
    claim(exact(h, expected))


@obligation("CA-BACK", equation="from_bf16", type="roundtrip")
@given(case=from_bf16_inputs)
def test_ca_back(kernel, case):
    """What comes from bfloat16 goes back to it unchanged."""
    h = kernel.receives(case, "h")
    claim(exact(kernel.to_bf16(kernel.from_bf16(h)), h))


@obligation("CA-BACK-HALF", equation="from_f16", type="roundtrip")
@given(case=from_f16_inputs)
def test_ca_back_half(kernel, case):
    """What comes from float16 goes back to it unchanged, subnormals included."""
    h = kernel.receives(case, "h")
    claim(exact(kernel.to_f16(kernel.from_f16(h)), h))


@obligation("CA-AGAIN", equation="to_bf16", type="idempotency")
@given(case=to_bf16_inputs)
def test_ca_again(kernel, case):
    """Rounding what was rounded changes nothing."""
    x = kernel.receives(case, "x")
    a = kernel.to_bf16(x)
    b = kernel.to_bf16(kernel.from_bf16(a))
    c = kernel.to_f16(x)
    d = kernel.to_f16(kernel.from_f16(c))
    claim(exact(a, b))
    claim(exact(c, d))


@obligation("CA-ORDER", equation="to_f16", type="monotonicity")
@given(case=ca_order_inputs)
def test_ca_order(kernel, case):
    """Rounding keeps the order, not strictly."""
    k, s = kernel.receives(case, "k s")
    N = case.N
    i = grid(N)
    low = array[i](k[i] * s)
    high = array[i]((k[i] + 1) * s)
    a = kernel.to_f16(low)
    b = kernel.to_f16(high)
    c = kernel.to_bf16(low)
    d = kernel.to_bf16(high)
    top = array[i](max(a[i], b[i]))
    peak = array[i](max(c[i], d[i]))
    claim(exact(top, b))
    claim(exact(peak, d))


@obligation("CA-TILES", equation="from_bf16", type="equivalence")
@given(case=ca_tiles_inputs)
def test_ca_tiles(kernel, case):
    """Arrays of bfloat16 of several tiles are widened to the last element, whether it ends a tile or not."""
    h = kernel.receives(case, "h")
    a = kernel.from_bf16(h)
    b = spec.from_bf16(h)
    claim(exact(a, b))


@obligation("CA-TILES-HALF", equation="from_f16", type="equivalence")
@given(case=ca_tiles_half_inputs)
def test_ca_tiles_half(kernel, case):
    """Arrays of float16 of several tiles are widened to the last element, whether it ends a tile or not."""
    h = kernel.receives(case, "h")
    a = kernel.from_f16(h)
    b = spec.from_f16(h)
    claim(exact(a, b))


@obligation("CA-TILES-TO", equation="to_bf16", type="equivalence", cost=2)
@given(case=ca_tiles_to_inputs)
def test_ca_tiles_to(kernel, case):
    """Arrays of several tiles are rounded to bfloat16 to the last element, as a single tile is."""
    x = kernel.receives(case, "x")
    a = kernel.to_bf16(x)
    b = spec.to_bf16(x)
    claim(exact(a, b))


@obligation("CA-TILES-TO-HALF", equation="to_f16", type="equivalence", cost=2)
@given(case=ca_tiles_to_inputs)
def test_ca_tiles_to_half(kernel, case):
    """Arrays of several tiles are rounded to float16 to the last element, as a single tile is."""
    x = kernel.receives(case, "x")
    a = kernel.to_f16(x)
    b = spec.to_f16(x)
    claim(exact(a, b))


@obligation("CA-DEF-TO_BF16", equation="to_bf16", type="definition")
@given(case=to_bf16_inputs)
def test_ca_def_to_bf16(kernel, case):
    """to_bf16 computes its definition."""
    x = kernel.receives(case, "x")
    h = kernel.to_bf16(x)
    expected_h = spec.to_bf16(x)
    claim(approx(h, expected_h))


@obligation("CA-DEF-FROM_BF16", equation="from_bf16", type="definition")
@given(case=from_bf16_inputs)
def test_ca_def_from_bf16(kernel, case):
    """from_bf16 computes its definition."""
    h = kernel.receives(case, "h")
    x = kernel.from_bf16(h)
    expected_x = spec.from_bf16(h)
    claim(approx(x, expected_x))


@obligation("CA-DEF-TO_F16", equation="to_f16", type="definition")
@given(case=to_bf16_inputs)
def test_ca_def_to_f16(kernel, case):
    """to_f16 computes its definition."""
    x = kernel.receives(case, "x")
    h = kernel.to_f16(x)
    expected_h = spec.to_f16(x)
    claim(approx(h, expected_h))


@obligation("CA-DEF-FROM_F16", equation="from_f16", type="definition")
@given(case=from_f16_inputs)
def test_ca_def_from_f16(kernel, case):
    """from_f16 computes its definition."""
    h = kernel.receives(case, "h")
    x = kernel.from_f16(h)
    expected_x = spec.from_f16(h)
    claim(approx(x, expected_x))


@obligation("CA-FT-TIES", rule="CA-DEF-TO_BF16", type="falsification")
def test_ca_ft_ties(kernel):
    """257 and 259 are ties at 8 bits: 256 and 260, both to even."""
    case = example({"x": "f32[N]"}, x=[257, 259, -257, -259])
    x = kernel.receives(case, "x")
    h = kernel.to_bf16(x)
    claim(h[0] == 256)
    claim(h[1] == 260)
    claim(h[2] == -256)
    claim(h[3] == -260)


@obligation("CA-FT-SUBNORMAL", rule="CA-DEF-FROM_F16", type="falsification")
def test_ca_ft_subnormal(kernel):
    """The smallest subnormal of float16 is 2^-24."""
    case = example({"h": "f16[N]"}, h=[5.960464477539063e-08, -5.960464477539063e-08])
    h = kernel.receives(case, "h")
    x = kernel.from_f16(h)
    claim(x[0] == 5.960464477539063e-08)
    claim(x[1] == -5.960464477539063e-08)


@obligation("CA-FT-OVERFLOW", rule="CA-DEF-TO_F16", type="falsification")
def test_ca_ft_overflow(kernel):
    """65519 is the largest integer that stays finite; 65520 does not."""
    case = example({"x": "f32[N]"}, x=[65519, 65520, -65520, float("inf")])
    x = kernel.receives(case, "x")
    h = kernel.to_f16(x)
    claim(h[0] == 65504)
    claim(h[1] == inf)
    claim(h[2] == -inf)
    claim(h[3] == inf)


@obligation("CA-FT-NAN", rule="CA-BITS", type="falsification")
def test_ca_ft_nan(kernel):
    """NaN stays NaN."""
    case = example({"x": "f32[N]"}, x=[float("nan"), 1])
    x = kernel.receives(case, "x")
    a = kernel.to_bf16(x)
    b = kernel.to_f16(x)
    expected_a = spec.to_bf16(x)
    expected_b = spec.to_f16(x)
    claim(exact(a, expected_a))
    claim(exact(b, expected_b))
