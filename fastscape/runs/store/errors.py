"""The errors of a store that cannot be read or written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Refused", "file_read", "no_store", "reading", "writing", "zarr_package"]


class Refused(ValueError):
    """An error that was reported already."""


def no_store(path: Path) -> Refused:
    """The message for a folder that holds something else."""
    return Refused(f"{path} is no store that fastscape has written; give the folder of a store, or a new one")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns any error that zarr raises on damaged files into an error that names the store.

    Args:
        path: The store.

    Yields:
        Nothing.

    Raises:
        ValueError: Instead of any error, except errors of the system.
    """  # noqa: DOC501 - a refusal is a ValueError
    try:
        yield
    except (Refused, OSError):
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {str(error)[:200]}); what its other files hold is not lost, "
            "but give another store"
        ) from error


@contextmanager
def file_read(file: Path, cure: str) -> Iterator[None]:
    """Turns any error that codecs raise on a damaged file into an error that names the file, with advice.

    Args:
        file: The file.
        cure: The advice.

    Yields:
        Nothing.

    Raises:
        ValueError: Instead of any error.
    """  # noqa: DOC501 - a refusal is a ValueError
    try:
        yield
    except Exception as error:  # the codecs may raise anything
        raise Refused(f"{file} is damaged ({str(error)[:200]}); {cure}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Adds to an error in writing which results are safe.

    Args:
        path: The store.

    Yields:
        Nothing.

    Raises:
        OSError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written to ({error.strerror or error}); what it holds is safe: mend that, and call the "
            "same again to go on",
        ) from error


def zarr_package() -> Any:
    """The module zarr.

    Returns:
        The module.

    Raises:
        ImportError: When it is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        message = "a store needs zarr; write pip install 'torch-fastscape[store]', with Python 3.11 or later"
        raise ImportError(message) from error
    return zarr
