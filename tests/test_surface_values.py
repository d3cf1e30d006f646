"""surface() against the slow reference, closed forms and identities."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fastscape
from cases import CASES, GRIDS, ZOO, Case, reference_surface
from fastscape import Plan
from fastscape.weights import direction_random, directions_first, layout_of, select
from fastscape.weights.grid import axis
from tolerance import FLOAT64, assert_as_accurate, assert_close
from untouched import assert_same, snapshot


def fast_surface(case: Case, x, y, **options) -> fastscape.Landscape:
    options.setdefault("plan", Plan("loop", chunk=4, microbatch=case.microbatch))
    return fastscape.surface(
        case.model, (case.inputs, case.targets), loss=case.loss, x=x, y=y, progress=False, **options
    )


@functools.cache
def truth(name: str, grid: str, dtype: torch.dtype = torch.float64) -> np.ndarray:
    x, y = (axis(letter, spec) for letter, spec in zip("xy", GRIDS[grid], strict=True))
    return reference_surface(CASES[name](), x, y, dtype=dtype)


# On the smallest grid the 26 million weights of the VGG take as long as everything else on all of them.
ON_GRIDS = [(name, grid) for name in CASES for grid in GRIDS if name != "vgg13" or grid == "explicit 4 x 1"]


@pytest.mark.parametrize("batching", ["loop", "vmap"])
@pytest.mark.parametrize(("name", "grid"), ON_GRIDS)
def test_float64_equals_the_reference(name, batching, grid):
    case = CASES[name]()
    plan = Plan(batching, chunk=4, microbatch=case.microbatch)
    landscape = fast_surface(case, *GRIDS[grid], precision="float64", plan=plan)
    assert_close(landscape.loss, truth(name, grid), FLOAT64)


# The VGG in uneven batches is the loop above.
BATCHES = [(*at, kind) for at in ON_GRIDS for kind in ("auto", "uneven") if kind == "auto" or at[0] != "vgg13"]


@pytest.mark.parametrize(("name", "grid", "batches"), BATCHES)
def test_float32_is_as_accurate_as_plain_torch(name, batches, grid):
    case = CASES[name]()
    options = {"plan": "auto"} if batches == "auto" else {}
    landscape = fast_surface(case, *GRIDS[grid], **options)
    assert_as_accurate(landscape.loss, truth(name, grid, torch.float32), truth(name, grid))


@pytest.mark.parametrize("batching", ["loop", "vmap"])
def test_the_triton_kernels_give_the_same_surface(batching):
    """From end to end on the kernels, interpreted where there is no GPU."""
    case = CASES["odd parameters"]()
    grid = GRIDS["2 x 5 from 0"]
    by_torch, by_triton = (
        fast_surface(case, *grid, precision="float64", plan=Plan(batching, 4, 4, kernels=kernels))
        for kernels in ("torch", "triton")
    )
    assert by_triton.report["kernels"] == "triton"
    assert_close(by_triton.loss, by_torch.loss, 1e-13)


class Quadratic(nn.Module):
    """Two parameters (a, b) and the loss (a - 1)^2 + 3 (b + 2)^2 + a b."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([[0.5, -1.5]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights.expand(len(x), 2)

    @staticmethod
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        a, b = outputs.unbind(-1)
        return (a - 1) ** 2 + 3 * (b + 2) ** 2 + a * b


def test_a_quadratic_loss_has_its_closed_form():
    """loss[i, j] belongs to x[i], y[j]: the directions have different effects and the axes different lengths."""
    model = Quadratic()
    landscape = fastscape.surface(
        model, (torch.zeros(3, 1), torch.zeros(3)), loss=Quadratic.loss, x=(-2, 1, 7), y=(0, 3, 4), precision="float64"
    )
    layout = layout_of(model)
    theta = model.weights.detach().double().numpy()[0]
    d1, d2 = (layout.unflatten(direction_random(layout, 0, k))["weights"].numpy()[0] for k in (0, 1))
    d1, d2 = (d * np.linalg.norm(theta) / np.linalg.norm(d) for d in (d1, d2))
    for i, alpha in enumerate(landscape.x):
        for j, beta in enumerate(landscape.y):
            a, b = theta + alpha * d1 + beta * d2
            assert landscape.loss[i, j] == pytest.approx((a - 1) ** 2 + 3 * (b + 2) ** 2 + a * b, rel=1e-12)


# Dropout and batch normalisation make the first mode the one that matters.
MODES = [(name, mode) for name in CASES for mode in ("train", "eval") if name != "vgg13" or mode == "train"]


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_the_centre_is_the_loss_of_the_model_which_is_untouched(name, mode):
    case = CASES[name]()
    case.model.train(mode == "train")
    before = snapshot(case.model)
    landscape = fast_surface(case, (-1, 1, 3), (0, 0, 1), precision="float64")
    assert_same(before, snapshot(case.model))
    case.model.double().eval()
    inputs, targets = (t.double() if t.is_floating_point() else t for t in (case.inputs, case.targets))
    with torch.no_grad():
        assert landscape.loss[1, 0] == pytest.approx(case.loss(case.model(inputs), targets).item(), rel=1e-12)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_surface():
    case = ZOO["mnist-cnn"]()
    first, again, other = (fast_surface(case, (-1, 1, 4), (-1, 1, 3), seed=seed).loss for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_grids_nest():
    case = ZOO["mlp"]()
    fine = fast_surface(case, (-1, 1, 5), (0, 1, 5), precision="float64")
    coarse = fast_surface(case, (-1, 1, 3), (0, 1, 3), precision="float64")
    assert_close(coarse.loss, fine.loss[::2, ::2], 1e-13)


def test_metrics_come_from_the_same_pass():
    case = ZOO["mlp"]()
    calls = []

    def mean_of_targets(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(len(targets))
        return targets.double().mean()

    metrics = {"accuracy": fastscape.accuracy, "targets": mean_of_targets}
    landscape = fast_surface(case, (0, 1, 2), (0, 1, 2), metrics=metrics)
    with torch.no_grad():
        right = (case.model.eval()(case.inputs).argmax(1) == case.targets).double().mean()
    assert list(landscape.metrics) == ["accuracy", "targets"]
    assert landscape.metrics["accuracy"][0, 0] == pytest.approx(right.item(), rel=1e-12)
    # The mean of batch means would not be this: the last batch is smaller.
    np.testing.assert_allclose(landscape.metrics["targets"], case.targets.double().mean().item(), rtol=1e-12)
    assert calls[-12:] == [5, 5, 3] * 4


def test_a_per_sample_loss_gives_the_surface_of_its_mean():
    case = ZOO["mlp"]()
    each = fast_surface(
        case._replace(loss=nn.CrossEntropyLoss(reduction="none")), (-1, 1, 3), (-1, 1, 3), precision="float64"
    )
    assert_close(each.loss, fast_surface(case, (-1, 1, 3), (-1, 1, 3), precision="float64").loss, 1e-13)


@pytest.mark.filterwarnings("ignore:the loss at the model itself is inf")
def test_nan_and_inf_stay_and_are_counted():
    class Overflow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([[2.0]]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sqrt(self.weight[0, 0] - 2.0) + 1 / (self.weight[0, 0] - 2.0) + x[:, 0]

    landscape = fastscape.surface(
        Overflow(), (torch.zeros(2, 1), torch.zeros(2)), loss=lambda o, t: o, x=(-1, 1, 5), y=(0, 0, 1)
    )
    assert np.isnan(landscape.loss).sum() == 2
    assert np.isinf(landscape.loss[2, 0])
    assert landscape.report["not_finite"] == {"loss": {"nan": 2, "inf": 1}}


PLANNED = (-1, 1, 4), (0, 1, 3)


@functools.cache
def point_by_point(name: str) -> np.ndarray:
    return fast_surface(CASES[name](), *PLANNED, precision="float64", plan=Plan("loop", 1, 64)).loss


@given(
    chunk=st.integers(1, 20),
    microbatch=st.integers(1, 20),
    batching=st.sampled_from(["loop", "vmap"]),
    name=st.sampled_from(["mlp", "odd parameters"]),
)
def test_a_plan_changes_nothing_beyond_rounding(chunk, microbatch, batching, name):
    planned = fast_surface(CASES[name](), *PLANNED, precision="float64", plan=Plan(batching, chunk, microbatch))
    assert_close(planned.loss, point_by_point(name), 1e-12)


@given(reach=st.floats(0.01, 100))
def test_a_quadratic_loss_is_a_parabola_along_every_axis(reach):
    """Coordinates are evenly spaced, and mean the same at every reach: a parabola has no third difference."""
    data = torch.zeros(1, 1), torch.zeros(1)
    axis = (-reach, reach, 7)
    loss = fastscape.surface(Quadratic(), data, loss=Quadratic.loss, x=axis, y=axis, precision="float64").loss
    for dimension in (0, 1):
        np.testing.assert_allclose(np.diff(loss, 3, axis=dimension), 0, atol=1e-12 * np.abs(loss).max())


@pytest.mark.parametrize("normalize", ["filter", "layer", "none"])
def test_the_norms_of_the_directions(normalize):
    case = CASES["odd parameters"]()
    landscape = fast_surface(case, (0.5, 0.5, 1), (0.25, 0.25, 1), normalize=normalize, precision="float64")
    layout = layout_of(case.model)
    theta = {name: p.detach().double() for name, p in select(case.model).items()}
    moved = dict(theta)
    for k, coordinate in ((0, 0.5), (1, 0.25)):
        for name, d in layout.unflatten(direction_random(layout, 0, k)).items():
            if normalize == "layer":
                d = d * theta[name].norm() / d.norm() if d.numel() else d
            elif normalize == "filter":
                rows = {"transposed.weight": (0, 2)}.get(name, tuple(range(1, d.dim())))
                if name == "grouped.weight":
                    split = d.view(2, 2, 3, 3), theta[name].view(2, 2, 3, 3)
                    norms = [t.norm(dim=(1, 3), keepdim=True) for t in split]
                    d = (split[0] * norms[1] / norms[0]).view(d.shape)
                else:
                    d = d * theta[name].norm(dim=rows, keepdim=True) / d.norm(dim=rows, keepdim=True)
            moved[name] = moved[name] + coordinate * d
    case.model.double().eval()
    with torch.no_grad():
        outputs = torch.func.functional_call(case.model, moved, (case.inputs.double(),))
    assert landscape.loss[0, 0] == pytest.approx(case.loss(outputs, case.targets.double()).item(), rel=1e-11)
    assert landscape.report["normalize"] == normalize


def test_a_filter_of_zeros_stays_zero():
    gram = torch.tensor([[[0.0, 0.0], [0.0, 4.0]], [[9.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    for normalize in ("filter", "layer"):
        factors = directions_first(gram, torch.tensor([0, 1]), normalize)
        assert factors.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_the_axes_are_nearly_orthogonal():
    case = ZOO["resnet8"]()  # of 77 thousand weights
    landscape = fast_surface(case, (0, 0, 1), (0, 0, 1))
    assert abs(landscape.report["cosine"]) < 0.05
    layout = layout_of(case.model)
    d = [direction_random(layout, seed, k) for seed in (0, 1) for k in (0, 1)]
    for i in range(4):
        for j in range(i):
            assert abs(torch.cosine_similarity(d[i], d[j], dim=0)) < 0.05
