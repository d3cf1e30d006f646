"""Trained networks in safetensors files, which cannot run code when they are read; the header holds the facts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import nn

from fastscape.results import clipped, write_whole
from fastscape.zoo import models

_FORMAT = "fastscape-checkpoint"
_VERSION = "1"
_SIZES = ("in_channels", "image_size", "classes")
_KEYS = ("format", "version", "model", "dataset", *_SIZES)


def save_checkpoint(
    model: nn.Module, path: str | os.PathLike[str], *, model_name: str, dataset_name: str, **extra: object
) -> None:
    """Write a network of the zoo into a file from which `load_checkpoint` rebuilds it bit for bit.

    A failed save does not change an older file. Missing folders are created.

    Args:
        model: A network from `models.build`.
        path: The file, for example "mlp.safetensors".
        model_name: The name that `models.build` took.
        dataset_name: Name of the training data set.
        extra: More facts for the header, such as `epochs=10`; they are kept as `str(value)`.

    Raises:
        ValueError: If `model_name` would not rebuild this network, or if an extra name is taken.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = f"{folder}/mlp.safetensors"
        ...     save_checkpoint(models.build("mlp"), file, model_name="mlp", dataset_name="digits", epochs=0)
        ...     model, metadata = load_checkpoint(file)
        >>> metadata["model"], metadata["dataset"], metadata["epochs"]
        ('mlp', 'digits', '0')
    """
    taken = sorted(set(extra) & set(_KEYS))
    if taken:
        raise ValueError(
            f"the extra names {', '.join(taken)} came, which the header uses itself; choose others, "
            f"for example {taken[0]}_note"
        )
    sizes: dict[str, int] = {key: getattr(model, key) for key in _SIZES if hasattr(model, key)}
    if len(sizes) < len(_SIZES) or repr(_empty(model_name, sizes)) != repr(model):
        raise ValueError(
            f"model_name must rebuild the network, but models.build({model_name!r}) does not rebuild this "
            f"{type(model).__name__}; give a network from models.build and the same name that it took"
        )
    facts = {"format": _FORMAT, "version": _VERSION, "model": model_name, "dataset": dataset_name, **sizes, **extra}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = serialize(tensors, {key: str(value) for key, value in facts.items()})
    # Not safetensors' save_file, whose files only their owner can read, whatever the umask.
    write_whole(Path(path), content)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, str]]:
    """Rebuild a network from a file of `save_checkpoint`.

    The weights are restored bit for bit, in the dtype in which they were saved, on the CPU. The global random state
    does not change.

    Args:
        path: The file.

    Returns:
        The network in eval mode, and the facts of the header: format, version, model, dataset, in_channels,
        image_size, classes, and the extra facts that were given to `save_checkpoint`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, was not written by `save_checkpoint`, or has a newer version.

    Example:
        >>> import tempfile
        >>> from fastscape.zoo import models
        >>> file = tempfile.mkdtemp() + "/mlp.safetensors"
        >>> save_checkpoint(models.build("mlp"), file, model_name="mlp", dataset_name="digits")
        >>> model, facts = load_checkpoint(file)
        >>> facts["model"], model.training
        ('mlp', False)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no such file: {path}; a checkpoint is a file that zoo.checkpoints.save_checkpoint writes"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            _check_facts(path, metadata)
            return _rebuilt(path, metadata, file), metadata
    except SafetensorError as error:
        raise ValueError(
            f"{path} must be a whole safetensors file of save_checkpoint ({clipped(error)}): was it truncated, or is "
            "it a different format?"
        ) from error


def _check_facts(path: Path, metadata: dict[str, str]) -> None:
    missing = [key for key in _KEYS if key not in metadata]
    if missing or metadata["format"] != _FORMAT:
        raise ValueError(
            f"{path} must be a checkpoint of save_checkpoint, with {', '.join(_KEYS)} and format={_FORMAT!r} in its "
            f"header, got {clipped(sorted(metadata) or 'no facts')}"
        )
    if metadata["version"] != _VERSION:
        raise ValueError(
            f"{path} is a checkpoint of version {metadata['version']!r:.80}; this fastscape reads version "
            f"{_VERSION!r}: install the fastscape that wrote it, or train again"
        )


def _rebuilt(path: Path, metadata: dict[str, str], file: Any) -> nn.Module:
    """The network that a header names, after a check that the tensors belong to such a network."""
    try:
        names, wanted = file.keys(), models.tensors_of(metadata["model"])
        if len(names) != wanted:  # before a network of any depth is built
            raise ValueError(f"such a network has {wanted} tensors, and the file {len(names)}")
        model = _empty(metadata["model"], {key: int(metadata[key]) for key in _SIZES})
        for name, tensor in model.state_dict().items():  # before anything is read
            if name in names and tuple(file.get_slice(name).get_shape()) != tensor.shape:
                raise ValueError(f"size mismatch for {name}: {file.get_slice(name).get_shape()} came")
        # Without the copy the weights would be views of the file, and gone if it is overwritten in place.
        model.load_state_dict({name: file.get_tensor(name).clone() for name in names}, assign=True)
    except (ValueError, RuntimeError, TypeError, OverflowError) as error:  # torch raises any of these for huge sizes
        raise ValueError(
            f"{path} does not hold the network {metadata['model']!r:.80} that its header names ({clipped(error)}); "
            "write it again with save_checkpoint"
        ) from error
    return model.eval()


def _empty(model_name: str, sizes: dict[str, int]) -> nn.Module:
    """Build a network without memory for its weights. This takes no time and draws no random numbers."""
    with torch.device("meta"):
        return models.build(model_name, **sizes)
