"""Several checkpoints: checks that common directions fit them, and names their files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from fastscape.weights import Perturb, layout_of

__all__ = ["check_alike", "names_of", "place_of"]


def check_alike(models: Sequence[nn.Module], names: Sequence[str], perturb: Perturb) -> None:
    """Refuses models that cannot have common directions.

    Args:
        models: The models.
        names: The names of the models, for errors.
        perturb: The tensors that move.

    Raises:
        ValueError: When the tensors that move differ from the tensors of the first model.
    """
    layouts = [layout_of(model, perturb) for model in models]
    moving = [{entry.name: (entry.shape, entry.complex) for entry in layout.entries} for layout in layouts]
    for name, tensors in zip(names, moving, strict=True):
        if tensors != moving[0]:
            odd = sorted(n for n in {**moving[0], **tensors} if moving[0].get(n) != tensors.get(n))
            raise ValueError(
                f"the models must have one architecture for common directions, got a different {odd[0]} in {name} "
                f"than in {names[0]}; give models of one architecture, or write --own-directions"
            )


def place_of(out: Path | None, count: int, usual: str, ending: str) -> Path:
    """The file that a command writes, or the folder if there are several.

    Args:
        out: The value of `--out`, if given.
        count: Number of files.
        usual: The default name without an ending.
        ending: The ending of a file.

    Returns:
        The file or folder.

    Raises:
        ValueError: When a folder is needed and a file is given, or the other way round.
    """
    if count > 1:
        if out is not None and out.suffix == ending:
            raise ValueError(f"--out must be a folder for {count} results, got {out}; write for example --out {usual}")
        return out or Path(usual)
    if out is not None and out.suffix != ending:
        raise ValueError(f"--out must end in {ending}, got {out}; write for example --out {usual}{ending}")
    return out or Path(f"{usual}{ending}")


def names_of(files: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A short, unique name per file.

    Args:
        files: The files.

    Returns:
        The names without endings; if names occur twice, with the folders in which the files differ.

    Raises:
        ValueError: When one file is given twice.

    Example:
        >>> from fastscape.cli.several_checkpoints import names_of
        >>> names_of(["a/first.safetensors", "a/last.safetensors"])
        ['first', 'last']
        >>> names_of(["runs/a/model.safetensors", "runs/b/model.safetensors"])
        ['a-model', 'b-model']
    """
    paths = [Path(file).resolve() for file in files]
    if len(set(paths)) < len(paths):
        twice = next(str(p) for p in paths if paths.count(p) > 1)
        raise ValueError(f"the models must be different files, got {twice} twice")
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        common = Path(os.path.commonpath(paths))
        names = ["-".join(path.relative_to(common).with_suffix("").parts) for path in paths]
    if len(set(names)) < len(names):  # the files differ in their endings only
        names = [f"{name}{path.suffix}" for name, path in zip(names, paths, strict=True)]
    return names
