"""Protocols: a run of several steps of kernel and definition, as a Hypothesis state machine.

A generated class inherits from `Steps`: `begin` sets the state, `step` takes one step with inputs of its own and
makes its claims. Sizes, scalars and texts are drawn once and stay for the whole run; arrays are drawn anew for every
step. Each run takes the largest number of steps: as the claims are made after every step, shorter runs are part of it.
Hypothesis ends a run early when its steps draw too much; an obligation of which no run came to its end fails.
"""

from __future__ import annotations

from typing import Any

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test
from hypothesis.strategies import DataObject

from ..inputs import Case
from .claims import Falsified
from .kernel import Kernel
from .no_case import said_of_the_law
from .session import session


class Steps(RuleBasedStateMachine):
    """One run. `case` has its sizes, scalars and first arrays; `holds` and `held` its state."""

    kernel: Kernel
    inputs: Any  # the strategy of cases
    case: Case
    longest: list[int]  # steps of the longest run so far
    _kept: dict[str, Any]
    _taken = -1  # `begin` is no step

    def holds(self, **values: Any) -> None:
        """Keep values for the next steps."""
        self.__dict__.setdefault("_kept", {}).update(values)
        session.state = dict(self._kept)

    def held(self, names: str) -> Any:
        """The values kept under these names."""
        values = [self._kept[name] for name in names.split()]
        return values[0] if len(values) == 1 else values

    def receives(self, source: Case | DataObject, names: str) -> Any:
        """The named inputs: of the case that begins the run, or drawn for this step."""
        if isinstance(source, Case):
            self.case = source
            return self.kernel.receives(source, names)
        arrays = any(declared.is_array for declared in self.inputs.declared if declared.name in names.split())
        drawn = source.draw(self.inputs.again(self.case)) if arrays else self.case
        return self.kernel.receives(drawn, names, step=True)

    @invariant()
    def taken(self) -> None:
        """Called by Hypothesis after `begin`, and after each step."""
        self._taken += 1

    def teardown(self) -> None:
        self.longest[0] = max(self.longest[0], self._taken)


def run_steps(machine: type[Steps], inputs: Any, kernel: Kernel, steps: int) -> None:
    """Runs of `steps` steps each, as many as the profile has cases."""

    longest = [0]
    bound = type(machine.__name__, (machine,), {"kernel": kernel, "inputs": inputs, "longest": longest})
    settings = session.settings()
    session.cases = settings.max_examples
    # `begin` counts as a step to Hypothesis.
    with said_of_the_law():
        run_state_machine_as_test(bound, settings=hypothesis.settings(settings, stateful_step_count=steps + 1))
    if longest[0] < steps:
        raise Falsified(
            f"no run took all of its {steps} steps, the longest {longest[0]}: a step that draws fewer arrays leaves "
            "room for more steps"
        )
