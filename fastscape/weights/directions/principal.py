"""The plane in which checkpoints differ most: their principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from fastscape.weights.checkpoints import Training, TrainingsGiven, trainings_of
from fastscape.weights.directions.plane import Drawn, Plane, check_dimensions, check_evaluated, components_of, stacked
from fastscape.weights.directions.source import Directions
from fastscape.weights.layout import Layout
from fastscape.weights.selection import NamedPerturb

__all__ = ["PrincipalComponents", "pca"]

Center = Literal["last", "mean"]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """The principal components of checkpoints; see `pca`.

    Args:
        trainings: The trainings.
        center: The centre, "last" or "mean".
        evaluated: At most this many checkpoints per path have their own loss evaluated.
    """

    perturb: ClassVar[NamedPerturb] = "all"  # a training moves biases and scales too
    normalize: ClassVar[str | None] = "none"
    shows_path: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, Any]] = {"directions": "pca", "distribution": None, "seed": None}

    trainings: tuple[Training, ...]
    center: Center
    evaluated: int

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The components, the strongest first, and the paths. See `Source.directions`."""
        stack = stacked(self.trainings, layout, theta)
        count = len(stack)
        gram, found = components_of(stack, axes, self._centred)
        check_dimensions(len(found.squares), axes, count)
        parts = torch.zeros(axes, count + 1, dtype=torch.float64, device="cpu")
        parts[:, :count] = found.parts[:axes]
        if self.center == "mean":
            parts[:, :count] -= parts.sum(1, keepdim=True) / count
        shares = found.shares()
        facts = {"kind": "pca", "center": self.center, "orthonormal": True, "explained": shares}
        labels = [f"PC {k}, {_percent(share)} % of the variance" for k, share in enumerate(shares[:axes], start=1)]
        return Plane(stack, gram, parts).directions(labels, facts, Drawn(stack, self.evaluated))

    def _centred(self, moments: Tensor) -> Tensor:
        """Scalar products of differences to the centre, from scalar products of differences to the last checkpoint."""
        if self.center == "last":
            return moments
        to_mean = moments.mean(0)
        return moments - to_mean - to_mean[:, None] + to_mean.mean()


def pca(checkpoints: TrainingsGiven, *, center: Center = "last", evaluated: int = 100) -> PrincipalComponents:
    """The plane in which the checkpoints of a training differ most, with its path: for `directions=`.

    The axes are the first principal components of the differences

        D = [w_1 - c, ..., w_n - c],    d_k = the k-th left singular vector of D,

    of all checkpoints to the centre c: the last checkpoint of the first training, or the mean of all checkpoints. The
    axes are orthogonal and of length 1, so coordinates are distances. The plane passes through the model that
    `surface` is given, and coordinates are relative to this model. If the model is the last checkpoint, it is the
    plane of the components about that checkpoint. No other plane through c loses less of the squared distances. The
    labels give the share of each component, and `report["plane"]["explained"]` gives the shares of the first ten.

    All parameters move, `perturb="all"`: a training moves biases and scales too, and a distance without them would be
    meaningless. Buffers, such as the statistics of batch normalisation, are not optimised, and may be large enough to
    hide the parameters. `perturb="states"` moves them too.

    The checkpoints are read block by block, once for their Gram matrix and once for the axes, so many checkpoints take
    little more memory than two. The matrix is kept in the folder of a recording, as `gram.npz`.

    Args:
        checkpoints: A training: the folder of a recording, a `fastscape.weights.Recording`, or a list of modules,
            state dicts and files (safetensors, or what `torch.save` writes). Or a dict from names to trainings: each
            training then has a path on one common plane.
        center: The centre c, "last" or "mean". Default "last".
        evaluated: At most this many checkpoints per path have their own loss evaluated, evenly spread. Default 100.

    Returns:
        A source of directions, which `surface` and `line` take.

    Raises:
        TypeError: When the checkpoints are something else.
        ValueError: When they cannot be read, or `center` or `evaluated` is invalid.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(3, 2)
        >>> checkpoints = [torch.nn.Linear(3, 2) for _ in range(4)] + [model]
        >>> data = torch.randn(8, 3), torch.randint(2, (8,))
        >>> axes = {"x": ("path", 5), "y": ("path", 5)}
        >>> landscape = fastscape.surface(model, data, directions=fastscape.pca(checkpoints), **axes, progress=False)
        >>> landscape.paths
        [Trajectory('training', 5 points)]

    Source: Li et al. 2018, arXiv 1712.09913, section 7.2.
    """
    if center not in get_args(Center):
        raise ValueError(f"center must be 'last' or 'mean', got {center!r:.80}")
    check_evaluated(evaluated)
    return PrincipalComponents(trainings_of(checkpoints), center, int(evaluated))


def _percent(share: float) -> str:
    """A share in per cent, with the digits that matter."""
    return f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.1g}"
