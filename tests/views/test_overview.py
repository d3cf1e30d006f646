"""A landscape in some lines: each fact at its place, and nothing that the report does not hold."""

import itertools

import numpy as np
import pytest

from fastscape import Landscape
from fastscape.views import overview

AXIS = np.linspace(-1, 1, 5)
LINE = Landscape(AXIS, None, 1 + AXIS**2)
READ = "model", "parameters", "loss", "objective", "plan", "progress", "warnings", "versions", "precision", "device"
ODD = [
    None, True, -1, 10**400, float("nan"), "", "a\nb\ud800", "L" * 100_000, [], [[]], [None, 3], {}, {"": None},
    {"chunk": "many", "batching": 3, "points": True, "of": [], "running": "yes", "torch": 2, "samples": 1.5},
]  # fmt: skip


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({}, {}),
        ({"model": "Net"}, {"model": "Net"}),
        ({"parameters": 3}, {"model": "3 parameters"}),
        ({"objective": "my.f", "loss": None}, {"loss": "my.f"}),
        ({"marks": {"the model": [1.0]}, "loss": "f"}, {"loss": "f, 2 at the model"}),
        ({"plan": {"batching": "loop", "chunk": 4}, "device": "cpu"}, {"plan": "loop, chunk 4, on cpu"}),
        ({"progress": {"points": 3, "of": 5, "running": True}}, {"progress": "3 of 5 points, a process is running"}),
        (
            {"progress": {"parts": 1, "samples": 64, "running": False}},
            {"progress": "64 samples, in 1 part, no process is running"},
        ),
        ({"warnings": []}, {"warnings": "none"}),
        ({"warnings": ["one", "two"]}, {"warnings": "one (and 1 more)"}),
        ({"versions": {"torch": "2.15", "fastscape": "0.1.0"}}, {"versions": "fastscape 0.1.0, torch 2.15"}),
    ],
)
def test_what_the_report_holds_is_said_and_no_more(report, said):
    assert overview(LINE.with_report(report)) == {"grid": "5 points, from -1 to 1 along x", **said}


def test_the_grid_says_how_much_of_it_was_evaluated_and_of_what_it_is_a_part():
    some = np.arange(5) % 2 == 0
    assert overview(Landscape(AXIS, None, AXIS, evaluated=some))["grid"].startswith(
        "5 points, from -1 to 1 along x; 3 of 5 points were evaluated"
    )
    plane = Landscape(AXIS, AXIS, np.ones((5, 5)))
    assert overview(plane.slice(y=0.5))["grid"] == "5 points, from -1 to 1 along x; Slice at y = 0.5"


def test_a_damaged_report_is_no_error():
    for name, odd in itertools.product(READ, ODD):
        for said in overview(LINE.with_report({name: odd})).values():
            assert said.isprintable()
            assert len(said) < 400
