"""Stores: a run that was ended in any way goes on where it was, and nothing that is stored is lost or mixed up."""

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.engine import Engine

pytest.importorskip("zarr")

import pathlib

import stored_runs
from stored_runs import CHUNK, PLAN, SIDE, answered, started, surface

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
BLOCKS = SIDE**2 // CHUNK


@pytest.fixture(scope="module")
def whole():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return surface(None)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture
def evaluated(monkeypatch):
    """The numbers of points of all chunks that are evaluated."""
    sums, sizes = Engine.sums, []

    def counted(self, points):
        sizes.append(len(points))
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", counted)
    return sizes


def block(store, number):
    return store / "sums" / "c" / str(number) / "0"


def same(a: Landscape, b: Landscape) -> bool:
    pairs = [(a.x, b.x), (a.y, b.y), (a.standard_error, b.standard_error)]
    pairs += [(a.values[name], b.values[name]) for name in a.values]
    return a.values.keys() == b.values.keys() and all(x.tobytes() == y.tobytes() for x, y in pairs)


def test_a_store_changes_no_value_and_goes_on_where_blocks_are_missing(tmp_path, whole, evaluated):
    store = tmp_path / "run.zarr"
    kept = surface(store)
    assert same(kept, whole)
    assert kept.report["points_before"] == 0
    assert len(evaluated) == BLOCKS
    for number in (0, 7, BLOCKS - 1):
        block(store, number).unlink()
    evaluated.clear()
    again = surface(store)
    assert same(again, whole)
    assert evaluated == [CHUNK] * 3
    assert again.report["points_before"] == SIDE**2 - 3 * CHUNK
    evaluated.clear()
    assert same(surface(store), whole)
    assert evaluated == []


def test_a_finished_store_is_a_landscape_and_an_xarray(tmp_path):
    xarray = pytest.importorskip("xarray")
    store = tmp_path / "run.zarr"
    kept = surface(store, metrics={"accuracy": fastscape.accuracy})
    loaded = Landscape.load(store)
    assert same(loaded, kept)
    assert loaded.report == json.loads(json.dumps(dict(kept.report)))
    with xarray.open_zarr(store, consolidated=False) as dataset:
        assert dataset["loss"].dims == ("x", "y")
        assert np.array_equal(dataset["accuracy"].values, kept.metrics["accuracy"])


def test_an_unfinished_store_is_a_landscape_with_holes(tmp_path, whole):
    store = tmp_path / "run.zarr"
    surface(store, metrics={"accuracy": fastscape.accuracy})
    attributes = json.loads((store / "zarr.json").read_text())
    del attributes["attributes"]["report"]
    (store / "zarr.json").write_text(json.dumps(attributes))
    block(store, 2).unlink()
    loaded = Landscape.load(store)
    holes = np.zeros(SIDE**2, dtype=bool)
    holes[2 * CHUNK : 3 * CHUNK] = True
    assert np.array_equal(np.isnan(loaded.loss.ravel()), holes)
    assert np.array_equal(loaded.loss.ravel()[~holes], whole.loss.ravel()[~holes])
    assert set(loaded.metrics) == {"accuracy"}
    assert loaded.report["progress"] == {"points": SIDE**2 - CHUNK, "of": SIDE**2, "running": False}


def test_a_line_and_given_directions_are_kept_too(tmp_path):
    (model, data), (other, _) = stored_runs.problem(), stored_runs.problem()
    with torch.no_grad():
        other[0].weight.add_(1.0)
    options = {"x": (0, 1, 9), "to": other, "plan": PLAN, "progress": False, "store": tmp_path / "line.zarr"}
    first = fastscape.line(model, data, **options)
    (tmp_path / "line.zarr" / "sums" / "c" / "1" / "0").unlink()
    assert np.array_equal(fastscape.line(model, data, **options).loss, first.loss)
    with torch.no_grad():
        other[0].weight.add_(1.0)
    with pytest.raises(ValueError, match=r"^\S*line\.zarr has other directions; give the same ones, or another store"):
        fastscape.line(model, data, **options)


@pytest.mark.filterwarnings("ignore:the direction of . is 0")
def test_lines_surfaces_and_kinds_of_directions_are_told_apart(tmp_path):
    (model, data), (other, _) = stored_runs.problem(), stored_runs.problem()
    surface(tmp_path / "run.zarr")
    options = {"x": (-1, 1, SIDE), "plan": PLAN, "progress": False, "store": tmp_path / "run.zarr"}
    with pytest.raises(ValueError, match=r"axes 2 \(now 1\)"):
        fastscape.line(model, data, scheme="plane", **options)
    with pytest.raises(ValueError, match=r"directions random \(now \['between models', 'between models'\]\)"):
        fastscape.surface(model, data, directions=(other, other), y=(-1, 1, SIDE), **options)


@pytest.mark.filterwarnings("ignore:the loss is the same at every point")
@pytest.mark.filterwarnings("ignore:the loss at the model itself is")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, -0.0, 0.0])
def test_any_value_counts_as_done(tmp_path, evaluated, value):
    def loss(outputs, targets):
        return outputs.sum() * 0 + value

    kept = surface(tmp_path / "run.zarr", loss=loss)
    assert len(evaluated) == BLOCKS
    evaluated.clear()
    again = surface(tmp_path / "run.zarr", loss=loss)
    assert evaluated == []
    assert np.array_equal(again.loss, kept.loss, equal_nan=True)


def test_what_the_planner_found_is_followed_again(tmp_path, evaluated):
    options = {"plan": "auto", "x": (-1, 1, 60), "y": (-1, 1, 60)}
    first = surface(tmp_path / "run.zarr", **options)
    assert first.report["plans_measured"]
    numbers = sorted((tmp_path / "run.zarr" / "sums" / "c").iterdir())
    (numbers[-1] / "0").unlink()
    evaluated.clear()
    again = surface(tmp_path / "run.zarr", **options)
    assert (again.report["plan"], again.report["plans_measured"]) == (
        first.report["plan"],
        json.loads(json.dumps(first.report["plans_measured"])),
    )
    assert sum(evaluated) <= 3600 - again.report["points_before"] + 1  # a hoisting engine looks at one point first


def _other_model():
    model, data = stored_runs.problem()
    with torch.no_grad():
        model[0].weight[0, 0] += 1e-3
    return model, data


def _other_data():
    model, (inputs, targets) = stored_runs.problem()
    return model, (inputs.flip(0), targets)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (_other_model, {}, r"begun with weights_hash .*\.\.\. \(now .*\.\.\.\); call with the same model, data and"),
        (_other_data, {}, r"begun with data_hash "),
        (None, {"seed": 4}, r"run\.zarr was begun with seed 0 \(now 4\)"),
        (None, {"scheme": "bilinear"}, r"scheme plane \(now bilinear\), normalize filter \(now none\)"),
        (None, {"loss": F.multi_margin_loss}, r"loss torch\.nn\.functional\.cross_entropy \(now torch"),
        (None, {"metrics": {"accuracy": fastscape.accuracy}}, r"metrics \{\} \(now \{'accuracy'"),
        (None, {"distribution": "uniform"}, r"distribution normal \(now uniform\)"),
        (None, {"perturb": "all"}, r"perturb weights \(now all\)"),
        (None, {"precision": "float64"}, r"precision float32 \(now float64\)"),
        (None, {"train_mode": True}, r"training False \(now True\)"),
        (None, {"x": (-1, 1, SIDE + 1)}, r"^\S*run.zarr has another axis x; give the same one, or another store$"),
        (None, {"y": (-1, 2, SIDE)}, r"^\S*run.zarr has another axis y; give the same one"),
    ],
    ids=[
        "weights",
        "data",
        "seed",
        "scheme",
        "loss",
        "metrics",
        "distribution",
        "perturb",
        "precision",
        "training",
        "x",
        "y",
    ],
)
def test_another_run_is_refused_and_nothing_is_lost(tmp_path, whole, given, options, message):
    store = tmp_path / "run.zarr"
    surface(store)
    model, data = given() if given else stored_runs.problem()
    wanted = {"x": (-1, 1, SIDE), "y": (-1, 1, SIDE), "plan": PLAN, "progress": False, "store": store, **options}
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model, data, **wanted)
    assert np.allclose(surface(store).loss, whole.loss, rtol=1e-6)
    assert surface(store).report["points_before"] == SIDE**2


def test_a_truncated_block_is_named_and_the_others_are_kept(tmp_path, whole):
    store = tmp_path / "run.zarr"
    surface(store)
    content = block(store, 3).read_bytes()
    for damaged in (b"", content[:-9], content[:8] + b"?" + content[9:]):
        block(store, 3).write_bytes(damaged)
        for call in (lambda: surface(store), lambda: Landscape.load(unfinished(store))):
            with pytest.raises(ValueError, match=r"sums/c/3/0 is damaged \(.*\); delete it to have its points comp"):
                call()
    block(store, 3).unlink()
    assert surface(store).report["points_before"] == SIDE**2 - CHUNK
    assert np.allclose(surface(store).loss, whole.loss, rtol=1e-6)


def unfinished(store):
    header = json.loads((store / "zarr.json").read_text())
    header["attributes"].pop("report", None)
    (store / "zarr.json").write_text(json.dumps(header))
    return store


def test_a_store_of_another_version_is_refused(tmp_path):
    store = tmp_path / "run.zarr"
    surface(store)
    header = json.loads((store / "zarr.json").read_text())
    header["attributes"]["version"] = 2
    (store / "zarr.json").write_text(json.dumps(header))
    for call in (lambda: surface(store), lambda: Landscape.load(store)):
        with pytest.raises(ValueError, match=r"has version 2 of the format; this fastscape reads version 1: give ano"):
            call()
    assert block(store, 0).exists()


def test_what_is_no_store_is_refused_and_left_alone(tmp_path):
    import zarr

    file, folder, foreign = tmp_path / "file", tmp_path / "folder", tmp_path / "foreign.zarr"
    file.write_text("mine")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    zarr.create_array(store=str(foreign), name="mine", data=np.ones(3))
    for path, message in [
        (file, r"is a file; give the name of a folder, for example 'run\.zarr'"),
        (folder, r"folder holds notes\.txt and is no store; give a folder that is new"),
        (foreign, r"is no store that fastscape has written; give the folder of a store, or a new one"),
    ]:
        with pytest.raises(ValueError, match=message):
            surface(path)
    assert (file.read_text(), (folder / "notes.txt").read_text()) == ("mine", "mine")
    assert sorted(entry.name for entry in foreign.iterdir()) == ["mine", "zarr.json"]
    for path in (folder, foreign):
        with pytest.raises(ValueError, match="is no store that fastscape has written"):
            Landscape.load(path)
    with pytest.raises(TypeError, match=r"store must be the name of a folder.*, got 3"):
        surface(3)


@pytest.mark.parametrize("name", ["x", "sums", "standard_error", "a/b"])
def test_names_that_a_store_needs_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"a store cannot hold a metric named '{name}'; give it another name"):
        surface(tmp_path / "run.zarr", metrics={name: fastscape.accuracy})


@pytest.mark.parametrize("done", [True, False])
def test_damaged_stores_end_in_documented_errors(tmp_path, done):
    store = tmp_path / "run.zarr"
    surface(store)
    if not done:
        unfinished(store)
    files = {file: file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file()}

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(files)), st.binary(max_size=40), st.integers(0, 400), st.booleans())
    def check(file, foreign, start, whole):
        content = files[file]
        file.write_bytes(foreign if whole else content[:start] + foreign + content[start + len(foreign) :])
        try:
            for call in (lambda: Landscape.load(store), lambda: surface(store)):
                with contextlib.suppress(ValueError, OSError):
                    call()
        finally:
            for other in store.rglob("*"):
                if other.is_file() and other not in files:
                    other.unlink()
            for other, before in files.items():
                other.write_bytes(before)

    check()


def test_without_zarr_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match=r"a store needs zarr; write pip install 'torch-fastscape\[store\]'"):
        surface(tmp_path / "run.zarr")


def test_two_processes_cannot_have_one_store(tmp_path, whole):
    store, log = tmp_path / "run.zarr", tmp_path / "log"
    process = started(stored_runs.run, store, log, 0.5)
    wait_for(lambda: block(store, 0).exists())
    with pytest.raises(ValueError, match=r"another process is writing to .*run\.zarr; wait for it, or give another"):
        surface(store)
    assert Landscape.load(store).report["progress"]["running"] is True
    process.kill()
    process.join()
    assert Landscape.load(store).report["progress"]["running"] is False
    assert np.allclose(surface(store).loss, whole.loss, rtol=1e-6)


def wait_for(ready, seconds=60.0):
    ended = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < ended, "it did not happen"
        time.sleep(0.01)


def test_a_run_that_is_killed_twenty_times_equals_one_that_is_not(tmp_path, whole):
    """Ten times at any moment, ten times in the middle of a write."""
    store, log = tmp_path / "run.zarr", tmp_path / "log"
    log.touch()
    draw = random.Random(0)
    points = fastscape.weights.grid.points(whole.x.copy(), whole.y.copy()).tolist()
    for number in range(20):
        stored = {k for k in range(BLOCKS) if block(store, k).exists()}
        begun = len(log.read_text().splitlines())
        if number % 2:
            process = started(stored_runs.run, store, log, 0.0, 1)
        else:
            process = started(stored_runs.run, store, log, 0.02)
            time.sleep(draw.uniform(0.0, 0.1))
            wait_for(lambda begun=begun: len(log.read_text().splitlines()) > begun)
            if number % 8 == 0:  # or a slow machine might store nothing at all
                wait_for(lambda before=stored: {k for k in range(BLOCKS) if block(store, k).exists()} > before)
            time.sleep(draw.uniform(0.0, 0.03))
            process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        firsts = [json.loads(line) for line in log.read_text().splitlines()[begun:]]
        computed = [points.index(first) // CHUNK for first in firsts]
        assert stored.isdisjoint(computed), "a stored block was computed again"
        assert {k for k in range(BLOCKS) if block(store, k).exists()} >= stored
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = surface(store)
    finally:
        torch.set_num_threads(threads)
    assert same(resumed, whole)
    assert resumed.report["points_before"] > 0


def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path, whole):
    store = tmp_path / "run.zarr"
    surface(store)
    for number in range(4, BLOCKS):
        block(store, number).unlink()
    said = answered(stored_runs.run_with_small_files, store, 100)
    assert "run.zarr cannot be written to (File too large); what it holds is safe: mend that, and call" in said
    again = surface(store)
    assert again.report["points_before"] == 4 * CHUNK
    assert np.allclose(again.loss, whole.loss, rtol=1e-6)


def test_a_store_that_is_read_only_is_an_error(tmp_path):
    store = tmp_path / "run.zarr"
    surface(store)
    block(store, 0).unlink()
    for folder in (
        tmp_path,
        *itertools.takewhile(lambda folder: "pytest" in str(folder), tmp_path.parents),
    ):  # another user may look into what pytest has made
        folder.chmod(0o755)
    folders = [folder for folder, _, _ in os.walk(tmp_path)]
    for folder in folders:
        pathlib.Path(folder).chmod(0o555)
    said = answered(stored_runs.run_as_nobody, store)
    for folder in folders:
        pathlib.Path(folder).chmod(0o755)
    assert "cannot be written to (Permission denied); what it holds is safe" in said
    assert surface(store).report["points_before"] == SIDE**2 - CHUNK


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_after_its_block(tmp_path, whole, number):
    store, log = tmp_path / "run.zarr", tmp_path / "log"
    log.touch()
    process = started(stored_runs.run, store, log, 0.2)
    wait_for(lambda: len(log.read_text().splitlines()) >= 2)
    os.kill(process.pid, number)
    process.join()
    begun = len(log.read_text().splitlines())
    assert begun < BLOCKS
    assert all(block(store, k).exists() for k in range(begun))
    assert process.exitcode == (1 if number == signal.SIGINT else -signal.SIGTERM)
    said = f"fastscape: stopped; {begun * CHUNK} of {SIDE**2} points are kept in {store}: call the same again to go on"
    assert said in log.with_suffix(".err").read_text()
    assert np.allclose(surface(store).loss, whole.loss, rtol=1e-6)


def test_the_handlers_of_the_user_are_put_back(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    surface(tmp_path / "run.zarr")
    assert {number: signal.getsignal(number) for number in before} == before


def test_an_error_in_the_model_leaves_the_store_usable(tmp_path, whole):
    store = tmp_path / "run.zarr"
    calls, most = [], [100]

    def failing(outputs, targets):
        calls.append(1)
        if len(calls) > most[0]:
            raise RuntimeError("now")
        return F.cross_entropy(outputs, targets, reduction="none")

    with pytest.raises(RuntimeError, match="now"):
        surface(store, loss=failing)
    held = Landscape.load(store).report["progress"]["points"]
    assert 0 < held < SIDE**2
    most[0] = 10**6
    again = surface(store, loss=failing)
    assert again.report["points_before"] == held
    assert np.allclose(again.loss, whole.loss, rtol=1e-6)


def test_a_small_model_with_hoisting_and_a_store(tmp_path):
    model, data = nn.Linear(3, 2), stored_runs.problem()[1]
    plan = Plan("vmap", chunk=16, hoist=True)
    options = {"x": (-1, 1, 7), "y": (-1, 1, 7), "plan": plan, "progress": False}
    plain = fastscape.surface(model, data, **options)
    kept = fastscape.surface(model, data, store=tmp_path / "run.zarr", **options)
    assert np.array_equal(kept.loss, plain.loss)


def test_a_finer_tolerance_on_a_store_says_which_points_were_evaluated(tmp_path):
    options = {"x": (-1, 1, 25), "y": (-1, 1, 25)}
    coarse = surface(tmp_path / "run.zarr", tolerance=0.2, **options)
    assert 0 < coarse.evaluated.sum() < 625
    assert np.array_equal(Landscape.load(tmp_path / "run.zarr").evaluated, coarse.evaluated)
    fine = surface(tmp_path / "run.zarr", tolerance=0, **options)
    assert fine.evaluated.all()
    assert fine.report["points_before"] == coarse.evaluated.sum()
    loaded = Landscape.load(tmp_path / "run.zarr")
    assert loaded.evaluated.all()
    assert same(loaded, fine)
