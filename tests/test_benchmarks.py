"""The benchmarks run, so that they cannot rot; what they measure is no test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.problems import PROBLEMS
from benchmarks.rivals import RIVALS

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> str:
    result = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("results") / "tiny.json"
    suite = ["benchmarks.run", "--scale", "tiny", "--side", "2", "--rounds", "1", "--out", str(file)]
    run(*suite, "--no-memory", "--problems", *(name for name in PROBLEMS if name != "mlp"))
    run(*suite, "--problems", "mlp")
    return json.loads(file.read_text())


def test_every_problem_and_rival_is_in_the_results(results):
    assert set(results["problems"]) == set(PROBLEMS)
    assert results["problems"]["mlp"]["ceilings"]["product GFLOP/s"] > 0
    assert results["versions"]["torch"]
    for found in results["problems"].values():
        assert set(found["rows"]) == {"fastscape", "fastscape bfloat16", *RIVALS}
        for row in found["rows"].values():  # a package that is not installed is reported as such
            assert row.get("seconds_a_point", 0) > 0 or row["error"]
        for name in ("fastscape", "naive loop"):
            assert found["rows"][name]["seconds_a_point"] > 0
        assert found["answer"]["fastscape"] < 1e-3
        assert found["answer"]["fastscape, as timed"] < 1e-3
    assert results["problems"]["mlp"]["peak_megabytes"].keys() == {"kept directions", "low_memory=True"}


def test_the_page_and_the_table_are_made_from_the_results(results, tmp_path):
    page = report.page(results)
    for name, found in results["problems"].items():
        assert f"## {name}" in page
        shown = f"{1e3 * found['rows']['naive loop']['seconds_a_point']:.3g}"
        assert shown in page
    assert report.summary(results).count("\n| ") == len(PROBLEMS)
    report.chart(results, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000


def test_ratios_are_those_of_the_times():
    rows = {
        "fastscape": {"seconds_a_point": 0.001},
        "naive loop": {"seconds_a_point": 0.004},
        "landscaper": {"seconds_a_point": 0.003},
        "loss-landscapes": {"error": "not installed"},
    }
    found = {"rows": rows, "samples": 7, "side": 51}
    assert report.fastest_peer(found) == ("landscaper", 0.003)
    machine = {"processor": "a processor", "threads": 2, "versions": {"torch": "2"}}
    table = report.summary({"problems": {"p": found}, **machine})
    assert "| p, 7 samples | 1 | 4x | 3x (landscaper) | - |" in table


def test_missed_aims_are_said_with_what_was_measured():
    rows = {
        "fastscape": {"seconds_a_point": 0.11},
        "fastscape bfloat16": {"seconds_a_point": 0.05},
        "naive loop": {"seconds_a_point": 0.22},
        "landscaper": {"seconds_a_point": 0.13},
    }
    found = {"rows": rows, "limits": {"float32": {"forward": 0.1}, "bfloat16": {}}}
    (_, said) = report._aims("vgg13", found)
    assert (
        "float32 1.35x as fast as landscaper: missed, 1.18x (the bare forward pass alone takes 100 ms of the" in said
    )
    assert "130 ms that landscaper needs for a point, which leaves 1.3x to any loop" in said
    assert "a point here takes 1.1 times the pass" in said
    assert "float32 1.8x as fast as the naive loop: reached, 2x" in said
    assert "bfloat16 2.5x as fast as landscaper: reached, 2.6x." in said
    assert report._aims("encoder", found) == []


@pytest.mark.parametrize(
    ("file", "keyword", "passed"),
    [("bench_memory.py", "small", 1), ("bench_kernels.py", "small or mlp", 10)],
)
def test_the_other_benchmarks_run_on_small_problems(file, keyword, passed):
    output = run("pytest", f"benchmarks/{file}", "-k", keyword, "-q", "-p", "no:cacheprovider")
    assert f"{passed} passed" in output, output
