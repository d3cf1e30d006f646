"""The weights of the user's own model: reads files of state dicts and recordings, and loads them into the model."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from fastscape.results import clipped
from fastscape.weights import Recording, listed, named_as, readable

__all__ = ["check_there", "put_into", "saved_by_torch", "tensors_in"]

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # from torch 1.6 on, and before


def check_there(file: Path, option: str) -> None:
    """Refuses a file that does not exist.

    Args:
        file: The file, or the folder of a recording.
        option: The option that gave the file.

    Raises:
        ValueError: When there is no such file or folder.
    """
    if not file.exists():
        raise ValueError(
            f"{option} must be a state dict from torch.save or safetensors, got {clipped(file)}, which does not exist"
        )


def tensors_in(file: Path, option: str) -> dict[str, Tensor]:
    """The tensors of a state dict in a file, or of the last record of a recording.

    Args:
        file: The file, or the folder.
        option: The option that gave the file, for errors.

    Returns:
        The tensors by name.

    Raises:
        ValueError: When there is no such file, or it contains no state dict.
    """
    check_there(file, option)
    if file.is_dir():
        recording = Recording(file)
        return recording.tensors(len(recording) - 1)
    return readable(file, option).tensors()


def saved_by_torch(file: Path) -> bool:
    """Whether `torch.save` wrote a file, in its current format or in the format before torch 1.6.

    Args:
        file: The file.

    Returns:
        Whether `torch.save` wrote it.
    """
    with file.open("rb") as opened:
        begins = opened.read(len(_PICKLE))
    return begins.startswith(_ZIP) or begins == _PICKLE


def put_into(model: nn.Module, file: Path) -> None:
    """Loads the weights of a file into a model; prefixes that wrappers add to names are removed.

    Args:
        model: The model.
        file: The file, or the folder of a recording.

    Raises:
        ValueError: When the weights do not fit the model.
    """
    here = model.state_dict(keep_vars=True)
    found = dict(named_as(list(here), tensors_in(file, "--weights")))
    if "n_averaged" not in here:
        found.pop("n_averaged", None)  # of torch's AveragedModel
    try:
        odd = model.load_state_dict(found, strict=False)
    except RuntimeError as error:
        said = str(error).partition("\n")[2].strip() or str(error)  # the first line names the class
        raise ValueError(
            f"--weights must fit the model, got {clipped(file)}: {clipped(said)}; give a state dict of this model"
        ) from error
    there = {id(here[name]) for name in found if name in here}
    missing = [name for name in odd.missing_keys if id(here.get(name)) not in there]  # files leave out tied names
    if file.is_dir():  # a recording has only tensors that training moves, and no integers
        missing = [name for name in missing if here[name].is_floating_point() or here[name].is_complex()]
    for names, fault in ((missing, "lack"), (odd.unexpected_keys, "also have")):
        if names:
            raise ValueError(
                f"the weights in {clipped(file)} {fault} {listed(names)}; they have {listed(found)}, and the model "
                f"{listed(here)}; give its state dict, or load weights of other forms in the function that makes it"
            )
