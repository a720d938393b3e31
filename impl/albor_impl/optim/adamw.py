"""AdamW with one global gradient-norm clip, for any number of tensors of any sizes: three launches, no host sync.

Formula, for every element of every tensor, step = 1, 2, ...
    norm = sqrt(sum over all tensors of g^2)
    c    = min(1, max_norm / norm)                  1 when norm is 0 or max_norm is inf
    m'   = b1 m + (1 - b1) (c g)
    v'   = b2 v + (1 - b2) (c g)^2
    p'   = p - lr * ( (m' / (1 - b1^step)) / (sqrt(v' / (1 - b2^step)) + eps) + weight_decay * p )
A norm that is not finite leaves p, m and v as they are.

The first launch adds up squares by chunks of the tensors, the second adds the chunks and decides on c, the third
updates. c stays on the device and is applied on the way, so that the clipped gradient is never written: 28 bytes a
float32 parameter (p, m, v read and written, g read), and 4 more for the norm. Squares are added in float64, where
they neither overflow nor vanish, in a fixed order: the result is the same in every run.
The update is computed in float32, with p rounded to its dtype. bfloat16 or float16 parameters may come with float32
masters, which then hold the state that the formula speaks of; the parameters are their rounded copies.

Sources: Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2; Pascanu, Mikolov, Bengio,
"On the difficulty of training recurrent neural networks" (2013), algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl

from .._triton import empty, example, kernel

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
Tensors = Sequence[torch.Tensor]

# Elements of a tensor that one program takes, and how many of them at a time.
CHUNK = 8192
BLOCK = 1024
# The interpreter pays by the program, not by the element.
INTERPRETED_BLOCK = 4096


@dataclass(frozen=True)
class Chunks:
    """A list of groups of equally sized tensors as the kernels see it: addresses and a table of chunks, on the device.

    `table` is int64 [2, n]: the tensor of each chunk and its first element there; `addresses` is int64 [rows, L], one
    row for each role (p, g, m, v, master), and `sizes` int64 [L]. `tensors` are all of them, role after role.
    """

    addresses: torch.Tensor
    sizes: torch.Tensor
    table: torch.Tensor
    count: int
    chunk: int
    block: int
    aligned: bool
    tensors: tuple[torch.Tensor, ...]


def _to_device(values: Any, device: torch.device) -> torch.Tensor:
    """An int64 tensor on `device`. Pinned memory, so that the host does not wait for the copy."""
    table = torch.tensor(values, dtype=torch.int64)
    return table if device.type == "cpu" else table.pin_memory().to(device, non_blocking=True)


def cut(roles: Sequence[Tensors], chunk: int | None = None, block: int | None = None) -> Chunks:
    """Cut lists of tensors (one list for each role, entry k of each of one size) into chunks for the kernels."""
    device = roles[0][0].device
    sizes = [tensor.numel() for tensor in roles[0]]
    if block is None:
        interpreted = device.type == "cpu"
        largest = INTERPRETED_BLOCK if interpreted else BLOCK
        block = min(largest, triton.next_power_of_2(max(sizes)))
        chunk = block if interpreted else CHUNK
    assert chunk is not None
    places = [(k, start) for k, size in enumerate(sizes) for start in range(0, size, chunk)]
    addresses = [[tensor.data_ptr() for tensor in role] for role in roles]
    return Chunks(
        addresses=_to_device(addresses, device),
        sizes=_to_device(sizes, device),
        table=_to_device([list(column) for column in zip(*places, strict=True)], device),
        count=len(places),
        chunk=chunk,
        block=block,
        # Vectorised access needs to know; a view may begin anywhere.
        aligned=all(address % 16 == 0 for row in addresses for address in row),
        tensors=tuple(tensor for role in roles for tensor in role),
    )


@kernel
def _pointer(addresses, row, count, k, like, ALIGNED: tl.constexpr):
    """The address of tensor k in `row` of the table, as a pointer of the type of `like`."""
    pointer = tl.load(addresses + row * count + k).to(like.dtype)
    if ALIGNED:
        pointer = tl.multiple_of(pointer, 16)
    return pointer


@kernel
def _load(pointer, offsets, size, WHOLE: tl.constexpr):
    """A block as float32. A mask keeps the compiler from wide accesses, so that a whole block goes without."""
    value = tl.load(pointer + offsets) if WHOLE else tl.load(pointer + offsets, mask=offsets < size, other=0.0)
    return value.to(tl.float32)


@kernel
def _squares(g, offsets, size, WHOLE: tl.constexpr):
    value = _load(g, offsets, size, WHOLE).to(tl.float64)
    return value * value


@kernel(
    *[
        example(
            f"addresses=*i64 sizes=*i64 table=*i64 partial=*fp64 like_g=*{g} L=i32 n=i32", label=g, CHUNK=CHUNK,
            BLOCK=BLOCK, ALIGNED=True, num_warps=8,
        )
        for g in ("fp32", "bf16", "fp16")
    ]
)  # fmt: skip
def _square_sum_kernel(
    addresses, sizes, table, partial, like_g, L, n, CHUNK: tl.constexpr, BLOCK: tl.constexpr, ALIGNED: tl.constexpr
):
    program = tl.program_id(0)
    k = tl.load(table + program)
    first = tl.multiple_of(tl.load(table + n + program), 16)  # a multiple of CHUNK
    size = tl.load(sizes + k)
    g = _pointer(addresses, 1, L, k, like_g, ALIGNED)
    total = tl.zeros([BLOCK], tl.float64)
    if first + CHUNK <= size:
        for start in range(0, CHUNK, BLOCK):
            total += _squares(g, first + start + tl.arange(0, BLOCK), size, True)
    else:
        for start in range(0, tl.cast(size - first, tl.int32), BLOCK):
            total += _squares(g, first + start + tl.arange(0, BLOCK), size, False)
    tl.store(partial + program, tl.sum(total, axis=0))


@kernel(example("partial=*fp64 norm=*fp32 coefficient=*fp32 n=i32 max_norm=fp32", BLOCK=1024, num_warps=8))
def _norm_kernel(partial, norm, coefficient, n, max_norm, BLOCK: tl.constexpr):
    total = tl.zeros([BLOCK], tl.float64)
    for start in range(0, n, BLOCK):
        offsets = start + tl.arange(0, BLOCK)
        total += tl.load(partial + offsets, mask=offsets < n, other=0.0)
    length = tl.sqrt(tl.sum(total, axis=0))
    limit = tl.cast(max_norm, tl.float64)
    # The divisor is 1 where nothing is clipped, so that 0 / 0 and inf / inf are never formed.
    clips = length > limit
    c = tl.where(clips, limit / tl.where(clips, length, 1.0), 1.0)
    # A NaN compares false: it and an infinity become the coefficient that means "no step".
    c = tl.where(length < float("inf"), c, -1.0)
    tl.store(norm, length.to(tl.float32))
    tl.store(coefficient, c.to(tl.float32))


def _update_examples():
    for p, g, master in (
        ("fp32", "fp32", False),
        ("bf16", "bf16", True),
        ("bf16", "bf16", False),
        ("fp16", "fp16", True),
    ):
        yield example(
            f"addresses=*i64 sizes=*i64 table=*i64 coefficient=*fp32 like_p=*{p} like_g=*{g} like_m=*fp32 L=i32 n=i32 "
            "lr=fp32 beta1=fp32 rest1=fp32 beta2=fp32 rest2=fp32 correction1=fp32 correction2=fp32 eps=fp32 "
            "weight_decay=fp32", label=f"{p}, {'masters' if master else 'no masters'}", MASTER=master, CHUNK=CHUNK,
            BLOCK=BLOCK, ALIGNED=True, num_warps=8,
        )  # fmt: skip


@kernel
def _store(pointer, offsets, value, size, WHOLE: tl.constexpr):
    if WHOLE:
        tl.store(pointer + offsets, value)
    else:
        tl.store(pointer + offsets, value, mask=offsets < size)


@kernel
def _update_block(
    p, g, m, v, master, offsets, size, c,
    lr, beta1, rest1, beta2, rest2, correction1, correction2, eps, weight_decay,
    MASTER: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    old = _load(master if MASTER else p, offsets, size, WHOLE)
    gradient = _load(g, offsets, size, WHOLE) * c
    m_new = beta1 * _load(m, offsets, size, WHOLE) + rest1 * gradient
    v_new = beta2 * _load(v, offsets, size, WHOLE) + rest2 * gradient * gradient
    root = tl.sqrt_rn(tl.div_rn(v_new, correction2))
    update = tl.div_rn(tl.div_rn(m_new, correction1), root + eps)
    new = old - lr * (update + weight_decay * old)
    _store(m, offsets, m_new, size, WHOLE)
    _store(v, offsets, v_new, size, WHOLE)
    _store(p, offsets, new, size, WHOLE)
    if MASTER:
        _store(master, offsets, new, size, WHOLE)


@kernel(*_update_examples())
def _update_kernel(
    addresses, sizes, table, coefficient, like_p, like_g, like_m, L, n,
    lr, beta1, rest1, beta2, rest2, correction1, correction2, eps, weight_decay,
    MASTER: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr, ALIGNED: tl.constexpr,
):  # fmt: skip
    c = tl.load(coefficient)
    if c >= 0.0:
        program = tl.program_id(0)
        k = tl.load(table + program)
        first = tl.multiple_of(tl.load(table + n + program), 16)
        size = tl.load(sizes + k)
        p = _pointer(addresses, 0, L, k, like_p, ALIGNED)
        g = _pointer(addresses, 1, L, k, like_g, ALIGNED)
        m = _pointer(addresses, 2, L, k, like_m, ALIGNED)
        v = _pointer(addresses, 3, L, k, like_m, ALIGNED)
        master = _pointer(addresses, 4 if MASTER else 2, L, k, like_m, ALIGNED)
        if first + CHUNK <= size:
            for start in range(0, CHUNK, BLOCK):
                _update_block(
                    p, g, m, v, master, first + start + tl.arange(0, BLOCK), size, c,
                    lr, beta1, rest1, beta2, rest2, correction1, correction2, eps, weight_decay, MASTER, True,
                )  # fmt: skip
        else:
            for start in range(0, tl.cast(size - first, tl.int32), BLOCK):
                _update_block(
                    p, g, m, v, master, first + start + tl.arange(0, BLOCK), size, c,
                    lr, beta1, rest1, beta2, rest2, correction1, correction2, eps, weight_decay, MASTER, False,
                )  # fmt: skip


def check_hyperparameters(
    step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, max_norm: float
) -> None:
    """ValueError naming the first hyper-parameter that is outside its range."""
    if step < 1:
        raise ValueError(f"step counts from 1, got {step}")
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{name} must be in [0, 1), got {value}")
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
        if not (value >= 0.0 and math.isfinite(value)):
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm must not be negative (inf means no clipping), got {max_norm}")


def _check_role(name: str, role: Tensors, params: Tensors, accept: Callable[[torch.dtype], bool], what: str) -> None:
    if len(role) != len(params):
        raise ValueError(f"{len(params)} parameters but {len(role)} tensors in {name}")
    for k, (tensor, param) in enumerate(zip(role, params, strict=True)):
        if tensor.shape != param.shape:
            raise ValueError(f"{name}[{k}] has shape {list(tensor.shape)}, params[{k}] {list(param.shape)}")
        if tensor.device != params[0].device:
            raise ValueError(f"{name}[{k}] is on {tensor.device}, params[0] on {params[0].device}")
        if not accept(tensor.dtype):
            raise TypeError(f"{name}[{k}] must be {what}, got {tensor.dtype}")
        if not tensor.is_contiguous():
            raise ValueError(f"{name}[{k}] must be contiguous, got strides {tensor.stride()}")


def check_tensors(params: Tensors, grads: Tensors, ms: Tensors, vs: Tensors, masters: Tensors | None) -> None:
    """TypeError or ValueError unless the lists fit together."""
    if not params:
        raise ValueError("there is no parameter to update")
    one = f"one of {', '.join(str(d).removeprefix('torch.') for d in FLOATS)}, the same in the whole list"
    _check_role("params", params, params, lambda d: d in FLOATS and d == params[0].dtype, one)
    _check_role("grads", grads, params, lambda d: d in FLOATS and d == grads[0].dtype, one)
    for name, role in (("ms", ms), ("vs", vs), ("masters", params if masters is None else masters)):
        if name != "masters" or masters is not None:
            _check_role(name, role, params, lambda d: d == torch.float32, "float32")


def _scalar(device: torch.device, value: float | None = None) -> torch.Tensor:
    result = empty((), torch.float32, device)
    return result if value is None else result.fill_(value)


def _norm_and_coefficient(chunks: Chunks, grads: Tensors, max_norm: float) -> tuple[torch.Tensor, torch.Tensor]:
    device = grads[0].device
    partial = empty((chunks.count,), torch.float64, device)
    norm, coefficient = _scalar(device), _scalar(device)
    _square_sum_kernel[(chunks.count,)](
        chunks.addresses, chunks.sizes, chunks.table, partial, grads[0], len(grads), chunks.count,
        CHUNK=chunks.chunk, BLOCK=chunks.block, ALIGNED=chunks.aligned, num_warps=8, reachable=chunks.tensors,
    )  # fmt: skip
    block = min(1024, triton.next_power_of_2(chunks.count))
    _norm_kernel[(1,)](partial, norm, coefficient, chunks.count, max_norm, BLOCK=block, num_warps=8)
    return norm, coefficient


def _update(chunks: Chunks, params: Tensors, grads: Tensors, ms: Tensors, master: bool, coefficient: torch.Tensor,
            step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> None:  # fmt: skip
    # 1 - beta is formed here, in double precision: in float32 it would keep few digits of a beta close to 1.
    _update_kernel[(chunks.count,)](
        chunks.addresses, chunks.sizes, chunks.table, coefficient, params[0], grads[0], ms[0], len(params),
        chunks.count, lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0 - beta1**step, 1.0 - beta2**step, eps,
        weight_decay, MASTER=master, CHUNK=chunks.chunk, BLOCK=chunks.block, ALIGNED=chunks.aligned, num_warps=8,
        reachable=chunks.tensors,
    )  # fmt: skip


def adamw_step_(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    vs: Tensors,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    max_norm: float,
    masters: Tensors | None = None,
    chunks: Chunks | None = None,
) -> torch.Tensor:
    """One AdamW step in place; returns the global gradient norm before clipping, float32 [], on the device.

    Args:
        params: contiguous tensors of any shapes, all float32, bfloat16 or float16.
        grads: gradients of the same shapes, one float dtype for all. Not written to.
        ms, vs: moments, float32, zero before the first step.
        step: number of this step, from 1. It is the host's: a step that the device leaves out for a norm that is
            not finite counts as well unless the caller looks at the norm.
        max_norm: largest global norm that is not clipped; inf switches clipping off.
        masters: float32 tensors that `params` are rounded copies of.
        chunks: what `cut` made of the same lists (params, grads, ms, vs, masters), to save that work in each step.

    Raises:
        TypeError, ValueError: the lists do not fit together or a hyper-parameter is outside its range.
    """
    check_hyperparameters(step, lr, beta1, beta2, eps, weight_decay, max_norm)
    check_tensors(params, grads, ms, vs, masters)
    roles = [params, grads, ms, vs] + ([masters] if masters is not None else [])
    if not any(tensor.numel() for tensor in params):
        return _scalar(params[0].device, 0.0)
    if chunks is None:
        chunks = cut(roles)
    elif [t.data_ptr() for t in chunks.tensors] != [t.data_ptr() for role in roles for t in role]:
        raise ValueError("chunks were cut for other tensors")
    norm, coefficient = _norm_and_coefficient(chunks, grads, max_norm)
    _update(
        chunks, params, grads, ms, masters is not None, coefficient, step, lr, beta1, beta2, eps, weight_decay
    )  # fmt: skip
    return norm


def adamw(
    p: torch.Tensor,
    g: torch.Tensor,
    m: torch.Tensor,
    v: torch.Tensor,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    max_norm: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """One AdamW step on L tensors of P elements each, without writing to the arguments.

    Args:
        p, g: parameters and gradients [L, P], of one float dtype each; each row is handed on as a tensor of its own.
        m, v: moments [L, P], float32.
        step, lr, beta1, beta2, eps, weight_decay, max_norm: as in `adamw_step_`.

    Returns:
        p' in the dtype of p, m' and v', float32, and the norm before clipping, float32 []. When that norm is not
        finite, p, m and v come back unchanged.

    Raises:
        TypeError, ValueError: as `adamw_step_`.
    """
    if p.ndim != 2 or not p.shape == g.shape == m.shape == v.shape:
        raise ValueError(
            f"p, g, m and v must have one shape [L, P], got {list(p.shape)}, {list(g.shape)}, {list(m.shape)}, "
            f"{list(v.shape)}"
        )
    p, m, v = (empty(t.shape, t.dtype, t.device).copy_(t.detach()) for t in (p, m, v))
    norm = adamw_step_(
        p.unbind(), g.detach().contiguous().unbind(), m.unbind(), v.unbind(), step=step, lr=lr, beta1=beta1,
        beta2=beta2, eps=eps, weight_decay=weight_decay, max_norm=max_norm,
    )  # fmt: skip
    return p, m, v, norm


class AdamW(torch.optim.Optimizer):
    """`adamw_step_` as a torch optimizer, with the clip inside.

    Every group has its own lr, betas, eps and weight_decay; `max_norm` is global over all groups. Parameters of less
    than float32 get float32 masters in the state. All parameters share one dtype and one device.
    `step()` returns nothing; the norm before clipping is `grad_norm`, a tensor on the device.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        max_norm: float = math.inf,
    ) -> None:
        check_hyperparameters(1, lr, *betas, eps, weight_decay, max_norm)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "step": 0})
        self.max_norm = max_norm
        self.grad_norm: torch.Tensor | None = None

    def _lists(self, group: dict[str, Any]) -> list[list[torch.Tensor]]:
        """Parameters with a gradient, their gradients, moments and, where they are kept, masters."""
        params = [p for p in group["params"] if p.grad is not None and p.numel()]
        for p in params:
            state = self.state[p]
            if not state:
                state["exp_avg"] = torch.zeros_like(p, dtype=torch.float32)
                state["exp_avg_sq"] = torch.zeros_like(p, dtype=torch.float32)
                if p.dtype != torch.float32:
                    state["master"] = p.detach().to(torch.float32)
        roles = [params, [p.grad for p in params]]
        roles += [[self.state[p][name] for p in params] for name in ("exp_avg", "exp_avg_sq")]
        if params and params[0].dtype != torch.float32:
            roles.append([self.state[p]["master"] for p in params])
        return roles

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch, but moments and masters stay float32: torch casts a state to the parameter's dtype."""
        super().load_state_dict(state_dict)
        params = [p for group in self.param_groups for p in group["params"]]
        names = [name for group in state_dict["param_groups"] for name in group["params"]]
        for name, p in zip(names, params, strict=True):
            if name in state_dict["state"]:
                saved = state_dict["state"][name]
                self.state[p] = {key: value.detach().to(p.device, copy=True) for key, value in saved.items()}

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step with the gradients that the parameters hold."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        lists = [(group, roles) for group in self.param_groups if (roles := self._lists(group))[0]]
        if not lists:
            return loss
        for group, _ in lists:
            check_hyperparameters(
                group["step"] + 1, group["lr"], *group["betas"], group["eps"], group["weight_decay"], self.max_norm
            )
        merged = [[t for _, roles in lists for t in roles[r]] for r in range(len(lists[0][1]))]
        masters = merged[4] if len(merged) == 5 else None
        check_tensors(*merged[:4], masters)
        chunks = cut(merged)
        self.grad_norm, coefficient = _norm_and_coefficient(chunks, merged[1], self.max_norm)
        for group, roles in lists:
            group["step"] += 1
            own = chunks if len(lists) == 1 else cut(roles)
            _update(
                own, roles[0], roles[1], roles[2], masters is not None, coefficient, group["step"], group["lr"],
                *group["betas"], group["eps"], group["weight_decay"],
            )  # fmt: skip
        return loss
