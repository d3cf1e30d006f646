"""Curvatures of graphs that are known, and the files that hold derivatives."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.results import Values, derivative_names

AXIS = np.linspace(-0.6, 0.6, 7)
X, Y = np.meshgrid(AXIS, AXIS, indexing="ij")


def plane(loss: np.ndarray, *derivatives: np.ndarray) -> Landscape:
    return Landscape(
        AXIS,
        AXIS,
        loss,
        {n: np.broadcast_to(d, (7, 7)) for n, d in zip(derivative_names("xy"), derivatives, strict=True)},
    )


def hemisphere_of_three(radius: float) -> Landscape:
    """The lower half of a sphere in four dimensions, by hand."""
    axis = AXIS[::3] / 2
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    height = -np.sqrt(radius**2 - np.square(points).sum(0))
    measures = {"loss": height + 9}
    for name, at in zip("xyz", points, strict=True):
        measures[f"dL_d{name}"] = -at / height
    for (a, x), (b, y) in combinations_with_replacement(zip("xyz", points, strict=True), 2):
        name = f"d2L_d{a}2" if a == b else f"d2L_d{a}d{b}"
        measures[name] = -(height**2 * (a == b) + x * y) / height**3
    return Landscape.of(Values(dict.fromkeys("xyz", axis), measures))


def hemisphere(radius: float) -> Landscape:
    """The lower half of a sphere: z = -sqrt(r^2 - x^2 - y^2), by hand."""
    z = -np.sqrt(radius**2 - X**2 - Y**2)
    third = -(z**3)
    return plane(z + 9, -X / z, -Y / z, (radius**2 - Y**2) / third, X * Y / third, (radius**2 - X**2) / third)


@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_a_sphere_along_three_axes_is_curved_alike_everywhere(radius):
    sphere = hemisphere_of_three(radius)
    np.testing.assert_allclose(sphere.mean_curvature(), 1 / radius, rtol=1e-12)
    np.testing.assert_allclose(sphere.gaussian_curvature(), 1 / radius**3, rtol=1e-12)
    assert sphere.hessian().shape == (3, 3, 3, 3, 3)
    whole = sphere.with_curvature()
    added = ["mean_curvature", "gaussian_curvature", "smallest_eigenvalue", "largest_eigenvalue"]
    assert list(whole.metrics) == [*derivative_names("xyz"), *added]
    at = 1, 1, 1  # the bottom, where the graph is level
    assert whole.metrics["largest_eigenvalue"][at] == pytest.approx(1 / radius, rel=1e-12)


@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_a_sphere_is_curved_alike_everywhere(radius):
    sphere = hemisphere(radius)
    np.testing.assert_allclose(sphere.mean_curvature(), 1 / radius, rtol=1e-12)
    np.testing.assert_allclose(sphere.gaussian_curvature(), 1 / radius**2, rtol=1e-12)


def test_a_cylinder_has_no_gaussian_curvature():
    """z = -sqrt(1 - x^2): curved along x alone."""
    z = -np.sqrt(1 - X**2)
    cylinder = plane(z + 9, -X / z, 0, -1 / z**3, 0, 0)
    np.testing.assert_allclose(cylinder.mean_curvature(), 0.5, rtol=1e-12)
    np.testing.assert_allclose(cylinder.gaussian_curvature(), 0, atol=1e-15)


def test_a_saddle():
    """z = x y: K = -1 / (1 + x^2 + y^2)^2 and H = -x y / (1 + x^2 + y^2)^(3/2)."""
    saddle = plane(X * Y + 9, Y, X, 0, 1, 0)
    steep = 1 + X**2 + Y**2
    np.testing.assert_allclose(saddle.gaussian_curvature(), -1 / steep**2, rtol=1e-12)
    np.testing.assert_allclose(saddle.mean_curvature(), -X * Y / steep**1.5, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(saddle.hessian_eigenvalues(), np.broadcast_to([-1.0, 1.0], (7, 7, 2)), rtol=1e-12)
    assert saddle.gradient()[1, 5].tolist() == [AXIS[5], AXIS[1]]
    assert saddle.hessian()[0, 0].tolist() == [[0, 1], [1, 0]]


def test_a_circle():
    z = -np.sqrt(4 - AXIS**2)
    circle = Landscape(AXIS, None, z + 9, {"dL_dx": -AXIS / z, "d2L_dx2": -4 / z**3})
    np.testing.assert_allclose(circle.mean_curvature(), 0.5, rtol=1e-12)
    assert circle.gradient().shape == (7, 1)
    assert circle.hessian().shape == (7, 1, 1)
    assert circle.hessian_eigenvalues().shape == (7, 1)
    assert list(circle.with_curvature().metrics) == ["dL_dx", "d2L_dx2", "mean_curvature"]
    with pytest.raises(ValueError, match="a line has no Gaussian curvature; write mean_curvature"):
        circle.gaussian_curvature()


def test_where_a_derivative_is_missing_or_infinite():
    with pytest.raises(ValueError, match=r"the landscape has no dL_dx, dL_dy, .* compute it with curvature='plane'"):
        Landscape(AXIS, AXIS, X**2).gradient()
    broken = dict(hemisphere(1.0).metrics)
    broken["d2L_dxdy"] = broken["d2L_dxdy"].copy()
    broken["d2L_dxdy"][2, 3] = np.nan
    broken["dL_dx"] = broken["dL_dx"].copy()
    broken["dL_dx"][0, 0] = np.inf
    found = Landscape(AXIS, AXIS, hemisphere(1.0).loss, broken).with_curvature()
    assert np.isnan(found.hessian_eigenvalues()[2, 3]).all()
    assert np.isnan(found.metrics["gaussian_curvature"][2, 3])
    assert np.isfinite(found.hessian_eigenvalues()).all(axis=-1).sum() == 48


def test_curvatures_are_measures():
    sphere = hemisphere(1.0)
    found = sphere.with_curvature()
    assert type(found) is Landscape
    added = ["mean_curvature", "gaussian_curvature", "smaller_eigenvalue", "larger_eigenvalue"]
    assert list(found.metrics) == [*derivative_names("xy"), *added]
    assert (found.metrics["larger_eigenvalue"] >= found.metrics["smaller_eigenvalue"]).all()
    assert found.loss is sphere.loss


@pytest.mark.parametrize("name", ["all.npz", "all.csv", "all.h5"])
def test_files_hold_derivatives(tmp_path, name):
    sphere = hemisphere(1.0).with_curvature()
    path = sphere.save(tmp_path / name) if name.endswith("npz") else sphere.export(tmp_path / name)
    found = Landscape.load(path)
    assert set(found.metrics) == set(sphere.metrics)
    for metric, values in sphere.metrics.items():
        assert np.array_equal(found.metrics[metric], values)


def test_xarray_and_paraview_hold_derivatives(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    sphere = hemisphere(1.0)
    assert np.array_equal(sphere.to_xarray()["d2L_dxdy"], sphere.metrics["d2L_dxdy"])
    mesh = pyvista.read(sphere.export(tmp_path / "all.vts"))
    assert set(derivative_names("xy")) <= set(mesh.array_names)
