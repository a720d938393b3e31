"""How many labels count, and the mean over them: any number of tokens, and nothing but the tokens."""

from __future__ import annotations

import pytest
import torch
from albor_impl._triton import poisoned
from albor_impl.loss._means import BLOCK, _block, count_valid, mean_loss

IGNORE = -100
TOKENS = [0, 1, 2, 3, 100, 8191, 8192, 8193, 16384, 20001]


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("ignore", [IGNORE, 0])
def test_labels_that_are_not_ignored_are_counted(tokens, ignore):
    labels = torch.arange(tokens + 2) % 7
    labels[::3] = ignore
    labels[[0, -1]] = 1  # beside those that are asked about
    labels[1:2] = 1
    y = labels[1:-1]
    with poisoned(1e30):
        count = count_valid(y, ignore)
    assert count.dtype == torch.int64 and count.shape == (1,)
    assert count.item() == (y != ignore).sum().item()


@pytest.mark.parametrize("tokens", TOKENS)
def test_the_mean_is_over_those_that_were_counted(tokens):
    """Of eighths, every sum is exact."""
    losses = torch.arange(tokens + 2, dtype=torch.float32) % 11 / 8
    losses[[0, -1]] = 1000.0  # beside those that are asked about
    for count in (1, 2, 4096):
        with poisoned(float("nan")):
            loss = mean_loss(losses[1:-1], torch.tensor([count]))
        assert loss.dtype == torch.float32 and loss.shape == ()
        assert loss.item() == losses[1:-1].double().sum().item() / count


def test_nothing_counted_divides_by_one():
    assert mean_loss(torch.zeros(5), torch.tensor([0])).item() == 0.0
    assert mean_loss(torch.full((5,), 2.0), torch.tensor([0])).item() == 10.0


@pytest.mark.parametrize(("tokens", "block"), [(0, 1), (1, 1), (2, 2), (3, 4), (BLOCK - 1, BLOCK), (BLOCK + 1, BLOCK)])
def test_no_more_tokens_are_taken_at_a_time_than_there_are(tokens, block):
    assert _block(tokens) == block
