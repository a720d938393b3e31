"""Kernels that draw from a seed give the same bytes in two processes, of which each orders sets and hashes texts in its
own way: a key made with `hash(name)` is the same for as long as one process lives, and another one in the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, json
import numpy as np, torch
import albor_impl.data.fim, albor_impl.inference.sampling, albor_impl.merge.dare
import albor_impl.optim.weight_init, albor_impl.schedule.sweep_sampling
import albor_reference.data.fim, albor_reference.inference.sampling, albor_reference.merge.dare
import albor_reference.optim.weight_init, albor_reference.schedule.sweep_sampling

def digest(*values):
    raw = b"".join(v.encode() if isinstance(v, str) else np.ascontiguousarray(v).tobytes() for v in values)
    return hashlib.sha256(raw).hexdigest()

names = ["embed.weight", "layers.0.q.weight", "layers.11.q.weight", "\u00e9", ""]
table = (np.arange(128.0) % 13).reshape(16, 8)
found = {}
for package, array in ((albor_reference, np.array), (albor_impl, torch.tensor)):
    found[package.__name__] = {
        "weight_init": digest(*(package.optim.weight_init.weight_init(7, n, 0.5, array(table)) for n in names)),
        "dare": digest(*package.merge.dare.dare(array(table[0]), array(table[1]), 0.5, 7)),
        "sample": digest(package.inference.sampling.sample(array(table), 2.0, 7, 0.9, 7)),
        "log_uniform": digest(*(package.schedule.sweep_sampling.log_uniform(7, n, 1e-5, 1e-2, array(table[0])) for n in names)),
        "choice": digest(*(package.schedule.sweep_sampling.choice(7, n, 5, array(table[0])) for n in names)),
        "fim": digest(*(package.data.fim.fim("def f(x): return x + 1", s, 0.5, s % 2 == 0) for s in range(40))),
    }
print(json.dumps(found))
"""  # noqa: E501
KERNELS = ["weight_init", "dare", "sample", "log_uniform", "choice", "fim"]


@pytest.fixture(scope="module")
def digests():
    found = []
    for seed in ("1", "12345"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = [sys.executable, "-c", PROGRAM]
        found.append(json.loads(subprocess.run(run, capture_output=True, check=True, env=environment).stdout))
    return found


@pytest.mark.parametrize("package", ["albor_reference", "albor_impl"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_same_seed_gives_the_same_bytes_in_another_process(digests, package, kernel):
    first, second = (found[package][kernel] for found in digests)
    assert first == second
