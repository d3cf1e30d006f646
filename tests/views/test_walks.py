"""Walks: those of torch's optimizers on the surface itself, stopped where it ends."""

import numpy as np
import pytest
import torch

from fastscape import Landscape
from fastscape.views import OPTIMIZERS, Walk

X, Y = np.linspace(-1, 1, 9), np.linspace(-0.8, 1.2, 6)


def f(x, y):
    return x**2 + 2 * y**2 + x * y + 0.3 * x + 3


BOWL = Landscape(X, Y, f(X[:, None], Y[None, :]), {"slope": np.broadcast_to(X[:, None], (9, 6))})

REFERENCE = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {"betas": (0.99, 0.999)}),
    "nadam": (torch.optim.NAdam, {"betas": (0.99, 0.999)}),
}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("start", [(0.5, -0.4), (-0.31, 0.77)])
def test_a_walk_is_that_of_the_optimizer_by_autograd(name, start):
    """The smooth surface of a parabola is the parabola, so the paths agree."""
    kind, options = REFERENCE[name]
    point = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = kind([point], lr=0.02, **options)
    expected = [point.tolist()]
    for _ in range(25):
        optimizer.zero_grad()
        f(*point).backward()
        optimizer.step()
        expected.append(point.tolist())
    path = BOWL.descend(start, name, 25, lr=0.02, log=False)
    np.testing.assert_allclose(np.stack([path.x, path.y], 1), expected, atol=1e-10)
    np.testing.assert_allclose(path.height, [f(*at) for at in expected], atol=1e-10)
    assert (path.ended, path.optimizer, path.label) == ("steps", name, "loss")


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_walks(name):
    path = BOWL.descend((0.5, -0.4), name.upper(), 5, lr=0.01)
    assert len(path) >= 2
    assert np.isfinite([path.x, path.y, path.height]).all()
    assert path.height[-1] <= path.height[0]


def test_a_class_with_its_own_options():
    options = {"lr": 0.05, "log": False}
    by_class = BOWL.descend((0.5, -0.4), torch.optim.SGD, 8, momentum=0.5, nesterov=True, **options)
    plain = BOWL.descend((0.5, -0.4), "sgd", 8, **options)
    assert by_class.optimizer == "sgd"
    assert not np.allclose(by_class.x, plain.x)
    strong = BOWL.descend((0.5, -0.4), "adam", 8, betas=(0.5, 0.9), **options)
    usual = BOWL.descend((0.5, -0.4), "adam", 8, **options)
    assert not np.allclose(strong.x, usual.x)
    assert np.array_equal(usual.x, BOWL.descend((0.5, -0.4), "adam", 8, betas=None, **options).x)


def test_the_logarithm_is_walked_by_default():
    path = BOWL.descend((0.5, -0.4), steps=3)
    assert path.label == "log10 loss"
    assert path.height[0] == pytest.approx(np.log10(f(0.5, -0.4)), abs=1e-3)


def test_a_metric_can_be_walked():
    path = BOWL.descend((0.5, 0.0), "sgd", 3, metric="slope")
    np.testing.assert_allclose(path.x, [0.5, 0.4, 0.3, 0.2])
    np.testing.assert_allclose(path.height, path.x, atol=1e-12)
    climb = BOWL.descend((0.5, 0.0), "sgd", 3, metric="slope", maximize=True)
    np.testing.assert_allclose(climb.x, [0.5, 0.6, 0.7, 0.8])


def test_no_steps_stay_at_the_start():
    path = BOWL.descend((0.5, -0.4), steps=0)
    assert (len(path), path.ended) == (1, "steps")


def test_a_walk_ends_on_the_border():
    tilted = Landscape(X, Y, X[:, None] + 0.5 * Y[None, :])
    path = tilted.descend((-0.5, 0.0), "sgd", 30, lr=0.4)
    assert path.ended == "border"
    np.testing.assert_allclose(path.x, [-0.5, -0.9, -1.0])
    np.testing.assert_allclose(path.y, [0.0, -0.2, -0.25])
    assert path.x[-1] == -1.0
    corner = tilted.descend((-1.0, -0.8), "sgd", 30, lr=0.4)
    assert (corner.ended, len(corner)) == ("border", 2)


def test_a_walk_ends_at_a_hole():
    loss = np.broadcast_to(X[:, None], (9, 6)).copy()
    loss[1, 2] = np.nan
    path = Landscape(X, Y, loss).descend((0.9, 0.0), "sgd", 30, lr=0.1)
    assert path.ended == "hole"
    assert np.isfinite(path.height).all()
    assert -0.5 < path.x[-1] < 0


def test_a_walk_ends_when_there_is_no_next_point():
    path = BOWL.descend((0.5, -0.4), "sgd", 5, lr=1e308)
    assert path.ended == "border"
    assert np.isfinite([path.x, path.y, path.height]).all()
    assert BOWL.descend((0.5, -0.4), "sgd", 5, lr=float("inf")).ended == "not finite"


def test_a_path_says_what_it_is():
    said = repr(BOWL.descend((0.5, -0.4), "adam", 4))
    assert said.startswith("Walk(adam, 4 steps from and to (0.5, -0.4), ")
    assert said.endswith("ended: steps)")
    assert isinstance(BOWL.descend((0.5, -0.4)), Walk)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"start": (5, 0)},
            ValueError,
            r"start must be on the landscape, x from -1 to 1 and y from -0\.8 to 1\.2, got \(5, 0\)",
        ),
        (
            {"start": (0, float("nan"))},
            ValueError,
            r"start must be on the landscape, x from -1 to 1 and y from -0\.8 to 1\.2, got \(0, nan\)",
        ),
        ({"start": 3}, ValueError, r"start must be two coordinates, got 3; for example \(0\.5, -0\.5\)"),
        (
            {"start": (1, 2, 3)},
            ValueError,
            r"start must be two coordinates, got \(1, 2, 3\); for example \(0\.5, -0\.5\)",
        ),
        (
            {"optimizer": "nadma"},
            ValueError,
            "optimizer must be one of adadelta, adafactor, adagrad, adam, adamax, adamw, asgd,",
        ),
        ({"optimizer": 3}, TypeError, r"optimizer must be a name such as 'nadam', or a class of torch\.optim, got 3"),
        ({"optimizer": "sgd", "betas": (0.9, 0.9)}, TypeError, "betas"),
        ({"steps": -1}, ValueError, "steps must be an integer of at least 0, got -1; for example 30"),
        ({"steps": 2.5}, ValueError, r"steps must be an integer of at least 0, got 2\.5; for example 30"),
        ({"metric": "f1"}, ValueError, "metric='f1' is unknown"),
        ({"lr": -1.0}, ValueError, "Invalid learning rate"),
    ],
)
def test_what_cannot_be_walked_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        BOWL.descend(**{"start": (0.0, 0.0), **arguments})


def test_a_start_in_a_hole_and_a_line_are_refused():
    loss = f(X[:, None], Y[None, :])
    loss[4, 3] = np.nan
    with pytest.raises(ValueError, match="must not be in or beside a hole"):
        Landscape(X, Y, loss).descend((0.0, 0.3))
    with pytest.raises(
        ValueError, match=r"a surface to walk on needs at least 2 x 2 points, got a landscape of 9 points \(plot"
    ):
        Landscape(X, None, X).descend((0.0, 0.0))
