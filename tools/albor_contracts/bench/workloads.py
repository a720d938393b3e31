"""The table of what is measured: one entry for each kernel of the implementation.

Sizes are those of training a model of 350 million parameters (hidden 1,024, 16 heads of 64, 4 of them for keys,
feed-forward 4,096, 16 sequences of 1,024) and one of 7 billion (4,096, 32 heads of 128, 8 for keys, 14,336, 2
sequences of 4,096), with vocabularies from 32,768 to 131,072. A size belongs to the model its name begins with.

The target is 90 percent of a copy unless an entry says otherwise: 80 for a backward pass that also sums over rows, as
RMSNorm's; a loss fused with its linear layer is held to 70 percent of a product (`limit="gemm", target=70.0`).

To measure another kernel, add an entry. Traffic counts every input and output once, FLOPs one for each arithmetic
operation or function of an element. Products by cuBLAS have no target in percent, since the ceiling is cuBLAS at its
best shape; neither has attention, whose softmax stands between its products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from . import peers
from .workload import Peer, Workload, heads, integers, normal, positive, truths

EPS = 1e-6
ROPE = (0, 10_000.0)
LIGER = "liger_kernel.ops"

WIDE = {"350m": {"R": 16384, "N": 1024}, "7b": {"R": 8192, "N": 4096}}
FEED_FORWARD = {"350m": {"R": 16384, "N": 4096}, "7b": {"R": 8192, "N": 14336}}
QUERIES = {"350m": {"B": 16, "H": 16, "T": 1024, "D": 64}, "7b": {"B": 2, "H": 32, "T": 4096, "D": 128}}
ATTENTION = {
    "350m": {"B": 16, "H": 16, "K": 4, "S": 1024, "D": 64},
    "7b": {"B": 2, "H": 32, "K": 8, "S": 4096, "D": 128},
}
LOGITS = {
    "350m": {"T": 8192, "V": 32768},
    "7b": {"T": 8192, "V": 32768},
    "7b V=65536": {"T": 8192, "V": 65536},
    "7b V=131072": {"T": 8192, "V": 131072},
}
# The formula written out in PyTorch keeps several tensors of the size of the logits.
TWO_LOGITS = {name: {**dims, "T": 4096} for name, dims in LOGITS.items()}
PRODUCT = {"350m": {"M": 16384, "K": 1024, "N": 4096}, "7b": {"M": 8192, "K": 4096, "N": 14336}}
TENSORS = {"350m": {"L": 96, "P": 1 << 20}, "7b": {"L": 12, "P": 1 << 24}}
VECTORS = {"350m": {"M": 3, "N": 1 << 24}, "7b": {"M": 3, "N": 4096 * 14336}}
MATRIX = {"350m": {"R": 4096, "C": 1024, "T": 4096}, "7b": {"R": 14336, "C": 4096, "T": 4096}}
BLOCKS = {"350m": {"B": 4 * 4096}, "7b": {"B": 16 * 14336}}

_GEMM = {
    # name: shapes of a and b, and the same product in PyTorch
    "gemm": ("M K", "K N", lambda a, b: a @ b),
    "gemm_tn": ("K M", "K N", lambda a, b: a.T @ b),
    "gemm_nt": ("M K", "N K", lambda a, b: a @ b.T),
    "gemm_tt": ("K M", "N K", lambda a, b: a.T @ b.T),
}


def _workloads() -> Iterable[Workload]:
    yield Workload(
        "core/rmsnorm", "rmsnorm", {"x": normal("R N"), "w": normal("N")}, scalars=(EPS,),
        bytes="(2 * R * N + N) * s", flops="4 * R * N", sizes=WIDE, tiny={"R": 3, "N": 64},
        eager=peers.rmsnorm,
        liger=Peer(f"{LIGER}.rms_norm:LigerRMSNormFunction.apply", lambda x, w, eps: [x, w, eps, 0.0, "llama", False]),
    )  # fmt: skip
    yield Workload(
        "core/rmsnorm", "rmsnorm_backward", {"g": normal("R N"), "x": normal("R N"), "w": normal("N")}, scalars=(EPS,),
        bytes="(3 * R * N + 2 * N) * s", flops="10 * R * N", sizes=WIDE, tiny={"R": 3, "N": 64},
        own="rmsnorm_autograd", form="backward", eager=peers.rmsnorm, target=80.0,
        liger=Peer(f"{LIGER}.rms_norm:LigerRMSNormFunction.apply", lambda x, w, eps: [x, w, eps, 0.0, "llama", False]),
    )  # fmt: skip
    yield Workload(
        "core/swiglu", "swiglu", {"gate": normal("R N"), "up": normal("R N")},
        bytes="3 * R * N * s", flops="5 * R * N", sizes=FEED_FORWARD, tiny={"R": 3, "N": 64},
        eager=peers.swiglu, liger=Peer(f"{LIGER}.swiglu:LigerSiLUMulFunction.apply"),
    )  # fmt: skip
    yield Workload(
        "core/swiglu", "swiglu_backward", {"g": normal("R N"), "gate": normal("R N"), "up": normal("R N")},
        bytes="5 * R * N * s", flops="12 * R * N", sizes=FEED_FORWARD, tiny={"R": 3, "N": 64},
        own="swiglu_autograd", form="backward", eager=peers.swiglu,
        liger=Peer(
            f"{LIGER}.swiglu:swiglu_backward", lambda g, gate, up: [gate.clone(), up.clone(), g], form="call",
            note="in place: each call reads what the last one left",
        ),
    )  # fmt: skip
    for name, table in (("rope", peers.rope_arguments), ("rope_inverse", peers.rope_inverse_arguments)):
        yield Workload(
            "core/rope", name, {"x": heads("B T H D")}, scalars=ROPE,
            bytes="2 * B * H * T * D * s + T * D * 4", flops="3 * B * H * T * D", sizes=QUERIES,
            tiny={"B": 1, "H": 2, "T": 8, "D": 16}, eager=Peer(peers.rope, table),
            liger=Peer(
                f"{LIGER}.rope:LigerRopeFunction.apply", peers.liger_rope_arguments,
                note="in place, queries and keys in one launch", result=lambda qk: torch.cat(qk, dim=1),
            ) if name == "rope" else None,
        )  # fmt: skip
    for name, (a, b, product) in _GEMM.items():
        yield Workload(
            "core/gemm", name, {"a": normal(a), "b": normal(b)}, limit="gemm",
            bytes="(M * K + K * N + M * N) * s", flops="2 * M * N * K", sizes=PRODUCT, tiny={"M": 8, "K": 16, "N": 8},
            eager=product, target=None,
        )  # fmt: skip
    yield Workload(
        "core/gemm", "gemm_backward", {"g": normal("M N"), "a": normal("M K"), "b": normal("K N")}, limit="gemm",
        bytes="2 * (M * K + K * N) * s + M * N * s", flops="4 * M * N * K", sizes=PRODUCT,
        tiny={"M": 8, "K": 16, "N": 8}, eager=peers.gemm_backward, target=None,
    )  # fmt: skip
    qkv = {"q": normal("B H S D"), "k": normal("B K S D"), "v": normal("B K S D")}
    yield Workload(
        "attention/causal-gqa", "attention", qkv, limit="gemm",
        bytes="(2 * H + 2 * K) * B * S * D * s + 4 * B * H * S", flops="2 * B * H * S * (S + 1) * D", sizes=ATTENTION,
        tiny={"B": 1, "H": 2, "K": 1, "S": 16, "D": 16}, eager=peers.attention, target=None,
    )  # fmt: skip
    yield Workload(
        "attention/causal-gqa", "attention_backward", {"g": normal("B H S D"), **qkv}, limit="gemm",
        bytes="(4 * H + 4 * K) * B * S * D * s + 4 * B * H * S", flops="5 * B * H * S * (S + 1) * D", sizes=ATTENTION,
        tiny={"B": 1, "H": 2, "K": 1, "S": 16, "D": 16}, own="causal_attention", form="backward",
        eager=peers.attention, target=None,
    )  # fmt: skip
    yield Workload(
        "loss/cross-entropy", "cross_entropy", {"z": normal("T V"), "y": integers("T", below="V")}, scalars=(-100,),
        bytes="2 * T * V * s + 8 * T", flops="6 * T * V", sizes=LOGITS, tiny={"T": 3, "V": 64},
        form="loss", eager=peers.cross_entropy,
        liger=Peer(
            f"{LIGER}.cross_entropy:LigerCrossEntropyFunction.apply",
            lambda z, y, ignore: [z.detach().clone().requires_grad_(), y, None, ignore], form="call",
            note="in place: each call reads what the last one left",
        ),
    )  # fmt: skip
    yield Workload(
        "distill/knowledge-distillation", "knowledge_distillation",
        {"s": normal("T V"), "t": normal("T V"), "y": integers("T", below="V")}, scalars=(0.5, 2.0, -100),
        bytes="3 * T * V * s + 8 * T", flops="16 * T * V", sizes=TWO_LOGITS, tiny={"T": 3, "V": 64},
        form="loss", eager=peers.distillation,
    )  # fmt: skip
    yield Workload(
        "optim/adamw", "adamw",
        {
            "p": normal("L P", scale=0.02), "g": normal("L P", scale=1e-3), "m": normal("L P", scale=1e-4),
            "v": positive("L P"),
        },
        scalars=(100, 3e-4, 0.9, 0.95, 1e-8, 0.1, 1.0),
        bytes="32 * L * P", flops="18 * L * P", sizes=TENSORS, tiny={"L": 2, "P": 64}, dtype=torch.float32,
        own=Peer(peers.own_adamw, peers.own_adamw_arguments),
        # The fused optimizer is PyTorch's best; there is nothing in it to compile.
        eager=Peer(peers.adamw, peers.adamw_arguments), compiled=False,
    )  # fmt: skip
    yield Workload(
        "merge/slerp", "slerp", {"a": normal("N"), "b": normal("N")}, scalars=(0.3,),
        bytes="5 * N * s", flops="9 * N", sizes=VECTORS, tiny={"N": 64}, eager=peers.slerp,
        synchronises="a refusal has to be seen before there is a result",
    )  # fmt: skip
    yield Workload(
        "merge/ties", "ties", {"base": normal("N"), "models": normal("M N")},
        scalars=lambda dims: ([1.0] * dims["M"], dims["N"] // 5, 1.0),
        bytes="(2 * (M + 1) + 1) * N * s", flops="8 * M * N", sizes=VECTORS, tiny={"M": 3, "N": 64},
        # float32: among bfloat16 changes many are equal at the threshold, and kthvalue keeps all of those.
        eager=Peer(peers.ties, peers.ties_arguments), dtype=torch.float32,
    )  # fmt: skip
    yield Workload(
        "merge/dare", "dare_rescale", {"base": normal("N"), "tuned": normal("N"), "mask": truths("N", 0.5)},
        scalars=(0.5,), bytes="3 * N * s + N", flops="3 * N", sizes=VECTORS, tiny={"N": 64}, eager=peers.dare_rescale,
    )  # fmt: skip
    yield Workload(
        "prune/wanda", "wanda", {"w": normal("R C"), "x": normal("T C")}, scalars=(1, 2),
        bytes="(2 * R * C + T * C) * s + R * C", flops="2 * (R + T) * C", sizes=MATRIX,
        tiny={"R": 4, "C": 16, "T": 8}, eager=peers.wanda,
    )  # fmt: skip
    yield Workload(
        "prune/wanda", "magnitude", {"w": normal("R C")}, scalars=(1, 2),
        bytes="2 * R * C * s + R * C", flops="R * C", sizes=MATRIX, tiny={"R": 4, "C": 16}, eager=peers.magnitude,
    )  # fmt: skip
    yield Workload(
        "quantize/q4-k", "q4k_decode", {"blocks": _q4k_blocks}, bytes="(144 + 4 * 256) * B",
        flops="3 * 256 * B", sizes=BLOCKS, tiny={"B": 3}, eager=peers.q4k_decode,
    )  # fmt: skip
    yield Workload(
        "quantize/q4-k", "q4k_encode", {"x": _q4k_weights}, bytes="(144 + 4 * 256) * B", flops="5 * 256 * B",
        sizes=BLOCKS, tiny={"B": 3}, dtype=torch.float32,
        synchronises="a range that the format cannot hold has to be refused",
    )  # fmt: skip


def _q4k_blocks(draw):  # type: ignore[no-untyped-def]
    """Blocks whose two float16 scales are ordinary numbers; the other bytes are any."""
    blocks = torch.randint(256, (draw.dims["B"], 144), generator=draw.generator, device=draw.device, dtype=torch.uint8)
    blocks[:, 1] = blocks[:, 1] % 60  # exponents below that of infinity, sign 0
    blocks[:, 3] = blocks[:, 3] % 60
    return blocks


def _q4k_weights(draw):  # type: ignore[no-untyped-def]
    return torch.randn(draw.dims["B"], 256, generator=draw.generator, device=draw.device)


WORKLOADS: tuple[Workload, ...] = tuple(_workloads())

# Kernels of the implementation without an entry, by contract and equation ("*": all of the contract), and why.
ABSENT: Mapping[tuple[str, str], str] = {
    ("schedule/training-config", "*"): "arithmetic of the host: it runs once or once a step, on numbers",
    ("data/fim", "*"): "text, on the host",
    ("merge/ties", "kept"): "one number, on the host",
    ("merge/ties", "kept_count"): "one number, on the host",
    (
        "merge/dare",
        "dare",
    ): "dare_rescale behind a mask from PyTorch's generator, whose time it would be",
    ("prune/wanda", "prune_layers"): "wanda in a loop over layers",
    ("prune/wanda", "prune_count"): "one number, on the host",
    ("prune/wanda", "sparsity_ratio"): "one number, on the host",
    ("quantize/q4-k", "q4k_fields"): "takes blocks apart for people and tests; the decoder does not go through it",
}


def select(contracts: Iterable[str]) -> list[Workload]:
    """The workloads of contracts, families or single kernels (`core/rmsnorm:rmsnorm`); all when nothing is named."""
    wanted = {name.rstrip("/") for name in contracts}
    return [
        w for w in WORKLOADS
        if not wanted or wanted & {w.contract, w.contract.partition("/")[0], f"{w.contract}:{w.kernel}"}
    ]  # fmt: skip


def sizes_of(workload: Workload, model: str) -> dict[str, Mapping[str, int]]:
    """The sizes of one model (350m, 7b), or of all."""
    return {name: dims for name, dims in workload.sizes.items() if model in ("all", name.split(maxsplit=1)[0])}
