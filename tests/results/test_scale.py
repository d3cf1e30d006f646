"""What pictures and walks stand on: log scale, clipping, and values that are not finite."""

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import heights

X, Y = np.linspace(-1, 1, 7), np.linspace(-0.5, 1, 5)
BOWL = 0.1 + X[:, None] ** 2 + 2 * Y[None, :] ** 2
LANDSCAPE = Landscape(X, Y, BOWL, {"accuracy": 1 - BOWL / 4})


def test_log_is_the_default_for_a_loss_that_is_nowhere_negative():
    z, label = heights(LANDSCAPE)
    np.testing.assert_allclose(z, np.log10(BOWL))
    assert label == "log10 loss"
    assert heights(LANDSCAPE, "accuracy")[1] == "accuracy"
    assert heights(Landscape(X, Y, -BOWL))[1] == "loss"
    assert heights(LANDSCAPE, log=False)[1] == "loss"


def test_so_is_that_of_a_class_or_of_another_data_set():
    several = Landscape(X, Y, BOWL, {"loss of test": BOWL, "loss of class 3": BOWL, "lossy": BOWL, "loss of a": -BOWL})
    labels = {name: heights(several, name)[1] for name in several.metrics}
    logs = {"loss of test": "log10 loss of test", "loss of class 3": "log10 loss of class 3"}
    assert labels == {**logs, "lossy": "lossy", "loss of a": "loss of a"}


def test_infinite_values_stand_at_the_finite_ones():
    loss = BOWL.copy()
    loss[0, 0], loss[0, 1], loss[0, 2] = np.inf, -np.inf, np.nan
    z, _ = heights(Landscape(X, Y, loss), log=False)
    rest = np.delete(BOWL.ravel(), [0, 1, 2])
    assert z[0, 0] == rest.max()
    assert z[0, 1] == rest.min()
    assert np.isnan(z[0, 2])


def test_zero_stands_at_the_smallest_positive_value_of_a_log_scale():
    loss = BOWL.copy()
    loss[0, 0] = 0
    z, _ = heights(Landscape(X, Y, loss))
    assert z[0, 0] == np.log10(BOWL[loss > 0].min())


def test_clipping():
    z, _ = heights(LANDSCAPE, log=False, clip=1.0)
    np.testing.assert_array_equal(z, np.minimum(BOWL, 1.0))
    z, _ = heights(LANDSCAPE, clip=1.0)
    np.testing.assert_allclose(z, np.log10(np.minimum(BOWL, 1.0)))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (BOWL, {"metric": "f1"}, "metric='f1' is unknown; this landscape has loss"),
        (np.full_like(BOWL, np.nan), {}, "finite at no point"),
        (-BOWL, {"log": True}, "write log=False"),
        (0 * BOWL, {"log": True}, "write log=False"),
        (BOWL, {"clip": 0.0}, r"clip must be above 0 on a log scale: choose a larger value, or log=False; got 0\.0"),
        (
            BOWL,
            {"clip": float("nan"), "log": False},
            "clip must be a number; got nan",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(loss, options, message):
    with pytest.raises(ValueError, match=message):
        heights(Landscape(X, Y, loss), **options)
