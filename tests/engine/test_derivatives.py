"""Derivatives of the loss along the axes: against closed forms, and against differences of float64 surfaces."""

import functools
import math
import warnings
from functools import partial

import numpy as np
import odd_models
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import EVERY
from fastscape import Plan
from fastscape.results import derivative_names
from fastscape.weights import Scheme

LINE, PLANE = derivative_names("x"), derivative_names("xy")
NOWHERE = {"progress": False, "curvature": "plane", "precision": "float64"}
# torch has no rule in forward mode for something that they do, or a wrong one; for the bags it has none at all.
BACKWARDS = {
    "PINN", "robust regression", "odd parameters", "transformer encoder", "language model, tied",
    "transformer of two inputs", "orthogonal", "volumes",
}  # fmt: skip
REFUSED = {"two inputs by name"}
SLOW = {"vgg13", "resnet8", "resnet14-noshort"}
EPS = 2.0**-52


def stencil(at: tuple[float, ...], step: float) -> list[np.ndarray]:
    return [here + step * np.arange(-2, 3) for here in at]


def differences(loss: np.ndarray, step: float, apart: int) -> np.ndarray:
    """First and second differences at the middle of 5 x 5 points, or of 5, so many of which lie apart."""
    k, h = apart, apart * step
    if loss.ndim == 1:
        low, here, high = loss[[2 - k, 2, 2 + k]]
        return np.array([(high - low) / (2 * h), (high - 2 * here + low) / h**2])
    x, y = loss[[2 - k, 2, 2 + k], 2], loss[2, [2 - k, 2, 2 + k]]
    corners = loss[2 + k, 2 + k] - loss[2 + k, 2 - k] - loss[2 - k, 2 + k] + loss[2 - k, 2 - k]
    (fx, fxx), (fy, fyy) = (((t[2] - t[0]) / (2 * h), (t[2] - 2 * t[1] + t[0]) / h**2) for t in (x, y))
    return np.array([fx, fy, fxx, corners / (4 * h**2), fyy])


def assert_as_differences(found: fastscape.Landscape, step: float) -> None:
    """The derivatives in the middle are what differences say, as exactly as two of them agree, and rounding allows."""
    axes = len(found.axes)
    middle = (2,) * axes
    exact = np.array([found.measures[name][middle] for name in derivative_names("xy"[:axes])])
    close, wide = (differences(found.loss, step, apart) for apart in (1, 2))
    size = np.abs(found.loss).max()
    rounding = np.array([64 * EPS * size / step] * axes + [64 * EPS * size / step**2] * (len(exact) - axes))
    assert np.isfinite(exact).all()
    # The error of the closer difference is a third of what both are apart.
    assert (np.abs(exact - close) <= np.abs(close - wide) + rounding).all(), (exact, close, np.abs(close - wide))
    assert np.abs(exact).max() > 1e-4, "nothing was differentiated"


def assert_as_differences_of_slopes(found: fastscape.Landscape, step: float) -> None:
    """The same on a row of points, for what has kinks: so near that none lies between, the slopes say the bends."""
    axis = int(found.shape[0] == 1)
    names = PLANE[:2], (("d2L_dx2", "d2L_dxdy"), ("d2L_dxdy", "d2L_dy2"))[axis]
    loss, *grids = (found.measures[name].ravel() for name in ("loss", *names[0], *names[1]))
    slopes, bends = grids[:2], grids[2:]
    for values, exact in [(loss, slopes[axis]), *zip(slopes, bends, strict=True)]:
        close, wide = ((values[2 + k] - values[2 - k]) / (2 * k * step) for k in (1, 2))
        rounding = 256 * EPS * max(np.abs(loss).max(), np.abs(slopes).max()) / step
        assert abs(exact[2] - close) <= abs(close - wide) + rounding, (exact[2], close, wide)
    assert min(abs(slopes[axis][2]), np.abs([bend[2] for bend in bends]).max()) > 1e-5, "nothing was differentiated"


@pytest.mark.parametrize("name", [name for name in EVERY if name not in SLOW | REFUSED])
def test_every_family_as_differences_say(name):
    case, step = EVERY[name](), 1e-7
    options = {**case.options, **NOWHERE, "plan": Plan("loop", 5, case.microbatch)}
    for x, y in (([0.3], stencil((0.2,), step)[0]), (stencil((0.3,), step)[0], [0.2])):
        found = fastscape.surface(case.model, case.given, x=x, y=y, **options)
        assert_as_differences_of_slopes(found, step)
        by = found.report["differentiated"]["by"]
        assert (by == "reverse over reverse") == (name in BACKWARDS), found.report["differentiated"]


def test_there_are_enough_families():
    assert len(EVERY) - len(SLOW | REFUSED) >= 30


@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_without_any_rule_is_named(name):
    case = EVERY[name]()
    with pytest.raises(
        ValueError, match=r"torch has no rule for that: .*_embedding_bag_backward.*; leave out curvature"
    ):
        fastscape.surface(case.model, case.given, x=(0, 1, 2), y=(0, 1, 2), **case.options, **NOWHERE)


def smooth() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4)).double()
        return model, (torch.randn(11, 3, dtype=torch.float64), torch.arange(11) % 4)


def turning(gram, alpha, beta):
    ones = torch.ones_like(alpha)
    return torch.stack([ones, alpha * beta.cos(), alpha * beta.sin()], dim=-1)[:, None, :]


SCHEMES = ["plane", "linear2x", "barycentric", "bilinear", turning, Scheme(turning, over="layer")]


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda one: getattr(one, "__name__", str(one)[:12]))
def test_every_scheme_as_differences_say(scheme, low_memory):
    model, data = smooth()
    x, y = stencil((0.6, -0.35), 1e-3)
    found = fastscape.surface(model, data, x=x, y=y, scheme=scheme, low_memory=low_memory, **NOWHERE)
    assert_as_differences(found, 1e-3)


@pytest.mark.parametrize(
    "scheme", ["line", "plane", lambda gram, alpha: torch.stack([alpha.exp(), alpha**3], -1)[:, None]]
)
def test_every_line_as_differences_say(scheme):
    model, data = smooth()
    found = fastscape.line(model, data, x=stencil((0.4,), 1e-3)[0], scheme=scheme, **NOWHERE)
    assert list(found.metrics) == list(LINE)
    assert_as_differences(found, 1e-3)


class Quadratic(nn.Module):
    """A linear model whose mean squared error is a quadratic function of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T


def test_a_quadratic_has_its_closed_form():
    """L = |X w - t|^2 / n, so with w = theta + x a + y b: L_x = 2 a.X^T(X w - t) / n and L_xy = 2 a.X^T X b / n."""
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    a, b = rng.normal(size=(2, 3))
    x, y = np.array([-1.0, 0.0, 0.3, 2.0]), np.array([-0.5, 0.7])
    data = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets)), batch_size=4
    )  # 4, 4 and 2 samples: the loss is a mean of a batch
    directions = [{"weight": torch.from_numpy(d)[None]} for d in (a, b)]
    for forward in (True, False):
        model = Quadratic() if forward else in_reverse(Quadratic())
        given = [dict.fromkeys(dict(model.named_parameters()), d["weight"]) for d in directions]
        found = fastscape.surface(model, data, loss=F.mse_loss, directions=given, x=x, y=y, curvature="plane")
        theta = next(iter(model.parameters())).detach().numpy()[0]
        for i, j in np.ndindex(4, 2):
            residual = inputs @ (theta + x[i] * a + y[j] * b) - targets[:, 0]
            wanted = [2 * (inputs @ d) @ residual / 10 for d in (a, b)]
            wanted += [2 * (inputs @ c) @ (inputs @ d) / 10 for c, d in ((a, a), (a, b), (b, b))]
            exact = [found.metrics[name][i, j] for name in PLANE]
            np.testing.assert_allclose(exact, wanted, rtol=1e-12, atol=1e-12)
        assert found.report["differentiated"]["by"].startswith("forward" if forward else "reverse")


class Backward(torch.autograd.Function):
    """A product by a rule of its own, as people write them: without one for forward mode."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.T @ x


class Once(Backward):
    """The same, which can be differentiated once."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return Backward.backward(ctx, gradient)


class ByARule(nn.Module):
    def __init__(self, layer: Quadratic, rule: type[torch.autograd.Function] = Backward) -> None:
        super().__init__()
        self.weight, self.rule = layer.weight, rule

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rule.apply(x, self.weight)


def in_reverse(layer: Quadratic) -> nn.Module:
    return ByARule(layer)


COLUMNS = {"x": (-1, 1, 3), "y": (0, 1, 2), "progress": False}


def of_quadratic(model: nn.Module, **options) -> fastscape.Landscape:
    generator = torch.Generator().manual_seed(0)
    data = (torch.randn(6, 3, generator=generator).double(), torch.randn(6, 1, generator=generator).double())
    return fastscape.surface(model, data, **{"loss": F.mse_loss, "curvature": "plane", **COLUMNS, **options})


def test_what_has_no_second_derivative_is_refused():
    with pytest.raises(ValueError, match=r"in forward mode .*, in reverse mode .*marked once_differentiable"):
        of_quadratic(ByARule(Quadratic(), Once))


def count(outputs, targets):
    return (outputs > targets).double().mean()


def test_a_count_is_refused_and_is_fine_as_a_metric():
    with pytest.raises(ValueError, match="the loss count has no gradient by the weights"):
        of_quadratic(Quadratic(), loss=count)
    with pytest.raises(ValueError, match=r"the objective .*<lambda> has no gradient"):
        fastscape.surface(
            Quadratic(), (torch.rand(6, 3).double(),), objective=lambda call, b: count(call(b[0]), 0.5),
            curvature="plane", **COLUMNS,
        )  # fmt: skip
    assert list(of_quadratic(Quadratic(), metrics={"above": count}).metrics) == ["above", *PLANE]


class Rounded(Quadratic):
    """Its forward pass is a staircase, and its gradient that of the slope: what quantised training does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = 3 * self.weight
        return x @ (scaled + (scaled.round() - scaled).detach()).T


class Detached(Quadratic):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T + x @ self.weight.detach().T


@pytest.mark.parametrize("kind", [Rounded, Detached])
def test_a_gradient_that_is_none_of_the_surface_is_warned_of(kind):
    with pytest.warns(UserWarning, match=r"has derivatives that do not match its values"):
        found = of_quadratic(kind())
    assert any("derivatives that do not match its values" in message for message in found.report["warnings"])


def test_schemes_that_lose_the_coordinates_are_refused():
    def lost(gram, alpha, beta):
        return torch.tensor([[[1.0, a, b]] for a, b in zip(alpha.tolist(), beta.tolist(), strict=True)])

    def detached(gram, alpha, beta):
        return torch.stack([torch.ones_like(alpha), alpha, beta.detach()], -1)[:, None]

    def by_numpy(gram, alpha, beta):
        return torch.from_numpy(np.stack([np.ones(len(alpha)), alpha.numpy(), beta.numpy()], -1)[:, None])

    for scheme in (lost, detached, by_numpy):
        assert of_quadratic(Quadratic(), scheme=scheme, curvature=None).loss.shape == (3, 2)
        with pytest.raises(ValueError, match=r"differentiates the scheme, and torch (loses|cannot)"):
            of_quadratic(Quadratic(), scheme=scheme)


def test_where_a_norm_jumps_there_is_no_derivative():
    """Towards -theta the scheme turns over at 1/2: NaN there, and beside it what differences say."""
    model, data = smooth()
    to = [
        {name: -p.detach() for name, p in model.named_parameters()},
        {n: torch.ones_like(p) for n, p in model.named_parameters()},
    ]
    options = {"directions": to, "scheme": "bilinear", "perturb": "all", "normalize": "none", **NOWHERE}
    jump = fastscape.surface(model, data, x=[0.25, 0.5, 0.75], y=[0.25, 0.5], **options)
    assert np.isfinite(jump.loss).all()
    for name in PLANE:
        assert np.isfinite(jump.metrics[name][[0, 2]]).all()
    assert np.isnan(jump.metrics["dL_dx"][1]).all()
    x, y = stencil((0.25, 0.3), 1e-3)
    beside = fastscape.surface(model, data, x=x, y=y, **options)
    close = differences(beside.loss, 1e-3, 1)
    assert abs(beside.metrics["dL_dy"][2, 2] - close[1]) < 1e-4


def test_a_filter_of_zeros_gives_no_nan():
    """Its norm is 0 wherever a scheme goes."""
    model, data = smooth()
    with torch.no_grad():
        model[0].bias.zero_()
        model[0].weight[2] = 0
    for scheme in ("linear2x", "barycentric", "bilinear"):
        x, y = stencil((0.3, 0.2), 1e-3)
        found = fastscape.surface(model, data, x=x, y=y, scheme=scheme, perturb="all", **NOWHERE)
        assert_as_differences(found, 1e-3)


@pytest.mark.parametrize("plan", [Plan("vmap", 4), Plan("loop", 3, workers=2), Plan("loop", 2, microbatch=3), "auto"])
def test_the_measures_stay_to_the_bit(plan):
    model, data = smooth()
    options = {"x": (-1, 1, 5), "y": (0, 1, 3), "metrics": {"right": fastscape.accuracy}, "plan": plan}
    plain = fastscape.surface(model, data, **options)
    found = fastscape.surface(model, data, curvature="plane", **options)
    assert found.loss.tobytes() == plain.loss.tobytes()
    assert found.metrics["right"].tobytes() == plain.metrics["right"].tobytes()
    assert found.standard_error.tobytes() == plain.standard_error.tobytes()
    assert list(found.metrics) == ["right", *PLANE]
    assert found.report["plan"] == plain.report["plan"]


def test_float32_is_close_to_float64():
    model, (inputs, targets) = smooth()
    options = {"x": (-1, 1, 5), "y": (0, 1, 3), "curvature": "plane"}
    wide = fastscape.surface(model, (inputs, targets), **options)
    narrow = fastscape.surface(model.float(), (inputs.float(), targets), **options)
    for name in PLANE:
        assert np.abs(wide.metrics[name] - narrow.metrics[name]).max() < 2e-5 * np.abs(wide.metrics[name]).max()


def test_dropout_draws_the_same_numbers():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        model = nn.Sequential(nn.Linear(3, 9), nn.Tanh(), nn.Dropout(0.4), nn.Linear(9, 4))
    data = smooth()[1]
    x, y = stencil((0.3, 0.2), 1e-3)
    assert_as_differences(
        fastscape.surface(model, data, x=x, y=y, train_mode=True, plan=Plan("loop", 4, 4), **NOWHERE), 1e-3
    )


NORMS = [(nn.BatchNorm1d, "running"), (nn.BatchNorm1d, "batch"), (partial(nn.GroupNorm, 2), "running")]


@pytest.mark.parametrize(("kind", "batchnorm"), [*NORMS, (nn.LayerNorm, "running"), (nn.RMSNorm, "running")])
def test_normalisation(kind, batchnorm):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        model = nn.Sequential(nn.Linear(3, 6), kind(6), nn.Tanh(), nn.Linear(6, 4))
    inputs, targets = smooth()[1]
    batches = [(inputs[:4], targets[:4]), (inputs[4:8], targets[4:8]), (inputs[8:], targets[8:])]
    x, y = stencil((0.3, 0.2), 1e-3)
    assert_as_differences(fastscape.surface(model, batches, x=x, y=y, batchnorm=batchnorm, **NOWHERE), 1e-3)


def test_class_weights_with_an_uneven_last_batch():
    model, (inputs, targets) = smooth()
    batches = [(inputs[:8], targets[:8]), (inputs[8:], targets[8:])]
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64))
    x, y = stencil((0.3, 0.2), 1e-3)
    assert_as_differences(fastscape.surface(model, batches, loss=loss, x=x, y=y, **NOWHERE), 1e-3)


def test_attention_without_a_fused_kernel():
    """In use torch takes kernels for it that have no second derivatives."""

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.attention(x, x, x)[0].mean(1))

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(4)
        model, inputs = Attending(), torch.randn(7, 5, 8)
    x, y = stencil((0.3, 0.2), 1e-3)
    before = torch.backends.mha.get_fastpath_enabled()
    found = fastscape.surface(model, (inputs, torch.arange(7) % 4), x=x, y=y, **NOWHERE)
    assert_as_differences(found, 1e-3)
    assert torch.backends.mha.get_fastpath_enabled() == before
    assert found.report["differentiated"]["by"] == "forward over forward"


# They change weights or outputs where torch does not look, by .data or without gradients.
UNSEEN = {"AverageByData", "MaxNorm", "Clamped", "Assigned"}


@pytest.mark.parametrize("kind", odd_models.KINDS, ids=lambda kind: kind.__name__)
def test_models_that_do_more_than_compute(kind):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(2)
        model = kind()
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(9, 4, generator=generator), torch.arange(9) % 3
    x, y = stencil((0.3, 0.2), 1e-4)
    plan = Plan("loop", 5, 9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fastscape.surface(model, data, x=x, y=y, plan=plan, **NOWHERE)
    doubted = [str(one.message) for one in caught if "derivatives that do not match its values" in str(one.message)]
    assert bool(doubted) == (kind.__name__ in UNSEEN)
    assert all(message in found.report["warnings"] for message in doubted)
    if not doubted:
        assert_as_differences(found, 1e-4)
    again = fastscape.surface(model, data, x=x, y=y, plan=plan, **{**NOWHERE, "curvature": None})
    assert again.loss.tobytes() == found.loss.tobytes()


def test_what_cannot_be_is_refused():
    model = Quadratic()
    for options, message in {
        ("lend", True): "lend=True writes into your own",
        ("batchnorm", "recalibrate"): "statistics follow them unseen",
        (
            "precision",
            "bfloat16",
        ): "curvature='plane' needs weights in float32 or float64, got bfloat16, whose second derivatives",
        ("curvature", "ratio2"): "curvature must be one of 'plane'.*, got 'ratio2'",
        ("metrics", (("dL_dx", lambda o, t: o.flatten()),)): "a metric is named 'dL_dx'",
    }.items():
        name, value = options
        with pytest.raises(ValueError, match=message):
            of_quadratic(model, **{name: dict(value) if name == "metrics" else value})


def test_directions_of_which_nothing_moves_have_no_slope():
    model, data = smooth()
    some = {name: torch.ones_like(p) for name, p in model.named_parameters() if p.dim() > 1}
    zeros = {name: torch.zeros_like(p) for name, p in some.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing moves
        found = fastscape.surface(model, data, x=(-1, 1, 3), y=(-1, 1, 3), directions=[some, zeros], **NOWHERE)
    assert np.abs(found.metrics["dL_dx"]).min() > 0
    assert all((found.metrics[name] == 0).all() for name in ("dL_dy", "d2L_dxdy", "d2L_dy2"))


def test_the_sum_is_over_all_batches():
    """Derivatives are means over the samples, as the loss is."""
    model, (inputs, targets) = smooth()
    whole, *parts = (
        fastscape.surface(model, (inputs[a:b], targets[a:b]), x=(0, 1, 2), y=(0, 1, 2), seed=1, **NOWHERE)
        for a, b in ((0, 11), (0, 8), (8, 11))
    )
    for name in PLANE:
        mean = (8 * parts[0].metrics[name] + 3 * parts[1].metrics[name]) / 11
        np.testing.assert_allclose(whole.metrics[name], mean, rtol=1e-12, atol=1e-14)
    assert math.isfinite(functools.reduce(max, np.abs(whole.metrics["d2L_dxdy"]).ravel()))
