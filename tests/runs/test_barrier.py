"""Barriers against a plain loop, in closed form, and what must hold for any of them."""

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import fastscape
from fastscape.results import EXCESS_ERRORS
from tolerance import assert_close
from untouched import assert_same, snapshot

WIDE = {"precision": "float64", "progress": False}
T = np.linspace(0, 1, 25)
ACCURACY = {"accuracy": fastscape.accuracy}


def made(seed: int, *, norm: bool = False) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers = [nn.Linear(4, 8), *([nn.BatchNorm1d(8)] if norm else []), nn.Tanh(), nn.Linear(8, 3)]
        model = nn.Sequential(*layers)
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.mul_(4)
            if norm:
                model[1].running_mean.copy_(torch.randn(8))
                model[1].running_var.copy_(torch.rand(8) + 0.5)
        return model


def samples(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, generator=generator), torch.randint(3, (count,), generator=generator)


def permuted(model: nn.Module) -> nn.Module:
    """Nearly the same function, by hidden units in another order, so that there is a barrier between both."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (other[0].weight, other[0].bias):
            tensor.copy_(tensor.roll(3, 0))
        other[2].weight.copy_(other[2].weight.roll(3, 1))
        other[2].bias += 0.3
    return other


A = made(1)
B, INPUTS = permuted(A), samples(37)[0]
DATA = INPUTS, A(INPUTS).argmax(1)


def between(a: nn.Module, b: nn.Module, t: float) -> nn.Module:
    """The model on the line, in float64, with all of its floating-point tensors on it."""
    model = copy.deepcopy(a).double().eval()
    other = b.state_dict()
    mixed = {
        n: (1 - t) * v.double() + t * other[n].double() if v.is_floating_point() else v
        for n, v in a.state_dict().items()
    }
    model.load_state_dict(mixed)
    return model


@torch.no_grad()
def each(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> dict[str, np.ndarray]:
    """The losses and hits of single samples."""
    outputs = model(data[0].double())
    losses = F.cross_entropy(outputs, data[1], reduction="none")
    return {"loss": losses.numpy(), "accuracy": (outputs.argmax(1) == data[1]).double().numpy()}


def over(values: list[np.ndarray], t: np.ndarray = T) -> np.ndarray:
    """Excess [H, ...] of values [H, ...] at the points of a line."""
    values = np.stack(values)
    share = t.reshape(-1, *[1] * (values.ndim - 1))
    return values - ((1 - share) * values[0] + share * values[-1])


def check(found: fastscape.Barrier, single: dict[str, list[np.ndarray]]) -> None:
    """Values, barriers and standard errors of a line are those of the values of single samples."""
    for name, values in single.items():
        means, excess = np.array([one.mean() for one in values]), over(values)
        assert_close(found.line.measures[name], means)
        assert_close(found.excess(name), excess.mean(1))
        for one, place in (
            (found[name].highest, excess.mean(1).argmax()),
            (found[name].lowest, excess.mean(1).argmin()),
        ):
            assert one.value == pytest.approx(excess[:, :].mean(1)[place], abs=1e-12)
            assert excess.mean(1)[np.argmin(abs(T - one.at))] == pytest.approx(one.value, abs=1e-12)  # or a tie
            wanted = excess[np.argmin(abs(T - one.at))]
            assert one.standard_error == pytest.approx(wanted.std(ddof=1) / len(wanted) ** 0.5, rel=1e-9, abs=1e-15)
            assert one.paired
        assert found[name].above_mean == pytest.approx(means.max() - (means[0] + means[-1]) / 2)
        assert found[name].below_mean == pytest.approx(means.min() - (means[0] + means[-1]) / 2)


def test_it_is_that_of_a_plain_loop_with_an_uneven_last_batch():
    loader = DataLoader(TensorDataset(*DATA), batch_size=16)
    found = fastscape.barrier(A, B, loader, metrics=ACCURACY, **WIDE)
    line = [each(between(A, B, t), DATA) for t in T]
    check(found, {name: [one[name] for one in line] for name in line[0]})
    assert found.value == found["loss"].highest.value > 0.05
    assert found.standard_error == found["loss"].highest.standard_error
    assert found["accuracy"].lowest.value < 0
    assert list(found) == ["loss", "accuracy"]
    assert not found.line.report["warnings"]


def test_a_paired_standard_error_is_far_below_those_of_the_points():
    near = copy.deepcopy(A)
    with torch.no_grad():
        near[2].weight += 0.1
    found = fastscape.barrier(A, near, DATA, **WIDE)
    bound = found.line.standard_error[0] * 2
    assert 0 < found["loss"].lowest.standard_error < 0.01 * bound


def recalibrated(model: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> nn.Module:
    """With the statistics of its batches, as `torch.optim.swa_utils.update_bn` has them."""
    model[1].reset_running_stats()
    model[1].momentum = None
    model[1].train()
    with torch.no_grad():
        for inputs, _ in batches:
            model(inputs.double())
    return model.eval()


@pytest.mark.parametrize("batchnorm", ["running", "recalibrate"])
def test_batch_normalisation(batchnorm):
    a, b = made(1, norm=True), made(2, norm=True)
    batches = [(DATA[0][k : k + 16], DATA[1][k : k + 16]) for k in (0, 16, 32)]
    found = fastscape.barrier(a, b, batches, metrics=ACCURACY, batchnorm=batchnorm, **WIDE)
    line = [between(a, b, t) for t in T]
    if batchnorm == "recalibrate":
        line = [recalibrated(model, batches) for model in line]
    values = [each(model, DATA) for model in line]
    check(found, {name: [one[name] for one in values] for name in values[0]})


def test_mixed_statistics_are_warned_of_unless_they_are_asked_for():
    a, b = made(1, norm=True), made(2, norm=True)
    with pytest.warns(UserWarning, match="running statistics of both are mixed") as given:
        found = fastscape.barrier(a, b, DATA, points=3, progress=False)
    assert sum("mixed" in str(one.message) for one in given) == 1
    assert any("mixed" in said for said in found.report["warnings"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastscape.barrier(a, b, DATA, points=3, batchnorm="running", progress=False)
        fastscape.barrier(A, B, DATA, points=3, progress=False)


def test_several_data_sets_and_classes():
    sets = {"train": samples(37, 4), "test": samples(20, 5)}
    found = fastscape.barrier(A, B, sets, metrics=ACCURACY, per_class=[0, 2], **WIDE)
    models = [between(A, B, t) for t in T]
    wanted = {}
    for of, data in sets.items():
        behind = "" if of == "train" else f" of {of}"
        values = [each(model, data) for model in models]
        for name in ("loss", "accuracy"):
            wanted[f"{name}{behind}"] = [one[name] for one in values]
            for number in (0, 2):
                own = (data[1] == number).numpy()
                wanted[f"{name} of class {number}{behind}"] = [one[name][own] for one in values]
    assert set(found) == set(wanted)
    check(found, wanted)
    assert found.panels["loss"] == {"train": "loss", "test": "loss of test"}
    assert found.panels["accuracy of class 2"]["test"] == "accuracy of class 2 of test"


def test_a_quadratic_in_closed_form():
    """Of a squared error of a linear model the excess is -t (1 - t) (b - a)^T H (b - a) / 2, nowhere positive."""
    a, b = nn.Linear(4, 1).double(), nn.Linear(4, 1).double()
    x, y = samples(50)[0].double(), torch.randn(50, 1, dtype=torch.float64)
    found = fastscape.barrier(a, b, (x, y), loss=F.mse_loss, points=11, **WIDE)
    wide = torch.cat([x, torch.ones(50, 1, dtype=torch.float64)], 1)
    hessian = 2 * wide.T @ wide / 50
    with torch.no_grad():
        step = torch.cat([(b.weight - a.weight)[0], b.bias - a.bias])
        curved = float(step @ hessian @ step)
    t = np.linspace(0, 1, 11)
    assert_close(found.excess(), -t * (1 - t) * curved / 2)
    assert (found.value, found.at, found.standard_error) == (0.0, 0.0, 0.0)
    assert found["loss"].lowest.value == pytest.approx(-curved / 8)
    assert found["loss"].lowest.at == 0.5
    assert found["loss"].farthest == found["loss"].lowest


@pytest.mark.filterwarnings("ignore:the direction of x is 0", "ignore:the loss is the same at every point")
def test_of_a_model_and_itself_it_is_0():
    found = fastscape.barrier(A, copy.deepcopy(A), DATA, metrics=ACCURACY, progress=False)
    for one in found.values():
        assert one.highest.value == one.lowest.value == one.above_mean == 0
        assert one.highest.standard_error == 0


def test_the_other_way_round_it_is_the_same():
    there, back = (fastscape.barrier(*ends, DATA, metrics=ACCURACY, **WIDE) for ends in ((A, B), (B, A)))
    for name in there:
        assert_close(back.excess(name)[::-1], there.excess(name))
    assert back.value == pytest.approx(there.value)
    assert back.at == pytest.approx(1 - there.at)
    assert back.standard_error == pytest.approx(there.standard_error)


def test_an_objective_and_a_loss_without_values_of_samples():
    def objective(call, batch):
        outputs = call(batch[0])
        return {"loss": F.cross_entropy(outputs, batch[1], reduction="none"), "size": outputs.square().mean()}

    found = fastscape.barrier(A, B, [DATA], objective=objective, **WIDE)
    plain = fastscape.barrier(A, B, DATA, **WIDE)
    assert found.standard_error == pytest.approx(plain.standard_error)
    assert found["size"].highest.standard_error is None
    assert list(found.report[EXCESS_ERRORS]) == ["loss"]
    means = fastscape.barrier(A, B, DATA, loss=lambda output, target: F.cross_entropy(output, target), **WIDE)
    assert means.value == pytest.approx(plain.value)
    assert means.standard_error is None


def test_of_data_in_parts_the_standard_error_is_a_bound():
    whole = fastscape.barrier(A, B, DATA, metrics=ACCURACY, **WIDE)
    found = fastscape.barrier(A, B, DATA, metrics=ACCURACY, stream_samples=16, **WIDE)
    assert found.value == pytest.approx(whole.value)
    assert not found["loss"].highest.paired
    place = int(np.argmin(abs(T - found.at)))
    single, t = found.line.standard_error, found.at
    assert found.standard_error == pytest.approx(single[place] + (1 - t) * single[0] + t * single[-1])
    assert found.standard_error > whole.standard_error
    assert found["accuracy"].highest.standard_error is None


def test_what_is_not_finite_is_the_barrier_and_is_said():
    def loss(output, target):
        each = F.cross_entropy(output, target, reduction="none")
        return torch.where(output.detach().abs().max() < 1e-3, torch.full_like(each, bad), each)

    zero = nn.Linear(4, 3, bias=False)
    other = copy.deepcopy(zero)
    with torch.no_grad():
        other.weight.neg_()  # the line passes through 0
    for bad, is_bad in ((float("inf"), np.isposinf), (float("nan"), np.isnan)):  # noqa: B007 - the loss reads it
        with pytest.warns(UserWarning, match="loss is not finite at some of 25 points"):
            found = fastscape.barrier(zero, other, DATA, loss=loss, progress=False)
        assert is_bad(found.value)
        assert found.at == 0.5
        assert any("not finite" in said for said in found.report["warnings"])
        assert "not finite at some of 25 points" in str(found)


def test_the_models_and_everything_else_stay_as_they_are():
    a, b = made(1, norm=True).train(), made(2, norm=True)
    before = [snapshot(model) for model in (a, b)]
    fastscape.barrier(a, b, DATA, batchnorm="recalibrate", points=5, progress=False)
    fastscape.barriers([a, b, made(3, norm=True).state_dict()], DATA, batchnorm="running", points=3, progress=False)
    assert_same(before, [snapshot(model) for model in (a, b)])


def test_lent_dropout_and_other_plans_give_the_same():
    wanted = fastscape.barrier(A, B, DATA, metrics=ACCURACY, points=5, progress=False)
    for options in ({"lend": True}, {"plan": fastscape.Plan("vmap", 5, 8)}, {"plan": fastscape.Plan("loop", 1, 64)}):
        found = fastscape.barrier(A, B, DATA, metrics=ACCURACY, points=5, progress=False, **options)
        assert found.value == pytest.approx(wanted.value, rel=1e-4)
        assert found.standard_error == pytest.approx(wanted.standard_error, rel=1e-4)
    drops = nn.Sequential(nn.Dropout(0.3), made(1)), nn.Sequential(nn.Dropout(0.3), made(2))
    once, again = (fastscape.barrier(*drops, DATA, train_mode=True, points=5, progress=False) for _ in range(2))
    assert once["loss"] == again["loss"]
    assert once.value != wanted.value


def test_a_state_dict_and_files(tmp_path):
    from safetensors.torch import save_file

    torch.save({"state_dict": B.state_dict(), "epoch": 3}, tmp_path / "b.pt")
    save_file(B.state_dict(), tmp_path / "b.safetensors")
    wanted = fastscape.barrier(A, B, DATA, points=5, progress=False)
    for b in (B.state_dict(), tmp_path / "b.pt", str(tmp_path / "b.safetensors")):
        assert fastscape.barrier(A, b, DATA, points=5, progress=False)["loss"] == wanted["loss"]


def test_a_store_is_taken_up_again(tmp_path):
    pytest.importorskip("zarr")
    options = {"points": 5, "store": tmp_path / "run.zarr", "progress": False}
    once = fastscape.barrier(A, B, DATA, **options)
    again = fastscape.barrier(A, B, DATA, **options)
    assert again.report["points_before"] == 5
    assert once["loss"] == again["loss"]
    assert fastscape.Landscape.load(tmp_path / "run.zarr").report[EXCESS_ERRORS] == once.report[EXCESS_ERRORS]


def test_only_what_is_named_moves():
    b = copy.deepcopy(A)
    with torch.no_grad():
        b[2].weight += 1
    moved = fastscape.barrier(A, b, DATA, perturb=lambda name, _: name.startswith("2."), points=5, **WIDE)
    assert moved.value == pytest.approx(fastscape.barrier(A, b, DATA, points=5, **WIDE).value)
    with pytest.warns(UserWarning, match="does not lie on this line"):
        fastscape.barrier(A, B, DATA, perturb="weights", points=3, progress=False)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: fastscape.barrier(A, nn.Linear(4, 3), DATA),
            ValueError,
            r"the other model, a Linear, must be a model of the same architecture, but has no 0\.weight,",
        ),
        (lambda: fastscape.barrier(A, nn.Linear(4, 3).state_dict(), DATA), ValueError, "of the same architecture"),
        (
            lambda: fastscape.barrier(A, 3, DATA),
            TypeError,
            r"b cannot be read, got int; it must be a torch\.nn\.Module, a state dict, or the path of a file",
        ),
        (lambda: fastscape.barrier(A.state_dict(), B, DATA), TypeError, "a must be a torch.nn.*, got OrderedDict"),
        (
            lambda: fastscape.barrier(A, B, DATA, points=2),
            ValueError,
            "points must be a whole number.*, got 2",
        ),
        (lambda: fastscape.barrier(A, B, DATA, points=5.5), ValueError, "points must be .*, got 5.5"),
        (lambda: fastscape.barrier(A, B, DATA, progress="live"), TypeError, "progress must be .*, got 'live'"),
        (lambda: fastscape.barrier(A, B, DATA, steps=9), TypeError, "barrier has no option 'steps'"),
        (lambda: fastscape.barrier(A, B, DATA, x=(0, 1, 3)), TypeError, "barrier has no option 'x'; .* write points="),
        (lambda: fastscape.barrier(A, B, DATA, tolerance=0.1), TypeError, "'tolerance'; .* for example points=11"),
        (lambda: fastscape.barrier(A, "nowhere.pt", DATA), OSError, "nowhere"),
        (lambda: fastscape.barriers([A], DATA), ValueError, "models must be at least two with different names, got 1"),
        (lambda: fastscape.barriers({1: A, "1": B}, DATA), ValueError, "2 of which some have one name"),
        (lambda: fastscape.barriers(A, DATA), TypeError, "the models must be a list of models.*, got Sequential"),
        (
            lambda: fastscape.barriers(A.state_dict(), DATA),
            TypeError,
            "the models must be a list of models, or a dict of models by name, got a single state dict",
        ),
        (
            lambda: fastscape.barriers([A, 3], DATA),
            TypeError,
            r"B cannot be read, got int; it must be a torch\.nn\.Module, a state dict, or the path of a file",
        ),
        (
            lambda: fastscape.barriers([A.state_dict()] * 2, DATA),
            TypeError,
            r"at least one model must be a torch\.nn\.Module, which says how the others are evaluated; got 2",
        ),
        (
            lambda: fastscape.barriers([A, B], iter([DATA]), stream_samples=8),
            ValueError,
            "the data are an iterator, which can be read only once, but every pair of models reads them in",
        ),
        (lambda: fastscape.barriers([A, B], DATA, low_memory=True), TypeError, "barriers has no option 'low_memory'"),
    ],
)
def test_what_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_a_tensor_of_another_shape_is_refused():
    wrong = {name: tensor.new_zeros(2, 2) for name, tensor in A.state_dict().items()}
    with pytest.raises(ValueError, match=r"0\.weight"):
        fastscape.barrier(A, wrong, DATA, points=3, progress=False)
    with pytest.raises(
        ValueError, match=r"0\.weight of first must have shape \[8, 4\], as in a model of the same architecture, got"
    ):
        fastscape.barriers({"first": wrong, "second": A, "third": B}, DATA, points=3, progress=False)


# Several models


def test_a_matrix_is_that_of_its_pairs(tmp_path):
    models = {"first": made(1), "second": made(2), "third": made(3)}
    torch.save(models["second"].state_dict(), tmp_path / "second.pt")
    given = {"first": models["first"].state_dict(), "second": tmp_path / "second.pt", "third": models["third"]}
    found = fastscape.barriers(given, DATA, metrics=ACCURACY, **WIDE)
    assert found.names == tuple(models)
    assert found.measures == ("loss", "accuracy")
    for which in ("highest", "lowest", "farthest"):
        matrix, errors = found.matrix("loss", which), found.standard_errors("loss", which)
        assert (matrix == matrix.T).all()
        assert (errors == errors.T).all()
        assert not matrix.diagonal().any()
        for i, a in enumerate(models):
            for j, b in enumerate(models):
                if i < j:
                    pair = fastscape.barrier(models[a], models[b], DATA, metrics=ACCURACY, **WIDE)
                    assert matrix[i, j] == pytest.approx(getattr(pair["loss"], which).value)
                    assert errors[i, j] == pytest.approx(getattr(pair["loss"], which).standard_error)
    assert (found.matrix("loss") == found.matrix("loss", "highest")).all()
    assert (found.matrix("accuracy") == found.matrix("accuracy", "farthest")).all()
    assert found.own() == pytest.approx([each(between(m, m, 0), DATA)["loss"].mean() for m in models.values()])
    assert found.between("third", "first")["loss"] == found.between("first", "third")["loss"]


class Noisy(Dataset):
    """Other samples at every reading."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.randn(4, generator=GENERATOR), index % 3


class Stream(IterableDataset):
    """The same, in its own order alone."""

    def __iter__(self):
        return (Noisy()[k] for k in range(20))


GENERATOR = torch.Generator()


@pytest.mark.parametrize(
    "data",
    [
        lambda: Noisy(),
        lambda: Stream(),
        lambda: DataLoader(Noisy(), batch_size=8),
        lambda: ((torch.randn(8, 4, generator=GENERATOR), torch.arange(8) % 3) for _ in range(3)),
        lambda: {"train": Noisy(), "test": DataLoader(Noisy(), batch_size=7)},
        lambda: DATA,
    ],
)
def test_all_pairs_are_evaluated_on_the_same_samples(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fastscape.barriers([A, B, made(3)], data(), points=3, progress=False)
    assert len({pair.line.report["data_hash"] for pair in found.pairs.values()}) == 1


def test_other_samples_are_warned_of():
    with pytest.warns(UserWarning, match="evaluated on different samples"):
        found = fastscape.barriers([A, B, made(3)], Noisy(), points=3, stream_samples=10, progress=False)
    assert all("different samples" in pair.report["warnings"][-1] for pair in found.pairs.values())


def test_a_store_for_each_pair(tmp_path):
    pytest.importorskip("zarr")
    options = {"points": 3, "store": tmp_path / "runs", "progress": False}
    fastscape.barriers([A, B, made(3)], DATA, **options)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()) == [
        "1-2.zarr", "1-3.zarr", "2-3.zarr",
    ]  # fmt: skip
    again = fastscape.barriers([A, B, made(3)], DATA, **options)
    assert all(pair.report["points_before"] == 3 for pair in again.pairs.values())


def test_a_state_dict_with_two_values_of_one_tied_tensor_is_refused():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(torch.tanh(self.one(x)))

    model = Tied()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["two.weight"] += 1
    data = torch.randn(20, 3), torch.randint(3, (20,))
    with pytest.raises(ValueError, match=r"weight of A has other values than the tensor that it is tied to"):
        fastscape.barriers([state, model], data, progress=False)
