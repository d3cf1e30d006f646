"""Several checkpoints at once: whether they have directions in common, and what their files are called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from fastscape.weights import Perturb, layout_of

__all__ = ["check_alike", "names_of", "place_of"]


def check_alike(models: Sequence[nn.Module], names: Sequence[str], perturb: Perturb) -> None:
    """Refuses models that have no directions in common.

    Args:
        models: The models.
        names: What each is called in the error.
        perturb: What moves.

    Raises:
        ValueError: When the tensors that move differ from those of the first.
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
        out: What came as `--out`, if anything.
        count: How many files there are.
        usual: The name without an ending if nothing came.
        ending: Of a file.

    Returns:
        The file or folder.

    Raises:
        ValueError: When a folder is needed and a file came, or the other way round.
    """
    if count > 1:
        if out is not None and out.suffix == ending:
            raise ValueError(f"--out must be a folder for {count} results, got {out}; write for example --out {usual}")
        return out or Path(usual)
    if out is not None and out.suffix != ending:
        raise ValueError(f"--out must end in {ending}, got {out}; write for example --out {usual}{ending}")
    return out or Path(f"{usual}{ending}")


def names_of(files: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A short name for each of several files, which tells it from the others.

    Args:
        files: The files.

    Returns:
        Their names without endings; with the folders in which they differ, where names occur twice.

    Raises:
        ValueError: When one file came twice.

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
    if len(set(names)) < len(names):  # they differ in their endings alone
        names = [f"{name}{path.suffix}" for name, path in zip(names, paths, strict=True)]
    return names
