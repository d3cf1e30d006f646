"""What maintainers rely on: the workflow tries every Python, and issue forms ask for what is needed."""

import re
from importlib import metadata
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml"))


def commands(job: dict) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_every_python_from_the_lowest_one_is_tried():
    tried = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"]
    lowest = metadata.metadata("torch-fastscape")["Requires-Python"].removeprefix(">=")
    minors = [int(version.split(".")[1]) for version in tried]
    assert tried[0] == lowest
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_the_workflow_calls_targets_of_make():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    called = re.findall(r"make (\w+)", "\n".join(map(commands, WORKFLOW["jobs"].values())))
    assert {"package", "docs", "training"} <= set(called) <= set(targets)
    assert "-c tests/lowest.txt" in commands(WORKFLOW["jobs"]["lowest"])


def test_the_site_is_published_from_the_main_repository_alone():
    pages = WORKFLOW["jobs"]["pages"]
    for condition in ("refs/heads/main", "!github.event.repository.fork", "vars.PUBLISH_DOCS == 'true'"):
        assert condition in pages["if"]
    others = [job for name, job in WORKFLOW["jobs"].items() if name != "pages"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in others)


def test_forms_of_issues_ask_for_the_machine():
    assert [form.stem for form in FORMS] == ["1-wrong-value", "2-crash", "3-feature"]
    for form in FORMS:
        content = yaml.safe_load(form.read_text())
        assert content["name"]
        assert content["description"]
        asked = [field["id"] for field in content["body"] if field["type"] != "markdown"]
        assert len(asked) == len(set(asked)) >= 3
    for form in FORMS[:2]:
        assert "`fastscape info`" in form.read_text()
