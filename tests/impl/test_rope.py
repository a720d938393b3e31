import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import rope
from albor_reference.core import rope as reference
from core_bounds import FLOATS, U32, draw, exact, worst


def error(x):
    """Each result is two products with table entries rounded once: four roundings of the larger magnitudes."""
    half = x.shape[-1] // 2
    magnitude = np.abs(x[..., :half]) + np.abs(x[..., half:])
    return 4 * U32 * np.concatenate([magnitude, magnitude], axis=-1)


def check(x, offset, base):
    for got, wanted in (
        (rope.rope(x, offset, base), reference.rope(exact(x), offset, base)),
        (rope.rope_inverse(x, offset, base), reference.rope_inverse(exact(x), offset, base)),
    ):
        assert got.dtype == x.dtype and got.is_contiguous()
        assert worst(got, wanted, error(exact(x))) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("width", [2, 6, 34, 64, 128, 258])
@pytest.mark.parametrize("length", [1, 3, 33])
def test_agrees_with_the_reference(length, width, dtype):
    check(draw((2, 3, length, width), dtype, 1), 5, 10000.0)


@pytest.mark.parametrize("offset", [-7, -1, 0, 100_000, (1 << 17) - 2, 3_000_000])
@pytest.mark.parametrize("base", [10000.0, 500000.0, 2.0, 0.5])
def test_positions_near_and_far(offset, base):
    check(draw((1, 2, 4, 32), torch.float32, 2), offset, base)


def test_a_sequence_of_several_blocks():
    check(draw((1, 2, 300, 64), torch.float32, 3), 0, 10000.0)
    check(draw((1, 250, 16, 64), torch.float32, 16).transpose(1, 2), 0, 10000.0)


def test_heads_transposed_sliced_and_expanded():
    check(draw((2, 9, 3, 16), torch.float32, 4).transpose(1, 2), 1, 10000.0)
    check(draw((2, 3, 9, 40), torch.float32, 5)[..., ::2], 1, 10000.0)
    check(draw((4, 6, 9, 40), torch.float32, 6)[::2, 1:4, 2:7, 3:23], 1, 10000.0)
    check(draw((2, 1, 5, 8), torch.float32, 7).expand(2, 3, 5, 8), 1, 10000.0)
    check(draw((2, 3, 5, 1), torch.float32, 12).expand(2, 3, 5, 8), 1, 10000.0)


@pytest.mark.parametrize("heads", [1, 4, 5, 7, 8])
def test_any_number_of_heads(heads):
    check(draw((2, heads, 3, 10), torch.float32, 13), 2, 10000.0)
    check(draw((2, 3, heads, 10), torch.float32, 14).transpose(1, 2), 2, 10000.0)


@pytest.mark.parametrize("heads", [1, 2, 3, 8])
def test_what_a_program_takes_changes_no_bit(heads):
    x = draw((2, 9, 5, 12), torch.bfloat16, 15).transpose(1, 2)
    tiles = {"HEADS": heads, "ROWS": 4, "PAIRS": 8, "num_warps": 1}
    for inverse in (False, True):
        with poisoned(float("nan")):
            got = rope._rotate(x, 3, 10000.0, inverse, tiles)
        assert torch.equal(got, rope._rotate(x, 3, 10000.0, inverse))


def test_one_launch_and_every_element_written():
    x = draw((2, 3, 7, 10), torch.float32, 8)
    before = x.clone()
    results = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            results.append(rope.rope(x, 3, 10000.0))
        assert len(log) == 1
    assert torch.equal(*results) and torch.equal(x, before)


def test_a_longer_run_does_not_change_a_shorter_one():
    x = draw((1, 1, 4, 16), torch.float32, 9)
    first = rope.rope(x, 2, 777.0)
    rope.rope(x, 5000, 777.0)
    assert torch.equal(rope.rope(x, 2, 777.0), first)


def test_autograd():
    x = draw((2, 3, 5, 12), torch.float32, 10).requires_grad_()
    g = draw((2, 3, 5, 12), torch.float32, 11)
    y = rope.rope_autograd(x, 4, 10000.0)
    y.backward(g)
    assert torch.equal(y.detach(), rope.rope(x.detach(), 4, 10000.0))
    assert worst(x.grad, reference.rope_inverse(exact(g), 4, 10000.0), error(exact(g))) <= 1


def test_empty():
    assert rope.rope(torch.ones(2, 0, 3, 4), 0, 10.0).shape == (2, 0, 3, 4)
    assert rope.rope(torch.ones(2, 1, 3, 0), 0, 10.0).shape == (2, 1, 3, 0)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="D must be even, got 5"):
        rope.rope(torch.ones(1, 1, 2, 5), 0, 10000.0)
    for base in (-1.0, 0.0, float("nan")):
        with pytest.raises(ValueError, match="base"):
            rope.rope(torch.ones(1, 1, 2, 4), 0, base)
    with pytest.raises(ValueError, match=r"x: expected shape \[B, H, T, D\]"):
        rope.rope(torch.ones(2, 4), 0, 10000.0)
