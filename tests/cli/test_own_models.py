"""Commands on a model of one's own: the names of model, data, loss and metrics, and the file of its weights."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

import fastscape
from commands import fails, run
from fastscape import Landscape
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import save_checkpoint

MINE = """
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

with open("imports", "a") as file:
    file.write("once\\n")


def make_model():
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


class Wide(nn.Linear):
    def __init__(self):
        super().__init__(6, 3)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, inputs):
        return self.second(self.first(inputs))


def samples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 6, generator=generator), torch.randint(3, (40,), generator=generator)


def make_data():
    Path("read").touch()
    return samples()


def make_targets():
    inputs, _ = samples()
    return inputs, inputs[:, :3] ** 2


def make_sets():
    inputs, targets = samples()
    return {"train": (inputs[:30], targets[:30]), "test": (inputs[30:], targets[30:])}


def make_batches():
    inputs, targets = samples()
    return [{"x": inputs[:20], "y": targets[:20]}, {"x": inputs[20:], "y": targets[20:]}]


class Samples(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, index):
        inputs, targets = samples()
        return inputs[index], targets[index]


model = make_model()
data_set = TensorDataset(*samples())
settings = {"width": 8}


def make_dict():
    return {"weights": 1}


def make_nothing():
    samples()


def needs_width(width):
    return nn.Linear(6, width)


def in_halves(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets) / 2


def of_batches(model, batch):
    return nn.functional.cross_entropy(model(batch["x"]), batch["y"])
"""
OWN = "mine:make_model", "--data", "mine:make_data"
LINE = "--x", -1, 1, 3, "--no-pictures", "--out", "line.npz"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """The current folder, with a module; the path and the modules are afterwards as before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(MINE)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def mine():
    """The same objects, without the command line."""
    found = {}
    exec(MINE, found)
    return found


def trained():
    """A model of which every parameter and statistic differs from those of `make_model`."""
    model = mine()["make_model"]()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(tensor * 2 + 1)
    return model.eval()


def loss_of(model, loss=F.cross_entropy, data="samples"):
    inputs, targets = mine()[data]()
    with torch.no_grad():
        return loss(model.eval()(inputs), targets).item()


def centre(file="line.npz"):
    loss = Landscape.load(file).loss
    return loss[tuple(n // 2 for n in loss.shape)]


FORMS = {
    "bare.pt": lambda state: state,
    "last.pth": lambda state: {"state_dict": state, "epoch": 3},
    "model.pt": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "state.pt": lambda state: {"model_state_dict": state},
    "parallel.pt": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "averaged.pt": lambda state: {"n_averaged": torch.tensor(3)} | {f"module.{n}": t for n, t in state.items()},
    "compiled.pt": lambda state: {"model": {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("name", [*FORMS, "whole.safetensors"])
def test_weights_in_every_form(name):
    model = trained()
    if name in FORMS:
        torch.save(FORMS[name](model.state_dict()), name)
    else:
        save_file(model.state_dict(), name)
    said = run("line", *OWN, "--weights", name, *LINE)
    assert "40 samples" in said
    assert centre() == pytest.approx(loss_of(model), rel=1e-6)
    assert abs(loss_of(model) - loss_of(mine()["make_model"]())) > 0.01


def test_tied_weights_that_a_file_has_once():
    model = mine()["Tied"]()
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "second.weight"}
    save_file(state, "tied.safetensors")
    run("line", "mine:Tied", "--data", "mine:make_data", "--weights", "tied.safetensors", *LINE)
    assert centre() == pytest.approx(loss_of(model), rel=1e-6)


@pytest.mark.parametrize("name", ["mine:make_model", "mine:model", "mine.py:make_model", "sub/other.py:model"])
@pytest.mark.parametrize("data", ["mine:make_data", "mine.py:data_set", "mine:Samples"])
def test_names_of_models_and_data(name, data, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.py").write_text(MINE)
    run("line", name, "--data", data, *LINE)
    assert centre() == pytest.approx(loss_of(mine()["make_model"]()), rel=1e-6)


def test_a_module_runs_once_and_finds_what_lies_beside_it(tmp_path):
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "beside.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Linear(6, 3)\n")
    (folder / "net.py").write_text("from beside import make\n\nmodel = make()\n")
    run("line", "nets/net.py:model", "--data", "mine.py:make_data", "--loss", "mine:in_halves", *LINE)
    assert (tmp_path / "imports").read_text() == "once\n"
    model = sys.modules["net"].model
    assert centre() == pytest.approx(loss_of(model) / 2, rel=1e-6)


def test_a_file_of_the_name_of_a_module_that_is_there(tmp_path):
    (tmp_path / "json.py").write_text(MINE)
    run("line", "json.py:make_model", "--data", "json.py:make_data", *LINE)
    assert (tmp_path / "imports").read_text() == "once\n"
    assert centre() == pytest.approx(loss_of(mine()["make_model"]()), rel=1e-6)
    assert not hasattr(sys.modules["json"], "make_model")


def test_a_name_of_two_modules_is_none(capsys, monkeypatch, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.py").write_text(MINE)
    (tmp_path / "json.py").write_text(MINE)
    error = fails(capsys, monkeypatch, "line", "sub/mine.py:model", "--data", "mine:make_data")
    assert "--data names mine, but a module of that name is there from " in error
    assert f"write {tmp_path / 'mine.py'}:name" in error
    assert "--data names json, but a module of" in fails(
        capsys, monkeypatch, "line", "mine.py:model", "--data", "json:make_data"
    )
    run("line", "sub/mine.py:model", "--data", "mine.py:make_data", *LINE)
    assert centre() == pytest.approx(loss_of(mine()["make_model"]()), rel=1e-6)


def test_the_current_folder_comes_first(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "net.py").write_text("import torch\n\nmodel = torch.nn.Linear(6, 3)\n")
    (tmp_path / "sub" / "numbers_of.py").write_text("data = None\n")
    (tmp_path / "numbers_of.py").write_text("from mine import make_data\n\ndata = make_data()\n")
    run("line", "sub/net.py:model", "--data", "numbers_of:data", *LINE)
    assert centre() == pytest.approx(loss_of(sys.modules["net"].model), rel=1e-6)


def test_a_surface_as_in_python():
    torch.save(trained().state_dict(), "last.pt")
    axes = "--x", -1, 1, 3, "--y", -1, 0.5, 2
    said = run("surface", *OWN, "--weights", "last.pt", *axes, "--seed", 2, "--metric", "fastscape:accuracy")
    found = Landscape.load("landscape.npz")
    wanted = fastscape.surface(
        trained(),
        mine()["samples"](),
        x=(-1, 1, 3),
        y=(-1, 0.5, 2),
        seed=2,
        metrics={"accuracy": fastscape.accuracy},
        progress=False,
    )
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-5)
    np.testing.assert_array_equal(found.metrics["accuracy"], wanted.metrics["accuracy"])
    for name in ("landscape-contour.png", "landscape-surface.png"):
        assert name in said
        assert Path(name).stat().st_size > 1000


def test_no_accuracy_of_its_own_accord():
    run("line", "mine:Wide", "--data", "mine:make_targets", "--loss", "torch.nn.functional:mse_loss", *LINE)
    assert list(Landscape.load("line.npz").values) == ["loss"]


def test_several_data_sets():
    run("line", "mine:make_model", "--data", "mine:make_sets", *LINE)
    assert list(Landscape.load("line.npz").values) == ["loss", "loss of test"]


def test_an_objective_for_other_batches():
    run("line", "mine:make_model", "--data", "mine:make_batches", "--objective", "mine:of_batches", *LINE)
    assert centre() == pytest.approx(loss_of(mine()["make_model"]()), rel=1e-6)


def test_a_line_to_other_weights():
    torch.save({"state_dict": {f"module.{n}": t for n, t in trained().state_dict().items()}}, "last.pt")
    run("line", *OWN, "--to", "last.pt", "--x", 0, 1, 2, "--no-pictures")
    ends = loss_of(mine()["make_model"]()), loss_of(trained())
    assert Landscape.load("line.npz").loss == pytest.approx(ends, rel=1e-6)


REGRESSION = "mine:model", "--data", "mine:make_targets", "--loss", "torch.nn.functional:mse_loss", "--no-pictures"


def test_a_volume():
    run("volume", *REGRESSION, "--points", 3, "--reach", 0.1)
    wanted = loss_of(mine()["make_model"](), F.mse_loss, "make_targets")
    assert centre("volume.npz") == pytest.approx(wanted, rel=1e-6)


def test_a_basin():
    options = {"directions": 4, "drop": 0.2, "limit": 4.0}
    written = [text for name, value in options.items() for text in (f"--{name}", value)]
    run("basin", *OWN, "--metric", "fastscape:accuracy", "--measure", "accuracy", *written, "--no-pictures")
    found = fastscape.BasinRadius.load("basin.json")
    model, data = mine()["make_model"](), mine()["samples"]()
    wanted = fastscape.basin_radius(
        model, data, metrics={"accuracy": fastscape.accuracy}, measure="accuracy", progress=False, **options
    )
    np.testing.assert_allclose(found.radii, wanted.radii, rtol=1e-5)
    assert len(found.radii) == 4


def test_the_sharpness():
    few = "--measures", "random_directions", "--radii", 0.2
    run("sharpness", *REGRESSION, *few)
    found = fastscape.Sharpness.load("sharpness.json")
    wanted = loss_of(mine()["make_model"](), F.mse_loss, "make_targets")
    assert found.loss == pytest.approx(wanted, rel=1e-6)
    assert found.samples == 40


def test_the_spectrum():
    pytest.importorskip("curvlinops")
    linear = "mine:Wide", *REGRESSION[1:], "--perturb", "weights"
    run("spectrum", *linear, "--k", 1, "--probes", 2, "--steps", 10, "--trace-probes", 4)
    inputs, _ = mine()["make_targets"]()
    hessian = 2 / 3 * (inputs.T @ inputs / 40).double()  # of each of the three rows
    found = fastscape.Spectrum.load("spectrum.json")
    assert found.eigenvalues[0] == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-3)


COMMANDS = "surface", "line", "volume", "basin", "sharpness", "spectrum"

MISTAKES = {
    ("mine", "--data", "mine:make_data"): "the model must be package.module:name or path/to/file.py:name, got mine",
    (
        "mine:make-model",
        "--data",
        "mine:make_data",
    ): "the model must be package.module:name or path/to/file.py:name, got mine:make-model",
    ("mine:make_model",): "mine:make_model needs --data; write for example package.module:make_model --data",
    ("mine:make_model", "--weights", "a.pt"): "mine:make_model needs --data",
    (
        "mine:make_modl",
        "--data",
        "mine:make_data",
    ): "mine has no make_modl, given as the model; it has make_model",
    ("mine.py:make_modl", "--data", "mine:make_data"): "mine.py has no make_modl",
    ("mine:nn.Lineer", "--data", "mine:make_data"): "has no Lineer, given as the model; it has Linear",
    ("nowhere.net:make", "--data", "mine:make_data"): "there is no module nowhere on the path or in ",
    ("mine.net:make", "--data", "mine:make_data"): "there is no module mine.net on the path or in ",
    (
        "nowhere.py:make",
        "--data",
        "mine:make_data",
    ): "the model must be package.module:name or path/to/file.py:name; there is no file nowhere.py",
    (
        "mine:settings",
        "--data",
        "mine:make_data",
    ): "mine:settings must be a torch.nn.Module or a function that",
    ("mine:make_dict", "--data", "mine:make_data"): "mine:make_dict must return a torch.nn.Module, got a dict",
    (
        "mine:needs_width",
        "--data",
        "mine:make_data",
    ): "mine:needs_width must be a function that can be called without arguments; it ended in TypeError:",
    ("mine:make_model", "--data", "mine:make_dta"): "mine has no make_dta, given as --data; it has make_data",
    (
        "mine:make_model",
        "--data",
        "mine:make_nothing",
    ): "mine:make_nothing must return data as ",
    ("mine:make_model", "--data", "mine"): "--data must be package.module:name or path/to/file.py:name, got mine",
    (*OWN, "--loss", "mine:settings"): "--loss must name a function, got a dict: mine:settings",
    (*OWN, "--loss", "mse"): "--loss must be package.module:name or path/to/file.py:name, got mse",
    (*OWN, "--objective", "mine:nothing"): "mine has no nothing, given as --objective",
    (
        *OWN,
        "--weights",
        "a.pt",
    ): "--weights must be a state dict from torch.save or safetensors, got a.pt",
    (*OWN, "--samples", 10): "--samples is for data sets of the zoo, got --data mine:make_data",
    (*OWN, "--split", "test"): "--split is for data sets of the zoo, got --data mine:make_data",
    (*OWN, "--root", "sets"): "--root is for data sets of the zoo, got --data mine:make_data",
    ("mine.py",): "must be a checkpoint from `fastscape train` or the name of your own, got mine.py",
    (
        "mine.py",
        "--data",
        "mine:make_data",
    ): "--data is for a model of your own, got the file mine.py; leave --data out",
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.items())
def test_mistakes_are_found_before_data_are_read(arguments, message, capsys, monkeypatch, tmp_path):
    for command in ("line", "sharpness"):
        assert message in fails(capsys, monkeypatch, command, *arguments)
    assert not (tmp_path / "read").exists()


def test_mistakes_in_metrics_and_in_what_lies_at_the_other_end(capsys, monkeypatch, tmp_path):
    twice = "--metric", "fastscape:accuracy", "--metric", "fastscape:accuracy"
    assert "got --metric twice with the name accuracy" in fails(capsys, monkeypatch, "line", *OWN, *twice)
    assert "--to must be a state dict" in fails(capsys, monkeypatch, "line", *OWN, "--to", "b.pt")
    assert not (tmp_path / "read").exists()


def test_one_model_at_a_time(capsys, monkeypatch):
    for command in ("surface", "basin", "sharpness"):
        message = fails(capsys, monkeypatch, command, *OWN, "mine:model", "--out", "folder")
        assert "a model of your own must be named once, got 2 names; write --weights for each" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {n: t for n, t in s.items() if not n.startswith("1.r")},
            "lack 1.running_mean, 1.running_var; they",
        ),
        (
            lambda s: s | {f"head.{k}": torch.ones(2) for k in range(6)},
            "also have head.0, head.1, head.2, head.3, ...;",
        ),
        (
            lambda s: s | {"3.bias": torch.ones(4)},
            "--weights must fit the model, got last.pt: size mis",
        ),
        (lambda s: {f"net.{n}": t for n, t in s.items()}, "; they have net.0.weight, net.0.bias, net.1.weight"),
        (lambda s: {"epoch": 3}, "must hold a state dict"),
        (lambda s: nn.Linear(6, 3), "must be a state dict that torch.save or safetensors has written"),
    ],
)
def test_weights_that_do_not_fit(change, message, capsys, monkeypatch, tmp_path):
    torch.save(change(trained().state_dict()), "last.pt")
    assert message in fails(capsys, monkeypatch, "surface", *OWN, "--weights", "last.pt")
    assert not (tmp_path / "read").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "raise KeyError('width')",
            "{} must be a module that can be imported; its import ended in KeyError: 'width'",
        ),
        ("import sys\nsys.exit(3)", "its import ended in SystemExit: 3"),
        ("import not_installed_anywhere", "{}, given as the model, needs not_installed_anywhere: install it"),
    ],
)
@pytest.mark.parametrize("place", ["broken", "broken.py"])
def test_a_module_that_cannot_be_imported(code, message, place, capsys, monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text(f"{code}\n")
    error = fails(capsys, monkeypatch, "line", f"{place}:make", "--data", "mine:make_data")
    assert message.format(place) in error


def test_a_checkpoint_has_data_and_may_have_another_loss(capsys, monkeypatch):
    size = datasets.describe(datasets.load("digits"))._asdict()
    save_checkpoint(models.build("mlp", seed=0, **size), "mlp.safetensors", model_name="mlp", dataset_name="digits")
    for option in (("--data", "mine:make_data"), ("--weights", "a.pt")):
        message = fails(capsys, monkeypatch, "line", "mlp.safetensors", *option)
        assert (
            f"{option[0]} is for a model of your own, got the file mlp.safetensors; leave {option[0]} out" in message
        )
    few = "--samples", 16, "--x", -1, 1, 3, "--no-pictures"
    run("line", "mlp.safetensors", *few)
    whole = Landscape.load("line.npz").loss
    run("line", "mlp.safetensors", *few, "--loss", "mine:in_halves", "--metric", "mine:in_halves")
    found = Landscape.load("line.npz")
    np.testing.assert_allclose(2 * found.loss, whole, rtol=1e-6)
    assert list(found.values) == ["loss", "accuracy", "in_halves"]
    torch.save(trained().state_dict(), "last.pt")
    assert "the model must be a checkpoint from `fastscape train` or the name of your own, got last.pt" in fails(
        capsys, monkeypatch, "surface", "last.pt"
    )


def test_the_help_says_that_code_runs():
    for command in (*COMMANDS, "barrier", "connect", "trajectory", "align"):
        said = " ".join(run(command, "--help").replace("│", " ").split())
        assert "importing it runs your code" in said
        for option in ("--data", "--weights", "--objective", *(["--loss"] if command != "align" else [])):
            assert option in said
