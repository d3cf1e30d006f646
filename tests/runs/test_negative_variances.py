"""Running variances that a line or plane through models makes negative are named, with the coordinates."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import fastscape

COUNT = 24


def network(seed, spread, batches=30):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    for _ in range(batches):
        model(torch.randn(COUNT, 4) * spread)
    return model.eval()


def data():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(COUNT, 4, generator=generator), torch.randint(0, 3, (COUNT,), generator=generator)


def said_by(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    return found, [str(one.message) for one in caught if "negative" in str(one.message)]


def between(one, other, t):
    """The smallest entry of the interpolated variance, written out."""
    a, b = (model.state_dict()["1.running_var"].double() for model in (one, other))
    return float(((1 - t) * a + t * b).min())


def test_a_line_beyond_its_models_names_the_variance_and_the_coordinates():
    narrow, wide = network(0, 1.0), network(1, 5.0)
    line, said = said_by(lambda: fastscape.line(narrow, data(), to=wide, x=(-0.5, 1.5, 9)))
    at = [t for t in line.axes["x"] if between(narrow, wide, t) < 0]
    assert at == [-0.5, -0.25]
    assert np.isnan(line.loss).tolist() == [t in at for t in line.axes["x"]]
    assert said == [
        "1.running_var is negative at x=-0.5, -0.25 (2 of 9 points), where normalisation gives NaN; write "
        "batchnorm='recalibrate', which estimates it at every point, or x from 0 to 1.5"
    ]
    assert said[0] in line.report["warnings"]


def test_a_long_line_lists_the_first_and_last_coordinates():
    narrow, wide = network(0, 1.0), network(1, 5.0)
    _, said = said_by(lambda: fastscape.line(wide, data(), to=narrow, x=(0, 2, 41)))
    assert "at x=1.05, 1.1, ..., 1.95, 2 (20 of 41 points)" in said[0]
    assert said[0].endswith("x from 0 to 1")


def test_a_plane_through_three_models_names_the_nearest_point():
    models = [network(seed, spread) for seed, spread in ((0, 1.0), (1, 5.0), (2, 3.0))]
    plane = fastscape.through(*models)
    landscape, said = said_by(
        lambda: fastscape.surface(models[0], data(), directions=plane, x=("path", 5), y=("path", 5))
    )
    odd = np.isnan(landscape.loss)
    assert odd.any()
    assert f"negative at {odd.sum()} of 25 points, of which x=" in said[0]
    assert said[0].endswith("or smaller ranges")


@pytest.mark.parametrize("options", [{"batchnorm": "recalibrate"}, {"x": (0, 1, 5)}, {"perturb": "weights"}])
def test_nothing_is_said_where_no_variance_is_negative(options):
    given = {"to": network(1, 5.0), "x": (-0.5, 1.5, 5), **options}
    line, said = said_by(lambda: fastscape.line(network(0, 1.0), data(), **given))
    assert not said
    assert np.isfinite(line.loss).all()


def test_random_directions_move_no_variance():
    found, said = said_by(
        lambda: fastscape.surface(network(0, 1.0), data(), perturb="states", x=(-3, 3, 5), y=(-3, 3, 5))
    )
    assert not said
    assert np.isfinite(found.loss).all()


@pytest.mark.parametrize("low_memory", [False, True])
def test_a_scheme_that_takes_away_the_model_makes_its_variance_negative(low_memory):
    found, said = said_by(
        lambda: fastscape.surface(
            network(0, 1.0),
            data(),
            perturb="states",
            scheme="barycentric",
            normalize="none",
            low_memory=low_memory,
            x=(0, 3, 4),
            y=(0, 3, 4),
        )
    )
    odd = np.isnan(found.loss)
    assert odd[2:].any()
    assert not odd[1].any()  # at x = 1 nothing of the variance is left, and eps keeps it finite
    assert f"negative at {odd.sum()} of 16 points, of which x=2, y=0 is nearest" in said[0]


def test_a_variance_of_a_layer_of_the_users_own_cannot_be_estimated():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("running_var", torch.ones(1, 4, 1))

        def forward(self, x):
            return (x[:, :, None] / self.running_var.sqrt())[:, :, 0]

    one, other = (nn.Sequential(Frozen(), nn.Linear(4, 3)) for _ in range(2))
    other[0].running_var.fill_(3.0)
    line, said = said_by(lambda: fastscape.line(one, data(), to=other, batchnorm="running", x=[-1.0, 0.0, 1.0]))
    assert np.isnan(line.loss).tolist() == [True, False, False]
    assert said == [
        "0.running_var is negative at x=-1 (1 of 3 points), where normalisation gives NaN; write x from 0 to 1"
    ]
