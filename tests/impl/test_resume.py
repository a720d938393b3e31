import pytest
from albor_impl.training.resume import position, resume_point
from albor_reference.training import resume as reference


def test_agrees_with_the_reference():
    for saved in (0, 1, 7, 10**18 + 1):
        for found in (False, True):
            assert resume_point(found, saved) == reference.resume_point(found, saved)
        for per_epoch in (1, 2, 7, 8, 10**9):
            assert position(saved, per_epoch) == reference.position(saved, per_epoch)


def test_two_halves_of_a_run_are_the_whole():
    """Places that a run of 20 steps reads, in one go or resumed anywhere: none is left out, none comes twice."""
    whole = [position(done, 6) for done in range(20)]
    assert len(set(whole)) == 20 and whole[6] == (1, 0)
    for cut in range(20):
        begin, correction = resume_point(True, cut)
        assert correction == cut + 1
        assert [position(done, 6) for done in (*range(cut), *range(begin, 20))] == whole


def test_what_is_refused():
    with pytest.raises(ValueError, match="cannot hold -1 steps"):
        resume_point(True, -1)
    with pytest.raises(ValueError, match="per_epoch must be at least 1, got 0"):
        position(0, 0)
    with pytest.raises(ValueError, match="done must not be negative"):
        position(-1, 3)
