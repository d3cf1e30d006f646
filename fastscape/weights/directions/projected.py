"""Paths of trainings on any plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import Tensor

from fastscape.results import Trajectory
from fastscape.weights.checkpoints import Training, TrainingsGiven, trainings_of
from fastscape.weights.directions.plane import Drawn, check_evaluated, stacked
from fastscape.weights.directions.random import Random
from fastscape.weights.directions.source import Directions, Source
from fastscape.weights.directions.sources import source_of
from fastscape.weights.layout import Layout
from fastscape.weights.selection import Perturb

__all__ = ["Projection", "projected"]


@dataclass(frozen=True, eq=False)
class Projection:
    """The directions of another source, with the paths of trainings along them; see `projected`.

    Args:
        trainings: The trainings.
        source: Where the directions come from.
        evaluated: At most this many checkpoints per path have their own loss evaluated.
    """

    shows_path: ClassVar[bool] = True

    trainings: tuple[Training, ...]
    source: Source
    evaluated: int

    @property
    def perturb(self) -> Perturb:
        """The tensors that the directions move."""
        return self.source.perturb

    @property
    def normalize(self) -> str | None:
        """The norm of the directions, as their source gives it."""
        return self.source.normalize

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions, as their source says it."""
        return self.source.facts

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """The directions, and the paths, which are known after the directions. See `Source.directions`."""
        found = self.source.directions(layout, theta, axes)
        drawn = Drawn(stacked(self.trainings, layout, theta), self.evaluated)
        taken = [training.name for training in self.trainings if training.name in {path.name for path in found.paths}]
        if taken:
            raise ValueError(
                f"the plane has a path {taken[0]!r:.80} of its own; give the checkpoints another name, for example "
                "projected({'other training': checkpoints}, directions)"
            )

        def along(rows: Tensor) -> Sequence[Trajectory]:
            return [*(found.along(rows) if found.along else ()), *drawn.along(rows)]

        facts = {"kind": "projected", **found.facts}
        facts["trainings"] = {**facts.get("trainings", {}), **drawn.facts["trainings"]}
        return replace(found, along=along, checkpoints={**found.checkpoints, **drawn.checkpoints}, facts=facts)


def projected(checkpoints: TrainingsGiven, directions: Any, *, evaluated: int = 100) -> Projection:
    """The paths of trainings on any plane: for `directions=`.

    The plane is spanned by `directions`. The path of a training has the nearest point of the plane to every
    checkpoint. For directions d_k of any length and any angles, with G[k, l] = <d_k, d_l>,

        points[i] = G^+ [<d_1, w_i - theta>, <d_2, w_i - theta>]
        off_plane[i] = |w_i - theta - sum_k points[i, k] d_k|

    where theta is the model that `surface` is given. The directions are used after their normalisation, so random
    directions with filter normalisation give paths in their units too. Distances count the tensors that move: with
    random directions, the weights alone.

    Args:
        checkpoints: See `pca`.
        directions: Whatever `directions=` takes: another source, such as `pca` of another training, `through` or
            `fastscape.weights.Random`; or a list with a model, a dict of tensors or a vector for each axis.
        evaluated: See `pca`. Default 100.

    Returns:
        A source of directions, which `surface` and `line` take.

    Raises:
        TypeError: When the checkpoints or the directions are something else.
        ValueError: When they cannot be read, or `evaluated` is invalid.

    Example:
        >>> import torch, fastscape
        >>> from fastscape.weights import Random
        >>> model = torch.nn.Linear(3, 2)
        >>> source = fastscape.projected([torch.nn.Linear(3, 2), model], Random(seed=1))
        >>> data = torch.randn(8, 3), torch.randint(2, (8,))
        >>> axes = {"x": ("path", 5), "y": ("path", 5)}
        >>> landscape = fastscape.surface(model, data, directions=source, **axes, progress=False)
        >>> landscape.paths[0].points[-1].tolist()
        [0.0, 0.0]
    """
    check_evaluated(evaluated)
    if directions is None:
        raise TypeError("directions must be a source or a list of directions, got None; for example Random(seed=0)")
    count = len(directions) if isinstance(directions, list | tuple) else 2
    source = source_of(directions, Random(), count)
    return Projection(trainings_of(checkpoints), source, int(evaluated))
