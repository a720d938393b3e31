"""A seeded run of the training step in two processes, of which each orders sets and hashes texts in its own way (F97).

Four micro-batches a step: two sums of two numbers are equal in either order.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, sys
import {arrays} as arrays
from {package}.training.llama_step import initial, library_text, train
shapes = [(1, 256, 8), (3, 8), (1, 2, 2, 4, 8), (1, 2, 1, 4, 8), (1, 3, 12, 8)]
x, y = library_text(1000, arrays.zeros((2, 4, 1, 8)))
weights = initial(7, *map(arrays.zeros, shapes))
losses, file = train(*weights, x, y, 1, 8, 0.01, 0.001, 0.9, 0.95, 1e-8, 0.1, 1.0, 100.0, 1e-4, -100)
print(losses.tolist(), hashlib.sha256(file).hexdigest())
"""


@pytest.mark.parametrize(("package", "arrays"), [("albor_impl", "torch"), ("albor_reference", "numpy")])
def test_a_seeded_run_is_the_same_to_the_last_bit_in_another_process(package, arrays):
    printed = []
    for seed in ("1", "12345"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = [sys.executable, "-c", PROGRAM.format(package=package, arrays=arrays)]
        printed.append(subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout)
    assert printed[0] == printed[1] and len(printed[0]) > 64
