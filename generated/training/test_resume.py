"""training/resume: Fresh start and resumption.

Compiled from contracts/training/resume-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 1f7fceabb601b60c1511d433f4a4333b1b95ed6d323f85155e8f287f13e75a8a
"""

from albor_contracts.testing import (
    Steps, approx, cases, claim, defines, definitions, drawing, example, given, initialize, obligation, rejects, rule,
    run_steps, single, where,
)

CONTRACT = "training/resume"


@defines("resume_point(found: bool, saved: int) -> done: int, correction: int")
def resume_point(found, saved):
    """done = saved if a checkpoint was found, else 0; correction = done + 1"""
    done = single(where(found, saved, 0))
    correction = single(done + 1)
    return done, correction


@defines("position(done: int, per_epoch: int) -> epoch: int, place: int")
def position(done, per_epoch):
    """epoch = done // per_epoch, place = done % per_epoch"""
    epoch = done // per_epoch
    place = done % per_epoch
    return epoch, place


spec = definitions(CONTRACT, resume_point, position)

resume_point_inputs = cases(
    found="bool",
    saved="int in [0, 1000000]",
)
position_inputs = cases(
    done="int in [0, 1000000]",
    per_epoch="int in [1, 5000]",
)
rs_same_data_inputs = cases(
    done="int in [0, 20]",
    per_epoch="int in [1, 4]",
)
rs_counts_inputs = cases(
    done="int in [0, 1000000]",
    per_epoch="int in [1, 5000]",
    none="int in [-3, 0]",
)
rs_saved_inputs = cases(
    found="bool",
    saved="int in [0, 1000000]",
    none="int in [-2, -1]",
)
rs_done_inputs = cases(
    done="int in [0, 1000000]",
    per_epoch="int in [1, 5000]",
    none="int in [-2, -1]",
)


@obligation("RS-FRESH", equation="resume_point", type="boundary")
@given(case=resume_point_inputs)
def test_rs_fresh(kernel, case):
    """Without a checkpoint a run begins at step 0 and corrects for step 1, whatever number was left behind."""
    saved = kernel.receives(case, "saved")
    done, correction = kernel.resume_point(False, saved)
    claim(done == 0)
    claim(correction == 1)


@obligation("RS-FOUND", equation="resume_point", type="boundary")
@given(case=resume_point_inputs)
def test_rs_found(kernel, case):
    """With a checkpoint the run goes on after it: the correction is never 0, nor that of a step already made."""
    saved = kernel.receives(case, "saved")
    done, correction = kernel.resume_point(True, saved)
    claim(done == saved)
    claim(correction == saved + 1)


@obligation("RS-EACH-ONCE", equation="position", type="conservation")
@given(case=position_inputs)
def test_rs_each_once(kernel, case):
    """Epoch and place give the step back, and the place lies within the epoch: every batch is read once in every
    epoch."""
    done, per_epoch = kernel.receives(case, "done per_epoch")
    epoch, place = kernel.position(done, per_epoch)
    claim(epoch * per_epoch + place == done)
    claim(0 <= place)
    claim(place < per_epoch)


class RsSameDataRun(Steps):
    """A run that is stopped after any step and resumed reads the same data as one that goes on."""

    @initialize(case=rs_same_data_inputs)
    def begin(self, case):
        done, per_epoch = self.receives(case, "done per_epoch")
        self.holds(n=done, e=done // per_epoch, p=done % per_epoch)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        per_epoch = self.receives(draw, "per_epoch")
        n, e, p = self.held("n e p")
        kept, correction = kernel.resume_point(True, n)
        epoch, place = kernel.position(kept, per_epoch)
        next_e = single(where(p + 1 == per_epoch, e + 1, e))
        next_p = single(where(p + 1 == per_epoch, 0, p + 1))
        next_n = n + 1
        claim(epoch == e)
        claim(place == p)
        claim(correction == n + 1)
        self.holds(n=next_n, e=next_e, p=next_p)


@obligation("RS-SAME-DATA", equation="position", type="protocol")
def test_rs_same_data(kernel):
    """A run that is stopped after any step and resumed reads the same data as one that goes on."""
    run_steps(RsSameDataRun, rs_same_data_inputs, kernel, steps=6)


@obligation("RS-COUNTS", equation="position", type="rejection")
@given(case=rs_counts_inputs)
def test_rs_counts(kernel, case):
    """An epoch without steps is refused."""
    done, none = kernel.receives(case, "done none")
    rejects(kernel, "position", (done, none), ValueError, mentions=["per_epoch"])


@obligation("RS-SAVED", equation="resume_point", type="rejection")
@given(case=rs_saved_inputs)
def test_rs_saved(kernel, case):
    """A checkpoint of a negative number of steps is refused, whether it is used or not."""
    found, none = kernel.receives(case, "found none")
    rejects(kernel, "resume_point", (found, none), ValueError, mentions=["steps"])


@obligation("RS-DONE", equation="position", type="rejection")
@given(case=rs_done_inputs)
def test_rs_done(kernel, case):
    """A negative number of steps done has no place in the data."""
    per_epoch, none = kernel.receives(case, "per_epoch none")
    rejects(kernel, "position", (none, per_epoch), ValueError, mentions=["done"])


@obligation("RS-DEF-RESUME_POINT", equation="resume_point", type="definition")
@given(case=resume_point_inputs)
def test_rs_def_resume_point(kernel, case):
    """resume_point computes its definition."""
    found, saved = kernel.receives(case, "found saved")
    done, correction = kernel.resume_point(found, saved)
    expected_done, expected_correction = spec.resume_point(found, saved)
    claim(approx(done, expected_done))
    claim(approx(correction, expected_correction))


@obligation("RS-DEF-POSITION", equation="position", type="definition")
@given(case=position_inputs)
def test_rs_def_position(kernel, case):
    """position computes its definition."""
    done, per_epoch = kernel.receives(case, "done per_epoch")
    epoch, place = kernel.position(done, per_epoch)
    expected_epoch, expected_place = spec.position(done, per_epoch)
    claim(approx(epoch, expected_epoch))
    claim(approx(place, expected_place))


@obligation("RS-FT-SECOND-EPOCH", rule="RS-EACH-ONCE", type="falsification")
def test_rs_ft_second_epoch(kernel):
    """After 250 steps of 100 an epoch, the next is number 50 of epoch 2."""
    case = example({"done": "int", "per_epoch": "int"}, done=250, per_epoch=100)
    done, per_epoch = kernel.receives(case, "done per_epoch")
    epoch, place = kernel.position(done, per_epoch)
    claim(epoch == 2)
    claim(place == 50)
