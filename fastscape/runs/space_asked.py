"""Reads the space of a call from `directions`, `to` and `along`, and sets the defaults that depend on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from fastscape.model import BatchNorm, statistics_of
from fastscape.paths import Curve
from fastscape.results import chosen
from fastscape.runs.options import SurfaceOptions
from fastscape.weights import (
    LINES,
    SURFACES,
    OtherGiven,
    Random,
    Scheme,
    Source,
    SpaceAsked,
    check_present,
    class_name,
    every_tensor,
    is_sharded,
    listed,
    other_read,
    packed_modules,
    schemes_of,
    source_of,
    towards,
)

__all__ = ["batchnorm_of", "check_end", "check_model", "directions_given", "space_asked"]


def check_model(model: object, *, lent: bool = False) -> None:
    """Refuses an argument that is not a model, and a model whose weights are missing or cannot move.

    Args:
        model: The argument.
        lent: Whether the model itself is evaluated instead of a copy. Default False.

    Raises:
        TypeError: When it is not a module.
        ValueError: When weights are missing, packed, or sharded over several processes.
    """
    if not isinstance(model, nn.Module):
        came, instead = type(model).__name__, ""
        if isinstance(model, type):
            name = f"{model.__name__:.80}"
            came, instead = f"the class {name}", f": make a model, {name}(...), and load its weights"
        elif isinstance(model, Mapping):
            instead = ": build the model, and load these into it with model.load_state_dict(...)"
        raise TypeError(f"the model must be a torch.nn.Module, got {came}{instead}")
    if not lent and is_sharded(model):
        raise ValueError(
            f"the weights of {class_name(model)} are shared out among processes (FSDP2 or tensor parallel), and no "
            "copy of it can be made; write lend=True in surface or line, in every process: then each writes weights "
            "into its part of your own model, and puts them back"
        )
    check_present(every_tensor(model), "the model")
    packed = packed_modules(model)
    if packed and not any(parameter.is_floating_point() for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has no floating-point parameters, so nothing of it can move: the weights of "
            f"{listed(map(': '.join, packed.items()))} are packed; give the model as it was before it was quantised"
        )


def directions_given(model: nn.Module, to: OtherGiven | None, along: Curve | None, directions: Any) -> Any:
    """The directions of a line that may lead to another model, or along a curve.

    Args:
        model: The user's model.
        to: The other model, also the path of a file with its state dict, or None.
        along: The curve, or None.
        directions: The directions that the user gave, or None.

    Returns:
        The value for `directions=`.

    Raises:
        TypeError: When `along` is not a curve.
        ValueError: When more than one of them is given.
    """
    given = [name for name, one in (("to", to), ("along", along), ("directions", directions)) if one is not None]
    if len(given) > 1:
        raise ValueError(
            f"{given[0]} and {given[1]} cannot both be given; give a different model as to, a curve as along, or a "
            "direction in directions"
        )
    if along is not None:
        if not isinstance(along, Curve):
            raise TypeError(
                "along must be a curve, as fastscape.connect or fastscape.Curve.load(file) returns it, got "
                f"{type(along).__name__}"
            )
        return along.as_line()
    if to is None:
        return directions
    check_model(model)
    return towards(model, other_read(to, "to"))


def batchnorm_of(model: nn.Module, given: Mapping[str, Any], directions: Any) -> BatchNorm:
    """The statistics of batch normalisation: the choice of the user, or the default of the directions.

    Args:
        model: The user's model.
        given: The options that the user gave.
        directions: The value of `directions=`.

    Returns:
        The policy. Along a curve statistics are estimated again at every point, if the model has any.
    """
    if "batchnorm" in given:
        said: BatchNorm = given["batchnorm"]
        return said
    suits: BatchNorm = getattr(directions, "batchnorm", "running")
    return suits if isinstance(model, nn.Module) and statistics_of(model) else "running"


def check_end(name: str, options: Mapping[str, Any]) -> None:
    """Refuses options of random directions on a line that leads to a model or along a curve.

    Args:
        name: What says where the line leads: "to" or "along".
        options: The other options.

    Raises:
        ValueError: When the line would need random directions.
    """
    if options["low_memory"] is True:
        raise ValueError(
            f"low_memory=True computes random directions again at every use, and {name} gives a direction, which "
            "memory must hold; leave out low_memory"
        )
    if type(options["repeats"]) is int and options["repeats"] > 1:
        raise ValueError(
            f"repeats={options['repeats']} draws random directions again, and {name} gives a direction; leave out one"
        )


def space_asked(model: nn.Module, options: SurfaceOptions, axes: int) -> SpaceAsked:
    """The requested space, with the defaults of its source and its scheme.

    Args:
        model: The user's model.
        options: All options.
        axes: Number of axes.

    Returns:
        The requested space.

    Raises:
        TypeError: When the directions have the wrong type.
        ValueError: When options exclude each other, or have an unknown value.
    """
    source = source_of(options["directions"], Random(options["seed"], options["distribution"]), axes)
    if is_sharded(model):
        _check_shared_out(source, options)
    if options["low_memory"] and not isinstance(source, Random):
        raise ValueError(
            "low_memory=True computes random directions again at every use, and directions were given; leave out "
            "directions or low_memory"
        )
    scheme, name = _scheme(source, options, axes)
    perturb = source.perturb if options["perturb"] is None else options["perturb"]
    normalize = options["normalize"] or source.normalize or scheme.normalize
    unused = set() if options["batchnorm"] == "running" else statistics_of(model)
    return SpaceAsked(
        axes, source, scheme, name, perturb, normalize, options["low_memory"], unused, options["repeats"]
    )


def _check_shared_out(source: Source, options: SurfaceOptions) -> None:
    """Refuses options that are impossible with a sharded model."""
    if not isinstance(source, Random):
        raise ValueError(
            "directions cannot be given for a model that is shared among processes, because each process draws its "
            "part of random directions; leave out directions, to and along"
        )
    if options["batchnorm"] != "running":
        raise ValueError(
            f"batchnorm={options['batchnorm']!r} looks for layers in a copy of the model, and one that is shared out "
            "among processes has none; leave out batchnorm"
        )


def _scheme(source: Source, options: SurfaceOptions, axes: int) -> tuple[Scheme, str]:
    """The scheme that combines the directions, and its name."""
    own, scheme = getattr(source, "scheme", None), options["scheme"]
    if own is not None:
        for name, usual in {"scheme": (None,), "normalize": (None, "none")}.items():
            if (came := options[name]) not in usual:  # type: ignore[literal-required]
                raise ValueError(
                    f"{name}={came!r:.80} cannot be combined with directions that have a scheme of their own, such as "
                    "a curve; leave it out"
                )
        scheme = own
    elif scheme is None:
        scheme = "line" if axes == 1 and isinstance(source, Random) else "plane"
    if isinstance(scheme, Scheme):
        return scheme, getattr(scheme.coefficients, "__qualname__", repr(scheme.coefficients))
    if callable(scheme):
        return Scheme(scheme), getattr(scheme, "__qualname__", repr(scheme))
    if axes > 2 and isinstance(scheme, str) and scheme != "plane" and scheme in {*LINES, *SURFACES}:
        taken = "one coordinate" if scheme in LINES else "two coordinates"
        raise ValueError(
            f"scheme={scheme!r} takes {taken}, got {axes} axes; write scheme='plane', the sum, or a function of the "
            f"Gram matrices and {axes} coordinates"
        )
    return chosen("scheme", scheme, schemes_of(axes)), scheme
