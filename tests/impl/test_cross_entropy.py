"""The Triton cross-entropy (interpreted on CPU tensors) against the NumPy reference, within derived bounds."""

import numpy as np
import pytest
import torch
from albor_impl._triton import OutOfBounds, poisoned, record_allocations, record_launches, sanitized
from albor_impl.loss import cross_entropy as module
from albor_impl.loss.cross_entropy import cross_entropy, cross_entropy_loss, launch
from albor_reference.loss.cross_entropy import cross_entropy as reference

IGNORE = -100
INF = float("inf")
U32 = 2.0**-24
UNIT = {torch.float32: U32, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
SMALLEST = {torch.float32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-24}
DTYPES = list(UNIT)
SWEEPS = {"ROWS": 1, "BLOCK": 8, "ONE_BLOCK": False, "VECTOR": 4, "TILES": 2, "KEEP": 4, "num_warps": 4}


def doubles(tensor):
    return tensor.detach().double().numpy()


def bounds(z, y, dz, dtype):
    """Largest error of the loss and of dz that float32 arithmetic and one rounding to `dtype` explain.

    exp(z - m) carries |z - m| + 4 units, a sum of V terms 8 sqrt(V) more and the mean of what its terms carry;
    the loss adds the rows' errors, a logarithm and the sum over T rows.
    """
    valid = y != IGNORE
    z = z[valid]
    with np.errstate(invalid="ignore"):
        gap = np.where(np.isfinite(z), z.max(axis=1, keepdims=True) - z, 0.0)
        p = np.where(np.isfinite(z), np.exp(-gap), 0.0)
    p /= p.sum(axis=1, keepdims=True)
    mean_gap = (p * gap).sum(axis=1, keepdims=True)
    relative = U32 * (gap + mean_gap + 8 * np.sqrt(z.shape[1]) + 16)
    n = max(len(z), 1)
    error = np.zeros(dz.shape)
    error[valid] = p * relative / n
    error += (UNIT[dtype] + 3 * U32) * np.abs(dz) + SMALLEST[dtype]
    rows = U32 * (
        mean_gap[:, 0] + 8 * np.sqrt(z.shape[1]) + 16 + 4 * (gap[np.arange(len(z)), y[valid]] + np.log(z.shape[1]))
    )
    total = rows.sum() + 8 * np.sqrt(n) * U32 * (gap[np.arange(len(z)), y[valid]] + np.log(z.shape[1]) + 1).sum()
    return total / n, error


def case(rows, vocabulary, dtype, scale=4.0, shift=0.0, seed=0):
    rng = np.random.default_rng(seed + rows * vocabulary)
    z = torch.tensor(scale * rng.standard_normal((rows, vocabulary)) + shift).to(dtype)
    y = torch.tensor(rng.integers(0, vocabulary, rows))
    y[1::3] = IGNORE
    return z, y


def agree(z, y, loss, dz):
    expected, gradient = reference(doubles(z), y.numpy(), IGNORE)
    loss_error, error = bounds(doubles(z), y.numpy(), gradient, z.dtype)
    assert loss.shape == () and loss.dtype == torch.float32
    assert dz.shape == z.shape and dz.dtype == z.dtype
    assert np.array_equal(np.isfinite(doubles(dz)), np.isfinite(gradient))
    assert np.all(np.abs(doubles(dz) - gradient) <= error)
    assert (loss.item() == expected) if np.isinf(expected) else (abs(loss.item() - expected) <= loss_error)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "vocabulary"), [(1, 1), (1, 2), (5, 7), (33, 33), (3, 1025), (4, 4099)])
@pytest.mark.parametrize("shift", [0.0, -30.0])
def test_equals_the_reference(rows, vocabulary, dtype, shift):
    z, y = case(rows, vocabulary, dtype, shift=shift)
    agree(z, y, *cross_entropy(z, y, IGNORE))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocabulary", [15, 16, 17, 31, 33, 65])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("keep", [2, 4])
def test_vocabulary_longer_than_a_block(vocabulary, dtype, rows, keep):
    """The two-sweep path, with blocks small enough to need several; of which one step is kept, or more than the row."""
    z, y = case(rows, vocabulary, dtype)
    dz = torch.full_like(z, 7.0)
    agree(z, y, launch(z, y, IGNORE, dz, {**SWEEPS, "KEEP": keep}), dz)


def test_vocabulary_longer_than_the_largest_block_of_practice():
    z, y = case(2, 40_000, torch.float32)
    y[:] = torch.tensor([39_999, 32_768])
    z[0, 39_999] = 25.0  # mass in the last column
    with record_launches() as launches:
        loss, dz = cross_entropy(z, y, IGNORE)
    agree(z, y, loss, dz)
    kernels = [(one.kernel, one.grid) for one in launches]
    assert kernels == [("_count_kernel", (1,)), ("_cross_entropy_kernel", (2,)), ("_mean_kernel", (1,))]


def test_the_exponential_has_the_digits_of_float32():
    """Of two classes the second has the probability exp(-x) / (1 + exp(-x)); x has no error here."""
    x = torch.linspace(0, 80, 64)
    _, dz = cross_entropy(torch.stack([torch.zeros(64), -x], 1), torch.zeros(64, dtype=torch.int64), IGNORE)
    wanted = 1 / (1 + np.exp(doubles(x))) / 64
    # Two for each factor of exp, one for their product, one for the digits of log 2; sum, quotient and product.
    assert np.all(np.abs(doubles(dz)[:, 1] - wanted) <= 9 * U32 * wanted)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 40.0, 500.0])
def test_flat_and_extreme_logits(scale):
    z, y = case(6, 19, torch.float32, scale=scale)
    agree(z, y, *cross_entropy(z, y, IGNORE))


def test_first_blocks_without_any_possible_word():
    z = torch.full((2, 40), -INF)
    z[0, 33], z[1, 16], z[1, 39] = 3.0, -1.0, 2.0
    y = torch.tensor([33, 16])
    for blocks in (None, SWEEPS):
        dz = torch.empty_like(z)
        agree(z, y, launch(z, y, IGNORE, dz, blocks), dz)


def test_the_label_may_be_impossible():
    z = torch.tensor([[0.0, -INF, 0.0, -INF]])
    loss, dz = cross_entropy(z, torch.tensor([1]), IGNORE)
    assert loss.item() == INF and dz.tolist() == [[0.5, -1.0, 0.5, 0.0]]


def test_all_ignored_is_zero_and_ignored_rows_are_not_read():
    z = torch.full((3, 5), float("nan"))
    loss, dz = cross_entropy(z, torch.full((3,), IGNORE), IGNORE)
    assert loss.item() == 0.0 and torch.equal(dz, torch.zeros(3, 5))
    z[1] = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    y = torch.tensor([IGNORE, 2, IGNORE])
    loss, dz = cross_entropy(z, y, IGNORE)
    alone, alone_dz = cross_entropy(z[1:2].contiguous(), y[1:2], IGNORE)
    assert torch.equal(loss, alone) and torch.equal(dz[1:2], alone_dz) and not dz[[0, 2]].any()


def test_nan_in_a_counted_row_is_not_hidden():
    z, y = case(2, 9, torch.float32)
    y[0] = 1
    z[0, 4] = float("nan")
    loss, dz = cross_entropy(z, y, IGNORE)
    assert loss.isnan() and dz[0].isnan().all()


def test_no_tokens():
    loss, dz = cross_entropy(torch.empty(0, 5), torch.empty(0, dtype=torch.int64), IGNORE)
    assert loss.item() == 0.0 and dz.shape == (0, 5)


@pytest.mark.parametrize("layout", ["transposed", "two columns", "one value", "sliced", "expanded", "offset"])
def test_layouts(layout):
    z, y = case(4, 6, torch.float32)
    view = {
        "transposed": lambda: z.t().contiguous().t(),
        "two columns": lambda: z[:, ::5],
        "one value": lambda: z[:, :1].expand(4, 6),
        "sliced": lambda: torch.cat([z, z], 1)[:, :6],
        "expanded": lambda: z[:1].expand(4, 6),
        "offset": lambda: torch.cat([z[:1], z])[1:],
    }[layout]()
    before = view.clone()
    y = y.clamp(max=view.shape[1] - 1)
    loss, dz = cross_entropy(view, y, IGNORE)
    same_loss, same_dz = cross_entropy(view.contiguous(), y, IGNORE)
    assert torch.equal(loss, same_loss) and torch.equal(dz, same_dz) and torch.equal(view, before)


def test_every_element_is_written_and_nothing_else_is_allocated():
    z, y = case(5, 33, torch.bfloat16)
    with poisoned(float("nan")), record_allocations() as buffers:
        loss, dz = cross_entropy(z, y, IGNORE)
    with poisoned(1e30):
        again, dz_again = cross_entropy(z, y, IGNORE)
    assert torch.equal(loss, again) and torch.equal(dz, dz_again) and not dz.isnan().any()
    assert sorted(buffer.shape for buffer in buffers) == [(), (1,), (5,), (5, 33)]


def test_in_place_equals_out_of_place_bitwise():
    for blocks in (None, SWEEPS):
        z, y = case(5, 33, torch.float32)
        dz = torch.empty_like(z)
        loss = launch(z, y, IGNORE, dz, blocks)
        copy = z.clone()
        assert torch.equal(launch(copy, y, IGNORE, copy, blocks), loss) and torch.equal(copy, dz)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("factor", [1.0, 0.375])
def test_autograd(inplace, factor):
    rng = torch.Generator().manual_seed(0)
    h = torch.randn(5, 4, generator=rng)
    w = torch.randn(4, 7, generator=rng, requires_grad=True)
    y = torch.tensor([0, 6, IGNORE, 3, 3])
    logits = h @ w
    before = logits.detach().clone()
    loss = cross_entropy_loss(logits, y, inplace=inplace)
    (loss * factor).backward()
    wanted, dz = cross_entropy(before, y, IGNORE)
    assert torch.equal(loss, wanted) and torch.equal(w.grad, h.t() @ (dz * factor))
    assert torch.equal(logits, dz * factor if inplace else before)


def test_autograd_refuses_what_the_function_refuses():
    with pytest.raises(TypeError, match="float64"):
        cross_entropy_loss(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([0]))
    with pytest.raises(ValueError, match="label 3 of token 0"):
        cross_entropy_loss(torch.zeros(1, 3), torch.tensor([3]))


def test_a_second_backward_pass_is_refused():
    z = torch.randn(2, 3, requires_grad=True)
    loss = cross_entropy_loss(z, torch.tensor([0, 1]))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="earlier backward"):
        loss.backward()


def test_the_gradient_of_one_is_not_written_again():
    x = torch.randn(10)
    before = x.clone()
    module.scale_(x, torch.tensor(1.0))
    assert torch.equal(x, before)
    module.scale_(x, torch.tensor(0.5))
    assert torch.equal(x, before * 0.5)


@pytest.mark.parametrize("factor", [0.0, 2.0, 1 / 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_block_of_a_gradient_is_scaled(dtype, factor):
    x = torch.randn(2 * 8192 + 5, generator=torch.Generator().manual_seed(1)).to(dtype)
    wanted = (x.float() * torch.tensor(factor)).to(dtype)
    assert torch.equal(module.scale_(x, torch.tensor(factor)), wanted)


def test_a_gradient_may_have_more_elements_than_a_block_of_triton():
    assert (module.scale_(torch.ones(2**20 + 3), torch.tensor(0.5)) == 0.5).all()


@pytest.mark.parametrize("label", [-1, 3, 10**12])
def test_label_outside_the_vocabulary(label):
    with pytest.raises(ValueError, match=rf"label {label} of token 1 is outside \[0, 3\)"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, label]), IGNORE)


@pytest.mark.parametrize("label", [-1, 35, 10**12])
@pytest.mark.parametrize("blocks", [None, SWEEPS])
def test_unchecked_label_outside_the_vocabulary_gives_nan_and_no_wild_access(label, blocks):
    """What happens on a GPU, where the labels are not looked at beforehand."""
    z, dz = torch.zeros(2, 35), torch.zeros(2, 35)
    try:
        loss = launch(z, torch.tensor([0, label]), IGNORE, dz, blocks)
    except OutOfBounds:
        pytest.fail("the kernel used the label as an address")
    assert (
        loss.isnan() and dz[1].isnan().all() and torch.equal(dz[0], (torch.full((35,), 1 / 35) - torch.eye(35)[0]) / 2)
    )


def test_no_32_bit_arithmetic_overflows():
    z, y = case(3, 65, torch.float32)
    with sanitized():
        agree(z, y, *cross_entropy(z, y, IGNORE))


def test_arguments_that_do_not_fit():
    y = torch.tensor([0])
    with pytest.raises(TypeError, match="float64"):
        cross_entropy(torch.zeros(1, 3, dtype=torch.float64), y, IGNORE)
    with pytest.raises(TypeError, match="int64"):
        cross_entropy(torch.zeros(1, 3), y.to(torch.int32), IGNORE)
    with pytest.raises(ValueError, match=r"\[T, V\]"):
        cross_entropy(torch.zeros(3), y, IGNORE)
    with pytest.raises(ValueError, match=r"\[T, V\]"):
        cross_entropy(torch.zeros(1, 0), y, IGNORE)
    with pytest.raises(ValueError, match=r"shape \[2\]"):
        cross_entropy(torch.zeros(2, 3), y, IGNORE)
    with pytest.raises(ValueError, match="contiguous"):
        cross_entropy_loss(torch.zeros(3, 1).expand(3, 2), torch.tensor([0, 0, 0]), inplace=True)
