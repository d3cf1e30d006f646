"""ParaView's files of volumes, as pyvista reads them."""

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Values

pyvista = pytest.importorskip("pyvista")

X, Y, Z = np.linspace(-1, 1, 3), np.array([0.5, 0.0]), np.linspace(0, 3, 4)  # y falls


def volume(z: np.ndarray = Z) -> Landscape:
    loss = np.random.default_rng(0).random((3, 2, 4))
    loss[0, 0, 0] = np.nan
    known = np.ones((3, 2, 4), dtype=bool)
    known[1, 1, 1] = False
    return Landscape.of(Values({"x": X, "y": Y, "z": z}, {"loss": loss, "accuracy": 1 - loss}, {}, None, known))


@pytest.mark.parametrize(("ending", "z"), [("vti", Z), ("vtr", Z), ("vtr", Z**2)])
def test_every_point_has_its_measures(tmp_path, ending, z):
    made = volume(z)
    read = pyvista.read(made.export(tmp_path / f"a.{ending}"))
    assert set(read.point_data.keys()) == {"loss", "accuracy", "evaluated"}
    assert read.n_points == 24
    for i, j, k in np.ndindex(3, 2, 4):
        point = read.find_closest_point((X[i], Y[j], z[k]))
        np.testing.assert_allclose(read.points[point], (X[i], Y[j], z[k]), atol=1e-12)
        assert read.point_data["evaluated"][point] == made.evaluated[i, j, k]
        for name, grid in made.measures.items():
            np.testing.assert_array_equal(read.point_data[name][point], grid[i, j, k])


def test_an_axis_of_one_point(tmp_path):
    one = Landscape.of(Values({"x": X, "y": Y, "z": Z[:1]}, {"loss": np.ones((3, 2, 1))}))
    assert pyvista.read(one.export(tmp_path / "a.vti")).dimensions == (3, 2, 1)


def test_what_such_a_file_does_not_hold(tmp_path):
    with pytest.raises(ValueError, match=r"the axis z is not evenly spread, as \.vti has it; export .* as \.vtr"):
        volume(Z**2).export(tmp_path / "a.vti")
    with pytest.raises(ValueError, match=r"\.vti is of three axes, and the landscape has 2; export a plane as \.vts"):
        volume().slice(z=0.0).export(tmp_path / "a.vti")
    with pytest.raises(ValueError, match=r"\.vtr is of three axes, and the landscape has 1; export a line as \.csv"):
        volume().slice(z=0.0, y=0.0).export(tmp_path / "a.vtr")
    with pytest.raises(ValueError, match=r"a landscape of 3 axes is no surface; export three axes as \.vti"):
        volume().export(tmp_path / "a.vts")


def test_a_slice_is_a_surface(tmp_path):
    assert pyvista.read(volume().slice(x=0.0).export(tmp_path / "a.vts")).n_points == 8
