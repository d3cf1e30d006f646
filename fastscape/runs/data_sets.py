"""Sets up the measures per data set and per class: loss and metrics over every data set and over single classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fastscape.model import Columns, Data, DataSets, Objective, data_sets_in
from fastscape.runs.options import SurfaceOptions

__all__ = ["measured_on"]


def measured_on(data: Data, options: SurfaceOptions) -> tuple[Data, Objective]:
    """Recognises several data sets, and makes the objective with a measure for each.

    Args:
        data: The user's data.
        options: All options; classes are written into them in one form.

    Returns:
        The data, as `DataSets` if there are several sets; and the objective with their names.

    Raises:
        TypeError: When data, loss, metrics or classes have the wrong type.
        ValueError: When an option excludes several sets or classes.
    """
    data = data_sets_in(data, pairs=options["objective"] is None)
    sets = tuple(data) if isinstance(data, DataSets) else ()
    options["per_class"] = _classes(options["per_class"])
    _check(options, sets)
    metrics = {} if options["metrics"] is None else options["metrics"]
    return data, Objective(options["loss"], metrics, options["objective"], Columns(sets))


def _classes(given: Any) -> bool | list[int] | None:
    """The classes in the form that a report keeps."""
    if given is None or isinstance(given, bool):
        return given or None
    numbers = list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else []
    if not numbers or not all(type(number) is int for number in numbers):
        raise TypeError(f"per_class must be True, or class numbers such as [0, 3, 7], got {str(given)[:80]}")
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"per_class={str(given)[:80]} has a class twice; name each of them once")
    return cast("list[int]", numbers)


def _check(options: SurfaceOptions, sets: Sequence[str]) -> None:
    """Refuses options that exclude each other."""
    asked, target = options["per_class"], options["target_standard_error"]
    if len(sets) > 1 and target is not None:
        raise ValueError(
            "target_standard_error needs a single data set, got several; leave it out, or give the first data set "
            "alone"
        )
    if asked is not None and options["objective"] is not None:
        raise ValueError(
            "per_class knows the targets of (inputs, targets), and an objective gets batches of any kind; leave it "
            "out, and let the objective return a measure for each class"
        )
    if asked is True and (options["stream_samples"] is not None or target is not None):
        raise ValueError(
            "per_class=True looks which classes the data have, and they are read in parts; write the class numbers, "
            "for example per_class=[0, 3, 7]"
        )
