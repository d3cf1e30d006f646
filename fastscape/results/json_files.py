"""Saves plain values as one JSON file, which states its own format, and reads it again."""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from fastscape.results.atomic import write_whole
from fastscape.results.checks import clipped, parsed
from fastscape.results.missing_files import check_file

__all__ = ["JsonFile", "JsonFormat", "plain_json"]

_MOST_BYTES = 1 << 28

J = TypeVar("J", bound="JsonFile")


class JsonFormat(NamedTuple):
    """A format of files.

    Args:
        name: The name of the format in its files.
        version: The version of the format.
        what: The content of a file, as errors name it.
        refused: What an error says of a file with different content.
        saved_by: The public class that writes such files.
    """

    name: str
    version: int
    what: str
    refused: str
    saved_by: str

    def write(self, path: Path, plain: Mapping[str, Any]) -> Path:
        """Writes a file, whole or not at all; every number is read again as it was.

        Args:
            path: A file name that ends in .json. Missing folders are created.
            plain: The values by name.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has a different ending.
        """
        if path.suffix != ".json":
            raise ValueError(f"the name of the file of {self.what} must end in .json, got {path.name!r:.200}")
        content = {"format": self.name, "version": self.version, **plain}
        write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
        return path

    def read(self, content: bytes) -> dict[str, Any]:
        """Reads the values of a file.

        Args:
            content: The content of the file.

        Returns:
            The values by name.

        Raises:
            ValueError: When the file has a different format or version.
        """
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        plain = parsed(content)
        if not isinstance(plain, dict) or plain.pop("format", None) != self.name:
            raise ValueError("it does not name itself one")
        if (version := plain.pop("version", None)) != self.version:
            raise ValueError(f"it has version {version}, and this package reads version {self.version}")
        return plain

    def content(self, path: Path) -> bytes:
        """The content of a file; for a file that is too large, only enough bytes to show this.

        Args:
            path: The file.

        Returns:
            Its content.

        Raises:
            OSError: When the file cannot be read.
        """
        check_file(path, f"{self.what} must be a .json file that {self.saved_by}.save wrote")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)


class JsonFile(ABC):
    """Plain values that are saved as a file, in a separate format for each class, and read again."""

    FORMAT: ClassVar[JsonFormat]

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""

    @classmethod
    @abstractmethod
    def of_dict(cls: type[J], plain: dict[str, Any]) -> J:
        """The values from the output of `as_dict`.

        Args:
            plain: Plain values by name; the call may change them.

        Returns:
            The values.

        Raises:
            ValueError: When the plain values do not fit; TypeError, KeyError and AttributeError mean the same.
        """

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes all values as JSON, whole or not at all; every number is read again as it was.

        Args:
            path: A file name that ends in .json. Missing folders are created.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has another ending.
        """
        return self.FORMAT.write(Path(path), self.as_dict())

    @classmethod
    def load(cls: type[J], path: str | os.PathLike[str]) -> J:
        """Reads what `save` wrote.

        Args:
            path: The file.

        Returns:
            The values, bit for bit.

        Raises:
            OSError: When the file cannot be read.
            ValueError: When the file has a different content, or a newer version.
        """
        content = cls.FORMAT.content(Path(path))
        try:
            return cls.of_dict(cls.FORMAT.read(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _, _, _, refused, saved_by = cls.FORMAT
            raise ValueError(
                f"{path} {refused} ({clipped(error)}); give a file that {saved_by}.save has written"
            ) from error


def plain_json(value: Any) -> Any:
    """Plain values in a form that JSON can hold.

    Args:
        value: Dictionaries, lists, tuples, numbers, texts, truths and None.

    Returns:
        The same values, with lists instead of tuples, and None instead of numbers that are not finite.

    Example:
        >>> plain_json({"rms": float("nan"), "of": (1, 2.5)})
        {'rms': None, 'of': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {name: plain_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
