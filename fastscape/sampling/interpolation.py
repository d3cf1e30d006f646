"""What some points of a grid say about the others: interpolation between scattered values, and where it may not go."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fastscape.sampling.later import scipy

__all__ = ["Scatter", "left_out"]

NEIGHBOURS = 30  # points that a value is predicted from
FOLDS = 5


class Scatter:
    """Values at scattered points of a plane.

    Args:
        points: Where they are [n, 2], at scales that are alike; the corners of the region are among them.
        values: One column for each measure [n, M]. Where the first is not finite nothing is interpolated.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray) -> None:
        self.points, self.values = points, values
        self.finite = np.isfinite(values[:, 0])

    @cached_property
    def _triangles(self) -> scipy.spatial.Delaunay:
        return scipy.spatial.Delaunay(self.points)

    def kinds(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of points, whether the triangle of known ones around each is finite.

        Args:
            points: Points [q, 2].

        Returns:
            For each 1 where the values at all three corners are finite, -1 where none is, 0 where the edge of a region
            without values runs through; and the number of the triangle.
        """
        triangles = self._triangles.find_simplex(points, tol=1e-9)
        corners = self.finite[self._triangles.simplices[triangles]].sum(1)
        return np.where(corners == 3, 1, np.where(corners == 0, -1, 0)), triangles

    def middles(self, points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """In every triangle the point that is nearest to its middle.

        Args:
            points: Points [q, 2].
            triangles: In which triangle each of them lies; -1 for those that do not count.

        Returns:
            The numbers of these points, one for each triangle.
        """
        counting = np.flatnonzero(triangles >= 0)
        middles = self.points[self._triangles.simplices[triangles[counting]]].mean(1)
        distances = np.square(points[counting] - middles).sum(1)
        order = counting[np.lexsort((distances, triangles[counting]))]
        return np.sort(order[np.unique(triangles[order], return_index=True)[1]])

    def at(self, points: np.ndarray) -> np.ndarray:
        """Predicts values by thin plate splines through the nearest points that are finite.

        Args:
            points: Points [q, 2].

        Returns:
            Values [q, M].

        Source: Duchon 1977, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces".
        """
        known, values = self.points[self.finite], self.values[self.finite]
        if not len(points):
            return np.empty((0, values.shape[1]))
        predicted = np.empty((len(points), values.shape[1]))
        whole = np.isfinite(values).all(0)
        try:
            splines = scipy.interpolate.RBFInterpolator(known, values[:, whole], neighbors=min(NEIGHBOURS, len(known)))
            predicted[:, whole] = splines(points)
        except (np.linalg.LinAlgError, ValueError):  # the neighbours of a point lie on one line, or are too few
            whole[:] = False
        if not whole.all():
            predicted[:, ~whole] = self.roughly(points)[:, ~whole]
        return predicted

    def roughly(self, points: np.ndarray) -> np.ndarray:
        """Predicts values faster and less well, linearly between three points.

        Args:
            points: Points [q, 2].

        Returns:
            Values [q, M]; NaN where they are not finite.
        """
        return scipy.interpolate.LinearNDInterpolator(self._triangles, self.values)(points)

    def doubt(self, points: np.ndarray) -> np.ndarray:
        """How far a cubic and a linear interpolation of the first measure are apart: there is much to be learnt.

        Args:
            points: Points [q, 2], none of them at the edge of a region without values.

        Returns:
            Differences [q], from 0.
        """
        first = np.where(self.finite, self.values[:, 0], 0.0)  # a triangle without values has nothing to tell
        smooth = scipy.interpolate.CloughTocher2DInterpolator(self._triangles, first)(points)
        return np.nan_to_num(np.abs(smooth - scipy.interpolate.LinearNDInterpolator(self._triangles, first)(points)))


def left_out(points: np.ndarray, values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """How well the values at some points are predicted by the others.

    Args:
        points: Points [n, 2].
        values: Finite values [n, M].
        generator: Deals the points into five groups, each of which is predicted from the other four.

    Returns:
        Prediction minus value [n, M].
    """
    fold = generator.permutation(len(points)) % FOLDS
    errors = np.empty_like(values)
    for k in range(FOLDS):
        out = fold == k
        errors[out] = Scatter(points[~out], values[~out]).at(points[out]) - values[out]
    return errors
