"""Slerp of unit vectors against `scipy.spatial.geometric_slerp`, which works by orthogonalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl.merge.slerp import slerp as slerp_impl
from albor_reference.merge.slerp import slerp as slerp_reference

spatial = pytest.importorskip("scipy.spatial", reason="scipy is not installed (extra: oracles)")


@pytest.mark.parametrize("n", [2, 3, 8, 65])
@pytest.mark.parametrize("seed", range(5))
def test_unit_vectors(n: int, seed: int) -> None:
    a, b = np.random.default_rng([n, seed]).normal(size=(2, n))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    sine = np.sqrt(1 - (a @ b) ** 2)
    u = 2.0**-53
    # Both sides: a cosine off by (n / 2 + 4) u, an angle by that over the sine, a slope of at most 2 / sine^2.
    bound = 2 * (2 * (n / 2 + 4) * u / sine * 2 / sine**2 + 16 * u / sine)
    for t in (0.0, 0.1, 0.5, 0.75, 1.0):
        expected = spatial.geometric_slerp(a, b, t)
        assert np.max(np.abs(slerp_reference(a, b, t) - expected)) <= bound
        got = slerp_impl(torch.from_numpy(a), torch.from_numpy(b), t).numpy()
        assert np.max(np.abs(got - expected)) <= bound
