"""Curves of low loss on valleys that are known, their gradients against autograd, and what stays as it is."""

import copy
import math
from itertools import chain

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset
from valleys import POINTS, Bowl, Ring, copied, itself, network, pair

import fastscape
from fastscape.paths import SHAPES
from fastscape.paths.band import forces, tangent
from fastscape.weights import layout_of
from untouched import assert_same, snapshot

QUICK = {"progress": False}
TOY = {"loss": itself, "progress": False}


@pytest.mark.parametrize(("curve", "bends"), [("bezier", 2), ("polygon", 4), ("band", 9)])
def test_a_curve_goes_around_the_hill_that_the_straight_line_crosses(curve, bends):
    a, b = Ring(1.0, 0.05), Ring(-1.0, 0.05)
    straight = fastscape.line(a, POINTS, to=b, x=(0, 1, 11), **TOY)
    assert straight.loss.max() > 0.99
    found = fastscape.connect(a, b, POINTS, curve=curve, bends=bends, steps=1000, lr=0.02, **TOY)
    along = fastscape.line(a, POINTS, along=found, x=(0, 1, 101), **TOY)
    assert along.loss.max() < 1e-2
    assert found.length == pytest.approx(math.pi, rel=0.05)
    assert len(found.losses) == 1000


@pytest.mark.parametrize("curve", SHAPES)
def test_in_a_bowl_a_curve_stays_below_the_straight_line(curve):
    a, b = Bowl(1.0, 0.5), Bowl(-0.5, 1.0)
    found = fastscape.connect(a, b, POINTS, curve=curve, bends=3, steps=300, **TOY)
    straight = fastscape.line(a, POINTS, to=b, x=(0, 1, 21), **TOY).loss
    along = fastscape.line(a, POINTS, along=found, x=(0, 1, 21), **TOY).loss
    assert along.max() <= straight.max() + 1e-6
    assert along[10] < 0.5 * straight[10]


class Noted(torch.optim.SGD):
    """Keeps the gradients and the bends of every step."""

    def step(self, closure=None):
        (bends,) = self.param_groups[0]["params"]
        vars(self).setdefault("seen", []).append((bends.detach().clone(), bends.grad.clone()))
        return super().step(closure)


@pytest.mark.parametrize(("curve", "bends"), [("bezier", 1), ("bezier", 3), ("polygon", 2)])
def test_the_gradient_of_a_bend_is_that_through_the_combination(curve, bends):
    torch.manual_seed(1)
    a = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    b, data = copied(a), (torch.randn(20, 5).double(), torch.randint(3, (20,)))
    made = []

    def optimizer(parameters):
        made.append(Noted(parameters, lr=0.1))
        return made[-1]

    fastscape.connect(
        a, b, data, curve=curve, bends=bends, steps=3, seed=5, batch_size=20, optimizer=optimizer, **QUICK
    )
    layout = layout_of(a, "all")
    ends = [dict(model.named_parameters()) for model in (a, b)]
    for step, (rows, gradients) in enumerate(made[0].seen):
        t = float(np.random.default_rng([5, 0, step]).random())
        inner = [{n: p.clone().requires_grad_() for n, p in layout.unflatten(row).items()} for row in rows]
        control = [ends[0], *inner, ends[1]]
        n = bends + 1
        if curve == "bezier":
            c = [math.comb(n, k) * t**k * (1 - t) ** (n - k) for k in range(n + 1)]
        else:
            c = [max(0.0, 1 - abs(n * t - k)) for k in range(n + 1)]
        point = {name: sum(part * one[name] for part, one in zip(c, control, strict=True)) for name in ends[0]}
        loss = F.cross_entropy(functional_call(a, point, (data[0],)), data[1])
        wanted = torch.autograd.grad(loss, [p for one in inner for p in one.values()], allow_unused=True)
        found = [p for row in gradients for p in layout.unflatten(row).values()]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, torch.zeros_like(one) if other is None else other, rtol=1e-12, atol=1e-15)


def test_the_forces_of_a_band_are_those_of_the_formula():
    generator = np.random.default_rng(0)
    images, slopes = generator.normal(size=(5, 6)), generator.normal(size=(3, 6))
    losses = [1.0, 2.0, 5.0, 4.0, 0.5]
    found = forces(list(map(torch.from_numpy, images)), losses, list(map(torch.from_numpy, slopes)), 0.7)
    for k in (1, 2, 3):
        ahead, back = images[k + 1] - images[k], images[k] - images[k - 1]
        top = ahead * 3.0 + back * 1.0  # both ways, that of the higher neighbour more
        along = {1: ahead, 2: top, 3: back}[k]
        u = along / np.linalg.norm(along)
        pull = 0.7 * (np.linalg.norm(ahead) - np.linalg.norm(back))
        wanted = slopes[k - 1] - (slopes[k - 1] @ u) * u - pull * u
        np.testing.assert_allclose(found[k - 1].numpy(), wanted, rtol=1e-12)


def test_where_all_losses_are_equal_a_band_runs_from_neighbour_to_neighbour():
    before, here, after = (torch.tensor(at) for at in ([0.0, 0.0], [1.0, 1.0], [4.0, 0.0]))
    assert tangent(before, here, after, [1.0, 1.0, 1.0]).tolist() == [1.0, 0.0]
    assert tangent(here, here, here, [1.0, 2.0, 3.0]).tolist() == [0.0, 0.0]


def test_the_images_of_a_band_keep_equal_distances():
    found = fastscape.connect(Ring(1.0, 0.05), Ring(-1.0, 0.05), POINTS, curve="band", bends=6, steps=800, **TOY)
    pieces = found.points["w"].diff(dim=0).norm(dim=1)
    assert float(pieces.max() / pieces.min()) < 1.05


def test_two_runs_are_the_same_bits_and_another_seed_is_not():
    a, b, data = pair()
    first, second = (fastscape.connect(a, b, data, epochs=2, batch_size=16, **QUICK) for _ in range(2))
    assert all(torch.equal(first.points[name], second.points[name]) for name in first.points)
    assert np.array_equal(first.losses, second.losses)
    other = fastscape.connect(a, b, data, epochs=2, batch_size=16, seed=1, **QUICK)
    assert not np.array_equal(first.losses, other.losses)


@pytest.mark.parametrize("curve", ["bezier", "band"])
def test_models_and_generators_stay_bit_for_bit(curve):
    a, b, data = pair()
    a.train()
    torch.manual_seed(7)
    before = snapshot(a), snapshot(b), [part.clone() for part in data]
    fastscape.connect(a, b, data, curve=curve, bends=2, steps=4, **QUICK)
    assert_same(before, (snapshot(a), snapshot(b), list(data)))

    def fails(outputs, targets):
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fastscape.connect(a, b, data, loss=fails, steps=4, **QUICK)
    assert_same(before, (snapshot(a), snapshot(b), list(data)))


def test_only_what_is_chosen_moves_as_the_adapters_of_a_large_model():
    class Adapted(nn.Module):
        def __init__(self):
            super().__init__()
            self.base = nn.Linear(5, 3)
            self.down, self.up = nn.Linear(5, 2, bias=False), nn.Linear(2, 3, bias=False)
            self.base.requires_grad_(False)

        def forward(self, x):
            return self.base(x) + self.up(self.down(x))

    a = Adapted()
    b = copy.deepcopy(a)
    with torch.no_grad():
        b.down.weight += torch.randn(2, 5)
        b.up.weight += torch.randn(3, 2)
    data = torch.randn(40, 5), torch.randint(3, (40,))
    trained = {"perturb": lambda name, p: p.requires_grad, "epochs": 3, **QUICK}
    found = fastscape.connect(a, b, data, **trained)
    assert set(found.points) == {"down.weight", "up.weight"}
    assert found.still["base.weight"].data_ptr() == a.base.weight.data_ptr()  # a large model is not copied
    assert found.weights(0.5)["base.weight"].data_ptr() != a.base.weight.data_ptr()
    middle = found.model_at(0.5)
    assert torch.equal(middle.base.weight, a.base.weight)
    assert not torch.equal(middle.up.weight, 0.5 * (a.up.weight + b.up.weight))
    assert fastscape.line(a, data, along=found, x=(0, 1, 3), **QUICK).report["moving"] == ["down.weight", "up.weight"]
    with torch.no_grad():
        b.base.bias += 1
    with pytest.raises(
        ValueError, match=r"the two models differ in base\.bias, where nothing moves; write perturb='s"
    ):
        fastscape.connect(a, b, data, **trained)


def test_tied_and_frozen_weights_move_as_one_and_like_all_others():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight
            self.first.bias.requires_grad_(False)

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    a, b = Tied(), Tied()
    data = torch.randn(30, 4), torch.randint(4, (30,))
    found = fastscape.connect(a, b, data, epochs=3, **QUICK)
    assert set(found.points) == {"first.weight", "first.bias", "second.bias"}
    assert found.weights(0.3).keys() == a.state_dict().keys()
    assert torch.equal(found.weights(0.3)["second.weight"], found.weights(0.3)["first.weight"])
    middle = found.model_at(0.5)
    assert middle.second.weight is middle.first.weight
    assert not torch.equal(found.points["first.bias"][1], found.points["first.bias"][[0, 2]].mean(0))


def test_a_custom_objective_sees_the_model_at_the_point():
    a, b, data = pair(lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)))

    def objective(call, batch):
        loss = F.cross_entropy(call(batch[0]), batch[1])
        return {"loss": loss + 1e-3 * call[0].weight.square().sum()}

    found = fastscape.connect(a, b, data, objective=objective, epochs=3, **QUICK)
    assert np.isfinite(found.losses).all()
    assert fastscape.line(a, data, along=found, objective=objective, x=(0, 1, 3), **QUICK).loss.shape == (3,)


def test_batches_are_those_of_a_loader_or_drawn_anew_in_every_epoch():
    torch.manual_seed(0)
    a = nn.Linear(1, 2)
    b, seen = copied(a), []

    def loss(outputs, targets):
        seen.append(targets.tolist())
        return F.cross_entropy(outputs, targets % 2)

    inputs, targets = torch.randn(11, 1), torch.arange(11)
    given = [range(4), range(4, 8), range(8, 11)]
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=4)
    fastscape.connect(a, b, loader, loss=loss, epochs=2, **QUICK)
    steps = seen[-6:]
    assert sorted(steps[:3]) == sorted(steps[3:]) == [list(one) for one in given]
    for data in ((inputs, targets), TensorDataset(inputs, targets)):
        seen.clear()
        found = fastscape.connect(a, b, data, loss=loss, epochs=2, batch_size=4, **QUICK)
        steps = seen[-6:]
        assert [sorted(chain(*epoch)) for epoch in (steps[:3], steps[3:])] == [list(range(11))] * 2
        assert [len(batch) for batch in steps] == [4, 4, 3] * 2
        assert steps[:3] != steps[3:]
        assert found.report["steps_in_an_epoch"] == 3
    with pytest.raises(
        ValueError, match="batch_size=4 needs data without batches of their own, got DataLoader; leave it out, or"
    ):
        fastscape.connect(a, b, loader, loss=loss, batch_size=4, **QUICK)


def test_of_several_data_sets_the_first_one_is_trained_on():
    a, b, data = pair()
    alone = fastscape.connect(a, b, data, epochs=2, **QUICK)
    several = fastscape.connect(a, b, {"train": data, "test": (data[0][:9], data[1][:9])}, epochs=2, **QUICK)
    assert np.array_equal(alone.losses, several.losses)


def test_in_training_mode_batches_have_their_own_statistics_and_dropout_draws():
    a, b, data = pair()
    trained = fastscape.connect(a, b, data, steps=2, batch_size=70, **QUICK)
    t = float(np.random.default_rng([0, 0, 0]).random())
    model = copy.deepcopy(a).train()
    model[3].p = 0.0
    c = [(1 - t) ** 2, 2 * t * (1 - t), t**2]
    with torch.no_grad():
        for own, one, other in zip(model.parameters(), a.parameters(), b.parameters(), strict=True):
            own.copy_(c[0] * one + c[1] * (one + other) / 2 + c[2] * other)
    plain = F.cross_entropy(model(data[0]), data[1]).item()
    assert trained.losses[0] != pytest.approx(plain, abs=1e-5)  # dropout draws
    for model_ in (a, b):
        model_[3].p = 0.0
    assert fastscape.connect(a, b, data, steps=2, batch_size=70, **QUICK).losses[0] == pytest.approx(plain, rel=1e-5)
    with pytest.raises(ValueError, match=r"differ in 1\.running_mean, 1\.running_var, where nothing moves"):
        fastscape.connect(a, b, data, steps=2, train_mode=False, **QUICK)


def test_a_recurrent_model_in_use_and_complex_weights_can_be_connected():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.GRU(3, 4, batch_first=True)
            self.turn = nn.Parameter(torch.randn(4, dtype=torch.complex64))
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head((self.body(x)[0][:, -1] * self.turn).real)

    a, b = Odd(), Odd()
    data = torch.randn(20, 6, 3), torch.randint(3, (20,))
    found = fastscape.connect(a, b, data, steps=5, train_mode=False, **QUICK)
    assert torch.equal(found.weights(1.0)["turn"], b.turn)
    assert found.weights(0.5)["turn"].dtype == torch.complex64


@pytest.mark.parametrize("to", ["module", "state dict", "wrapped"])
def test_the_other_end_is_a_module_or_its_state_dict(to):
    a, b, data = pair()
    other = {"module": b, "state dict": b.state_dict(), "wrapped": nn.DataParallel(b)}[to]
    found = fastscape.connect(a, other, data, steps=2, **QUICK)
    assert torch.equal(found.weights(1.0)["0.weight"], b[0].weight)


def test_optimizer_scheduler_and_rate_are_the_users():
    a, b, data = pair()
    made = {}

    def optimizer(parameters):
        made["optimizer"] = torch.optim.Adam(parameters, lr=0.5)
        return made["optimizer"]

    def scheduler(given, steps):
        made["steps"] = steps
        return torch.optim.lr_scheduler.ExponentialLR(given, 0.5)

    found = fastscape.connect(a, b, data, steps=3, optimizer=optimizer, scheduler=scheduler, **QUICK)
    assert made["steps"] == 3
    assert made["optimizer"].param_groups[0]["lr"] == 0.5 * 0.5**3
    assert (found.report["optimizer"], found.report["scheduler"]) == ("Adam", "ExponentialLR")
    usual = fastscape.connect(a, b, data, steps=3, **QUICK)
    assert (usual.report["optimizer"], usual.report["scheduler"]) == ("SGD", "as in the paper")


def test_the_rate_of_the_paper_falls_in_the_second_half():
    from fastscape.runs.connecting import _falling

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    falling, rates = _falling(optimizer, 100), []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        falling.step()
    assert rates[:51] == [1.0] * 51
    np.testing.assert_allclose(rates[70], 1 - 0.5 * 0.99)
    np.testing.assert_allclose(rates[90:], 0.01)


class Blows(Ring):
    """A loss that is infinite far away."""

    def forward(self, x):
        return super().forward(x) * 1e30


def test_a_loss_that_is_not_finite_ends_the_training_with_its_step_and_rate():
    a, b = Blows(1.0, 0.05), Blows(-1.0, 0.05)
    said = (
        r"the loss is (inf|nan) in step 2 of 9 \(t = 0\.\d+, lr = 0\.05\); write a smaller .*, for example lr=0\.005"
    )
    with pytest.raises(ValueError, match=said):
        fastscape.connect(a, b, POINTS, steps=9, **TOY)
    with pytest.raises(ValueError, match=r"in step 2 of 9 \(image 1, lr = 0\.05\)"):
        fastscape.connect(a, b, POINTS, curve="band", bends=1, steps=9, **TOY)
    with pytest.raises(ValueError, match=r"the bends are not finite after 1 steps; write a smaller learning rate"):
        fastscape.connect(a, b, POINTS, steps=1, optimizer=lambda p: torch.optim.SGD(p, lr=1e30), **TOY)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"curve": "circle"}, ValueError, "curve must be one of 'bezier', 'polygon', 'band'.*, got 'circle'"),
        ({"bends": 0}, ValueError, "bends must be a whole number of at least 1.*, got 0"),
        ({"bends": True}, ValueError, "bends must be .*, got True"),
        ({"epochs": 0}, ValueError, "epochs must be .*, got 0"),
        ({"epochs": 1, "steps": 1}, ValueError, "epochs and steps cannot both be given; leave out one of them"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*, got 0"),
        ({"lr": 0}, ValueError, "lr must be a number above 0.*, got 0"),
        ({"lr": math.inf}, ValueError, "lr must be .*, got inf"),
        ({"spring": -1.0}, ValueError, "spring must be .*, got -1.0"),
        ({"spring": 0.5}, ValueError, r"spring=0.5 is for curve='band', and curve='bezier' came"),
        (
            {"lr": 0.1, "optimizer": lambda p: torch.optim.SGD(p, lr=0.2)},
            ValueError,
            "lr=0.1 came besides an optimizer, which has a rate of its own; leave out lr",
        ),
        ({"seed": -1}, ValueError, "seed must be .*, got -1"),
        (
            {"optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))])},
            TypeError,
            "optimizer must be a f.*, got SGD",
        ),
        (
            {"optimizer": lambda p: 1},
            TypeError,
            r"optimizer= must return a torch\.optim\.Optimizer, got int; for example optimizer=lambda params:",
        ),
        (
            {"optimizer": lambda p: torch.optim.SGD([nn.Parameter(torch.zeros(1))])},
            ValueError,
            "optimizer= returned one of 1 parameters that are not the bends",
        ),
        ({"optimizer": torch.optim.LBFGS}, ValueError, "LBFGS evaluates a batch several times in a step"),
        (
            {"scheduler": lambda o, steps: steps},
            TypeError,
            "scheduler= must return a scheduler that needs no losses, got int; for example scheduler=lambda",
        ),
        ({"store": 3}, TypeError, "store must be the name of a folder.*, got 3"),
        ({"bend": 2}, TypeError, "connect has no option 'bend'; write bends="),
        ({"perturb": "none"}, ValueError, "perturb must be .*, got 'none'"),
    ],
)
def test_what_is_refused(options, error, said):
    a, b, data = pair()
    with pytest.raises(error, match=said):
        fastscape.connect(a, b, data, **{"steps": 2, **QUICK, **options} if "epochs" not in options else options)


def test_models_that_cannot_be_connected_are_refused():
    a, b, data = pair()
    with pytest.raises(ValueError, match="both models have the same weights"):
        fastscape.connect(a, a, data, **QUICK)
    with pytest.raises(
        ValueError,
        match=r"the other model must have the same architecture, but the Sequential has no 4\.weight, 4\.bias",
    ):
        fastscape.connect(a, b[:4], data, **QUICK)
    wide = network()
    wide[4] = nn.Linear(8, 4)
    with pytest.raises(ValueError, match=r"4\.weight must have shape \(3, 8\).*, got \(4, 8\)"):
        fastscape.connect(a, wide, data, **QUICK)
    with torch.no_grad():
        b[0].weight[0, 0] = math.nan
    with pytest.raises(ValueError, match="the last model has weights that are NaN or infinite"):
        fastscape.connect(a, b, data, **QUICK)
    with pytest.raises(TypeError, match=r"the model must be a torch\.nn\.Module.*, got OrderedDict"):
        fastscape.connect(a.state_dict(), b, data, **QUICK)
    with pytest.raises(TypeError, match=r"b must be a torch\.nn\.Module.*, got int"):
        fastscape.connect(a, 3, data, **QUICK)
    with pytest.raises(ValueError, match="the loss has no gradient by the weights"):
        fastscape.connect(a, pair()[1], data, loss=lambda o, t: (o.argmax(1) != t).float(), **QUICK)
