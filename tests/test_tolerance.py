"""The judge itself: known-bad results must fail."""

import numpy as np
import pytest

from tolerance import assert_as_accurate, assert_close, errors

TRUTH = np.linspace(0.0, 2.0, 11)


def test_equal_results_have_no_error():
    assert errors(TRUTH, TRUTH) == (0.0, 0.0)


def test_errors_are_fractions_of_the_range():
    largest, rms = errors(TRUTH + 0.2, TRUTH)
    assert largest == pytest.approx(0.1)
    assert rms == pytest.approx(0.1)


def test_one_wrong_value_fails():
    wrong = TRUTH.copy()
    wrong[3] += 1e-6
    with pytest.raises(AssertionError, match="largest error"):
        assert_close(wrong, TRUTH)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_fails(bad):
    wrong = TRUTH.copy()
    wrong[0] = bad
    with pytest.raises(AssertionError, match="not finite"):
        assert_close(wrong, TRUTH, tolerance=1e9)


def test_another_shape_fails():
    with pytest.raises(AssertionError, match="shape"):
        assert_close(TRUTH[:1], TRUTH)


def test_fast_may_not_be_worse_than_plain():
    plain = TRUTH + 2e-5
    assert_as_accurate(TRUTH + 3e-5, plain, TRUTH)
    with pytest.raises(AssertionError, match="plain torch has"):
        assert_as_accurate(TRUTH + 6e-5, plain, TRUTH)


def test_many_small_errors_fail_by_their_rms():
    plain = TRUTH.copy()
    plain[0] += 2e-4  # plain's largest error would excuse the fast one's
    with pytest.raises(AssertionError, match="rms"):
        assert_as_accurate(TRUTH + 1.5e-4, plain, TRUTH)
