"""The multi-tensor Triton AdamW (interpreted on CPU tensors) against the NumPy reference, within derived bounds."""

import math

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches, sanitized
from albor_impl.optim.adamw import AdamW, Chunks, adamw, adamw_step_, cut
from albor_reference.optim.adamw import adamw as reference

INF = math.inf
U32 = 2.0**-24
UNIT = {torch.float32: U32, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
HYPER = {"lr": 3e-2, "beta1": 0.9, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}


def doubles(tensor):
    return tensor.detach().double().numpy()


def agree(before, after, dtype, step, hyper, max_norm):
    """One step from `before` (p, g, m, v) to `after` (p, m, v, norm), each result within its bound."""
    p, g, m, v = (doubles(t) for t in before)
    want_p, want_m, want_v, norm = reference(p, g, m, v, step, **hyper, max_norm=max_norm)
    got_p, got_m, got_v, got_norm = (doubles(t) for t in after)
    b1, b2 = hyper["beta1"], hyper["beta2"]
    clipped = g * min(1.0, max_norm / norm if norm > 0 else 1.0)
    # A coefficient (2), a product by it, a product by 1 - b, a product by b, their sum.
    m_error = 8 * U32 * (b1 * np.abs(m) + (1 - b1) * np.abs(clipped)) + 2.0**-149
    v_error = 12 * U32 * want_v + 2.0**-149
    m_hat, v_hat = want_m / (1 - b1**step), want_v / (1 - b2**step)
    below = np.sqrt(v_hat) + hyper["eps"]
    # d(m/r)/dm and d(m/r)/dv, and six roundings: two corrections, a root, a sum, two quotients.
    with np.errstate(divide="ignore", invalid="ignore"):
        root_error = np.where(
            v_hat > 0, v_error / (1 - b2**step) / (2 * np.sqrt(v_hat)), np.sqrt(v_error / (1 - b2**step))
        )
    update_error = m_error / (1 - b1**step) / below + np.abs(m_hat) / below * (root_error / below + 8 * U32)
    decay = hyper["weight_decay"] * np.abs(p)
    p_error = hyper["lr"] * (update_error + 6 * U32 * (np.abs(m_hat) / below + decay)) + U32 * np.abs(want_p)
    assert np.all(np.abs(got_m - want_m) <= m_error)
    assert np.all(np.abs(got_v - want_v) <= v_error)
    unit = 0.0 if dtype == torch.float32 else UNIT[dtype]
    assert np.all(np.abs(got_p - want_p) <= p_error + unit * np.abs(want_p) + 2.0**-24 * (dtype == torch.float16))
    assert abs(got_norm - norm) <= 2 * U32 * norm


def state(rows, size, dtype=torch.float32, seed=0):
    rng = np.random.default_rng(seed + 100 * rows + size)
    p, g = (torch.tensor(rng.standard_normal((rows, size))).to(dtype) for _ in range(2))
    m = torch.tensor(0.1 * rng.standard_normal((rows, size)), dtype=torch.float32)
    v = torch.tensor(rng.random((rows, size)), dtype=torch.float32)
    return p, g, m, v


@pytest.mark.parametrize("dtype", list(UNIT))
@pytest.mark.parametrize(("rows", "size"), [(1, 1), (3, 5), (2, 33), (1, 4097)])
@pytest.mark.parametrize("max_norm", [0.5, INF])
def test_equals_the_reference(rows, size, dtype, max_norm):
    before = state(rows, size, dtype)
    after = adamw(*before, 3, **HYPER, max_norm=max_norm)
    assert [t.dtype for t in after] == [dtype, torch.float32, torch.float32, torch.float32]
    assert [t.shape for t in after] == [(rows, size)] * 3 + [()]
    agree(before, after, dtype, 3, HYPER, max_norm)


@pytest.mark.parametrize(("dtype", "of_gradients"), [
    (torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32), (torch.float16, torch.bfloat16),
])  # fmt: skip
def test_gradients_of_another_dtype(dtype, of_gradients):
    p, g, m, v = state(3, 17, dtype)
    before = p, g.to(of_gradients), m, v
    after = adamw(*before, 3, **HYPER, max_norm=0.5)
    assert after[0].dtype == dtype
    agree(before, after, dtype, 3, HYPER, 0.5)


@pytest.mark.parametrize("changed", [
    {}, {"lr": 1e-3}, {"beta1": 0.5}, {"beta2": 0.9999}, {"eps": 1e-2}, {"weight_decay": 0.0}, {"beta1": 0.0},
])  # fmt: skip
def test_five_steps_with_changing_gradients(changed):
    """Every hyper-parameter reaches the kernel: a wrong one shows from the second step on."""
    hyper = HYPER | changed
    p, _, m, v = state(3, 17)
    m, v = torch.zeros_like(m), torch.zeros_like(v)
    rng = np.random.default_rng(1)
    for step in range(1, 6):
        g = torch.tensor(10.0 ** rng.integers(-3, 3) * rng.standard_normal((3, 17)), dtype=torch.float32)
        after = adamw(p, g, m, v, step, **hyper, max_norm=2.0)
        agree((p, g, m, v), after, torch.float32, step, hyper, 2.0)
        p, m, v, _ = after


def lists(sizes, dtype=torch.float32):
    rng = np.random.default_rng(len(sizes))

    def role(kind):
        return [torch.tensor(rng.standard_normal(size)).to(kind) for size in sizes]

    return role(dtype), role(dtype), role(torch.float32), [v.abs() for v in role(torch.float32)]


@pytest.mark.parametrize("chunk", [16, 32, 64])
def test_tensors_of_different_sizes_and_many_chunks(chunk):
    """Chunks and blocks smaller than the tensors; one global coefficient; result independent of the cut."""
    params, grads, ms, vs = lists([1, 16, 17, 64, 31, 130])
    flat = [torch.cat(role)[None] for role in (params, grads, ms, vs)]
    with record_launches() as launches:
        norm = adamw_step_(
            params, grads, ms, vs, step=2, **HYPER, max_norm=0.5, chunks=cut((params, grads, ms, vs), chunk, 16)
        )
    after = torch.cat(params)[None], torch.cat(ms)[None], torch.cat(vs)[None], norm
    agree(flat, after, torch.float32, 2, HYPER, 0.5)
    assert [one.kernel for one in launches] == ["_square_sum_kernel", "_norm_kernel", "_update_kernel"]
    assert launches[0].grid == (sum(-(-size // chunk) for size in (1, 16, 17, 64, 31, 130)),)


def test_more_chunks_than_one_block_adds_up():
    """1100 tensors leave 1100 partial sums, which one program adds by blocks of 1024."""
    params, grads, ms, vs = ([torch.full((1,), value)] * 1100 for value in (1.0, 0.5, 0.0, 0.0))
    params, ms, vs = ([t.clone() for t in role] for role in (params, ms, vs))
    norm = adamw_step_(params, grads, ms, vs, step=1, **HYPER, max_norm=1.0)
    flat = [torch.full((1, 1100), value) for value in (1.0, 0.5, 0.0, 0.0)]
    agree(flat, (*(torch.cat(role)[None] for role in (params, ms, vs)), norm), torch.float32, 1, HYPER, 1.0)


def test_shapes_of_any_rank_and_empty_tensors():
    params = [torch.ones(2, 3), torch.ones(()), torch.ones(0, 4), torch.ones(5)]
    grads = [torch.full_like(p, 0.5) for p in params]
    ms, vs = ([torch.zeros_like(p) for p in params] for _ in range(2))
    norm = adamw_step_(params, grads, ms, vs, step=1, **HYPER, max_norm=INF)
    assert norm.item() == np.float32(math.sqrt(12 * 0.25))
    assert len({float(x) for p in params for x in p.flatten()}) == 1 and params[0][0, 0] != 1
    assert adamw_step_([params[2]], [grads[2]], [ms[2]], [vs[2]], step=1, **HYPER, max_norm=1.0).item() == 0.0


@pytest.mark.parametrize("bad", [float("nan"), INF, -INF])
@pytest.mark.parametrize("max_norm", [1.0, INF])
def test_one_bad_gradient_stops_the_whole_step(bad, max_norm):
    before = state(3, 7)
    before[1][2, 3] = bad
    p, m, v, norm = adamw(*before, 3, **HYPER, max_norm=max_norm)
    assert not norm.isfinite()
    assert torch.equal(p, before[0]) and torch.equal(m, before[2]) and torch.equal(v, before[3])


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_squares_beyond_float32_do_not_overflow_or_vanish(size):
    g = torch.full((2, 8), size)
    p, m, v = torch.ones(2, 8), torch.zeros(2, 8), torch.zeros(2, 8)
    p2, m2, _, norm = adamw(p, g, m, v, 1, **HYPER, max_norm=size)
    exact = 4.0 * float(g[0, 0])
    assert abs(norm.item() - exact) <= 2 * U32 * exact
    assert torch.all((m2 - 0.1 * size / 4).abs() <= 8 * U32 * 0.1 * size / 4) and torch.all(p2 < 1)


def test_zero_gradient():
    p, g, m, v = state(2, 5)
    p2, m2, v2, norm = adamw(p, torch.zeros_like(g), torch.zeros_like(m), torch.zeros_like(v), 1, **HYPER, max_norm=0.0)
    assert norm.item() == 0 and not m2.any() and not v2.any()
    assert torch.all((p2 - p * (1 - 3e-3)).abs() <= 4 * U32 * p.abs())


def test_norm_within_the_limit_changes_nothing():
    before = state(3, 11)
    free = adamw(*before, 1, **HYPER, max_norm=INF)
    for one, other in zip(free, adamw(*before, 1, **HYPER, max_norm=2 * free[3].item()), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("chunk", [None, 16, 32])
def test_masters_carry_what_the_parameters_cannot(dtype, chunk):
    """Whole chunks of several blocks, and what is left of a tensor: both paths update both copies."""
    params, grads, ms, vs = lists([5, 40, 64], dtype)
    masters = [p.float() for p in params]
    hyper = HYPER | {"lr": 1e-5}
    chunks = cut((params, grads, ms, vs, masters), chunk, 16) if chunk else None
    for step in (1, 2, 3):
        flat = [torch.cat(role)[None].clone() for role in (masters, grads, ms, vs)]
        norm = adamw_step_(params, grads, ms, vs, step=step, **hyper, max_norm=1.0, masters=masters, chunks=chunks)
        after = torch.cat(masters)[None], torch.cat(ms)[None], torch.cat(vs)[None], norm
        agree(flat, after, torch.float32, step, hyper, 1.0)
    assert all(torch.equal(p, master.to(dtype)) for p, master in zip(params, masters, strict=True))
    assert not torch.equal(masters[0], params[0].float())


def test_layouts_and_inputs_unchanged():
    p, g, m, v = state(4, 6)
    views = p.t().contiguous().t(), g[:, :1].expand(4, 6), torch.cat([m, m], 1)[:, 6:], v
    before = [view.clone() for view in views]
    one = adamw(*views, 2, **HYPER, max_norm=1.0)
    other = adamw(*(view.contiguous() for view in views), 2, **HYPER, max_norm=1.0)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(views, before, strict=True))


def test_every_element_is_written():
    before = state(3, 33, torch.bfloat16)
    with poisoned(float("nan")):
        one = adamw(*before, 2, **HYPER, max_norm=1.0)
    with poisoned(1e30), sanitized():
        other = adamw(*before, 2, **HYPER, max_norm=1.0)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True)) and not one[0].isnan().any()


def test_views_that_are_not_aligned():
    """Tensors that begin in the middle of a 16-byte unit take the path without wide accesses."""
    whole = [torch.randn(20) for _ in range(3)] + [torch.rand(20)]
    views = [[t[1:]] for t in whole]
    copies = [t[1:].clone()[None] for t in whole]
    assert not cut(views).aligned and cut([[t] for t in whole]).aligned
    norm = adamw_step_(*views, step=2, **HYPER, max_norm=1.0)
    agree(copies, (views[0][0][None], views[2][0][None], views[3][0][None], norm), torch.float32, 2, HYPER, 1.0)


def test_optimizer_with_groups_clips_globally():
    rng = np.random.default_rng(3)
    params = [torch.nn.Parameter(torch.tensor(rng.standard_normal(n), dtype=torch.float32)) for n in (5, 9)]
    optimizer = AdamW(
        [{"params": [params[0]], "lr": 1e-2, "weight_decay": 0.0}, {"params": [params[1]], "betas": (0.8, 0.9)}],
        lr=3e-2, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1, max_norm=1.0,
    )  # fmt: skip
    hypers = [HYPER | {"lr": 1e-2, "weight_decay": 0.0}, HYPER | {"beta1": 0.8, "beta2": 0.9}]
    moments = [(torch.zeros(n), torch.zeros(n)) for n in (5, 9)]
    for step in (1, 2, 3):
        grads = [torch.tensor(rng.standard_normal(n) * step, dtype=torch.float32) for n in (5, 9)]
        norm = math.sqrt(sum((g.double() ** 2).sum().item() for g in grads))
        old = [p.detach().clone() for p in params]
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        optimizer.step()
        assert abs(optimizer.grad_norm.item() - norm) <= 2 * U32 * norm
        for k, p in enumerate(params):
            own = optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_avg_sq"]
            before = [t[None] for t in (old[k], grads[k], *moments[k])]
            length = np.linalg.norm(doubles(grads[k]))
            # The reference knows one tensor: the same coefficient comes from a limit scaled to its own norm.
            after = p.detach()[None], own[0][None], own[1][None], torch.tensor(length)
            agree(before, after, torch.float32, step, hypers[k], min(1.0, 1 / norm) * length)
            moments[k] = tuple(t.clone() for t in own)


def test_optimizer_state_survives_saving():
    p = torch.nn.Parameter(torch.randn(6).to(torch.bfloat16))
    optimizer = AdamW([p], lr=1e-4)
    p.grad = torch.randn(6).to(torch.bfloat16)
    optimizer.step()
    twin = torch.nn.Parameter(p.detach().clone())
    other = AdamW([twin], lr=1e-4)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[twin]["master"].dtype == torch.float32
    p.grad = twin.grad = torch.randn(6).to(torch.bfloat16)
    optimizer.step()
    other.step()
    assert all(torch.equal(optimizer.state[p][key], other.state[twin][key]) for key in optimizer.state[p])
    assert torch.equal(p, twin)


@pytest.mark.parametrize("dtype", list(UNIT))
def test_the_optimizer_makes_the_steps_of_the_function(dtype):
    """Two groups of one setting, a parameter without a gradient and one without elements beside others."""
    rng = torch.Generator().manual_seed(4)
    values = [torch.randn(n, generator=rng).to(dtype) for n in (5, 3, 0, 9)]
    params = [torch.nn.Parameter(v.clone()) for v in values]
    optimizer = AdamW(
        [{"params": params[:2]}, {"params": params[2:]}], lr=1e-3, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1,
        max_norm=1.0,
    )  # fmt: skip
    twins = [values[0].clone(), values[3].clone()]
    ms, vs = ([torch.zeros(len(t)) for t in twins] for _ in range(2))
    masters = [t.float() for t in twins]
    for step in range(1, 6):
        grads = [torch.randn(len(v), generator=rng).to(dtype) for v in values]
        for k in (0, 2, 3):  # the second has none
            params[k].grad = grads[k].clone()
        optimizer.step()
        norm = adamw_step_(
            twins, [grads[0], grads[3]], ms, vs, step=step, lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-6,
            weight_decay=0.1, max_norm=1.0, masters=None if dtype == torch.float32 else masters,
        )  # fmt: skip
        assert torch.equal(optimizer.grad_norm, norm)
        for k, twin, m, v, master in zip((0, 3), twins, ms, vs, masters, strict=True):
            own = optimizer.state[params[k]]
            assert torch.equal(params[k], twin) and torch.equal(own["exp_avg"], m) and torch.equal(own["exp_avg_sq"], v)
            assert dtype == torch.float32 or torch.equal(own["master"], master)
            assert m.dtype == v.dtype == torch.float32
    assert torch.equal(params[1], values[1]) and not optimizer.state[params[1]]


def test_what_is_loaded_is_the_optimizer_s_own():
    p = torch.nn.Parameter(torch.ones(3))
    saved = {"state": {0: {"exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}},
             "param_groups": [AdamW([p]).state_dict()["param_groups"][0] | {"step": 7}]}  # fmt: skip
    optimizer = AdamW([p])
    optimizer.load_state_dict(saved)
    p.grad = torch.full((3,), 5.0)
    optimizer.step()
    assert torch.equal(saved["state"][0]["exp_avg"], torch.ones(3))
    assert torch.equal(saved["state"][0]["exp_avg_sq"], torch.ones(3))
    assert optimizer.param_groups[0]["step"] == 8


def test_what_the_optimizer_refuses():
    p = torch.nn.Parameter(torch.ones(3))
    for name, value in (("lr", -1.0), ("eps", -1.0), ("weight_decay", -1.0), ("max_norm", -1.0)):
        with pytest.raises(ValueError, match=name):
            AdamW([p], **{name: value})
    optimizer = AdamW([p])
    p.grad = torch.ones(3)
    optimizer.param_groups[0]["lr"] = math.nan  # by a schedule
    with pytest.raises(ValueError, match="lr"):
        optimizer.step()
    assert torch.equal(p, torch.ones(3)) and optimizer.param_groups[0]["step"] == 0
    other = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = AdamW([p, other])
    other.grad = torch.ones(3, dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"float32.*bfloat16"):
        optimizer.step()


def test_arguments_that_do_not_fit():
    one = [torch.ones(3)]
    good = {"step": 1, **HYPER, "max_norm": 1.0}
    with pytest.raises(ValueError, match="no parameter"):
        adamw_step_([], [], [], [], **good)
    with pytest.raises(ValueError, match="1 parameters but 2 tensors in grads"):
        adamw_step_(one, one * 2, one, one, **good)
    with pytest.raises(ValueError, match=r"ms\[0\] has shape \[4\]"):
        adamw_step_(one, one, [torch.ones(4)], one, **good)
    with pytest.raises(TypeError, match=r"vs\[0\] must be float32"):
        adamw_step_(one, one, one, [torch.ones(3).half()], **good)
    with pytest.raises(TypeError, match=r"params\[1\]"):
        adamw_step_([torch.ones(3), torch.ones(3).half()], one * 2, one * 2, one * 2, **good)
    with pytest.raises(TypeError, match=r"grads\[1\] must be one of float32, bfloat16, float16, the same"):
        adamw_step_(one * 2, [torch.ones(3), torch.ones(3).half()], one * 2, one * 2, **good)
    with pytest.raises(TypeError, match=r"grads\[0\]"):
        adamw_step_(one, [torch.ones(3).double()], one, one, **good)
    with pytest.raises(ValueError, match=r"vs\[0\] is on meta, params\[0\] on cpu"):
        adamw_step_(one, one, one, [torch.ones(3, device="meta")], **good)
    with pytest.raises(ValueError, match="contiguous"):
        adamw_step_([torch.ones(6)[::2]], one, one, one, **good)
    chunks = cut([[t.clone() for t in one]] * 4)
    assert isinstance(chunks, Chunks)
    with pytest.raises(ValueError, match="other tensors"):
        adamw_step_(one, one, one, one, **good, chunks=chunks)
    with pytest.raises(ValueError, match=r"\[L, P\]"):
        adamw(torch.ones(2, 3), torch.ones(3, 2), torch.ones(2, 3), torch.ones(2, 3), **good)


@pytest.mark.parametrize(("name", "value"), [
    ("step", 0), ("beta1", 1.0), ("beta2", -0.1), ("beta2", float("nan")), ("lr", -1.0), ("lr", INF), ("eps", -1e-8),
    ("weight_decay", float("nan")), ("max_norm", -1.0), ("max_norm", float("nan")),
])  # fmt: skip
def test_hyperparameters_outside_their_range(name, value):
    with pytest.raises(ValueError, match=name):
        adamw(*(torch.ones(1, 1) for _ in range(4)), **({"step": 1, **HYPER, "max_norm": 1.0} | {name: value}))
