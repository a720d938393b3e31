import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import swiglu
from albor_reference.core import swiglu as reference
from core_bounds import FLOATS, U32, WIDTHS, draw, exact, layouts, worst


def check(g, gate, up):
    h = swiglu.swiglu(gate, up)
    dgate, dup = swiglu.swiglu_backward(g, gate, up)
    assert h.dtype == dgate.dtype == dup.dtype == gate.dtype
    x, u, grad = exact(gate), exact(up), exact(g)
    wanted = reference.swiglu(x, u)
    assert worst(h, wanted, 12 * U32 * np.abs(wanted)) <= 1
    wanted_gate, wanted_up = reference.swiglu_backward(grad, x, u)
    s = np.exp(-np.logaddexp(0, -x))
    derivative = s * (1 + np.abs(x) * np.exp(-np.logaddexp(0, x)))
    assert worst(dgate, wanted_gate, 16 * U32 * np.abs(grad * u) * derivative) <= 1
    assert worst(dup, wanted_up, 12 * U32 * np.abs(wanted_up)) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", WIDTHS)
def test_agrees_with_the_reference(n, dtype):
    check(draw((3, n), dtype, 1), draw((3, n), dtype, 2) * 3, draw((3, n), dtype, 3))


def test_many_narrow_rows():
    check(*(draw((300, 33), torch.float32, seed) for seed in (4, 5, 6)))


def test_far_from_zero_nothing_overflows_or_cancels():
    gate = torch.tensor([[-1e4, -90.0, -80.0, -20.0, -1.2785, -0.0, 0.0, 1e-30, 17.0, 30.0, 90.0, 1e4]])
    ones = torch.ones_like(gate)
    check(ones, gate, ones)
    dgate, _ = swiglu.swiglu_backward(ones, gate, ones)
    assert dgate[0, -1] == 1 and swiglu.swiglu(gate, ones)[0, 0] == 0


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    tensors = [layouts(draw((6, 37), torch.float32, seed))[layout] for seed in (7, 8, 9)]
    before = [tensor.clone() for tensor in tensors]
    check(*tensors)
    assert all(torch.equal(tensor, old) for tensor, old in zip(tensors, before, strict=True))


def test_each_argument_has_its_own_stride():
    tensors = [draw((3, 37), torch.float32, seed) for seed in (19, 20, 21)]
    for k in range(3):
        check(*(layouts(tensor)["sliced"] if j == k else tensor for j, tensor in enumerate(tensors)))


def test_a_column_may_stand_for_all():
    tensors = [draw((6, 37), torch.float32, seed) for seed in (22, 23, 24)]
    for k in range(3):
        check(*(tensor[:, :1].expand(6, 37) if j == k else tensor for j, tensor in enumerate(tensors)))


def test_gate_and_up_cut_from_one_product_are_not_copied():
    both = draw((4, 2 * 50), torch.float32, 10)
    gate, up = both.chunk(2, dim=1)
    with record_launches() as log:
        h = swiglu.swiglu(gate, up)
    assert len(log) == 1
    assert torch.equal(h, swiglu.swiglu(gate.contiguous(), up.contiguous()))


@pytest.mark.parametrize("n", [33, 5000])
def test_every_element_is_written(n):
    tensors = [draw((7, n), torch.float32, seed) for seed in (11, 12, 13)]
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison):
            runs.append((swiglu.swiglu(*tensors[1:]), *swiglu.swiglu_backward(*tensors)))
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.isfinite(first).all()


@pytest.mark.parametrize(("block", "rows"), [(16, 1), (64, 4), (256, 2)])
def test_what_a_program_takes_changes_no_bit(block, rows):
    tensors = [draw((7, 130), torch.bfloat16, seed) for seed in (25, 26, 27)]
    tiles = {"BLOCK": block, "ROWS": rows, "num_warps": 1}
    with poisoned(float("nan")):
        h, gradients = swiglu._forward(*tensors[1:], tiles), swiglu._backward(*tensors, tiles)
    assert torch.equal(h, swiglu.swiglu(*tensors[1:]))
    assert all(map(torch.equal, gradients, swiglu.swiglu_backward(*tensors)))


@pytest.mark.parametrize(
    ("n", "block"), [(1, 1), (500, 512), (513, 1024), (1025, 512), (4096, 2048), (4097, 512), (14336, 2048)]
)
def test_few_columns_of_a_program_lie_past_the_end_of_a_row(n, block):
    tiles = swiglu._tiles(n, 4)
    assert (tiles["BLOCK"], tiles["ROWS"]) == (block, swiglu.TILE // block)


def test_autograd():
    gate, up = (draw((2, 3, 37), torch.float32, seed).requires_grad_() for seed in (14, 15))
    g = draw((2, 3, 37), torch.float32, 16)
    h = swiglu.swiglu_autograd(gate, up)
    assert torch.equal(h, swiglu.swiglu(gate.detach().view(6, 37), up.detach().view(6, 37)).view(2, 3, 37))
    h.backward(g)
    dgate, dup = swiglu.swiglu_backward(*(t.detach().reshape(6, 37) for t in (g, gate, up)))
    assert torch.equal(gate.grad, dgate.view(2, 3, 37)) and torch.equal(up.grad, dup.view(2, 3, 37))


def test_the_bound_rejects_a_factor_of_1_0001():
    gate, up = draw((3, 129), torch.float32, 17), draw((3, 129), torch.float32, 18)
    wanted = reference.swiglu(exact(gate), exact(up))
    assert worst(swiglu.swiglu(gate, up) * 1.0001, wanted, 12 * U32 * np.abs(wanted)) > 1


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_empty(shape):
    x = torch.ones(shape)
    assert swiglu.swiglu(x, x).shape == swiglu.swiglu_backward(x, x, x)[0].shape == shape


def test_wrong_arguments_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="up: N is 4, but gate has N = 3"):
        swiglu.swiglu(x, torch.ones(2, 4))
    with pytest.raises(TypeError, match="one dtype"):
        swiglu.swiglu(x, x.bfloat16())
    with pytest.raises(ValueError, match="up: expected the shape of gate"):
        swiglu.swiglu_autograd(torch.ones(2, 3, 4), torch.ones(3, 2, 4))
