"""A training step as a program for a device: what is launched, copied and waited for, and on which buffers.

Network: z = silu(x W1) W2, loss = sum (z - y)^2 / (2 A T) over A micro-batches of T rows. For each micro-batch
    h = x W1,  s = silu(h),  z = s W2,  dz = (z - y) / (A T)
    dW2 += s^T dz,  ds = dz W2^T,  dh = ds silu'(h),  dW1 += x^T dh
and then once
    norm = sqrt(|dW1|^2 + |dW2|^2),  c = min(1, max_norm / norm)
    m' = b1 m + (1 - b1) c dW,  v' = b2 v + (1 - b2) (c dW)^2
    W' = W - lr (m' / (1 - b1^step)) / (sqrt(v' / (1 - b2^step)) + eps)
A norm that is not finite leaves W, m and v as they are. Weights, moments, gradients and activations stay on the
device; rows go there, two numbers come back, and the host waits once, for them.

The kernels are written as on a GPU: flat memory without lengths, sizes as arguments, one output element at a time.

Matrices have the dtype of the device; moments, and gradients, loss and norm of a step, that of its sums. The kernels
check nothing. Errors: ValueError, as `train_step` says; those of the device reach the caller.
Sources: Rumelhart, Hinton, Williams (1986) for the backward pass; Kingma, Ba, "Adam" (2015), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..optim.global_clip import add_squares

Kernel = Callable[..., None]

# Kernels: row-major matrices in flat memory


def gemm(a: Any, b: Any, c: Any, m: int, n: int, k: int) -> None:
    """c[m, n] = a[m, k] b[k, n]."""
    inner = np.arange(k)
    for row in range(m):
        for column in range(n):
            c[row * n + column] = np.dot(a[row * k + inner], b[inner * n + column])


def gemm_backward_a(dc: Any, b: Any, da: Any, m: int, n: int, k: int) -> None:
    """da[m, k] = dc[m, n] b[k, n]^T: rows of da are k apart."""
    inner = np.arange(n)
    for row in range(m):
        for column in range(k):
            da[row * k + column] = np.dot(dc[row * n + inner], b[column * n + inner])


def gemm_backward_b(a: Any, dc: Any, db: Any, m: int, n: int, k: int) -> None:
    """db[k, n] += a[m, k]^T dc[m, n]: rows of db are n apart."""
    inner = np.arange(m)
    for row in range(k):
        for column in range(n):
            db[row * n + column] += np.dot(a[inner * k + row], dc[inner * n + column])


def silu(h: Any, s: Any, n: int) -> None:
    """s = h sigmoid(h), for n elements."""
    i = np.arange(n)
    s[i] = h[i] / (1.0 + np.exp(-h[i]))


def silu_backward(ds: Any, h: Any, dh: Any, n: int) -> None:
    """dh = ds sigmoid(h) (1 + h (1 - sigmoid(h))), for n elements."""
    i = np.arange(n)
    sigma = 1.0 / (1.0 + np.exp(-h[i]))
    dh[i] = ds[i] * sigma * (1.0 + h[i] * (1.0 - sigma))


def squared_error(z: Any, y: Any, dz: Any, loss: Any, n: int, share: float) -> None:
    """dz = share (z - y), loss[0] += share |z - y|^2 / 2, for n elements."""
    i = np.arange(n)
    gap = z[i] - y[i]
    dz[i] = share * gap
    loss[0] += 0.5 * share * np.dot(gap, gap)


def norm_of(total: Any, norm: Any) -> None:
    """norm = sqrt(total), single numbers."""
    norm[0] = np.sqrt(total[0])


def adam(w: Any, g: Any, m: Any, v: Any, norm: Any, w2: Any, m2: Any, v2: Any, n: int, step: int, lr: float,
         beta1: float, beta2: float, eps: float, max_norm: float) -> None:  # fmt: skip
    """One step of Adam on n elements, with the gradient clipped by `norm`; copies where that is not finite."""
    i = np.arange(n)
    length = norm[0]
    if not length < np.inf:
        w2[i], m2[i], v2[i] = w[i], m[i], v[i]
        return
    clipped = g[i] * (max_norm / length if length > max_norm else 1.0)
    m2[i] = beta1 * m[i] + (1.0 - beta1) * clipped
    v2[i] = beta2 * v[i] + (1.0 - beta2) * clipped**2
    w2[i] = w[i] - lr * (m2[i] / (1.0 - beta1**step)) / (np.sqrt(v2[i] / (1.0 - beta2**step)) + eps)


def momentum(g: Any, w: Any, m: Any, n: int, lr: float, beta: float) -> None:
    """m = beta m + g, w = w - lr m, in place, for n elements."""
    i = np.arange(n)
    m[i] = beta * m[i] + g[i]
    w[i] = w[i] - lr * m[i]


# Kernels that are compiled for their constants: what builds one stands for its source


def plain_update(rate: float) -> Kernel:
    """The kernel that takes a step of this rate."""

    def update(w: Any, g: Any, out: Any, n: int) -> None:
        """out = w - rate g, for n elements."""
        i = np.arange(n)
        out[i] = w[i] - rate * g[i]

    return update


def decayed_update(rate: float) -> Kernel:
    """The kernel that takes a step of this rate with weight decay."""

    def update(w: Any, g: Any, out: Any, n: int) -> None:
        """out = w - rate (g + w), for n elements: the same name, another source."""
        i = np.arange(n)
        out[i] = w[i] - rate * (g[i] + w[i])

    return update


def image(images: dict[Any, Kernel], build: Callable[..., Kernel], *constants: float) -> Kernel:
    """The kernel that `build` makes for these constants, compiled once; kept under its code and constants."""
    key = (build.__code__, constants)  # code is compared as it is, names of functions are not
    if key not in images:
        images[key] = build(*constants)
    return images[key]


# Programs


def gemm_backward(device: Any, dc: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Gradients of c = a b: da = dc b^T and db = a^T dc.

    dc[M, N], a[M, K], b[K, N] and both results lie on the device; nothing is waited for.
    """
    (m, n), k = dc.shape, a.shape[1]
    da = device.allocate("da", a.shape)
    db = device.allocate("db", b.shape)
    device.clear(db)
    device.launch(gemm_backward_a, (dc, b), (da,), m, n, k)
    device.launch(gemm_backward_b, (a, dc), (db,), m, n, k)
    return da, db


def moments(device: Any, w1: Any, w2: Any) -> tuple[Any, Any, Any, Any]:
    """The moments m1, v1, m2, v2 of an optimizer that has made no step: zeros in the shapes of w1 and w2."""
    made = [device.allocate(f"{name}{k}", w.shape, device.accumulates) for k, w in ((1, w1), (2, w2)) for name in "mv"]
    for buffer in made:
        device.clear(buffer)
    return made[0], made[1], made[2], made[3]


class Work(NamedTuple):
    """Buffers that every micro-batch uses again, and the sums that outlive it: g1, g2, loss."""

    x: Any
    y: Any
    h: Any
    s: Any
    z: Any
    dz: Any
    ds: Any
    dh: Any
    g1: Any
    g2: Any
    loss: Any


def work_for(device: Any, rows: int, w1: Any, w2: Any) -> Work:
    """The buffers of a step with `rows` rows a micro-batch, sums cleared."""
    (inside, hidden), outside = w1.shape, w2.shape[1]
    sizes = {
        "x": inside,
        "y": outside,
        "h": hidden,
        "s": hidden,
        "z": outside,
        "dz": outside,
        "ds": hidden,
        "dh": hidden,
    }
    made = {name: device.allocate(name, (rows, size)) for name, size in sizes.items()}
    sums = {"g1": w1.shape, "g2": w2.shape, "loss": ()}
    made |= {name: device.allocate(name, shape, device.accumulates) for name, shape in sums.items()}
    for name in sums:
        device.clear(made[name])
    return Work(**made)


def accumulate(device: Any, work: Work, x: NDArray[Any], y: NDArray[Any], w1: Any, w2: Any, share: float) -> None:
    """Enqueue one micro-batch: its rows go up, and g1, g2 and the loss get its share."""
    t, (k, h), n = len(x), w1.shape, w2.shape[1]
    device.upload(x, work.x)
    device.upload(y, work.y)
    device.launch(gemm, (work.x, w1), (work.h,), t, h, k)
    device.launch(silu, (work.h,), (work.s,), t * h)
    device.launch(gemm, (work.s, w2), (work.z,), t, n, h)
    device.launch(squared_error, (work.z, work.y), (work.dz, work.loss), t * n, share)
    device.launch(gemm_backward_b, (work.s, work.dz), (work.g2,), t, n, h)
    device.launch(gemm_backward_a, (work.dz, w2), (work.ds,), t, n, h)
    device.launch(silu_backward, (work.ds, work.h), (work.dh,), t * h)
    device.launch(gemm_backward_b, (work.x, work.dh), (work.g1,), t, h, k)


def train_step(
    device: Any, x: NDArray[Any], y: NDArray[Any], w1: Any, w2: Any, m1: Any, v1: Any, m2: Any, v2: Any,
    step: int, lr: float, beta1: float, beta2: float, eps: float, max_norm: float,
) -> tuple[Any, ...]:  # fmt: skip
    """One step over A micro-batches.

    Args:
        device: where it happens; `allocate`, `host`, `clear`, `upload`, `launch`, `download`, `synchronize` are used.
        x, y: rows [A, T, K] and targets [A, T, N], on the host.
        w1, w2: weights [K, H] and [H, N]; m1, v1, m2, v2: their moments. All on the device, none written to.
        step: number of this step, from 1; lr, beta1, beta2, eps, max_norm: see the formula.

    Returns:
        W1', W2', m1', v1', m2', v2' on the device; loss [] and norm [] (before clipping) on the host.

    Raises:
        ValueError: step < 1, or x and y differ in their numbers of micro-batches or rows.
    """
    if step < 1:
        raise ValueError(f"step counts from 1, got {step}")
    if x.shape[:2] != y.shape[:2]:
        raise ValueError(f"x and y must have the same micro-batches and rows, got {x.shape[:2]} and {y.shape[:2]}")
    work = work_for(device, x.shape[1], w1, w2)
    for rows, targets in zip(x, y, strict=True):
        accumulate(device, work, rows, targets, w1, w2, 1.0 / (x.shape[0] * x.shape[1]))
    total, norm = (device.allocate(name, (), device.accumulates) for name in ("total", "norm"))
    device.clear(total)
    for g in (work.g1, work.g2):
        device.launch(add_squares, (g,), (total,), g.size)
    device.launch(norm_of, (total,), (norm,))
    new = []
    for k, (w, g, m, v) in enumerate(((w1, work.g1, m1, v1), (w2, work.g2, m2, v2)), 1):
        own = [device.allocate(f"new {name}{k}", b.shape, b.dtype) for name, b in (("w", w), ("m", m), ("v", v))]
        device.launch(adam, (w, g, m, v, norm), own, w.size, step, lr, beta1, beta2, eps, max_norm)
        new.append(own)
    seen = {name: device.host(f"{name} on the host", (), device.accumulates) for name in ("loss", "norm")}
    device.download(work.loss, seen["loss"])
    device.download(norm, seen["norm"])
    device.synchronize()
    (p1, n1, u1), (p2, n2, u2) = new
    return p1, p2, n1, u1, n2, u2, seen["loss"].read(), seen["norm"].read()


def snapshot_between(
    device: Any, w: Any, m: Any, g: Any, h: Any, lr: float, beta: float
) -> tuple[NDArray[Any], NDArray[Any], Any, Any]:
    """Two updates with momentum, and between them a snapshot that is copied to the host by a queue of its own.

    m' = beta m + g, w' = w - lr m', and the same with h. The copy comes after the first update, and the second after
    the copy; the host waits once, at the end. w, m, g, h [K, H] lie on the device and are not written to.

    Returns w and m after the first update, on the host, and after the second, on the device.
    """
    state = [device.allocate(f"own {name}", buffer.shape) for name, buffer in (("w", w), ("m", m))]
    for source, own in zip((w, m), state, strict=True):
        device.copy(source, own)
    kept = [device.host(f"kept {name}", w.shape) for name in "wm"]
    copies = device.queue("copies")
    device.launch(momentum, (g,), state, w.size, lr, beta)
    device.wait(device.event(), copies)
    for own, host in zip(state, kept, strict=True):
        device.download(own, host, queue=copies)
    device.wait(device.event(copies))
    device.launch(momentum, (h,), state, w.size, lr, beta)
    device.synchronize()
    return kept[0].read(), kept[1].read(), state[0], state[1]


def compiled_updates(device: Any, w: Any, g: Any, first: float, second: float) -> tuple[Any, Any, Any]:
    """w - first g, w - second g and w - second (g + w), by kernels compiled for their rates.

    w, g [K, H] and the three results lie on the device.
    """
    images: dict[Any, Kernel] = {}
    made = []
    for name, build, rate in (
        ("at first", plain_update, first), ("at second", plain_update, second), ("decayed", decayed_update, second),
    ):  # fmt: skip
        out = device.allocate(name, w.shape)
        device.launch(image(images, build, rate), (w, g), (out,), w.size)
        made.append(out)
    return made[0], made[1], made[2]
