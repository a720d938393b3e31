"""Gradients of a function as a kernel of the equation that holds them: PyTorch's autograd goes back through whatever
the function recorded, a backward pass of its own included.

An obligation of type gradient says which outputs are gradients of what; so any function of torch tensors that stands
for the forward equation stands for the backward one as well, if autograd can differentiate it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..lang.signature import Parameter, Signature
from .counted import begins_here
from .kernel_fault import KernelFault
from .missing import Missing, NotOffered
from .target import Target, arranged, miscounted, sizes_in

_UNSEEN = "for autograd, what it returns does not depend on its inputs"
_COPIED = "autograd saw a copy of an input, and nothing of what was written into it"
# What leaves every element as it is, if perhaps in another place.
_COPIES = frozenset(f"{name}Backward0" for name in ("Alias", "Clone", "Permute", "Transpose", "UnsafeView", "View"))


@dataclass(frozen=True)
class Gradients:
    """The outputs `gives` of `equation` are the gradients of `forward` by its inputs `wrt`; `cotangents` maps outputs
    of `forward` to the inputs of `equation` that they are weighted with, or to "1"."""

    equation: Signature
    forward: Signature
    wrt: tuple[str, ...]
    gives: tuple[str, ...]
    cotangents: Mapping[str, str]

    @property
    def in_one(self) -> bool:
        """Whether one equation returns values and their gradients, as a loss does."""
        return self.equation == self.forward

    @property
    def values(self) -> tuple[str, ...]:
        """What a function returns that leaves the gradients to autograd."""
        return tuple(p.name for p in self.forward.outputs if not (self.in_one and p.name in self.gives))

    def unknown(self) -> tuple[str, ...]:
        """Inputs of the forward equation that the other does not take and that zeros cannot stand for."""
        known = {p.name for p in self.equation.inputs}
        return tuple(
            p.name for p in self.forward.inputs if p.name not in known and not (p.type.is_array and p.type.is_floating)
        )


class Differentiated:
    """The kernel of `gradients.equation` that calls a forward function and differentiates it.

    An input of the forward equation that the other does not take is filled with zeros: by the contract no gradient
    depends on it. Raises `NotOffered` where autograd finds no way back from the outputs, and `KernelFault` where it
    finds none to one of several inputs.
    """

    def __init__(self, forward: Target, gradients: Gradients) -> None:
        self.forward = forward
        self.gradients = gradients
        self.refusal = ""  # what the function says to inputs that require gradients
        self.alone = ""  # the one input that required a gradient in the last call, where it was one of several
        self.__wrapped__ = forward.call

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs of the equation in their order; those that nobody computes are `Missing`."""
        import torch

        g = self.gradients
        self.alone = ""
        given = dict(zip((p.name for p in g.equation.inputs), inputs, strict=True))
        sizes = sizes_in(g.equation, inputs)
        like = next(v for v in (*map(given.get, g.wrt), *inputs) if isinstance(v, torch.Tensor))
        known = {p.name: given[p.name] if p.name in given else _zeros(p, sizes, like) for p in g.forward.inputs}
        leaves = {n: known[n].detach().requires_grad_() for n in g.wrt}
        scale = self._scale(sizes)
        unscaled = {} if scale == 1 else self._of_ones(known, sizes)
        alone = self._alone(known, sizes, given)
        found = self._outputs(known, leaves, sizes)
        if not (g.in_one and set(g.gives) <= set(found)):
            ends: list[Any] = [found.get(n) for n in g.cotangents]
            if not all(isinstance(e, torch.Tensor) and e.requires_grad for e in ends):
                return self._without_gradients(found)
            if any(map(_written_into, ends)):
                return self._without_gradients(found, _COPIED)
            weights = [
                torch.full_like(e, scale) if w == "1" else given[w]
                for e, w in zip(ends, g.cotangents.values(), strict=True)
            ]
            for e, w in zip(ends, weights, strict=True):
                if e.shape != w.shape:
                    raise NotOffered(
                        "autograd refuses a gradient of another shape than the output before any kernel sees it"
                    )
            if not g.in_one:
                self._elsewhere(known, leaves, sizes)
                begins_here()
                found = {}  # whatever its names are, they are outputs of another equation
            slopes = torch.autograd.grad(ends, list(leaves.values()), weights, allow_unused=True)
            slopes = tuple(alone.get(name, slope) for name, slope in zip(g.wrt, slopes, strict=True))
            for name, slope in zip(g.wrt, slopes, strict=True):
                if slope is None:
                    raise KernelFault(
                        "no gradient",
                        f"{self.forward.name} gives no gradient for {name}: for autograd, {', '.join(g.cotangents)} "
                        "does not depend on it",
                    )
                if name in unscaled and slope.any() and torch.equal(slope, unscaled[name]):
                    raise KernelFault(
                        "no gradient",
                        f"{self.forward.name} gives the same gradient for {name} when its outputs are weighted with 1 "
                        f"and with {scale}: the backward pass takes no notice of the gradient that it is given",
                    )
            found |= {n: s if scale == 1 else s / scale for n, s in zip(g.gives, slopes, strict=True)}
        return tuple(found.get(p.name, Missing(f"autograd does not return {p.name}")) for p in g.equation.outputs)

    def _scale(self, sizes: Mapping[str, int]) -> int:
        """What the outputs are weighted with where the equation says 1: in every other size 2, and the gradients are
        halved. Whoever scales a loss, or adds several, goes back with another number than 1, and a backward pass that
        takes no notice of it is right for 1 alone. A factor of 2 changes no digit."""
        ones = all(weight == "1" for weight in self.gradients.cotangents.values())
        return 1 + sum(sizes.values()) % 2 if ones else 1

    def _of_ones(self, known: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
        """The gradients where the outputs are weighted with 1, from a pass of their own; empty where there are none."""
        import torch

        g = self.gradients
        leaves = {n: known[n].detach().requires_grad_() for n in g.wrt}
        with contextlib.suppress(Exception):  # what fails here fails in the pass that is judged
            found = self._outputs(known, leaves, sizes)
            ends = [found[n] for n in g.cotangents]
            slopes = torch.autograd.grad(ends, list(leaves.values()), [torch.ones_like(e) for e in ends])
            begins_here()
            return dict(zip(g.wrt, slopes, strict=True))
        begins_here()
        return {}

    def _alone(self, known: Mapping[str, Any], sizes: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, Any]:
        """In every third size the gradient of one of several inputs, from a pass in which nothing else requires one:
        weights are frozen, and what a backward pass leaves out then must not be needed for what it gives. That gradient
        is the one that is judged."""
        import torch

        g, total = self.gradients, sum(sizes.values())
        if len(g.wrt) < 2 or g.in_one or total % 3 or self.refusal:
            return {}
        name = g.wrt[total // 3 % len(g.wrt)]
        leaf = known[name].detach().requires_grad_()
        found = self._outputs(known, {name: leaf}, sizes)
        ends, weights = [], []
        for output, weight in g.cotangents.items():
            end = found.get(output)
            if isinstance(end, torch.Tensor) and end.requires_grad:
                ends.append(end)
                weights.append(torch.full_like(end, self._scale(sizes)) if weight == "1" else given[weight])
        slopes: tuple[Any, ...] = ()
        if ends and all(e.shape == w.shape for e, w in zip(ends, weights, strict=True)):
            slopes = torch.autograd.grad(ends, [leaf], weights, allow_unused=True)
        begins_here()
        if None in slopes or not slopes:
            return {}  # the pass that differentiates everything says why
        self.alone = name
        return {name: slopes[0]}

    def _outputs(self, known: Mapping[str, Any], leaves: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
        """What the function returns, by name: values of the forward equation, perhaps with the gradients."""
        import torch

        def call(values: Mapping[str, Any]) -> Any:
            positional, keywords = arranged(self.forward, list(values.values()), lambda: {**values, **sizes})
            return self.forward.call(*positional, **keywords)

        if self.refusal:
            outputs = call(known)
        else:
            try:
                with torch.enable_grad():
                    outputs = call({**known, **leaves})
            except RuntimeError as error:
                outputs = call(known)  # what fails here as well is no matter of autograd
                self.refusal = str(error).split("\n")[0] or type(error).__name__
        several = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        g = self.gradients
        everything = tuple(p.name for p in g.forward.outputs)
        for names in (self.forward.returns,) if self.forward.returns else (g.values, everything):
            if len(names) == len(several):
                return {n: v for n, v in zip(names, several, strict=True) if n != "_"}
        raise miscounted(self.forward, several, self.forward.returns or g.values)

    def _elsewhere(self, known: Mapping[str, Any], leaves: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        """Another forward pass, on the elements in the opposite order: what a backward pass needs belongs to its own
        forward pass, and this one must not change it."""
        import torch

        others = {n: torch.flip(x.detach(), list(range(x.ndim))).requires_grad_() for n, x in leaves.items()}
        with contextlib.suppress(Exception):  # it need not take these
            self._outputs(known, others, sizes)

    def _without_gradients(self, found: Mapping[str, Any], seen: str = _UNSEEN) -> tuple[Any, ...]:
        g = self.gradients
        reason = f"{self.forward.name} is not differentiable: {self.refusal or seen}"
        if not g.in_one:
            raise NotOffered(reason)
        return tuple(found.get(p.name, Missing(reason)) for p in g.equation.outputs)


def _zeros(parameter: Parameter, sizes: Mapping[str, int], like: Any) -> Any:
    return like.new_zeros([sizes[d] if isinstance(d, str) else d for d in parameter.type.shape or ()])


def _written_into(end: Any) -> bool:
    """Whether autograd takes a tensor for a copy of an input whose elements it no longer has: a kernel launch, which
    autograd does not see, put others in their place."""
    import torch

    node = end.grad_fn
    while node is not None and type(node).__name__ in _COPIES:
        node = node.next_functions[0][0]
    leaf = getattr(node, "variable", None)
    if end.grad_fn is None or leaf is None or leaf.numel() != end.numel():
        return False
    there, here = (x.detach().flatten().sort().values for x in (leaf, end))
    return not torch.equal(there.nan_to_num(), here.nan_to_num())
