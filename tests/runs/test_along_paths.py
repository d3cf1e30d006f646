"""The losses of checkpoints and of the plane below them, against fresh copies of the model; and axes along a path."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape
from fastscape.results import Trajectory
from fastscape.runs.along_paths import AlongPaths, along_paths
from fastscape.weights import Checkpoints, Directions

TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


class Training:
    """A source of the test's own: the plane by a decomposition of all differences at once."""

    perturb, normalize, shows_path = "all", "none", True

    def __init__(self, checkpoints, evaluated=None, name="training"):
        self.checkpoints, self.name = checkpoints, name
        self.evaluated = range(len(checkpoints)) if evaluated is None else evaluated
        self.facts = {"directions": "training", "distribution": None, "seed": None}

    def directions(self, layout, theta, axes):
        end = layout.flatten(theta, dtype=torch.float64)
        steps = torch.stack([layout.flatten(one, dtype=torch.float64) - end for one in self.checkpoints])
        plane = torch.linalg.svd(steps, full_matrices=False).Vh[:axes]
        return Directions(
            [lambda out, row=row: out.copy_(row) for row in plane],
            paths=[Trajectory(self.name, (steps @ plane.T).numpy())],
            checkpoints={self.name: Checkpoints(lambda k: self.checkpoints[k], self.evaluated)},
            facts={"orthonormal": True},
        )


def trained(kind=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)).to(kind or torch.float32)
    data = torch.randn(60, 5).to(kind or torch.float32), torch.randint(3, (60,))
    optimizer, kept = torch.optim.SGD(model.parameters(), lr=0.3), []
    for _ in range(7):
        kept.append({name: tensor.detach().clone() for name, tensor in model.state_dict().items()})
        F.cross_entropy(model(data[0]), data[1]).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, data, kept


def loss_of(model, data, tensors):
    """That of a fresh copy with these tensors loaded."""
    fresh = copy.deepcopy(model).eval()
    fresh.load_state_dict(tensors, strict=False)
    with torch.no_grad():
        return F.cross_entropy(fresh(data[0]), data[1]).item()


def below(model, source, point):
    """The parameters of the plane at a point, in float64."""
    from fastscape.weights import layout_of, tensors_of

    layout = layout_of(model, "all")
    found = source.directions(layout, tensors_of(model), 2)
    rows = torch.zeros(2, layout.size, dtype=torch.float64)
    for row, write in zip(rows, found.writers, strict=True):
        write(out=row)
    theta = layout.flatten(tensors_of(model), dtype=torch.float64)
    return layout.unflatten(theta + torch.from_numpy(point.copy()) @ rows)


@pytest.mark.parametrize("kind", [None, torch.float64])
@pytest.mark.parametrize("options", [{}, {"stream_samples": 17}, {"tolerance": 0.02}, {"lend": True}])
def test_every_checkpoint_has_its_own_loss_and_that_of_the_plane_below_it(options, kind):
    model, data, kept = trained(kind)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    source = Training(kept)
    grid = {} if "tolerance" in options else {"x": ("path", 5), "y": ("path", 4)}
    landscape = fastscape.surface(model, data, directions=source, progress=False, **grid, **options)
    (path,) = landscape.paths
    assert np.allclose(path.loss, [loss_of(model, data, one) for one in kept], **TOLERANCE)
    wanted = [loss_of(model, data, below(model, source, point)) for point in path.points]
    assert np.allclose(path.height, wanted, **TOLERANCE)
    assert not np.allclose(path.loss, path.height, rtol=1e-3)  # off the plane, and statistics of their own
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    plain = fastscape.surface(
        model, data, directions=Training(kept, []), x=landscape.x.copy(), y=landscape.y.copy(), progress=False
    )
    assert "tolerance" in options or np.allclose(landscape.loss, plain.loss, rtol=2e-5)  # no statistics were left
    assert landscape.orthonormal


def test_a_loader_a_store_and_some_of_the_checkpoints(tmp_path):
    pytest.importorskip("zarr")
    model, data, kept = trained()
    loader = DataLoader(TensorDataset(*data), batch_size=13)
    call = {"directions": Training(kept, [0, 3, 6]), "x": ("path", 5), "y": ("path", 4), "progress": False}
    first = fastscape.surface(model, loader, store=tmp_path / "run.zarr", **call)
    again = fastscape.surface(model, loader, store=tmp_path / "run.zarr", **call)
    for landscape in (first, again, fastscape.Landscape.load(first.save(tmp_path / "l.npz"))):
        (path,) = landscape.paths
        assert np.isfinite(path.loss).tolist() == [True, False, False, True, False, False, True]
        assert np.allclose(path.loss[[0, 3, 6]], [loss_of(model, data, kept[k]) for k in (0, 3, 6)], **TOLERANCE)


def test_axes_hold_the_path_with_a_margin_unless_others_are_given():
    model, data, kept = trained()
    landscape = fastscape.surface(model, data, directions=Training(kept, []), y=(-1, 1, 3), progress=False)
    (path,) = landscape.paths
    along = path.points[:, 0]
    assert len(landscape.x) == 51
    assert landscape.y.tolist() == [-1, 0, 1]
    assert landscape.x[0] < min(along.min(), 0) - 0.1 * np.ptp(along)
    assert landscape.x[-1] > max(along.max(), 0) + 0.1 * np.ptp(along)
    assert path.loss is None


def test_an_axis_along_which_nothing_goes_is_no_line():
    model, data, kept = trained()
    flat = [dict(kept[0]) for _ in range(3)]
    flat[1] = {name: t + (name == "0.weight") * 0.5 for name, t in kept[0].items() if t.is_floating_point()}
    model.load_state_dict(kept[0])
    landscape = fastscape.surface(
        model, data, directions=Training(flat, []), x=("path", 5), y=("path", 3), progress=False
    )
    assert np.ptp(landscape.y) > 0.3 * np.ptp(landscape.x)


def test_path_needs_a_path():
    model, data, _ = trained()
    with pytest.raises(
        ValueError, match="an axis is 'path', but the directions have no path; give some that do, for example"
    ):
        fastscape.surface(model, data, x="path", progress=False)
    with pytest.raises(TypeError, match=r"must be \('path', count\)"):
        fastscape.surface(model, data, x=("path", 5, 1), progress=False)
    with pytest.raises(ValueError, match="at least 2 grid points"):
        fastscape.surface(model, data, x=("path", 1), progress=False)


@pytest.mark.parametrize("option", [{"normalize": "filter"}, {"scheme": "barycentric"}])
def test_a_path_that_the_norm_or_the_scheme_does_not_lead_along_is_left_out_and_named(option):
    model, data, kept = trained()
    with pytest.warns(UserWarning, match=r"the path training is not drawn.*normalize='none' and scheme='plane'"):
        landscape = fastscape.surface(
            model, data, directions=Training(kept), x=(-1, 1, 3), y=(-1, 1, 3), progress=False, **option
        )
    assert not landscape.paths
    assert not landscape.orthonormal


def test_of_several_processes_the_first_evaluates_and_says_it_to_the_others():
    model, data, kept = trained()
    said = {}

    def ranks(leads):
        def shared(name, value):
            return said.setdefault(name, value) if leads else said[name]

        return SimpleNamespace(leads=leads, ranks=SimpleNamespace(shared=shared))

    made = {}

    def seen(request, work, backing):
        made.update(work=work)
        return along_paths(request, work, backing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.runs.run.along_paths", seen)
        landscape = fastscape.surface(
            model, data, directions=Training(kept), x=(-1, 1, 3), y=(-1, 1, 3), progress=False
        )
    work = made["work"]
    stops = along_paths(SimpleNamespace(in_parts=False, options={"progress": False}), work, ranks(leads=True)).stops
    first = AlongPaths(work, work.space, stops, ranks(leads=True), progress=False)
    second = AlongPaths(work, work.space, stops, ranks(leads=False), progress=False)
    for one in (first, second):
        assert list(one.over(iter([work.problem]))) == [work.problem]
    assert second.samples == 0
    (path,) = landscape.paths
    for one in (first, second):
        assert np.array_equal(one.paths[0].loss, path.loss)
        assert np.array_equal(one.paths[0].height, path.height)


def test_columns_of_a_path_are_as_long_as_it():
    path = Trajectory("a", [[0, 1], [2, 3]], steps=[0, 5], measures={"loss": [1, 2]})
    assert Trajectory.of_plain(path.as_plain(), 2).as_plain() == path.as_plain()
    with pytest.raises(
        ValueError, match=r"off_plane of the path 'a' must have shape \(2,\), one number per point, got \(3,\)"
    ):
        replace(path, off_plane=[1, 2, 3])


def test_on_a_quadratic_path_heights_and_distances_equal_the_closed_form():
    """Gradient descent on w A w / 2 with A diagonal: w_t = (1 - rate a)^t w_0 in every coordinate."""
    a, start, rate = np.array([0.1, 0.7, 1.3, 2.0, 3.1]), np.array([3.0, -2.0, 1.5, 1.0, -0.5]), 0.2
    closed = np.array([(1 - rate * a) ** t * start for t in range(12)])

    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.from_numpy(start.copy()))

        def forward(self, x):
            return (self.w.square() * torch.from_numpy(a)).sum() / 2 * x

    model = Bowl()
    optimizer, kept = torch.optim.SGD(model.parameters(), lr=rate), []
    for _ in range(12):
        kept.append({"w": model.w.detach().clone()})
        optimizer.zero_grad()
        model(1.0).backward()
        optimizer.step()
    model.load_state_dict(kept[-1])
    data = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    landscape = fastscape.surface(
        model, data, loss=lambda outputs, _: outputs, directions=fastscape.pca(kept), x=("path", 7), y=("path", 6),
        progress=False,
    )  # fmt: skip
    (path,) = landscape.paths
    to_end = closed - closed[-1]
    axes = np.linalg.svd(to_end, full_matrices=False)[2][:2]
    axes *= np.sign(axes @ to_end[0])[:, None]  # a sign is free
    places = to_end @ axes.T
    below = closed[-1] + places @ axes
    assert np.allclose(path.points, places, rtol=0, atol=1e-9)
    assert np.allclose(path.off_plane, np.linalg.norm(closed - below, axis=1), rtol=0, atol=1e-7)
    assert np.allclose(path.loss, (closed**2 * a).sum(1) / 2, rtol=1e-12)
    assert np.allclose(path.height, (below**2 * a).sum(1) / 2, rtol=1e-7)
    grid = closed[-1] + landscape.x[:, None, None] * axes[0] + landscape.y[None, :, None] * axes[1]
    assert np.allclose(landscape.loss, (grid**2 * a).sum(2) / 2, rtol=1e-7)
