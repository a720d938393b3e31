"""The Triton router: sizes of practice, dtypes, layouts, what is not a number, and its autograd function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.inference import router
from albor_reference.inference import router as reference

U32 = 2.0**-24


def draw(tokens: int, experts: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    return (torch.randn(tokens, experts, generator=torch.Generator().manual_seed(seed)) * 4).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(("tokens", "experts", "k"), [(3, 128, 8), (9, 256, 8), (2, 1, 1), (5, 100, 3)])
def test_agrees_with_the_reference(tokens: int, experts: int, k: int, dtype: torch.dtype) -> None:
    logits = draw(tokens, experts, dtype, experts)
    weights, chosen = router.route(logits, k)
    wanted, places = reference.route(logits.double().numpy(), k)
    assert weights.dtype == torch.float32 and chosen.dtype == torch.int64
    assert np.array_equal(chosen.numpy(), places)  # bfloat16 has many ties among 256 logits
    # Two exponentials of arguments up to 40, k sums and a quotient.
    assert np.abs(weights.numpy() - wanted).max() <= (2 * 40 + 2 * 4 + k + 4) * U32
    g = torch.randn(tokens, k, generator=torch.Generator().manual_seed(1))
    d = router.route_backward(g, logits, k)
    assert d.dtype == dtype and d.shape == logits.shape
    bound = float(g.abs().max()) * 2 * (100 + 2 * k) * U32 + torch.finfo(dtype).eps * float(d.abs().max())
    assert (
        np.abs(d.double().numpy() - reference.route_backward(g.double().numpy(), logits.double().numpy(), k)).max()
        <= bound
    )


def test_layouts_are_read_as_they_are() -> None:
    wide = draw(6, 40, torch.float32, 2)
    for view in (wide[::2, :33], wide.t()[:33].t(), wide[:, ::2], wide[:1].expand(4, 40), wide[:, :1].expand(6, 33)):
        for one, two in zip(router.route(view, 3), router.route(view.contiguous(), 3), strict=True):
            assert torch.equal(one, two)


def test_every_slot_is_written_by_one_launch() -> None:
    logits = draw(37, 65, torch.float32, 3)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append(router.route(logits, 5))
        assert len(log) == 1
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_what_is_not_a_number_is_chosen_last() -> None:
    logits = torch.tensor([[float("nan"), 1.0, float("-inf"), 2.0]])
    weights, chosen = router.route(logits, 2)
    assert chosen.tolist() == [[3, 1]] and torch.isfinite(weights).all()
    assert router.route(torch.full((1, 3), float("nan")), 2)[0].isnan().all()
    assert router.route(torch.tensor([[0.0, float("-inf")]]), 2)[0].tolist() == [[1.0, 0.0]]


def test_autograd() -> None:
    logits = draw(4, 9, torch.float32, 4).requires_grad_()
    weights, experts = router.route_autograd(logits, 3)
    assert not experts.requires_grad
    g = torch.randn(4, 3)
    weights.backward(g)
    assert torch.equal(logits.grad, router.route_backward(g, logits.detach(), 3))


def test_no_tokens() -> None:
    weights, experts = router.route(torch.zeros(0, 4), 2)
    assert weights.shape == experts.shape == (0, 2)


def test_wrong_arguments_are_named() -> None:
    x = torch.zeros(2, 4)
    for k in (0, 5):
        with pytest.raises(ValueError, match="1 <= k <= 4"):
            router.route(x, k)
    with pytest.raises(TypeError, match="logits"):
        router.route(x.double(), 1)
    with pytest.raises(ValueError, match="g: expected shape"):
        router.route_backward(torch.zeros(3, 2), x, 2)
    with pytest.raises(ValueError, match="4096"):
        router.route(torch.zeros(1, 5000), 1)
    for k in (0, 5):
        with pytest.raises(ValueError, match="1 <= k <= 4"):
            router.route_backward(torch.zeros(2, 5), x, k)
    with pytest.raises(ValueError, match="g: expected shape"):
        router.route_backward(torch.zeros(2, 1), x, 2)


def test_as_many_experts_as_fit_a_program_are_taken() -> None:
    weights, chosen = router.route(torch.zeros(1, router.LARGEST), 2)
    assert chosen.tolist() == [[0, 1]] and weights.tolist() == [[0.5, 0.5]]
