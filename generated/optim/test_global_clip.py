"""optim/global-clip: Clipping by the global norm, on the device.

Compiled from contracts/optim/global-clip-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: d0a007523d86336bca322fca46f3f7b6712526c08bd5aaa8c120e37a407cf2f2
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, defines, definitions, dot, exact, example, given, grid, inf, isfinite, max,
    min, no_fallback, obligation, ratio, rejects, same_twice, single, sqrt, uses_at_most, where,
)

CONTRACT = "optim/global-clip"


@defines(
    "global_clip(a: float[L, P], b: float[M, Q], max_norm: real, eps: real)"
    " -> a2: float[L, P], b2: float[M, Q], coefficient: accum[], norm: accum[]",
    on_device="a a2 b b2 coefficient norm",
)
def global_clip(a, b, max_norm, eps):
    """norm = sqrt(|a|^2 + |b|^2), coefficient = min(1, max_norm / (norm + eps)), a' = coefficient a, b' = coefficient
    b"""
    L, P = a.shape
    M, Q = b.shape
    l, i, k, j = grid(L, P, M, Q)
    norm = single(sqrt(dot[l, i](a[l, i], a[l, i]) + dot[k, j](b[k, j], b[k, j])))
    coefficient = single(where(isfinite(norm), min(1, max_norm / (norm + eps)), 0))
    a2 = array[l, i](where(isfinite(norm), coefficient * a[l, i], 0))
    b2 = array[k, j](where(isfinite(norm), coefficient * b[k, j], 0))
    return a2, b2, coefficient, norm


spec = definitions(CONTRACT, global_clip)

global_clip_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    work={"L * P * M * Q": 2**18},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in [1e-6, 0.5]",
)
gcl_swap_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in [1e-6, 0.5]",
)
gcl_usual_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in {1e-6}",
)
gcl_small_inputs = cases(
    dims={"L": "1..4", "P": "1..33", "M": "1..3", "Q": "1..33"},
    a="float[L, P] in [-0.01, 0.01]",
    b="float[M, Q] in [-0.01, 0.01]",
    max_norm="real in [1, 20] or {inf}",
    eps="real in [1e-6, 0.1]",
)
gcl_nonfinite_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    work={"L * P * M * Q": 2**18},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in [1e-6, 0.5]",
    row="int in [0, L - 1]",
    place="int in [0, P - 1]",
    bad="real in {nan, inf, -inf}",
)
gcl_limit_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in [1e-6, 0.5]",
    wrong="real in {-5, -0.01, nan}",
)
gcl_edge_inputs = cases(
    dims={"L": "1..4", "P": "1..257", "M": "1..3", "Q": "1..70"},
    work={"L * P * M * Q": 2**18},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in [0.05, 0.5]",
    share="real in [-0.9, 0.9]",
)
gcl_tiles_inputs = cases(
    dims={"L": "1", "P": "4099, 65601", "M": "2", "Q": "1, 2051"},
    elements=69705,
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 20] or {inf}",
    eps="real in {1e-6}",
)
gcl_many_inputs = cases(
    dims={"L": "5, 8, 16, 33", "P": "1, 8, 64, 256", "M": "1, 8, 16", "Q": "2, 16, 64"},
    assume=("L * P <= 4096",),
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in [0.05, 1]",
    eps="real in {1e-6}",
)
gcl_nothing_inputs = cases(
    dims={"L": "1..4", "P": "1..33", "M": "1..3", "Q": "1..33"},
    work={"L * P * M * Q": 2**18},
    a="float[L, P] in [-4, 4]",
    b="float[M, Q] in [-4, 4]",
    max_norm="real in {0}",
    eps="real in {1e-6}",
)
gcl_no_constant_inputs = cases(
    dims={"L": "1..4", "P": "1..9", "M": "1..3", "Q": "1..9"},
    a="float[L, P] in [-0.0001, -0.00002] or [0.00002, 0.0001]",
    b="float[M, Q] in [-0.0001, -0.00002] or [0.00002, 0.0001]",
    max_norm="real in [0.00001, 0.00002]",
    eps="real in {0}",
)
gcl_range_inputs = cases(
    dims={"L": "1..4", "P": "1..33", "M": "1..3", "Q": "1..33"},
    a="float[L, P] in [-1e30, 1e30]",
    b="float[M, Q] in [-1e30, 1e30]",
    max_norm="real in [0.05, 5]",
    eps="real in {1e-6}",
)


@obligation("GCL-NORM", equation="global_clip", type="bound")
@given(case=global_clip_inputs)
def test_gcl_norm(kernel, case):
    """The norm of everything that comes out is at most max_norm."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    a2, b2, _, _ = kernel.global_clip(a, b, max_norm, eps)
    claim(sqrt(dot[l, i](a2[l, i], a2[l, i]) + dot[k, j](b2[k, j], b2[k, j])) <= max_norm)


@obligation("GCL-DIRECTION", equation="global_clip", type="equivalence")
@given(case=global_clip_inputs)
def test_gcl_direction(kernel, case):
    """Every element of every tensor is multiplied by the coefficient that is returned."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    a2, b2, coefficient, _ = kernel.global_clip(a, b, max_norm, eps)
    claim(all[l, i](approx(a2[l, i], coefficient * a[l, i])))
    claim(all[k, j](approx(b2[k, j], coefficient * b[k, j])))


@obligation("GCL-SWAP", equation="global_clip", type="symmetry")
@given(case=gcl_swap_inputs)
def test_gcl_swap(kernel, case):
    """The order of the tensors does not matter."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    b3, a3, same_coefficient, same_norm = kernel.global_clip(b, a, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(coefficient, same_coefficient))
    claim(approx(norm, same_norm))


@obligation("GCL-USUAL", equation="global_clip", type="equivalence")
@given(case=gcl_usual_inputs)
def test_gcl_usual(kernel, case):
    """With the usual constant, 1e-6, gradients and norm are those of the definition, whoever returns the
    coefficient."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, _, norm = kernel.global_clip(a, b, max_norm, eps)
    a3, b3, _, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(norm, n3))


@obligation("GCL-SMALL", equation="global_clip", type="boundary")
@given(case=gcl_small_inputs)
def test_gcl_small(kernel, case):
    """Where norm + eps is below max_norm nothing changes, not by one bit, and the coefficient is 1."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, _ = kernel.global_clip(a, b, max_norm, eps)
    claim(exact(a2, a))
    claim(exact(b2, b))
    claim(coefficient == 1)


@obligation("GCL-NONFINITE", equation="global_clip", type="boundary")
@given(case=gcl_nonfinite_inputs)
def test_gcl_nonfinite(kernel, case):
    """One element that is not finite, in either tensor, makes the coefficient and everything else 0; the norm says
    so."""
    a, b, max_norm, eps, row, place, bad = kernel.receives(case, "a b max_norm eps row place bad")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    spoiled = array[l, i](where((l == row) & (i == place), bad, a[l, i]))
    a2, b2, coefficient, norm = kernel.global_clip(spoiled, b, max_norm, eps)
    b3, a3, same_coefficient, same_norm = kernel.global_clip(b, spoiled, max_norm, eps)
    claim(coefficient == 0)
    claim(all[l, i](a2[l, i] == 0))
    claim(all[k, j](b2[k, j] == 0))
    claim(~isfinite(norm))
    claim(same_coefficient == 0)
    claim(all[l, i](a3[l, i] == 0))
    claim(all[k, j](b3[k, j] == 0))
    claim(~isfinite(same_norm))


@obligation("GCL-ZERO", equation="global_clip", type="boundary")
@given(case=gcl_swap_inputs)
def test_gcl_zero(kernel, case):
    """A gradient of zeros has norm 0 and stays as it is."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    none = array[l, i](0 * abs(a[l, i]))
    nothing = array[k, j](0 * abs(b[k, j]))
    a2, b2, _, norm = kernel.global_clip(none, nothing, max_norm, eps)
    claim(norm == 0)
    claim(exact(a2, none))
    claim(exact(b2, nothing))


@obligation("GCL-TWICE", equation="global_clip", type="determinism")
@given(case=gcl_swap_inputs)
def test_gcl_twice(kernel, case):
    """Two calls agree bitwise, whatever was in the memory that they got."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    same_twice(lambda: kernel.global_clip(a, b, max_norm, eps))


@obligation("GCL-NO-WAIT", equation="global_clip", type="resource")
@given(case=gcl_swap_inputs)
def test_gcl_no_wait(kernel, case):
    """The host waits for nothing."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    uses_at_most(0, "synchronisations", lambda: kernel.global_clip(a, b, max_norm, eps))


@obligation("GCL-NO-COPY", equation="global_clip", type="resource")
@given(case=gcl_swap_inputs)
def test_gcl_no_copy(kernel, case):
    """Nothing is copied to the host, whatever the sizes."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    uses_at_most(0, "downloads", lambda: kernel.global_clip(a, b, max_norm, eps))


@obligation("GCL-LAUNCHES", equation="global_clip", type="resource")
@given(case=gcl_swap_inputs)
def test_gcl_launches(kernel, case):
    """Two launches for each tensor and two besides, whatever the sizes."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    uses_at_most(6, "launches", lambda: kernel.global_clip(a, b, max_norm, eps))


@obligation("GCL-SERVED", equation="global_clip", type="dispatch")
@given(case=gcl_swap_inputs)
def test_gcl_served(kernel, case):
    """No kernel has a silent replacement: where one of them is refused, the call fails and says which."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    no_fallback(lambda: kernel.global_clip(a, b, max_norm, eps))


@obligation("GCL-LIMIT", equation="global_clip", type="rejection")
@given(case=gcl_limit_inputs)
def test_gcl_limit(kernel, case):
    """A max_norm that is negative or NaN is refused."""
    a, b, eps, wrong = kernel.receives(case, "a b eps wrong")
    rejects(kernel, "global_clip", (a, b, wrong, eps), ValueError, mentions=["max_norm"])


@obligation("GCL-CONSTANT-REFUSED", equation="global_clip", type="rejection")
@given(case=gcl_limit_inputs)
def test_gcl_constant_refused(kernel, case):
    """A constant beside the norm that is negative or NaN is refused."""
    a, b, max_norm, wrong = kernel.receives(case, "a b max_norm wrong")
    rejects(kernel, "global_clip", (a, b, max_norm, wrong), ValueError, mentions=["eps"])


@obligation("GCL-EDGE", equation="global_clip", type="boundary")
@given(case=gcl_edge_inputs)
def test_gcl_edge(kernel, case):
    """Where the norm lies within eps of max_norm, it is norm + eps that is compared and divides."""
    a, b, eps, share = kernel.receives(case, "a b eps share")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    n = single(sqrt(dot[l, i](a[l, i], a[l, i]) + dot[k, j](b[k, j], b[k, j])))
    limit = single(max(n + share * eps, 0.01))
    a2, b2, coefficient, _ = kernel.global_clip(a, b, limit, eps)
    a3, b3, c3, _ = spec.global_clip(a, b, limit, eps)
    claim(approx(coefficient, c3))
    claim(approx(a2, a3))
    claim(approx(b2, b3))


@obligation("GCL-TILES", equation="global_clip", type="equivalence")
@given(case=gcl_tiles_inputs)
def test_gcl_tiles(kernel, case):
    """Tensors of several programs are added up and scaled to the last element."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, _, norm = kernel.global_clip(a, b, max_norm, eps)
    a3, b3, _, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(norm, n3))


@obligation("GCL-MANY", equation="global_clip", type="equivalence")
@given(case=gcl_many_inputs)
def test_gcl_many(kernel, case):
    """Dozens of rows in each tensor, whole numbers of blocks and others, are all counted and all scaled."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, _, norm = kernel.global_clip(a, b, max_norm, eps)
    a3, b3, _, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(norm, n3))


@obligation("GCL-NOTHING", equation="global_clip", type="boundary", cost=2)
@given(case=gcl_nothing_inputs)
def test_gcl_nothing(kernel, case):
    """A max_norm of 0 makes a gradient of zeros; the norm is that before clipping."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    L, P, M, Q = case.L, case.P, case.M, case.Q
    l, i, k, j = grid(L, P, M, Q)
    a2, b2, _, norm = kernel.global_clip(a, b, max_norm, eps)
    _, _, _, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(all[l, i](a2[l, i] == 0))
    claim(all[k, j](b2[k, j] == 0))
    claim(approx(norm, n3))


@obligation("GCL-NO-CONSTANT", equation="global_clip", type="equivalence", cost=2)
@given(case=gcl_no_constant_inputs)
def test_gcl_no_constant(kernel, case):
    """An eps of 0 leaves the norm alone, also where it is small beside the usual constants."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    a3, b3, c3, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(coefficient, c3))
    claim(approx(norm, n3))


@obligation("GCL-RANGE", equation="global_clip", type="equivalence")
@given(case=gcl_range_inputs)
def test_gcl_range(kernel, case):
    """Gradients whose squares overflow float32 are clipped like any others."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    a3, b3, c3, n3 = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, a3))
    claim(approx(b2, b3))
    claim(approx(coefficient, c3))
    claim(approx(norm, n3))


@obligation("GCL-DEF-GLOBAL_CLIP", equation="global_clip", type="definition")
@given(case=gcl_swap_inputs)
def test_gcl_def_global_clip(kernel, case):
    """global_clip computes its definition."""
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    expected_a2, expected_b2, expected_coefficient, expected_norm = spec.global_clip(a, b, max_norm, eps)
    claim(approx(a2, expected_a2))
    claim(approx(b2, expected_b2))
    claim(approx(coefficient, expected_coefficient))
    claim(approx(norm, expected_norm))


@obligation("GCL-FT-TEN", rule="GCL-DIRECTION", type="falsification")
def test_gcl_ft_ten(kernel):
    """Norms of 6 and 8 are 10 together; at max_norm 1 and eps 0.5 both shrink to 2/21."""
    case = example(
        {"a": "float[L, P]", "b": "float[M, Q]", "max_norm": "real", "eps": "real"},
        a=[[6.0]],
        b=[[8.0]],
        max_norm=1.0,
        eps=0.5,
    )
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    claim(approx(norm, 10))
    claim(approx(coefficient, ratio(2, 21)))
    claim(approx(a2[0, 0], ratio(12, 21)))
    claim(approx(b2[0, 0], ratio(16, 21)))


@obligation("GCL-FT-INFINITE", rule="GCL-NONFINITE", type="falsification")
def test_gcl_ft_infinite(kernel):
    """An infinite element next to finite ones: zeros, and a norm of infinity."""
    case = example(
        {"a": "float[L, P]", "b": "float[M, Q]", "max_norm": "real", "eps": "real", "row": "int", "place": "int", "bad": "real"},
        a=[[float("inf"), 1.0]],
        b=[[2.0]],
        max_norm=1.0,
        eps=0.001,
        row=0,
        place=0,
        bad=float("inf"),
    )
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    claim(a2[0, 0] == 0)
    claim(a2[0, 1] == 0)
    claim(b2[0, 0] == 0)
    claim(coefficient == 0)
    claim(norm == inf)


@obligation("GCL-FT-NO-LIMIT", rule="GCL-NONFINITE", type="falsification")
def test_gcl_ft_no_limit(kernel):
    """Without a limit, too, an infinite element makes zeros."""
    case = example(
        {"a": "float[L, P]", "b": "float[M, Q]", "max_norm": "real", "eps": "real", "row": "int", "place": "int", "bad": "real"},
        a=[[float("inf"), 1.0]],
        b=[[2.0]],
        max_norm=float("inf"),
        eps=0.001,
        row=0,
        place=0,
        bad=float("inf"),
    )
    a, b, max_norm, eps = kernel.receives(case, "a b max_norm eps")
    a2, b2, coefficient, norm = kernel.global_clip(a, b, max_norm, eps)
    claim(a2[0, 0] == 0)
    claim(a2[0, 1] == 0)
    claim(b2[0, 0] == 0)
    claim(coefficient == 0)
    claim(norm == inf)
