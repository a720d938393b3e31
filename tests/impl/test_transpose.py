import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core.transpose import batched_transpose, batched_transpose_autograd
from core_bounds import FLOATS, draw


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 64, 64), (2, 65, 63), (2, 1, 129), (4, 130, 7)])
def test_bit_by_bit_in_memory_of_its_own(shape, dtype):
    x = draw(shape, dtype, 1)
    y = batched_transpose(x)
    assert torch.equal(y, x.transpose(1, 2)) and y.is_contiguous() and y.dtype == dtype


def test_layouts_are_read_as_they_are():
    x = draw((4, 6, 10), torch.float32, 2)
    expanded = x[:1].expand(3, 6, 10), x[..., :1].expand(4, 6, 10)
    for view in (x.transpose(1, 2), x.transpose(0, 1), x[::2, 1:5, 2:9], x[..., ::2], *expanded):
        before = view.clone()
        assert torch.equal(batched_transpose(view), view.transpose(1, 2)) and torch.equal(view, before)


def test_every_element_is_written_in_one_launch():
    x = draw((3, 70, 66), torch.float32, 3)
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            assert torch.equal(batched_transpose(x), x.transpose(1, 2))
        assert len(log) == 1


def test_autograd_and_empty():
    x = draw((2, 3, 5), torch.float32, 4).requires_grad_()
    g = draw((2, 5, 3), torch.float32, 5)
    batched_transpose_autograd(x).backward(g)
    assert torch.equal(x.grad, g.transpose(1, 2))
    assert batched_transpose(torch.ones(2, 0, 3)).shape == (2, 3, 0)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"x: expected shape \[B, R, C\]"):
        batched_transpose(torch.ones(2, 3))
    with pytest.raises(TypeError, match=r"x: .* got torch.float64"):
        batched_transpose(torch.ones(2, 3, 4).double())
