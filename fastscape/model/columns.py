"""The sums of a grid point: sums of every measure over each data set, and over the samples of single classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastscape.model.batch import Batch

__all__ = ["Columns", "with_classes"]

IGNORED = -100  # torch's default for `ignore_index`
_INTEGERS = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8
MOST = 100  # classes, if the user has not given their numbers


@dataclass(frozen=True)
class Columns:
    """The sums of a grid point, by data sets, measures and classes.

    Args:
        sets: Names of the data sets. Default: there is one set without a name.
        classes: Numbers of the classes whose samples have their own sums. Default: none.
        returned: Names of the measures of a batch, the loss first; known after the first batch.
        by_class: The measures among them that have a value per sample.
        truths: The measures among them that are true or false for each sample.
    """

    sets: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    returned: tuple[str, ...] = ()
    by_class: tuple[str, ...] = ()
    truths: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether the sums are over different samples."""
        return len(self.sets) > 1 or bool(self.classes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all measures of a point: first the measures of the first set, in the order of `row`."""
        of_classes = [f"{name} of class {number}" for name in self.by_class for number in self.classes]
        row = [*self.returned, *of_classes]
        others = [f"{name} of {other}" for other in self.sets[1:] for name in row]
        return (*row, *others)

    def shares(self, of: int, truths: Collection[str]) -> list[str]:
        """The names of the measures of a data set that are the share of samples for which something is true.

        Args:
            of: The number of the set.
            truths: The set's measures that are true or false for each sample.

        Returns:
            The names, as they are in `names`.
        """
        row = [name for name in self.returned if name in truths]
        row += [f"{name} of class {number}" for name in self.by_class if name in row for number in self.classes]
        return [f"{name} of {self.sets[of]}" for name in row] if of else row

    def seen(self, values: Mapping[str, Tensor], truths: Collection[str] = ()) -> Columns:
        """The columns with the measures that a batch has shown.

        Args:
            values: The results of the functions of an objective for the batch, by name.
            truths: Names of results that are 1 or 0 for each sample, in addition to results of the dtype bool.

        Returns:
            The columns.

        Raises:
            ValueError: When values by class are asked for and the loss has no values of samples, or two measures get
                the same name.
        """
        by_class = tuple(name for name, value in values.items() if value.dim() == 1) if self.classes else ()
        if self.classes and "loss" not in by_class:
            raise ValueError(
                "per_class needs the losses of single samples, and this loss gives one value for a batch, which may "
                "be no plain mean over its samples; write for example loss=lambda output, target: "
                "F.cross_entropy(output, target, reduction='none')"
            )
        true = tuple(n for n, v in values.items() if v.dim() == 1 and (v.dtype == torch.bool or n in truths))
        found = replace(self, returned=tuple(values), by_class=by_class, truths=true)
        twice = next((name for k, name in enumerate(found.names) if name in found.names[:k]), None)
        if twice is not None:
            raise ValueError(f"two measures would be named {twice[:80]!r}; give a metric or a data set another name")
        return found

    def over_classes(self, values: Mapping[str, Tensor], targets: Tensor) -> Tensor:
        """The sums over the samples of each class.

        Args:
            values: Values of the samples [n], by the name of the measure.
            targets: Class numbers [n].

        Returns:
            Sums [measures by class x classes], float64.

        Raises:
            ValueError: When a measure has no value per sample here.
        """
        belongs = targets[:, None] == _numbers(self.classes, targets.device)
        for name in self.by_class:
            if values[name].shape != targets.shape:
                raise ValueError(
                    f"{name} returned shape {tuple(values[name].shape)} after one value a sample, and per_class needs "
                    "these; let it return the same for every batch"
                )
        # A value in one class that is not finite does not change the other classes.
        return torch.cat([torch.where(belongs, values[name].double()[:, None], 0.0).sum(0) for name in self.by_class])

    def of_samples(self, values: Mapping[str, Tensor], content: Any, of: int) -> dict[str, Tensor]:
        """The values of single samples, by the names of their means.

        Args:
            values: The values [n] of a batch, by the name of the measure.
            content: Content of the batch; with classes, a pair with class numbers [n].
            of: The number of its data set.

        Returns:
            The values [samples that count] by the names of `names`.
        """
        row = dict(values)
        for name in (name for name in self.by_class if name in values):
            row |= {f"{name} of class {number}": values[name][content[1] == number] for number in self.classes}
        return {f"{name} of {self.sets[of]}" if of else name: column for name, column in row.items()}

    def placed(self, row: Tensor, of: int, *, moments: int) -> Tensor:
        """The sums of all sets, from the sums of the set of a batch.

        Args:
            row: Sums [..., of a set], followed by the moments of the loss.
            of: The number of the set.
            moments: Number of moments, which are kept only for the first set.

        Returns:
            Sums [..., of all sets], 0 for the other sets; and the moments.
        """
        if len(self.sets) < 2:
            return row
        width = row.shape[-1] - moments
        before, behind = of * width, (len(self.sets) - 1 - of) * width
        if of:
            return F.pad(row[..., :width], (before, behind + moments))
        return torch.cat([F.pad(row[..., :width], (0, behind)), row[..., width:]], dim=-1)

    def counts(self, samples: Sequence[Batch], *, moments: int, size: Callable[[Batch], float]) -> Tensor:
        """The number of samples of each sum.

        Args:
            samples: The samples.
            moments: As for `placed`.
            size: Returns the number of samples that a batch counts as.

        Returns:
            Numbers [sums], float64, on the CPU; for one set without classes a single number [].
        """
        if not self.several:
            return _number(sum(size(batch) for batch in samples))
        rows = []
        for of in range(max(len(self.sets), 1)):
            own = [batch for batch in samples if batch.of == of]
            whole = _number(sum(size(batch) for batch in own))
            classes = [_members(own, number) for number in self.classes] * len(self.by_class)
            rows.append(torch.stack([whole] * len(self.returned) + classes))
        return torch.cat([*rows, rows[0][:1].expand(moments)])


def with_classes(
    columns: Columns, asked: bool | Sequence[int] | None, samples: Sequence[Batch], *, some: bool = False
) -> Columns:
    """The columns with the requested classes.

    Args:
        columns: The columns.
        asked: Numbers of classes, True for the classes of which every data set has samples, or None for no class.
        samples: The samples, whose targets are class numbers.
        some: Whether there are more samples than the given ones. Default False.

    Returns:
        The columns.

    Raises:
        ValueError: When targets are no class numbers, a set has no sample of a class, or there are too many classes to
            use all.
    """
    if asked is None or asked is False:
        return columns
    found = _classes(samples, range(max(len(columns.sets), 1)))
    if asked is not True:
        missing = [number for number in asked if any(number not in own for own in found.values())]
        if missing and not some:
            lacking = next(of for of, own in found.items() if missing[0] not in own)
            where = f"the data set {columns.sets[lacking][:80]!r} has" if columns.sets else "the data have"
            raise ValueError(f"{where} no sample of class {missing[0]}; leave it out of per_class")
        return replace(columns, classes=tuple(asked))
    everywhere = sorted(set.intersection(*found.values()))
    if not 0 < len(everywhere) <= MOST:
        came = f"has {len(everywhere)} classes here" if everywhere else "finds no class of which every set has samples"
        raise ValueError(
            f"per_class=True {came}; write the numbers of at most some dozens, such as per_class=[0, 3, 7]"
        )
    return replace(columns, classes=tuple(everywhere))


def _classes(samples: Sequence[Batch], sets: Sequence[int]) -> dict[int, set[int]]:
    """The class numbers of every set."""
    found: dict[int, set[int]] = {of: set() for of in sets}
    for batch in samples:
        found[batch.of] |= set(_class_numbers(batch).unique().tolist()) - {IGNORED}
    return found


def _class_numbers(batch: Batch) -> Tensor:
    """The targets of a batch, checked."""
    targets: Any = batch.content[1]
    if isinstance(targets, Tensor) and targets.dim() == 1 and targets.dtype in _INTEGERS:
        return targets
    came = f"{targets.dtype} {list(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
    raise ValueError(f"per_class needs targets that are class numbers [n], int64, got {came}; leave per_class out")


def _members(samples: Sequence[Batch], number: int) -> Tensor:
    """The number of samples in a class."""
    return _number(sum(int((batch.content[1] == number).sum()) for batch in samples))


def _numbers(classes: tuple[int, ...], device: torch.device) -> Tensor:
    """The numbers of the classes on a device, without a copy between devices, which no CUDA graph can repeat."""
    first, last = min(classes), max(classes)
    if classes == tuple(range(first, last + 1)):
        return torch.arange(first, last + 1, device=device)
    return torch.cat([torch.full((1,), number, device=device) for number in classes])


def _number(value: float) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64, device="cpu")
