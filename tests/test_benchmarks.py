"""The benchmarks run, so that they cannot rot; what they measure is no test."""

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from benchmarks import large, levels, measure, ratio, refinement, repeats, report, scaling, shapes, trajectories
from benchmarks.costs import Machine, memory
from benchmarks.problems import PROBLEMS
from benchmarks.rivals import RIVALS, directions, ours
from fastscape import Landscape
from fastscape.sampling import Refinement
from processes import one_thread
from stored_runs import CONTEXT

ROOT = Path(__file__).parent.parent
MEASURED = "mlp", "cnn"  # by the whole suite


def run(*arguments: str) -> str:
    result = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    """Of the whole suite, whose processes are copied from one that has imported torch; the peaks of one problem."""
    file = tmp_path_factory.mktemp("results") / "tiny.json"
    suite = ["--scale", "tiny", "--side", "2", "--rounds", "1", "--out", str(file)]
    path = os.pathsep.join(sys.path)
    with mock.patch.dict(os.environ, PYTHONPATH=path), mock.patch.object(multiprocessing, "get_context") as context:
        context.return_value = CONTEXT
        main = importlib.import_module("benchmarks.run").main
        main([*suite, "--problems", MEASURED[0]])
        main([*suite, "--problems", *MEASURED[1:], "--no-memory"])  # goes on with the results of before
    return json.loads(file.read_text())


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_one_and_agrees_with_the_naive_loop(name):
    problem = PROBLEMS[name](True)
    pair = directions(problem)
    assert measure.compared(problem, pair, ours(problem, pair, 3).loss) < 1e-3
    with pytest.raises(AssertionError, match="of the range off the naive loop"):
        measure.compared(problem, pair, ours(problem, pair, 3).loss.T)


def test_every_rival_is_in_the_results(results):
    assert set(results["problems"]) == set(MEASURED)
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
    assert report.summary(results).count("\n| ") == len(MEASURED)
    report.chart(results, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000


def test_operations_are_counted_where_torch_fuses_them():
    """An encoder layer is one operation for torch in evaluation mode: with no less arithmetic than its products."""
    encoder = PROBLEMS["encoder"](True)
    inner = [m for m in encoder.model.modules() if isinstance(m, torch.nn.Linear)]
    tokens = encoder.inputs.numel()
    assert measure.flops(encoder) > 2 * tokens * max(m.weight.numel() for m in inner)
    assert torch.backends.mha.get_fastpath_enabled()


def test_ratios_are_those_of_the_times():
    rows = {
        "fastscape": {"seconds_a_point": 0.001},
        "naive loop": {"seconds_a_point": 0.004},
        "landscaper": {"seconds_a_point": 0.003},
        "loss-landscapes": {"error": "not installed"},
    }
    found = {"rows": rows, "samples": 7, "side": 51, "processor": "a processor"}
    assert report.fastest_peer(found) == ("landscaper", 0.003)
    machine = {"threads": 2, "versions": {"torch": "2"}}
    table = report.summary({"problems": {"p": found}, **machine})
    assert "| p, 7 samples | 1 | 4.00 | 3.00 (landscaper) |" in table
    assert "Measured on a processor, 2 threads" in table


def test_missed_aims_are_said_with_what_was_measured():
    rows = {
        "fastscape": {"seconds_a_point": 0.11},
        "fastscape bfloat16": {"seconds_a_point": 0.05},
        "naive loop": {"seconds_a_point": 0.22},
        "landscaper": {"seconds_a_point": 0.13},
    }
    found = {"rows": rows, "limits": {"float32": {"forward": 0.1}, "bfloat16": {}}}
    peer, naive, half = report._aims("vgg13", found)
    assert "vgg13, float32, 1.35 times the speed of landscaper: missed, 1.18 times." in peer
    assert "landscaper needs 130 ms per point, of which the bare forward pass takes 100 ms." in peer
    assert "can reach 1.3 times at most. A point in fastscape takes 1.1 times the pass." in peer
    assert "float32, 1.8 times the speed of the naive loop: reached, 2 times." in naive
    assert "bfloat16, 2.5 times the speed of landscaper: reached, 2.6 times." in half
    assert report._aims("encoder", found) == []


def test_the_other_benchmarks_run_on_small_problems():
    files = "benchmarks/bench_memory.py", "benchmarks/bench_kernels.py"
    output = run("pytest", *files, "-k", "small or mlp", "-q", "-p", "no:cacheprovider")
    assert "20 passed" in output, output


def test_the_cost_model_is_compared_with_runs_of_several_processes(tmp_path, monkeypatch):
    start = subprocess.run

    def started(command, **options):
        if "--nproc-per-node=1" not in command:
            return start(command, **options)
        scaling.main(command[command.index("--work") :])  # one process is this one

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setenv("RANK", "0")
    with one_thread():
        scaling.main(["--tiny", "--rounds", "1", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "tiny.json").read_text())
    assert [row["processes"] for row, _ in scaling.predicted(results, "network")] == [1, 2]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{scaling.START}\nwhat was there\n{scaling.STOP}\nafter")
    scaling.write(results, page)
    assert "| played device, 9 points | 1 |" in page.read_text()
    assert "what was there" not in page.read_text()
    assert page.read_text().endswith("after")


def test_the_cost_model_counts_what_a_run_does():
    machine = Machine(flops=1e9, bandwidth=1e9, call=0.5, begin=10.0, request=0.001, network=1e6)
    assert machine.point(2e9, 1e8, chunk=3, width=4) == pytest.approx(2 + 4e8 * (3 / 3 + 2) / 1e9 + 0.5)
    assert machine.run(2.0, 100, block=10) == pytest.approx(10 + 200)
    # Ten blocks on three processes are four rounds; 80 requests; the grid of 800 bytes goes to each.
    assert machine.run(2.0, 100, block=10, processes=3) == pytest.approx(10 + 4 * 20 + 0.08 + 0.0024)
    assert machine.run(2.0, 9, block=10, processes=3) == pytest.approx(10 + 18 + 0.062 + 0.000216)
    # Points in 16 bits: the model 2 GB, three float32 vectors 12 GB, two points 4 GB.
    assert memory(1e9, chunk=2, width=2) == 18e9
    assert memory(1e9, chunk=2, width=2, low_memory=True) == 10e9
    assert machine.point(0, 1e9, width=2) == pytest.approx(12 + 4 + 0.5)


def test_means_over_more_directions_are_nearer_to_that_over_all(tmp_path, monkeypatch):
    for name, value in {"REPEATS": 32, "SAMPLES": 16, "NETWORKS": {"mlp": 1}, "GROUPS": [1, 16]}.items():
        monkeypatch.setattr(repeats, name, value)
    found = repeats.measured("mlp")
    for at in found["radii"]:
        assert at["errors"][1] < at["errors"][0] / 2
        assert at["enough"][1] >= at["enough"][0]
    page = tmp_path / "page.md"
    page.write_text(f"{repeats.START}\nwhat was there\n{repeats.STOP}\n")
    repeats.write({"what": "A network.", "date": "2026-01-01", "runs": [found]}, page)
    assert "| mlp, 0.1 |" in page.read_text()
    assert "what was there" not in page.read_text()


def test_levels_are_measured_against_the_full_grid(tmp_path, monkeypatch):
    for name, value in {"SAMPLES": 8192, "SIDE": 16, "EPOCHS": 1, "TOLERANCE": 0.02}.items():
        monkeypatch.setattr(levels, name, value)
    name = next(iter(levels.NETWORKS))
    found = levels.compared(name, 0, tmp_path)
    assert found["met"]
    assert found["rms"] < 0.02
    assert found["sample_evaluations"] < found["all_samples_everywhere"]
    page = tmp_path / "page.md"
    page.write_text(f"{levels.START}\nwhat was there\n{levels.STOP}\n")
    levels.write({"what": "Two runs.", "date": "2026-01-01", "runs": [found, found]}, page)
    assert f"| {name}, median | {found['levels'][0]['points']} | {found['levels'][1]['points']} |" in page.read_text()
    assert "what was there" not in page.read_text()


def test_the_cost_model_is_fitted():
    truth = Machine(flops=2e10, bandwidth=5e9, call=1e-3)
    cells = [
        {
            "weights": weights,
            "samples": samples,
            "seconds": truth.point(2 * weights * samples, weights, chunk=scaling.CHUNK),
        }
        for weights in (1e5, 1e6, 1e7)
        for samples in (16, 256)
    ]
    found = scaling.fitted(cells)
    assert (found.flops, found.bandwidth, found.call) == pytest.approx((2e10, 5e9, 1e-3))


def test_refinement_is_measured_against_the_full_grid(tmp_path):
    axis = np.linspace(-1, 1, 31)
    truth = Landscape(axis, axis, 10 ** (axis[:, None] ** 2 + axis**2), {"accuracy": 1 - axis[:, None] ** 2 * axis**2})
    every = refinement.refined(truth)
    assert [run["tolerance"] for run in every] == list(refinement.TOLERANCES)
    assert [run["points"] for run in every] == sorted(run["points"] for run in every)
    for found in every:
        assert found["met"]
        assert 0 < found["rms"] < found["largest"] < 0.2
        assert found["rms"] <= found["tolerance"]
        assert 24 <= found["hindsight_from_fewer"] <= found["hindsight"] <= found["points"] < 0.5 * 961
    facts = {"network": "mnist-cnn", "side": 31}
    page = tmp_path / "page.md"
    page.write_text(f"{refinement.START}\nwhat was there\n{refinement.STOP}\n")
    runs = [facts | run | {"rms": rms, "points": 100, "hindsight": 50} for run in every for rms in (0.001, 0.03)]
    runs += [run | {"side": refinement.SIDE} for run in runs]
    refinement.write({"networks": "Two runs.", "date": "2026-01-01", "runs": runs}, page)
    assert "| mnist-cnn, 31 x 31 | 0.01 | 2 | 50% |" in page.read_text()
    assert "| 50 | 2.00 |" in page.read_text()
    assert "Of 12 runs 6 ended with an error above their tolerance (50.0%)" in page.read_text()
    assert "what was there" not in page.read_text()


def test_hindsight_stops_at_the_first_point_that_makes_it_good_enough():
    """A spike whose neighbours come one by one."""
    axis = np.linspace(-1, 1, 31)
    truth = Landscape(axis, axis, 10 ** (axis[:, None] ** 2 + axis**2))
    seen = refinement._rounds(truth, 0, first=None)
    for tolerance in (0.5, *refinement.TOLERANCES):
        points = refinement._hindsight(truth, seen, tolerance)
        some = Refinement((axis, axis), tolerance)
        for count in (points, points - 1):
            order = seen[-1]["order"][:count]
            some = Refinement((axis, axis), tolerance)
            some.take(order, refinement._values(truth)[order])
            good = refinement._errors(some, refinement._values(truth))[0] <= tolerance
            assert good == (count == points) or points == seen[0]["points"]


def test_full_grids_are_computed_once(tmp_path, monkeypatch):
    monkeypatch.setattr(refinement, "EPOCHS", 1)
    monkeypatch.setattr(refinement, "SAMPLES", 8)
    first = refinement.truth("mlp", 0, 1.0, 3, tmp_path)
    monkeypatch.setattr(refinement, "trained", None)
    assert np.array_equal(refinement.truth("mlp", 0, 1.0, 3, tmp_path).loss, first.loss)


def test_random_shapes_are_measured_and_go_on_where_they_were(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{shapes.START}\nwhat was there\n{shapes.STOP}\n")
    options = ["--scale", "tiny", "--rounds", "1", "--no-memory", "--out", str(tmp_path / "shapes.json")]
    with one_thread():
        file = shapes.main([*options, "--page", str(page)])
        results = json.loads(file.read_text())
        assert all(row["ratio"] > 0 and row["difference"] < 1e-3 for row in results["problems"].values())
        known = file.read_text()
        shapes.main(options)
    assert file.read_text() == known  # nothing was left to do
    rows = [line for line in page.read_text().splitlines() if line.split(" | ")[1:3] == ["4", "16"]]
    assert len(rows) == len(shapes.drawn(8, tiny=True))
    assert report.others(page.read_text()).strip() == page.read_text().strip()  # what another suite's page keeps


def test_the_drawn_shapes_are_always_the_same():
    drawn = shapes.drawn(shapes.COUNT)
    assert drawn == shapes.drawn(shapes.COUNT)
    assert len({shape.name for shape in drawn}) == shapes.COUNT


def test_a_loop_that_gives_other_values_is_noticed(monkeypatch):
    monkeypatch.setattr(shapes.Plain, "point", lambda self, a, b: a)
    with pytest.raises(AssertionError, match="of the range off the plain loop"), one_thread():
        shapes.measured(shapes.drawn(1, tiny=True)[0], 1, shapes.CLOCKS["cpu"], memory=False)


def test_large_landscapes_are_measured(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{large.START}\nwhat was there\n{large.STOP}\n")
    large.main(["--side", "9", "--rounds", "1", "--out", str(tmp_path / "large.json"), "--page", str(page)])
    assert page.read_text().count("| CSV read |") == 1


def test_the_plane_of_a_training_is_measured_and_nothing_is_left(tmp_path):
    page, out = tmp_path / "page.md", tmp_path / "found.json"
    page.write_text(f"{trajectories.START}\nwhat was there\n{trajectories.STOP}\n")
    sizes = ["--checkpoints", "5", "--width", "8", "--threads", "1", "--folder", str(tmp_path)]
    trajectories.main([*sizes, "--out", str(out), "--page", str(page)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "page.md"]
    found = json.loads(out.read_text())
    assert found["weights"] == 11 * 8 * 9
    assert found["plane"]["coordinates off"] < 1e-6
    assert found["plane"]["axes off"] < 1e-6
    assert "| both axes, in a second pass |" in page.read_text()
    assert "what was there" not in page.read_text()
    with pytest.raises(SystemExit, match=r"GB free; wanted .*, or fewer --checkpoints"):
        trajectories.main([*sizes, "--checkpoints", str(10**12), "--out", str(out), "--page", str(page)])


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what curvlinops imports
def test_eigenvalues_are_measured_and_every_way_finds_the_same(tmp_path, monkeypatch):
    pytest.importorskip("curvlinops")
    monkeypatch.setattr(ratio, "NETWORK", "mlp")
    few = ["--samples", "64", "--epochs", "1", "--every", str(ratio.SIDE), "--out", str(tmp_path / "ratio.json")]
    with one_thread():
        results = ratio.main(few)
    (row,) = results["points"]
    assert (row["x"], row["y"]) == (0, 0)
    assert json.loads((tmp_path / "ratio.json").read_text()) == results
    for way in ("eigsh", "curvlinops"):
        assert row[way]["apart"] < 1e-2
        assert row[way]["products"] > row["fastscape"]["products"] >= 10
    assert ratio.table(results).count("\n| ") == 1 + len(ratio.WAYS)


def test_products_are_timed_beside_weights_that_are_written(monkeypatch):
    from benchmarks import products

    monkeypatch.setattr(products, "SECONDS", 0.0)
    seconds, ratio, low, high = products.measured(8, 2, points=4, rounds=3)
    assert seconds > 0
    assert 0 < low <= ratio <= high
