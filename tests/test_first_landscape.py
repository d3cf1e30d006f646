"""The notebook docs/first_landscape.ipynb: its cells run, and its outputs are those of its cells.

After a change `jupyter nbconvert --execute --inplace` runs it again; delete the progress bars among its outputs, and
the metadata of its cells.
"""

import ast
import contextlib
import html
import io
import json
import re
from pathlib import Path

PATH = Path(__file__).parent.parent / "docs" / "first_landscape.ipynb"
MOST = 400_000  # bytes
NOTEBOOK = json.loads(PATH.read_text())
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict) -> tuple[str, str]:
    """What a cell prints, and what a notebook shows of its last expression."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), PATH.name, "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), PATH.name, "eval"), names)
    return printed.getvalue(), "" if value is None else value._repr_html_()


def kept(cell: dict) -> tuple[str, str]:
    """What the notebook holds of that."""
    printed = "".join("".join(one["text"]) for one in cell["outputs"] if one["output_type"] == "stream")
    shown = [one["data"] for one in cell["outputs"] if one["output_type"] == "execute_result"]
    return printed, "".join("".join(data["text/html"]) for data in shown)


def words(text: str) -> str:
    """A text without its numbers, which other processors round otherwise, and without its picture."""
    text = re.sub(r'src="data:image/png;base64,[^"]*"', "picture", html.unescape(text))
    text = re.sub(r"[-+]?\d(?:[\d,]*\d)?(?:\.\d+)*(?:e[-+]?\d+)?", "0", text)
    return re.sub(r"[\s-]+", " ", text)


def test_every_cell_runs_and_gives_what_the_notebook_shows():
    names: dict = {}
    for number, cell in enumerate(CELLS):
        printed, shown = run("".join(cell["source"]), names)
        assert words(printed) == words(kept(cell)[0]), number
        assert words(shown) == words(kept(cell)[1]), number
        assert ("picture" in words(shown)) == bool(shown)


def test_it_was_run_from_the_top_and_without_errors():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    kinds = {one["output_type"] for cell in CELLS for one in cell["outputs"]}
    assert kinds == {"stream", "execute_result"}
    assert {one["name"] for cell in CELLS for one in cell["outputs"] if "name" in one} == {"stdout"}


def test_it_is_small_and_holds_nothing_of_a_machine():
    text = PATH.read_text()
    assert len(text) < MOST
    assert "<iframe" not in text
    plain = re.sub(r"data:image/png;base64,[^\\\"]*", "", text)
    assert not re.search(r"/(home|Users|root|tmp|work|opt)/|\.venv", plain)
    assert NOTEBOOK["metadata"].keys() == {"kernelspec", "language_info"}


def test_its_links_lead_to_pages():
    text = "".join("".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert all((PATH.parent / link).exists() for link in links)
