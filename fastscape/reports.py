"""What is known at one point of weight space: plain values, with methods that each lead into one wing of the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastscape import views
from fastscape.results import SpectrumValues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Spectrum"]


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
