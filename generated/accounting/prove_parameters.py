"""accounting/parameters: Parameters and memory of a model, what is proved.

Compiled from contracts/accounting/parameters-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 95ab60c1a012d5fd0dd09c5f677b947e15079bb5852eb8d3a30cfd53f509f26d
"""

from albor_contracts.prove import proof
from albor_impl.accounting.parameters import tensors, training_bytes


@proof("PRM-TENSORS", "crosshair")
def prove_prm_tensors(layers: int, tied: bool) -> None:
    """A checkpoint has nine tensors a layer and two more, three with a head of its own."""
    assert 0 <= layers <= 1000000000
    pass
    assert tensors(layers + 1, tied) == tensors(layers, tied) + 9
    assert tensors(0, True) == 2
    assert tensors(layers, False) == tensors(layers, True) + 1


def canary_prm_tensors(layers: int, tied: bool) -> None:
    """The assumptions of PRM-TENSORS can be met: this claim must be refuted."""
    assert 0 <= layers <= 1000000000
    pass  # the assumptions end here
    assert False


@proof("PRM-SIXTEEN", "crosshair")
def prove_prm_sixteen(parameters: int) -> None:
    """Sixteen bytes a parameter, eighteen with a copy of two bytes."""
    assert 1 <= parameters <= 1000000000000000
    a, b, c, d = training_bytes(parameters, 4)
    e, f, g, h = training_bytes(parameters, 2)
    assert a + b + c + d == 16 * parameters
    assert e + f + g + h == 18 * parameters
    assert c == 2 * a


def canary_prm_sixteen(parameters: int) -> None:
    """The assumptions of PRM-SIXTEEN can be met: this claim must be refuted."""
    assert 1 <= parameters <= 1000000000000000
    pass  # the assumptions end here
    assert False
