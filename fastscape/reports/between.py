"""What is known of the line between two models, and between all pairs of several; and of a model in another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastscape import views
from fastscape.results import AlignmentValues, BarriersValues, BarrierValues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Alignment", "Barrier", "Barriers", "BarriersBeside"]


@dataclass(frozen=True, eq=False, repr=False)
class Barrier(BarrierValues):
    """The barriers between two models: what `fastscape.barrier` returns. See `fastscape.results.BarrierValues`.

    It maps names of measures to what the line says of them, see `fastscape.results.MeasureBarrier`; `line` holds the
    line itself, and `print` shows a table.

    Example:
        >>> import tempfile, torch, fastscape
        >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
        >>> found = fastscape.barrier(a, b, (torch.randn(50, 4), torch.randint(3, (50,))))
        >>> found.value == found["loss"].highest.value == 0 > found["loss"].lowest.value  # such a loss is convex
        True
        >>> again = fastscape.Barrier.load(found.save(tempfile.mkdtemp() + "/barrier.json"))
        >>> again["loss"] == found["loss"]
        True
    """

    def __str__(self) -> str:
        return views.barrier_text(self)

    def _repr_html_(self) -> str:
        return views.barrier_html(self)

    @classmethod
    def of(cls, values: BarrierValues) -> Barrier:
        """The barrier of plain values.

        Args:
            values: The values.

        Returns:
            The barrier.
        """
        return cls(values.line)

    def beside(self, *others: BarrierValues, names: Sequence[str] | None = None) -> BarriersBeside:
        """This line and others, for example before and after an alignment, on one scale.

        Args:
            *others: The other barriers.
            names: What they are called, this one first. Default: A, B, C, ...

        Returns:
            All of them, with `print`, `plot` and the barriers by name.

        Raises:
            ValueError: When the names are not as many or not different, or the barriers share no measure.

        Example:
            >>> import torch, fastscape
            >>> a, b, c = (torch.nn.Linear(4, 3) for _ in range(3))
            >>> data = torch.randn(50, 4), torch.randint(3, (50,))
            >>> first, second = (fastscape.barrier(a, other, data) for other in (b, c))
            >>> first.beside(second, names=["to b", "to c"])
            BarriersBeside(to b, to c)
        """
        reports = [self, *others]
        called = [chr(ord("A") + k) for k in range(len(reports))] if names is None else [str(name) for name in names]
        if len(called) != len(reports) or len(set(called)) < len(called):
            raise ValueError(
                f"names must be one per barrier, all different, got {called!r:.200} for {len(reports)} barriers"
            )
        return BarriersBeside(dict(zip(called, reports, strict=True)))

    def plot(self, **options: Any) -> list[Axes]:
        """Draws a panel for every measure. See `fastscape.views.barrier`, which takes the same options."""
        return views.barrier(self, **options)


@dataclass(frozen=True, eq=False, repr=False)
class BarriersBeside:
    """Several lines between models: what `Barrier.beside` returns.

    Args:
        reports: The barriers by name.

    Raises:
        ValueError: When there are fewer than two, or they share no measure.
    """

    reports: Mapping[str, BarrierValues]

    def __post_init__(self) -> None:
        if len(self.reports) < 2:
            raise ValueError(f"a comparison needs at least two barriers, got {len(self.reports)}")
        if not set.intersection(*(set(found) for found in self.reports.values())):
            raise ValueError(
                f"{', '.join(self.reports):.200} have no measure in common; compute the same measures of each"
            )

    def __str__(self) -> str:
        return views.barrier_text(self.reports)

    def __repr__(self) -> str:
        return f"BarriersBeside({', '.join(self.reports)})"

    def _repr_html_(self) -> str:
        return views.barrier_html(self.reports)

    def plot(self, **options: Any) -> list[Axes]:
        """Draws all lines on one scale. See `fastscape.views.barrier`, which takes the same options."""
        return views.barrier(self.reports, **options)


@dataclass(frozen=True, eq=False, repr=False)
class Barriers(BarriersValues):
    """The barriers between all pairs of models: what `fastscape.barriers` returns.

    See `fastscape.results.BarriersValues`. `between` gives a pair with its line, and `print` shows the matrices.

    Example:
        >>> import tempfile, torch, fastscape
        >>> models = [torch.nn.Linear(4, 3) for _ in range(3)]
        >>> found = fastscape.barriers(models, (torch.randn(50, 4), torch.randint(3, (50,))))
        >>> found.names, found.matrix("loss", "lowest").shape
        (('A', 'B', 'C'), (3, 3))
        >>> found.between("A", "C").plot()[0].get_ylabel()
        'loss'
        >>> again = fastscape.Barriers.load(found.save(tempfile.mkdtemp() + "/barriers.json"))
        >>> bool((again.matrix("loss", "lowest") == found.matrix("loss", "lowest")).all())
        True
    """

    def __str__(self) -> str:
        return views.barriers_text(self)

    def _repr_html_(self) -> str:
        return views.barriers_html(self)

    @classmethod
    def of(cls, values: BarriersValues) -> Barriers:
        """The barriers of plain values.

        Args:
            values: The values.

        Returns:
            The barriers.
        """
        return cls(values.names, values.pairs)

    def between(self, a: str, b: str) -> Barrier:
        """The barrier of two models, with its methods. See `fastscape.results.BarriersValues.between`."""
        return Barrier.of(super().between(a, b))

    def plot(self, **options: Any) -> Axes:
        """Draws the matrix of a measure. See `fastscape.views.barriers`, which takes the same options."""
        return views.barriers(self, **options)


@dataclass(frozen=True, eq=False, repr=False)
class Alignment(AlignmentValues):
    """A model that was aligned: what `fastscape.align` returns. See `fastscape.results.AlignmentValues`.

    `print` shows a table of the permutations, what was proved, and which operations were not understood.

    Example:
        >>> import tempfile, torch, fastscape
        >>> a, b = (torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)) for _ in "ab")
        >>> found = fastscape.align(b, (torch.randn(50, 4), torch.randint(3, (50,))), to=a)
        >>> found.permutations["0.weight[0]"].axes
        (('0.weight', 0), ('0.bias', 0), ('2.weight', 1))
        >>> again = fastscape.Alignment.load(found.save(tempfile.mkdtemp() + "/aligned.json"))
        >>> bool((again.applied(b.state_dict())["0.weight"] == found.model[0].weight).all())
        True
    """

    @property
    def model(self) -> Any:
        """A copy of the model with its units permuted.

        Raises:
            AttributeError: When the alignment was read from a file, which holds no model.
        """
        found = vars(self).get("_model")
        if found is None:
            raise AttributeError(
                "a file holds the permutations and no model; write model.load_state_dict(alignment.applied("
                "model.state_dict()))"
            )
        return found

    @property
    def state_dict(self) -> dict[str, Any]:
        """The tensors of that model by name."""
        return dict(self.model.state_dict())

    def __str__(self) -> str:
        return views.alignment_text(self)

    def _repr_html_(self) -> str:
        return views.alignment_html(self)

    @classmethod
    def of(cls, values: AlignmentValues, model: Any = None) -> Alignment:
        """The alignment of plain values.

        Args:
            values: The values.
            model: The model that is permuted. Default: none.

        Returns:
            The alignment.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(values), _model=model)
        return made
