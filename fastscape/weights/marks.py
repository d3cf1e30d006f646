"""Where models are in a space, and why other models are not reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastscape.weights.basis import Basis
from fastscape.weights.schemes import Scheme

__all__ = ["Marks", "placed"]


class Marks(NamedTuple):
    """The marks of pictures, and the models that get none.

    Args:
        at: Coordinates [axes] of the models by name.
        staying: Models that are not reached, with the tensors in which they differ from the model and that stay.
        scaled: Names of models that a norm of the directions has moved.
        passed: Names of models to which the scheme does not lead.
    """

    at: dict[str, list[float]]
    staying: dict[str, list[str]]
    scaled: list[str]
    passed: list[str]


def placed(
    basis: Basis, scheme: Scheme, given: Mapping[str, Sequence[float]], staying: Mapping[str, Sequence[str]]
) -> Marks:
    """Marks the model itself and other models, each if the space passes through it exactly.

    Args:
        basis: Theta and the directions.
        scheme: How coordinates combine them.
        given: Where other models would be, in units of the directions as given: coordinates by name.
        staying: The tensors that do not move and in which these models differ.

    Returns:
        The marks.
    """
    directions, own = basis.gram.shape[2] - 1, scheme.axes
    axes = directions if own is None else own
    marks = Marks({}, {}, [], [])
    for name, coordinates in {"the model": [0.0] * axes, **given}.items():
        at = [float(coordinate) for coordinate in coordinates]
        if staying.get(name):
            marks.staying[name] = list(staying[name])
        elif own is not None:  # a source with its own scheme knows the places of its models
            if name in given or basis.leads_to(scheme, at, [0.0] * directions):
                marks.at[name] = at
        elif any(step and not kept for step, kept in zip(at, basis.unscaled, strict=False)):
            marks.scaled.append(name)
        elif not basis.leads_to(scheme, at):
            marks.passed.append(name)
        else:
            marks.at[name] = at
    return marks
