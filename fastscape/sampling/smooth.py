"""Lays smooth surfaces through scattered values, and computes the error at each value if it is left out.

Radial functions of the cube of the distance, with a linear part, in any number of dimensions. Leaving out a point
needs no second surface: its error follows from the inverse of the matrix of the first surface.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastscape.sampling.later import scipy

__all__ = ["Smooth", "Told"]

AT_ONCE = 2000  # points of one surface; through more points there are many local surfaces
NEIGHBOURS, NEIGHBOURS_IN_SPACE = 36, 60  # points of a local surface: in a plane or on a line, and in more dimensions
JUDGED_AT_ONCE = 700  # points; with more points, local surfaces give the expected errors, which is faster
AROUND = 6  # known points whose errors count at a place
NEAR = 1e-4  # the square of a distance that counts as none
LOOSE = 1e-10  # keeps the linear part defined if the points are on one line
BATCH = 2**22  # numbers of matrices that are held at once


class Told(NamedTuple):
    """Predictions of a surface at places between its points.

    Args:
        values: Predictions [q, M].
        variances: The squares of the expected errors of the predictions [q, M].
        left_out: Root mean square of the leave-one-out errors of the points around [q, M].
    """

    values: np.ndarray
    variances: np.ndarray
    left_out: np.ndarray


class Smooth:
    """The smooth surface through some points.

    Args:
        points: Coordinates of the points [n, D], n at least 1, on similar scales.
        values: Finite values, one column for each measure [n, M].

    Source: Duchon 1977, "Splines minimizing rotation-invariant semi-norms in Sobolev spaces"; Rippa 1999, "An
    algorithm for selecting a good value for the parameter c in radial basis function interpolation".
    """

    def __init__(self, points: np.ndarray, values: np.ndarray) -> None:
        self.points, self.values = points, values

    @property
    def _neighbours(self) -> int:
        return min(NEIGHBOURS if self.points.shape[1] <= 2 else NEIGHBOURS_IN_SPACE, len(self.points))

    @property
    def _whole(self) -> bool:
        return len(self.points) <= JUDGED_AT_ONCE

    @cached_property
    def _tree(self) -> scipy.spatial.KDTree:
        return scipy.spatial.KDTree(self.points)

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.asarray(np.linalg.inv(_matrices(self.points)))

    @cached_property
    def _weights(self) -> np.ndarray:
        linear = np.zeros((self.points.shape[1] + 1, self.values.shape[1]))
        return np.asarray(np.linalg.solve(_matrices(self.points), np.concatenate([self.values, linear])))

    @cached_property
    def _missed(self) -> tuple[np.ndarray, np.ndarray]:
        """The leave-one-out error at each point [n, M], and the squared power function there without the point [n]."""
        n = len(self.points)
        if self._whole:
            free = np.diagonal(self._inverse)[:n]
            return self._weights[:n] / free[:, None], 1.0 / np.abs(free)
        errors, freedoms, linear, count = [], [], self.points.shape[1] + 1, self._neighbours
        for part in _parts(n, (count + linear) ** 2):
            near, scale, nearby = self._around(self.points[part])
            first = np.zeros((len(near), count + linear, 1))
            first[:, 0] = 1.0  # the nearest point is the point itself
            row = np.linalg.solve(_matrices(nearby), first)[..., 0]
            sums = np.einsum("qk,qkm->qm", row[:, :count], self.values[near])
            errors.append(sums / row[:, :1])
            freedoms.append(scale**3 / np.abs(row[:, 0]))
        return np.concatenate(errors), np.concatenate(freedoms)

    @property
    def left_out(self) -> np.ndarray:
        """Value minus prediction [n, M] at every point, predicted from all other points."""
        return self._missed[0]

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """The number of the known point that is nearest to each of some points [q, D]."""
        return np.asarray(self._tree.query(points)[1])

    def at(self, points: np.ndarray) -> np.ndarray:
        """Predicts values.

        Args:
            points: Points [q, D].

        Returns:
            Values [q, M].
        """
        if len(self.points) > AT_ONCE:
            return self._locally(points)[0]
        found = np.empty((len(points), self.values.shape[1]))
        for part in _parts(len(points), len(self._weights)):
            found[part] = _row(points[part], self.points) @ self._weights
        return found

    def told(self, points: np.ndarray) -> Told:
        """Predicts values and their errors.

        The square of a leave-one-out error, divided by the squared power function there, estimates how rough the
        surface is around the point. The roughness times the squared power function at a place is the square of the
        expected error.

        Args:
            points: Points [q, D].

        Returns:
            Predictions and their expected errors.
        """
        missed, freedoms = self._missed
        values, free = self._locally(points) if not self._whole else self._globally(points)
        distances, near = self._tree.query(points, k=min(AROUND, len(self.points)))
        near, distances = near.reshape(len(points), -1), distances.reshape(len(points), -1)
        weights = 1.0 / (np.square(distances) + NEAR)
        weights = (weights / weights.sum(1, keepdims=True))[..., None]
        squares = np.square(missed)
        rough = (weights * (squares / freedoms[:, None])[near]).sum(1)
        return Told(values, free[:, None] * rough, np.sqrt((weights * squares[near]).sum(1)))

    def _globally(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions [q, M], and the squared power function there [q], which says how free the surface is."""
        values, free = np.empty((len(points), self.values.shape[1])), np.empty(len(points))
        for part in _parts(len(points), len(self._weights)):
            row = _row(points[part], self.points)
            values[part] = row @ self._weights
            free[part] = -np.einsum("qk,qk->q", row @ self._inverse, row)
        return values, np.maximum(free, 0.0)

    def _locally(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same by local surfaces, each through the nearest points."""
        values, free = np.empty((len(points), self.values.shape[1])), np.empty(len(points))
        count = self._neighbours
        for part in _parts(len(points), (count + self.points.shape[1] + 1) ** 2):
            near, scale, nearby = self._around(points[part])
            row = _row(np.zeros((len(near), 1, points.shape[1])), nearby)[:, 0]
            solved = np.linalg.solve(_matrices(nearby), row[..., None])[..., 0]
            values[part] = np.einsum("qk,qkm->qm", solved[:, :count], self.values[near])
            free[part] = -np.einsum("qk,qk->q", solved, row) * scale**3
        return values, np.maximum(free, 0.0)

    def reach(self, points: np.ndarray) -> np.ndarray:
        """The largest distance of a known point that a prediction [q] depends on; infinite if it depends on all."""
        if self._whole:
            return np.full(len(points), np.inf)
        return np.asarray(self._tree.query(points, k=[self._neighbours])[0][:, 0])

    def _around(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The numbers of the nearest points [q, k], how far they reach [q], and their places in units of the reach."""
        distances, near = self._tree.query(points, k=self._neighbours)
        scale = distances[:, -1]
        return near, scale, (self.points[near] - points[:, None]) / scale[:, None, None]


def _row(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The radial functions around known points [..., n, D] and the linear functions at points [..., q, D]."""
    squares = np.square(points[..., :, None, 0] - known[..., None, :, 0])
    for k in range(1, points.shape[-1]):
        squares += np.square(points[..., :, None, k] - known[..., None, :, k])
    return np.concatenate([squares * np.sqrt(squares), np.ones((*points.shape[:-1], 1)), points], axis=-1)


def _matrices(points: np.ndarray) -> np.ndarray:
    """The matrices of the linear systems for surfaces through points [..., n, D]: [..., n + 1 + D, n + 1 + D]."""
    n, linear = points.shape[-2], points.shape[-1] + 1
    upper = _row(points, points)
    lower = np.concatenate([np.swapaxes(upper[..., n:], -1, -2), np.zeros((*points.shape[:-2], linear, linear))], -1)
    lower[..., np.arange(linear), n + np.arange(linear)] = -LOOSE
    return np.concatenate([upper, lower], axis=-2)


def _parts(count: int, each: int) -> list[slice]:
    """Slices of rows, short enough that a matrix with `each` numbers per row stays small."""
    step = max(BATCH // each, 1)
    return [slice(start, start + step) for start in range(0, count, step)]
