"""How the data of a run are read: once, all at a time or part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastscape.model.data import Data, Samples, fixed_samples, parts_of
from fastscape.model.data_sets import DataSets, parts_of_sets, samples_of_sets
from fastscape.model.global_state import drawing_alone
from fastscape.model.shuffling import shuffled, size_of
from fastscape.weights import Place

__all__ = ["Reading", "ReadingAsked", "reading_of"]


@dataclass(frozen=True)
class ReadingAsked:
    """How to read the data.

    Args:
        pairs: Whether batches are `(inputs, targets)`; else they may have any structure.
        join: Whether neighbouring batches are joined and cut; else they stay as the data give them.
        part: Samples per part. Default: all.
        some: Whether perhaps not all samples are read, so that the first ones must be a draw from all. Default False.
    """

    pairs: bool
    join: bool
    part: int | None = None
    some: bool = False


@dataclass(frozen=True)
class Reading:
    """Data that are being read.

    Args:
        parts: The samples, one part after another.
        order: "random" if the order differs from the order of the data.
        available: Number of samples, if perhaps not all are read and the data give the number.
    """

    parts: Iterator[Samples]
    order: str | None = None
    available: int | None = None


def reading_of(data: Data | DataSets, asked: ReadingAsked, place: Place) -> Reading:
    """Begins to read data.

    Args:
        data: The data, or several sets, none of which is read in part.
        asked: How to read them.
        place: The device and precision of the samples.

    Returns:
        The parts of the samples, and what is known of them.

    Raises:
        TypeError: When the data, or a batch, are of an unknown kind.
        ValueError: When there are no samples, or a single batch that must stay whole is to be read in part.
    """
    device, options = place.device, {"pairs": asked.pairs, "join": asked.join}
    where: dict[str, Any] = {"device": device, "dtype": place.samples, **options}
    if isinstance(data, DataSets):
        if asked.part is None:
            return Reading(iter([samples_of_sets(data, where)]))
        return Reading(drawing_alone(parts_of_sets(data, asked.part, where), device))
    if asked.part is None:
        return Reading(iter([fixed_samples(data, **where)]))
    ordered, available = data, None
    if asked.some:
        available = size_of(data, pairs=asked.pairs)
        ordered = shuffled(data, asked.part, **options)
    parts = drawing_alone(parts_of(ordered, asked.part, **where), device)
    return Reading(parts, None if ordered is data else "random", available)
