"""line(), lines and planes through other models, and directions of the user's own."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import CASES, ZOO, Case
from fastscape import Landscape, views
from fastscape.weights import direction_random, layout_of
from fastscape.weights.schemes import Scheme, plane
from tolerance import assert_close


def loss_of(model: nn.Module, case: Case) -> float:
    inputs, targets = (t.double() if t.is_floating_point() else t for t in (case.inputs, case.targets))
    with torch.no_grad():
        return case.loss(copy.deepcopy(model).double().eval()(inputs), targets).item()


def another(model: nn.Module, seed: int) -> nn.Module:
    """A model of the same architecture with other weights, biases and statistics."""
    other = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*other.parameters(), *other.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return other


@pytest.mark.parametrize("name", CASES)
def test_a_line_to_another_model_ends_there(name):
    case = CASES[name]()
    other = another(case.model, 1)
    path = fastscape.line(
        case.model, (case.inputs, case.targets), to=other, x=(0, 1, 3), loss=case.loss, precision="float64"
    )
    assert path.y is None
    assert path.shape == (3,)
    assert path.loss[0] == pytest.approx(loss_of(case.model, case), rel=1e-12)
    assert path.loss[-1] == pytest.approx(loss_of(other, case), rel=1e-10)
    assert path.report["perturb"] == "states"
    assert path.report["normalize"] == "none"
    assert path.report["marks"] == {"the model": [0.0], "model B": [1.0]}


@pytest.mark.parametrize("name", ["mlp", "resnet8", "odd parameters"])
def test_a_plane_through_three_models(name):
    case = CASES[name]()
    b, c = another(case.model, 1), another(case.model, 2)
    landscape = fastscape.surface(
        case.model, (case.inputs, case.targets), loss=case.loss, directions=(b, c), x=(0, 1, 2), y=(0, 1, 2),
        precision="float64",
    )  # fmt: skip
    for at, model in (((0, 0), case.model), ((1, 0), b), ((0, 1), c)):
        assert landscape.loss[at] == pytest.approx(loss_of(model, case), rel=1e-10)
    assert landscape.report["marks"] == {"the model": [0, 0], "model B": [1, 0], "model C": [0, 1]}
    contour = landscape.contour()
    assert [line.get_label() for line in contour.lines] == ["the model", "model B", "model C"]


def test_the_path_of_the_notebook():
    """(1 - t) theta + t ||theta|| / ||d|| d, tensor by tensor, on weights alone."""
    case = ZOO["mnist-cnn"]()
    times = np.array([-2.0, -0.3, 0.0, 1.0, 2.0])
    path = fastscape.line(
        case.model, (case.inputs, case.targets), x=times, distribution="uniform", seed=3, precision="float64"
    )
    layout = layout_of(case.model)
    d = layout.unflatten(direction_random(layout, 3, 0, distribution="uniform"))
    truth = []
    for t in times:
        moved = copy.deepcopy(case.model).double().eval()
        with torch.no_grad():
            for name, p in moved.named_parameters():
                if name in d:
                    p.copy_((1 - t) * p + t * p.norm() / d[name].norm() * d[name])
            truth.append(F.cross_entropy(moved(case.inputs.double()), case.targets).item())
    assert_close(path.loss, np.array(truth), 1e-11)
    assert path.report["distribution"] == "uniform"


def test_a_line_of_the_plane_is_a_row_of_the_surface():
    case = ZOO["mlp"]()
    data = case.inputs, case.targets
    row = fastscape.surface(case.model, data, y=(0, 0, 1), x=(-1, 1, 5), precision="float64").loss[:, 0]
    path = fastscape.line(case.model, data, x=(-1, 1, 5), scheme="plane", precision="float64")
    assert_close(path.loss, row, 1e-12)


def test_given_directions_are_taken_as_they_are():
    case = ZOO["mlp"]()
    data = case.inputs, case.targets
    layout = layout_of(case.model)
    d = [direction_random(layout, 5, k) for k in (0, 1)]
    grid = {"x": (-0.01, 0.01, 3), "y": (0, 0.01, 2), "precision": "float64"}
    by_name = fastscape.surface(case.model, data, directions=[layout.unflatten(v) for v in d], **grid)
    random = fastscape.surface(case.model, data, seed=5, normalize="none", **grid)
    assert np.array_equal(by_name.loss, random.loss)
    assert by_name.report["directions"] == ["given", "given"]
    assert by_name.report["seed"] is None
    normalised = fastscape.surface(
        case.model, data, directions=[layout.unflatten(v) for v in d], normalize="filter", **grid
    )
    assert np.array_equal(normalised.loss, fastscape.surface(case.model, data, seed=5, **grid).loss)


def test_a_scheme_of_the_users_own():
    case = ZOO["mlp"]()
    data = case.inputs, case.targets

    def shifted(gram, alpha, beta):
        return plane(gram, alpha + 1, beta)

    own = fastscape.surface(case.model, data, x=(-1, 0, 3), y=(0, 1, 2), scheme=shifted, precision="float64")
    named = fastscape.surface(case.model, data, x=(0, 1, 3), y=(0, 1, 2), precision="float64")
    assert np.array_equal(own.loss, named.loss)
    assert "shifted" in own.report["scheme"]
    assert own.report["marks"] == {}  # the origin of its coordinates is not the model
    bare = fastscape.surface(
        case.model, data, x=(0, 1, 3), y=(0, 1, 2), scheme=Scheme(plane, normalize="none"), precision="float64"
    )
    assert bare.report["normalize"] == "none"


@pytest.mark.parametrize("scheme", ["linear2x", "barycentric", "bilinear"])
@pytest.mark.parametrize("batching", ["loop", "vmap"])
def test_every_scheme_runs_and_its_centre_is_the_model(scheme, batching):
    case = CASES["odd parameters"]()
    plan = fastscape.Plan(batching, 4, 4)
    landscape = fastscape.surface(
        case.model, (case.inputs, case.targets), loss=case.loss, x=(-1, 1, 3), y=(-1, 1, 3), scheme=scheme,
        precision="float64", plan=plan,
    )  # fmt: skip
    assert landscape.loss[1, 1] == pytest.approx(loss_of(case.model, case), rel=1e-11)
    assert landscape.report["marks"] == {"the model": [0.0, 0.0]}


def test_a_line_survives_its_file(tmp_path):
    case = ZOO["mlp"]()
    path = fastscape.line(
        case.model, (case.inputs, case.targets), x=(0, 1, 3), metrics={"accuracy": fastscape.accuracy}
    )
    back = Landscape.load(path.save(tmp_path / "line.npz"))
    assert back.y is None
    assert back.loss.tobytes() == path.loss.tobytes()
    assert list(back.metrics) == ["accuracy"]
    assert repr(back).startswith("Landscape(3 points")


AXIS = np.arange(2.0)


class TestPlot:
    LINE = Landscape(np.linspace(-1, 1, 5), None, np.array([4.0, 1.0, 0.5, 1.0, np.inf]))

    def test_it_is_labelled_and_marks_the_model(self):
        ax = self.LINE.plot(log=True, color="red")
        ax.figure.canvas.draw()
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (along the direction)", "log10 loss")
        assert ax.lines[0].get_color() == "red"
        assert [line.get_label() for line in ax.lines[1:]] == ["the model"]
        np.testing.assert_allclose(ax.lines[0].get_ydata()[-1], np.log10(4.0))

    @pytest.mark.parametrize("log", [False, True])
    def test_the_loss_has_a_band_of_two_standard_errors(self, log):
        x, error = np.arange(3.0), np.array([0.5, 0.1, 1.0])
        line = Landscape(x, None, np.array([2.0, 1.0, 3.0]), {"m": x}, standard_error=error)
        ax = line.plot(log=log)
        (band,) = ax.collections
        corners = band.get_paths()[0].vertices
        wanted = {at: (loss - 2 * e, loss + 2 * e) for at, loss, e in zip(x, line.loss, error, strict=True)}
        for at, ends in wanted.items():
            heights = corners[corners[:, 0] == at][:, 1]
            np.testing.assert_allclose([heights.min(), heights.max()], np.log10(ends) if log else ends)
        assert any("two standard errors of the mean loss" in text.get_label() for text in ax.figure.texts + ax.texts)
        assert not line.plot(metric="m").collections
        assert not Landscape(x, None, line.loss).plot().collections

    def test_a_band_below_0_ends_at_the_smallest_logarithm(self):
        line = Landscape(np.arange(2.0), None, np.array([2.0, 1.0]), standard_error=np.array([0.5, 5.0]))
        (band,) = line.plot(log=True).collections
        assert np.isclose(band.get_paths()[0].vertices[:, 1].min(), 0.0)

    def test_what_is_no_line_is_refused(self):
        for landscape in (Landscape(np.zeros(1), None, np.zeros(1)), Landscape(np.arange(2.0), AXIS, np.eye(2))):
            with pytest.raises(ValueError, match="a line must have one axis of at least 2 points, got a landscape of"):
                views.plot(landscape)

    def test_plot_draws_by_dimensions(self):
        assert self.LINE.plot().get_ylabel() == "loss"
        plane = Landscape(AXIS, AXIS, np.eye(2))
        assert plane.plot(levels=5).get_ylabel() == "y (along direction 2)"

    def test_a_line_has_no_surface(self):
        for draw in (partial(views.contour, self.LINE), self.LINE.surface3d):
            with pytest.raises(
                ValueError, match="a surface to draw needs at least 2 x 2 points, got a landscape of 5 points"
            ):
                draw()

    def test_the_contour_of_a_line_is_its_curve(self):
        ax = self.LINE.contour()
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), self.LINE.plot().lines[0].get_ydata())
        assert ax.get_ylabel() == "loss"


DATA = torch.rand(4, 3), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"to": nn.Linear(3, 2), "directions": [nn.Linear(3, 2)]},
            ValueError,
            "to and directions cannot both be given; give a different model as to, a curve as along, or a",
        ),
        ({"to": nn.Linear(2, 2)}, ValueError, r"weight must have shape \(2, 3\).*, got \(2, 2\)"),
        (
            {"to": nn.Linear(3, 2, bias=False)},
            ValueError,
            "the other model, a Linear, must be a model of the same architecture, but has no bias",
        ),
        ({"directions": nn.Linear(3, 2)}, TypeError, "directions must be a list or tuple of 1.*, got Linear"),
        ({"directions": []}, ValueError, "directions must be 1, one per axis, got 0"),
        ({"scheme": "bilinear"}, ValueError, "scheme must be one of 'line', 'plane'.*, got 'bilinear'"),
        (
            {"tolerance": 0.01},
            TypeError,
            r"line has no option 'tolerance'; a line evaluates every point.*fewer points, for example x=\(-1, 1, 21\)",
        ),
        ({"draw_samples": 9}, TypeError, "line has no option 'draw_samples'; a line evaluates every point"),
        ({"y": (0, 1, 3)}, TypeError, "line has no option 'y'; a line has one axis, x; use surface for two"),
        (
            {"to": nn.Linear(3, 2), "low_memory": True},
            ValueError,
            "low_memory=True computes.*, and to gives a direction, which memory must hold; leave out low_memory$",
        ),
        (
            {"to": nn.Linear(3, 2), "repeats": 3},
            ValueError,
            "repeats=3 draws.*, and to gives a direction; leave out one",
        ),
        ({"distribution": "cauchy"}, ValueError, "must be one of 'normal', 'uniform', 'rademacher'"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        fastscape.line(nn.Linear(3, 2), DATA, **options)
