"""Linear layers of all points as products with the basis: the values of a plain loop, and no weights in memory."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from cases import CASES
from fastscape import Plan
from fastscape.engine import Engine, plan_rules, planner, point_weights
from fastscape.engine.layers import parts, products
from fastscape.engine.layers.hoisting import HoistedWeight
from fastscape.engine.layers.parts import ranges_of
from fastscape.model import Footprint, Objective, fixed_samples, problem_of
from fastscape.weights import PRECISIONS, SURFACES, Place, Random, SpaceAsked, layout_of, space_of
from tolerance import assert_as_accurate, assert_close

METHODS = "shared", "fused"
GRID = {"x": (-1.0, 0.5, 3), "y": (-0.5, 1.0, 3), "progress": False, "precision": "float64"}
LOOP = Plan("loop", 1, 4)


def by(method: str, **options) -> Plan:
    return Plan("vmap", **{"chunk": 4, "microbatch": 4, "products": method, **options})


@pytest.fixture
def watched(monkeypatch):
    """The rows a point, shapes of the basis and methods of products, and the shapes of weights that are written."""
    seen = {"products": [], "written": []}
    multiply, interpolate = products.perturbed_linear, point_weights.interpolate

    def watching(x, basis, c, bias=None, **options):
        seen["products"].append((x.shape[1], tuple(basis.shape), options["method"]))
        return multiply(x, basis, c, bias, **options)

    def writing(vectors, c, segments, *, out, **options):
        seen["written"].append(out.shape)
        return interpolate(vectors, c, segments, out=out, **options)

    monkeypatch.setattr(products, "perturbed_linear", watching)
    monkeypatch.setattr(point_weights, "interpolate", writing)
    return seen


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(set(CASES) - {"vgg13"}))
def test_every_case_has_the_values_of_a_plain_loop(name, method):
    case = CASES[name]()
    options = {"loss": case.loss, "perturb": "all", **GRID}
    data = case.inputs, case.targets
    plain = fastscape.surface(case.model, data, plan=Plan("loop", 1), **options)
    assert_close(fastscape.surface(case.model, data, plan=by(method), **options).loss, plain.loss, 1e-12)


@pytest.mark.parametrize("scheme", ["plane", "linear2x", "barycentric", "bilinear"])
@pytest.mark.parametrize("perturb", ["weights", "all"])
@pytest.mark.parametrize("plan", [by("shared"), by("fused", hoist=True), by("shared", workers=2, chunk=5)])
def test_products_follow_every_scheme(scheme, perturb, plan, watched):
    """Schemes with coefficients of their own for each filter, and biases that move too."""
    case = CASES["mlp"]()
    options = {"loss": case.loss, "scheme": scheme, "perturb": perturb, **GRID}
    data = case.inputs, case.targets
    plain = fastscape.surface(case.model, data, plan=LOOP, **options)
    assert_close(fastscape.surface(case.model, data, plan=plan, **options).loss, plain.loss, 1e-12)
    assert watched["products"]


class Conv1D(nn.Module):
    """The linear layer of GPT-2, as transformers has it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.nf, self.nx = outputs, inputs
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs) / 2), nn.Parameter(torch.randn(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight)
        return flat.view(*x.shape[:-1], -1)


class Uses(nn.Module):
    """Layers that are products, and uses of their weights that are none, behind a layer that depends on the point."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Linear(3, 6)
        self.linear = nn.Linear(6, 6, bias=kind != "no bias")
        self.narrow = nn.Conv1d(6, 6, 1, stride=2)
        self.flat = nn.Conv2d(2, 4, 1, stride=(2, 1), bias=False)
        self.deep = nn.Conv3d(1, 6, 1, padding="valid")
        self.padded, self.wide = nn.Conv1d(6, 6, 1, padding=1), nn.Conv1d(6, 6, 3)
        self.grouped = nn.Conv1d(6, 6, 1, groups=2)
        self.gpt = Conv1D(6, 6)
        self.embedding = nn.Embedding(4, 6)
        self.block = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True, dropout=0.0)
        if kind == "frozen bias":
            self.linear.bias.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        return getattr(self, "_" + self.kind.replace(" ", "_"))(x)

    def _no_bias(self, x):
        return self.linear(x)

    _frozen_bias = _no_bias

    def _twice(self, x):
        return self.linear(torch.tanh(self.linear(x)))

    def _by_name(self, x):
        return F.linear(bias=self.linear.bias, weight=self.linear.weight, input=x)

    def _one_row(self, x):
        return torch.stack([self.linear(row) for row in x])

    def _three_dimensions(self, x):
        return self.linear(x[:, None].expand(-1, 3, -1).cumsum(1)).mean(1)

    def _beside_arithmetic(self, x):
        w = self.linear.weight
        penalty = w.norm() + (w * w).mean() + w[0].sum()
        return F.linear(self.linear(x), w.t()) + x @ w + 0.1 * penalty

    def _tied(self, x):
        looked_up = self.embedding(torch.arange(4))
        return F.linear(x + looked_up.mean(0), self.embedding.weight)

    def _small_kernels(self, x):
        images = x.reshape(len(x), 2, 3, 1).expand(-1, -1, -1, 2)
        return (
            self.narrow(x[..., None].expand(-1, -1, 5).cumsum(2)).flatten(1),
            self.flat(images.cumsum(3)).view(len(x), -1),  # wants what is contiguous
            self.deep(images[:, None].mean(2, keepdim=True)).flatten(1),
        )

    def _no_products(self, x):
        rows = x[..., None].expand(-1, -1, 4).cumsum(2)
        return tuple(layer(rows).flatten(1) for layer in (self.padded, self.grouped, self.wide))

    def _conv1d_of_gpt(self, x):
        return self.gpt(x) + torch.addmm(self.gpt.bias, x, self.gpt.weight, beta=0.5)

    def _attention(self, x):
        return self.block(x[:, None].expand(-1, 3, -1).cumsum(1)).mean(1)

    def _mixed(self, x):
        return torch.vmap(self.linear)(x) + torch.func.grad(lambda x: self.linear(x).square().sum())(x)

    def _autocast(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.linear(x)

    def _grad_mode(self, x):
        with torch.enable_grad():
            return self.linear(x)


def error(outputs, targets):
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return sum(((out.flatten(1).mean(1) - targets) ** 2).mean() for out in outputs)


MULTIPLIED = {
    "no bias": {(3, 6, 6)},
    "frozen bias": {(3, 6, 6)},
    "twice": {(3, 6, 6)},
    "by name": {(3, 6, 6)},
    "one row": {(3, 6, 6)},
    "three dimensions": {(3, 6, 6)},
    "beside arithmetic": {(3, 6, 6)},
    "tied": {(3, 4, 6)},
    "small kernels": {(3, 6, 6), (3, 4, 2), (3, 6, 1)},
    "no products": set(),
    "conv1d of gpt": {(3, 6, 6)},
    "attention": {(3, 8, 6), (3, 6, 8)},
    "mixed": set(),
    "grad mode": set(),
}


@pytest.mark.parametrize("kind", MULTIPLIED)
@pytest.mark.parametrize(("scheme", "hoist"), [("plane", False), ("barycentric", True)])
def test_layers_and_other_uses_of_their_weights(kind, scheme, hoist, watched):
    model = Uses(kind).double()
    data = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, dtype=torch.float64)
    frozen = "linear.bias" if kind == "frozen bias" else ""
    options = {"loss": error, "scheme": scheme, "perturb": lambda name, _: name != frozen, **GRID}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    assert np.ptp(plain.loss) > 0
    found = fastscape.surface(model, data, plan=by("shared", hoist=hoist), **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert {shape for _, shape, _ in watched["products"]} == MULTIPLIED[kind]


def test_what_autocast_rounds_is_left_to_torch(watched):
    model, data = Uses("autocast"), (torch.randn(10, 3), torch.randn(10))
    options = {"loss": error, **GRID, "precision": "float32"}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    assert_close(fastscape.surface(model, data, plan=by("shared"), **options).loss, plain.loss, 1e-2)
    assert not watched["products"]


def test_uneven_batches_have_their_own_rows(watched):
    model, data = CASES["mlp"]().model, (torch.rand(10, 1, 28, 28), torch.randint(10, (10,)))
    plain = fastscape.surface(model, data, plan=LOOP, **GRID)
    assert_close(fastscape.surface(model, data, plan=by("shared"), **GRID).loss, plain.loss, 1e-12)
    assert {rows for rows, _, _ in watched["products"]} == {4, 2}


@pytest.mark.parametrize("low_memory", [False, True])
def test_repeats_have_products_of_their_own_directions(low_memory, watched):
    model, data = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), (torch.randn(6, 3), torch.randn(6, 2))
    options = {"loss": F.mse_loss, "repeats": 3, "low_memory": low_memory, **GRID}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    found = fastscape.surface(model, data, plan=by("shared"), **options)
    assert watched["products"]
    for one, other in zip(found.repeats["loss"], plain.repeats["loss"], strict=True):
        assert_close(one, other, 1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("normalize", ["filter", "weight"])
@pytest.mark.parametrize("scheme", ["plane", "barycentric"])
def test_directions_that_are_not_in_memory(method, normalize, scheme, watched):
    model = Uses("conv1d of gpt").double()
    data = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, dtype=torch.float64)
    options = {"loss": error, "low_memory": True, "normalize": normalize, "scheme": scheme, "perturb": "all", **GRID}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    assert_close(fastscape.surface(model, data, plan=by(method), **options).loss, plain.loss, 1e-12)
    assert {shape for _, shape, _ in watched["products"]} == {(3, 36)}  # flat, and of the layer behind the first


def test_weights_that_only_products_need_are_never_made(monkeypatch, watched):
    monkeypatch.setattr(HoistedWeight, "plain", lambda self: pytest.fail("a weight was read"))
    model = nn.Sequential(nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 3))
    data = torch.randn(5, 6), torch.randn(5, 3)
    plan = Plan("vmap", 3, hoist=True, products="shared")
    fastscape.surface(model, data, loss=F.mse_loss, plan=plan, **GRID)
    size = layout_of(model).size
    # One point shows what is read; none of the others is written. Comparisons have engines of their own.
    assert set(watched["written"]) == {(1, size)}


@pytest.mark.parametrize("scheme", ["plane", "barycentric"])
def test_only_what_is_read_is_written(scheme, watched, monkeypatch):
    """Tensors between those that are multiplied, with the coefficients of their own filters."""
    monkeypatch.setattr(parts, "WORTH_A_LAUNCH", 64)
    model = nn.Sequential(
        nn.Linear(6, 40), nn.LayerNorm(40), nn.Linear(40, 40), nn.LayerNorm(40), nn.Linear(40, 40), nn.LayerNorm(40)
    )
    data = torch.randn(5, 6), torch.randn(5, 40)
    options = {"loss": F.mse_loss, "perturb": "all", "scheme": scheme, **GRID}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    watched["written"].clear()
    plan = Plan("vmap", 3, hoist=True, products="shared")
    assert_close(fastscape.surface(model, data, plan=plan, **options).loss, plain.loss, 1e-12)
    between = 48 * 3  # a bias, and scale and shift of a norm, with their padding
    assert watched["written"][-3:] == [(3, between)] * 3


class Later(nn.Module):
    """Reads a weight by itself, once it is told to."""

    reads = False

    def __init__(self) -> None:
        super().__init__()
        self.first, self.linear = nn.Linear(3, 6), nn.Linear(6, 6, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(torch.tanh(self.first(x)))
        return y + self.linear.weight.mean() if Later.reads else y


@pytest.mark.parametrize("low_memory", [False, True])
def test_memory_that_was_not_filled_is_not_read(low_memory, monkeypatch, watched):
    model, place = Later().double(), Place(torch.device("cpu"), PRECISIONS["float64"])
    data = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    samples = fixed_samples(data, device=place.device, dtype=torch.float64)
    moving = {"first.weight", "linear.weight"}
    problem = replace(problem_of(model, moving, Objective(F.mse_loss), samples, place), footprint=Footprint())
    asked = SpaceAsked(2, Random(0), SURFACES["plane"], "plane", "weights", "filter", low_memory=low_memory)
    space = space_of(model, asked, place)
    engine, plain = (Engine(problem, space, plan) for plan in (by("shared"), Plan("loop", 4, 4)))
    points = torch.rand(4, 2, dtype=torch.float64)
    engine.sums(points)
    engine._points._memory.fill_(torch.nan)
    for reads in (False, True, True):
        monkeypatch.setattr(Later, "reads", reads)
        assert_close(engine.sums(points).numpy(), plain.sums(points).numpy(), 1e-12)
    sizes = [size for _, size in watched["written"]]
    assert sizes[:2] == [80, 32]  # one point shows that only the first layer's is read
    assert sizes[2::2] == [32, 32, 80]  # the other one is computed where it is read first, and written from then on


def test_float32_is_as_accurate_as_a_plain_loop():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))
    data = torch.randn(10, 20), torch.randint(5, (10,))
    options = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False}
    truth = fastscape.surface(model, data, plan=LOOP, precision="float64", **options).loss
    plain = fastscape.surface(model, data, plan=LOOP, **options).loss
    for method in METHODS:
        assert_as_accurate(fastscape.surface(model, data, plan=by(method), **options).loss, plain, truth)


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """The nearest bfloat16 of each entry, in float64."""
    return tensor.to(torch.bfloat16).double()


def by_rounding(model, data, directions, twice, *, weights=rounded) -> np.ndarray:
    """The losses on GRID's points of three layers with tanh between, in float64 with bfloat16 where numbers are kept.

    Inputs, the weights of a point, the outputs of a layer and of a tanh are rounded, and nothing else. The bias may
    be added before a product is rounded, or to the rounded one, whose sum is rounded too: torch does the one in
    `linear` and `baddbmm`, and the other where vmap has added it by itself.

    Args:
        model: The model, float32.
        data: Inputs and class numbers.
        directions: Two, by name.
        twice: For each layer whether the product is rounded before the bias is added.
        weights: What is done with weights.

    Returns:
        Losses [3, 3].
    """
    layers = [(name, layer) for name, layer in model.named_children() if isinstance(layer, nn.Linear)]
    found = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        steps = np.linspace(-1, 1, 3)[[i, j]]
        values = rounded(data[0])
        for (name, layer), apart in zip(layers, twice, strict=True):
            moved = sum(step * one[f"{name}.weight"].double() for step, one in zip(steps, directions, strict=True))
            product = values @ weights(layer.weight.double() + moved).T
            values = rounded((rounded(product) if apart else product) + rounded(layer.bias))
            values = values if layer is layers[-1][1] else rounded(torch.tanh(values))
        found[i, j] = F.cross_entropy(values, data[1]).item()
    return found


def test_weights_of_a_reduced_precision_are_rounded_as_ever(watched):
    """What a plan gives is what rounding outputs gives, at most points to the bit of a float32 loss.

    Sums in float32 may fall on the other side of a tie than those of float64, once in some thousand outputs: half of
    all points have none of these. One moves an output by 2^-8 of it, and the mean of ten losses by some 1e-4.
    """
    ways = list(itertools.product([False, True], repeat=3))
    seen: dict[str, list[np.ndarray]] = {"loop": [], "fused": [], "auto": []}
    wide = []
    for seed in range(5):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 5))
        model.requires_grad_(False)
        data = torch.randn(10, 20), torch.randint(5, (10,))
        names = [name for name, parameter in model.named_parameters() if parameter.dim() > 1]
        directions = [{name: torch.randn_like(model.get_parameter(name)) / 8 for name in names} for _ in range(2)]
        options = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, "directions": directions, "normalize": "none"}
        options["precision"] = "bfloat16"
        watched["products"].clear()
        with pytest.raises(ValueError, match="makes the weights, which a reduced precision rounds; leave that out"):
            fastscape.surface(model, data, plan=by("shared"), **options)
        assert not watched["products"]
        right = np.stack([by_rounding(model, data, directions, twice) for twice in ways])
        plans = {"loop": LOOP, "auto": by("auto", microbatch=1), "fused": by("fused")}  # so few rows are shared else
        for name, plan in plans.items():
            watched["products"].clear()
            loss = fastscape.surface(model, data, plan=plan, **options).loss
            assert bool(watched["products"]) is (name == "fused")
            seen[name].append(np.abs(loss - right))
        wide.append(np.abs(by_rounding(model, data, directions, ways[0], weights=lambda weight: weight) - right[0]))
    for name, errors in seen.items():
        one_way = min(np.stack(errors, 1), key=np.median)
        assert np.median(one_way) < 1e-6, name
        assert one_way.max() < 1e-3, name
    assert np.median(wide) > 1e-4  # of weights that nobody rounds


@pytest.mark.parametrize("many", [False, True])
def test_each_layer_is_computed_by_the_method_for_its_rows(many, watched):
    model = Uses("three dimensions").double()
    rows = 40 if many else 1  # three rows each
    data = torch.randn(80, 3, dtype=torch.float64), torch.randn(80, dtype=torch.float64)
    options = {"loss": error, **GRID}
    plain = fastscape.surface(model, data, plan=LOOP, **options)
    found = fastscape.surface(model, data, plan=by("auto", microbatch=rows), **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert {(n, method) for n, _, method in watched["products"]} == (set() if many else {(3, "shared")})


def test_few_ranges_hold_what_is_read(monkeypatch):
    layout = layout_of(nn.Sequential(*(nn.Linear(40, 40) for _ in range(4))), "all")
    biases, weights = ({f"{n}.{kind}" for n in range(4)} for kind in ("bias", "weight"))
    offsets = {entry.name: entry.offset for entry in layout.entries}
    assert ranges_of(layout, set()) == ()
    assert ranges_of(layout, biases | weights) == ((0, layout.size),)
    assert ranges_of(layout, weights) == ((0, layout.size - 48),)  # the gaps are smaller than a launch is worth
    alone = tuple((offsets[f"{n}.bias"], offsets[f"{n}.bias"] + 48) for n in range(4))
    assert ranges_of(layout, biases) == alone
    monkeypatch.setattr(parts, "MOST_RANGES", 2)
    joined = ranges_of(layout, biases)
    assert len(joined) == 2
    assert (joined[0][0], joined[1][1]) == (alone[0][0], alone[3][1])
    monkeypatch.setattr(parts, "MOST_RANGES", 1)
    assert ranges_of(layout, biases) == ((alone[0][0], alone[3][1]),)


MODEL = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
MANY = {"loss": F.mse_loss, "x": (-1, 1, 20), "y": (-1, 1, 10), "progress": False, "precision": "float64"}


@pytest.fixture
def searched(monkeypatch):
    """Chunks are so small that some plans are tried, whatever they take, and no loop."""
    monkeypatch.setattr(plan_rules, "SMALL_CHUNK", 4)
    monkeypatch.setattr(plan_rules, "CHUNKS_OF_A_GRID", 50)
    monkeypatch.setattr(planner, "OVERHEAD", 1e9)
    monkeypatch.setattr(planner, "LOOPED_CALL", 1e9)


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize(("samples", "offered"), [(8, True), (80, False)])
def test_the_planner_tries_products_where_rows_are_few(samples, offered):
    data = torch.randn(samples, 3), torch.randn(samples, 2)
    landscape = fastscape.surface(MODEL, data, **MANY)
    tried = [row["products"] for row in landscape.report["plans_measured"]]
    assert len(tried) > 1
    assert ("auto" in tried) is offered
    assert_close(landscape.loss, fastscape.surface(MODEL, data, plan=Plan("loop", 16), **MANY).loss, 1e-12)


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize("factor", [0.1, 10])
def test_products_are_taken_where_they_are_faster(factor, monkeypatch):
    sums, took = Engine.sums, [0.0]

    class Clock:
        def __init__(self, device: torch.device) -> None:
            took[0] = 0.0

        def seconds(self) -> float:
            return took[0]

    def timed(self: Engine, points: torch.Tensor) -> torch.Tensor:
        took[0] += len(points) * 1e-3 * (factor if self.plan.products == "auto" else 1.0)
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", timed)
    monkeypatch.setattr(planner.gpu, "Clock", Clock)
    data = torch.randn(8, 3), torch.randn(8, 2)
    found = fastscape.surface(MODEL, data, **MANY).report["plan"]["products"]
    assert found == ("auto" if factor < 1 else "materialised")


def test_a_product_that_gives_other_values_is_not_followed(monkeypatch):
    multiply = products.perturbed_linear
    monkeypatch.setattr(products, "perturbed_linear", lambda *given, **options: multiply(*given, **options) * 1.01)
    data = torch.randn(8, 3), torch.randn(8, 2)
    with pytest.raises(ValueError, match="by this plan the loss at a point is"):
        fastscape.surface(MODEL, data, loss=F.mse_loss, plan=by("shared"), **GRID)
