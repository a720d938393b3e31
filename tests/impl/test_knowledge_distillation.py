"""The Triton distillation loss (interpreted on CPU tensors) against the NumPy reference, within derived bounds."""

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_allocations, record_launches, sanitized
from albor_impl.core._sweep import INTERPRETED, sweep_blocks
from albor_impl.distill import knowledge_distillation as kernels
from albor_impl.distill.knowledge_distillation import (
    knowledge_distillation,
    knowledge_distillation_loss,
    launch,
)
from albor_impl.loss.cross_entropy import launch as hard_launch
from albor_reference.distill.knowledge_distillation import knowledge_distillation as reference

IGNORE = -100
INF = float("inf")
U32 = 2.0**-24
UNIT = {torch.float32: U32, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
SMALLEST = {torch.float32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-24}
DTYPES = list(UNIT)
SETTINGS = [(0.3, 3.0), (0.9, 0.5), (1.0, 4.0), (0.5, 2.0), (0.2, 1.0), (0.6, 4.0)]
HALVES = [torch.bfloat16, torch.float16]
SWEEPS = {"ROWS": 1, "BLOCK": 8, "ONE_BLOCK": False, "VECTOR": 4, "TILES": 2, "KEEP": 2, "num_warps": 4}


def doubles(tensor):
    return tensor.detach().double().numpy()


def softmax_and_error(z, temperature):
    """softmax(z / T), its log and the error of that log in float32 arithmetic, per element."""
    with np.errstate(invalid="ignore"):
        gap = np.where(np.isfinite(z), z.max(axis=1, keepdims=True) - z, 0.0) / temperature
        e = np.where(np.isfinite(z), np.exp(-gap), 0.0)
    p = e / e.sum(axis=1, keepdims=True)
    log_p = -gap - np.log(e.sum(axis=1, keepdims=True))
    mean = (p * gap).sum(axis=1, keepdims=True)
    # gap: a difference, 1 / T and a product; the sum: 8 sqrt(V) and what its terms carry; logarithm and difference.
    return p, log_p, U32 * (3 * gap + 3 * mean + 8 * np.sqrt(z.shape[1]) + 16 + 2 * np.abs(log_p))


def bounds(s, t, y, ds, alpha, temperature, dtype):
    """Largest error of the loss and of ds that float32 arithmetic and one rounding to `dtype` explain."""
    valid = y != IGNORE
    s, t = s[valid], t[valid]
    n, size = max(len(s), 1), s.shape[1]
    p, log_p, p_error = softmax_and_error(t, temperature)
    q, log_q, q_error = softmax_and_error(s, temperature)
    h, log_h, h_error = softmax_and_error(s, 1.0)
    soft, hard = alpha * temperature, 1 - alpha
    error = np.zeros(ds.shape)
    error[valid] = soft * (p * p_error + q * q_error) + hard * h * h_error
    error[valid] += 4 * U32 * (soft * (p + q) + hard * (h + 1))
    error = error / n + (UNIT[dtype] + 4 * U32) * np.abs(ds) + SMALLEST[dtype]
    difference = np.where(p > 0, np.abs(log_p - log_q), 0.0)
    terms = p * (difference * p_error + p_error + q_error + 4 * U32 * difference)
    size_kl = (p * difference).sum(axis=1)
    rows = alpha * temperature**2 * (terms.sum(axis=1) + U32 * (8 * np.sqrt(size) + 8) * size_kl)
    picked = (np.arange(len(s)), y[valid])
    rows += hard * (h_error[picked] + 4 * U32 * np.abs(log_h[picked]))
    magnitude = alpha * temperature**2 * size_kl + hard * np.abs(log_h[picked])
    return (rows.sum() + (8 * np.sqrt(n) + 8) * U32 * magnitude.sum()) / n, error


def case(rows, vocabulary, dtype, shift=0.0, seed=0):
    rng = np.random.default_rng(seed + rows * vocabulary)
    s = torch.tensor(3 * rng.standard_normal((rows, vocabulary)) + shift).to(dtype)
    t = torch.tensor(5 * rng.standard_normal((rows, vocabulary)) - shift).to(dtype)
    y = torch.tensor(rng.integers(0, vocabulary, rows))
    y[1::3] = IGNORE
    return s, t, y


def agree(s, t, y, alpha, temperature, loss, ds):
    expected, gradient = reference(doubles(s), doubles(t), y.numpy(), alpha, temperature, IGNORE)
    loss_error, error = bounds(doubles(s), doubles(t), y.numpy(), gradient, alpha, temperature, s.dtype)
    assert loss.shape == () and loss.dtype == torch.float32
    assert ds.shape == s.shape and ds.dtype == s.dtype
    assert np.all(np.abs(doubles(ds) - gradient) <= error)
    assert (loss.item() == expected) if np.isinf(expected) else (abs(loss.item() - expected) <= loss_error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "vocabulary"), [(1, 1), (1, 2), (5, 7), (17, 33), (2, 1025), (3, 4099)])
@pytest.mark.parametrize(("alpha", "temperature"), SETTINGS)
def test_equals_the_reference(rows, vocabulary, dtype, alpha, temperature):
    s, t, y = case(rows, vocabulary, dtype)
    agree(s, t, y, alpha, temperature, *knowledge_distillation(s, t, y, alpha, temperature, IGNORE))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocabulary", [15, 16, 17, 33])
def test_vocabulary_longer_than_a_block(vocabulary, dtype):
    s, t, y = case(3, vocabulary, dtype, shift=-15.0)
    ds = torch.full_like(s, 7.0)
    agree(s, t, y, 0.3, 2.0, launch(s, t, y, 0.3, 2.0, IGNORE, ds, SWEEPS), ds)


def test_vocabulary_longer_than_the_largest_block_of_practice():
    s, t, y = case(1, 9000, torch.float32)
    y[:] = 8999
    s[0, 8999] = t[0, 8999] = 20.0  # mass in the last column
    with record_launches() as launches:
        loss, ds = knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE)
    agree(s, t, y, 0.3, 2.0, loss, ds)
    assert [(one.kernel, one.grid) for one in launches] == [
        ("_count_kernel", (1,)), ("_distillation_kernel", (1,)), ("_mean_kernel", (1,)),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("keep", [2, 4])
@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 2.0), (1.0, 2.0), (0.5, 4.0)])
@pytest.mark.parametrize("vocabulary", [15, 33, 71, 97])
def test_sweeps_from_a_reference(vocabulary, alpha, temperature, keep, dtype):
    s, t, y = case(4, vocabulary, dtype)
    s[1], t[1] = float("nan"), -INF  # ignored
    s[2, 5] = t[2, 5] = t[3, 7] = -INF
    y[2] = vocabulary - 1
    ds = torch.full_like(s, 7.0)
    blocks = {**SWEEPS, "KEEP": keep}
    loss = launch(s, t, y, alpha, temperature, IGNORE, ds, blocks)
    assert loss.isfinite()
    s[1] = t[1] = 0.0
    agree(s, t, y, alpha, temperature, loss, ds)
    again = launch(s, t, y, alpha, temperature, IGNORE, s, blocks)  # in place
    assert torch.equal(loss, again) and torch.equal(s, ds)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("temperature", [2.0, 4.0])
@pytest.mark.parametrize("highest", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
def test_few_rows_are_done_again(shift, highest, temperature, dtype, monkeypatch):
    """A row far from zero is not, nor one of which a quarter is far above the others; of the last, one logit is."""
    s, t, y = case(3, 97, torch.float32)
    y[:] = torch.tensor([96, 0, 50])
    if highest is not None:
        s[:, 24 * highest :][:, :24] += 200.0
        t[:, 24 * highest :][:, :24] += 200.0
    again, way = [], kernels._from_maxima

    def counted(*arguments):
        again.append(1)
        return way(*arguments)

    monkeypatch.setattr(kernels, "_from_maxima", counted)
    s, t = (s + shift).to(dtype), (t - shift).to(dtype)
    ds = torch.empty_like(s)
    agree(s, t, y, 0.5, temperature, launch(s, t, y, 0.5, temperature, IGNORE, ds, SWEEPS), ds)
    assert not again
    t[2, 96] = t[2].max() + 300
    agree(s, t, y, 0.5, temperature, launch(s, t, y, 0.5, temperature, IGNORE, ds, SWEEPS), ds)
    assert len(again) == 1


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("temperature", [2.0, 4.0])
@pytest.mark.parametrize(("student", "teacher"), [
    (20.0, 30.0), (60.0, 0.0), (0.0, 60.0), (300.0, 300.0), (6e4, -6e4), (-6e4, 6e4), (-INF, 30.0), (-INF, -INF),
])  # fmt: skip
def test_a_logit_far_above_or_below_the_reference(student, teacher, temperature, dtype):
    """The last of 33 is no sample. Where it is much larger than the samples, the row is done in the other way."""
    s, t, y = case(2, 33, dtype)
    y[:] = torch.tensor([32, 0])
    s[0, 32], t[0, 32] = student, teacher
    ds = torch.empty_like(s)
    loss = launch(s, t, y, 0.5, temperature, IGNORE, ds, SWEEPS)
    agree(s, t, y, 0.5, temperature, loss, ds)


@pytest.mark.parametrize("value", [1e9, -1e9, 12482248704.0, 1e30, -1e30, 3.38e38])
def test_a_row_far_from_zero(value):
    """Where the reference itself is rounded by more than the logits differ."""
    s, t, y = case(2, 33, torch.bfloat16)
    y[:] = torch.tensor([32, 0])
    s[0, 3:], t[1, :30] = value, value
    ds = torch.empty_like(s)
    agree(s, t, y, 0.5, 2.0, launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS), ds)


def test_first_logit_of_an_ignored_row_is_its_largest():
    s, t, y = case(2, 33, torch.bfloat16)
    s[1, 0] = t[1, 0] = 30.0
    ds = torch.full_like(s, 7.0)
    agree(s, t, y, 0.5, 2.0, launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS), ds)


def test_more_rows_than_16_bits_can_count():
    s, t, y = case(263, 5, torch.bfloat16)
    y[:] = torch.arange(263) % 5
    ds = torch.empty_like(s)
    agree(s, t, y, 0.5, 2.0, launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS), ds)


@pytest.mark.parametrize("shift", [1000.0, 30000.0])
@pytest.mark.parametrize("dtype", HALVES)
def test_sweeps_far_from_zero(dtype, shift):
    s, t, y = case(4, 97, torch.float32)
    s, t = (4 * s + shift).to(dtype), (4 * t - shift).to(dtype)
    ds = torch.empty_like(s)
    agree(s, t, y, 0.5, 2.0, launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS), ds)


@pytest.mark.parametrize("which", ["student", "teacher"])
@pytest.mark.parametrize("place", [0, 32])
def test_samples_without_a_finite_logit_and_nan(which, place):
    s, t, y = case(2, 33, torch.bfloat16)
    y[:] = torch.tensor([32, 0])
    row = (s if which == "student" else t)[0]
    row[:32] = -INF
    ds = torch.empty_like(s)
    agree(s, t, y, 0.5, 2.0, launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS), ds)
    row[place] = float("nan")
    loss = launch(s, t, y, 0.5, 2.0, IGNORE, ds, SWEEPS)
    assert loss.isnan() and ds[0].isnan().all() and ds[1].isfinite().all()


def test_student_and_teacher_far_apart():
    s, t, y = case(4, 9, torch.float32)
    agree(s + 1000, t - 1000, y, 0.3, 2.0, *knowledge_distillation(s + 1000, t - 1000, y, 0.3, 2.0, IGNORE))


def test_teacher_of_another_dtype():
    s, _, y = case(3, 35, torch.bfloat16)
    _, t, _ = case(3, 35, torch.float32, seed=1)
    agree(s, t, y, 0.3, 2.0, *knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE))
    ds = torch.empty_like(s)
    agree(s, t, y, 0.3, 2.0, launch(s, t, y, 0.3, 2.0, IGNORE, ds, SWEEPS), ds)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("blocks", [None, SWEEPS])
def test_alpha_zero_is_cross_entropy_bitwise_even_when_kl_is_infinite(dtype, blocks):
    s, t, y = case(4, 20, dtype)
    s[0, 3] = -INF
    t[2] = float("nan")
    ds, dz = torch.empty_like(s), torch.empty_like(s)
    loss = launch(s, t, y, 0.0, 2.0, IGNORE, ds, blocks)
    assert torch.equal(loss, hard_launch(s, y, IGNORE, dz, blocks)) and torch.equal(ds, dz)
    assert loss.isfinite()


@pytest.mark.parametrize("blocks", [None, SWEEPS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_impossible_words(dtype, blocks):
    """-inf in student, teacher or both; 0 log 0 = 0, and mass the student cannot give is infinitely far."""
    s, t, y = case(4, 20, dtype)
    y[:] = torch.tensor([0, 1, 2, 3])
    s[0, 10:], t[0, 10:] = -INF, -INF  # both: finite
    t[1, :18] = -INF  # the teacher excludes more: finite, and its first block is empty
    agree_on = [0, 1]
    for rows, alpha in ((agree_on, 0.3), (agree_on, 1.0)):
        part = s[rows].clone(), t[rows].clone(), y[rows].clone()
        ds = torch.empty_like(part[0])
        loss = launch(*part, alpha, 2.0, IGNORE, ds, blocks)
        assert loss.isfinite() and ds.isfinite().all()
        agree(*part, alpha, 2.0, loss, ds)
    s[2, 5] = -INF  # the student excludes what the teacher wants
    ds = torch.empty_like(s)
    loss = launch(s, t, y, 0.3, 2.0, IGNORE, ds, blocks)
    assert loss.item() == INF and ds.isfinite().all()
    agree(s, t, y, 0.3, 2.0, loss, ds)


def test_alpha_one_does_not_read_the_labels_probability():
    s, t, y = case(1, 5, torch.float32)
    s[0, y[0]] = t[0, y[0]] = -INF
    loss, ds = knowledge_distillation(s, t, y, 1.0, 2.0, IGNORE)
    assert loss.isfinite() and ds.isfinite().all()
    agree(s, t, y, 1.0, 2.0, loss, ds)


def test_mass_that_underflows_is_still_mass():
    s, t = torch.tensor([[0.0, -INF]]), torch.tensor([[0.0, -200.0]])
    loss, _ = knowledge_distillation(s, t, torch.tensor([0]), 0.5, 1.0, IGNORE)
    assert loss.item() == INF


def test_student_equal_to_teacher_costs_nothing():
    s, _, y = case(3, 9, torch.float32)
    loss, ds = knowledge_distillation(s, s, y, 1.0, 2.5, IGNORE)
    assert loss.item() == 0.0 and not ds.any()


def test_all_ignored_is_zero_and_ignored_rows_are_not_read():
    nan = torch.full((3, 5), float("nan"))
    loss, ds = knowledge_distillation(nan, nan, torch.full((3,), IGNORE), 0.5, 2.0, IGNORE)
    assert loss.item() == 0.0 and torch.equal(ds, torch.zeros(3, 5))


@pytest.mark.parametrize("which", ["student", "teacher"])
def test_nan_in_a_counted_row_is_not_hidden(which):
    s, t, y = case(2, 9, torch.float32)
    y[0] = 1
    (s if which == "student" else t)[0, 4] = float("nan")
    loss, ds = knowledge_distillation(s, t, y, 0.5, 2.0, IGNORE)
    assert loss.isnan() and ds[0].isnan().all()


def test_every_element_is_written_and_nothing_else_is_allocated():
    s, t, y = case(5, 33, torch.bfloat16)
    with poisoned(float("nan")), record_allocations() as buffers:
        loss, ds = knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE)
    with poisoned(1e30):
        again, ds_again = knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE)
    assert torch.equal(loss, again) and torch.equal(ds, ds_again) and not ds.isnan().any()
    assert sorted(buffer.shape for buffer in buffers) == [(), (1,), (5,), (5, 33)]


def test_layouts_and_inputs_unchanged():
    s, t, y = case(4, 6, torch.float32)
    views = s.t().contiguous().t(), torch.cat([t, t], 1)[:, 6:]
    before = [view.clone() for view in views]
    loss, ds = knowledge_distillation(*views, y, 0.3, 2.0, IGNORE)
    same, ds_same = knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE)
    assert torch.equal(loss, same) and torch.equal(ds, ds_same)
    assert all(torch.equal(a, b) for a, b in zip(views, before, strict=True))


@pytest.mark.parametrize("inplace", [False, True])
def test_autograd(inplace):
    rng = torch.Generator().manual_seed(0)
    h, t = torch.randn(5, 4, generator=rng), torch.randn(5, 7, generator=rng)
    w = torch.randn(4, 7, generator=rng, requires_grad=True)
    y = torch.tensor([0, 6, IGNORE, 3, 3])
    logits = h @ w
    before = logits.detach().clone()
    loss = knowledge_distillation_loss(logits, t, y, 0.3, 2.0, inplace=inplace)
    loss.backward()
    wanted, ds = knowledge_distillation(before, t, y, 0.3, 2.0, IGNORE)
    assert torch.equal(loss, wanted) and torch.equal(w.grad, h.t() @ ds)
    assert torch.equal(logits, ds if inplace else before)


def test_autograd_refuses_what_the_function_refuses():
    z, y = torch.zeros(2, 3), torch.tensor([0, 0])
    with pytest.raises(ValueError, match=r"\[2, 3\].*\[2, 4\]"):
        knowledge_distillation_loss(z, torch.zeros(2, 4), y, 0.5, 1.0)
    with pytest.raises(ValueError, match="temperature"):
        knowledge_distillation_loss(z, z, y, 0.5, 0.0)
    with pytest.raises(ValueError, match="contiguous"):
        knowledge_distillation_loss(torch.zeros(2, 1).expand(2, 3), z, y, 0.5, 1.0, inplace=True)


@pytest.mark.parametrize("label", [-7, 35, 10**12])
@pytest.mark.parametrize("blocks", [None, SWEEPS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_unchecked_label_outside_the_vocabulary_gives_nan_and_no_wild_access(dtype, label, blocks):
    s, t, _ = case(2, 35, dtype)
    ds = torch.zeros_like(s)
    loss = launch(s, t, torch.tensor([0, label]), 0.3, 2.0, IGNORE, ds, blocks)
    assert loss.isnan() and ds[1].isnan().all() and ds[0].isfinite().all()


def test_no_32_bit_arithmetic_overflows():
    s, t, y = case(3, 65, torch.float32)
    with sanitized():
        agree(s, t, y, 0.3, 2.0, *knowledge_distillation(s, t, y, 0.3, 2.0, IGNORE))
    s, t, y = case(3, 65, torch.bfloat16)
    ds = torch.empty_like(s)
    with sanitized():
        agree(s, t, y, 0.3, 2.0, launch(s, t, y, 0.3, 2.0, IGNORE, ds, SWEEPS), ds)


def test_vocabularies_must_be_equal():
    with pytest.raises(ValueError, match=r"\[2, 5\].*\[2, 7\]"):
        knowledge_distillation(torch.zeros(2, 5), torch.zeros(2, 7), torch.tensor([0, 0]), 0.5, 1.0, IGNORE)


@pytest.mark.parametrize(("alpha", "temperature", "named"), [
    (-0.1, 1.0, "alpha"), (1.1, 1.0, "alpha"), (float("nan"), 1.0, "alpha"),
    (0.5, 0.0, "temperature"), (0.5, -1.0, "temperature"), (0.5, float("nan"), "temperature"),
    (0.5, INF, "temperature"),
])  # fmt: skip
def test_parameters_outside_their_range(alpha, temperature, named):
    with pytest.raises(ValueError, match=named):
        knowledge_distillation(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), alpha, temperature, IGNORE)


def test_other_arguments_that_do_not_fit():
    with pytest.raises(TypeError, match="teacher"):
        knowledge_distillation(torch.zeros(1, 2), torch.zeros(1, 2).double(), torch.tensor([0]), 0.5, 1.0, IGNORE)
    with pytest.raises(TypeError, match="student"):
        knowledge_distillation(torch.zeros(1, 2).double(), torch.zeros(1, 2), torch.tensor([0]), 0.5, 1.0, IGNORE)
    for z in (torch.zeros(1), torch.zeros(1, 0)):
        with pytest.raises(ValueError, match="student logits must have shape"):
            knowledge_distillation(z, torch.zeros(1, 2), torch.tensor([0]), 0.5, 1.0, IGNORE)
        with pytest.raises(ValueError, match="teacher logits must have shape"):
            knowledge_distillation(torch.zeros(1, 2), z, torch.tensor([0]), 0.5, 1.0, IGNORE)
    with pytest.raises(ValueError, match="label 2 of token 0"):
        knowledge_distillation(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([2]), 0.5, 1.0, IGNORE)


def test_a_call_is_cut_for_its_sizes_and_its_machine(monkeypatch):
    seen, stock = [], kernels._blocks
    monkeypatch.setattr(kernels, "_blocks", lambda *sizes: seen.append(sizes) or stock(*sizes))
    for student, teacher in ((torch.float16, torch.float16), (torch.float16, torch.float32)):
        s, t = torch.zeros(3, 5, dtype=student), torch.zeros(3, 5, dtype=teacher)
        knowledge_distillation(s, t, torch.zeros(3, dtype=torch.int64), 0.5, 2.0, IGNORE)
    assert seen == [(3, 5, 2, True), (3, 5, 4, True)]


def test_logits_on_two_devices_are_refused():
    s, y = torch.zeros(3, 5), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="student logits are on cpu, teacher logits on meta"):
        knowledge_distillation(s, s.to("meta"), y, 0.5, 2.0, IGNORE)


@pytest.mark.parametrize(("interpreted", "sweep"), [(False, (16, 2, 2, 64)), (True, INTERPRETED)])
@pytest.mark.parametrize("vocabulary", [2049, 32768, 131072])
def test_long_rows_are_swept_in_one_way_on_a_gpu_and_in_another_here(interpreted, sweep, vocabulary):
    for itemsize in (2, 4):
        blocks = kernels._blocks(7, vocabulary, itemsize, interpreted)
        assert blocks == {"ROWS": 1, "ONE_BLOCK": False, **sweep_blocks(itemsize, sweep)}
    assert kernels._blocks(7, 2048, 2, interpreted)["ONE_BLOCK"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("vocabulary", "temperature"), [(33, 2.0), (3000, 2.0), (3000, 1.5)])
def test_rows_that_lie_apart(vocabulary, temperature, dtype):
    """Each in its own way: nothing of a row's neighbour is read, and the result is the same to the bit.

    Two rows have a logit so large that long ones are done again with their maxima.
    """
    generator = torch.Generator().manual_seed(31)
    s, t = (torch.randn(4, vocabulary + more, generator=generator).to(dtype) for more in (5, 16))
    s[0, vocabulary // 3] = t[2, vocabulary // 3] = 200.0
    y = torch.tensor([2, IGNORE, 0, vocabulary - 1])
    apart = knowledge_distillation(s[:, :vocabulary], t[:, 3 : vocabulary + 3], y, 0.4, temperature, IGNORE)
    together = (s[:, :vocabulary].contiguous(), t[:, 3 : vocabulary + 3].contiguous())
    for one, two in zip(apart, knowledge_distillation(*together, y, 0.4, temperature, IGNORE), strict=True):
        assert torch.equal(one, two)
