"""Predicts grid points by interpolation between known points, and marks points that it must not interpolate."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastscape.sampling.later import scipy
from fastscape.sampling.smooth import Smooth, Told

__all__ = ["Scatter"]

AROUND = 3  # times as many known points as a plane has parameters: a plane is fitted to this many
LEVEL = 1e-6  # of the squares of the distances: keeps a plane level if the points around do not determine its slope


class Scatter:
    """Values at scattered points.

    In a plane, linear interpolation is linear in the triangles between known points. In more dimensions there are too
    many simplices, and some of them are flat if points are on a grid. There, planes are fitted to the nearest points.

    Args:
        points: Coordinates [n, D], on similar scales; the corners of the region are among the points.
        values: One column for each measure [n, M]. A point whose first value is not finite is not interpolated from.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray) -> None:
        self.points, self.values = points, values
        self.finite = np.isfinite(values[:, 0])

    @cached_property
    def _triangles(self) -> scipy.spatial.Delaunay:
        return scipy.spatial.Delaunay(self.points)

    def kinds(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For points of a plane, whether the values at the surrounding triangle of known points are finite.

        Args:
            points: Points [q, 2].

        Returns:
            For each point 1 if the values at all three corners are finite, -1 if no value is, 0 if the edge of a
            region without values runs through the triangle; and the number of the triangle.
        """
        triangles = self._triangles.find_simplex(points, tol=1e-9)
        corners = self.finite[self._triangles.simplices[triangles]].sum(1)
        return np.where(corners == 3, 1, np.where(corners == 0, -1, 0)), triangles

    def middles(self, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """The point in every triangle that is nearest to its middle.

        Args:
            points: Points [q, 2].
            triangles: The triangle that contains each point; -1 for points that do not count.

        Returns:
            The numbers of these points, one point for each triangle.
        """
        counting = np.flatnonzero(triangles >= 0)
        middles = self.points[self._triangles.simplices[triangles[counting]]].mean(1)
        distances = np.square(points[counting] - middles).sum(1)
        order = counting[np.lexsort((distances, triangles[counting]))]
        return np.sort(order[np.unique(triangles[order], return_index=True)[1]])

    @cached_property
    def _columns(self) -> np.ndarray:
        """Which measures are finite at every point with a finite first measure: only these have a smooth surface."""
        return np.asarray(np.isfinite(self.values[self.finite]).all(0))

    @cached_property
    def smooth(self) -> Smooth:
        """The smooth surface through the finite points, for the measures that have one."""
        return Smooth(self.points[self.finite], self.values[self.finite][:, self._columns])

    def at(self, points: np.ndarray) -> np.ndarray:
        """Predicts measures by their smooth surfaces, and measures without a smooth surface linearly.

        Args:
            points: Points [q, D].

        Returns:
            Values [q, M].
        """
        return self._joined(points, self.smooth.at(points)) if self._any(points) else self._nothing(points)

    def told(self, points: np.ndarray) -> Told:
        """Predicts values and their errors.

        Args:
            points: Points [q, D].

        Returns:
            As `Smooth.told`, for all measures; errors are NaN for measures that are predicted linearly.
        """
        if not self._any(points):
            return Told(*[self._nothing(points)] * 3)
        told = self.smooth.told(points)
        values = self._joined(points, told.values)
        errors = np.full((2, *values.shape), np.nan)
        errors[:, :, self._columns] = told.variances, told.left_out
        return Told(values, *errors)

    def left_out(self) -> np.ndarray:
        """Value minus prediction [n, M] at every finite point, predicted from all other points."""
        errors = np.full((int(self.finite.sum()), self.values.shape[1]), np.nan)
        if len(errors):
            errors[:, self._columns] = self.smooth.left_out
        return errors

    def _any(self, points: np.ndarray) -> bool:
        return bool(len(points)) and bool(self.finite.any())

    def _nothing(self, points: np.ndarray) -> np.ndarray:
        return np.full((len(points), self.values.shape[1]), np.nan)

    def _joined(self, points: np.ndarray, smooth: np.ndarray) -> np.ndarray:
        if self._columns.all():
            return smooth
        values = self.roughly(points)
        values[:, self._columns] = smooth
        return values

    def roughly(self, points: np.ndarray) -> np.ndarray:
        """Predicts values faster and less well: linearly between three points, or by fitted planes if D is not 2.

        Args:
            points: Points [q, D].

        Returns:
            Values [q, M]; NaN if the values around are not finite.
        """
        if self.points.shape[1] != 2:
            return self._by_planes(points) if self._any(points) else self._nothing(points)
        return scipy.interpolate.LinearNDInterpolator(self._triangles, self.values)(points)

    def _by_planes(self, points: np.ndarray) -> np.ndarray:
        """Values [q, M] of planes that are fitted to the nearest known points; nearer points have more weight."""
        known, values = self.points[self.finite], self.values[self.finite]
        count = min(AROUND * (known.shape[1] + 1), len(known))
        distances, near = scipy.spatial.KDTree(known).query(points, k=count)
        near, squares = near.reshape(len(points), count), np.square(distances).reshape(len(points), count)
        scale = squares.max(1) + np.finfo(float).tiny
        weights = 1.0 / (squares / scale[:, None] + LEVEL)
        offsets = (known[near] - points[:, None]) / np.sqrt(scale)[:, None, None]
        weights = weights / weights.sum(1, keepdims=True)
        # After centring, the value of a plane at the point is the mean, less slope times middle.
        middle, mean = np.einsum("qk,qkd->qd", weights, offsets), np.einsum("qk,qkm->qm", weights, values[near])
        offsets = offsets - middle[:, None]
        weighted = weights[..., None] * offsets
        moments = np.einsum("qkd,qke->qde", weighted, offsets) + LEVEL * np.eye(points.shape[1])
        slopes = np.linalg.solve(moments, np.einsum("qkd,qkm->qdm", weighted, values[near] - mean[:, None]))
        return np.asarray(mean - np.einsum("qd,qdm->qm", middle, slopes))
