"""How the data of a run are read: once, all of them or one part after the other."""

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
    """How data are to be read.

    Args:
        pairs: Whether batches are `(inputs, targets)`; else they may have any structure.
        join: Whether neighbouring batches are joined and cut; else they stay as the data give them.
        part: Samples of a part. Default: all.
        some: Whether not all may be read, so that the first ones must be a draw from all. Default False.
    """

    pairs: bool
    join: bool
    part: int | None = None
    some: bool = False


@dataclass(frozen=True)
class Reading:
    """Data that are being read.

    Args:
        parts: The samples, one part after the other.
        order: "random", where the order is not that of the data.
        available: How many samples there are, where not all may be read and the data say it.
    """

    parts: Iterator[Samples]
    order: str | None = None
    available: int | None = None


def reading_of(data: Data | DataSets, asked: ReadingAsked, place: Place) -> Reading:
    """Begins to read data.

    Args:
        data: The data, or several sets of them, of which none is read in part.
        asked: How they are to be read.
        place: Where the samples go.

    Returns:
        The parts of the samples, and what is known of them.

    Raises:
        TypeError: When the data, or a batch, is of no kind that is known.
        ValueError: When there are no samples, or a single batch that must stay one is to be read in part.
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
