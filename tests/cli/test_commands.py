"""The command line, as a user types it."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape import Landscape, Plan
from fastscape.cli.app import main
from fastscape.cli.demo import demo
from fastscape.results import Values
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "mlp.safetensors"
    output = run("train", "mlp", "digits", "--epochs", 1, "--seed", 3, "--out", path)
    assert "mlp on digits" in output
    assert "test accuracy" in output
    return path


@pytest.fixture
def _few_images(monkeypatch):
    """One whole batch of a training and a rest."""
    load = datasets.load
    monkeypatch.setattr("fastscape.cli.demo.datasets.load", lambda *given: TensorDataset(*load(*given)[:66]))


@pytest.mark.usefixtures("_few_images")
def test_demo_writes_everything_and_says_so(tmp_path):
    output = run("demo", "--model", "mnist-cnn", "--grid", 5, "--seed", 1, "--out", tmp_path / "new")
    for name in ("model.safetensors", "landscape.npz", "contour.png", "surface.png", "explorer.html"):
        assert str(tmp_path / "new" / name) in output
        assert (tmp_path / "new" / name).stat().st_size > 1000
    assert output.count(" s  ") == 4  # three steps and their sum
    landscape = Landscape.load(tmp_path / "new" / "landscape.npz")
    assert landscape.shape == (5, 5)
    assert landscape.report["samples"] == 64
    assert landscape.report["seed"] == 1
    assert list(landscape.metrics) == ["accuracy"]
    assert load_checkpoint(tmp_path / "new" / "model.safetensors")[1]["model"] == "mnist-cnn"


def test_demo_evaluates_as_many_points_as_its_tolerance_needs(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("fastscape.views.live.live", lambda: seen.append)
    some = run("demo", "--model", "mlp", "--grid", 31, "--out", tmp_path / "some")
    rounds = len(seen)
    every = run("demo", "--model", "mlp", "--grid", 31, "--exact", "--out", tmp_path / "every")
    few, all_points = (Landscape.load(tmp_path / name / "landscape.npz") for name in ("some", "every"))
    assert f"{few.evaluated.sum()} of 961 points were evaluated" in some
    assert "within 0.005 of the range" in some
    assert few.evaluated.mean() < 0.6
    assert few.report["refinement"]["tolerance"] == 0.005
    assert few.report["refinement"]["rounds"] == rounds == len(seen)  # shown after each of them
    assert all_points.evaluated.all()
    assert "every one of them" in every
    assert "points were evaluated" not in every


def test_surface_within_a_tolerance(checkpoint, tmp_path):
    axes = ("--x", -1, 1, 24, "--y", -1, 1, 24)
    output = run("surface", checkpoint, *axes, "--tolerance", 0.01, "--no-pictures", "--out", tmp_path / "some.npz")
    landscape = Landscape.load(tmp_path / "some.npz")
    assert not landscape.evaluated.all()
    assert f"{landscape.evaluated.sum()} of 576 points were evaluated" in output
    assert landscape.report["refinement"]["tolerance"] == 0.01


def test_a_surface_is_shown_while_it_is_computed(checkpoint, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("fastscape.views.live.live", lambda: seen.append)
    axes = ("--x", -1, 1, 24, "--y", -1, 1, 24)
    run("surface", checkpoint, *axes, "--tolerance", 0.01, "--live", "--no-pictures", "--out", tmp_path / "some.npz")
    assert len(seen) >= 2


@pytest.mark.usefixtures("_few_images")
def test_demo_compares_a_deep_network_with_and_without_shortcuts(tmp_path, monkeypatch):
    networks = {"resnet8": "with", "resnet8-noshort": "without"}
    monkeypatch.setattr("fastscape.cli.demo.SKIP", networks)
    output = run("demo", "--model", "mlp", "--grid", 3, "--compare-skip", "--out", tmp_path)
    assert str(tmp_path / "compare.png") in output
    assert (tmp_path / "compare.png").stat().st_size > 10_000
    for name in networks:
        assert Landscape.load(tmp_path / f"{name}.npz").shape == (3, 3)
        assert load_checkpoint(tmp_path / f"{name}.safetensors")[1]["model"] == name


@pytest.mark.usefixtures("_few_images")
def test_demo_is_reproducible(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for out in (first, second):
        demo(out, model="mlp", grid=3, progress=False)
    assert (Landscape.load(first / "landscape.npz").loss == Landscape.load(second / "landscape.npz").loss).all()


def test_surface_of_a_checkpoint(checkpoint, tmp_path):
    out = tmp_path / "mine.npz"
    output = run(
        "surface", checkpoint, "--out", out, "--x", -0.5, 0.5, 3, "--y", 0, 1, 2, "--samples", 100, "--split", "test",
        "--normalize", "layer", "--perturb", "all", "--precision", "float64", "--seed", 4,
    )  # fmt: skip
    landscape = Landscape.load(out)
    assert landscape.x.tolist() == [-0.5, 0.0, 0.5]
    assert landscape.y.tolist() == [0.0, 1.0]
    wanted = {"samples": 100, "normalize": "layer", "perturb": "all", "precision": "float64", "seed": 4}
    assert wanted.items() <= dict(landscape.report).items()
    for name in ("mine.npz", "mine-contour.png", "mine-surface.png"):
        assert (tmp_path / name).exists()
        assert str(tmp_path / name) in output


def test_a_surface_of_both_parts_of_the_data(checkpoint, tmp_path):
    grid = ("--x", -0.5, 0.5, 3, "--y", 0, 1, 2, "--samples", 50, "--no-pictures")
    output = run("surface", checkpoint, "--out", tmp_path / "both.npz", *grid, "--split", "train,test")
    assert "100 samples" in output
    both = Landscape.load(tmp_path / "both.npz")
    assert list(both.values) == ["loss", "accuracy", "loss of test", "accuracy of test"]
    run("surface", checkpoint, "--out", tmp_path / "test.npz", *grid, "--split", "test")
    test = Landscape.load(tmp_path / "test.npz")
    assert np.allclose(both.values["loss of test"], test.loss, rtol=1e-5)
    picture = tmp_path / "both.png"
    run("plot", tmp_path / "both.npz", "--metric", "loss", "--metric", "loss of test", "--out", picture)
    assert picture.stat().st_size > 5000


def test_a_surface_with_a_store_goes_on_and_info_shows_it(checkpoint, tmp_path):
    pytest.importorskip("zarr")
    store, out = tmp_path / "run.zarr", tmp_path / "landscape.npz"
    plan = Plan("loop", chunk=9).save(tmp_path / "plan.json")
    grid = ["--x", -1, 1, 5, "--y", -1, 1, 5, "--samples", 8, "--no-pictures", "--plan", plan, "--out", out]
    grid += ["--store", store]
    run("surface", checkpoint, *grid)
    first = Landscape.load(out)
    (store / "sums" / "c" / "0" / "0").unlink()
    run("surface", checkpoint, *grid)
    assert (Landscape.load(out).loss == first.loss).all()
    assert Landscape.load(out).report["points_before"] == 16
    assert "points_before       16" in run("info", "--all", store)
    header = store / "zarr.json"
    header.write_text(header.read_text().replace('"report"', '"other"'))
    (store / "sums" / "c" / "1" / "0").unlink()
    said = run("info", "--all", store)
    assert "  points            16" in said
    assert "  of                25" in said
    assert "  running           False" in said
    assert "progress            16 of 25 points, no process is running\n" in run("info", store)


def test_pictures_can_be_left_out(checkpoint, tmp_path):
    run("surface", checkpoint, "--out", tmp_path / "a.npz", "--x", 0, 1, 2, "--y", 0, 1, 2, "--no-pictures")
    run("surface", checkpoint, "--out", tmp_path / "b.npz", "--x", 0, 1, 2, "--y", 0, 0, 1)  # a line: nothing to draw
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.filterwarnings("ignore:the direction of x is 0")
def test_lines_of_a_checkpoint(checkpoint, tmp_path):
    run("line", checkpoint, "--out", tmp_path / "a.npz", "--x", -2, 2, 5, "--distribution", "uniform")
    landscape = Landscape.load(tmp_path / "a.npz")
    assert landscape.shape == (5,)
    assert landscape.report["scheme"] == "line"
    assert landscape.report["distribution"] == "uniform"
    output = run(
        "line", checkpoint, "--to", checkpoint, "--out", tmp_path / "b.npz", "--x", 0, 0.5, 2, "--no-pictures"
    )
    (message,) = Landscape.load(tmp_path / "b.npz").report["warnings"]
    assert message.startswith("the direction of x is 0: it leads to a model with the same weights")
    assert "b.npz" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-loss.png", "a.npz", "b.npz"]


@pytest.mark.parametrize("scheme", ["linear2x", "barycentric", "bilinear"])
def test_every_scheme_of_a_surface(checkpoint, tmp_path, scheme):
    run("surface", checkpoint, "--scheme", scheme, "--x", -1, 1, 3, "--y", -1, 1, 3, "--out", tmp_path / "a.npz")
    assert Landscape.load(tmp_path / "a.npz").report["scheme"] == scheme


def test_info(checkpoint, tmp_path):
    run("surface", checkpoint, "--out", tmp_path / "a.npz", "--x", 0, 1, 2, "--y", 0, 1, 2, "--no-pictures")
    about = run("info", "--all", tmp_path / "a.npz")
    assert "Landscape(2 x 2 points" in about
    assert "normalize           filter" in about
    assert "eigenvalue_tolerance 0.001" in about
    assert "model               mlp" in run("info", checkpoint)
    assert "torch" in run("info")


def test_the_help_of_a_surface_names_every_curvature():
    said = " ".join(run("surface", "--help").replace("│", " ").split())
    assert "Derivatives along the axes, or Hessian eigenvalues. [plane|ratio]" in said


def test_the_version_is_said_and_nothing_else_is_done():
    wanted = f"fastscape {fastscape.__version__} (torch {torch.__version__})\n"
    assert run("--version") == run("--version", "info", "nowhere.npz") == wanted
    assert "--version" in run("--help")


def test_help_names_every_command():
    output = run("--help")
    assert all(command in output for command in ("demo", "train", "surface", "info"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "--model", "alexnet"), "no network is called 'alexnet'"),
        (("demo", "--grid", 1), "--grid must be at least 2, got 1"),
        (("demo", "--seed", -1), "seed must be an integer from 0 to 2^64 - 1, got -1"),
        (("train", "mlp", "digits", "--seed", -1), "seed must be an integer from 0 to 2^64 - 1, got -1"),
        (("train", "mlp", "imagenet"), "the data set must be digits, fashion-mnist, mnist or cifar10, got imagenet"),
        (("train", "mlp", "digits", "--epochs", 0), "--epochs must be at least 1, got 0"),
        (("surface", "nowhere.safetensors"), "got nowhere.safetensors, which does not exist"),
        (("info", "nowhere.npz"), "got nowhere.npz, which does not exist"),
        (("info", __file__), "is no landscape that this version can read"),
        (("surface",), "Missing argument"),
        (("surface", "m.safetensors", "--live"), "write --tolerance 0.005 too"),
        (("surface", "m", "--tolerance", "0.1", "--draw-samples", "many"), "Invalid value"),
        (("surface", "m", "--reach", "auto", "--points", 1), "--points must be at least 2 with --reach auto, got 1"),
        (("surface", "m", "--reach", "inf"), "--reach must be auto or a number above 0, got inf"),
        (("demo", "--grid", "many"), "Invalid value"),
    ],
)
def test_mistakes_end_with_a_message_and_code_2(arguments, message, capsys, monkeypatch):
    error = " ".join(fails(capsys, monkeypatch, *arguments).replace("│", " ").split())
    assert message in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--samples", 0), "--samples must be at least 1, got 0"),
        (("--scheme", "spiral"), "--scheme must be plane, linear2x, barycentric or bilinear, got spiral"),
        (("--x", 1, 0, 3), "x does not increase"),
        (("--out", "landscape.png", "--samples", 10**9), "--out must end in .npz, got landscape.png"),
        (("--device", "banana"), "--device must be cpu or cuda, got banana"),
        (("--seed", -1), "seed must be an integer from 0 to 2^64 - 1, got -1"),
    ],
)
def test_mistakes_in_a_surface(options, message, checkpoint, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    small = ("--x", 0, 1, 2, "--y", 0, 1, 2) if "--x" not in options else ()
    assert message in fails(capsys, monkeypatch, "surface", checkpoint, *small, *options)


def test_as_many_samples_as_the_standard_error_needs(checkpoint, tmp_path, capsys, monkeypatch):
    out = tmp_path / "surface.npz"
    grid = ["--x", -1, 1, 3, "--y", -1, 1, 3, "--split", "train", "--no-pictures", "--out", out]
    output = run("surface", checkpoint, *grid, "--target-standard-error", 0.05)
    report = Landscape.load(out).report
    assert 512 <= report["samples"] < 1500
    assert f"{report['samples']} of 1500 samples" in output
    assert report["standard_error"]["met"]
    line = ["line", checkpoint, "--x", -1, 1, 3, "--no-pictures", "--out", tmp_path / "line.npz"]
    output = run(*line, "--samples", 300, "--target-standard-error", 0.0001)
    assert "300 of 300 samples" in output
    assert "at some points the standard error is above 0.0001 of the range" in output
    assert " of 64 samples" not in run(*line)
    assert Landscape.load(tmp_path / "line.npz").report["samples"] == 64
    assert "target_standard_error must be a fraction of the range, above 0 and below 1, got 2.0" in fails(
        capsys, monkeypatch, *line, "--target-standard-error", 2
    )


@pytest.mark.parametrize("module", ["fastscape", "fastscape.cli"])
def test_the_modules_run_as_a_program(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fastscape", "info"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module(module, run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("fastscape")


def test_the_benchmark_suite_is_found_in_a_checkout():
    script = Path(sys.executable).with_name("fastscape")
    if not script.exists():
        pytest.skip("the console script is not installed beside this Python")
    result = subprocess.run([script, "bench", "--help"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--problems" in result.stdout


def volume(axis: np.ndarray) -> Landscape:
    loss = 0.1 + axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    return Landscape.of(Values({"x": axis, "y": axis, "z": axis}, {"loss": loss, "accuracy": 1 / (1 + loss)}))


@pytest.fixture
def bowls(tmp_path):
    axis = np.linspace(-1, 1, 9)
    loss = 0.1 + axis[:, None] ** 2 + axis**2
    plane = Landscape(axis, axis, loss, {"accuracy": 1 / (1 + loss)})
    return {
        "plane": plane.save(tmp_path / "plane.npz"),
        "steep": Landscape(axis, axis, 3 * loss).save(tmp_path / "steep.npz"),
        "line": Landscape(axis, None, loss[4], {"accuracy": 1 / loss[4]}).save(tmp_path / "line.npz"),
        "volume": volume(axis).save(tmp_path / "volume.npz"),
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("plane",),
        ("line", "--log"),
        ("line", "--metric", "loss", "--metric", "accuracy"),
        ("plane", "--metric", "loss", "--metric", "accuracy"),
        ("plane", "--kind", "surface3d", "--metric", "accuracy", "--clip", 0.5),
        ("plane", "--linear", "--start", 0.9, -0.5, "--optimizer", "adam", "--steps", 4, "--lr", 0.05),
        ("plane", "steep"),
        ("plane", "steep", "--kind", "surface3d"),
        ("line", "--size", "slide"),
        ("plane", "--start", 0.9, -0.5, "--optimizer", "adam", "--steps", 4, "--size", "5X4.5"),
        ("volume",),
        ("volume", "--how", "min", "--metric", "accuracy"),
    ],
)
def test_plot_draws_landscapes_from_files(arguments, bowls, tmp_path):
    out = tmp_path / "new" / "picture.png"
    output = run("plot", *(bowls.get(str(argument), argument) for argument in arguments), "--out", out)
    assert str(out) in output
    assert out.stat().st_size > 5000
    assert ("Walk(adam, 4 steps from and to (0.9, -0.5)" in output) == ("--start" in arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plane", "steep", "--start", 0, 0), "--start must come with one landscape, got 2"),
        (("plane", "--kind", "globe"), "--kind must be contour or surface3d, got globe"),
        (("plane", "--metric", "f1"), "metric='f1' is unknown; this landscape has loss, accuracy"),
        (("plane", "--start", 5, 0), "start must be on the landscape"),
        (("line", "--start", 0, 0), "a surface to walk on needs at least 2 x 2 points"),
        (("plane", "--steps", 5), "--steps needs --start"),
        (("line", "--kind", "contour"), "--kind is for a landscape of 2 axes, got 1"),
        (("plane", "--how", "min"), "--how is for a landscape of 3 axes or more, got 2"),
        (("volume", "--how", "max"), "--how must be slice, min or mean, got max"),
        (
            ("volume", "--kind", "contour"),
            "--kind is for a landscape of 2 axes, got 3, which is drawn as a map for each pair of axes",
        ),
        (
            ("plane", "steep", "--metric", "loss", "--metric", "accuracy"),
            "--metric must come once for several landscapes or a walk, got loss, accuracy",
        ),
        (("plane", "--out", "x.xyz"), "xyz"),
        (("plane", "--size", "5"), "--size must be column, slide or the width and height in inches, got 5; write for"),
        (("plane", "--size", "0x4"), "got 0x4; write for example --size 5x4"),
        (
            ("plane", "steep", "--size", "column"),
            "--size is for the picture of one line, or of one measure of a plane",
        ),
        (("volume", "--size", "column"), "got a landscape of 3 axes, which has several panels; leave it out"),
        (("plane", "--metric", "loss", "--metric", "accuracy", "--size", "slide"), "got 2 measures; leave it out"),
    ],
)
def test_plot_refuses_what_it_cannot_draw(arguments, message, bowls, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, monkeypatch, "plot", *(bowls.get(str(a), a) for a in arguments))


@pytest.mark.parametrize(("size", "pixels"), [("column", (510, 435)), ("6x3.5", (900, 525))])
@pytest.mark.parametrize("kind", [("plane",), ("line",), ("plane", "--kind", "surface3d")])
def test_plot_draws_at_the_size_that_is_asked_for(size, pixels, kind, bowls, tmp_path):
    out = tmp_path / "picture.png"
    run("plot", bowls[kind[0]], *kind[1:], "--size", size, "--out", out)
    assert plt.imread(out).shape[1] == pixels[0]
    assert plt.imread(out).shape[0] <= pixels[1]


def test_explore_writes_a_page_and_opens_it(bowls, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    out = tmp_path / "new" / "page.html"
    assert str(out) in run("explore", bowls["plane"], "--out", out)
    assert opened == []
    run("explore", bowls["plane"], bowls["steep"], "--out", out, "--open")
    assert opened == [out.resolve().as_uri()]
    assert "<title>Loss landscape: plane, steep</title>" in out.read_text()
    assert '"basins": null' in out.read_text()
    run("explore", bowls["volume"], "--out", out, "--basins")
    assert "basin 0 of 1: minimum" in out.read_text()


def test_explore_says_where_no_browser_can_be_started(bowls, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "no browser could be started here" in fails(capsys, monkeypatch, "explore", bowls["plane"], "--open")
    assert (tmp_path / "explorer.html").exists()
    assert "got a line; write fastscape plot" in fails(capsys, monkeypatch, "explore", bowls["line"])


def test_a_mistake_of_any_kind_is_one_line_and_its_place_is_shown_when_asked(monkeypatch, capsys, tmp_path):
    file = Landscape(np.arange(2.0), None, np.zeros(2)).save(tmp_path / "line.npz")
    assert "the file to write must end in .csv" in fails(capsys, monkeypatch, "export", file, tmp_path / "line.xlsx")

    def broken(*arguments):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(Landscape, "load", broken)
    error = fails(capsys, monkeypatch, "info", file)
    assert error.startswith("fastscape: RuntimeError: out of luck")
    assert "write fastscape --debug ... to see where" in error
    monkeypatch.setattr(sys, "argv", ["fastscape", "--debug", "info", str(file)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "in broken" in capsys.readouterr().err


def test_export_and_import(tmp_path):
    made = Landscape(np.arange(3.0), np.arange(2.0), np.arange(6.0).reshape(3, 2), {"accuracy": np.ones((3, 2))})
    file = made.save(tmp_path / "landscape.npz")
    for name in ("landscape.csv", "landscape.h5"):
        assert str(tmp_path / name) in run("export", file, tmp_path / name)
        assert "3 x 2 points" in run("info", tmp_path / name)


def test_info_is_readable(tmp_path, checkpoint):
    out = tmp_path / "landscape.npz"
    run("surface", checkpoint, "--samples", 8, "--x", -1, 1, 3, "--y", -1, 1, 2, "--out", out, "--no-pictures")
    lines = run("info", "--all", out).splitlines()
    assert max(map(len, lines)) < 300
    shown = {line.split()[0]: line for line in lines if line.split()}
    for name in (
        "centre",
        "deterministic",
        "weights_hash",
        "data_hash",
        "norms",
        "cosine",
        "standard_error",
        "untouched",
    ):
        assert name in shown
    assert "accuracy" in shown


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"image_size": 4}, "must take the images of digits, got .*; give a checkpoint from `fastscape train`"),
        ({"classes": 3}, "must have the 10 classes of digits, got 3; give a checkpoint from `fastscape train`"),
    ],
)
@pytest.mark.parametrize("command", ["surface", "line"])
def test_a_network_that_does_not_fit_its_data_set(command, sizes, message, tmp_path, capsys, monkeypatch):
    save_checkpoint(models.build("mlp", **sizes), tmp_path / "a", model_name="mlp", dataset_name="digits")
    assert re.search(f"fastscape: the network in .*/a {message}", fails(capsys, monkeypatch, command, tmp_path / "a"))
