"""Curves against plain numpy in float64: weights at t, lengths, losses along them, and the plane that they lie in."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from valleys import copied, network, pair

import fastscape
from fastscape.paths import SHAPES, Curve
from fastscape.weights import layout_of
from trainings import axes_of, flat

QUICK = {"progress": False}
LOOP = fastscape.Plan("loop", 4)


def plain(points: np.ndarray, shape: str, t: float) -> np.ndarray:
    """A point of a curve with control points [n + 1, P]: by de Casteljau, or piece by piece."""
    if shape == "bezier":
        while len(points) > 1:
            points = (1 - t) * points[:-1] + t * points[1:]
        return points[0]
    n = len(points) - 1
    k = min(int(t * n), n - 1)
    return points[k] + (t * n - k) * (points[k + 1] - points[k])


def curve_of(shape: str, bends: int, model: nn.Module | None = None, size: float = 0.5) -> tuple[Curve, list]:
    """A curve that nobody has trained, and its control points as modules."""
    model = network().eval() if model is None else model
    models = [model, *(copied(model, size) for _ in range(bends + 1))]
    named = [dict(one.named_parameters()) for one in models]
    points = {name: torch.stack([one[name].detach() for one in named]) for name in named[0]}
    return Curve.of(model, shape, points, [], {}), models


def vectors_of(models: list) -> np.ndarray:
    names = [name for name, _ in models[0].named_parameters()]
    return np.stack([flat(dict(model.named_parameters()), names).numpy() for model in models])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bends", [1, 2, 5])
def test_the_weights_at_t(shape, bends):
    curve, models = curve_of(shape, bends)
    control = vectors_of(models)
    names = [name for name, _ in models[0].named_parameters()]
    for t in (0.0, 0.1, 1 / 3, 0.5, 0.77, 1.0):
        found = flat(curve.weights(t), names).numpy()
        np.testing.assert_allclose(found, plain(control, shape, t), rtol=0, atol=2e-7)
        middle = curve.model_at(t)
        assert torch.equal(middle[0].weight, curve.weights(t)["0.weight"])
        assert torch.equal(middle[1].running_mean, models[0][1].running_mean)
    for t, end in ((0.0, models[0]), (1.0, models[-1])):
        assert all(torch.equal(curve.weights(t)[name], p) for name, p in end.named_parameters())
    assert curve.bends == bends
    assert repr(curve).startswith(f"Curve({shape}, {bends} bend{'s' * (bends > 1)}, 91 weights, length ")
    for beyond in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="t must be a number from 0 to 1, got"):
            curve.weights(beyond)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bends", [1, 2, 5])
def test_the_length_is_that_of_many_small_steps(shape, bends):
    curve, models = curve_of(shape, bends)
    control = vectors_of(models)
    t = np.linspace(0, 1, 6001)
    many = np.stack([plain(control, shape, one) for one in t])
    assert curve.length == pytest.approx(np.linalg.norm(np.diff(many, axis=0), axis=1).sum(), rel=1e-6)
    assert curve.distance == pytest.approx(np.linalg.norm(control[-1] - control[0]), rel=1e-12)


def test_the_length_of_a_parabola_and_of_one_that_turns_back():
    line = nn.Linear(2, 1, bias=False)

    def length(*points):
        return Curve.of(line, "bezier", {"weight": torch.tensor(points).double()[:, None]}, [], {}).length

    # x = t, y = 2 t (1 - t): the integral of sqrt(1 + (2 - 4 t)^2)
    assert length((0, 0), (0.5, 1), (1, 0)) == pytest.approx((math.sqrt(5) + math.asinh(2) / 2) / 2, rel=1e-12)
    # x = 4 t (1 - t) from 0 to 1 and back: there is no smooth speed where it turns
    assert length((0, 0), (2, 0), (0, 0)) == pytest.approx(2, rel=1e-6)


def test_a_middle_point_of_a_straight_curve_is_the_mean():
    curve, _ = curve_of("polygon", 1)
    straight = {name: torch.stack([p[0], (p[0] + p[2]) / 2, p[2]]) for name, p in curve.points.items()}
    for shape in SHAPES:
        made = Curve.of(curve.model, shape, straight, [], {})
        assert made.length == pytest.approx(made.distance, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", ["float64", None])
def test_the_losses_along_a_curve_are_those_of_its_models(shape, precision):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    curve, models = curve_of(shape, 2, model)
    data = {name: (torch.randn(n, 5), torch.randint(3, (n,))) for name, n in (("train", 40), ("test", 9))}
    x = np.linspace(0, 1, 7)
    found = fastscape.line(
        model, data, along=curve, x=x, precision=precision, metrics={"accuracy": fastscape.accuracy}, **QUICK
    )
    control = vectors_of(models)
    names = [name for name, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]
    for k, t in enumerate(x):
        there = copy.deepcopy(model).double()
        parts = torch.from_numpy(plain(control, shape, t)).split([s.numel() for s in shapes])
        there.load_state_dict({n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)})
        for name, (inputs, targets) in data.items():
            of = "" if name == "train" else " of test"
            outputs = there(inputs.double())
            wanted = F.cross_entropy(outputs, targets).item()
            tolerance = 1e-9 if precision == "float64" else 1e-5
            assert found.values[f"loss{of}"][k] == pytest.approx(wanted, rel=tolerance)
            right = float((outputs.argmax(1) == targets).double().mean())
            assert found.values[f"accuracy{of}"][k] == pytest.approx(right)
    assert found.marks == {"the model": (0.0,), "model B": (1.0,)}
    assert found.report["scheme"] == f"{shape} curve"
    assert found.report["directions"] == f"{shape} curve"


def test_a_line_along_another_curve_is_not_computed_again():
    """Both curves have the same ends, so that no value there tells them apart."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    curve, models = curve_of("bezier", 1, model)
    other = Curve.of(model, "polygon", curve.points, [], {})
    data = torch.randn(40, 5), torch.randint(3, (40,))
    found = fastscape.line(model, data, along=curve, x=np.linspace(0, 1, 5), **QUICK)
    assert found.reproduce(model, data, along=curve, **QUICK).loss.tobytes() == found.loss.tobytes()
    with pytest.raises(
        ValueError, match="the landscape belongs to a different curve than the curve given; give the curve that it"
    ):
        found.reproduce(model, data, along=other, **QUICK)
    with pytest.raises(
        ValueError, match="the landscape belongs to a different curve than the curve given; give the curve that it"
    ):
        found.reproduce(model, data, to=models[-1], **QUICK)


def test_a_model_with_another_frozen_base_is_not_that_of_the_curve():
    torch.manual_seed(3)
    a = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    b, other = copy.deepcopy(a), copy.deepcopy(a)
    with torch.no_grad():
        b[2].weight.add_(1.0)
        other[0].weight.add_(1.0)
    data = torch.randn(40, 5), torch.randint(3, (40,))
    curve = fastscape.connect(a, b, data, perturb=lambda name, _: name.startswith("2."), steps=2, **QUICK)
    assert len(fastscape.line(a, data, along=curve, x=(0, 1, 3), **QUICK).loss) == 3
    with pytest.raises(ValueError, match=r"differs from those of the curve in 0\.weight, which the curve does not"):
        fastscape.line(other, data, along=curve, x=(0, 1, 3), **QUICK)
    with pytest.raises(ValueError, match=r"differs from those of the curve in 0\.weight"):
        fastscape.surface(other, data, directions=curve.plane(), x=(0, 1, 3), y=(0, 1, 3), **QUICK)


def test_plans_stores_tolerances_and_derivatives_work_along_a_curve(tmp_path):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    curve, _ = curve_of("bezier", 3, model)
    data = torch.randn(40, 5), torch.randint(3, (40,))
    given = {"along": curve, "x": (0, 1, 9), "precision": "float64", **QUICK}
    truth = fastscape.line(model, data, plan=LOOP, **given).loss
    plans = fastscape.Plan("vmap", 4), fastscape.Plan("vmap", 9, hoist=True), fastscape.Plan("loop", 2, workers=2)
    for plan in plans:
        np.testing.assert_allclose(fastscape.line(model, data, plan=plan, **given).loss, truth, rtol=1e-9)
    stored = fastscape.line(model, data, plan=LOOP, store=tmp_path / "line.zarr", **given)
    np.testing.assert_allclose(stored.loss, truth, rtol=1e-12)
    other, _ = curve_of("bezier", 3, model)
    with pytest.raises(ValueError, match=r"line\.zarr"):
        fastscape.line(model, data, plan=LOOP, store=tmp_path / "line.zarr", **{**given, "along": other})
    bent = fastscape.line(model, data, curvature="plane", plan=LOOP, **given)
    fine = fastscape.line(model, data, plan=LOOP, **{**given, "x": np.linspace(0, 1, 8001)})
    slope = np.gradient(fine.loss, fine.x)
    np.testing.assert_allclose(bent.values["dL_dx"][1:-1], slope[1000:-1000:1000], rtol=1e-4, atol=1e-6)
    again = stored.reproduce(model, data, along=curve)
    np.testing.assert_allclose(again.loss, truth, rtol=1e-12)
    with pytest.raises(ValueError, match=r"give them again: directions=\[\.\.\.\], to=\.\.\. or along=\.\.\."):
        stored.reproduce(model, data)


def test_statistics_are_estimated_anew_along_a_curve_unless_asked_otherwise():
    a, b, data = pair()
    curve = fastscape.connect(a, b, data, steps=5, **QUICK)
    x = [0.0, 0.4, 1.0]
    found = fastscape.line(a, data, along=curve, x=x, **QUICK)
    assert found.report["batchnorm"] == "recalibrate"
    for k, t in enumerate(x):
        model = curve.model_at(t).eval()
        torch.optim.swa_utils.update_bn([data[0]], model)
        model.eval()
        assert found.loss[k] == pytest.approx(F.cross_entropy(model(data[0]), data[1]).item(), rel=1e-5)
    for policy in ("running", "batch"):
        assert fastscape.line(a, data, along=curve, x=x, batchnorm=policy, **QUICK).report["batchnorm"] == policy
    source = curve.plane(points=5)
    axes = {"x": ("path", 3), "y": ("path", 3)}
    assert fastscape.surface(a, data, directions=source, **axes, **QUICK).report["batchnorm"] == "recalibrate"
    without, _ = curve_of("bezier", 1, nn.Linear(5, 3))
    line = fastscape.line(without.model, data, along=without, x=x, **QUICK)
    assert line.report["batchnorm"] == "running"
    np.testing.assert_allclose(fastscape.line(without.model, data, along=without, **QUICK).x, np.linspace(0, 1, 51))


def found_by(source, model, axes=2):
    """What a source gives around a model, and its axes as rows."""
    layout = layout_of(model, source.perturb)
    found = source.directions(layout, {**dict(model.named_parameters()), **dict(model.named_buffers())}, axes)
    return found, axes_of(found, layout)


def in_plane(vectors):
    """Coordinates of vectors [n, P] in the plane of the first three, by Gram and Schmidt; and its axes."""
    first = (vectors[-1] - vectors[0]) / np.linalg.norm(vectors[-1] - vectors[0])
    rest = vectors[1] - vectors[0] - ((vectors[1] - vectors[0]) @ first) * first
    axes = np.stack([first, rest / np.linalg.norm(rest)])
    return (vectors - vectors[0]) @ axes.T, axes


@pytest.mark.parametrize("shape", SHAPES)
def test_the_plane_of_one_bend_is_that_of_its_three_models(shape):
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(9, 20), nn.Tanh(), nn.Conv1d(1, 2, 3), nn.Linear(18, 3)).double()
    curve, models = curve_of(shape, 1, model)
    control = vectors_of(models)
    wanted, axes = in_plane(control)
    found, rows = found_by(curve.plane(points=50), model)
    np.testing.assert_allclose(rows.numpy(), axes, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.marks["model B"], wanted[2], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.marks["the bend"], wanted[1], rtol=0, atol=1e-9)
    assert wanted[1][1] > 0
    (path,) = found.paths
    truth = np.stack([plain(wanted, shape, t) for t in np.linspace(0, 1, 50)])
    np.testing.assert_allclose(path.points, truth, rtol=0, atol=1e-9)
    assert path.off_plane is None
    assert found.facts["length_off_plane"] == 0
    assert list(found.checkpoints[path.name].evaluated) == []
    of_three, rows_of_three = found_by(fastscape.through(*(models[k] for k in (0, 2, 1))), model)
    np.testing.assert_allclose(rows.numpy(), rows_of_three.numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.marks["model B"], of_three.marks["model B"], atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_plane_of_several_bends_is_the_nearest_through_both_ends(shape):
    torch.manual_seed(6)
    model = nn.Linear(12, 5).double()
    curve, models = curve_of(shape, 4, model)
    control = vectors_of(models)
    found, rows = found_by(curve.plane(points=31), model)
    rows = rows.numpy()
    many = np.stack([plain(control, shape, t) for t in np.linspace(0, 1, 4001)]) - control[0]
    first = (control[-1] - control[0]) / np.linalg.norm(control[-1] - control[0])
    steps = np.linalg.norm(np.diff(many, axis=0), axis=1)
    middles = (many[1:] + many[:-1]) / 2
    beside = np.sqrt(steps)[:, None] * (middles - np.outer(middles @ first, first))
    strongest = np.linalg.svd(beside, full_matrices=False)[2][0]
    np.testing.assert_allclose(rows @ rows.T, np.eye(2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows[0], first, rtol=0, atol=1e-12)
    assert abs(rows[1] @ strongest) == pytest.approx(1, abs=1e-4)  # by fewer points
    (path,) = found.paths
    few = np.stack([plain(control, shape, t) for t in np.linspace(0, 1, 31)]) - control[0]
    np.testing.assert_allclose(path.points, few @ rows.T, rtol=0, atol=1e-9)
    off = np.linalg.norm(few - few @ rows.T @ rows, axis=1)
    np.testing.assert_allclose(path.off_plane, off, rtol=0, atol=1e-6)
    shadow = np.linalg.norm(np.diff(many @ rows.T, axis=0), axis=1).sum()
    assert found.facts["length_off_plane"] == pytest.approx(1 - shadow / steps.sum(), abs=1e-4)
    assert found.facts["length_off_plane"] > 0.05
    np.testing.assert_allclose(path.measures["t"], np.linspace(0, 1, 31))
    evaluated = found.checkpoints[path.name]
    assert list(evaluated.evaluated) == list(range(31))
    tensors = flat(evaluated.tensors(7), ["weight", "bias"]).numpy()
    np.testing.assert_allclose(tensors, few[7] + control[0], rtol=0, atol=1e-12)
    assert set(found.marks) == {"model B"}


def test_the_plane_of_a_curve_holds_its_losses_and_is_drawn():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    curve, models = curve_of("bezier", 1, model)
    data = torch.randn(40, 5), torch.randint(3, (40,))
    landscape = fastscape.surface(
        model, data, directions=curve.plane(), x=("path", 5), y=("path", 5), precision="float64", **QUICK
    )
    assert set(landscape.marks) == {"the model", "model B", "the bend"}
    (path,) = landscape.paths
    assert path.name == "bezier curve"
    assert landscape.report["plane"]["curve"] == "bezier"
    assert landscape.x[0] < 0 < path.points[-1][0] < landscape.x[-1]
    ax = landscape.contour()
    assert "bezier curve" in [line.get_label() for line in ax.get_lines()]
    bend = landscape.marks["the bend"]
    axes = {name: [at - 1.0, at] for name, at in zip("xy", bend, strict=True)}
    exact = fastscape.surface(model, data, directions=curve.plane(), precision="float64", **axes, **QUICK)
    wide = models[1].double()
    assert exact.loss[1, 1] == pytest.approx(F.cross_entropy(wide(data[0].double()), data[1]).item(), rel=1e-7)
    beside, _ = curve_of("polygon", 3, model)
    stems = fastscape.surface(model, data, directions=beside.plane(points=7), x=("path", 3), y=("path", 3), **QUICK)
    (path,) = stems.paths
    along = fastscape.line(model, data, along=beside, x=(0, 1, 7), **QUICK)
    np.testing.assert_allclose(path.loss, along.loss, rtol=1e-5)
    assert (path.height != path.loss).any()


def test_what_does_not_belong_to_a_curve_is_refused():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    curve, models = curve_of("bezier", 1, model)
    data = torch.randn(20, 5), torch.randint(3, (20,))
    for options, error, said in (
        (
            {"to": models[1]},
            ValueError,
            "to and along cannot both be given; give a different model as to, a curve as along, or a",
        ),
        ({"directions": [models[1]]}, ValueError, "along and directions cannot both be given; give a different model"),
        (
            {"scheme": "line"},
            ValueError,
            "scheme='line' cannot be combined with directions that have a scheme of their own, such as a",
        ),
        (
            {"normalize": "filter"},
            ValueError,
            "normalize='filter' cannot be combined with directions that have a scheme of",
        ),
        ({"perturb": "weights"}, ValueError, r"the curve moves 0\.bias, 2\.bias, and perturb= leaves them"),
        (
            {"low_memory": True},
            ValueError,
            "and along gives a direction, which memory must hold; leave out low_memory",
        ),
        ({"x": (-1, 2, 4)}, ValueError, "x must stay on the curve, which begins at 0 and ends at 1, got"),
        ({"x": [0.0, 1.5]}, ValueError, "x must stay on the curve, which begins at 0 and ends at 1, got"),
        ({"x": "auto"}, ValueError, "x must stay on the curve, which begins at 0 and ends at 1, got"),
    ):
        with pytest.raises(error, match=said):
            fastscape.line(model, data, along=curve, **options, **QUICK)
    assert fastscape.line(model, data, along=curve, x=[0.0, 0.1 + 0.2, 1 + 1e-15], **QUICK).loss.shape == (3,)
    with pytest.raises(
        TypeError,
        match=r"along must be a curve, as fastscape\.connect or fastscape\.Curve\.load\(file\) returns it, got str",
    ):
        fastscape.line(model, data, along="curve", **QUICK)
    with pytest.raises(ValueError, match=r"the model lies \d.* off the first end of the curve"):
        fastscape.line(models[2], data, along=curve, **QUICK)
    with pytest.raises(
        ValueError, match=r"a curve has one coordinate, got 2 axes; write fastscape\.line\(a, data, along=curve\), or"
    ):
        fastscape.surface(model, data, directions=curve.as_line(), **QUICK)
    with pytest.raises(
        ValueError, match=r"a curve spans a plane, got 1 axes; write fastscape\.line\(a, data, along=curve\)"
    ):
        fastscape.line(model, data, directions=curve.plane(), **QUICK)
    with pytest.raises(ValueError, match=r"the model lies \d.* off the plane of the curve"):
        fastscape.surface(copied(model), data, directions=curve.plane(), **QUICK)
    with pytest.raises(ValueError, match=r"points must be a whole number of at least 2.*, got 1"):
        curve.plane(points=1)
    straight = {name: torch.stack([p[0], (p[0] + p[2]) / 2, p[2]]) for name, p in curve.points.items()}
    flat_curve = Curve.of(model, "polygon", {n: p.double() for n, p in straight.items()}, [], {})
    with pytest.raises(ValueError, match="the curve is the straight line between its ends, which spans no plane"):
        fastscape.surface(model, data, directions=flat_curve.plane(), **QUICK)
    with pytest.raises(
        ValueError, match=r"perturb=<bound method ModelsOfPath\.perturb of bezier curve> selects nothing of L"
    ):
        fastscape.line(nn.Linear(5, 3), data, along=curve, **QUICK)
