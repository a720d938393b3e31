"""The formulas that ship against the tensors that the reference counts, and those that a training step keeps."""

from __future__ import annotations

import pytest
import torch
from albor_impl.accounting import parameters as impl
from albor_impl.training import llama_step as step
from albor_reference.accounting import parameters as reference
from hypothesis import given, settings
from hypothesis import strategies as st

FUNCTIONS = {
    "layer_parameters": (3, False),
    "model_parameters": (5, True),
    "tensors": (1, True),
    "training_bytes": (2, False),
    "kept_elements": (7, True),
    "cache_bytes": (5, False),
}


def outcome(function, arguments) -> object:
    try:
        return function(*arguments)
    except ValueError:
        return "refused"


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
@settings(deadline=None, max_examples=150)
def test_counts_and_refusals_are_those_of_the_reference(name: str, data: st.DataObject) -> None:
    arity, flag = FUNCTIONS[name]
    number = st.one_of(st.integers(1, 60), st.integers(-1, 4))
    arguments = data.draw(st.lists(number, min_size=arity, max_size=arity))
    arguments += [data.draw(st.booleans())] if flag else []
    assert outcome(getattr(impl, name), arguments) == outcome(getattr(reference, name), arguments)


def kept_by_the_step(vocabulary: int, heads: int, kv_heads: int, width: int, inner: int, layers: int, seq: int) -> int:
    """Floating-point numbers that autograd keeps of one sequence, weights apart; each piece of memory once."""
    dim, r = width // heads, torch.rand
    shapes = (2, vocabulary, width), (layers, 2, heads, dim, width), (layers, 2, kv_heads, dim, width)
    table, wqo, wkv = (0.1 * r(shape) for shape in shapes)
    weights = step.Weights(table, torch.ones(2 * layers + 1, width), wqo, wkv, 0.1 * r(layers, 3, inner, width))
    leaves = [w.requires_grad_() for w in weights]
    tokens = torch.zeros(1, seq, dtype=torch.int64)
    pieces: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        pieces[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = step._loss(step.Weights(*leaves), tokens, tokens, step.Norms(100.0, 1e-4))
    keep(loss.grad_fn.gradient)  # where the logits were
    own = {w.untyped_storage().data_ptr() for w in leaves}
    found = [t for at, t in pieces.items() if at not in own and t.is_floating_point()]
    return sum(t.untyped_storage().nbytes() // t.element_size() for t in found)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_a_training_step_keeps_what_is_counted(layers: int) -> None:
    """And a number a norm and token, and the output of the heads once more, in the layout of the next product."""
    found = kept_by_the_step(vocabulary=50, heads=4, kv_heads=2, width=16, inner=24, layers=layers, seq=8)
    counted = impl.kept_elements(8, 16, 8, 24, 4, layers, 50, True)
    assert found == counted + 8 * (2 * layers + 1) + 8 * 16 * layers
