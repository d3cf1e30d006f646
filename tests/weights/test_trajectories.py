"""Planes through checkpoints against a singular value decomposition of whole vectors, in float64."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fastscape
from fastscape.weights import Random, layout_of, stack
from trainings import axes_of, flat, record

GRID = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, "plan": fastscape.Plan("loop", 4)}


class Odd(nn.Module):
    """Every order in which tensors are stored: transposed, grouped, complex, tied, scalar, empty."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.up = nn.ConvTranspose2d(4, 6, 2, groups=2)
        self.back = nn.ConvTranspose1d(3, 2, 2)
        self.norm = nn.BatchNorm1d(5)
        self.turn = nn.Parameter(torch.randn(3, 2, dtype=torch.complex64))
        self.scale = nn.Parameter(torch.randn(()))
        self.none = nn.Parameter(torch.randn(0, 4))
        self.first = nn.Linear(5, 5)
        self.second = nn.Linear(5, 5)
        self.second.weight = self.first.weight


def tensors_of(model) -> dict:
    """Every tensor once, as a recorder keeps them."""
    buffers = {name: b for name, b in model.named_buffers() if b.is_floating_point() or b.is_complex()}
    return {name: t.detach().clone() for name, t in (*model.named_parameters(), *buffers.items())}


def moved(model, size: float = 0.3):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in (*other.parameters(), *(b for b in other.buffers() if b.is_floating_point())):
            p += size * torch.randn_like(p)
    return other


def f64(numbers) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def training(count: int, model=None) -> list:
    model = model or Odd()
    return [moved(model) for _ in range(count)]


def found_by(source, model, axes: int = 2):
    """What a source gives around a model, its axes as rows, and the names of what moves."""
    layout = layout_of(model, source.perturb)
    found = source.directions(layout, {**dict(model.named_parameters()), **dict(model.named_buffers())}, axes)
    return found, axes_of(found, layout), [entry.name for entry in layout.entries]


def check_path(path, rows, vectors, origin):
    """Coordinates times axes plus what is off the plane is every checkpoint."""
    points = torch.from_numpy(np.array(path.points))
    rest = vectors - origin - points @ rows
    assert (rest @ rows.T).abs().max() < 1e-10 * vectors.norm()
    size = (vectors - origin).norm()
    torch.testing.assert_close(
        torch.from_numpy(np.array(path.off_plane)), rest.norm(dim=1), rtol=1e-6, atol=1e-6 * float(size)
    )


def same_plane(a, b):
    """Whether orthonormal rows span one plane: all principal angles are 0."""
    cosines = torch.linalg.svdvals(a @ b.T)
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=1e-12)
    torch.testing.assert_close(a.T @ a, b.T @ b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("center", ["last", "mean"])
@pytest.mark.parametrize("block", [None, 1 << 12])
def test_components_are_those_of_a_decomposition_of_whole_vectors(center, block, monkeypatch):
    if block:  # many blocks a tensor
        monkeypatch.setattr(stack, "READ", block)
        monkeypatch.setattr(stack, "COMPUTED", block // 2)
    models = training(9)
    at = models[3] if center == "mean" else models[-1]
    found, rows, names = found_by(fastscape.pca(models, center=center), at)
    vectors = torch.stack([flat(dict(m.named_parameters()), names) for m in models])
    middle = vectors.mean(0) if center == "mean" else vectors[-1]
    _, sizes, components = torch.linalg.svd(vectors - middle, full_matrices=False)
    torch.testing.assert_close((rows @ components[:2].T).abs(), torch.eye(2).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(rows @ rows.T, torch.eye(2).double(), rtol=0, atol=1e-12)
    shares = sizes.square() / sizes.square().sum()
    np.testing.assert_allclose(found.facts["explained"], shares[:8], rtol=1e-9)
    assert found.labels == [f"PC {k + 1}, {100 * shares[k]:.0f} % of the variance" for k in range(2)]
    (path,) = found.paths
    check_path(path, rows, vectors, flat(dict(at.named_parameters()), names))
    assert (path.points[0] - path.points[np.argmin(np.abs(path.points).sum(1))] >= -1e-9).all() or center == "mean"


def test_a_small_second_component_is_as_right_as_the_first():
    """A thousandth of the first: its square is a millionth, which is still far from rounding."""
    model = nn.Linear(40, 25)
    ways = torch.linalg.qr(torch.randn(1025, 3).double()).Q.T * torch.tensor([[1.0], [1e-3], [1e-4]])
    at = torch.randn(30, 3).double()
    end = flat(dict(model.double().named_parameters()), ["weight", "bias"])
    vectors = end + torch.cat([at, torch.zeros(1, 3)]) @ ways
    states = [{"weight": v[:1000].view(25, 40), "bias": v[1000:]} for v in vectors]
    _, rows, _ = found_by(fastscape.pca(states), model)
    components = torch.linalg.svd(vectors - vectors[-1], full_matrices=False).Vh[:2]
    torch.testing.assert_close((rows @ components.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-6)


@given(
    count=st.integers(2, 12), width=st.integers(1, 9), axes=st.integers(1, 3), seed=st.integers(0, 1000),
    center=st.sampled_from(["last", "mean"]),
)  # fmt: skip
def test_planes_of_random_sizes(count, width, axes, seed, center):
    torch.manual_seed(seed)
    model = nn.Linear(width, 3).double()
    models = [moved(model) for _ in range(count)]
    vectors = torch.stack([flat(dict(m.named_parameters()), ["weight", "bias"]) for m in models])
    middle = vectors.mean(0) if center == "mean" else vectors[-1]
    _, sizes, components = torch.linalg.svd(vectors - middle, full_matrices=False)
    rank = min(count - 1, vectors.shape[1])
    if rank < axes:
        with pytest.raises(ValueError, match=f"must span {axes} dimension.*, but the {count} of them span {rank}"):
            found_by(fastscape.pca(models, center=center), model, axes)
        return
    found, rows, names = found_by(fastscape.pca(models, center=center), model, axes)
    if axes == rank or sizes[axes] < 0.9 * sizes[axes - 1]:
        same_plane(rows, components[:axes])
    check_path(found.paths[0], rows, vectors, flat(dict(model.named_parameters()), names))


def test_from_the_start_to_the_end_and_the_strongest_direction_beside_it():
    models = training(7)
    found, rows, names = found_by(fastscape.start_to_end(models), models[-1])
    vectors = torch.stack([flat(dict(m.named_parameters()), names) for m in models])
    way = (vectors[0] - vectors[-1]) / (vectors[0] - vectors[-1]).norm()
    rest = (vectors - vectors[-1]) @ (torch.eye(len(way)) - torch.outer(way, way))
    torch.testing.assert_close(rows[0], way, rtol=0, atol=1e-12)
    strongest = torch.linalg.svd(rest, full_matrices=False).Vh[0]
    assert abs(float(rows[1] @ strongest)) == pytest.approx(1, abs=1e-9)
    check_path(found.paths[0], rows, vectors, vectors[-1])
    assert found.labels == ["from the end to the start (distance)", "orthogonal to it (distance)"]
    (start,) = found.marks.values()
    np.testing.assert_allclose(start, [float((vectors[0] - vectors[-1]).norm()), 0], atol=1e-9)
    along = ((vectors - vectors[-1]) @ rows.T).square().sum(0) / (vectors - vectors[-1]).square().sum()
    np.testing.assert_allclose(found.facts["explained"][:2], along, rtol=1e-9)
    assert sum(found.facts["explained"]) == pytest.approx(1)


def test_a_training_without_a_way_or_without_a_side():
    a, b = training(2)
    with pytest.raises(ValueError, match="checkpoint 0 of 'training' and checkpoint 2 of 'training' have the same"):
        found_by(fastscape.start_to_end([a, b, copy.deepcopy(a)]), a)
    with pytest.raises(
        ValueError, match="the checkpoints must span 2 dimensions, one per axis, but the 2 of them span 1: record"
    ):
        found_by(fastscape.start_to_end([a, b]), a)
    _, rows, _ = found_by(fastscape.start_to_end([a, b]), a, 1)
    assert rows.norm() == pytest.approx(1)
    line = [{"weight": torch.full((1, 9), 0.1 * k), "bias": torch.tensor([k / 3])} for k in range(5)]
    with pytest.raises(
        ValueError, match="the checkpoints must span 2 dimensions, one per axis, but the 5 of them span 1: record"
    ):
        found_by(fastscape.start_to_end(line), nn.Linear(9, 1))
    with pytest.raises(
        ValueError, match="the checkpoints must span 2 dimensions, one per axis, but the 5 of them span 1: record"
    ):
        found_by(fastscape.pca(line), nn.Linear(9, 1))


class Quadratic(nn.Module):
    """Its loss is sum(h w^2) / 2, so that gradient descent is w_t = (1 - rate h)^t w_0."""

    H = torch.tensor([4.0, 1.0, 0.25, 0.05]).double()

    def __init__(self, w=None):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0]).double() if w is None else w)

    def forward(self, x):
        return (self.H * self.w.square()).sum() / 2 + 0 * x.sum(1)


@pytest.mark.parametrize("recorded", [True, False])
def test_gradient_descent_on_a_quadratic_is_where_its_closed_form_says(recorded, tmp_path):
    model, states = Quadratic(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    for _ in range(21):
        states.append({"w": model.w.detach().clone()})
        loss = model(torch.zeros(1, 1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    exact = Quadratic().w.detach() * (1 - 0.4 * Quadratic.H) ** torch.arange(21).double()[:, None]
    measures = [{"loss": float((Quadratic.H * w.square()).sum() / 2)} for w in exact]
    source = fastscape.pca(record(tmp_path / "run", states, measures) if recorded else states)
    end = Quadratic(states[-1]["w"].clone())
    data = torch.zeros(2, 1), torch.zeros(2)
    options = {"loss": lambda outputs, targets: outputs.mean(), "precision": "float64"}
    found, rows, _ = found_by(source, end)
    (path,) = found.paths
    plane = torch.linalg.svd(exact - exact[-1], full_matrices=False).Vh[:2]
    plane *= ((exact[0] - exact[-1]) @ plane.T).sign()[:, None]
    at = (exact - exact[-1]) @ plane.T
    np.testing.assert_allclose(path.points, at, atol=1e-12)
    np.testing.assert_allclose(path.off_plane, (exact - exact[-1] - at @ plane).norm(dim=1), atol=1e-7)
    torch.testing.assert_close(rows, plane, rtol=0, atol=1e-12)
    landscape = fastscape.surface(end, data, directions=source, **{**GRID, **options})
    for i, a in enumerate(landscape.x):
        for j, b in enumerate(landscape.y):
            w = exact[-1] + a * plane[0] + b * plane[1]
            assert landscape.loss[i, j] == pytest.approx(float((Quadratic.H * w.square()).sum() / 2), rel=1e-12)
    for k in (0, 3, 20):  # the height of the plane at a checkpoint, and what is off it
        below = exact[-1] + at[k] @ plane
        grid = {"x": [float(at[k, 0])], "y": [float(at[k, 1])], "progress": False}
        height = fastscape.surface(end, data, directions=source, **grid, **options)
        assert height.loss.item() == pytest.approx(float((Quadratic.H * below.square()).sum() / 2), rel=1e-9)
    if recorded:
        np.testing.assert_array_equal(path.steps, np.arange(0, 210, 10))
        np.testing.assert_allclose(path.measures["loss"], (Quadratic.H * exact.square()).sum(1) / 2)
    else:
        assert path.steps is None


class TestThrough:
    """Three models of a Bezier curve: two ends and the bend."""

    def test_distances_and_angles_are_those_of_the_models(self):
        a, b, bend = training(3)
        found, rows, names = found_by(fastscape.through(a, b, bend), a)
        vectors = [flat({**dict(m.named_parameters()), **dict(m.named_buffers())}, names) for m in (a, b, bend)]
        assert "norm.running_mean" in names
        torch.testing.assert_close(rows @ rows.T, torch.eye(2).double(), rtol=0, atol=1e-12)
        assert found.facts["orthonormal"]
        at = {"model A": [0.0, 0.0], **found.marks}
        assert list(at) == ["model A", "model B", "model C"]
        for (i, p), (j, q) in [(p, q) for p in enumerate(at.values()) for q in enumerate(at.values())]:
            assert math.dist(p, q) == pytest.approx(float((vectors[i] - vectors[j]).norm()), abs=1e-9)
        u, v = vectors[1] - vectors[0], vectors[2] - vectors[0]
        assert math.atan2(*at["model C"][::-1]) == pytest.approx(math.acos(float(u @ v / u.norm() / v.norm())))
        for place, vector in zip(at.values(), vectors, strict=True):
            torch.testing.assert_close(vectors[0] + f64(place) @ rows, vector, rtol=0, atol=1e-9)
        for t in (0.25, 0.5):  # any point of the curve lies in the plane
            point = (1 - t) ** 2 * vectors[0] + 2 * t * (1 - t) * vectors[2] + t**2 * vectors[1] - vectors[0]
            assert (point - point @ rows.T @ rows).norm() < 1e-9
        assert found.facts["distances"]["B to C"] == pytest.approx(float((vectors[1] - vectors[2]).norm()))

    @pytest.mark.parametrize("orthonormal", [True, False])
    def test_the_model_may_be_any_of_them_or_between_them(self, orthonormal):
        a, b, c = training(3, nn.Linear(6, 4).double())
        between = copy.deepcopy(a)
        with torch.no_grad():
            for p, q, r, s in zip(*(m.parameters() for m in (between, a, b, c)), strict=True):
                p.copy_(0.25 * q + 0.25 * r + 0.5 * s)
        vectors = torch.stack([flat(dict(m.named_parameters()), ["weight", "bias"]) for m in (a, b, c)])
        for at, marks in ((a, "BC"), (b, "AC"), (c, "AB"), (between, "ABC")):
            found, rows, names = found_by(fastscape.through(a, b, c, orthonormal=orthonormal), at)
            assert list(found.marks) == [f"model {name}" for name in marks]
            origin = flat(dict(at.named_parameters()), names)
            for name, place in found.marks.items():
                vector = vectors["ABC".index(name[-1])]
                torch.testing.assert_close(origin + f64(place) @ rows, vector, rtol=0, atol=1e-12)
        found, _, _ = found_by(fastscape.through(a, b, c, orthonormal=False), a)
        np.testing.assert_allclose([*found.marks.values()], [[1, 0], [0, 1]], atol=1e-12)

    def test_what_spans_no_plane(self):
        a, b, c = training(3)
        with pytest.raises(
            ValueError, match=r"the model lies .* off the plane through the three models.*surface\(a, d"
        ):
            found_by(fastscape.through(a, b, c), moved(a))
        for same in ((a, b, a), (a, a, b), (b, a, a)):
            with pytest.raises(
                ValueError,
                match="the three models must span a plane, but they are on one line, or two are equal; give a",
            ):
                found_by(fastscape.through(*same), a)
        with pytest.raises(ValueError, match=r"three models span a plane, got 1 axes; write fastscape\.line\(a,"):
            found_by(fastscape.through(a, b, c), a, 1)
        with pytest.raises(TypeError, match=r"model B must be a module, a state dict, or the path.*, got int"):
            fastscape.through(a, 3, c)

    def test_on_a_surface_all_three_are_marked(self):
        a, b, c = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)) for _ in range(3))
        data = torch.randn(8, 3), torch.arange(8) % 2
        found = fastscape.surface(a, data, directions=fastscape.through(a, b, c, orthonormal=False), **GRID)
        assert list(found.marks) == ["the model", "model B", "model C"]
        assert found.loss[2, 1] == pytest.approx(
            nn.functional.cross_entropy(b.eval()(data[0]), data[1]).item(), rel=1e-5
        )
        assert found.labels == {"x": "from model A to model B", "y": "from model A to model C"}


class TestProjected:
    def test_any_plane_gets_the_nearest_points(self):
        model = nn.Linear(7, 5).double()
        models = [moved(model) for _ in range(6)]
        slanted = [{"weight": torch.randn(5, 7).double()} for _ in range(2)]
        slanted[1]["weight"] += 3 * slanted[0]["weight"]
        source = fastscape.projected({"Adam": models}, slanted)
        data = torch.randn(4, 7).double(), torch.arange(4)
        landscape = fastscape.surface(model, data, directions=source, **GRID)
        (path,) = landscape.paths
        basis = torch.stack([d["weight"].reshape(-1) for d in slanted])
        vectors = torch.stack([(m.weight - model.weight).detach().reshape(-1) for m in models])
        nearest = torch.linalg.lstsq(basis.T, vectors.T).solution.T
        np.testing.assert_allclose(path.points, nearest, rtol=1e-9)
        np.testing.assert_allclose(path.off_plane, (vectors - nearest @ basis).norm(dim=1), rtol=1e-9)
        assert path.name == "Adam"

    def test_a_norm_of_the_directions_counts(self):
        """The error of the code that draws paths for filter-normalised directions as if they were not."""
        model = nn.Linear(7, 5)
        models = [moved(model) for _ in range(4)]
        data = torch.randn(4, 7), torch.arange(4)
        found = fastscape.surface(model, data, directions=fastscape.projected(models, Random(3)), **GRID)
        rows = []
        for axis in range(2):
            d = layout_of(model).unflatten(fastscape.weights.direction_random(layout_of(model), 3, axis))["weight"]
            rows.append(
                (d * model.weight.norm(dim=1, keepdim=True) / d.norm(dim=1, keepdim=True)).detach().reshape(-1)
            )
        vectors = torch.stack([(m.weight - model.weight).detach().reshape(-1).double() for m in models])
        nearest = torch.linalg.lstsq(torch.stack(rows).T, vectors.T).solution.T
        np.testing.assert_allclose(found.paths[0].points, nearest, rtol=1e-4, atol=1e-6)
        assert found.report["normalize"] == "filter"
        scaled = fastscape.surface(model, data, directions=fastscape.pca(models), normalize="layer", **GRID)
        plain = fastscape.surface(model, data, directions=fastscape.pca(models), **GRID)
        assert scaled.labels["x"] == f"{plain.labels['x']}, normalize='layer'"
        assert not np.allclose(scaled.paths[0].points, plain.paths[0].points)

    def test_trainings_on_the_plane_of_another(self):
        model = nn.Linear(3, 2)
        a, b = [moved(model) for _ in range(4)], [moved(model) for _ in range(5)]
        data = torch.randn(4, 3), torch.arange(4) % 2
        found = fastscape.surface(
            model, data, directions=fastscape.projected({"b": b}, fastscape.pca({"a": a})), **GRID
        )
        assert [(path.name, len(path)) for path in found.paths] == [("a", 4), ("b", 5)]
        alone = fastscape.surface(model, data, directions=fastscape.pca({"a": a}), **GRID)
        np.testing.assert_allclose(found.paths[0].points, alone.paths[0].points, atol=1e-6)
        with pytest.raises(
            ValueError, match="the plane has a path 'training' of its own; give the checkpoints another"
        ):
            fastscape.surface(model, data, directions=fastscape.projected(b, fastscape.pca(a)), **GRID)
        with pytest.raises(TypeError, match=r"directions must be a source or a list of directions.*, got None"):
            fastscape.projected(a, None)

    def test_a_direction_of_zeros_has_no_coordinate(self):
        model = nn.Linear(3, 2, bias=False).double()
        ahead = copy.deepcopy(model)
        with torch.no_grad():
            ahead.weight[0] += 2
        source = fastscape.projected([ahead], [torch.ones(6) * (torch.arange(6) < 3), torch.zeros(6)])
        with pytest.warns(UserWarning, match="the direction of y is 0"):
            found = fastscape.surface(
                model, (torch.randn(4, 3).double(), torch.arange(4) % 2), directions=source, **GRID
            )
        np.testing.assert_allclose(found.paths[0].points, [[2, 0]], atol=1e-9)
        np.testing.assert_allclose(found.paths[0].off_plane, [0], atol=1e-6)


def test_paths_are_left_out_where_the_scheme_does_not_lead():
    models = training(4, nn.Linear(3, 2))
    data = torch.randn(4, 3), torch.arange(4) % 2
    for source in (fastscape.pca({"SGD": models}), fastscape.projected({"SGD": models}, fastscape.weights.Random())):
        with pytest.warns(
            UserWarning, match="the path SGD is not drawn, as normalize='.*' and scheme='linear2x' do not"
        ):
            found = fastscape.surface(models[-1], data, directions=source, scheme="linear2x", **GRID)
        assert found.paths == []


def test_without_ranges_the_path_or_the_three_models_are_in_the_picture():
    models = [moved(model, 3.0) for model in training(3, nn.Linear(3, 2))]
    data = torch.randn(4, 3), torch.arange(4) % 2
    for source in (fastscape.pca(models), fastscape.through(*models[::-1])):
        found = fastscape.surface(
            models[-1], data, directions=source, progress=False, plan=fastscape.Plan("vmap", 512)
        )
        places = [*found.marks.values(), *(point for path in found.paths for point in path.points)]
        assert len(places) > 2
        for place in places:
            assert found.x[0] < place[0] < found.x[-1]
            assert found.y[0] < place[1] < found.y[-1]


def test_several_trainings_on_one_plane():
    model = nn.Linear(5, 4)
    runs = {"SGD": [moved(model) for _ in range(4)], "Adam": [moved(model) for _ in range(6)]}
    models = [*runs["SGD"], *runs["Adam"]]
    found, rows, names = found_by(fastscape.pca(runs), runs["SGD"][-1])
    vectors = torch.stack([flat(dict(m.named_parameters()), names) for m in models])
    same_plane(rows, torch.linalg.svd(vectors - vectors[3], full_matrices=False).Vh[:2])
    for path, part in zip(found.paths, (vectors[:4], vectors[4:]), strict=True):
        check_path(path, rows, part, vectors[3])
    assert [path.name for path in found.paths] == ["SGD", "Adam"]
    assert found.facts["trainings"] == {"SGD": 4, "Adam": 6}
    assert torch.equal(found.checkpoints["Adam"].tensors(2)["weight"], runs["Adam"][2].weight)


def test_what_begins_or_ends_in_the_plane_is_marked():
    models = training(3, nn.Linear(4, 3).double())
    found, rows, names = found_by(fastscape.pca({"SGD": models, "Adam": models[1::-1]}), models[-1])
    vectors = [flat(dict(m.named_parameters()), names) for m in models]
    wanted = {"SGD: start": 0, "Adam: start": 1, "Adam: end": 0}  # where the first ends is the model
    assert found.marks.keys() == wanted.keys()
    for name, k in wanted.items():
        at = torch.tensor(found.marks[name], dtype=torch.float64)
        torch.testing.assert_close(vectors[-1] + at @ rows, vectors[k], rtol=0, atol=1e-9)
    assert not found_by(fastscape.pca(training(6)), Odd())[0].marks


def test_a_start_with_other_statistics_is_not_marked_and_it_is_said():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    models = [moved(net) for _ in range(4)]
    with torch.no_grad():
        for one in models:
            one[1].running_var.abs_().add_(0.1)
    data = torch.randn(8, 3), torch.arange(8) % 4
    with pytest.warns(UserWarning, match=r"start does not lie in this plane.*1\.running_mean"):
        found = fastscape.surface(models[-1], data, directions=fastscape.start_to_end(models), **GRID)
    assert list(found.marks) == ["the model"]
    with pytest.warns(
        UserWarning, match=r"1\.running_var is negative at 1 of 9 points, of which x=-1, y=-1 is nearest"
    ):
        with_states = fastscape.surface(
            models[-1], data, directions=fastscape.start_to_end(models), perturb="states", **GRID
        )
    assert list(with_states.marks) == ["the model", "start"]
    assert np.argwhere(np.isnan(with_states.loss)).tolist() == [[0, 0]]


def test_a_recorded_start_of_a_model_with_tied_weights_is_marked(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    models = training(4, Tied())
    folder = record(tmp_path / "run", [tensors_of(m) for m in models])
    data = torch.randn(8, 3), torch.arange(8) % 3
    found = fastscape.surface(models[-1], data, directions=fastscape.start_to_end(folder), **GRID)
    assert list(found.marks) == ["the model", "start"]


@pytest.mark.parametrize(("count", "most", "wanted"), [(5, 100, [0, 1, 2, 3, 4]), (101, 3, [0, 50, 100]), (7, 0, [])])
def test_evaluated_checkpoints_are_spread_from_the_first_to_the_last(count, most, wanted):
    model = nn.Linear(2, 1)
    found, _, _ = found_by(fastscape.pca([moved(model) for _ in range(count)], evaluated=most), model)
    assert list(found.checkpoints["training"].evaluated) == wanted
    found, _, _ = found_by(fastscape.pca([moved(model) for _ in range(40)], evaluated=11), model)
    numbers = found.checkpoints["training"].evaluated
    assert len(numbers) == 11
    assert (numbers[0], numbers[-1]) == (0, 39)
    assert set(np.diff(numbers)) <= {3, 4}


@pytest.mark.parametrize("wrong", [True, -1, 1.5, "ten"])
def test_what_is_no_number_of_checkpoints(wrong):
    for source in (fastscape.pca, fastscape.start_to_end):
        with pytest.raises(
            ValueError,
            match="evaluated must be the number of checkpoints whose own loss is evaluated, got",
        ):
            source(training(2), evaluated=wrong)
    with pytest.raises(ValueError, match="evaluated must be the number of checkpoints whose own loss is evaluated,"):
        fastscape.projected(training(2), Random(), evaluated=wrong)
    with pytest.raises(ValueError, match=r"center must be 'last' or 'mean'.*, got 'first'"):
        fastscape.pca(training(2), center="first")


def test_checkpoints_that_are_all_equal():
    model = nn.Linear(3, 2)
    for count in (1, 4):
        with pytest.raises(ValueError, match=f"all weights of the {count} checkpoints are equal"):
            found_by(fastscape.pca([copy.deepcopy(model) for _ in range(count)]), model)


def test_sources_are_equal_on_every_call_and_say_what_they_are():
    models = training(5, nn.Linear(3, 2))
    data = torch.randn(4, 3), torch.arange(4) % 2
    source = fastscape.pca(models)
    a, b = (fastscape.surface(models[-1], data, directions=source, **GRID) for _ in range(2))
    assert a.loss.tobytes() == b.loss.tobytes()
    assert a.report["directions"] == "pca"
    assert fastscape.start_to_end(models).facts["directions"] == "start to end"
    line = fastscape.line(models[-1], data, directions=source, x=(-1, 1, 3), progress=False)
    assert line.paths[0].points.shape == (5, 1)


def test_what_a_recorder_writes_is_drawn(tmp_path):
    model, data = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)), torch.randn(30, 5)
    targets = torch.arange(30) % 3
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    kept = []
    with fastscape.Recorder(tmp_path / "run") as recorder:
        for step in range(6):
            loss = nn.functional.cross_entropy(model(data), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.record(model, step, loss=loss.item())
            kept.append(copy.deepcopy(model))
    found = fastscape.surface(model.eval(), (data, targets), directions=fastscape.pca(tmp_path / "run"), **GRID)
    plain = fastscape.surface(model, (data, targets), directions=fastscape.pca(kept), **GRID)
    (path,), (same,) = found.paths, plain.paths
    np.testing.assert_allclose(path.points, same.points, atol=1e-12)
    np.testing.assert_allclose(path.loss, same.loss, rtol=1e-6)
    assert path.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(path.measures["loss"]) == 6
    own = [nn.functional.cross_entropy(one.eval()(data), targets).item() for one in kept]
    np.testing.assert_allclose(path.loss, own, rtol=1e-5)
    assert found.report["plane"]["kind"] == "pca"
