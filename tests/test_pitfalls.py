"""What is wrong in tools that people use, and cannot happen here: one test each, named after the pitfall."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape
from cases import lived_in
from fastscape import Landscape, Plan
from fastscape.results import heights
from fastscape.weights import direction_random, layout_of
from fastscape.weights.grid import axis

WIDE = {"precision": "float64", "progress": False}
POINT = {"x": (0.5, 0.5, 1), "y": (0.25, 0.25, 1), **WIDE}
INPUTS, TARGETS = torch.rand(11, 4), torch.arange(11) % 3


def mlp(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def drawn(model: nn.Module, perturb="weights", seed: int = 0) -> list[dict[str, torch.Tensor]]:
    layout = layout_of(model, perturb)
    return [layout.unflatten(direction_random(layout, seed, k)) for k in (0, 1)]


class Weights(nn.Module):
    """Returns its own weights, so that the surface shows where it is evaluated."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 1.0 + int(np.prod(shape))).view(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.flatten().expand(len(x), -1)


def at(model: nn.Module, entry: int, **options) -> np.ndarray:
    """One weight of the model at every grid point."""
    data = torch.zeros(2, 1), torch.zeros(2)
    return fastscape.surface(model, data, loss=lambda o, t: o[:, entry], **{**WIDE, **options}).loss


# Directions


def test_random_directions_are_gaussian_and_not_uniform_from_0_to_1():
    d = torch.cat([t.flatten() for t in drawn(nn.Linear(300, 300, bias=False))[0].values()])
    assert abs(d.mean()) < 0.02
    assert d.std() == pytest.approx(1, abs=0.02)
    assert (d**4).mean() == pytest.approx(3, abs=0.2)  # of a uniform distribution it is 1.8


def test_two_random_directions_are_not_nearly_the_same():
    found = fastscape.surface(nn.Linear(300, 300), (torch.rand(2, 300), torch.tensor([0, 1])), **POINT)
    assert abs(found.report["cosine"]) < 0.02


@pytest.mark.filterwarnings("ignore:the loss is the same at every point")
def test_the_filter_norm_is_that_of_each_filter_and_not_of_the_tensor():
    model = Weights(3, 2)
    with torch.no_grad():
        model.weight[1] = 0.0
    moved = np.array([at(model, k, x=(0, 1, 2), y=(0, 0, 1))[:, 0] for k in range(6)])
    step = (moved[:, 1] - moved[:, 0]).reshape(3, 2)
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), model.weight.detach().norm(dim=1).numpy(), rtol=1e-6)


def test_directions_that_are_given_are_not_rescaled_tensor_by_tensor():
    """The eigenvector of a Hessian would be none afterwards."""
    model, d = mlp(), {name: torch.randn_like(p) for name, p in mlp().named_parameters() if p.dim() > 1}
    zero = {name: torch.zeros_like(t) for name, t in d.items()}
    found = fastscape.surface(model, (INPUTS, TARGETS), directions=[d, zero], x=(2, 2, 1), y=(0, 0, 1), **WIDE)
    with torch.no_grad():
        for name, t in d.items():
            model.get_parameter(name).add_(2 * t)
        assert found.loss[0, 0] == pytest.approx(F.cross_entropy(model(INPUTS), TARGETS).item(), rel=1e-5)


@pytest.mark.parametrize("layer", [nn.Conv1d(2, 4, 3), nn.Conv3d(2, 4, 2)])
def test_filters_of_1d_and_3d_convolutions_are_no_single_block(layer):
    assert layout_of(layer).segments.count >= 4
    assert layout_of(layer).entries[0].filters == 4


def test_another_seed_gives_other_directions_and_so_does_the_second_axis():
    first, second = drawn(mlp())
    (other, _) = drawn(mlp(), seed=1)
    for name, d in first.items():
        assert abs(torch.corrcoef(torch.stack([d.flatten(), second[name].flatten()]))[0, 1]) < 0.9
        assert not torch.equal(d, other[name])


def test_one_dimensional_parts_of_directions_are_no_copies_of_the_weights():
    model = mlp()
    (d, _) = drawn(model, "all")
    assert all(not torch.allclose(d[name], p.double()) for name, p in model.named_parameters() if p.dim() == 1)


def test_a_bias_of_zeros_gives_no_division_by_zero():
    model = mlp()
    with torch.no_grad():
        model[0].bias.zero_()
    found = fastscape.surface(model, (INPUTS, TARGETS), perturb="all", x=(-1, 1, 3), y=(-1, 1, 3), **WIDE)
    assert np.isfinite(found.loss).all()


def test_a_filter_lies_along_the_outputs_of_transposed_layers():
    class Conv1D(nn.Module):
        """GPT-2's linear layer, whose weight is [inputs, outputs]."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(5, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.weight

    assert layout_of(nn.ConvTranspose2d(5, 3, 2)).entries[0].filters == 3
    assert layout_of(Conv1D()).entries[0].filters == 3


# Grids


def test_no_column_is_shifted_and_no_axis_is_mistaken_for_the_other():
    """loss[i, j] belongs to x[i] and y[j], also where the axes differ in length and reach, and start at 0."""
    model = Weights(2, 1)
    data = torch.zeros(1, 1), torch.zeros(1)
    d1, d2 = ({"weight": torch.tensor(d)} for d in ([[1.0], [0.0]], [[0.0], [1.0]]))
    found = fastscape.surface(
        model, data, loss=lambda o, t: 10 * o[:, 0] + o[:, 1], directions=[d1, d2], x=(0, 3, 4), y=(-2, 0, 5), **WIDE
    )
    truth = 10 * (1 + found.x[:, None]) + (2 + found.y[None, :])
    np.testing.assert_allclose(found.loss, truth, rtol=1e-12)


@pytest.mark.parametrize("count", [4, 5, 50, 51])
def test_axes_have_the_reach_that_was_asked_for_and_are_centred(count):
    coordinates = axis("x", (-0.7, 0.7, count))
    assert (coordinates[0], coordinates[-1]) == (-0.7, 0.7)
    np.testing.assert_array_equal(coordinates, -coordinates[::-1])


def test_coordinates_come_from_indices_and_accumulate_nothing():
    coordinates = axis("x", (-2.4, 2.4, 481))
    assert coordinates[240] == 0.0
    np.testing.assert_allclose(coordinates, [(k - 240) / 100 for k in range(481)], rtol=0, atol=1e-15)


# Values


def test_a_shuffling_loader_gives_every_point_the_same_samples():
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=3, shuffle=True)
    near = {"x": [0.0, 1e-13, 2e-13], "y": (0, 0, 1)}
    assert np.ptp(fastscape.surface(mlp(), loader, **near, **WIDE).loss) < 1e-11


def test_an_uneven_last_batch_counts_by_its_samples():
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4)
    batched, whole = (fastscape.surface(mlp(), data, **POINT).loss for data in (loader, (INPUTS, TARGETS)))
    np.testing.assert_allclose(batched, whole, rtol=1e-12)


def test_batches_that_are_dictionaries_are_not_skipped():
    batches = [{"x": INPUTS, "y": TARGETS}]
    with pytest.raises(
        TypeError, match=r"a batch cannot be read, got dict; give \(inputs, targets\) tensors, a Dataset, a"
    ):
        fastscape.surface(mlp(), batches, **POINT)
    found = fastscape.surface(mlp(), batches, objective=lambda call, b: F.cross_entropy(call(b["x"]), b["y"]), **POINT)
    np.testing.assert_allclose(found.loss, fastscape.surface(mlp(), (INPUTS, TARGETS), **POINT).loss, rtol=1e-12)


def test_all_batches_count_and_not_the_first_alone():
    first = [(INPUTS[:4], TARGETS[:4])]
    both = [*first, (INPUTS[4:], TARGETS[4:])]
    some, every = (fastscape.surface(mlp(), batches, **POINT) for batches in (first, both))
    assert (some.report["samples"], every.report["samples"]) == (4, 11)
    assert some.loss != every.loss


def test_values_are_never_altered_by_noise_or_replaced():
    loss = np.array([[np.nan, 1.0], [np.inf, -np.inf]])
    found = Landscape(np.arange(2.0), np.arange(2.0), loss)
    np.testing.assert_array_equal(found.loss, loss)
    grid = {"x": (-1, 1, 5), "y": (-1, 1, 5)}
    runs = [fastscape.surface(mlp(), (INPUTS, TARGETS), **grid, **WIDE).loss for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_nan_is_not_drawn_as_the_deepest_minimum():
    loss = np.array([[np.nan, 1.0], [2.0, 3.0]])
    z, _ = heights(Landscape(np.arange(2.0), np.arange(2.0), loss), log=False)
    assert np.isnan(z[0, 0])
    assert np.nanmin(z) == 1.0


def test_the_centre_does_not_move_from_point_to_point():
    """Directions given as live views of the model's own state would move it."""
    model = mlp()
    live = {name: p.detach() for name, p in model.named_parameters() if p.dim() > 1}
    grid = {"x": (-1, 1, 3), "y": (-1, 1, 3)}
    found = fastscape.surface(model, (INPUTS, TARGETS), directions=[live, live], **grid, **WIDE)
    np.testing.assert_allclose(found.loss, found.loss.T, rtol=1e-12)
    centre = F.cross_entropy(model(INPUTS), TARGETS).item()
    assert found.loss[1, 1] == pytest.approx(centre, rel=1e-5)


def batch_normalised() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    return lived_in(model, INPUTS), (INPUTS, TARGETS)


def test_running_variances_get_no_noise_and_no_nan():
    model, data = batch_normalised()
    found = fastscape.surface(model, data, perturb="states", x=(-2, 2, 5), y=(-2, 2, 5), **WIDE)
    assert np.isfinite(found.loss).all()


def test_batch_statistics_do_not_drift_along_the_grid():
    model, data = batch_normalised()
    model.train()
    forward = fastscape.surface(model, data, x=(-1, 1, 5), y=(0, 0, 1), plan=Plan("loop", 1), **WIDE).loss
    alone = [fastscape.surface(model, data, x=(x, x, 1), y=(0, 0, 1), **WIDE).loss[0, 0] for x in (1.0, -1.0)]
    np.testing.assert_allclose(forward[[-1, 0], 0], alone, rtol=1e-12)


def test_curvature_does_not_grow_with_the_number_of_batches():
    grid = {"x": (-0.01, 0.01, 3), "y": (0, 0, 1)}
    curvatures = []
    for size in (11, 3):
        loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=size)
        curvatures.append(np.diff(fastscape.surface(mlp(), loader, **grid, **WIDE).loss[:, 0], 2)[0])
    assert curvatures[0] == pytest.approx(curvatures[1], rel=1e-6)


# Paths


def test_models_lie_where_the_coordinates_say():
    """A coordinate is in units of the direction: the model that it leads to lies at 1, whatever the distance."""
    a, b, c = mlp(0), mlp(1), mlp(2)
    found = fastscape.surface(a, (INPUTS, TARGETS), directions=[b, c], x=[0.0, 1.0], y=[0.0, 1.0], **WIDE)
    for i, j, model in ((0, 0, a), (1, 0, b), (0, 1, c)):
        assert found.loss[i, j] == pytest.approx(F.cross_entropy(model(INPUTS), TARGETS).item(), rel=1e-5)
    assert found.report["marks"] == {"the model": [0.0, 0.0], "model B": [1.0, 0.0], "model C": [0.0, 1.0]}


def test_a_checkpoint_is_drawn_at_the_nearest_point_and_its_distance_is_said():
    """Not at `<w, d> / |d|`, which has another place for every length of d; and never as if it lay in the plane."""
    a, b = mlp(0), mlp(1)
    way = {name: (q - p).detach() for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True)}
    one = {name: torch.where(torch.arange(t.numel()).view(t.shape) % 2 == 0, t, 0) for name, t in way.items()}
    other = {name: 7 * (way[name] - one[name]) for name in way}
    common = {"x": [0.0], "y": [0.0], "perturb": "all", "progress": False}
    (path,) = fastscape.surface(
        a, (INPUTS, TARGETS), directions=fastscape.projected([b], [one, other]), **common
    ).paths
    np.testing.assert_allclose(path.points, [[1, 1 / 7]], rtol=1e-5)
    other = {name: torch.randn_like(t) for name, t in way.items()}
    (path,) = fastscape.surface(
        a, (INPUTS, TARGETS), directions=fastscape.projected([b], [one, other]), **common
    ).paths
    d = torch.stack([torch.cat([t.flatten() for t in v.values()]).double() for v in (one, other, way)])
    nearest = torch.linalg.lstsq(d[:2].T, d[2]).solution
    np.testing.assert_allclose(path.points[0], nearest, rtol=1e-5)
    np.testing.assert_allclose(path.off_plane[0], (d[2] - nearest @ d[:2]).norm(), rtol=1e-5)
    assert path.off_plane[0] > 0.1 * d[2].norm()


def test_a_walk_keeps_its_first_part():
    bowl = np.add.outer(np.linspace(-1, 1, 9) ** 2, np.linspace(-1, 1, 9) ** 2) + 1
    path = Landscape(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), bowl).descend((0.75, -0.5), "sgd", 20, lr=0.05)
    assert (path.x[0], path.y[0]) == (0.75, -0.5)
    assert len(path.x) == 21


# The user's model


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_not_left_moved_frozen_or_in_another_mode(fails):
    model = mlp().train()
    before = copy.deepcopy(model.state_dict())

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if fails:
            raise RuntimeError("no")
        return F.cross_entropy(outputs, targets)

    try:
        fastscape.surface(model, (INPUTS, TARGETS), loss=loss, **POINT)
    except RuntimeError:
        assert fails
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


# Runs


def test_a_value_of_zero_or_below_is_a_value():
    loss = at(Weights(1, 2), 0, x=(-3, 0, 4), y=(0, 0, 1))
    assert loss.shape == (4, 1)
    found = fastscape.surface(
        Weights(1, 2), (torch.zeros(2, 1), torch.zeros(2)), loss=lambda o, t: -o[:, 0] * 0, **POINT
    )
    assert found.loss[0, 0] == 0.0
    assert found.report["not_finite"]["loss"] == {"nan": 0, "inf": 0}


def test_no_directions_of_an_earlier_run_are_used_again(tmp_path, monkeypatch):
    """Directions follow from the seed; there are no files of them that could be stale."""
    monkeypatch.chdir(tmp_path)
    first, second = (fastscape.surface(mlp(), (INPUTS, TARGETS), seed=seed, **POINT).loss for seed in (0, 1))
    assert first != second
    assert list(tmp_path.iterdir()) == []
