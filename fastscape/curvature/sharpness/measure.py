"""What a measure of sharpness says of itself, and what it finds at a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["INVARIANCES", "LAYERS", "NEURONS", "ORDER", "About", "Found"]

LAYERS, NEURONS, ORDER = "layer scaling", "neuron scaling", "neuron order"

INVARIANCES = {
    LAYERS: "a layer, its bias included, times a > 0 and the weights of the next one divided by a, where between them "
    "is a function with f(a x) = a f(x), such as ReLU",
    NEURONS: "the same for single neurons, each with an a of its own",
    ORDER: "neurons of a layer in another order; what is drawn at random stays the same in the mean",
}
"""Changes of the weights that leave the function of a network as it is, by name."""


@dataclass(frozen=True)
class About:
    """What a measure is.

    Args:
        name: Its name.
        unit: Of its values.
        formula: What is computed; w are the weights that move and L is the mean loss over all samples.
        definition: The same in words.
        source: Paper and section.
        invariant_to: Which of `INVARIANCES` leave its value as it is.
    """

    name: str
    unit: str
    formula: str
    definition: str
    source: str
    invariant_to: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a measure gives at a model.

    Args:
        value: Its value.
        standard_error: Over what was drawn; 0 where nothing was, None for a bound.
        settings: The options that it depends on.
        said: What to know of the value.
        details: More, as plain values.
    """

    value: float
    standard_error: float | None
    settings: Mapping[str, Any]
    said: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
