"""Kernels that do what kernels under test must not do."""

import ctypes
import os
import signal
import time

import numpy as np


def right(x, w, eps):
    if w.shape != x.shape[1:]:
        raise ValueError(f"shapes do not fit: x{x.shape} and w{w.shape}")
    q = np.mean(np.square(x, dtype=np.float64), axis=1, keepdims=True)
    return (x / np.sqrt(q + eps) * w).astype(x.dtype)


def hangs(x, w, eps):
    time.sleep(600)


def dies(x, w, eps):
    os.kill(os.getpid(), signal.SIGKILL)


def dies_inside(x, w, eps):
    ctypes.string_at(0)


def skips(x, w, eps):
    import pytest

    pytest.skip("not today")


def forks(x, w, eps):
    os.fork()
    return right(x, w, eps)


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")


def raises_unspeakable(x, w, eps):
    raise Unspeakable


def endless(x, w, eps):
    return np.broadcast_to(np.float32(1), (10**7, 10**7))


def leaves(x, w, eps):
    os._exit(0)


def exits(x, w, eps):
    raise SystemExit(3)


def raises(x, w, eps):
    raise RuntimeError("boom \x1b[31m")


def writes(x, w, eps):
    y = right(x, w, eps)
    x[...] = 0
    return y


def returns_nothing(x, w, eps):
    return None


def returns_two(x, w, eps):
    return x, x


def wrong_shape(x, w, eps):
    return right(x, w, eps).T


def wrong_dtype(x, w, eps):
    return right(x, w, eps).astype(np.float64)


def partly_written(x, w, eps):
    y = np.empty_like(x)
    y[:, :-1] = right(x, w, eps)[:, :-1]
    return y


def nan_for_zero(x, w, eps):
    y = right(x, w, eps)
    y[:, 0] = np.nan
    return y


def zeros(x, w, eps):
    return np.zeros_like(x)


def takes_too_few(x):
    return x


not_callable = 3
