"""Expected gradients come with the error of autograd itself: enough for its roundings, nothing for a wrong formula."""

from __future__ import annotations

import numpy as np
from albor_contracts.lang.signature import parse_signature
from albor_contracts.runtime.claims import approx
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.functions import exp, log
from albor_contracts.runtime.functions import max as largest
from albor_contracts.runtime.functions import sum as total
from albor_contracts.runtime.grid import array, grid, single
from albor_contracts.testing import gradient

N = 1023


def _logsumexp(x):
    i = grid(N)
    m = single(largest[i](x[i]))
    return single(m + log(total[i](array[i](exp(x[i] - m)))))


SPEC = Definitions("toy/lse", {"lse": _logsumexp}, {"lse": parse_signature("lse(x: float[N]) -> y: accum[]")})


def _case(seed: int):
    x = np.random.default_rng(seed).standard_normal(N) + 11 * (-1.0) ** np.arange(N)
    softmax = np.exp(x - x.max())
    return x, softmax / softmax.sum(), gradient(SPEC, "lse", {"x": x}, wrt="x", cotangents=(1,))[0]


def test_the_remainder_at_a_subtracted_maximum_is_covered():
    for seed in range(20):
        _, right, expected = _case(seed)
        assert approx(right, expected).value.all()
        assert expected.errors().max() < 1e-12


def test_a_slip_is_not():
    _, right, expected = _case(3)
    assert not approx(right * (1 + 1e-9), expected).value.all()
    assert not approx(right[::-1], expected).value.all()
