"""Reads landscape files for commands; errors for other files say what to write instead."""

from __future__ import annotations

from pathlib import Path

from fastscape.landscape import Landscape
from fastscape.results import clipped

__all__ = ["check_landscape_file", "landscape_in"]

_WEIGHTS = ".safetensors", ".pt", ".pth", ".ckpt"


def check_landscape_file(file: Path) -> None:
    """Refuses a file that does not exist, and a file that contains a model.

    Args:
        file: The file, or the folder of a store.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When its name is the name of a checkpoint.
    """
    if file.suffix in _WEIGHTS:
        named = str(clipped(file))
        ours = file.suffix == ".safetensors"
        first = named if ours else f"package.module:make_model --data package.module:make_data --weights {named}"
        raise ValueError(
            f"the file must be a landscape, got the checkpoint {named}; compute its landscape first: "
            f"fastscape surface {first}"
        )
    if not file.exists():
        raise FileNotFoundError(
            f"the file must be a landscape, got {clipped(file)}, which does not exist; fastscape surface "
            "model.safetensors writes one"
        )


def landscape_in(file: Path) -> Landscape:
    """The landscape of a file.

    Args:
        file: The file, or the folder of a store.

    Returns:
        The landscape.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it contains something else.
    """
    check_landscape_file(file)
    return Landscape.load(file)
