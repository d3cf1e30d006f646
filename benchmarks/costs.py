"""What a surface costs, as a function of weights, samples, points and processes: the model of docs/scaling.md."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """What one process has to itself.

    Args:
        flops: Floating-point operations per second that the model's own forward pass reaches.
        bandwidth: Bytes of weights that are read or written per second.
        call: Seconds that every point costs beyond them.
        begin: Seconds from the call of `surface` to the first point.
        request: Seconds of one request to the store through which processes talk.
        network: Bytes per second out of that store.
    """

    flops: float
    bandwidth: float
    call: float = 0.0
    begin: float = 0.0
    request: float = 0.0
    network: float = math.inf

    def point(
        self, flops: float, weights: float, *, chunk: int = 1, width: int = 4, basis: int = 4, axes: int = 2
    ) -> float:
        """Seconds of one grid point.

        Args:
            flops: Of the forward pass over all samples.
            weights: Number of weights P.
            chunk: Points that are interpolated in one pass over the basis.
            width: Bytes of a weight of a point.
            basis: Bytes of an entry of the basis, which stays float32 where points are in 16 bits.
            axes: Number of axes.

        Returns:
            `flops / F + P ((axes + 1) basis / chunk + 2 width) / B + call`: the basis is read once a chunk, a point
            written, and read by the forward pass.
        """
        bytes_moved = moved(weights, chunk=chunk, width=width, basis=basis, axes=axes)
        return flops / self.flops + bytes_moved / self.bandwidth + self.call

    def run(self, point: float, points: int, *, block: int, processes: int = 1, measures: int = 1) -> float:
        """Seconds of a run.

        Args:
            point: Seconds of one point.
            points: Number of points G.
            block: Points that a process takes at once.
            processes: Number of processes R, each with a device of its own.
            measures: Numbers that are gathered of every point.

        Returns:
            `begin + ceil(ceil(G / block) / R) block point`, and with more than one process what they say to each
            other: `20 R + 2 ceil(G / block)` requests, and the whole grid for everyone.
        """
        blocks = -(-points // block)
        seconds = self.begin + min(-(-blocks // processes) * block, points) * point
        if processes > 1:
            seconds += (20 * processes + 2 * blocks) * self.request
            seconds += processes * points * 8 * measures / self.network
        return seconds


def moved(weights: float, *, chunk: int = 1, width: int = 4, basis: int = 4, axes: int = 2) -> float:
    """Bytes of weights that are read and written for one point."""
    return weights * ((axes + 1) * basis / chunk + 2 * width)


def memory(
    weights: float, *, chunk: int = 1, width: int = 4, basis: int = 4, axes: int = 2, low_memory: bool = False
) -> float:
    """Bytes that a process holds of weights: the user's model, theta, the directions, and one chunk of points."""
    return weights * (width + basis * (1 if low_memory else 1 + axes) + chunk * width)
