"""core/batched-gemm: Batched matrix products.

Compiled from contracts/core/batched-gemm-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d4f10e8caa14be6de5d997b3376ffa882ffbfac95c4959b71bc6a670b1387184
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, defines, definitions, dot, example, given, grid, independent, obligation, rejects,
    same_twice,
)

CONTRACT = "core/batched-gemm"


@defines("batched_gemm(a: float[H, M, K], b: float[G, K, N]) -> c: float[H, M, N]")
def batched_gemm(a, b):
    """c_h = a_h b_(h // Q)"""
    H, M, K = a.shape
    G, _, N = b.shape
    Q = H // G
    h, m, k, n = grid(H, M, K, N)
    c = array[h, m, n](dot[k](a[h, m, k], b[h // Q, k, n]))
    return c


@defines("gemm(a: float[M, K], b: float[K, N]) -> c: float[M, N]")
def gemm(a, b):
    """c = a b"""
    M, K = a.shape
    N = b.shape[1]
    m, k, n = grid(M, K, N)
    c = array[m, n](dot[k](a[m, k], b[k, n]))
    return c


@defines("batched_gemm_nt(a: float[H, M, K], b: float[G, N, K]) -> c: float[H, M, N]")
def batched_gemm_nt(a, b):
    """c_h = a_h b_(h // Q)^T"""
    H, M, K = a.shape
    G, N, _ = b.shape
    Q = H // G
    h, m, k, n = grid(H, M, K, N)
    c = array[h, m, n](dot[k](a[h, m, k], b[h // Q, n, k]))
    return c


spec = definitions(CONTRACT, batched_gemm, gemm, batched_gemm_nt)

batched_gemm_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..17", "N": "1..33", "K": "1..65"},
    work={"H * M * N": 2**15, "M * N": 2**18},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
)
bg_own_inputs = cases(
    dims={"G": "2..3", "Q": "1..2", "H": "G * Q", "M": "1..5", "N": "1..5", "K": "1..9"},
    work={"H * M * N": 2**15, "H * H": 2**18},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
    other_a="float[H, M, K] in [-64, 64]",
)
bg_share_inputs = cases(
    dims={"G": "2..3", "Q": "2..3", "H": "G * Q", "M": "1..5", "N": "1..5", "K": "1..9"},
    work={"H * M * N": 2**15, "H * G": 2**18},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
    other_b="float[G, K, N] in [-8, 8]",
)
batched_gemm_nt_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..17", "N": "K", "K": "1..33"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, N, K] in [-8, 8]",
)
bg_repeat_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..17", "N": "1..33", "K": "1..65"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
)
bg_groups_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..17", "N": "1..33", "K": "1..65", "J": "H + 1"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
    odd="float[J, K, N] in [-8, 8]",
)
bg_shape_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..5", "N": "1..5", "K": "2..9", "L": "1, 10"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
    wrong="float[G, L, N] in [-8, 8]",
)
bg_shape_nt_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..5", "N": "1..5", "K": "2..9", "L": "1, 10"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, N, K] in [-8, 8]",
    wrong="float[G, N, L] in [-8, 8]",
)
bg_tiles_inputs = cases(
    dims={"G": "1..2", "Q": "1..2", "H": "G * Q", "M": "65, 129", "N": "130", "K": "129, 257"},
    work={"H * M * N": 2**15},
    elements=99973,
    a="float[H, M, K] in [-64, 64]",
    b="float[G, K, N] in [-8, 8]",
    t="float[G, N, K] in [-8, 8]",
)
bg_def_batched_gemm_nt_inputs = cases(
    dims={"G": "1..3", "Q": "1..3", "H": "G * Q", "M": "1..17", "N": "1..33", "K": "1..65"},
    work={"H * M * N": 2**15},
    a="float[H, M, K] in [-64, 64]",
    b="float[G, N, K] in [-8, 8]",
)


@obligation("BG-LOOP", equation="batched_gemm", type="equivalence")
@given(case=batched_gemm_inputs)
def test_bg_loop(kernel, case):
    """A batch is what a loop over single products gives; here the first and the last of it."""
    a, b = kernel.receives(case, "a b")
    G, H, M, N, K = case.G, case.H, case.M, case.N, case.K
    m, k, n = grid(M, K, N)
    c = kernel.batched_gemm(a, b)
    first_a = array[m, k](a[0, m, k])
    first_b = array[k, n](b[0, k, n])
    last_a = array[m, k](a[H - 1, m, k])
    last_b = array[k, n](b[G - 1, k, n])
    d = spec.gemm(first_a, first_b)
    e = spec.gemm(last_a, last_b)
    claim(all[m, n](approx(c[0, m, n], d[m, n]) & approx(c[H - 1, m, n], e[m, n])))


@obligation("BG-OWN", equation="batched_gemm", type="independence")
@given(case=bg_own_inputs)
def test_bg_own(kernel, case):
    """A product depends on its own left operand alone."""
    a, b, other_a = kernel.receives(case, "a b other_a")
    H, M, N, K = case.H, case.M, case.N, case.K
    h, m, n, g, i, k = grid(H, M, N, H, M, K)
    independent(
        lambda a: kernel.batched_gemm(a, b),
        a,
        other_a,
        when=g != h,
        output=(h, m, n),
        input=(g, i, k),
        case=case,
    )


@obligation("BG-SHARE", equation="batched_gemm", type="independence")
@given(case=bg_share_inputs)
def test_bg_share(kernel, case):
    """A product depends on the right operand of its group alone."""
    a, b, other_b = kernel.receives(case, "a b other_b")
    G, Q, H, M, N, K = case.G, case.Q, case.H, case.M, case.N, case.K
    h, m, n, g, k, j = grid(H, M, N, G, K, N)
    independent(
        lambda b: kernel.batched_gemm(a, b),
        b,
        other_b,
        when=g != h // Q,
        output=(h, m, n),
        input=(g, k, j),
        case=case,
    )


@obligation("BG-TRANSPOSED", equation="batched_gemm_nt", type="equivalence")
@given(case=batched_gemm_nt_inputs)
def test_bg_transposed(kernel, case):
    """Both forms agree when the right operands are transposed, square ones included."""
    a, b = kernel.receives(case, "a b")
    G, N, K = case.G, case.N, case.K
    g, k, n = grid(G, N, K)
    bt = array[g, n, k](b[g, k, n] + 0 * b[g, n, k])
    c = kernel.batched_gemm(a, bt)
    d = kernel.batched_gemm_nt(a, b)
    claim(approx(c, d))


@obligation("BG-SQUARE", equation="batched_gemm_nt", type="equivalence")
@given(case=batched_gemm_nt_inputs)
def test_bg_square(kernel, case):
    """Square right operands are transposed like others."""
    a, b = kernel.receives(case, "a b")
    claim(approx(kernel.batched_gemm_nt(a, b), spec.batched_gemm_nt(a, b)))


@obligation("BG-REPEAT", equation="batched_gemm", type="determinism")
@given(case=bg_repeat_inputs)
def test_bg_repeat(kernel, case):
    """The same operands give bitwise the same products."""
    a, b = kernel.receives(case, "a b")
    same_twice(lambda: kernel.batched_gemm(a, b))


@obligation("BG-GROUPS", equation="batched_gemm", type="rejection")
@given(case=bg_groups_inputs)
def test_bg_groups(kernel, case):
    """A batch that the right operands cannot share equally is refused."""
    a, odd = kernel.receives(case, "a odd")
    rejects(kernel, "batched_gemm", (a, odd), ValueError)


@obligation("BG-SHAPE", equation="batched_gemm", type="rejection")
@given(case=bg_shape_inputs)
def test_bg_shape(kernel, case):
    """Operands whose inner sizes differ are refused."""
    a, wrong = kernel.receives(case, "a wrong")
    rejects(kernel, "batched_gemm", (a, wrong), ValueError)


@obligation("BG-SHAPE-NT", equation="batched_gemm_nt", type="rejection")
@given(case=bg_shape_nt_inputs)
def test_bg_shape_nt(kernel, case):
    """Transposed, too, operands whose inner sizes differ are refused."""
    a, wrong = kernel.receives(case, "a wrong")
    rejects(kernel, "batched_gemm_nt", (a, wrong), ValueError)


@obligation("BG-TILES", equation="batched_gemm", type="equivalence")
@given(case=bg_tiles_inputs)
def test_bg_tiles(kernel, case):
    """Products of several tiles each way agree with the definition to the last row and column, transposed or not."""
    a, b, t = kernel.receives(case, "a b t")
    c = kernel.batched_gemm(a, b)
    d = kernel.batched_gemm_nt(a, t)
    expected_c = spec.batched_gemm(a, b)
    expected_d = spec.batched_gemm_nt(a, t)
    claim(approx(c, expected_c))
    claim(approx(d, expected_d))


@obligation("BG-DEF-BATCHED_GEMM", equation="batched_gemm", type="definition")
@given(case=bg_repeat_inputs)
def test_bg_def_batched_gemm(kernel, case):
    """batched_gemm computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.batched_gemm(a, b)
    expected_c = spec.batched_gemm(a, b)
    claim(approx(c, expected_c))


@obligation("BG-DEF-BATCHED_GEMM_NT", equation="batched_gemm_nt", type="definition")
@given(case=bg_def_batched_gemm_nt_inputs)
def test_bg_def_batched_gemm_nt(kernel, case):
    """batched_gemm_nt computes its definition."""
    a, b = kernel.receives(case, "a b")
    c = kernel.batched_gemm_nt(a, b)
    expected_c = spec.batched_gemm_nt(a, b)
    claim(approx(c, expected_c))


@obligation("BG-FT-GROUPS", rule="BG-DEF-BATCHED_GEMM", type="falsification")
def test_bg_ft_groups(kernel):
    """Four products, two right operands 1 and 10: (1, 1, 10, 10), not (1, 10, 1, 10)."""
    case = example({"a": "float[H, M, K]", "b": "float[G, K, N]"}, a=[[[1]], [[1]], [[1]], [[1]]], b=[[[1]], [[10]]])
    a, b = kernel.receives(case, "a b")
    c = kernel.batched_gemm(a, b)
    claim(c[0, 0, 0] == 1)
    claim(c[1, 0, 0] == 1)
    claim(c[2, 0, 0] == 10)
    claim(c[3, 0, 0] == 10)
