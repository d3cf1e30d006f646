"""What pyproject.toml cannot say: README.md as the package index shows it, and the addresses of the project."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PARTS = re.compile(
    r"^```.*?^```$"  # a block of code
    r"|(?P<mark>!?)\[(?P<text>(?:[^][]|\[[^][]*\])*)\]\((?P<target>[^)\s]+)\)"  # a picture or a link
    r"|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)


def repository(citation: str) -> str | None:
    """The address of the repository.

    Args:
        citation: The content of CITATION.cff.

    Returns:
        Its `repository-code`, without a slash at the end, or None if it has none.
    """
    found = re.search(r"^repository-code: *[\"']?([^\s\"']+?)/?[\"']?$", citation, flags=re.MULTILINE)
    return found and found[1]


def addresses(repository: str | None) -> dict[str, str]:
    """The links beside the description on the package index.

    Args:
        repository: The address of the repository.

    Returns:
        An address for each label; none without a repository.
    """
    if repository is None:
        return {}
    return {
        "Documentation": f"{repository}/blob/HEAD/docs/index.md",
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
    }


def description(readme: str, repository: str | None) -> str:
    """The README for the package index, which has no files beside it.

    Links and pictures get the address of the repository. Without an address, a link becomes its text with the name of
    the file, and a picture its description. Blocks of code stay as they are.

    Args:
        readme: The content of README.md.
        repository: The address of the repository.

    Returns:
        The same text, in which no link and no picture is relative.
    """
    return PARTS.sub(lambda part: _absolute(part, repository), readme)


def _absolute(part: re.Match[str], repository: str | None) -> str:
    mark, text, target = part["mark"], part["text"], part["target"]
    if target is None:
        return part[0]
    text = description(text, repository)  # of a link, which may hold a picture
    if target.startswith(("https://", "http://", "mailto:")):
        return f"{mark}[{text}]({target})"
    if repository is not None:
        path = f"README.md{target}" if target.startswith("#") else target
        return f"{mark}[{text}]({repository}/{'raw' if mark else 'blob'}/HEAD/{path})"
    if mark:
        return f"*{text}*"
    file = target.partition("#")[0]
    return text if not file or text.strip("`") == file else f"{text} ({file})"


if __name__ == "__main__":
    from setuptools import setup

    address = repository((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    setup(
        long_description=description((ROOT / "README.md").read_text(encoding="utf-8"), address),
        long_description_content_type="text/markdown",
        project_urls=addresses(address),
    )
