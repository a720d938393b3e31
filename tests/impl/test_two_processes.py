"""What a seed fixes is the same to the last bit in two processes, of which each orders sets and hashes texts in its own
way (F97): a key made with `hash(name)` is the same for as long as one process lives, and another one in the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# Four micro-batches a step: two sums of two numbers are equal in either order.
TRAINING = """
import hashlib, json
import {arrays} as arrays
from {package}.training.llama_step import initial, library_text, train
shapes = [(1, 256, 8), (3, 8), (1, 2, 2, 4, 8), (1, 2, 1, 4, 8), (1, 3, 12, 8)]
x, y = library_text(1000, arrays.zeros((2, 4, 1, 8)))
weights = initial(7, *map(arrays.zeros, shapes))
losses, file = train(*weights, x, y, 1, 8, 0.01, 0.001, 0.9, 0.95, 1e-8, 0.1, 1.0, 100.0, 1e-4, -100)
print(json.dumps([losses.tolist(), hashlib.sha256(file).hexdigest()]))
"""

KERNELS = """
import hashlib, json
import numpy as np
from {arrays} import {array} as array
from {package}.data.fim import fim
from {package}.inference.sampling import sample
from {package}.merge.dare import dare
from {package}.optim.weight_init import weight_init
from {package}.schedule.sweep_sampling import choice, log_uniform

def digest(*values):
    raw = b"".join(v.encode() if isinstance(v, str) else np.ascontiguousarray(v).tobytes() for v in values)
    return hashlib.sha256(raw).hexdigest()

names = ["embed.weight", "layers.0.q.weight", "layers.11.q.weight", "\u00e9", ""]
table = (np.arange(128.0) % 13).reshape(16, 8)
print(json.dumps({{
    "weight_init": digest(*(weight_init(7, n, 0.5, array(table)) for n in names)),
    "dare": digest(*dare(array(table[0]), array(table[1]), 0.5, 7)),
    "sample": digest(sample(array(table), 2.0, 7, 0.9, 7)),
    "log_uniform": digest(*(log_uniform(7, n, 1e-5, 1e-2, array(table[0])) for n in names)),
    "choice": digest(*(choice(7, n, 5, array(table[0])) for n in names)),
    "fim": digest(*(fim("def f(x): return x + 1", s, 0.5, s % 2 == 0) for s in range(40))),
}}))
"""

PACKAGES = [
    {"package": "albor_reference", "arrays": "numpy", "array": "array"},
    {"package": "albor_impl", "arrays": "torch", "array": "tensor"},
]


def in_two_processes(program: str) -> list[Any]:
    """What the program prints under each of two hash seeds."""
    printed = []
    for seed in ("1", "12345"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
        printed.append(json.loads(run.stdout))
    return printed


@pytest.mark.parametrize("names", PACKAGES, ids=lambda names: names["package"])
def test_a_seeded_run(names):
    first, second = in_two_processes(TRAINING.format(**names))
    assert first == second and len(first[1]) == 64


@pytest.mark.parametrize("names", PACKAGES, ids=lambda names: names["package"])
def test_kernels_that_draw(names):
    first, second = in_two_processes(KERNELS.format(**names))
    assert first == second and len(set(first.values())) == 6
