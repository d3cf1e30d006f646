"""The command for the basins of landscapes."""

import numpy as np
import pytest

from commands import fails, run
from fastscape import Landscape, Topology


@pytest.fixture
def files(tmp_path):
    x = np.linspace(-2, 2, 41)
    wells = (x[:, None] ** 2 - 1) ** 2 + 0.1 * x[:, None] + x**2 + 1
    made = {}
    for name, loss in {"one": wells, "two": wells + 0.3 * (x[:, None] > 0)}.items():
        made[name] = Landscape(x, x, loss, {"accuracy": 1 / loss}).save(tmp_path / f"{name}.npz")
    return made


def test_one(files, tmp_path):
    out = tmp_path / "new" / "basins.npz"
    said = run("topology", files["one"], "--out", out, "--threshold", 0.01, "--no-log", "--dimensions", "0,1")
    found = Topology.load(out)
    assert (found.scale, found.dimensions, len(found.basins)) == ("linear", (0, 1), 2)
    assert found.threshold == pytest.approx(0.01 * np.ptp(found.heights))
    assert str(out) in said
    assert str(found) in said
    assert out.with_suffix(".png").stat().st_size > 5000
    assert str(out.with_suffix(".png")) in said


def test_options_reach_the_call(files, tmp_path):
    out = tmp_path / "a.npz"
    options = "--measure", "accuracy", "--error", 0.25, "--confidence", 0.9, "--no-pictures"
    run("topology", files["one"], "--out", out, *options)
    assert not out.with_suffix(".png").exists()
    found = Topology.load(out)
    assert (found.measure, dict(found.errors)) == ("accuracy", {"given": 0.25})
    assert found.report["topology"]["confidence"] == 0.9


def test_two_are_compared(files, tmp_path):
    out = tmp_path / "both"
    said = run("topology", *files.values(), "--out", out, "--no-log", "--error", 0.1)
    one, two = (Topology.load(out / f"{name}.npz") for name in files)
    assert one.distance(two) == pytest.approx(0.3)
    assert (out / "topologies.png").stat().st_size > 5000
    assert "dimension 0: bottleneck distance 0.3, wasserstein 0.3" in said
    assert "Errors explain a bottleneck distance of up to 0.2." in said
    assert "\none: 2 basins" in said


def test_what_is_refused(files, tmp_path, capsys, monkeypatch):
    def said(*words):
        return fails(capsys, monkeypatch, "topology", *words)

    one, two = files.values()
    assert "topology must have one landscape or two, got 3" in said(one, two, one)
    assert "--out must end in .npz, got a.json" in said(one, "--out", "a.json")
    assert "--out must be a folder for 2 results" in said(one, two, "--out", tmp_path / "a.npz")
    assert "--dimensions must be whole numbers, for example 0,1, got 0;1" in said(one, "--dimensions", "0;1")
    assert "dimensions must be whole numbers below 2, the number of axes, got (2,)" in said(one, "--dimensions", 2)
    assert "measure='speed' is unknown" in said(one, "--measure", "speed")
    assert "missing.npz" in said(tmp_path / "missing.npz")
