"""Plain values as one JSON file that says of itself what it is."""

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
        name: What a file of it calls itself.
        version: Its version.
        what: What it holds, in errors.
        refused: What is said of a file of something else.
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
            ValueError: When the name has another ending.
        """
        if path.suffix != ".json":
            raise ValueError(f"the name of the file of {self.what} must end in .json, got {path.name!r:.200}")
        content = {"format": self.name, "version": self.version, **plain}
        write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
        return path

    def read(self, content: bytes) -> dict[str, Any]:
        """What a file says.

        Args:
            content: Of the file.

        Returns:
            The values by name.

        Raises:
            ValueError: When it is no such file, or of another version.
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
        """The content of a file, and of a larger one no more than shows that it is too large.

        Args:
            path: The file.

        Returns:
            Its content.

        Raises:
            OSError: When it cannot be read.
        """
        check_file(path, f"{self.what} must be a .json file that {self.saved_by}.save wrote")
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)


class JsonFile(ABC):
    """Plain values that are saved as a file of their own format, and read again."""

    FORMAT: ClassVar[JsonFormat]

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts."""

    @classmethod
    @abstractmethod
    def of_dict(cls: type[J], plain: dict[str, Any]) -> J:
        """The values of what `as_dict` gives.

        Args:
            plain: Plain values by name, which are used up.

        Returns:
            The values.

        Raises:
            ValueError: When they say something else; so do TypeError, KeyError and AttributeError.
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
            ValueError: When the file is something else, or of a newer version.
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
    """What JSON can hold of plain values.

    Args:
        value: Dictionaries, lists, tuples, numbers, texts, truths and None.

    Returns:
        The same, with lists for tuples, and None in the place of numbers that are not finite.

    Example:
        >>> plain_json({"rms": float("nan"), "of": (1, 2.5)})
        {'rms': None, 'of': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {name: plain_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
