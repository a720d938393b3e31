"""What ships, according to the contracts under data/proofs: integer functions and float16 kernels, right and wrong."""

import numpy as np


def steps(samples, batch):
    return samples // batch


def steps_rounded_up(samples, batch):
    return -(-samples // batch)


def ranks(row):
    """How many entries each entry is preceded by when the row is sorted, ties in their order."""
    return [sum((u < v) | ((u == v) & (j < i)) for j, u in enumerate(row)) for i, v in enumerate(row)]


def relu(x):
    return np.maximum(x, np.float16(0))


def relu_of_rows(x):
    """Rectified rows; -0 passes, as it does where x < 0 decides."""
    return np.where(x < 0, np.zeros_like(x), x)
