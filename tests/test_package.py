"""The script that runs the pages from a wheel: it leaves nothing out without a reason, and notices what fails."""

import sys

import pytest

import package


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", package.PAGES, ids=lambda path: path.name)
def test_every_block_runs_or_has_a_reason(path):
    text = path.read_text()
    steps = package.steps(path)
    assert sum(step.kind == "python" for step in steps) == text.count("\n```python\n") + text.count("\n```py\n")
    assert not any(
        step.skipped
        for step in steps
        if step.text.startswith("fastscape")
        and step.kind == "command"
        and not step.text.startswith((*package.LONG, "fastscape bench"))
    )


def test_the_steps_of_a_page(tmp_path):
    text = (
        "Write `fastscape info\nx.npz`, or `fastscape surface --tolerance 1`.\n```python\nside = 3\n```\n"
        "```sh\nmake demo\nOMP_NUM_THREADS=1 fastscape info \\\n  x.npz  # how\nfastscape demo --exact   # all\n```\n"
        "```text\nshown\n```\n"
    )
    steps = package.steps(page(tmp_path, text))
    assert [(step.kind, step.text, step.skipped) for step in steps] == [
        ("command", "fastscape info x.npz", None),
        ("python", "side = 3\n", None),
        ("command", "make demo", "needs a checkout"),
        ("command", "OMP_NUM_THREADS=1 fastscape info x.npz", None),
        ("command", "fastscape demo --exact", "takes many minutes; --long runs it"),
    ]
    assert package.steps(page(tmp_path, text), long=True)[-1].skipped is None


def test_a_fragment_needs_a_reason(tmp_path):
    with pytest.raises(ValueError, match=r"page\.md:2 is marked py, so nothing runs it"):
        package.steps(page(tmp_path, "\n```py\nunknown\n```\n"))


def test_an_article_goes_on_with_its_names(tmp_path):
    path = tmp_path / package.CONTINUED[0]
    path.write_text("```python\nside = 3\n```\n```python\nassert side == 3\n```\n")
    assert package.run(path, long=False, lines=[]) == []


def test_a_page_says_what_failed(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(package.FILES, "made.txt", f"\"{sys.executable}\" -c \"open('made.txt', 'w').write('1')\"")
    monkeypatch.setattr(package, "COMMANDS_ELSEWHERE", {"make": "needs a checkout"})
    text = (
        "```sh\ntest -f made.txt\nmake demo\nls missing.txt\n```\n```python\nassert not open('made.txt').read()\n```\n"
    )
    lines = []
    failed = package.run(page(tmp_path, text), long=False, lines=lines)
    assert len(failed) == 2
    assert "missing.txt" in failed[0]
    assert "AssertionError" in failed[1]
    assert [line.split()[0] for line in lines] == ["ran", "skipped:", "failed", "failed"]
    assert "page.md:3 test" not in capsys.readouterr().err


def test_commands_have_the_modules_that_they_name(tmp_path):
    text = "```sh\npython3.x mine:make_model --out model.safetensors\n```\n"
    step = package.steps(page(tmp_path, text))[0]
    assert package._made(step.text, tmp_path) is None  # what a command writes itself is not made
    assert (tmp_path / "mine.py").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_the_checkout_is_no_installed_package(monkeypatch):
    monkeypatch.setattr(package.sysconfig, "get_path", lambda name: "/nowhere")
    with pytest.raises(SystemExit, match="fastscape must be installed in"):
        package.check_installed()
