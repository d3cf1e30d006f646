"""`align`: what it returns, what it refuses, and that it is the same every time."""

import copy
import itertools
import json
import re

import numpy as np
import pytest
import torch
from paths.alignment_models import FAMILIES, built
from paths.test_alignment_families import outputs, redrawn
from torch import nn

import fastscape
from fastscape.paths.alignment import tracing


def mlp(seed=0, width=12):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3))


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(9)
    return torch.randn(40, 5), torch.randint(3, (40,))


def shuffled(model, seed=0):
    """The same network with its hidden units in another order, by hand."""
    torch.manual_seed(seed)
    first, second = torch.randperm(12), torch.randperm(12)
    made = copy.deepcopy(model)
    with torch.no_grad():
        for tensor, moved in (
            (made[0].weight, model[0].weight[first]), (made[0].bias, model[0].bias[first]),
            (made[2].weight, model[2].weight[second][:, first]), (made[2].bias, model[2].bias[second]),
            (made[4].weight, model[4].weight[:, second]),
        ):  # fmt: skip
            tensor.copy_(moved)
    return made, first, second


@pytest.mark.parametrize("method", ["weights", "activations"])
def test_a_hidden_permutation_is_found_exactly_and_the_barrier_falls_to_nothing(data, method):
    a = mlp()
    b, first, second = shuffled(a)
    found = fastscape.align(b, data, to=a, method=method, progress=False)
    assert found.distance_before > 1
    assert found.distance_after == 0
    assert all(torch.equal(found.state_dict[name], tensor) for name, tensor in a.state_dict().items())
    assert set(found.permutations) == {"0.weight[0]", "2.weight[0]"}
    assert found.permutations["0.weight[0]"].axes == (("0.weight", 0), ("0.bias", 0), ("2.weight", 1))
    assert (first[found.permutations["0.weight[0]"].index] == torch.arange(12)).all()
    assert (second[found.permutations["2.weight[0]"].index] == torch.arange(12)).all()
    before = fastscape.line(a, data, to=b, x=(0, 1, 9), progress=False).loss
    with pytest.warns(UserWarning, match="the direction of x is 0"):
        after = fastscape.line(a, data, to=found.model, x=(0, 1, 9), progress=False).loss
    assert np.ptp(before) > 0.01
    assert np.ptp(after) == 0


def test_nothing_of_the_users_changes(data):
    a, b = mlp(1), mlp(2)
    states = [copy.deepcopy(model.state_dict()) for model in (a, b)]
    b[2].weight.requires_grad_(False)
    b.train()
    generator = torch.get_rng_state()
    found = fastscape.align(b, data, to=a, progress=False)
    assert torch.equal(generator, torch.get_rng_state())
    for model, state in zip((a, b), states, strict=True):
        assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert b.training
    assert found.model.training
    assert not found.model[2].weight.requires_grad
    assert not b._forward_hooks
    assert found.model[0].weight.data_ptr() != b[0].weight.data_ptr()


def test_a_state_dict_and_the_same_every_time(data):
    a, b = mlp(1), mlp(2)
    first = fastscape.align(b, data, to=a, seed=3, progress=False)
    again = fastscape.align(b, data, to={f"module.{n}": t for n, t in a.state_dict().items()}, seed=3, progress=False)
    assert first.distance_after == again.distance_after < first.distance_before
    assert all((one.index == again.permutations[name].index).all() for name, one in first.permutations.items())
    more = fastscape.align(b, data, to=a, seed=3, restarts=8, progress=False)
    assert more.distance_after <= first.distance_after


def test_the_distance_is_that_of_the_parameters(data):
    a, b = mlp(1), mlp(2)
    found = fastscape.align(b, data, to=a, progress=False)
    for model, distance in ((b, found.distance_before), (found.model, found.distance_after)):
        pairs = zip(a.parameters(), model.parameters(), strict=True)
        assert sum(float((p - q).detach().double().square().sum()) for p, q in pairs) ** 0.5 == pytest.approx(distance)


def test_batch_norm_statistics_follow_their_channels(data):
    torch.manual_seed(0)
    b = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(54, 2))
    b, a = redrawn(b), redrawn(b, 2)
    x = torch.randn(7, 1, 5, 5)
    found = fastscape.align(b, (x, x), to=a, progress=False)
    order = found.permutations["0.weight[0]"].index
    assert (order != np.arange(6)).any()
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(found.model[1], name), getattr(b[1], name)[order])
    assert torch.allclose(outputs(b, x), outputs(found.model, x))


def test_what_is_saved_is_read_again(data, tmp_path):
    found = fastscape.align(mlp(2), data, to=mlp(1), progress=False)
    path = found.save(tmp_path / "new" / "aligned.json")
    again = fastscape.Alignment.load(path)
    assert again.as_dict() == found.as_dict()
    state = again.applied(mlp(2).state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in found.state_dict.items())
    with pytest.raises(AttributeError, match="a file holds the permutations and no model"):
        _ = again.model
    with pytest.raises(ValueError, match=r"0\.weight has shape"):
        again.applied(mlp(2, width=8).state_dict())
    with pytest.raises(
        ValueError, match=r"the name of the file of an alignment must end in \.json, got 'aligned\.npz'"
    ):
        found.save(tmp_path / "aligned.npz")


def test_tied_tensors_move_under_all_of_their_names():
    b, x = built(FAMILIES["language model"].build, FAMILIES["language model"].inputs)
    b, a = redrawn(b), redrawn(b, 2)
    found = fastscape.align(b, (x, x), to=a, progress=False)
    assert {("embed.weight", 1), ("head.weight", 1)} <= set(found.permutations["embed.weight[1]"].axes)
    state = found.applied(b.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in found.state_dict.items())
    assert found.model.head.weight is found.model.embed.weight


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain | {"version": 2},
        lambda plain: plain | {"error": None},
        lambda plain: plain | {"samples": 1.5},
        lambda plain: {name: value for name, value in plain.items() if name != "permutations"},
        lambda plain: plain | {"permutations": {"a": {"axes": [["a", 0]], "index": [0, 0]}}},
        lambda plain: plain | {"permutations": {"a": {"axes": [["a", 0]], "index": [0.0, 1.0]}}},
        lambda plain: plain | {"permutations": {"a": {"axes": [["a", -1]], "index": [0, 1]}}},
    ],
)
def test_what_is_no_alignment_is_refused(data, tmp_path, change):
    path = fastscape.align(mlp(2), data, to=mlp(1), progress=False).save(tmp_path / "aligned.json")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match="is no alignment"):
        fastscape.Alignment.load(path)


def test_the_table(data):
    found = fastscape.align(mlp(2), data, to=mlp(1), progress=False)
    said = str(found)
    assert re.search(r"0\.weight\[0\]\s+12\s+\d+\s+3", said)
    assert max(map(len, said.splitlines())) <= 100
    assert "outputs agree to" in said
    assert "<table>" in found._repr_html_()
    assert "0.bias[0]" in found._repr_html_()
    assert "2 permutations" in repr(found)


def test_what_is_not_understood_is_named(data):
    class Sorted(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.c(self.b(self.a(x).relu()).sort(1)[0])

    found = fastscape.align(Sorted(), data, to=Sorted(), progress=False)
    assert dict(found.not_understood) == {"sort": 1}
    assert "sort (1)" in str(found)
    assert "sort (1)" in found._repr_html_()
    alone = nn.Sequential(nn.Linear(5, 6), Sort(), nn.Linear(6, 3))
    with pytest.raises(ValueError, match="cannot be aligned: the operation 'sort' was not understood"):
        fastscape.align(alone, data, to=copy.deepcopy(alone), progress=False)


NUMBERS = itertools.count()


class Sort(nn.Module):
    def forward(self, x):
        return x.sort(1)[0]


def test_nothing_to_permute(data):
    with pytest.raises(ValueError, match="it has no hidden units"):
        fastscape.align(nn.Linear(5, 3), data, to=nn.Linear(5, 3), progress=False)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, TypeError, "align needs the model to come near to"),
        (
            {"to": 3},
            TypeError,
            r"to must be a torch\.nn\.Module of the same architecture, .*file with one, got int; a direction",
        ),
        (
            {"to": mlp(width=8)},
            ValueError,
            r"0\.weight of the model must have shape \(12, 5\), got has shape \(8, 5\) from to: give a model of",
        ),
        ({"to": {"weight": torch.zeros(3)}}, ValueError, "the state dict"),
        ({"to": mlp(1), "method": "magic"}, ValueError, "method must be .*, got 'magic'"),
        ({"to": mlp(1), "restarts": 0}, ValueError, "restarts must be .*, got 0"),
        ({"to": mlp(1), "samples": 1.5}, ValueError, "samples must be .*, got 1.5"),
        ({"to": mlp(1), "seed": -1}, ValueError, "seed must be .*, got -1"),
        ({"too": mlp(1)}, TypeError, "align has no option 'too'; write to="),
    ],
)
def test_arguments_that_cannot_be_used(data, options, error, said):
    with pytest.raises(error, match=said):
        fastscape.align(mlp(), data, **options, progress=False)


def test_weights_that_are_not_finite(data):
    a = mlp(1)
    with torch.no_grad():
        a[0].bias[0] = torch.nan
    with pytest.raises(ValueError, match=r"the model that to gives has values that are not finite in 0\.bias"):
        fastscape.align(mlp(), data, to=a, progress=False)
    with pytest.raises(ValueError, match=r"the model has values that are not finite in 0\.bias"):
        fastscape.align(a, data, to=mlp(), progress=False)


def test_a_mask_of_an_attention_is_no_weight(data):
    class Masked(nn.Module):
        def __init__(self, seed, last=-torch.inf):
            super().__init__()
            self.body = mlp(seed)
            self.register_buffer("mask", torch.tensor([0.0, 0.0, last]))

        def forward(self, inputs):
            return self.body(inputs) * self.mask.exp()

    found = fastscape.align(Masked(0), data, to=Masked(1), progress=False)
    plain = fastscape.align(mlp(0), data, to=mlp(1), progress=False)
    state, expected = found.model.state_dict(), plain.model.state_dict()
    assert state.pop("mask").tolist() == [0.0, 0.0, -torch.inf]
    assert {f"body.{name}" for name in expected} == state.keys()
    assert all(torch.equal(state[f"body.{name}"], tensor) for name, tensor in expected.items())
    with pytest.raises(ValueError, match="the model that to gives has values that are not finite in mask"):
        fastscape.align(Masked(0, 0.0), data, to=Masked(1), progress=False)


def test_a_model_that_draws_at_random_is_refused(data):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = mlp()

        def forward(self, x):
            return self.layers(x) * torch.rand(1, generator=torch.Generator().manual_seed(next(NUMBERS)))

    model = Noisy()
    with pytest.raises(ValueError, match=r"let it draw nothing at random|cannot be aligned"):
        fastscape.align(model, data, to=copy.deepcopy(model), progress=False)


def test_a_wrong_rule_costs_freedom_and_is_named(data, monkeypatch):
    """Whoever takes a sort for a function place by place is found out by the trial with random orders."""

    class Sorted(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.c(self.b(self.a(x).relu()).sort(1)[0])

    monkeypatch.setitem(tracing.RULES, "sort", lambda op: [op.label(0)] * 2)
    b, a = Sorted(), Sorted()
    found = fastscape.align(b, data, to=a, progress=False)
    assert dict(found.not_understood) == {"units that a trial has shown to be none": 1}
    assert set(found.permutations) == {"a.weight[0]"}
    assert torch.allclose(outputs(b, data[0]), outputs(found.model, data[0]))


def test_an_objective_and_dictionaries(data):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = mlp()

        def forward(self, features, scale):
            return {"logits": self.inside(features) * scale}

    torch.manual_seed(0)
    batches = [{"features": data[0][:20], "scale": torch.ones(20, 1), "target": data[1][:20]}]

    def objective(call, batch):
        logits = call(batch["features"], batch["scale"])["logits"]
        return nn.functional.cross_entropy(logits, batch["target"])

    b, a = Named(), Named()
    found = fastscape.align(b, batches, to=redrawn(a), objective=objective, progress=False)
    assert len(found.permutations) == 2
    given = ({"features": data[0], "scale": torch.ones(40, 1)}, data[1])
    assert len(fastscape.align(b, given, to=redrawn(a), progress=False).permutations) == 2


def test_single_precision_inside_a_model_does_not_hide_anything(data):
    """As many language models do it: norms in single precision."""

    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(5, 12), nn.Linear(12, 3)

        def forward(self, x):
            h = self.a(x)
            norm = h.float().square().mean(-1, keepdim=True).rsqrt()
            return self.b((h.float() * norm).to(h.dtype))

    torch.manual_seed(0)
    b = Narrow()
    found = fastscape.align(b, data, to=redrawn(b), progress=False)
    assert found.error < 1e-12
    assert found.permutations["a.weight[0]"].moved


class Sorting(nn.Module):
    """Sorts its hidden units, which is understood only by who takes it for something else."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.c(self.b(self.a(x).relu()).sort(1)[0])


def test_what_would_compute_something_else_is_not_given_out(data, monkeypatch):
    """Even if a rule is wrong, and the trial with random orders too."""
    monkeypatch.setitem(tracing.RULES, "sort", lambda op: [op.label(0)] * 2)
    monkeypatch.setattr("fastscape.runs.alignment.sound", lambda problem, weights, few, found, seeds: found)
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=r"the aligned Sorting would compute something else: its outputs differ by"):
        fastscape.align(Sorting(), data, to=Sorting(), progress=False)


def test_a_branch_that_other_samples_take_is_found_out(data):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(8, 3), nn.Linear(8, 3)

        def forward(self, x):
            h = self.a(x).relu()
            return self.b(h) if x[0, 0] < 10 else self.c(h)

    torch.manual_seed(0)
    b, a = Branches(), Branches()
    with pytest.warns(UserWarning, match=r"c\.weight, c\.bias were not read"):
        found = fastscape.align(b, data, to=a, progress=False)
    moving = {tensor for one in found.permutations.values() for tensor, _ in one.axes}
    assert moving == {"a.weight", "a.bias", "b.weight"}  # nothing has read c
    more = [data, (data[0] + 100, data[1])]
    with pytest.raises(ValueError, match="would compute something else"):
        fastscape.align(b, more, to=a, progress=False)


def test_samples_say_how_many_prove_it(data):
    found = fastscape.align(mlp(2), data, to=mlp(1), samples=10, progress=False)
    assert found.samples == 40  # in whole batches
    assert fastscape.align(mlp(2), [data, data, data], to=mlp(1), samples=50, progress=False).samples >= 50


class Filling(nn.Module):
    """Makes a tensor of its own on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(5, 12), nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.zeros(len(x), 12, dtype=x.dtype) + torch.tanh(self.one(x))
        outputs = self.three(torch.tanh(self.two(hidden)))
        return outputs - outputs.logsumexp(1, keepdim=True)


class Turned(Filling):
    """Has samples in the last place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.one.weight @ x.T + self.one.bias[:, None])
        return self.three(torch.tanh(self.two(hidden.T)))


@pytest.mark.parametrize("make", [Filling, Turned])
def test_activations_are_those_of_the_units_whatever_a_model_does_on_the_way(data, make):
    torch.manual_seed(0)
    a = make()
    b, torch_state = copy.deepcopy(a), torch.Generator().manual_seed(1)
    first, second = (torch.randperm(12, generator=torch_state) for _ in range(2))
    with torch.no_grad():
        b.one.weight.copy_(a.one.weight[first]), b.one.bias.copy_(a.one.bias[first])
        b.two.weight.copy_(a.two.weight[second][:, first]), b.two.bias.copy_(a.two.bias[second])
        b.three.weight.copy_(a.three.weight[:, second])
    for method in ("weights", "activations"):
        assert fastscape.align(b, data, to=a, method=method, progress=False).distance_after == 0


def test_activations_of_evaluations_that_go_different_ways_are_not_compared(data):
    class ByParts(Filling):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            parts = 2 if float(self.one.bias.sum()) > 0 else 4
            hidden = torch.cat([torch.tanh(self.one(part)) for part in x.chunk(parts)])
            return self.three(torch.tanh(self.two(hidden)))

    a, b = ByParts(), ByParts()
    with torch.no_grad():
        a.one.bias.fill_(0.1), b.one.bias.fill_(-0.1)
    with pytest.raises(ValueError, match="does not go through the same operations as the one that was followed"):
        fastscape.align(b, data, to=a, method="activations", progress=False)


def test_weights_that_are_not_read_are_named(data):
    class Auxiliary(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self[1](self[0](x))
            return self[2](hidden) + (self[3](hidden) if self.training else 0)

    def made(seed):
        torch.manual_seed(seed)
        return Auxiliary(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 3), nn.Linear(12, 3)).eval()

    with pytest.warns(UserWarning, match=r"3\.weight, 3\.bias were not read where the model was followed"):
        found = fastscape.align(made(0), data, to=made(1), progress=False)
    assert found.report["unread"] == ["3.weight", "3.bias"]
