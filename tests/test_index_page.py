"""What the package index shows: the README without relative links, and the addresses of the project."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ADDRESS = "https://example.org/fastscape"

_spec = importlib.util.spec_from_file_location("setup", ROOT / "setup.py")
SETUP = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(SETUP)

TEXT = """[![the map](docs/map.png)](docs/gallery/README.md) and [a paper](https://arxiv.org/abs/1712.09913)

see [the part](#install), [`docs/faq.md`](docs/faq.md#nan) and [questions](docs/faq.md#nan); `[points, 1, 3](a)`

```python
values[0](docs)
```
"""


def relative(text: str) -> list[str]:
    """The links and pictures outside code that need a file beside the text."""
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)]+)\)|^\[[^]]+\]: *(\S+)|(?:src|href)=[\"']([^\"']+)", text, flags=re.MULTILINE)
    return [target for targets in found for target in targets if target and not target.startswith("https://")]


@pytest.mark.parametrize("address", [ADDRESS, None])
def test_the_readme_needs_no_file_beside_it(address):
    assert relative(README)
    assert relative(SETUP.description(README, address)) == []


@pytest.mark.parametrize("address", [ADDRESS, None])
def test_the_code_of_the_readme_stays_as_it_is(address):
    code = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
    assert code.findall(SETUP.description(README, address)) == code.findall(README)


def test_with_an_address_links_lead_to_the_repository():
    text = SETUP.description(TEXT, ADDRESS)
    assert f"[![the map]({ADDRESS}/raw/HEAD/docs/map.png)]({ADDRESS}/blob/HEAD/docs/gallery/README.md)" in text
    assert f"[the part]({ADDRESS}/blob/HEAD/README.md#install)" in text
    assert f"[`docs/faq.md`]({ADDRESS}/blob/HEAD/docs/faq.md#nan)" in text
    assert "[a paper](https://arxiv.org/abs/1712.09913)" in text
    assert "values[0](docs)" in text
    assert "`[points, 1, 3](a)`" in text


def test_without_an_address_a_link_names_its_file():
    first, _, second = SETUP.description(TEXT, None).splitlines()[:3]
    assert first == "*the map* (docs/gallery/README.md) and [a paper](https://arxiv.org/abs/1712.09913)"
    assert second == "see the part, `docs/faq.md` and questions (docs/faq.md); `[points, 1, 3](a)`"


@pytest.mark.parametrize("line", [f"repository-code: {ADDRESS}", f'repository-code: "{ADDRESS}/"'])
def test_the_address_is_that_of_the_citation(line):
    assert SETUP.repository(f"license: MIT\n{line}\nkeywords:\n") == ADDRESS


def test_a_citation_without_an_address_makes_no_links():
    assert SETUP.repository("license: MIT\n# `repository-code:` is missing\n") is None
    assert SETUP.addresses(None) == {}


def test_the_links_beside_the_description():
    found = SETUP.addresses(ADDRESS)
    assert list(found) == ["Documentation", "Source", "Issues", "Changelog"]
    for address in (found["Documentation"], found["Changelog"]):
        assert (ROOT / address.removeprefix(f"{ADDRESS}/blob/HEAD/")).is_file()
