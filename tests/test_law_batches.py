"""Batches that are one thing, precisions, random draws and objectives that use the model obey the law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import AXIS, by_law, directions_of
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape
from fastscape import Plan

GRID = {"x": AXIS, "y": AXIS, "progress": False}
PLANS = ["auto", Plan(microbatch=5), Plan("loop", 4, 3), Plan("vmap", 4, 3)]
NAMES = ["auto", "microbatch", "loop", "vmap"]


def drawn(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(make):
    """A maker of fresh models that are initialised alike."""

    def made() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return make().double().eval()

    return made


MLP = seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))


def check(make, data, batches, measure, *, plan="auto", seeds=False, samples=lambda b: len(b[1]), **options):
    """Compares with the law, and wants no warning."""
    model = make()
    directions = directions_of(model)
    right = by_law(make, model, batches, measure, directions, samples=samples, seeds=seeds)
    found = fastscape.surface(model, data, directions=directions, plan=plan, **GRID, **options)
    np.testing.assert_allclose(found.loss, right, rtol=1e-11)
    assert found.report["warnings"] == []
    assert found.report["centre"]["difference"] < 1e-12
    return found


def contrast(call, batch):
    p, q = (F.normalize(call(view), dim=1) for view in batch)
    return F.cross_entropy(p @ q.T / 0.2, torch.arange(len(p)))


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_a_contrastive_loss_sees_its_own_batches(plan):
    a, b = drawn(23, 4), drawn(23, 4, seed=4)
    batches = [(a[i : i + 8], b[i : i + 8]) for i in (0, 8, 16)]
    check(MLP, batches, batches, contrast, objective=contrast, plan=plan)


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_three_tensors_with_an_objective_are_one_batch(plan):
    batch = drawn(9, 4), drawn(9, 4, seed=4), drawn(9, 4, seed=5)

    def triplet(call, batch):
        return F.triplet_margin_loss(*map(call, batch))

    check(MLP, batch, [batch], triplet, objective=triplet, plan=plan)


def test_three_tensors_without_one_are_refused():
    with pytest.raises(TypeError, match="a tuple of 3 tensors; write a list for several batches, or objective="):
        fastscape.surface(MLP(), (drawn(9, 4), drawn(9, 4), drawn(9, 4)), loss=F.mse_loss, **GRID)


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.r, self.o = nn.Embedding(7, 5), nn.LSTM(5, 6), nn.Linear(6, 7)

    def forward(self, tokens):
        return self.o(self.r(self.e(tokens))[0])


def test_sequences_with_time_first_stay_sequences():
    text = torch.cumsum(torch.randint(3, (91, 4), generator=torch.Generator().manual_seed(1)), 0) % 7
    batches = [(text[i : i + 30], text[i + 1 : i + 31]) for i in (0, 30, 60)]
    loss = lambda out, targets: F.cross_entropy(out.flatten(0, 1), targets.flatten())  # noqa: E731
    make = seeded(TimeFirst)
    directions = directions_of(make())
    right = by_law(make, make(), batches, lambda model, batch: loss(model(batch[0]), batch[1]), directions)
    found = fastscape.surface(make(), batches, loss=loss, directions=directions, **GRID)
    np.testing.assert_allclose(found.loss, right, rtol=1e-11)


@pytest.mark.parametrize("given", ["pair", "loader", "list"])
@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
@pytest.mark.parametrize("kind", ["class weights", "ignored targets", "ignored targets at the end"])
def test_losses_that_are_no_means_over_samples_are_those_of_each_batch(kind, plan, given):
    x, y, weighted = drawn(20, 4), torch.arange(20) % 3, kind == "class weights"
    ignored = torch.arange(20) > 17 if kind.endswith("end") else torch.arange(20) % 4 == 1
    y = y if weighted else torch.where(ignored, -100, y)
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64) if weighted else None)
    batches = [(x, y)] if given == "pair" else [(x[:8], y[:8]), (x[8:16], y[8:16]), (x[16:], y[16:])]
    data = {"pair": (x, y), "list": batches, "loader": DataLoader(TensorDataset(x, y), batch_size=8)}[given]
    check(MLP, data, batches, lambda model, batch: loss(model(batch[0]), batch[1]), loss=loss, plan=plan)


class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x, adjacency):
        return self.b(adjacency @ self.a(adjacency @ x).relu())


class GraphInABuffer(Graph):
    def __init__(self, adjacency):
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)

    def forward(self, x):
        return super().forward(x, self.adjacency)


ADJACENCY = (drawn(80, 80) > 1.5).double()
LAYOUTS = {"dense": lambda a: a, "coo": Tensor.to_sparse, "csr": Tensor.to_sparse_csr}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("plan", ["auto", Plan(microbatch=20), Plan("loop", 4)], ids=["auto", "microbatch", "loop"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_graph_stays_one(layout, plan):
    x, y, adjacency = drawn(80, 4), torch.arange(80) % 3, LAYOUTS[layout](ADJACENCY)
    make, batch = seeded(Graph), {"x": x, "adjacency": adjacency, "y": y}

    def measure(call, batch):
        return F.cross_entropy(call(batch["x"], batch["adjacency"]), batch["y"])

    options = {"samples": lambda batch: 1, "plan": plan}
    check(make, [batch], [batch], measure, objective=measure, **options)
    pair = (x, adjacency), y
    check(make, pair, [pair], lambda model, b: F.cross_entropy(model(*b[0]), b[1]), **options)
    held = seeded(lambda: GraphInABuffer(adjacency))
    check(held, (x, y), [(x, y)], lambda model, b: F.cross_entropy(model(b[0]), b[1]), **options)


class OneSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(4, 3)

    def forward(self, x):
        return self.f(x.view(5, 4))


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_a_model_for_batches_of_one_size_gets_them(plan):
    x, y = drawn(20, 4), torch.arange(20) % 3
    batches = [(x[i : i + 5], y[i : i + 5]) for i in range(0, 20, 5)]
    loader = DataLoader(TensorDataset(x, y), batch_size=5)
    check(seeded(OneSize), loader, batches, lambda m, b: F.cross_entropy(m(b[0]), b[1]), plan=plan)


def test_an_exported_program_gets_its_batches():
    x, y = drawn(10, 4), torch.arange(10) % 3
    make = lambda: torch.export.export(MLP(), (x[:5],)).module()  # noqa: E731
    batches = [(x[:5], y[:5]), (x[5:], y[5:])]
    check(make, batches, batches, lambda m, b: F.cross_entropy(m(b[0]), b[1]))


def test_batches_that_may_be_cut_are_joined():
    x, y = drawn(30, 4), torch.arange(30) % 3
    batches = [(x[i : i + 3], y[i : i + 3]) for i in range(0, 30, 3)]
    found = check(MLP, batches, batches, lambda m, b: F.cross_entropy(m(b[0]), b[1]), plan=Plan("loop", 2, 16))
    assert found.report["plan"]["microbatch"] == 16


class AtMost(nn.Module):
    """Has room for twelve samples, as a buffer of fixed size does."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 3)

    def forward(self, x):
        made = self.a(x)
        return torch.cat([made[:12], torch.zeros_like(made[12:])])


@pytest.mark.parametrize("plan", ["auto", Plan("loop", 4, 24)], ids=["auto", "loop"])
def test_batches_are_not_joined_beyond_what_a_model_holds(plan):
    x, y = drawn(24, 4), torch.arange(24) % 3
    batches = [(x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)]
    check(seeded(AtMost), batches, batches, lambda m, b: F.cross_entropy(m(b[0]), b[1]), plan=plan)


class Loud(nn.Module):
    """One sample changes the outputs of all that are with it."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(20, 64), nn.Linear(64, 3)

    def forward(self, x):
        z = self.b(torch.relu(self.a(x)))
        return z + 3.0 * (x.amax() > 50) * z.roll(1, 1)


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("given", ["pair", "loader"])
def test_a_single_sample_among_many_that_changes_its_batch_is_seen(given, side):
    """It lies in the middle of thousands, whatever the grid: no part of the data tells of it."""
    x, y = drawn(8000, 20), torch.arange(8000) % 3
    x[5555, 3] = 100.0
    size = {"pair": 8000, "loader": 500}[given]
    batches = list(zip(x.split(size), y.split(size), strict=True))
    data = (x, y) if given == "pair" else DataLoader(TensorDataset(x, y), batch_size=size)
    model = seeded(Loud)()
    found = fastscape.surface(model, data, x=(-0.5, 0.5, side), y=(-0.5, 0.5, side), progress=False)
    with torch.no_grad():
        right = sum(F.cross_entropy(model(a), b, reduction="sum") for a, b in batches) / len(x)
    np.testing.assert_allclose(found.loss[side // 2, side // 2], right, rtol=1e-11)
    assert found.report["plan"]["microbatch"] == size


class Room(nn.Module):
    """Has room for so many samples; of more, outputs are others."""

    def __init__(self, samples):
        super().__init__()
        self.samples, self.c, self.h = samples, nn.Conv2d(1, 2, 3), nn.Linear(12, 3)

    def forward(self, x):
        z = self.h(torch.relu(self.c(x.unflatten(1, (1, 4, 5)))).flatten(1))
        return z + (len(x) > self.samples) * z.roll(1, 1)


@pytest.mark.parametrize("side", [2, 12])
def test_a_microbatch_that_is_found_by_its_time_is_compared(side, monkeypatch):
    """What is evaluated at once is never more than was seen to give the same."""
    monkeypatch.setattr("fastscape.engine.plan_rules.CACHED", 0)  # all begin with 64 samples
    monkeypatch.setattr("fastscape.engine.planner.OVERHEAD", 1e9)
    monkeypatch.setattr("fastscape.engine.small_grids.PREPARED", 1e9)
    monkeypatch.setattr("fastscape.engine.small_grids._timed", lambda engine, _: 1.0 / engine.plan.microbatch)
    x, y = drawn(6000, 20), torch.arange(6000) % 3
    batches = list(zip(x.split(50), y.split(50), strict=True))
    make = seeded(lambda: Room(100))
    directions = directions_of(make())
    grid = {"x": (-0.5, 0.5, side), "y": (-0.5, 0.5, side), "progress": False}
    found = fastscape.surface(make(), batches, directions=directions, normalize="none", **grid)
    plain = fastscape.surface(
        make(), batches, directions=directions, normalize="none", plan=Plan("loop", 1, 50), **grid
    )
    assert len(found.report["plans_measured"]) > 1
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-11)


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    def test_it_is_the_models_own(self, dtype):
        make = lambda: MLP().to(dtype)  # noqa: E731
        model, x, y = make(), drawn(12, 4).to(dtype), torch.arange(12) % 3
        found = fastscape.surface(model, (x, y), **GRID)
        assert found.report["precision"] == str(dtype).removeprefix("torch.")
        assert found.report["centre"]["plain"] == pytest.approx(
            F.cross_entropy(model(x), y).item(), rel=1e-2 if dtype == torch.bfloat16 else 1e-6
        )
        if dtype == torch.float64:
            asked = fastscape.surface(model, (x, y), precision="float32", **GRID)
            assert asked.report["precision"] == "float32"
            assert abs(asked.loss - found.loss).max() > 1e-9

    def test_closures_over_tensors_of_that_precision_work(self):
        start = drawn(1, 4)

        def pinn(call, batch):
            return call(batch).square().mean(1) + call(start).square().sum()

        x = drawn(8, 4)
        check(MLP, x, [x], lambda m, b: pinn(m, b).mean(), objective=pinn, samples=len)

    def test_a_loss_that_float32_could_not_hold(self):
        model = nn.Linear(10, 1, dtype=torch.float64)
        x = 100 * drawn(80, 10)
        y = (model(x) + 1e-6 * drawn(80, 1, seed=5)).detach()
        found = fastscape.surface(model, (x, y), loss=F.mse_loss, x=[0.0, 1.0], y=[0.0, 1.0], progress=False)
        assert found.loss[0, 0] == pytest.approx(F.mse_loss(model(x), y).item(), rel=1e-9)

    def test_several_precisions_stay(self):
        class Several(nn.Module):
            def __init__(self):
                super().__init__()
                self.wide, self.narrow = nn.Linear(4, 6, dtype=torch.float64), nn.Linear(6, 3, dtype=torch.bfloat16)

            def forward(self, x):
                return self.narrow(torch.tanh(self.wide(x)).bfloat16()).double()

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = Several()
        state = model.state_dict()

        def fresh():
            made = Several()
            made.load_state_dict(state)
            return made.eval()

        x, y = drawn(8, 4), torch.arange(8) % 3
        directions = directions_of(model)
        found = fastscape.surface(model.eval(), (x, y), directions=directions, **GRID)
        measure = lambda m, b: F.cross_entropy(m(b[0]), b[1])  # noqa: E731
        right = by_law(fresh, model, [(x, y)], measure, directions)
        # A point is rounded once here, and its parts one by one there.
        np.testing.assert_allclose(found.loss, right, rtol=1e-2)
        assert found.report["centre"]["difference"] == 0


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.d, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Dropout2d(0.5), nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        return self.b(self.d(torch.relu(self.a(x)) + torch.randn_like(x[:, :1])))


@pytest.mark.parametrize("side", [3, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_the_same_by_every_plan(dtype, side):
    make = lambda: seeded(Noisy)().to(dtype).train()  # noqa: E731
    model, x = make(), drawn(6, 2, 7, 7).to(dtype)
    options = {"loss": F.mse_loss, "train_mode": True, "directions": directions_of(model), "progress": False}
    axis = np.linspace(-0.5, 0.5, side)
    found = fastscape.surface(model, x, x=axis, y=axis, **options)
    plain = fastscape.surface(model, x, x=axis, y=axis, plan=Plan("loop", 4), **options)
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-5)
    torch.manual_seed(0)
    assert found.report["centre"]["loss"] == pytest.approx(F.mse_loss(make()(x), x).item(), rel=1e-5)
    assert found.report["plan"]["memory_format"] == "contiguous"


class Lightning(nn.Module):
    """What users' modules offer besides `forward`."""

    def __init__(self):
        super().__init__()
        self.encoder, self.head, self.scale = nn.Linear(4, 6), nn.Linear(6, 3), 2.0

    def forward(self, x, *, twice=False):
        out = self.head(torch.tanh(self.encoder(x))) * self.scale
        return out * 2 if twice else out

    def training_step(self, batch, index=0):
        return F.cross_entropy(self(batch[0]), batch[1])

    @torch.no_grad()
    def generate(self, x, steps):
        for _ in range(steps):
            x = x + self(x)[:, :1]
        return x


OBJECTIVES = {
    "keywords": lambda model, b: F.cross_entropy(model(x=b[0], twice=True), b[1]),
    "training step": lambda model, b: model.training_step(b),
    "generate": lambda model, b: model.generate(b[0], steps=3).square().mean(),
    "submodules": lambda model, b: F.cross_entropy(model.head(model.encoder(b[0]).relu()), b[1]),
    "attributes": lambda model, b: F.cross_entropy(model(b[0]), b[1]) * model.scale,
    "weights": lambda m, b: F.cross_entropy(m(b[0]), b[1]) + sum(p.square().sum() for p in m.parameters()),
    "named": lambda m, b: F.cross_entropy(m(b[0]), b[1]) + dict(m.named_parameters())["head.weight"].abs().sum(),
    "functional": lambda m, b: F.cross_entropy(
        torch.func.functional_call(m, {k: 2 * v for k, v in m.named_parameters()}, b[0]), b[1]
    ),
}


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_gets_the_model(name, plan):
    x, y = drawn(9, 4), torch.arange(9) % 3
    objective = OBJECTIVES[name]

    def given(model, batch):
        assert isinstance(model, nn.Module)
        return objective(model, batch)

    check(seeded(Lightning), (x, y), [(x, y)], objective, objective=given, plan=plan)


def test_an_objective_may_ask_for_the_original():
    model, x = MLP(), drawn(9, 4)

    def distance(call, batch):
        return (call(batch) - model(batch)).square().mean(1)

    with pytest.warns(
        UserWarning, match=r"the loss or objective reads 0\.weight, 2\.weight of your model itself"
    ) as w:
        found = fastscape.surface(model, x, objective=distance, x=[0.0, 0.5], y=[0.0], progress=False)
    assert len(w) == len(found.report["warnings"]) == 1
    assert found.report["warnings"] == [str(w[0].message)]
    assert 0 <= found.loss[0, 0] < 1e-28  # squares of roundings, where both passes go through other products
    assert found.loss[1, 0] > 1e-3


class DropsLayers(nn.Module):
    """Draws one number a batch, whatever the size of the batch."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)) if torch.rand([]) < 0.6 else x)


@pytest.mark.parametrize("plan", PLANS, ids=NAMES)
def test_a_number_drawn_for_each_batch_is_its_own(plan):
    x, y = drawn(24, 4), torch.arange(24) % 3
    batches = [(x[i : i + 3], y[i : i + 3]) for i in range(0, 24, 3)]
    check(seeded(DropsLayers), batches, batches, lambda m, b: F.cross_entropy(m(b[0]), b[1]), plan=plan, seeds=True)


class DrawsNearby(nn.Module):
    """Draws numbers whose effect is gone far from the model, where evaluations are compared."""

    def __init__(self):
        super().__init__()
        self.a, self.size = nn.Linear(4, 3), nn.Parameter(torch.ones(1, 1))

    def forward(self, x):
        return self.a(x) + torch.rand([]) * (self.size < 2)


def test_a_number_drawn_for_each_batch_is_its_own_where_that_is_not_seen_far_away():
    x, y = drawn(24, 4), torch.arange(24) % 3
    batches, make = [(x[i : i + 3], y[i : i + 3]) for i in range(0, 24, 3)], seeded(DrawsNearby)
    directions = [{**direction, "size": torch.ones(1, 1)} for direction in directions_of(make())]
    loss = lambda out, _: out.square().mean()  # noqa: E731
    right = by_law(make, make(), batches, lambda m, b: loss(m(b[0]), b[1]), directions, seeds=True)
    found = fastscape.surface(make(), batches, loss=loss, directions=directions, normalize="none", **GRID)
    np.testing.assert_allclose(found.loss, right, rtol=1e-11)


def test_a_small_dependence_is_told_from_rounding():
    """As a balance between experts makes it: below what float32 shows at once."""

    def objective(call, batch):
        outputs = call(batch[0])
        return F.cross_entropy(outputs, batch[1]) + 1e-3 * outputs.mean(0).square().sum()

    x, y = drawn(24, 4), torch.arange(24) % 3
    batches = [(x[i : i + 6].float(), y[i : i + 6]) for i in range(0, 24, 6)]
    make = lambda: MLP().float()  # noqa: E731
    found = fastscape.surface(make(), batches, objective=objective, plan=Plan("loop", 2, 24), x=[0.0], y=[0.0])
    right = sum(objective(make(), batch).item() for batch in batches) / 4
    joined = objective(make(), (x.float(), y)).item()
    assert 2e-5 < abs(joined - right) < 3e-4
    assert found.loss[0, 0] == pytest.approx(right, abs=5e-7)


def test_parts_of_the_data_for_which_numbers_are_drawn_are_warned_of():
    x, y = drawn(24, 4), torch.arange(24) % 3
    with pytest.warns(UserWarning, match="the values depend on how samples are batched"):
        fastscape.surface(seeded(DropsLayers)(), (x, y), stream_samples=8, x=[0.0, 0.5], y=[0.0], progress=False)
