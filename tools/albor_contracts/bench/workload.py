"""What an entry of the table of workloads consists of, and how its variants become calls.

A workload is one kernel of the implementation with the arguments it gets in practice. Its variants, the kernel itself
and its peers, all get the same arguments; `calls` turns a variant into functions without arguments, one for each set.
"""

from __future__ import annotations

import ast
import importlib
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Dims = Mapping[str, int]
FORMS = ("call", "backward", "loss")
PACKAGE = "albor_impl"
_OPERATORS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
}  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """Where and from what arguments are drawn."""

    dims: Dims
    dtype: torch.dtype
    device: torch.device
    generator: torch.Generator

    def shape(self, names: str) -> tuple[int, ...]:
        return tuple(self.dims[name] for name in names.split())


Maker = Callable[[Draw], Any]


def normal(names: str, dtype: torch.dtype | None = None, scale: float = 1.0) -> Maker:
    """Normal numbers: zeros would draw less power and find the kernel faster than data does."""

    def make(draw: Draw) -> torch.Tensor:
        values = torch.randn(draw.shape(names), generator=draw.generator, device=draw.device, dtype=torch.float32)
        return (values * scale).to(dtype or draw.dtype)

    return make


def positive(names: str, dtype: torch.dtype | None = None) -> Maker:
    """Squares of normal numbers."""
    return lambda draw: normal(names, dtype)(draw).square()


def heads(names: str) -> Maker:
    """[B, H, T, D] as a view of [B, T, H, D], the way a projection leaves it."""
    return lambda draw: normal(names)(draw).transpose(1, 2)


def integers(names: str, below: str, dtype: torch.dtype = torch.int64) -> Maker:
    """Uniform integers below a dimension or a number."""

    def make(draw: Draw) -> torch.Tensor:
        top = int(below) if below.isdigit() else draw.dims[below]
        return torch.randint(top, draw.shape(names), generator=draw.generator, device=draw.device, dtype=dtype)

    return make


def truths(names: str, share: float) -> Maker:
    """Truth values, true with probability `share`."""
    return lambda draw: torch.rand(draw.shape(names), generator=draw.generator, device=draw.device) < share


@dataclass(frozen=True)
class Peer:
    """Somebody else's way to the same result.

    `call` is a function or "module:name.of.it", looked up when it is used. `arguments` makes what it takes from the
    kernel's arguments, once for each set and outside the time; `result` makes the kernel's result of its own, to be
    compared. `form` is the workload's unless it is given.
    """

    call: Callable[..., Any] | str
    arguments: Callable[..., Sequence[Any]] | None = None
    form: str = ""
    note: str = ""
    result: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Workload:
    """One kernel to be measured.

    `bytes` and `flops` are formulas in the dimensions and in `s`, the size of an element: what a call must read and
    write at least, and its arithmetic, one for each operation or function. `limit` says which ceiling they meet.

    `form`: "call" calls all variants; "backward" times the backward pass alone, of `own` and the peers as forward
    functions, for the gradient that is the first argument; "loss" calls the kernel, which returns loss and gradient,
    and lets autograd find the gradients of the peers' losses for the first `wrt` arguments.
    """

    contract: str
    kernel: str  # an equation of the contract
    inputs: Mapping[str, Maker]
    bytes: str
    flops: str
    sizes: Mapping[str, Dims]
    tiny: Dims  # for the interpreter
    scalars: tuple[Any, ...] | Callable[[Dims], tuple[Any, ...]] = ()
    own: str | Peer = ""  # name in the kernel's module, the equation's by default
    form: str = "call"
    eager: Callable[..., Any] | Peer | None = None
    compiled: bool = True  # whether torch.compile of `eager` is a peer
    liger: Peer | None = None
    wrt: int = 1
    limit: str = "copy"
    target: float | None = 90.0  # percent of the ceiling
    synchronises: str = ""  # why a call makes the host wait; "" where it must not
    dtype: torch.dtype = field(default=torch.bfloat16)

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.limit not in ("copy", "gemm"):
            raise ValueError(f"{self.name}: form is one of {', '.join(FORMS)}, limit is copy or gemm")

    @property
    def name(self) -> str:
        return f"{self.contract} {self.kernel}"

    @property
    def module(self) -> str:
        return f"{PACKAGE}.{self.contract.replace('/', '.').replace('-', '_')}"

    @property
    def kernel_name(self) -> str:
        """`module:function` of what is measured."""
        return f"{self.module}:{self.own if isinstance(self.own, str) and self.own else self.kernel}"

    def cost(self, formula: str, dims: Dims) -> int:
        return evaluate(formula, {**dims, "s": self.dtype.itemsize})

    def arguments(self, dims: Dims, device: torch.device, seed: int) -> list[Any]:
        """One set of arguments in the order of the kernel's signature."""
        generator = torch.Generator(device).manual_seed(seed)
        draw = Draw(dims, self.dtype, device, generator)
        scalars = self.scalars(dims) if callable(self.scalars) else self.scalars
        return [*(make(draw) for make in self.inputs.values()), *scalars]

    def peers(self) -> dict[str, Peer]:
        """The peers this kernel has, by name."""
        found = {}
        if self.eager is not None:
            eager = self.eager if isinstance(self.eager, Peer) else Peer(self.eager)
            found["eager"] = eager
            if self.compiled:
                found["compile"] = eager
        if self.liger is not None:
            found["liger"] = self.liger
        return found

    def variant(self, name: str) -> tuple[Peer, str]:
        """A variant by name ("albor" or a peer's) and the form it takes."""
        if name == "albor":
            own = self.own if isinstance(self.own, Peer) else Peer(self.kernel_name)
            return own, own.form or ("backward" if self.form == "backward" else "call")
        peer = self.peers()[name]
        return peer, peer.form or self.form


def evaluate(formula: str, names: Mapping[str, int]) -> int:
    """The value of a formula of names, whole numbers, + - * // and brackets."""

    def value(node: ast.expr) -> int:
        match node:
            case ast.Constant(int() as number):
                return number
            case ast.Name(name):
                return names[name]
            case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
        raise ValueError(f"{ast.unparse(node)!r} in the formula {formula!r}: expected names, numbers, + - * //")

    return value(ast.parse(formula, mode="eval").body)


def look_up(name: str) -> Callable[..., Any]:
    """The function `module:name.of.it` stands for."""
    module, _, path = name.partition(":")
    return operator.attrgetter(path)(importlib.import_module(module))


def calls(
    peer: Peer, form: str, sets: Sequence[Sequence[Any]], wrap: Callable[[Any], Any] | None = None, wrt: int = 1
) -> list[Callable[[], Any]]:
    """The variant as functions without arguments, one for each set of arguments. `wrap` is torch.compile or nothing."""
    function = look_up(peer.call) if isinstance(peer.call, str) else peer.call
    if wrap is not None:
        function = wrap(function)
    return [_call(function, peer.arguments or (lambda *given: given), form, given, wrt) for given in sets]


def _call(
    function: Callable[..., Any], arguments: Callable[..., Sequence[Any]], form: str, given: Sequence[Any], wrt: int
) -> Callable[[], Any]:
    if form == "call":
        taken = arguments(*given)
        return lambda: function(*taken)
    if form == "backward":
        gradient, *rest = given
        rest = [_leaf(a) for a in rest]
        leaves = [a for a in rest if isinstance(a, torch.Tensor) and a.requires_grad]
        output = function(*arguments(*rest))
        output = output[0] if isinstance(output, tuple) else output
        return lambda: torch.autograd.grad(output, leaves, gradient, retain_graph=True)
    leaves = [_leaf(a) for a in given[:wrt]]
    taken = arguments(*leaves, *given[wrt:])

    def loss_and_gradients() -> tuple[torch.Tensor, ...]:
        loss = function(*taken)
        loss = loss[0] if isinstance(loss, tuple) else loss
        return loss.detach(), *torch.autograd.grad(loss, leaves)

    return loss_and_gradients


def _leaf(value: Any) -> Any:
    """A tensor of numbers as one that gradients are found for; anything else as it is."""
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.detach().requires_grad_() if floating else value


def size_of(arguments: Sequence[Any]) -> int:
    """Bytes of all tensors among the arguments, in lists too."""
    total = 0
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            total += argument.numel() * argument.element_size()
        elif isinstance(argument, list | tuple):
            total += size_of(argument)
    return total


def snapshot(result: Any) -> list[torch.Tensor]:
    """Copies of all tensors of a result: what works in place will overwrite them."""
    return [tensor.detach().clone() for tensor in tensors_of(result)]


def tensors_of(result: Any) -> list[torch.Tensor]:
    """All tensors of a result, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, list | tuple):
        return [tensor for part in result for tensor in tensors_of(part)]
    return []
