"""training/evaluation-cadence: Evaluation and checkpoint cadence.

Compiled from contracts/training/evaluation-cadence-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: e75ceabe1c318f90dc22559c28f94f96b208ed9a024dccd16ef03e95f4c06d52
"""

from albor_contracts.testing import (
    approx, cases, claim, count, defines, definitions, example, given, grid, max, min, obligation, rejects, single,
    truth,
)

CONTRACT = "training/evaluation-cadence"


@defines("evaluation_due(step: int, every: int) -> due: bool")
def evaluation_due(step, every):
    """step > 0, every > 0 and every divides step"""
    due = single(truth(step > 0) & truth(every > 0) & truth(step % max(every, 1) == 0))
    return due


@defines("checkpoint_due(step: int, every: int, total: int, resumed: int) -> due: bool")
def checkpoint_due(step, every, total, resumed):
    """step > resumed, and every divides step or step is the last"""
    due = single(truth(step > resumed) & (truth(every > 0) & truth(step % max(every, 1) == 0) | truth(step == total)))
    return due


spec = definitions(CONTRACT, evaluation_due, checkpoint_due)

evaluation_due_inputs = cases(
    dims={"N": "2..60"},
    step="int in [0, 300]",
    every="int in [1, 20]",
    order="permutation[N]",
)
ec_never_inputs = cases(
    step="int in [0, 300]",
    every="int in [0, 40]",
)
checkpoint_due_inputs = cases(
    step="int in [0, total]",
    every="int in [0, 40]",
    total="int in [1, 300]",
    resumed="int in [0, total]",
)
ec_next_inputs = cases(
    assume=("resumed < total",),
    step="int in [0, total]",
    every="int in {1, 2, 3, 5}",
    total="int in [1, 300]",
    resumed="int in [0, total]",
)
ec_negative_inputs = cases(
    step="int in [0, 300]",
    every="int in [0, 40]",
    negative="int in [-5, -1]",
)
ec_negative_checkpoint_inputs = cases(
    step="int in [0, total]",
    every="int in [0, 40]",
    total="int in [1, 300]",
    resumed="int in [0, total]",
    negative="int in [-5, -1]",
)


@obligation("EC-COUNT", equation="evaluation_due", type="conservation", cost=2)
@given(case=evaluation_due_inputs)
def test_ec_count(kernel, case):
    """A run of N - 1 steps is evaluated (N - 1) // every times."""
    every, order = kernel.receives(case, "every order")
    N = case.N
    i = grid(N)
    claim(count[i](kernel.evaluation_due(order[i], every)) == (N - 1) // every)


@obligation("EC-NEVER", equation="evaluation_due", type="boundary")
@given(case=ec_never_inputs)
def test_ec_never(kernel, case):
    """0 switches evaluation off; nothing is evaluated before the first step."""
    step, every = kernel.receives(case, "step every")
    claim(~truth(kernel.evaluation_due(step, 0)))
    claim(~truth(kernel.evaluation_due(0, every)))


@obligation("EC-LAST", equation="checkpoint_due", type="boundary")
@given(case=checkpoint_due_inputs)
def test_ec_last(kernel, case):
    """The last step is always saved, unless the run was resumed there; the step resumed from never is."""
    every, total, resumed = kernel.receives(case, "every total resumed")
    claim(truth(resumed == total) | truth(kernel.checkpoint_due(total, every, total, resumed)))
    claim(~truth(kernel.checkpoint_due(resumed, every, total, resumed)))


@obligation("EC-NEXT", equation="checkpoint_due", type="boundary")
@given(case=ec_next_inputs)
def test_ec_next(kernel, case):
    """The steps beside the one resumed from: at every = 1 the very next one is saved, and else the first that every
    divides, none before it."""
    every, total, resumed = kernel.receives(case, "every total resumed")
    beside = resumed + 1
    following = (resumed // every + 1) * every
    claim(kernel.checkpoint_due(beside, 1, total, resumed))
    claim(~truth(kernel.checkpoint_due(resumed, 1, total, resumed)))
    claim(kernel.checkpoint_due(beside, every, total, resumed) == truth(beside == following) | truth(beside == total))
    claim(truth(following > total) | truth(kernel.checkpoint_due(min(following, total), every, total, resumed)))


@obligation("EC-SPLIT", equation="checkpoint_due", type="equivalence")
@given(case=checkpoint_due_inputs)
def test_ec_split(kernel, case):
    """A run that is stopped and resumed saves at the same steps as one that goes on, but for the step it was resumed
    from."""
    step, every, total, resumed = kernel.receives(case, "step every total resumed")
    claim(truth(step <= resumed) | truth(kernel.checkpoint_due(step, every, total, resumed) == kernel.checkpoint_due(step, every, total, 0)))


@obligation("EC-NEGATIVE", equation="evaluation_due", type="rejection")
@given(case=ec_negative_inputs)
def test_ec_negative(kernel, case):
    """A negative cadence is refused."""
    step, negative = kernel.receives(case, "step negative")
    rejects(kernel, "evaluation_due", (step, negative), ValueError, mentions=["every"])


@obligation("EC-NEGATIVE-CHECKPOINT", equation="checkpoint_due", type="rejection")
@given(case=ec_negative_checkpoint_inputs)
def test_ec_negative_checkpoint(kernel, case):
    """A negative cadence of checkpoints is refused."""
    step, total, resumed, negative = kernel.receives(case, "step total resumed negative")
    rejects(kernel, "checkpoint_due", (step, negative, total, resumed), ValueError, mentions=["every"])


@obligation("EC-DEF-EVALUATION_DUE", equation="evaluation_due", type="definition")
@given(case=ec_never_inputs)
def test_ec_def_evaluation_due(kernel, case):
    """evaluation_due computes its definition."""
    step, every = kernel.receives(case, "step every")
    due = kernel.evaluation_due(step, every)
    expected_due = spec.evaluation_due(step, every)
    claim(approx(due, expected_due))


@obligation("EC-DEF-CHECKPOINT_DUE", equation="checkpoint_due", type="definition")
@given(case=checkpoint_due_inputs)
def test_ec_def_checkpoint_due(kernel, case):
    """checkpoint_due computes its definition."""
    step, every, total, resumed = kernel.receives(case, "step every total resumed")
    due = kernel.checkpoint_due(step, every, total, resumed)
    expected_due = spec.checkpoint_due(step, every, total, resumed)
    claim(approx(due, expected_due))


@obligation("EC-FT-LIST", rule="EC-SPLIT", type="falsification")
def test_ec_ft_list(kernel):
    """Every 4 of 10 steps, resumed at 4: saved at 8 and 10, not at 4."""
    case = example(
        {"step": "int", "every": "int", "total": "int", "resumed": "int"},
        step=8,
        every=4,
        total=10,
        resumed=4,
    )
    step, every, total, resumed = kernel.receives(case, "step every total resumed")
    claim(kernel.checkpoint_due(step, every, total, resumed))
    claim(kernel.checkpoint_due(10, 4, 10, 4))
    claim(~truth(kernel.checkpoint_due(4, 4, 10, 4)))
    claim(~truth(kernel.checkpoint_due(9, 4, 10, 4)))
