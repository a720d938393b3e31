"""quantize/q4-k: Q4_K super-blocks.

Compiled from contracts/quantize/q4-k-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: ce56f22f4243b3cc3a65470c3b089bc10b4f3b56e7014d802780e0ef34a1d22f
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, exact, example, given, grid, independent, inf, max,
    obligation, real, rejects, round_to, same_twice, uses_at_most, where,
)

CONTRACT = "quantize/q4-k"


@defines("q4k_fields(blocks: u8[B, 144]) -> d: accum[B], dmin: accum[B], sc: u8[B, 8], m: u8[B, 8], q: u8[B, 8, 32]")
def q4k_fields(blocks):
    """the two float16 numbers, the 6-bit scales and mins, the 4-bit codes"""
    B = blocks.shape[0]
    b, j, i = grid(B, 8, 32)
    u = array[b](blocks[b, 0] | blocks[b, 1] << 8)
    v = array[b](blocks[b, 2] | blocks[b, 3] << 8)
    ue = array[b](u[b] >> 10 & 31)
    uf = array[b](u[b] & 1023)
    ve = array[b](v[b] >> 10 & 31)
    vf = array[b](v[b] & 1023)
    us = array[b](1 - 2 * (u[b] >> 15))
    vs = array[b](1 - 2 * (v[b] >> 15))
    d = array[b](us[b] * where(ue[b] == 31, where(uf[b] == 0, inf, inf - inf), where(ue[b] == 0, uf[b] * real(2) ** (-24), (1024 + uf[b]) * 2.0 ** (ue[b] - 25))))
    dmin = array[b](vs[b] * where(ve[b] == 31, where(vf[b] == 0, inf, inf - inf), where(ve[b] == 0, vf[b] * real(2) ** (-24), (1024 + vf[b]) * 2.0 ** (ve[b] - 25))))
    sc = array[b, j](where(j < 4, blocks[b, 4 + j] & 63, blocks[b, 8 + j] & 15 | blocks[b, 4 + (j - 4)] >> 6 << 4))
    m = array[b, j](where(j < 4, blocks[b, 8 + j] & 63, blocks[b, 8 + j] >> 4 | blocks[b, 4 + j] >> 6 << 4))
    q = array[b, j, i](blocks[b, 16 + 32 * (j // 2) + i] >> 4 * (j % 2) & 15)
    return d, dmin, sc, m, q


@defines("q4k_decode(blocks: u8[B, 144]) -> x: accum[B, 256]")
def q4k_decode(blocks):
    """x = d sc q - dmin m"""
    B = blocks.shape[0]
    b, i = grid(B, 256)
    d, dmin, sc, m, q = spec.q4k_fields(blocks)
    x = array[b, i](d[b] * sc[b, i // 32] * q[b, i // 32, i % 32] - dmin[b] * m[b, i // 32])
    return x


spec = definitions(CONTRACT, q4k_fields, q4k_decode, "q4k_encode(x: float[B, 256]) -> blocks: u8[B, 144]")

q4k_decode_inputs = cases(
    dims={"B": "1..40"},
    work={"B * 256": 2**18},
    blocks="u8[B, 144]",
)
q4k_encode_inputs = cases(
    dims={"B": "1..6", "K": "16"},
    work={"B * 8": 2**18, "B * 8 * 32": 2**18, "B * 8 * 32 * K": 2**18},
    x="float[B, 256] in [-4000000, 4000000]",
    code="permutation[K]",
)
qk_error_inputs = cases(
    dims={"B": "1..6"},
    x="float[B, 256] in [-4000000, 4000000]",
)
qk_steps_inputs = cases(
    dims={"B": "1..6"},
    work={"B * 8 * 32": 2**18, "B * 8": 2**18},
    x="float[B, 256] in [-0.00001, 0.00001]",
)
qk_finest_inputs = cases(
    dims={"B": "1..6"},
    work={"B * 8 * 32": 2**18, "B * 8": 2**18},
    x="float[B, 256] in [-4000000, 4000000]",
)
qk_zero_inputs = cases(
    dims={"B": "1..6"},
    work={"B * 144 * 8 * 32": 2**18},
    x="float[B, 256] in [-4000000, 4000000]",
)
qk_own_block_inputs = cases(
    dims={"B": "1..6"},
    work={"B * 144": 2**18, "B * B": 2**18},
    x="float[B, 256] in [-4000000, 4000000]",
    other_x="float[B, 256] in [-4000000, 4000000]",
)
qk_refuses_values_inputs = cases(
    dims={"B": "1..6"},
    x="float[B, 256] in [-4000000, 4000000]",
    bad="real in {inf, -inf, nan, 1000000000, -1000000000}",
    place="int in [0, 256 * B)",
)
qk_refuses_width_inputs = cases(
    dims={"B": "1..6", "C": "1, 31, 32, 128, 255, 257, 300, 512, 768"},
    x="float[B, 256] in [-4000000, 4000000]",
    other="float[B, C] in [-100, 100]",
)
qk_refuses_bytes_inputs = cases(
    dims={"B": "1..40", "C": "18, 72, 143, 145, 210, 288"},
    blocks="u8[B, 144]",
    other="u8[B, C]",
)
qk_says_why_inputs = cases(
    dims={"B": "1..6"},
    x="float[B, 256] in [-4000000, 4000000]",
    bad="real in {inf, -inf, nan}",
    place="int in [0, 256 * B)",
)
qk_one_launch_inputs = cases(
    dims={"B": "1..40"},
    blocks="u8[B, 144]",
)
qk_many_inputs = cases(
    dims={"B": "48, 64, 65, 128, 257"},
    work={"B * 256": 2**18},
    elements=37008,
    blocks="u8[B, 144]",
)
qk_many_encoded_inputs = cases(
    dims={"B": "16, 64, 65, 128"},
    elements=32768,
    x="float[B, 256] in [-4000000, 4000000]",
)


@obligation("QK-ROUNDS-ONCE", equation="q4k_decode", type="equivalence")
@given(case=q4k_decode_inputs)
def test_qk_rounds_once(kernel, case):
    """A decoder rounds once: in float32 all decoders agree bitwise."""
    blocks = kernel.receives(case, "blocks")
    B = case.B
    b, i = grid(B, 256)
    y = kernel.q4k_decode(blocks)
    exactly = spec.q4k_decode(blocks)
    claim(all[b, i](exact(round_to('f32', y[b, i]), round_to('f32', exactly[b, i]))))


@obligation("QK-NEAREST", equation="q4k_encode", type="bound")
@given(case=q4k_encode_inputs)
def test_qk_nearest(kernel, case):
    """Each weight has the nearest of the sixteen codewords of the scale and min that are stored."""
    x, code = kernel.receives(case, "x code")
    B, K = case.B, case.K
    b, j, i, k = grid(B, 8, 32, K)
    blocks = kernel.q4k_encode(x)
    d, dmin, sc, m, q = spec.q4k_fields(blocks)
    step = array[b, j](d[b] * sc[b, j])
    place = array[b, j, i]((x[b, 32 * j + i] + dmin[b] * m[b, j]) / where(step[b, j] > 0, step[b, j], 1) + 0 * q[b, j, i])
    claim(all[b, j](step[b, j] >= 0))
    claim(all[b, j, i, k]((step[b, j] == 0) | (abs(place[b, j, i] - q[b, j, i]) <= abs(place[b, j, i] - code[k]))))


@obligation("QK-ERROR", equation="q4k_encode", type="bound")
@given(case=qk_error_inputs)
def test_qk_error(kernel, case):
    """Decoding gives each weight back within max(D / 2, 7.5 d + dmin / 2), D the stored step of its sub-block."""
    x = kernel.receives(case, "x")
    B = case.B
    b, i = grid(B, 256)
    blocks = kernel.q4k_encode(x)
    d, dmin, sc, _, _ = spec.q4k_fields(blocks)
    y = spec.q4k_decode(blocks)
    claim(all[b, i](abs(x[b, i] - y[b, i]) <= max(d[b] * sc[b, i // 32] / 2, 7.5 * d[b] + dmin[b] / 2)))


@obligation("QK-STEPS", equation="q4k_encode", type="bound")
@given(case=qk_steps_inputs)
def test_qk_steps(kernel, case):
    """The step of a sub-block is the multiple of the stored d nearest to a fifteenth of its range, and its min that of
    dmin, also where d is one of the least float16 numbers."""
    x = kernel.receives(case, "x")
    B = case.B
    b, j, i = grid(B, 8, 32)
    blocks = kernel.q4k_encode(x)
    d, dmin, sc, m, q = spec.q4k_fields(blocks)
    z = array[b, j, i](x[b, 32 * j + i] + 0 * q[b, j, i])
    low = array[b, j](max(0, max[i](-z[b, j, i])))
    step = array[b, j]((max[i](z[b, j, i]) + low[b, j]) / 15)
    claim(all[b, j]((abs(d[b] * sc[b, j] - step[b, j]) <= d[b] / 2) & (abs(dmin[b] * m[b, j] - low[b, j]) <= dmin[b] / 2)))


@obligation("QK-FINEST", equation="q4k_encode", type="bound")
@given(case=qk_finest_inputs)
def test_qk_finest(kernel, case):
    """d and dmin are the least float16 numbers whose 63-fold reaches every sub-block's scale and min."""
    x = kernel.receives(case, "x")
    B = case.B
    b, j, i = grid(B, 8, 32)
    blocks = kernel.q4k_encode(x)
    d, dmin, _, _, q = spec.q4k_fields(blocks)
    z = array[b, j, i](x[b, 32 * j + i] + 0 * q[b, j, i])
    low = array[b, j](max(0, max[i](-z[b, j, i])))
    scale = array[b](max[j]((max[i](z[b, j, i]) + low[b, j]) / 15) / 63)
    start = array[b](max[j](low[b, j]) / 63)
    claim(all[b](d[b] >= scale[b]))
    claim(all[b](d[b] - scale[b] <= max(real(2) ** (-10) * scale[b], real(2) ** (-24))))
    claim(all[b](dmin[b] >= start[b]))
    claim(all[b](dmin[b] - start[b] <= max(real(2) ** (-10) * start[b], real(2) ** (-24))))


@obligation("QK-ZERO", equation="q4k_encode", type="boundary")
@given(case=qk_zero_inputs)
def test_qk_zero(kernel, case):
    """A block of zeros, of either sign, is 144 zero bytes; where the stored scale is 0 all codes are 0."""
    x = kernel.receives(case, "x")
    B = case.B
    b, w, t, j, i = grid(B, 256, 144, 8, 32)
    zeros = array[b, w](0 * x[b, w])
    empty = kernel.q4k_encode(zeros)
    blocks = kernel.q4k_encode(x)
    d, _, sc, _, q = spec.q4k_fields(blocks)
    claim(all[b, t](empty[b, t] == 0))
    claim(all[b, j, i]((d[b] * sc[b, j] > 0) | (q[b, j, i] == 0)))


@obligation("QK-OWN-BLOCK", equation="q4k_encode", type="independence")
@given(case=qk_own_block_inputs)
def test_qk_own_block(kernel, case):
    """The bytes of a block depend on its own weights only."""
    x, other_x = kernel.receives(case, "x other_x")
    B = case.B
    b, t, c, i = grid(B, 144, B, 256)
    independent(
        kernel.q4k_encode,
        x,
        other_x,
        when=b != c,
        output=(b, t),
        input=(c, i),
        case=case,
    )


@obligation("QK-SAME-BYTES", equation="q4k_encode", type="determinism")
@given(case=qk_error_inputs)
def test_qk_same_bytes(kernel, case):
    """Encoding twice gives the same bytes."""
    x = kernel.receives(case, "x")
    same_twice(lambda: kernel.q4k_encode(x))


@obligation("QK-REFUSES-VALUES", equation="q4k_encode", type="rejection")
@given(case=qk_refuses_values_inputs)
def test_qk_refuses_values(kernel, case):
    """NaN, infinity and what 63 float16 scales cannot reach are refused, and the block is named."""
    x, bad, place = kernel.receives(case, "x bad place")
    B = case.B
    b, i = grid(B, 256)
    broken = array[b, i](where(256 * b + i == place, bad, x[b, i]))
    rejects(kernel, "q4k_encode", (broken,), ValueError, mentions=["block"])


@obligation("QK-REFUSES-WIDTH", equation="q4k_encode", type="rejection")
@given(case=qk_refuses_width_inputs)
def test_qk_refuses_width(kernel, case):
    """Rows of another width than 256 are refused: nothing is padded, dropped or folded."""
    other = kernel.receives(case, "other")
    rejects(kernel, "q4k_encode", (other,), ValueError, mentions=["256"])


@obligation("QK-REFUSES-BYTES", equation="q4k_decode", type="rejection")
@given(case=qk_refuses_bytes_inputs)
def test_qk_refuses_bytes(kernel, case):
    """Blocks of another size than 144 bytes are refused."""
    other = kernel.receives(case, "other")
    rejects(kernel, "q4k_decode", (other,), ValueError, mentions=["144"])


@obligation("QK-SAYS-WHY", equation="q4k_encode", type="rejection")
@given(case=qk_says_why_inputs)
def test_qk_says_why(kernel, case):
    """NaN and infinity are refused as what they are, not as a range that is too large."""
    x, bad, place = kernel.receives(case, "x bad place")
    B = case.B
    b, i = grid(B, 256)
    broken = array[b, i](where(256 * b + i == place, bad, x[b, i]))
    rejects(kernel, "q4k_encode", (broken,), ValueError, mentions=["NaN or infinity", "block"])


@obligation("QK-REFUSES-FIELDS", equation="q4k_fields", type="rejection")
@given(case=qk_refuses_bytes_inputs)
def test_qk_refuses_fields(kernel, case):
    """Blocks of another size than 144 bytes are not taken apart."""
    other = kernel.receives(case, "other")
    rejects(kernel, "q4k_fields", (other,), ValueError, mentions=["144"])


@obligation("QK-ONE-LAUNCH", equation="q4k_decode", type="resource")
@given(case=qk_one_launch_inputs)
def test_qk_one_launch(kernel, case):
    """One launch decodes all blocks."""
    blocks = kernel.receives(case, "blocks")
    uses_at_most(1, "launches", lambda: kernel.q4k_decode(blocks))


@obligation("QK-MANY", equation="q4k_decode", type="equivalence")
@given(case=qk_many_inputs)
def test_qk_many(kernel, case):
    """Of dozens of blocks, whole numbers of tiles and others, each is decoded, and taken apart, like one alone."""
    blocks = kernel.receives(case, "blocks")
    B = case.B
    b, i = grid(B, 256)
    y = kernel.q4k_decode(blocks)
    _, _, sc, m, q = kernel.q4k_fields(blocks)
    exactly = spec.q4k_decode(blocks)
    _, _, expected_sc, expected_m, expected_q = spec.q4k_fields(blocks)
    claim(all[b, i](exact(round_to('f32', y[b, i]), round_to('f32', exactly[b, i]))))
    claim(exact(sc, expected_sc))
    claim(exact(m, expected_m))
    claim(exact(q, expected_q))


@obligation("QK-MANY-ENCODED", equation="q4k_encode", type="bound")
@given(case=qk_many_encoded_inputs)
def test_qk_many_encoded(kernel, case):
    """Of dozens of blocks each decodes to its own weights, as near as one alone."""
    x = kernel.receives(case, "x")
    B = case.B
    b, i = grid(B, 256)
    blocks = kernel.q4k_encode(x)
    d, dmin, sc, _, _ = spec.q4k_fields(blocks)
    y = spec.q4k_decode(blocks)
    claim(all[b, i](abs(x[b, i] - y[b, i]) <= max(d[b] * sc[b, i // 32] / 2, 7.5 * d[b] + dmin[b] / 2)))


@obligation("QK-DEF-Q4K_FIELDS", equation="q4k_fields", type="definition")
@given(case=qk_one_launch_inputs)
def test_qk_def_q4k_fields(kernel, case):
    """q4k_fields computes its definition."""
    blocks = kernel.receives(case, "blocks")
    d, dmin, sc, m, q = kernel.q4k_fields(blocks)
    expected_d, expected_dmin, expected_sc, expected_m, expected_q = spec.q4k_fields(blocks)
    claim(approx(d, expected_d))
    claim(approx(dmin, expected_dmin))
    claim(approx(sc, expected_sc))
    claim(approx(m, expected_m))
    claim(approx(q, expected_q))


@obligation("QK-DEF-Q4K_DECODE", equation="q4k_decode", type="definition")
@given(case=qk_one_launch_inputs)
def test_qk_def_q4k_decode(kernel, case):
    """q4k_decode computes its definition."""
    blocks = kernel.receives(case, "blocks")
    x = kernel.q4k_decode(blocks)
    expected_x = spec.q4k_decode(blocks)
    claim(approx(x, expected_x))


@obligation("QK-PREDICTS-MINS", rule="QK-DEF-Q4K_DECODE", type="falsification")
def test_qk_predicts_mins(kernel):
    """With all codes 0, d = 1 and dmin = 0.5 each weight is half the min of its sub-block, negated: 1 to 3 and 63, 0,
    17, 34 and 51."""
    case = example(
        {"blocks": "u8[B, 144]"},
        blocks=[[0, 60, 0, 56, 200, 201, 202, 203, 1, 66, 131, 255, 15, 31, 47, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    )
    blocks = kernel.receives(case, "blocks")
    B = case.B
    b, i = grid(B, 256)
    x = kernel.q4k_decode(blocks)
    claim(all[b, i](x[b, i] == where(i < 128, where(i < 32, -0.5, where(i < 64, -1, where(i < 96, -1.5, -31.5))), where(i < 160, 0, where(i < 192, -8.5, where(i < 224, -17, -25.5))))))
