"""What is known at one point of weight space: the spectrum of a matrix, sharpness, and how far a score holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastscape import views
from fastscape.results import BasinValues, SharpnessValues, SpectrumValues, check_alike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BasinRadius", "Sharpness", "SideBySide", "Spectrum"]


@dataclass(frozen=True, eq=False, repr=False)
class BasinRadius(BasinValues):
    """How far along random directions a score stays within its range: what `fastscape.basin_radius` returns.

    `print` shows a table of quantiles with their intervals. See `fastscape.results.BasinValues`.

    Example:
        >>> import tempfile, torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
        >>> found = fastscape.basin_radius(model, data, directions=8)
        >>> again = fastscape.BasinRadius.load(found.save(tempfile.mkdtemp() + "/basin.json"))
        >>> again.as_dict() == found.as_dict()
        True
    """

    def __str__(self) -> str:
        return self.summary()

    @classmethod
    def of(cls, values: BasinValues) -> BasinRadius:
        """The radii of plain values.

        Args:
            values: The values.

        Returns:
            The radii.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # arrays are frozen, so shared
        return made

    def summary(self) -> str:
        """A table of quantiles and the mean in every unit, with their intervals, and what to know of them."""
        return views.basin_text(self)

    def _repr_html_(self) -> str:
        return views.displayed_report(self, self.summary())

    def plot(self, **options: Any) -> Axes:
        """Draws the share of directions still within the range. See `fastscape.views.basin`."""
        return views.basin(self, **options)


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(SpectrumValues):
    """The spectrum of a curvature matrix: what `fastscape.spectrum` returns. See `fastscape.results.SpectrumValues`.

    Example:
        >>> import tempfile, torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
        >>> found = fastscape.spectrum(model, data)
        >>> again = fastscape.Spectrum.load(found.save(tempfile.mkdtemp() + "/spectrum.json"))
        >>> bool((again.eigenvalues == found.eigenvalues).all())
        True
    """

    def _repr_html_(self) -> str:
        return views.displayed_report(self, repr(self))

    @classmethod
    def of(cls, values: SpectrumValues) -> Spectrum:
        """The spectrum of plain values.

        Args:
            values: The values.

        Returns:
            The spectrum.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # arrays are frozen, so shared
        return made

    def plot(self, **options: Any) -> Axes:
        """Draws the density and the eigenvalues. See `fastscape.views.spectrum`, which takes the same options."""
        return views.spectrum(self, **options)


@dataclass(frozen=True, eq=False, repr=False)
class Sharpness(SharpnessValues):
    """The sharpness of a model: what `fastscape.sharpness` returns. See `fastscape.results.SharpnessValues`.

    It maps names of measures to their values, each with its standard error, formula, unit, source, cost, and what it
    is invariant to. `print` shows a table.

    Example:
        >>> import tempfile, torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
        >>> found = fastscape.sharpness(model, data, measures=["worst_case", "trace"])
        >>> list(found), found["trace"].unit
        (['worst_case', 'trace'], 'loss / weights^2')
        >>> again = fastscape.Sharpness.load(found.save(tempfile.mkdtemp() + "/sharpness.json"))
        >>> again.as_dict() == found.as_dict()
        True
    """

    def __str__(self) -> str:
        return views.sharpness_text(self)

    def _repr_html_(self) -> str:
        return views.sharpness_html(self)

    @classmethod
    def of(cls, values: SharpnessValues) -> Sharpness:
        """The sharpness of plain values.

        Args:
            values: The values.

        Returns:
            The sharpness.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # nothing in it can be changed, so it is shared
        return made

    def beside(self, *others: SharpnessValues, names: Sequence[str] | None = None) -> SideBySide:
        """This report and those of other models, measure by measure.

        Args:
            *others: The other reports.
            names: Of the models, this one's first. Default: A, B, C, ...

        Returns:
            Both, with `print`, `plot` and the reports by name.

        Raises:
            ValueError: When the names are not as many or not different, or the reports share no measure or were
                computed with other settings.

        Example:
            >>> import torch, fastscape
            >>> a, b = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
            >>> data = torch.randn(50, 4), torch.randint(3, (50,))
            >>> first, second = (fastscape.sharpness(model, data, measures=["trace"]) for model in (a, b))
            >>> print(first.beside(second, names=["first", "second"]))  # doctest: +ELLIPSIS
            measure  first   second  unit              ratio
            ...
        """
        reports = [self, *others]
        called = [chr(ord("A") + k) for k in range(len(reports))] if names is None else [str(name) for name in names]
        if len(called) != len(reports) or len(set(called)) < len(called):
            raise ValueError(
                f"names must be one per report, all different, got {called!r:.200} for {len(reports)} reports"
            )
        return SideBySide(dict(zip(called, reports, strict=True)))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draws a bar for every measure. See `fastscape.views.sharpness`."""
        return views.sharpness(self, ax=ax)


@dataclass(frozen=True, eq=False, repr=False)
class SideBySide:
    """The sharpness of several models: what `Sharpness.beside` returns.

    Args:
        reports: The reports, by the names of their models.

    Raises:
        ValueError: When there are fewer than two, they share no measure, or they were computed with other settings.
    """

    reports: Mapping[str, SharpnessValues]

    def __post_init__(self) -> None:
        check_alike(self.reports)

    def __str__(self) -> str:
        return views.side_by_side_text(self.reports)

    def __repr__(self) -> str:
        return f"SideBySide({', '.join(self.reports)})"

    def _repr_html_(self) -> str:
        return views.side_by_side_html(self.reports)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draws every measure in units of the first model. See `fastscape.views.sharpness`."""
        return views.sharpness(self.reports, ax=ax)
