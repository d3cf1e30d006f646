"""Several data sets, classes and terms of a loss on one grid, against a plain surface of each and plain code."""

import json
import sys
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import AXIS, by_law, directions_of
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape
import stored_runs
from fastscape import DataSets, Landscape, Plan
from fastscape.engine.point_weights import PointWeights
from fastscape.model import loss_sum, of_first_set, twice_differentiable
from fastscape.runs.preparation import Work, prepared
from tolerance import assert_close

GRID = {"x": (-1.0, 1.0, 5), "y": (-0.5, 1.0, 4), "progress": False}
RIGHT = {"accuracy": fastscape.accuracy}
PLANS = {"loop": Plan("loop", 4, 7), "vmap": Plan("vmap", 6, 7), "auto": "auto"}


def pair(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 4, generator=generator), torch.randint(3, (size,), generator=generator)


TRAIN, TEST = pair(23, 0), pair(10, 1)
BATCHES = [(TEST[0][:6], TEST[1][:6]), (TEST[0][6:], TEST[1][6:])]


def make(*norms):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 6), *norms, nn.Tanh(), nn.Linear(6, 3))


MODEL = make().eval()
KINDS = {
    "tuples": ({"train": TRAIN, "test": TEST}, TRAIN, TEST),
    "loaders": (
        {"train": DataLoader(TensorDataset(*TRAIN), 5), "test": TensorDataset(*TEST)},
        DataLoader(TensorDataset(*TRAIN), 5),
        TensorDataset(*TEST),
    ),
    "batches": ({"train": [TRAIN], "test": BATCHES}, [TRAIN], BATCHES),
    "generators": ({"train": TRAIN, "test": (batch for batch in BATCHES)}, TRAIN, BATCHES),
    "said": (DataSets(train=TRAIN, test=BATCHES), TRAIN, BATCHES),
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_set_has_the_values_that_it_has_alone(kind, plan):
    data, train, test = KINDS[kind]
    if kind == "generators":
        data = {**data, "test": (batch for batch in BATCHES)}
    options = {**GRID, "metrics": RIGHT, "plan": PLANS[plan], "precision": "float64"}
    both = fastscape.surface(MODEL, data, **options)
    assert list(both.values) == ["loss", "accuracy", "loss of test", "accuracy of test"]
    for of, alone in (("", train), (" of test", test)):
        found = fastscape.surface(MODEL, alone, **options)
        assert_close(both.values[f"loss{of}"], found.loss, 1e-12)
        assert np.abs(both.values[f"accuracy{of}"] - found.metrics["accuracy"]).max() < 1e-12
        if plan == "loop":  # the sums are made in the same order
            assert both.values[f"loss{of}"].tobytes() == found.loss.tobytes()
        if not of:
            assert_close(both.standard_error, found.standard_error, 1e-12)


def test_the_report_tells_the_sets_apart():
    both = fastscape.surface(MODEL, {"train": TRAIN, "test": TEST}, **GRID)
    alone = {name: fastscape.surface(MODEL, of, **GRID) for name, of in (("train", TRAIN), ("test", TEST))}
    assert both.report["data_sets"] == {
        name: {"samples": found.report["samples"], "data_hash": found.report["data_hash"]}
        for name, found in alone.items()
    }
    assert both.report["samples"] == 33
    assert alone["train"].report["data_sets"] is None
    assert both.report["centre"]["loss"] == pytest.approx(alone["train"].report["centre"]["loss"], rel=1e-6)
    assert not both.report["warnings"]
    names = {fastscape.surface(MODEL, data, **GRID).report["data_hash"] for data in (
        {"train": TRAIN, "test": TEST}, {"train": TRAIN, "valid": TEST}, {"test": TEST, "train": TRAIN},
    )}  # fmt: skip
    assert len(names) == 3
    json.dumps(dict(both.report))


def test_the_weights_of_a_point_are_made_once_for_all_sets():
    made = []
    at = PointWeights.at

    def counted(self, c, **options):
        made.append(len(c))
        return at(self, c, **options)

    with mock.patch.object(PointWeights, "at", counted):
        counts = []
        for data in (TRAIN, {"train": TRAIN, "test": TEST, "other": BATCHES}):
            fastscape.surface(MODEL, data, plan=Plan("loop", 4, 64), **GRID)
            counts.append(sum(made))
            made.clear()
    assert counts[0] == counts[1]


def test_one_set_by_name_is_that_set():
    found = fastscape.surface(MODEL, {"train": TRAIN}, **GRID)
    assert list(found.values) == ["loss"]
    assert np.array_equal(found.loss, fastscape.surface(MODEL, TRAIN, **GRID).loss)


def test_sets_of_another_structure_and_batches_that_are_one_thing():
    """Images of two sizes, and a loss over whole batches: what is joined in one set is not joined with another."""
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    small = [(torch.rand(n, 1, 5, 5), torch.arange(n) % 3) for n in (4, 3)]
    large = [(torch.rand(n, 1, 8, 6), torch.arange(n) % 3) for n in (5, 2)]
    options = {**GRID, "precision": "float64"}
    both = fastscape.surface(model, {"small": small, "large": large}, **options)
    assert_close(both.loss, fastscape.surface(model, small, **options).loss, 1e-12)
    assert_close(both.values["loss of large"], fastscape.surface(model, large, **options).loss, 1e-12)

    def contrastive(outputs, targets):
        return F.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs), device=outputs.device))

    options["loss"] = contrastive
    both = fastscape.surface(model, {"small": small, "large": large}, **options)
    assert_close(both.loss, fastscape.surface(model, small, **options).loss, 1e-12)
    assert_close(both.values["loss of large"], fastscape.surface(model, large, **options).loss, 1e-12)


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_statistics_are_those_of_a_batch_or_of_the_first_set(policy):
    model = make(nn.BatchNorm1d(6)).double().eval()
    train = [(TRAIN[0][:12].double(), TRAIN[1][:12]), (TRAIN[0][12:].double(), TRAIN[1][12:])]
    test, directions = [(TEST[0].double(), TEST[1])], directions_of(model)

    def measured(of):
        def measure(made, batch):
            for layer in made.modules():
                if isinstance(layer, nn.BatchNorm1d):
                    layer.reset_running_stats()
                    layer.train()
                    layer.momentum = None
            if policy == "recalibrate":
                for inputs, _ in train:
                    made(inputs)
                made.eval()
            return F.cross_entropy(made(batch[0]), batch[1])

        return by_law(lambda: make(nn.BatchNorm1d(6)).double().eval(), model, of, measure, directions)

    options = {"x": AXIS, "y": AXIS, "directions": directions, "normalize": "none", "progress": False}
    both = fastscape.surface(model, {"train": train, "test": test}, batchnorm=policy, **options)
    assert_close(both.loss, measured(train), 1e-9)
    assert_close(both.values["loss of test"], measured(test), 1e-9)


def test_an_objective_gets_the_batches_of_every_set():
    def objective(call, batch):
        loss = F.cross_entropy(call(batch["x"]), batch["y"], reduction="none")
        return {"loss": loss, "largest": loss.max()}

    def loader(of):
        return DataLoader([{"x": x, "y": y} for x, y in zip(*of, strict=True)], 4)

    both = fastscape.surface(MODEL, {"train": loader(TRAIN), "test": loader(TEST)}, objective=objective, **GRID)
    assert list(both.values) == ["loss", "largest", "loss of test", "largest of test"]
    alone = fastscape.surface(MODEL, loader(TEST), objective=objective, **GRID)
    assert_close(both.values["loss of test"], alone.loss, 1e-5)
    assert_close(both.values["largest of test"], alone.metrics["largest"], 1e-5)
    whole = {"x": TRAIN[0], "y": TRAIN[1]}  # as ever one batch
    assert list(fastscape.surface(MODEL, whole, objective=objective, **GRID).values) == ["loss", "largest"]
    said = DataSets(train=whole, test={"x": TEST[0], "y": TEST[1]})
    assert_close(fastscape.surface(MODEL, said, objective=objective, **GRID).values["loss of test"], alone.loss, 1e-5)


def test_a_tolerance_follows_the_first_loss_and_predicts_the_others():
    fine = {"x": (-1, 1, 24), "y": (-1, 1, 24), "progress": False}
    data = {"train": pair(900, 5), "test": pair(300, 6)}
    some = fastscape.surface(MODEL, data, tolerance=0.01, draw_samples=120, **fine)
    every = fastscape.surface(MODEL, data, **fine)
    assert not some.evaluated.all()
    for name in ("loss", "loss of test"):
        assert np.abs(some.values[name] - every.values[name]).max() < 0.03 * np.ptp(every.values[name])
    assert some.report["refinement"]["metrics_rms"].keys() == {"loss of test"}
    assert some.report["refinement"]["draw_samples"] == 120 + 64 - 30  # of a small set so many as tell something


def test_data_in_parts(tmp_path):
    pytest.importorskip("zarr")
    options = {**GRID, "metrics": RIGHT, "plan": Plan("loop", 4, 4), "precision": "float64", "per_class": [0, 2]}
    parts = fastscape.surface(
        MODEL, {"train": TRAIN, "test": BATCHES}, stream_samples=4, store=tmp_path / "run.zarr", **options
    )
    whole = fastscape.surface(MODEL, {"train": TRAIN, "test": BATCHES}, **options)
    assert parts.values.keys() == whole.values.keys()
    for name, values in whole.values.items():
        assert np.abs(parts.values[name] - values).max() < 1e-12, name
    assert_close(parts.standard_error, whole.standard_error, 1e-12)
    assert parts.report["data_sets"] == whole.report["data_sets"]
    again = fastscape.surface(
        MODEL, {"train": TRAIN, "test": BATCHES}, stream_samples=4, store=tmp_path / "run.zarr", **options
    )
    assert all(np.array_equal(again.values[name], parts.values[name]) for name in parts.values)


def test_a_store_goes_on_and_knows_its_sets(tmp_path):
    pytest.importorskip("zarr")
    store, options = tmp_path / "run.zarr", {**GRID, "plan": Plan("loop", 4, 64), "per_class": True}
    made = fastscape.surface(MODEL, {"train": TRAIN, "test": TEST}, store=store, **options)
    (store / "sums" / "c" / "2" / "0").unlink()
    header = json.loads((store / "zarr.json").read_text())
    for name in ("report", "finished"):
        header["attributes"].pop(name)
        header["attributes"]["checks"].pop(name)
    (store / "zarr.json").write_text(json.dumps(header))
    growing = Landscape.load(store)  # a mean of every set over its own samples, where there is one
    known = np.isfinite(growing.loss)
    assert known.sum() == 16
    for name, values in made.values.items():
        assert np.array_equal(growing.values[name][known], values[known])
    again = fastscape.surface(MODEL, {"train": TRAIN, "test": TEST}, store=store, **options)
    assert again.report["points_before"] == 16
    assert all(np.array_equal(again.values[name], made.values[name]) for name in made.values)
    with pytest.raises(ValueError, match="was begun with"):
        fastscape.surface(MODEL, {"train": TRAIN, "valid": TEST}, store=store, **options)
    with pytest.raises(ValueError, match="was begun with"):
        fastscape.surface(MODEL, {"train": TRAIN, "test": TEST}, store=store, **{**options, "per_class": [0, 1]})
    with pytest.raises(ValueError, match="was begun with"):
        fastscape.surface(MODEL, TRAIN, store=store, **options)


@pytest.mark.parametrize("ending", [".npz", ".csv", ".h5"])
def test_files_keep_the_measures(tmp_path, ending):
    if ending == ".h5":
        pytest.importorskip("h5py")
    made = fastscape.surface(MODEL, {"train": TRAIN, "test": TEST}, metrics=RIGHT, per_class=[1], **GRID)
    file = tmp_path / f"both{ending}"
    again = Landscape.load(made.save(file) if ending == ".npz" else made.export(file))
    assert again.values.keys() == made.values.keys()
    assert all(np.array_equal(again.values[name], made.values[name]) for name in made.values)


def test_the_same_again_from_the_report(tmp_path):
    data = {"train": TRAIN, "test": TEST}
    made = fastscape.surface(MODEL, data, metrics=RIGHT, per_class=True, **GRID)
    loaded = Landscape.load(made.save(tmp_path / "both.npz"))
    again = loaded.reproduce(MODEL, data, progress=False)
    assert again.values.keys() == made.values.keys()
    assert all(np.array_equal(again.values[name], made.values[name]) for name in made.values)
    with pytest.raises(ValueError, match="the data are others"):
        loaded.reproduce(MODEL, {"train": TRAIN, "test": pair(10, 9)})
    with pytest.raises(ValueError, match="the data are others"):
        loaded.reproduce(MODEL, TRAIN)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_processes_share_the_points_of_all_sets(tmp_path):
    pytest.importorskip("zarr")
    from processes import one_thread, several

    done = several(tmp_path, "sets", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        whole = stored_runs.of_sets(None)
    for rank in range(2):
        assert np.load(tmp_path / f"values-{rank}.npy").tobytes() == np.stack([*whole.values.values()]).tobytes()


def test_a_line_has_them_too():
    made = fastscape.line(MODEL, {"train": TRAIN, "test": TEST}, x=(-1, 1, 5), progress=False)
    alone = fastscape.line(MODEL, TEST, x=(-1, 1, 5), progress=False)
    assert_close(made.values["loss of test"], alone.loss, 1e-5)


@pytest.mark.parametrize("plan", PLANS)
def test_classes_have_the_means_over_their_samples(plan):
    inputs, targets = TRAIN
    options = {**GRID, "metrics": RIGHT, "precision": "float64", "plan": PLANS[plan]}
    data = {"train": TRAIN, "test": TEST}
    found = fastscape.surface(MODEL, data, per_class=True, **options)
    assert list(found.values)[:4] == ["loss", "accuracy", "loss of class 0", "loss of class 1"]
    assert "accuracy of class 2 of test" in found.values
    assert len(found.values) == 16
    for of, (x, y) in (("", TRAIN), (" of test", TEST)):
        for number in range(3):
            alone = fastscape.surface(MODEL, (x[y == number], y[y == number]), **options)
            assert_close(found.values[f"loss of class {number}{of}"], alone.loss, 1e-12)
            difference = found.values[f"accuracy of class {number}{of}"] - alone.metrics["accuracy"]
            assert np.abs(difference).max() < 1e-12
    # The mean over the classes, each with its share of the samples, is the mean over all.
    shares = np.bincount(targets.numpy()) / len(inputs)
    mean = sum(shares[number] * found.values[f"loss of class {number}"] for number in range(3))
    assert_close(mean, found.loss, 1e-12)
    assert_close(fastscape.surface(MODEL, data, **options).standard_error, found.standard_error, 1e-12)


def test_classes_against_numpy():
    """At the model: softmax, logarithm and means in numpy, an ignored sample in no class."""
    inputs, targets = TRAIN[0].double(), TRAIN[1].clone()
    targets[4] = -100

    def loss(outputs, wanted):
        return F.cross_entropy(outputs, wanted, reduction="none")

    model = make().double().eval()
    found = fastscape.line(model, (inputs, targets), loss=loss, per_class=[2, 0], x=(0, 0, 1), progress=False)
    with torch.no_grad():
        z, y = model(inputs).numpy(), targets.numpy()
    each = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1)
    each -= z[np.arange(len(z)), np.where(y < 0, 0, y)]
    assert list(found.values) == ["loss", "loss of class 2", "loss of class 0"]
    for number in (0, 2):
        assert found.values[f"loss of class {number}"][0] == pytest.approx(each[y == number].mean(), rel=1e-12)
    counted = fastscape.line(model, (inputs, targets), loss=loss, per_class=True, x=(0, 0, 1), progress=False)
    assert [name for name in counted.values if "class" in name] == [f"loss of class {number}" for number in range(3)]


def test_what_is_infinite_in_one_class_leaves_the_others():
    def loss(outputs, targets):
        each = F.cross_entropy(outputs, targets, reduction="none")
        return torch.where(targets == 1, torch.inf, each)

    with pytest.warns(UserWarning, match="finite"):
        found = fastscape.surface(MODEL, TRAIN, loss=loss, per_class=True, **GRID)
    assert np.isinf(found.values["loss of class 1"]).all()
    assert np.isfinite(found.values["loss of class 0"]).all()


def test_classes_of_a_draw(monkeypatch):
    """A class of which a draw has no sample cannot be predicted from it."""
    inputs, targets = pair(400, 8)
    targets = torch.where(torch.arange(400) < 2, 2, targets % 2)
    fine = {"x": (-1, 1, 24), "y": (-1, 1, 24), "progress": False, "tolerance": 0.02, "per_class": True}
    with pytest.raises(ValueError, match=r"draw_samples=10 draws no sample of some class"):
        fastscape.surface(MODEL, (inputs, targets), draw_samples=10, **fine)
    monkeypatch.setattr("fastscape.runs.levels.LEAST", 10)
    found = fastscape.surface(MODEL, (inputs, targets), **fine)
    assert "levels" not in found.report["refinement"]
    assert np.isfinite(found.values["loss of class 2"]).all()


def test_terms_of_a_loss_are_measures():
    class Coder(nn.Module):
        def __init__(self):
            super().__init__()
            self.code, self.back = nn.Linear(4, 4), nn.Linear(2, 4)

        def forward(self, x):
            mean, logvar = self.code(x).chunk(2, dim=1)
            return self.back(mean), mean, logvar

    def loss(outputs, x):
        decoded, mean, logvar = outputs
        reconstruction = (decoded - x).square().sum(1)
        kl = -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum(1)
        return {"kl": kl, "loss": reconstruction + 0.1 * kl, "reconstruction": reconstruction.mean()}

    made = fastscape.surface(Coder(), {"train": TRAIN[0:1], "test": [TEST[0]]}, loss=loss, **GRID)
    assert list(made.values)[:4] == ["loss", "kl", "reconstruction", "loss of test"]
    for of in ("", " of test"):
        whole = made.values[f"reconstruction{of}"] + 0.1 * made.values[f"kl{of}"]
        assert_close(made.values[f"loss{of}"], whole, 1e-5)
    assert made.standard_error is not None
    with pytest.raises(ValueError, match="a metric both give 'kl'"):
        fastscape.surface(Coder(), TRAIN[0], loss=loss, metrics={"kl": lambda o, x: o[1].sum(1)}, **GRID)
    with pytest.raises(
        ValueError, match="the loss must return a dictionary with 'loss', and further measures by name, got 'a'"
    ):
        fastscape.surface(Coder(), TRAIN[0], loss=lambda o, x: {"a": o[1].sum(1)}, **GRID)
    with pytest.raises(ValueError, match="the loss returned loss after loss, few"):
        fastscape.surface(
            Coder(),
            [(x, x) for x in (TRAIN[0], TEST[0][:3])],
            loss=lambda o, x: {"loss": o[1].sum(1), **({"few": x.sum(1)} if len(x) > 3 else {})},
            plan=Plan("loop", 4, 64),
            **GRID,
        )


class Detector(nn.Module):
    """As a detection model of torchvision: with targets in training mode it returns its losses by name."""

    def __init__(self):
        super().__init__()
        self.body, self.boxes, self.scores = nn.Conv2d(1, 4, 3), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images, targets=None):
        features = torch.stack([self.body(image[None]).mean((0, 2, 3)) for image in images])
        boxes, scores = self.boxes(features), self.scores(features)
        if not self.training:
            return [{"boxes": box, "scores": score} for box, score in zip(boxes, scores, strict=True)]
        wanted = torch.stack([target["boxes"][0] for target in targets])
        labels = torch.stack([target["labels"][0] for target in targets])
        return {"loss_classifier": F.cross_entropy(scores, labels), "loss_box": F.l1_loss(boxes, wanted)}


def test_models_whose_loss_is_a_dictionary_in_training_mode():
    def batch(sizes):
        images = [torch.rand(1, size, size) for size in sizes]
        return images, [{"boxes": torch.rand(1, 4), "labels": torch.tensor([k % 2])} for k, _ in enumerate(sizes)]

    def objective(call, batch):
        losses = call(*batch)
        return {"loss": sum(losses.values()), **losses}

    model, batches = Detector(), [batch((5, 6)), batch((7, 4))]
    data = DataSets(train=batches, test=[batch((5, 5))])
    made = fastscape.surface(model, data, objective=objective, train_mode=True, **GRID)
    names = ["loss", "loss_classifier", "loss_box"]
    assert list(made.values) == [*names, *(f"{name} of test" for name in names)]
    losses = [model.train()(*batch) for batch in batches]
    wanted = np.mean([sum(one.values()).item() for one in losses])
    line = fastscape.line(model, data, objective=objective, train_mode=True, x=(0, 0, 1), progress=False)
    assert line.loss[0] == pytest.approx(wanted, rel=1e-5)
    assert line.values["loss_box"][0] == pytest.approx(np.mean([one["loss_box"].item() for one in losses]), rel=1e-5)


def test_a_measure_has_one_form_for_all_batches():
    def largest(outputs, targets):
        return outputs.amax(1) if len(outputs) == 6 else outputs.amax()

    with pytest.raises(ValueError, match="one value a sample for every batch or for none"):
        fastscape.surface(MODEL, BATCHES, metrics={"largest": largest}, per_class=[1], **GRID)


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ({"train": TRAIN, "test": {"x": TEST[0]}}, {}, TypeError, "'test' may be a data set or a part of a batch"),
        ({"train": TRAIN, 3: TEST}, {}, TypeError, "'3' may be a data set or a part of a batch"),
        ({"x": TRAIN[0], "y": TRAIN[1]}, {}, TypeError, r"several data sets fastscape.DataSets\(train"),
        ({"train": TRAIN, "test": []}, {}, ValueError, "the data set 'test': the data have no samples"),
        (
            {"train": TRAIN, "test": [3]},
            {},
            TypeError,
            r"the data set 'test': a batch cannot be read, got int; give \(inputs, targets\) tensors, a",
        ),
        (
            {"train": TRAIN, "a/b": TEST},
            {},
            ValueError,
            "the name of a data set must have no slash, got 'a/b'; for example 'test'",
        ),
        (
            {"train": TensorDataset(*TRAIN), "test": TEST},
            {"objective": lambda call, batch: call(batch[0]).sum(1)},
            TypeError,
            "'test' may be a data set",
        ),
        (
            {"train": TRAIN, "test": TEST},
            {"metrics": {"loss of test": fastscape.accuracy}},
            ValueError,
            "two measures would be named 'loss of test'",
        ),
        (
            {"train": TRAIN, "test": TEST},
            {"target_standard_error": 0.1},
            ValueError,
            "target_standard_error needs a single data set, got several; leave it out, or give the first",
        ),
        (TRAIN, {"per_class": "all"}, TypeError, "per_class must be True, or class numbers.*, got all"),
        (TRAIN, {"per_class": [0, 0]}, ValueError, "has a class twice"),
        (TRAIN, {"per_class": [0, 7]}, ValueError, "the data have no sample of class 7; leave it out"),
        (
            {"a": TRAIN, "b": [(TEST[0], TEST[1] * 0)]},
            {"per_class": [1]},
            ValueError,
            "set 'b' has no sample of class 1",
        ),
        (TRAIN, {"per_class": True, "stream_samples": 5}, ValueError, "write the class numbers, for example"),
        (
            TRAIN,
            {"per_class": True, "objective": lambda call, batch: call(batch[0]).sum(1)},
            ValueError,
            "per_class knows the targets of",
        ),
        (
            TRAIN,
            {"per_class": True, "loss": lambda o, t: F.cross_entropy(o, t)},
            ValueError,
            "per_class needs the losses of single samples",
        ),
        (
            (TRAIN[0], TRAIN[0]),
            {"per_class": True, "loss": F.mse_loss},
            ValueError,
            r"per_class needs targets that are class numbers \[n\], int64, got torch\.float32 \[23, 4\]; leave",
        ),
        (
            (torch.rand(150, 4), torch.arange(150)),
            {"per_class": True},
            ValueError,
            "per_class=True has 150 classes here",
        ),
        (
            {"a": TRAIN, "b": (TEST[0], TEST[1] + 5)},
            {"per_class": True},
            ValueError,
            "finds no class of which every set",
        ),
    ],
)
def test_what_is_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        fastscape.surface(MODEL, data, **options, **GRID)


def test_sets_that_are_none():
    with pytest.raises(ValueError, match=r"fastscape\.DataSets needs at least one data set; write for example"):
        DataSets()
    with pytest.raises(TypeError, match="holds data sets itself"):
        DataSets(a=DataSets(b=TRAIN))
    with pytest.raises(ValueError, match="the name of a data set must have no slash, got ' '; for example 'test'"):
        DataSets(**{" ": TRAIN})
    assert repr(DataSets(train=TRAIN)) == "DataSets(train=tuple)"
    assert list(DataSets(train=TRAIN, test=TEST)) == ["train", "test"]


def test_a_metric_that_is_a_mean_has_no_classes():
    found = fastscape.surface(
        MODEL,
        TRAIN,
        metrics={"largest": lambda o, t: o.amax(), **RIGHT},
        per_class=[1],
        plan=Plan("loop", 4, 64),
        **GRID,
    )
    assert list(found.values) == ["loss", "largest", "accuracy", "loss of class 1", "accuracy of class 1"]


def test_the_loss_that_is_differentiated_is_that_of_the_first_set():
    """For what differentiates: the sum over the batches of all sets, and the problem of the first set alone."""
    kept = []

    def watched(*arguments):
        kept.append(prepared(*arguments))
        return kept[-1]

    with mock.patch("fastscape.runs.run.prepared", watched):
        fastscape.surface(make().double().eval(), {"train": TRAIN, "test": BATCHES}, per_class=True, **GRID)
    (work,) = kept
    assert isinstance(work, Work)
    problem, first = work.problem, of_first_set(work.problem)
    assert (problem.size, problem.loss_samples, first.size, first.objective.names) == (33, 23, 23, ("loss",))
    assert of_first_set(first) is first
    theta = {name: t.clone().requires_grad_() for name, t in work.space.theta(problem.dtype).items()}
    gradients = []
    for one in (problem, first):
        with twice_differentiable(one):
            sums = [loss_sum(one, {**one.still, **theta}, batch, k) for k, batch in enumerate(one.batches(8))]
            assert all(value.requires_grad for value in sums)
            mean = torch.stack(sums).sum() / one.loss_samples
            gradients.append(torch.autograd.grad(mean, list(theta.values())))
    model = make().double().eval()
    moved = [parameter for name, parameter in model.named_parameters() if name in theta]
    plain = torch.autograd.grad(F.cross_entropy(model(TRAIN[0].double()), TRAIN[1]), moved)
    for a, b, wanted in zip(*gradients, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(a, wanted, rtol=1e-10, atol=1e-12)
