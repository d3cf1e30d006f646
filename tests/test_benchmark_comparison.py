"""The comparison of two benchmark files: what counts as slower, and when the command fails."""

import json

import pytest

from benchmarks import compare


def results(seconds, spread=0.1, rounds=3, **facts):
    row = {"seconds_a_point": seconds, "spread": spread, "seconds": [seconds] * rounds}
    problem = {"samples": 8, "side": 5, "parameters": 9, "processor": "P", "rows": {"fastscape": row}}
    top = {name: facts.pop(name) for name in ("threads", "scale") if name in facts}
    return {"threads": 2, "scale": "full", "problems": {"mlp": problem | facts}} | top


@pytest.fixture
def compared(tmp_path, capsys):
    def run(committed, now, *arguments):
        files = []
        for name, content in (("committed", committed), ("now", now)):
            files.append(tmp_path / f"{name}.json")
            files[-1].write_text(json.dumps(content))
        status = compare.main([str(files[1]), "--committed", str(files[0]), *arguments])
        return status, capsys.readouterr().out

    return run


def test_slower_beyond_the_spread_is_a_regression(compared):
    status, said = compared(results(0.010), results(0.013), "--fail-above", "1.2")
    assert status == 1
    assert "| mlp | 10 | 13 | 1.30 | 10% | REGRESSION |" in said
    assert "1 of 1 became slower" in said


def test_within_the_larger_spread_nothing_is_marked(compared):
    for wide in ((0.4, 0.1), (0.1, 0.4)):
        status, said = compared(results(0.010, wide[0]), results(0.013, wide[1]), "--fail-above", "1.2")
        assert status == 0
        assert "REGRESSION" not in said


def test_a_regression_below_the_limit_is_shown_and_does_not_fail(compared):
    assert compared(results(0.010), results(0.013), "--fail-above", "1.5")[0] == 0
    status, said = compared(results(0.010), results(0.013))
    assert status == 0
    assert "REGRESSION" in said


def test_faster_is_no_regression(compared):
    status, said = compared(results(0.010), results(0.005), "--fail-above", "1")
    assert status == 0
    assert "| 0.50 |" in said


def test_one_round_has_no_spread(compared):
    status, said = compared(results(0.010, rounds=1), results(0.011), "--fail-above", "1.05")
    assert status == 1
    assert "| one round | REGRESSION |" in said


@pytest.mark.parametrize("other", [{"processor": "Q"}, {"threads": 4}, {"side": 7}, {"scale": "tiny"}])
def test_other_machines_and_sizes_are_not_compared(compared, other):
    status, said = compared(results(0.010), results(0.050, **other))
    assert status == 0
    assert f"not comparable: {next(iter(other))}" in said
    assert "0 of 1" in said
    assert compared(results(0.010), results(0.050, **other), "--fail-above", "1.2")[0] == 1


def test_a_row_that_could_not_run_is_left_out(compared):
    now = results(0.010)
    now["problems"]["mlp"]["rows"]["fastscape"] = {"error": "no memory"}
    assert "0 of 0" in compared(results(0.010), now)[1]


def test_the_committed_file_is_found_by_the_threads_and_agrees_with_itself(capsys):
    committed = compare.RESULTS / "cpu-2-threads.json"
    assert compare.main([str(committed), "--fail-above", "1"]) == 0
    said = capsys.readouterr().out
    for name in json.loads(committed.read_text())["problems"]:
        assert f"| {name} |" in said
        assert f"| {name} bfloat16 |" in said


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("[]")
    with pytest.raises(SystemExit, match=r"a\.json must be JSON that `python -m benchmarks.run` wrote"):
        compare.main([str(file)])
