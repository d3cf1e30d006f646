"""The list of mutations: it fits the modules, and the documentation shows it. `make mutations` tries them."""

from pathlib import Path

import pytest
from mutations import MUTATIONS, ROOT, listed


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.defect)
def test_a_mutation_changes_one_place(mutation):
    text = (ROOT / "fastscape" / f"{mutation.file}.py").read_text()
    assert text.count(mutation.before) == 1
    assert mutation.before != mutation.after
    assert (Path(__file__).parent / mutation.tests.split("::")[0]).is_file()


def test_the_documentation_lists_them():
    assert len(MUTATIONS) >= 20
    assert listed() in (ROOT / "docs" / "contributing.md").read_text()
