"""Values along several random directions, as plain values and in files."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import REPEAT, Values, along_each, check_values, mean_over_repeats

RNG = np.random.default_rng(0)


def made(*shape: int, repeats: int = 3) -> Landscape:
    axes = [np.arange(float(n)) for n in shape]
    stacks = {"loss": RNG.random((repeats, *shape)), "top 5": RNG.random((repeats, *shape))}
    stacks["loss"][1].flat[0] = np.inf
    means = {name: stack.mean(0) for name, stack in stacks.items()}
    return Landscape(
        axes[0], axes[1] if len(axes) > 1 else None, means["loss"],
        {"top 5": means["top 5"], "spread of top 5": stacks["top 5"].std(0, ddof=1)},
        {"seed": 0}, RNG.random(shape), repeats=stacks,
    )  # fmt: skip


def assert_same(found: Landscape, wanted: Landscape) -> None:
    assert found.repeated == wanted.repeated
    assert found.repeats.keys() == wanted.repeats.keys()
    for name, stack in wanted.repeats.items():
        assert found.repeats[name].tobytes() == stack.tobytes()
        assert not found.repeats[name].flags.writeable
    for name, grid in wanted.measures.items():
        assert found.measures[name].tobytes() == grid.tobytes()


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
@pytest.mark.parametrize("ending", ["npz", "csv", "h5"])
def test_files_keep_every_direction(tmp_path, shape, ending):
    if ending == "h5":
        pytest.importorskip("h5py")
    landscape = made(*shape)
    path = tmp_path / f"landscape.{ending}"
    written = landscape.save(path) if ending == "npz" else landscape.export(path)
    assert_same(Landscape.load(written), landscape)


def test_a_dataset_has_them_along_a_dimension():
    pytest.importorskip("xarray")
    dataset = made(4, 3).to_xarray()
    assert dataset["loss along each direction"].dims == ("repeat", "x", "y")
    assert dataset["loss"].dims == ("x", "y")
    assert "loss[0]" not in dataset
    np.testing.assert_array_equal(dataset["top 5 along each direction"].mean("repeat"), dataset["top 5"])


def test_paraview_gets_them_by_number(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    landscape = made(4, 3)
    mesh = pyvista.read(landscape.export(tmp_path / "landscape.vts"))
    np.testing.assert_array_equal(mesh.point_data["top 5[2]"], landscape.repeats["top 5"][2].ravel(order="F"))


def test_they_survive_pickling_and_a_new_report():
    landscape = made(4, 3)
    assert_same(pickle.loads(pickle.dumps(landscape)), landscape)
    assert_same(landscape.with_report({}), landscape)
    assert repr(landscape).startswith("Landscape(4 x 3 points, mean of 3 repeats, loss ")


@pytest.mark.parametrize(
    "repeats",
    [
        {"loss": np.zeros((1, 4))},
        {"loss": np.zeros((3, 5))},
        {"loss": np.zeros(4)},
        {"loss": np.zeros((0, 4))},
        {"other": np.zeros((3, 4))},
        {"loss": np.zeros((3, 4)), "accuracy": np.zeros((2, 4))},
    ],
)
def test_they_must_fit(repeats):
    with pytest.raises(ValueError, match="the repeats of"):
        Landscape(np.arange(4.0), None, np.zeros(4), {"accuracy": np.zeros(4)}, repeats=repeats)


def changed(tmp_path, change, **replaced):
    """A saved landscape whose header and arrays are others."""
    path = made(4, 3).save(tmp_path / "landscape.npz")
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    change(header)
    np.savez(path, header=np.array(json.dumps(header)), **{**arrays, **replaced})
    return path


def pop(name):
    return lambda header: header.pop(name)


@pytest.mark.parametrize(
    ("change", "replaced"),
    [
        (pop("repeats"), {}),
        (lambda header: header["repeats"].update(count=2), {}),
        (lambda header: header["repeats"].update(count=3.0), {}),
        (lambda header: header["repeats"].update(count=10**12), {}),
        (lambda header: header["repeats"].update(measures=["loss"]), {}),
        (lambda header: header["repeats"].update(measures=["loss", "loss"]), {}),
        (lambda header: header["repeats"].update(measures=["loss", "other"]), {}),
        (lambda header: None, {"repeats": np.zeros((2, 3, 4, 2))}),
        (lambda header: None, {"repeats": np.array([["a"]])}),
        (lambda header: None, {"repeats": np.array([[None]])}),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, replaced):
    with pytest.raises(ValueError, match="is no landscape"):
        Landscape.load(changed(tmp_path, change, **replaced))


def test_an_older_file_has_none(tmp_path):
    path = Landscape(np.arange(3.0), None, np.ones(3)).save(tmp_path / "landscape.npz")
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    del header["repeats"]
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    assert not Landscape.load(path).repeats
    assert "repeats.npy" not in zipfile.ZipFile(path).namelist()


@pytest.mark.parametrize(
    "columns", ["loss[0]", "loss[0],loss[2]", "loss[0],loss[01]", "accuracy[0],accuracy[1]", "loss[0],loss[-1]"]
)
def test_columns_of_another_kind_are_measures(tmp_path, columns):
    path = tmp_path / "other.csv"
    names = columns.split(",")
    path.write_text(f"x,loss,accuracy,{columns}\n0,1,1{',2' * len(names)}\n1,1,1{',2' * len(names)}\n")
    found = Landscape.load(path)
    assert not found.repeats
    assert set(names) <= set(found.metrics)


def test_a_metric_cannot_have_the_name_of_a_direction(tmp_path):
    stack = np.zeros((2, 3))
    landscape = Landscape(np.arange(3.0), None, np.zeros(3), {"loss[1]": np.zeros(3)}, repeats={"loss": stack})
    with pytest.raises(ValueError, match=r"a metric is named 'loss\[1\]'"):
        landscape.export(tmp_path / "landscape.csv")
    assert Landscape.load(landscape.save(tmp_path / "landscape.npz")).repeated == 2


def test_infinite_values_are_ranked_and_a_missing_one_is_said():
    stack = np.array([[1.0, 1.0, np.nan], [2.0, np.inf, 1.0], [3.0, np.inf, 1.0]])
    landscape = Landscape(np.arange(3.0), None, stack.mean(0), repeats={"loss": stack})
    np.testing.assert_array_equal(landscape.quantiles(0.0), [1, 1, np.nan])
    np.testing.assert_array_equal(landscape.quantiles(1.0), [3, np.inf, np.nan])
    np.testing.assert_array_equal(np.isnan(landscape.spread()), [False, True, True])


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_the_mean_of_all_directions_leads_back_to_them(shape):
    landscape = made(*shape)
    again = mean_over_repeats(along_each(landscape))
    check_values(again)
    np.testing.assert_array_equal(again.loss, landscape.loss)
    assert list(again.measures) == ["loss", "top 5", "spread of loss", "spread of top 5"]
    plain = Landscape(np.arange(3.0), None, np.ones(3))
    assert along_each(plain) is mean_over_repeats(plain) is plain


def test_the_spread_and_the_mean_are_those_of_a_sample_of_directions():
    """Three directions with 1, 2 and 6: mean 3, deviations -2, -1 and 3, so a variance of 14 / 2."""
    stack = np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 0.0]])
    axes = {REPEAT: np.arange(3.0), "x": np.arange(2.0)}
    found = mean_over_repeats(Values(axes, {"loss": stack}, {"seed": 0}))
    np.testing.assert_allclose(found.measures["loss"], [3.0, 0.0])
    np.testing.assert_allclose(found.measures["spread of loss"], [7**0.5, 0.0])
    np.testing.assert_allclose(found.direction_error(), [(7 / 3) ** 0.5, 0.0])
