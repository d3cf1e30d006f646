"""What is read back from a store is what was written, or an error that names a file and says what to do."""

import json
import shutil
import sys

import numpy as np
import pytest

import fastscape
from fastscape import Landscape
from fastscape.engine import Engine

pytest.importorskip("zarr")

from fastscape.runs.store import finishing, reading
from stored_runs import problem, surface

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stores need POSIX names in messages")

SMALL = {"x": (-1, 1, 4), "y": (-1, 1, 3), "plan": fastscape.Plan("loop", chunk=5, microbatch=7)}
ACCURACY = {"metrics": {"accuracy": fastscape.accuracy}}
ROUNDS = {"x": (-1, 1, 17), "y": (-1, 1, 17), "plan": fastscape.Plan("loop", chunk=64, microbatch=20)}


@pytest.fixture
def evaluated(monkeypatch):
    """The numbers of points of all chunks that are evaluated."""
    sums, sizes = Engine.sums, []
    monkeypatch.setattr(Engine, "sums", lambda self, points: sizes.append(len(points)) or sums(self, points))
    return sizes


@pytest.fixture
def store(tmp_path):
    return tmp_path / "run.zarr"


def same(a, b):
    assert a.values.keys() == b.values.keys()
    assert all(np.array_equal(a.values[name], b.values[name]) for name in a.values)
    assert np.array_equal(a.standard_error, b.standard_error)
    assert np.array_equal(a.evaluated, b.evaluated)
    assert all(np.array_equal(a.axes[name], b.axes[name]) for name in a.axes)
    return True


def header_of(store):
    return json.loads((store / "zarr.json").read_text())["attributes"]


def rewrite(store, **entries):
    """Gives entries of a header other values; None takes one away. The digests stay."""
    header = json.loads((store / "zarr.json").read_text())
    for name, value in entries.items():
        header["attributes"][name] = value
        if value is None:
            del header["attributes"][name]
    (store / "zarr.json").write_text(json.dumps(header))


def unfinished(store):
    rewrite(store, report=None)
    return store


def as_of_0_1(store, **entries):
    """Takes away what version 0.1 did not write."""
    gone = dict.fromkeys(
        name for name in ("checks", "arrays", "finished", "block", "described") if name in header_of(store)
    )
    rewrite(store, **gone, **entries)
    return store


GRIDS = ["loss", "accuracy", "standard_error"]


def files_of(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", [*GRIDS, "evaluated"])
def test_a_damaged_grid_is_named_and_mended_by_the_same_call(store, evaluated, name):
    options = {**ROUNDS, "tolerance": 0.2} if name == "evaluated" else SMALL
    whole = surface(store, **options, **ACCURACY)
    for file in files_of(store / name):
        content = file.read_bytes()
        for damaged in (None, b"", content[:-1], bytes([content[0] ^ 16]) + content[1:]):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            with pytest.raises(ValueError, match=name) as raised:
                Landscape.load(store)
            if file.name != "zarr.json":
                said = "is missing" if damaged is None else "is damaged"
                assert f"{file} {said}" in str(raised.value)
                assert "call the same again with this store: it is written anew" in str(raised.value)
            evaluated.clear()
            assert same(surface(store, **options, **ACCURACY), whole)
            assert evaluated == []
            assert same(Landscape.load(store), whole)
    assert not (store / "finished_anew").exists()


def test_no_flipped_bit_of_a_grid_gives_another_value(store):
    whole = surface(store, **SMALL)
    file = store / "loss" / "c" / "0" / "0"
    content = file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"loss/c/0/0 is damaged \(.*\); call the same again"):
            Landscape.load(store)
    file.write_bytes(content)
    assert same(Landscape.load(store), whole)


def test_a_grid_of_another_run_is_noticed(store, tmp_path):
    whole = surface(store, **SMALL)
    surface(tmp_path / "other.zarr", **SMALL, seed=3)
    shutil.copy(tmp_path / "other.zarr" / "loss" / "c" / "0" / "0", store / "loss" / "c" / "0" / "0")
    with pytest.raises(ValueError, match=r"run\.zarr/loss is damaged \(its values are not those that were written\)"):
        Landscape.load(store)
    assert same(surface(store, **SMALL), whole)
    assert same(Landscape.load(store), whole)


@pytest.mark.parametrize("name", ["x", "y", "directions"])
@pytest.mark.parametrize("done", [True, False])
def test_damaged_axes_and_directions_are_written_anew_where_they_are_given_again(store, evaluated, name, done):
    model, data = problem()
    others = [problem()[0], problem()[0]]
    for number, other in enumerate(others):
        for parameter in other.parameters():
            parameter.data.mul_(0.5 + number).add_(0.1 * number)
    options = {**SMALL, "directions": others, "progress": False, "store": store}
    whole = fastscape.surface(model, data, **options)
    if not done:
        unfinished(store)
    for file in files_of(store / name):
        content = file.read_bytes()
        for damaged in (None, b"", bytes([content[9] ^ 16]) + content[1:]):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            if name != "directions":  # which only a run reads
                with pytest.raises(ValueError, match=name):
                    Landscape.load(store)
            evaluated.clear()
            assert same(fastscape.surface(model, data, **options), whole)
            assert evaluated == []
    files_of(store / name)[0].unlink()
    said = "give what the store was begun with" if name == "directions" else "call the same again"
    with pytest.raises(ValueError, match=rf"run\.zarr/{name}/c/0\S* is missing; {said}"):
        wanted = {"directions": [others[1], others[0]]} if name == "directions" else {name: (-1, 2, 5)}
        fastscape.surface(model, data, **{**options, **wanted})


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (SMALL, ["sums"]),
        ({**ROUNDS, "tolerance": 0.2}, ["sums", "order"]),
        ({**SMALL, "stream_samples": 7}, ["sums", "sums_0", "sums_1"]),
    ],
)
def test_sums_that_are_described_otherwise_are_described_anew(store, evaluated, options, names):
    whole = surface(store, **options)
    for name in names:
        file = unfinished(store) / name / "zarr.json"
        for damaged in (None, "{", file.read_text().replace("float64", "int64").replace("-1", "-2")):
            file.unlink() if damaged is None else file.write_text(damaged)
            with pytest.raises(ValueError, match="has another axis x"):  # and nothing is written by it
                surface(store, **{**options, "x": (-1, 2, 5)})
            with pytest.raises(
                ValueError, match=rf"{file} is missing or damaged; call the same again with this store"
            ):
                Landscape.load(store)
            evaluated.clear()
            assert same(surface(store, **options), whole)
            assert evaluated == []
            assert same(Landscape.load(store), whole)
            unfinished(store)


def test_missing_sums_over_parts_are_no_values(store):
    surface(store, **SMALL, stream_samples=7)
    parts = header_of(unfinished(store))["parts"]
    file = store / f"sums_{parts % 2}" / "c" / "1" / "0"
    file.unlink()
    for call in (lambda: Landscape.load(store), lambda: surface(store, **SMALL, stream_samples=7)):
        with pytest.raises(ValueError, match=rf"{file} is missing; it cannot be computed again"):
            call()


def test_losses_that_are_nan_are_kept_over_parts(store, evaluated):
    def loss(outputs, targets):
        return outputs.sum(1) * float("nan")

    options = {**SMALL, "stream_samples": 7, "loss": loss}
    with pytest.warns(UserWarning, match="the loss"):
        whole = surface(store, **options)
    assert np.isnan(Landscape.load(unfinished(store)).loss).all()
    evaluated.clear()
    with pytest.warns(UserWarning, match="the loss"):
        again = surface(store, **options)
    assert evaluated == []
    assert np.array_equal(again.loss, whole.loss, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("settings", {"axes": 2}), ("report", {"samples": 21}), ("plan", None), ("parts", 2), ("every_file", False)],
)
def test_a_header_that_was_changed_is_damaged(store, name, value):
    surface(store, **SMALL, stream_samples=7)
    before = header_of(store)[name]
    rewrite(store, **{name: {**before, **value} if isinstance(value, dict) else value})
    if name == "settings":
        rewrite(store, settings={**before, "samples": 8})
    for call in (lambda: Landscape.load(store), lambda: surface(store, **SMALL, stream_samples=7)):
        with pytest.raises(ValueError, match=rf"run\.zarr/zarr\.json is damaged: its entry '{name}' is not what was"):
            call()


def leftovers(store):
    """Puts files beside those of a store that a killed writer leaves."""
    name = "0123456789abcdef" * 2
    folders = [path for path in (store, store / "sums" / "c", store / "order" / "c") if path.is_dir()]
    files = [folder / pattern.format(name) for folder in folders for pattern in ("0.{}.partial", ".zarr.json.{}.tmp")]
    for file in files:
        file.write_bytes(b"half")
    return files


@pytest.mark.parametrize("options", [SMALL, {**ROUNDS, "tolerance": 0.2}], ids=["plain", "tolerance"])
def test_leftovers_are_heeded_by_nobody_and_swept(store, evaluated, options):
    whole = surface(store, **options)
    files = leftovers(unfinished(store))
    known = Landscape.load(store)
    assert all(file.exists() for file in files), "a reader deletes nothing"
    assert np.array_equal(known.loss[whole.evaluated], whole.loss[whole.evaluated])
    evaluated.clear()
    assert same(surface(store, **options), whole)
    assert evaluated == []
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    "begun", ["nothing", "leftovers", "an empty header", "a format", "a version", "half an array"]
)
def test_a_store_in_which_nothing_is_yet_is_begun(store, begun):
    whole = surface(None, **SMALL)
    store.mkdir()
    if begun == "leftovers":
        leftovers(store)
    attributes = {"an empty header": {}, "a format": {"format": "fastscape-store"}}
    attributes["a version"] = attributes["half an array"] = {"format": "fastscape-store", "version": 1}
    if begun in attributes:
        group = {"attributes": attributes[begun], "zarr_format": 3, "node_type": "group"}
        (store / "zarr.json").write_text(json.dumps(group))
    if begun == "half an array":
        (store / "x" / "c").mkdir(parents=True)
        (store / "x" / "zarr.json").write_text("{")
    said = (
        "is no store that fastscape" if begun == "nothing" else "was ended before it had begun; compute the landscape"
    )
    with pytest.raises(ValueError, match=rf"run\.zarr {said}"):
        Landscape.load(store)
    assert same(surface(store, **SMALL), whole)
    assert same(Landscape.load(store), whole)


def test_a_header_that_version_0_1_wrote_half_is_taken_up(store, evaluated):
    options = {**SMALL, "stream_samples": 7}
    whole = surface(store, **options)
    header = header_of(store)
    assert header["parts"] == 3
    shutil.copytree(store, store.with_name("samples.zarr"))
    for part_samples, path in ((14, store), (20, store.with_name("samples.zarr"))):
        entries = {"report": None, "every_file": None, "digests": header["digests"][:2]}
        as_of_0_1(path, **entries, part_samples=part_samples)
        two = Landscape.load(path)
        assert two.report["progress"] == {"parts": 2, "samples": 14, "running": False}
        assert np.isfinite(two.loss).all()
        evaluated.clear()
        assert same(surface(path, **options), whole)
        assert sum(evaluated) == whole.loss.size


def test_a_plan_that_version_0_1_wrote_half_is_followed(store, evaluated):
    whole = surface(store, **SMALL)
    as_of_0_1(store, report=None, plans_measured=None, fallback=None)
    evaluated.clear()
    assert same(surface(store, **{**SMALL, "plan": "auto"}), whole)
    assert evaluated == []


def test_a_finished_store_of_version_0_1_never_reads_as_zeros(store, evaluated):
    def nothing(outputs, targets):
        return outputs.sum(1) * 0

    options = {**SMALL, "metrics": {"nothing": nothing}}
    whole = surface(store, **options)
    as_of_0_1(store)
    for name in ("loss", "nothing"):  # version 0.1 wrote no file where all is 0, and read 0 where none is
        meta = json.loads((store / name / "zarr.json").read_text())
        (store / name / "zarr.json").write_text(json.dumps({**meta, "fill_value": 0.0}))
    shutil.rmtree(store / "nothing" / "c")
    assert same(Landscape.load(store), whole)
    shutil.rmtree(store / "loss" / "c")
    with pytest.raises(ValueError, match=r"run\.zarr/loss is missing or damaged: its values are 0, and the sums are"):
        Landscape.load(store)
    evaluated.clear()
    assert same(surface(store, **options), whole)
    assert evaluated == []
    assert same(Landscape.load(store), whole)


def test_who_reads_while_a_landscape_is_replaced_gets_one_of_both(store, monkeypatch):
    """A reader that is between two grids while all of them are replaced reads again."""
    coarse = surface(store, **ROUNDS, tolerance=0.2)
    read, fine = reading.finished_grid, []

    def beside(*arguments):
        grid = read(*arguments)
        if not fine:
            fine.append(None)
            fine[0] = surface(store, **ROUNDS, tolerance=0)
        return grid

    monkeypatch.setattr(reading, "finished_grid", beside)
    found = Landscape.load(store)
    assert same(found, fine[0])
    assert not np.array_equal(found.loss, coarse.loss)


def test_who_reads_while_parts_are_added_gets_no_mixture(store, monkeypatch):
    """The sums that a header names are written over two parts later, while somebody reads them by that header."""
    options, sums, chunks = {**SMALL, "stream_samples": 7}, Engine.sums, []

    def ended(self, points):
        chunks.append(len(points))
        if len(chunks) == 5:  # in the second part
            raise RuntimeError("now")
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", ended)
    with pytest.raises(RuntimeError, match="now"):
        surface(store, **options)
    assert Landscape.load(store).report["progress"]["parts"] == 1
    opened, whole = reading.opened, []

    def beside(path):
        if not whole:
            whole.append(None)
            whole[0] = surface(store, **options)
        return opened(path)

    monkeypatch.setattr(reading, "opened", beside)
    assert same(Landscape.load(store), whole[0])


def test_at_every_step_of_a_replacement_one_whole_landscape_is_there(store, monkeypatch):
    coarse, found = surface(store, **ROUNDS, tolerance=0.2), []
    written, header = finishing.array_written, finishing.write_header

    def look(step):
        def stepped(*arguments, **options):
            done = step(*arguments, **options)
            found.append(Landscape.load(store))
            return done

        return stepped

    monkeypatch.setattr(finishing, "array_written", look(written))
    monkeypatch.setattr(finishing, "write_header", look(header))
    fine = surface(store, **ROUNDS, tolerance=0)
    olds = [np.array_equal(landscape.loss, coarse.loss) for landscape in found]
    assert olds == [True] * 3 + [False] * 5
    assert all(same(landscape, coarse if old else fine) for landscape, old in zip(found, olds, strict=True))


def test_the_same_again_writes_nothing_but_the_header(store):
    surface(store, **SMALL)
    before = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files_of(store)}
    surface(store, **SMALL)
    changed = [file.name for file, then in before.items() if (file.stat().st_ino, file.stat().st_mtime_ns) != then]
    assert changed == ["zarr.json"]
    assert files_of(store) == list(before)
